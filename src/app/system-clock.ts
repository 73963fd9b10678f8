import type { Clock } from "../ports/clock.ts";

/** The machine's own time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) => wait(ms, signal, true),
  doze: (ms, signal) => wait(ms, signal, false),
};

function wait(ms: number, signal: AbortSignal | undefined, keepsAlive: boolean): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    if (!keepsAlive) timer.unref();
    signal?.addEventListener("abort", done, { once: true });
  });
}
