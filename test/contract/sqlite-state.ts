import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSqliteState } from "../../src/adapters/state/sqlite/open.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { StateHarness } from "../../src/testing/state-contract.ts";

/** In memory where there is such a place: the disk's syncs are not what is tested here. */
export const SCRATCH: string = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

/** Time that stands still until it is moved. */
class ManualClock implements Clock {
  #now = Date.UTC(2026, 0, 1);
  #sleepers: readonly Sleeper[] = [];

  now(): number {
    return this.#now;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#sleepers = [...this.#sleepers, { at: this.#now + ms, wake: resolve }];
      signal?.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  async advance(ms: number): Promise<void> {
    this.#now += ms;
    const due = this.#sleepers.filter(({ at }) => at <= this.#now);
    this.#sleepers = this.#sleepers.filter(({ at }) => at > this.#now);
    for (const { wake } of due) wake();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

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
