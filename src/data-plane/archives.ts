import type { Bucket } from "../domain/bucket.ts";
import { isReplicationError, type RecordedError, ReplicationError } from "../domain/error.ts";
import { isRestoreNote, restoreNote } from "../domain/restore-note.ts";
import type { Restore } from "../domain/rule.ts";
import type { LedgerEntry } from "../domain/status.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import type { LeasedTask, Ledger, Outcome } from "../ports/state.ts";
import type { Assignment } from "./settlement.ts";

/** How long apart it is looked whether an object has come, where no event tells: minutes, hours or half a day are what S3 takes. */
const LOOKS_EVERY_MS: Readonly<Record<Restore["tier"], number>> = { Expedited: 60_000, Standard: 15 * 60_000, Bulk: 30 * 60_000 };
/** Where it seems to be there by now. Not at once: of a store that says so and refuses all the same it is asked for ever. */
const LOOKS_AGAIN_MS = 30_000;

/** An object that was asked for. */
export interface Awaited {
  /** After how many milliseconds to look again. */
  readonly retryAfterMs: number;
  /** What its row has to tell meanwhile. */
  readonly notes: readonly string[];
}

/**
 * Has archived objects made readable where their rule asks for it.
 *
 * That costs money each time, so it is done once for each state of an object: its row notes it until the copy is made. Where the copy has
 * failed for good by the time the archive has taken the object back, only a person asks for it again.
 */
export class Archives {
  readonly #storeOf: (bucket: Bucket) => ObjectStore;
  readonly #ledger: Ledger;
  readonly #looking = new Map<string, Promise<Look>>();

  constructor(storeOf: (bucket: Bucket) => ObjectStore, ledger: Ledger) {
    this.#storeOf = storeOf;
    this.#ledger = ledger;
  }

  /**
   * Asks for an object that was found archived, unless that was done before.
   * @throws `ArchivedObject` where it is not asked for, and what the store has against it
   */
  async ask({ task, aim, signal }: Assignment): Promise<Awaited> {
    const { key, route, attempts } = task;
    const { source, restore } = aim.rule;
    if (restore === undefined) throw new ReplicationError("ArchivedObject", `${key} is archived, and its rule restores nothing`);
    const row = await this.#ledger.get(route, key);
    const known = row?.notes.filter(isRestoreNote) ?? [];
    // An error was recorded since, and it is not tried again by itself: that was what the restored copy was for.
    const failure = attempts === 0 ? (row?.error ?? null) : null;
    const spent = failure === null ? undefined : known[0];
    const { retryAfterMs, note } = await this.#look(this.#storeOf(source), { key, restore, spent, signal });
    if (retryAfterMs === undefined) throw spentError(key, failure);
    return { retryAfterMs, notes: note === undefined ? known : [note] };
  }

  /** The outcome of an attempt that did not end well, whose row goes on telling that its object was asked for. */
  async carry({ route, key }: LeasedTask, outcome: Outcome): Promise<Outcome> {
    const row = await this.#ledger.get(route, key);
    const known = row?.notes.filter(isRestoreNote) ?? [];
    const { entry } = outcome;
    return known.length === 0 ? outcome : { ...outcome, entry: { ...entry, notes: [...entry.notes, ...known] } };
  }

  /** Whoever is at it for the same object at the same time shares the answer. */
  async #look(store: ObjectStore, asked: Asked): Promise<Look> {
    const id = `${store.bucket.id} ${asked.key} ${asked.spent ?? ""}`;
    const looking = this.#looking.get(id) ?? look(store, asked);
    this.#looking.set(id, looking);
    return looking.finally(() => this.#looking.delete(id));
  }
}

interface Asked {
  readonly key: string;
  readonly restore: Restore;
  /** Note of the state that is not asked for any more. */
  readonly spent: string | undefined;
  readonly signal: AbortSignal | undefined;
}

interface Look {
  /** Undefined: it is not asked for any more. */
  readonly retryAfterMs: number | undefined;
  readonly note: string | undefined;
}

async function look(store: ObjectStore, { key, restore, spent, signal }: Asked): Promise<Look> {
  const state = await store.head(key, { signal });
  if (state?.archived !== true) return { retryAfterMs: LOOKS_AGAIN_MS, note: undefined };
  const note = restoreNote(state);
  const retryAfterMs = LOOKS_EVERY_MS[restore.tier];
  if (state.restoring === true) return { retryAfterMs, note };
  if (note === spent) return { retryAfterMs: undefined, note };
  if (store.guards === undefined) throw new ReplicationError("NotImplemented", `${store.bucket.name} has no archive to ask`);
  await store.guards.restore(key, restore, { storageClass: state.storageClass, signal }).catch(explained);
  return { retryAfterMs, note };
}

function explained(error: unknown): never {
  if (!isReplicationError(error) || error.code !== "AccessDenied") throw error;
  const hint = "grant s3:RestoreObject on the source, or remove restore from the rule";
  throw new ReplicationError(error.code, error.message, { at: error.at, hint, cause: error });
}

/** Told of an object that stays archived, by every attempt with the first one's reason. */
function spentError(key: string, failure: LedgerEntry["error"]): ReplicationError {
  const hint =
    "mend what kept it from being copied, then redrive the failure (replicast failures redrive): it is restored, and paid for, once more";
  return new ReplicationError("ArchivedObject", reasonOf(key, failure), { hint });
}

function reasonOf(key: string, failure: RecordedError | null): string {
  if (failure?.code === "ArchivedObject") return failure.message;
  return `${key} was restored and could not be copied before it was archived again: ${failure?.code} ${failure?.message}`;
}
