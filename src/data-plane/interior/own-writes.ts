import type { BucketEvent } from "../../domain/event.ts";
import type { Clock } from "../../ports/clock.ts";
import { Alarm } from "../alarm.ts";

/** What the store will announce of a write of ours. */
export interface ExpectedEvent {
  readonly kind: BucketEvent["kind"];
  readonly etag?: string | undefined;
  readonly versionId?: string | undefined;
}

export interface OpenWrite {
  /** The write has ended, and what it left is recorded; `announced` is the event it makes, absent where nothing was written or nobody knows. */
  ended(announced?: ExpectedEvent): void;
}

/** How long another write of this process to the same key is waited for. */
export const WRITE_WAITS_MS = 30_000;
/** An event waits for so long for the write that it may be of; after that it becomes a task, which finds out by reading. */
const EVENT_WAITS_MS = 2_000;
/** Writes whose event has not come yet; the oldest is forgotten first, and its event costs a read then. */
const MAX_EXPECTED = 50_000;
/** An event that has not come by then went to another process, or nowhere: one like it that comes later is a client's. */
const EXPECTED_FOR_MS = 60_000;

interface Expected extends ExpectedEvent {
  /** Milliseconds since the epoch. */
  readonly until: number;
}

/**
 * Our writes to interior buckets, so that their events make no work. An event that arrives before the response of its write waits for it.
 * Each write excuses one event: a second one like it may be a client's. What this forgets is found out by a read; nothing depends on it
 * but the number of requests.
 */
export class OwnWrites {
  readonly #clock: Clock;
  readonly #open = new Map<string, PromiseWithResolvers<void>>();
  readonly #expected = new Map<string, Expected[]>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Begins a write when no other of this process is under way there; undefined where one still is after `ms`: it may hang for hours. */
  async begin(bucket: string, key: string, ms: number): Promise<OpenWrite | undefined> {
    const id = idOf(bucket, key);
    const until = this.#clock.now() + ms;
    while (this.#open.has(id)) {
      const left = until - this.#clock.now();
      if (left <= 0) return undefined;
      await this.settled(bucket, key, left);
    }
    const settled = Promise.withResolvers<void>();
    this.#open.set(id, settled);
    return {
      ended: (announced) => {
        if (announced !== undefined) this.#expect(id, announced);
        this.#open.delete(id);
        settled.resolve();
      },
    };
  }

  isOpen(bucket: string, key: string): boolean {
    return this.#open.has(idOf(bucket, key));
  }

  /** Resolves when no write of this process is under way there, at the latest after `ms`. */
  async settled(bucket: string, key: string, ms: number): Promise<void> {
    const id = idOf(bucket, key);
    const open = this.#open.get(id);
    if (open === undefined) return;
    const late = Promise.withResolvers<void>();
    const alarm = new Alarm(this.#clock, () => late.resolve());
    alarm.set(ms);
    await Promise.race([open.promise, late.promise]);
    alarm.clear();
  }

  /** Whether an event is of a write of ours, which it then has excused. */
  async excuses(bucket: string, event: BucketEvent): Promise<boolean> {
    for (const key of event.keys) {
      await this.settled(bucket, key, EVENT_WAITS_MS);
      if (this.#excuse(idOf(bucket, key), event)) return true;
    }
    return false;
  }

  #excuse(id: string, event: BucketEvent): boolean {
    const expected = this.#expectedNow(id);
    const index = expected.findIndex((one) => announces(one, event));
    if (index !== -1) expected.splice(index, 1);
    if (expected.length === 0) this.#expected.delete(id);
    else this.#expected.set(id, expected);
    return index !== -1;
  }

  #expect(id: string, event: ExpectedEvent): void {
    const expected = this.#expectedNow(id);
    expected.push({ ...event, until: this.#clock.now() + EXPECTED_FOR_MS });
    this.#expected.delete(id);
    this.#expected.set(id, expected);
    if (this.#expected.size <= MAX_EXPECTED) return;
    const [oldest] = this.#expected.keys();
    if (oldest !== undefined) this.#expected.delete(oldest);
  }

  #expectedNow(id: string): Expected[] {
    const now = this.#clock.now();
    return (this.#expected.get(id) ?? []).filter(({ until }) => until > now);
  }
}

function idOf(bucket: string, key: string): string {
  return `${bucket} ${key}`;
}

/** Some stores leave version or ETag out of their events; what both name must agree. */
function announces(expected: ExpectedEvent, event: BucketEvent): boolean {
  if (expected.kind !== event.kind) return false;
  if (expected.versionId !== undefined && event.versionId !== undefined && event.versionId !== "null") {
    return expected.versionId === event.versionId;
  }
  return expected.etag === undefined || event.etag === undefined || expected.etag === event.etag;
}
