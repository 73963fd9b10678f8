import { MemoryState } from "../../src/testing/memory-state.ts";
import type { StateHarness } from "../../src/testing/state-contract.ts";
import { ManualClock } from "./manual-clock.ts";

/** Opens a state in memory; opened again it is another worker's. */
export async function openMemoryHarness(): Promise<StateHarness> {
  const clock = new ManualClock();
  return harnessOver(new MemoryState({ clock }), clock);
}

function harnessOver(state: MemoryState, clock: ManualClock): StateHarness {
  return {
    state,
    now: () => clock.now(),
    advance: (ms) => clock.advance(ms),
    reopen: async () => harnessOver(state, clock),
    close: () => state.close(),
  };
}
