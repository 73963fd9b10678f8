import type { Clock } from "../ports/clock.ts";

/** Calls back once after a while, by a clock that tests and simulations can bring; setting it again forgets the time before. */
export class Alarm {
  readonly #clock: Clock;
  readonly #ring: () => void;
  #cancel: AbortController | undefined;

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  get isSet(): boolean {
    return this.#cancel !== undefined;
  }

  set(ms: number): void {
    this.clear();
    const cancel = new AbortController();
    this.#cancel = cancel;
    const dozed = this.#clock.doze?.(ms, cancel.signal) ?? this.#clock.sleep(ms, cancel.signal);
    void dozed.then(() => {
      if (cancel.signal.aborted) return;
      this.#cancel = undefined;
      this.#ring();
    });
  }

  clear(): void {
    this.#cancel?.abort();
    this.#cancel = undefined;
  }
}
