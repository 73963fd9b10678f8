import { randomUUID } from "node:crypto";
import { identity, interiorBuckets } from "../config/interior.ts";
import type { ResolvedConfig } from "../config/resolved-config.ts";
import type { Bucket } from "../domain/bucket.ts";
import { isReplicationError, toReplicationError } from "../domain/error.ts";
import { RESERVED_PREFIX } from "../domain/object.ts";
import type { Logger } from "../ports/logger.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import type { Distrust, Epoch, State } from "../ports/state.ts";

export interface SentinelOptions {
  readonly config: ResolvedConfig;
  readonly state: State;
  readonly storeOf: (bucket: Bucket) => ObjectStore;
  readonly logger: Pick<Logger, "warn" | "error">;
  /** Ends asking, without a word. */
  readonly signal?: AbortSignal | undefined;
}

/** What a bucket says of the state that worked on it last. */
interface Mark {
  readonly epoch: string;
  readonly generation: number;
}

interface Marked {
  readonly store: ObjectStore;
  /** Undefined where there is none; null where nobody can read what is there. */
  readonly mark: Mark | undefined | null;
  readonly versionId: string | undefined;
}

const HINT = "run replicast rebuild-ledger; until then deletes are held";

/**
 * Tells a state that was lost, or put back from an old copy, from the one that its buckets know, by an object in each bucket whose deletes
 * depend on it. The state learns a generation before any bucket does, so that a bucket is never ahead of the state that it belongs to.
 */
export class Sentinel {
  readonly #options: SentinelOptions;
  #trusted: Promise<boolean> | undefined;

  constructor(options: SentinelOptions) {
    this.#options = options;
  }

  /**
   * Whether the state can be believed. Asks the buckets once; what was found to be wrong stays in the state until it is rebuilt. One bucket
   * that knows this state is enough where others are away.
   * @throws where no bucket can tell: then they are asked again the next time
   */
  readonly isTrusted = (): Promise<boolean> => {
    this.#trusted ??= this.#check().catch((error: unknown) => {
      this.#trusted = undefined;
      throw error;
    });
    return this.#trusted;
  };

  /** Asks now, so that a person hears of it at the start; a store that is away is asked when the first delete needs to know. */
  async greet(): Promise<void> {
    try {
      await this.isTrusted();
    } catch (thrown) {
      if (this.#options.signal?.aborted) return;
      const { code, message, hint } = toReplicationError(thrown);
      this.#options.logger.warn("whether the ledger is the one that the buckets know cannot be asked yet", { code, error: message, hint });
    }
  }

  /** Makes the state the one that its buckets know, whatever they knew. For a state that has just been put together again. */
  async renew(): Promise<Epoch> {
    const { journal } = this.#options.state;
    const own = await journal.epoch();
    const { marked, trouble } = await this.#read();
    if (trouble !== undefined) throw trouble;
    const generation = 1 + Math.max(own?.generation ?? 0, ...marked.map(({ mark }) => mark?.generation ?? 0));
    const epoch = { epoch: own?.epoch ?? randomUUID(), generation, distrust: null };
    // The buckets first, for once: a state that says of itself that it is unfinished is believed whatever they say.
    await this.#tell(marked, epoch);
    await journal.saveEpoch(epoch);
    return epoch;
  }

  async #check(): Promise<boolean> {
    const { journal } = this.#options.state;
    const own = await journal.epoch();
    if (own !== undefined && own.distrust !== null) return this.#refuse(own.distrust);
    const { marked, trouble } = await this.#read();
    const distrust = distrustOf(own, marked);
    if (distrust !== null) {
      await journal.saveEpoch({ epoch: own?.epoch ?? randomUUID(), generation: own?.generation ?? 0, distrust });
      return this.#refuse(distrust);
    }
    const isKnown = own !== undefined && marked.some(({ mark }) => mark?.epoch === own.epoch);
    if (trouble !== undefined && !isKnown) throw trouble;
    const epoch = { epoch: own?.epoch ?? randomUUID(), generation: (own?.generation ?? 0) + 1, distrust: null };
    await journal.saveEpoch(epoch);
    await this.#tell(marked, epoch);
    return true;
  }

  #refuse(distrust: Distrust): false {
    this.#options.logger.error(MESSAGES[distrust], { distrust, hint: HINT });
    return false;
  }

  /** What the buckets say that can be asked, and why one of the others cannot. */
  async #read(): Promise<{ readonly marked: readonly Marked[]; readonly trouble: unknown }> {
    const { config, storeOf } = this.#options;
    const asked = await Promise.allSettled(guardedBuckets(config).map((bucket) => this.#readOne(storeOf(bucket))));
    const marked = asked.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
    return { marked, trouble: asked.find((answer) => answer.status === "rejected")?.reason };
  }

  async #readOne(store: ObjectStore): Promise<Marked> {
    const found = await store.get(sentinelKey(this.#options.config.name), { signal: this.#options.signal });
    if (found === undefined) return { store, mark: undefined, versionId: undefined };
    return { store, mark: parseMark(found.body), versionId: found.state.versionId };
  }

  /** A source that may only be read stays without one. */
  async #tell(marked: readonly Marked[], { epoch, generation }: Epoch): Promise<void> {
    const body = Buffer.from(`${JSON.stringify({ epoch, generation })}\n`);
    await Promise.all(marked.map((bucket) => this.#write(bucket, body)));
  }

  async #write({ store, mark, versionId }: Marked, body: Buffer): Promise<void> {
    const key = sentinelKey(this.#options.config.name);
    try {
      // Of a bucket with object lock each would have to stay.
      if (mark != null && (await store.describe()).objectLock) return;
      await store.put(key, body);
      // The null version has been overwritten: there is but one.
      if (versionId !== undefined && versionId !== "null") await store.delete(key, { versionId });
    } catch (error) {
      if (!isReplicationError(error) || error.code !== "AccessDenied") throw error;
      const hint = `allow s3:PutObject on ${RESERVED_PREFIX}*`;
      this.#options.logger.warn("a bucket cannot be told which ledger works on it", { bucket: store.bucket.name, hint });
    }
  }
}

const MESSAGES: Readonly<Record<Distrust, string>> = {
  lost: "the ledger was lost: its buckets know one that is not here",
  old: "the ledger is older than what its buckets know: it was put back from a copy",
  foreign: "another replicast of this name works on these buckets, with a ledger of its own",
  rebuilding: "the ledger has not been put together again as a whole",
};

/** The buckets whose deletes depend on the ledger: interior ones, and sources of rules that replicate deletes. */
export function guardedBuckets({ rules }: ResolvedConfig): readonly Bucket[] {
  const interior = interiorBuckets(rules);
  const buckets = new Map<string, Bucket>();
  for (const { source, destinations, deletes } of rules) {
    if (deletes !== "none") buckets.set(source.id, source);
    for (const bucket of [source, ...destinations.map((destination) => destination.bucket)])
      if (interior.has(identity(bucket))) buckets.set(bucket.id, bucket);
  }
  return [...buckets.values()];
}

export function sentinelKey(name: string): string {
  return `${RESERVED_PREFIX}${name}/epoch`;
}

function distrustOf(own: Epoch | undefined, marked: readonly Marked[]): Distrust | null {
  const marks = marked.map(({ mark }) => mark).filter((mark) => mark !== undefined);
  if (own === undefined) return marks.length === 0 ? null : "lost";
  if (marks.some((mark) => mark === null || mark.epoch !== own.epoch)) return "foreign";
  return marks.some((mark) => mark !== null && mark.generation > own.generation) ? "old" : null;
}

/** Null where it is none of ours. */
function parseMark(body: Uint8Array): Mark | null {
  try {
    const { epoch, generation }: Partial<Record<string, unknown>> = JSON.parse(Buffer.from(body).toString());
    return typeof epoch === "string" && typeof generation === "number" ? { epoch, generation } : null;
  } catch {
    return null;
  }
}
