import { setTimeout as sleep } from "node:timers/promises";

export interface WaitOptions {
  /** @defaultValue 30000 */
  readonly timeoutMs?: number;
  /** @defaultValue 25 */
  readonly intervalMs?: number;
}

type Falsy = false | 0 | "" | null | undefined;

/**
 * Polls until `check` returns something truthy, and returns it. A `check` that throws counts as "not yet"; one that hangs past the time
 * limit is given up.
 *
 * @throws Error naming `what`, the time spent and the last value or error seen.
 */
export async function waitFor<T>(what: string, check: () => T | Promise<T>, options: WaitOptions = {}): Promise<Exclude<T, Falsy>> {
  const { timeoutMs = 30_000, intervalMs = 25 } = options;
  const deadline = Date.now() + timeoutMs;
  let seen = "nothing yet";
  for (;;) {
    try {
      const value = await withDeadline(check, deadline);
      if (value) return value as Exclude<T, Falsy>;
      seen = `the value ${String(value)}`;
    } catch (error) {
      seen = error instanceof Error ? error.message : String(error);
    }
    if (Date.now() + intervalMs >= deadline) throw new Error(`waited ${timeoutMs} ms for ${what}; last seen: ${seen}`);
    await sleep(intervalMs);
  }
}

async function withDeadline<T>(check: () => T | Promise<T>, deadline: number): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error("a check that did not return")), Math.max(1, deadline - Date.now()));
  try {
    return await Promise.race([check(), promise]);
  } finally {
    clearTimeout(timer);
  }
}
