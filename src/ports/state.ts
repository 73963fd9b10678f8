import type { Conflict } from "../domain/conflict.ts";
import type { GateState } from "../domain/delete-gate.ts";
import type { Fingerprint } from "../domain/fingerprint.ts";
import type { Holding, Intent } from "../domain/holding.ts";
import type { Hint } from "../domain/object.ts";
import type { Engine } from "../domain/rule.ts";
import type { LedgerEntry, Status } from "../domain/status.ts";
import type { Uploads } from "./uploads.ts";

export const LANES = ["live", "backfill"] as const;
export type Lane = (typeof LANES)[number];

/** One destination of one rule, as rows are keyed by. */
export interface Route {
  readonly rule: string;
  /** Canonical id of the source bucket. */
  readonly source: string;
  /** Canonical id of the destination. */
  readonly destination: string;
}

/** What made a task wanted; of wishes that coalesce, all, but that of deletes the latest is told of. */
export interface Changes {
  /** A delete of the key was announced. */
  readonly deleted?: boolean | undefined;
  /** The delete was a lifecycle's. */
  readonly expired?: boolean | undefined;
  /** Tags or ACL were announced to have changed. */
  readonly attributes?: boolean | undefined;
  /** An object was announced or listed: also true where nothing else is known. */
  readonly written?: boolean | undefined;
  /** A comparison found the key at one side alone: it is to be looked at, nothing says that it was written. */
  readonly missed?: boolean | undefined;
  /** A person let a held delete pass. */
  readonly approved?: boolean | undefined;
}

/** A wish that a destination should hold what the source holds under this key. */
export interface Want {
  readonly route: Route;
  readonly key: string;
  readonly lane: Lane;
  /** When the change happened, in milliseconds since the epoch; null for what a listing found. */
  readonly eventTime: number | null;
  readonly hint?: Hint | undefined;
  /** @defaultValue written */
  readonly changes?: Changes | undefined;
  /**
   * When the delete that was announced happened, by its store's clock; of several, the latest. Absent: it may be the delete of whatever was
   * there.
   */
  readonly deletedAt?: number | undefined;
  /** Not before this; milliseconds since the epoch. A key that waits already is not postponed by it. */
  readonly notBefore?: number | undefined;
}

/** A task that this process may work on until its lease ends. */
export interface LeasedTask extends Want {
  /** The generation that was wanted when it was claimed. */
  readonly wanted: number;
  /** Attempts made before this one. */
  readonly attempts: number;
  readonly firstFailedAt: number | null;
  /** Fences the outcome: only the holder of the current token can record one. */
  readonly lease: string;
}

export interface ClaimOptions {
  readonly max: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly leaseMs: number;
  /** Routes whose tasks are left alone for now: paused, gone from the config, or with a destination that does not answer. */
  readonly skip?: readonly Route[] | undefined;
}

/** How an attempt ended: the row it leaves, and when to try again (absent: the task is done with). */
export interface Outcome {
  readonly task: LeasedTask;
  /** Without a `replica` the row keeps the one it has. */
  readonly entry: LedgerEntry;
  readonly retryAt?: number | undefined;
  /**
   * Stored in the same transaction, each only where its revision is still the one it was made from. The first is of the key that
   * {@link closes} is about: where it is not stored that intent is only abandoned, since nobody knows any more what is there.
   */
  readonly holdings?: readonly Holding[] | undefined;
  /** Id of the intent that is closed by it. */
  readonly closes?: string | undefined;
  /** Rows of single versions that a replay of history leaves beside the entry. */
  readonly versions?: readonly LedgerEntry[] | undefined;
  /** Durable together with the outcome: what has to be looked at because of it. */
  readonly wants?: readonly Want[] | undefined;
}

export interface PendingSummary {
  readonly route: Route;
  readonly operations: number;
  readonly bytes: number;
  /** Event time of the oldest, or when it was first wanted; milliseconds since the epoch. */
  readonly oldestAt: number | null;
}

/** The durable tasks: a row per (rule, destination, key) with a wanted and a done generation. */
export interface TaskStore {
  /**
   * Makes every wish durable: on return a crash can no longer lose it. A wish for a key that already waits raises its generation and keeps
   * one row (coalescing is the only dedupe); a live wish lifts a waiting backfill row into the live lane, and ends the pause and the count of
   * attempts of a row that failed.
   * @throws `Overloaded` where too many commits wait, `LedgerUnavailable` where the disk refuses
   */
  want(wants: readonly Want[]): Promise<void>;

  /**
   * Leases due tasks and returns them: live before backfill with a small share for backfill, the oldest first, and all due tasks of one
   * source object next to each other. Empty: nothing was due, not that nothing waits.
   */
  claim(options: ClaimOptions): Promise<readonly LeasedTask[]>;

  /**
   * Records outcomes: ledger row, task row and holdings change in one transaction. A task wanted again since its claim stays and is due at once.
   * Returns, for each, whether its lease still held; where it did not nothing was recorded.
   */
  record(outcomes: readonly Outcome[]): Promise<readonly boolean[]>;

  /** Gives leased tasks back untouched, due at once: for draining. */
  release(tasks: readonly LeasedTask[]): Promise<void>;

  /** When the next waiting task is due, in milliseconds since the epoch; undefined where none waits. A task in work does not wait. */
  nextDueAt(): Promise<number | undefined>;

  /** Routes with tasks, in work or not. */
  pending(): Promise<readonly PendingSummary[]>;

  /** Calls back whenever a task may have become due. Returns what stops it. */
  onDue(callback: () => void): () => void;
}

export interface EntryFilter {
  readonly rule?: string | undefined;
  readonly destination?: string | undefined;
  readonly status?: Status | undefined;
  /** Only rows finished at or after this; milliseconds since the epoch. */
  readonly since?: number | undefined;
  readonly limit: number;
  readonly nextToken?: string | undefined;
}

export interface RouteSummary {
  readonly route: Route;
  readonly completed: { readonly operations: number; readonly bytes: number };
  readonly failed: number;
  readonly held: number;
  /** Of rows with an event time finished in the last hour; null without any. */
  readonly latencyMs: { readonly p50: number; readonly p95: number; readonly p99: number; readonly max: number } | null;
}

export interface Adoption {
  readonly route: Route;
  readonly entry: LedgerEntry;
  /**
   * When the attempt that left the row began and ended which this was decided on, both null where there was none: a row that changed since
   * stays. Absent: replaces whatever is there.
   */
  readonly over?: Pick<LedgerEntry, "startedAt" | "finishedAt"> | undefined;
}

/**
 * What is known of every object at every destination. Wherever an entry is read, a task that waits or is in work shows as PENDING, over the
 * replica and the error last recorded; `summaries` alone counts rows as they were recorded.
 */
export interface Ledger {
  get(route: Route, key: string): Promise<LedgerEntry | undefined>;

  /** All rows of one source object, one per route that knows it. */
  entriesOf(sourceBucketId: string, key: string): Promise<readonly LedgerEntry[]>;

  /** Rows of one route with keys after `after`, in the order of their UTF-8 bytes, at most `limit`: for merging with listings. */
  scan(route: Route, after: string | undefined, limit: number): Promise<readonly LedgerEntry[]>;

  list(filter: EntryFilter): Promise<{ readonly entries: readonly LedgerEntry[]; readonly nextToken: string | null }>;

  /** Records that both sides were found equal without copying. Never replaces a row that a task is about to change. */
  adopt(entries: readonly Adoption[]): Promise<void>;

  summaries(now: number): Promise<readonly RouteSummary[]>;
}

/** What is known of a key at an interior bucket. */
export interface Known {
  readonly holding: Holding | undefined;
  /** Of what is known; raised by everything that changes it, also by an announced write. 0: nothing was ever known. */
  readonly revision: number;
  /** When a delete of the key was announced that nobody has looked after yet, in milliseconds since the epoch; null: none was. */
  readonly deletedAt: number | null;
  /** Writes announced and not closed, the expired ones too: one of them may still land. */
  readonly intents: readonly Intent[];
}

/** What interior buckets hold, and what is being written there. */
export interface Holdings {
  known(bucket: string, key: string): Promise<Known>;

  /**
   * Stores holdings that were read at their buckets, all or none: none where one was changed since (its revision is another). `closes` are
   * intents whose write was found, or found not to have happened.
   */
  observe(holdings: readonly Holding[], closes?: readonly string[]): Promise<boolean>;

  /**
   * Makes an intent durable, which excludes every other on its key until it is closed or has expired, and raises the revision by one: what
   * was read before it cannot be stored after it. False: another is open, or the revision is another; nothing was stored.
   */
  announce(intent: Intent, revision: number, now: number): Promise<boolean>;

  /** Closes an intent whose write did not happen. */
  withdraw(id: string): Promise<void>;

  /** Lets an intent expire at once: its writer has given up, but the write may have happened or may still land. */
  abandon(id: string, now: number): Promise<void>;

  /**
   * Notes that a delete of the key was announced, for whoever reads the key next, from whatever direction; the next holding that is stored
   * ends it. Raises the revision.
   */
  noteDelete(bucket: string, key: string, at: number): Promise<void>;

  /** Forgets every holding and intent of a bucket: for a state that is older than what the bucket holds. */
  forgetBucket(bucket: string): Promise<void>;
}

export interface ConflictFilter {
  readonly rule?: string | undefined;
  readonly open?: boolean | undefined;
  readonly limit: number;
  readonly nextToken?: string | undefined;
}

/** What a person may have to decide. */
export interface Safeguards {
  gate(route: Route): Promise<GateState>;
  saveGate(route: Route, gate: GateState): Promise<void>;
  gates(): Promise<readonly { readonly route: Route; readonly gate: GateState }[]>;
  /** Adds a conflict, or replaces the one with its id. */
  saveConflict(conflict: Conflict): Promise<void>;
  conflict(id: string): Promise<Conflict | undefined>;
  /** Newest first. */
  conflicts(filter: ConflictFilter): Promise<{ readonly conflicts: readonly Conflict[]; readonly nextToken: string | null }>;
  setPaused(rule: string, paused: boolean): Promise<void>;
  pausedRules(): Promise<readonly string[]>;
  /** What was found out about a bucket, by its canonical id; undefined where nobody looked. */
  fingerprint(bucket: string): Promise<Fingerprint | undefined>;
  /** Replaces what was known of the bucket. */
  saveFingerprint(bucket: string, fingerprint: Fingerprint): Promise<void>;
}

export interface IntakeCounts {
  readonly store: string;
  readonly received: number;
  readonly ignored: number;
  readonly malformed: number;
  readonly lastMalformed: { readonly reason: string; readonly at: number } | null;
}

export interface SyncProgress {
  readonly startedAt: number;
  /** Everything up to and including this key has been made durable. */
  readonly after: string | null;
  readonly finishedAt: number | null;
}

/**
 * Why a state cannot be believed: its buckets know one that is gone (`lost`), a later form of this one (`old`), or another that works on them
 * too (`foreign`); or it is being put together again (`rebuilding`).
 */
export const DISTRUSTS = ["lost", "old", "foreign", "rebuilding"] as const;
export type Distrust = (typeof DISTRUSTS)[number];

/** Which state this is, and how often it was opened to work on: buckets are told the same, so that a lost or old one is noticed. */
export interface Epoch {
  readonly epoch: string;
  readonly generation: number;
  /** Null: it can be believed. */
  readonly distrust: Distrust | null;
}

/** Small facts that must outlive the process. */
export interface Journal {
  countIntake(store: string, counts: { readonly received: number; readonly ignored: number }): Promise<void>;
  /** Sets a message aside durably. */
  setAside(store: string, record: { readonly reason: string; readonly excerpt: string }): Promise<void>;
  intake(): Promise<readonly IntakeCounts[]>;
  /** Marks a store whose events may have been lost, so that its buckets are synced. */
  markOutage(store: string): Promise<void>;
  clearOutage(store: string): Promise<void>;
  outages(): Promise<readonly string[]>;
  syncProgress(rule: string): Promise<SyncProgress | undefined>;
  saveSyncProgress(rule: string, progress: SyncProgress): Promise<void>;
  /** When a rule was first run here; sets it to `now` the first time. */
  ruleSince(rule: string, now: number): Promise<number>;
  /** The engine that serves a rule, as was decided; undefined where nobody has. */
  engine(rule: string): Promise<Engine | undefined>;
  saveEngine(rule: string, engine: Engine): Promise<void>;
  epoch(): Promise<Epoch | undefined>;
  saveEpoch(epoch: Epoch): Promise<void>;
}

/** One open state: the faces of the same durable store. */
export interface State {
  readonly tasks: TaskStore;
  readonly ledger: Ledger;
  readonly journal: Journal;
  readonly holdings: Holdings;
  readonly safeguards: Safeguards;
  readonly uploads: Uploads;
  /** Waits for what is being written and lets go of the file. Safe to call twice. */
  close(): Promise<void>;
}
