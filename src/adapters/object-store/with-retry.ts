import { isReplicationError } from "../../domain/error.ts";
import { retryDelay } from "../../domain/retry.ts";
import type { Clock } from "../../ports/clock.ts";
import type { ObjectStore } from "../../ports/object-store.ts";

export interface WithRetryOptions {
  readonly clock: Clock;
  /** Tries in all, the first included. @defaultValue 3 */
  readonly attempts?: number | undefined;
  /** From 0 to 1. @defaultValue Math.random */
  readonly random?: (() => number) | undefined;
}

/** A blip is over in this time; what takes longer is for whoever postpones the task. */
const INITIAL_MS = 100;
/** The longest that a store is waited for because it asked to be left alone. */
const MAX_WAIT_MS = 5_000;

/**
 * Repeats reads that failed for a reason that passes, quickly and in this process. Writes are not repeated: their owner knows what a second one
 * would do. Nothing is repeated after the signal aborted, or where the store asks for more than five seconds.
 */
export function withRetry(store: ObjectStore, options: WithRetryOptions): ObjectStore {
  const again = <T>(read: () => Promise<T>, signal: AbortSignal | undefined) => repeated(read, options, signal);
  const { guards } = store;
  return {
    bucket: store.bucket,
    guards: guards && {
      acl: (key, read) => again(() => guards.acl(key, read), read?.signal),
      putAcl: (key, acl, write) => guards.putAcl(key, acl, write),
      putLock: (key, lock, write) => guards.putLock(key, lock, write),
      restore: (key, restore, write) => guards.restore(key, restore, write),
    },
    list: (list) => again(() => store.list(list), list?.signal),
    head: (key, head) => again(() => store.head(key, head), head?.signal),
    get: (key, read) => again(() => store.get(key, read), read?.signal),
    read: (key, range, signal) => again(() => store.read(key, range, signal), signal),
    tags: (key, read) => again(() => store.tags(key, read), read?.signal),
    observe: (key, head) => again(() => store.observe(key, head), head?.signal),
    listVersions: (list) => again(() => store.listVersions(list), list?.signal),
    describe: (signal) => again(() => store.describe(signal), signal),
    versioning: (signal) => again(() => store.versioning(signal), signal),
    capabilities: (signal) => again(() => store.capabilities(signal), signal),
    put: (key, body, put) => store.put(key, body, put),
    delete: (key, remove) => store.delete(key, remove),
    putTags: (key, tags, write) => store.putTags(key, tags, write),
  };
}

async function repeated<T>(read: () => Promise<T>, options: WithRetryOptions, signal: AbortSignal | undefined): Promise<T> {
  const { clock, attempts = 3, random = Math.random } = options;
  const isAborted = () => signal?.aborted === true;
  const policy = { maxAttempts: attempts, initialMs: INITIAL_MS, maxMs: MAX_WAIT_MS };
  for (let attempt = 1; ; attempt++) {
    try {
      return await read();
    } catch (error) {
      if (!isReplicationError(error)) throw error;
      const waitMs = retryDelay(policy, { error, attempts: attempt }, random);
      if (waitMs === undefined || waitMs > MAX_WAIT_MS || isAborted()) throw error;
      await clock.sleep(waitMs, signal);
      if (isAborted()) throw error;
    }
  }
}
