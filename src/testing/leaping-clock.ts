import type { Clock } from "../ports/clock.ts";

/** Time that moves only by sleeping: each sleep ends at once, having moved the time on, and is remembered. */
export class LeapingClock implements Clock {
  readonly slept: number[] = [];
  #now: number;

  constructor(now: number = Date.UTC(2026, 0, 1)) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  async sleep(ms: number): Promise<void> {
    this.slept.push(ms);
    this.#now += ms;
  }
}
