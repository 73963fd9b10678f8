import type { Clock } from "../../../ports/clock.ts";

/** Longest sleep in one piece, in milliseconds; timers of the runtime overflow at 24.8 days. */
const MAX_SLEEP_MS = 3_600_000;

/** Tells listeners that something may have become due, by being rung or at an hour it was set to. */
export class DueBell {
  readonly #clock: Clock;
  readonly #elapsed: () => void;
  readonly #listeners = new Set<() => void>();
  #setFor = Number.POSITIVE_INFINITY;
  #sleep = new AbortController();

  /** `elapsed` decides whether to ring when the hour has come. */
  constructor(clock: Clock, elapsed: () => void) {
    this.#clock = clock;
    this.#elapsed = elapsed;
  }

  listen(callback: () => void): () => void {
    // A function of its own, so that the same callback can listen twice.
    const listener = (): void => callback();
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  ring(): void {
    for (const listener of this.#listeners) queueMicrotask(listener);
  }

  /** Sets the hour; an earlier one that was set before stays. */
  setFor(at: number): void {
    if (at >= this.#setFor) return;
    this.#setFor = at;
    this.#sleep.abort();
    this.#sleep = new AbortController();
    void this.#wait(at, this.#sleep.signal);
  }

  stop(): void {
    this.#listeners.clear();
    this.#setFor = Number.NEGATIVE_INFINITY;
    this.#sleep.abort();
  }

  async #wait(at: number, signal: AbortSignal): Promise<void> {
    await this.#clock.sleep(Math.max(0, Math.min(at - this.#clock.now(), MAX_SLEEP_MS)), signal);
    if (signal.aborted) return;
    this.#setFor = Number.POSITIVE_INFINITY;
    this.#elapsed();
  }
}
