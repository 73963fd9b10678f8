import type { Bucket } from "../../domain/bucket.ts";
import { ReplicationError } from "../../domain/error.ts";
import type { Clock } from "../../ports/clock.ts";
import type { ObjectStore } from "../../ports/object-store.ts";
import type { Holdings, Known } from "../../ports/state.ts";
import { type OwnWrites, WRITE_WAITS_MS } from "./own-writes.ts";
import { type ReadOptions, readSide } from "./read-side.ts";
import { assumed, type Reading } from "./reading.ts";

export interface KeyReaderParts {
  readonly storeOf: (bucket: Bucket) => ObjectStore;
  readonly holdings: Holdings;
  readonly clock: Clock;
  readonly ownWrites: OwnWrites;
}

const MAX_DEFERRAL_MS = 60_000;

/** Finds out what an interior bucket holds under a key, and keeps what is known of it true. */
export class KeyReader {
  readonly #parts: KeyReaderParts;
  readonly #turns = new Map<string, Promise<void>>();

  constructor(parts: KeyReaderParts) {
    this.#parts = parts;
  }

  /**
   * What is known of a key while nobody of us writes there.
   * @throws `BeingWritten` where a writer is away whose write may be on its way
   */
  async known(bucket: Bucket, key: string): Promise<Known> {
    const { ownWrites, holdings, clock } = this.#parts;
    const until = clock.now() + WRITE_WAITS_MS;
    for (let reads = 1; ; reads++) {
      await ownWrites.settled(bucket.id, key, WRITE_WAITS_MS);
      const known = await holdings.known(bucket.id, key);
      const now = clock.now();
      const open = known.intents.find(({ expiresAt }) => expiresAt > now);
      if (open === undefined) return known;
      // One that this process announced since it was last asked ends soon, or has ended while it was read of.
      const isOurs = ownWrites.isOpen(bucket.id, key) || reads === 1;
      if (isOurs && now < until) continue;
      throw new ReplicationError("BeingWritten", `${bucket.name}/${key} is being written`, {
        retryAfterMs: Math.min(MAX_DEFERRAL_MS, open.expiresAt - now),
      });
    }
  }

  /** What a bucket is believed to hold; nothing is asked. */
  async believe(bucket: Bucket, key: string): Promise<Reading> {
    return assumed(await this.known(bucket, key));
  }

  /**
   * Asks the bucket, and stores what is news. Undefined: somebody else stored something meanwhile; read again. One reader of a key at a time,
   * so that the second finds what the first stored.
   */
  read(bucket: Bucket, key: string, options: ReadOptions): Promise<Reading | undefined> {
    const id = `${bucket.id} ${key}`;
    const reading = (this.#turns.get(id) ?? Promise.resolve()).then(() => this.#read(bucket, key, options));
    const ended = reading.then(noop, noop);
    this.#turns.set(id, ended);
    void ended.then(() => {
      if (this.#turns.get(id) === ended) this.#turns.delete(id);
    });
    return reading;
  }

  async #read(bucket: Bucket, key: string, options: ReadOptions): Promise<Reading | undefined> {
    const known = await this.known(bucket, key);
    const reading = await readSide({ store: this.#parts.storeOf(bucket), key }, known, options);
    return this.#store(reading);
  }

  async #store(reading: Reading): Promise<Reading | undefined> {
    const { holding, changed, closes } = reading;
    if (!changed || holding === undefined) return reading;
    if (!(await this.#parts.holdings.observe([holding], closes))) return undefined;
    const revision = holding.revision + 1;
    return { ...reading, holding: { ...holding, revision }, revision };
  }
}

function noop(): void {}
