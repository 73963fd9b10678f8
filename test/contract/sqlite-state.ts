import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSqliteState } from "../../src/adapters/state/sqlite/open.ts";
import type { StateHarness } from "../../src/testing/state-contract.ts";
import { ManualClock } from "./manual-clock.ts";

/** In memory where there is such a place: the disk's syncs are not what is tested here. */
export const SCRATCH: string = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

/** Opens a state in a folder of its own, which goes with the last close. */
export async function openSqliteHarness(): Promise<StateHarness> {
  const folder = mkdtempSync(join(SCRATCH, "replicast-state-"));
  return harnessOver(join(folder, "state.db"), new ManualClock(), () => rmSync(folder, { recursive: true }));
}

async function harnessOver(path: string, clock: ManualClock, remove: () => void): Promise<StateHarness> {
  const state = await openSqliteState({ path, mode: "daemon", clock });
  return {
    state,
    now: () => clock.now(),
    advance: (ms) => clock.advance(ms),
    reopen: async () => {
      await state.close();
      return harnessOver(path, clock, remove);
    },
    close: async () => {
      await state.close();
      remove();
    },
  };
}
