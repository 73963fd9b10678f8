import { setTimeout as sleep } from "node:timers/promises";
import { type LeanS3, objectPath } from "./lean-client.ts";

export interface LagQuantiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

export function quantiles(values: readonly number[]): LagQuantiles {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}

/** An object is asked for at most this often. */
const intervalMs = 5;
/** Four lanes of 5 ms make 800 requests a second at most: more would load what is measured. */
const lanes = 4;
const patienceMs = 30_000;

interface Expected {
  readonly since: number;
  /** When it was last asked for in vain; 0 before. */
  missedAt: number;
}

/** Watches a bucket for keys that are expected there. */
export class Observer {
  readonly #s3: LeanS3;
  readonly #bucket: string;
  readonly #open: Map<string, Expected> = new Map();
  readonly #lagMs: number[] = [];
  readonly #gapMs: number[] = [];
  #closedAt: number | undefined;

  constructor(s3: LeanS3, bucket: string) {
    this.#s3 = s3;
    this.#bucket = bucket;
  }

  /** The lag of this key counts from now. */
  expect(key: string): void {
    this.#open.set(key, { since: performance.now(), missedAt: 0 });
  }

  /** No further key will be expected. */
  close(): void {
    this.#closedAt = performance.now();
  }

  /** Resolves after {@link Observer.close}, once all keys were seen or the patience is at its end. */
  async watch(): Promise<{ readonly lagMs: LagQuantiles; readonly gapMs: LagQuantiles }> {
    await Promise.all(Array.from({ length: lanes }, () => this.#lane()));
    return { lagMs: quantiles(this.#lagMs), gapMs: quantiles(this.#gapMs) };
  }

  async #lane(): Promise<void> {
    while (!this.#finished()) {
      const startedAt = performance.now();
      const due = this.#takeDue(startedAt);
      if (due) await this.#look(...due);
      await sleep(due ? Math.max(0, intervalMs - (performance.now() - startedAt)) : 1);
    }
  }

  #finished(): boolean {
    if (this.#closedAt === undefined) return false;
    return this.#open.size === 0 || performance.now() > this.#closedAt + patienceMs;
  }

  /** Those that wait longest since they were asked for come first. */
  #takeDue(now: number): [string, Expected] | undefined {
    for (const [key, expected] of this.#open) {
      if (now - expected.missedAt < intervalMs) continue;
      this.#open.delete(key);
      return [key, expected];
    }
    return undefined;
  }

  async #look(key: string, expected: Expected): Promise<void> {
    const { status } = await this.#s3.ask("HEAD", objectPath(this.#bucket, key));
    const now = performance.now();
    if (status === 200) {
      this.#lagMs.push(now - expected.since);
      this.#gapMs.push(expected.missedAt ? now - expected.missedAt : 0);
    } else {
      this.#open.set(key, { since: expected.since, missedAt: now });
    }
  }
}
