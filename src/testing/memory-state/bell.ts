import type { Clock } from "../../ports/clock.ts";

/** Calls who listens, when it is rung and at the hour of the next change. Sleeps only while somebody listens. */
export class Bell {
  readonly #clock: Clock;
  readonly #nextChangeAt: () => number;
  readonly #listeners = new Set<() => void>();
  #setFor = Number.POSITIVE_INFINITY;
  #sleep = new AbortController();

  constructor(clock: Clock, nextChangeAt: () => number) {
    this.#clock = clock;
    this.#nextChangeAt = nextChangeAt;
  }

  listen(callback: () => void): () => void {
    // A function of its own, so that the same callback can listen twice.
    const listener = (): void => callback();
    this.#listeners.add(listener);
    this.set();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#stop();
    };
  }

  ring(): void {
    for (const listener of this.#listeners) queueMicrotask(listener);
  }

  /** Sets the hour of the next change; an earlier one that was set before stays. */
  set(): void {
    if (this.#listeners.size === 0) return;
    const at = this.#nextChangeAt();
    if (at >= this.#setFor) return;
    this.#stop();
    this.#setFor = at;
    this.#sleep = new AbortController();
    void this.#wait(at, this.#sleep.signal);
  }

  #stop(): void {
    this.#setFor = Number.POSITIVE_INFINITY;
    this.#sleep.abort();
  }

  async #wait(at: number, signal: AbortSignal): Promise<void> {
    await this.#clock.sleep(Math.max(0, at - this.#clock.now()), signal);
    if (signal.aborted) return;
    this.#setFor = Number.POSITIVE_INFINITY;
    this.ring();
    this.set();
  }
}
