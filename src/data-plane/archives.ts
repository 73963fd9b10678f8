import type { Bucket } from "../domain/bucket.ts";
import { isReplicationError, ReplicationError } from "../domain/error.ts";
import type { Restore } from "../domain/rule.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import type { Aim } from "./replicate.ts";

/** How long apart it is looked whether an object has come, where no event tells: minutes, hours or half a day are what S3 takes. */
const LOOKS_EVERY_MS: Readonly<Record<Restore["tier"], number>> = { Expedited: 60_000, Standard: 15 * 60_000, Bulk: 30 * 60_000 };
/** Where it seems to be there by now. Not at once: of a store that says so and refuses all the same it is asked for ever. */
const LOOKS_AGAIN_MS = 30_000;

/** Has archived objects made readable where their rule asks for it. */
export class Archives {
  readonly #storeOf: (bucket: Bucket) => ObjectStore;
  readonly #asking = new Map<string, Promise<number>>();

  constructor(storeOf: (bucket: Bucket) => ObjectStore) {
    this.#storeOf = storeOf;
  }

  /**
   * Asks for an object that was found archived, unless that was done before, and returns after how many milliseconds to look again. Undefined:
   * the rule does not want it.
   * @throws what the store has against it
   */
  async ask({ rule }: Aim, key: string, signal?: AbortSignal): Promise<number | undefined> {
    const { source, restore } = rule;
    if (restore === undefined) return undefined;
    const id = `${source.id} ${key}`;
    const asking = this.#asking.get(id) ?? this.#ask(this.#storeOf(source), { key, restore, signal });
    this.#asking.set(id, asking);
    return asking.finally(() => this.#asking.delete(id));
  }

  async #ask(store: ObjectStore, { key, restore, signal }: Asked): Promise<number> {
    const state = await store.head(key, { signal });
    if (state?.archived !== true) return LOOKS_AGAIN_MS;
    if (state.restoring === true) return LOOKS_EVERY_MS[restore.tier];
    if (store.guards === undefined) throw new ReplicationError("NotImplemented", `${store.bucket.name} has no archive to ask`);
    await store.guards.restore(key, restore, { storageClass: state.storageClass, signal }).catch(explained);
    return LOOKS_EVERY_MS[restore.tier];
  }
}

interface Asked {
  readonly key: string;
  readonly restore: Restore;
  readonly signal: AbortSignal | undefined;
}

function explained(error: unknown): never {
  if (!isReplicationError(error) || error.code !== "AccessDenied") throw error;
  const hint = "grant s3:RestoreObject on the source, or remove restore from the rule";
  throw new ReplicationError(error.code, error.message, { at: error.at, hint, cause: error });
}
