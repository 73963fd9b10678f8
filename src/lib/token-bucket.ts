/** Lets `perSecond` units pass a second, a second's worth at once at the most, in the order they were asked for. */
export class TokenBucket {
  readonly #perSecond: number;
  #tokens: number;
  #filledAt = performance.now();
  #queue: Promise<void> = Promise.resolve();

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#tokens = perSecond;
  }

  /** Resolves when so many units may pass. */
  take(units: number): Promise<void> {
    const turn = this.#queue.then(() => this.#pass(units));
    this.#queue = turn;
    return turn;
  }

  async #pass(units: number): Promise<void> {
    this.#fill();
    this.#tokens -= units;
    if (this.#tokens >= 0) return;
    const waitMs = (-this.#tokens / this.#perSecond) * 1000;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }

  #fill(): void {
    const now = performance.now();
    this.#tokens = Math.min(this.#perSecond, this.#tokens + ((now - this.#filledAt) / 1000) * this.#perSecond);
    this.#filledAt = now;
  }
}
