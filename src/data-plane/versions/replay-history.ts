import type { Bucket } from "../../domain/bucket.ts";
import { type ErrorCode, ReplicationError, toRecordedError } from "../../domain/error.ts";
import { clientContent } from "../../domain/holding.ts";
import { type Destination, destinationKey, needsTags, type Rule, sizeMatches, tagsMatch } from "../../domain/rule.ts";
import { stampOf } from "../../domain/stamp.ts";
import type { LedgerEntry } from "../../domain/status.ts";
import { type HistoryStep, isAlike, isReplicated, NULL_VERSION, planHistory, recognize } from "../../domain/version-plan.ts";
import type { ListedVersion, ObjectStore, ReadOptions } from "../../ports/object-store.ts";
import type { Journal, LeasedTask, Ledger, Route } from "../../ports/state.ts";
import type { Transfer, TransferResult } from "../../ports/transfer.ts";
import { type CarriedGuards, carryGuards, notesAfter } from "../carried-guards.ts";
import type { DeleteGates } from "../delete-gates.ts";
import { deleteObject } from "../delete-object.ts";
import { toRoute } from "../diff.ts";
import { placeOf } from "../place.ts";
import { attributeHash } from "../replicate.ts";
import { type Assignment, failed, isRejected, type Settled, type Settlement, settled, standingReason } from "../settlement.ts";
import { isInScope, readHistory } from "./key-history.ts";
import { VersionRows } from "./version-rows.ts";

export interface ReplayHistoryParts {
  readonly transfer: Transfer;
  readonly storeOf: (bucket: Bucket) => ObjectStore;
  readonly ledger: Ledger;
  readonly journal: Journal;
  readonly gates: DeleteGates;
  readonly now: () => number;
}

/** Versions written before what was done is made durable and the task gives way to others. */
const CHUNK = 20;
/** Rows that one transaction may carry. */
const MAX_ROWS = 500;
/** How often sides that change under our hands are read again. */
const ROUNDS = 4;
/** A version that keeps failing in one of these ways is passed over after so many attempts. */
const PATIENCE = 3;

/** Errors that say something of one version; any other would meet the next version too. */
const OF_ONE_VERSION: readonly ErrorCode[] = [
  "ArchivedObject",
  "EntityTooLarge",
  "InvalidRequest",
  "InvalidStorageClass",
  "InvalidTag",
  "MetadataTooLarge",
  "NoSuchKey",
  "NoSuchVersion",
];
const OF_ONE_VERSION_IN_THE_END: readonly ErrorCode[] = ["BadDigest", "ChecksumMismatch"];

/**
 * Brings the history of a key to a versioned leaf: versions and delete markers that it lacks, oldest first (`versions: all`). What was done is
 * recorded with the settlement, version by version; where more is left the settlement wants the key again. Whatever is written twice or by a
 * fenced worker, an older version never comes to stand on a newer one: each write is conditional on what is on top.
 */
export async function replayHistory(parts: ReplayHistoryParts, assignment: Assignment): Promise<Settlement> {
  return new Replay(parts, assignment).run();
}

/** What a step led to, where it was not just done. */
type Turn = Settlement | "read-again" | undefined;

class Replay {
  readonly #parts: ReplayHistoryParts;
  readonly #task: LeasedTask;
  readonly #rule: Rule;
  readonly #destination: Destination;
  readonly #signal: AbortSignal | undefined;
  readonly #key: string;
  readonly #route: Route;
  readonly #rows: VersionRows;
  /** Versions of the destination that this run has made. */
  readonly #made = new Set<string>();
  /** What is current at the destination; undefined for nothing. */
  #top: ListedVersion | undefined;
  /** The newest delete marker of the source. */
  #lastMarker: string | undefined;
  /** The delete marker on which a conditional write was refused. */
  #refusedOn: string | undefined;

  constructor(parts: ReplayHistoryParts, { task, aim, signal }: Assignment) {
    this.#parts = parts;
    this.#task = task;
    this.#rule = aim.rule;
    this.#destination = aim.destination;
    this.#signal = signal;
    this.#key = destinationKey(aim.destination, task.key);
    this.#route = toRoute(aim.rule, aim.destination);
    const { ledger, now } = parts;
    this.#rows = new VersionRows({ ledger, route: this.#route, key: task.key, now });
  }

  async run(): Promise<Settlement> {
    try {
      await this.#checkVersioned();
      await this.#rows.read();
      for (let round = 0; round < ROUNDS; round++) {
        const end = await this.#round();
        if (end !== "read-again") return end;
      }
      throw new ReplicationError("PreconditionFailed", `${this.#task.key} changed each time it was read`);
    } catch (error) {
      // What was done so far is kept: it ends this task, and the next one meets the error at once.
      return this.#rows.newsCount > 0 ? this.#toBeContinued() : failed(error, { standing: standingReason(this.#rows.current) });
    }
  }

  async #checkVersioned(): Promise<void> {
    const { bucket } = this.#destination;
    if ((await this.#there.versioning(this.#signal)) === "Enabled") return;
    throw new ReplicationError(
      "CapabilityMissing",
      `${bucket.name} keeps no versions: the history of ${this.#task.key} has no place there`,
      {
        at: { operation: "GetBucketVersioning", bucket: bucket.bucket, key: this.#key },
        hint: "turn versioning on at the destination, or write versions: current",
      },
    );
  }

  async #round(): Promise<Settlement | "read-again"> {
    const { id } = this.#rule;
    const since = this.#destination.existingObjects ? undefined : await this.#parts.journal.ruleSince(id, this.#parts.now());
    // The destination first: what is put there is then on condition of what was on top before the look at the source.
    const there = await this.#readThere();
    const everything = await this.#readSource();
    this.#lastMarker = everything.find(({ isDeleteMarker }) => isDeleteMarker)?.versionId;
    const versions = everything.filter((version) => isInScope(version, since));
    this.#recognize(versions, there);
    for (const step of planHistory(versions, this.#rows.all)) {
      if (this.#isFull) return this.#toBeContinued();
      const turn = await this.#take(step, step.version === versions[0]);
      if (turn !== undefined) return turn;
    }
    return (await this.#putBack(versions)) ?? this.#end(versions[0], everything.length > 0);
  }

  /** A store may hide a key from its listings: then what it has there now is all that can be told. */
  async #readSource(): Promise<readonly ListedVersion[]> {
    const { key } = this.#task;
    const store = this.#store(this.#rule.source);
    const history = await readHistory(store, { key, signal: this.#signal });
    if (history.length > 0) return history;
    const state = await store.head(key, { signal: this.#signal });
    if (state === undefined) return [];
    const { etag, sizeBytes, lastModified, storageClass, versionId = NULL_VERSION } = state;
    return [{ key, versionId, isLatest: true, isDeleteMarker: false, etag, sizeBytes, lastModified, storageClass }];
  }

  get #isFull(): boolean {
    return this.#made.size >= CHUNK || this.#rows.newsCount >= MAX_ROWS;
  }

  // ——— what is there ———

  /** Reads the destination down to what is recorded; returns what stands above that, the newest first. */
  async #readThere(): Promise<readonly ListedVersion[]> {
    const recorded = this.#rows.sourceIds();
    const until = ({ versionId }: ListedVersion) => recorded.has(versionId);
    const there = await readHistory(this.#there, { key: this.#key, until, signal: this.#signal });
    this.#top = there[0];
    const unrecorded = there.filter((version) => !until(version));
    if (unrecorded.length === 0) return unrecorded;
    // Another worker may have written them and said so since: what is there must not be newer than what is known of it.
    await this.#rows.read();
    const known = this.#rows.sourceIds();
    return unrecorded.filter(({ versionId }) => !known.has(versionId));
  }

  /** Records what a writer that died has left at the destination. */
  #recognize(versions: readonly ListedVersion[], unrecorded: readonly ListedVersion[]): void {
    if (this.#rows.all.size === 0) this.#takeOver(versions, this.#rows.current, unrecorded);
    const missing = planHistory(versions, this.#rows.all).flatMap(({ do: what, version }) => (what === "apply" ? [version] : []));
    const found = recognize({
      versions: missing.filter((version) => this.#leavesOut(version) === undefined),
      there: unrecorded.filter(({ versionId }) => !this.#rows.sourceIds().has(versionId)).reverse(),
      mayBeLeftOut: ({ versionId }) => needsTags(this.#rule.filter) || this.#rows.all.has(versionId),
    });
    for (const [version, { versionId, etag }] of found) this.#rows.completed(version, { versionId, etag, proof: "etag" });
  }

  /** The rule replicated current objects until now: what its row tells of is a version that was replicated. */
  #takeOver(versions: readonly ListedVersion[], row: LedgerEntry | undefined, there: readonly ListedVersion[]): void {
    const replica = row?.replica ?? null;
    if (replica === null) return;
    const isMeant = ({ versionId, etag, isDeleteMarker }: ListedVersion) =>
      replica.versionId === null ? !isDeleteMarker && etag === replica.etag : versionId === replica.versionId;
    const version = versions.find(isMeant);
    if (version === undefined) return;
    const known = there.find(({ versionId, etag, isDeleteMarker }) =>
      replica.destinationVersionId === null
        ? !isDeleteMarker && etag === replica.destinationEtag
        : versionId === replica.destinationVersionId,
    );
    const { attributeHash: hash, proof, destinationEtag } = replica;
    this.#rows.completed(version, { versionId: known?.versionId, etag: destinationEtag, proof, hash, notes: row?.notes });
  }

  // ——— steps ———

  async #take({ do: what, version }: HistoryStep<ListedVersion>, isCurrent: boolean): Promise<Turn> {
    if (what === "refuse") return this.#refuse(version);
    const reason = this.#leavesOut(version);
    if (reason !== undefined) return this.#rows.passedOver(version, { status: "SKIPPED", reason });
    if (version.isDeleteMarker) return this.#mark(version, isCurrent);
    return this.#copy(version, isCurrent);
  }

  /** Why the rule does not want the version; undefined where it does, or where its tags decide. */
  #leavesOut(version: ListedVersion): "DeletesNotReplicated" | "Expired" | "FilteredOut" | undefined {
    if (!version.isDeleteMarker) return sizeMatches(this.#rule.filter, version.sizeBytes) ? undefined : "FilteredOut";
    if (this.#rule.deletes === "none") return "DeletesNotReplicated";
    return this.#isExpiration(version) ? "Expired" : undefined;
  }

  /** A lifecycle's marker is told by its event, and the event of a delete speaks of the last marker there is. */
  #isExpiration({ versionId }: ListedVersion): boolean {
    const { changes } = this.#task;
    if (this.#rule.expirations) return false;
    const isTold = changes?.deleted === true && changes.expired === true && versionId === this.#lastMarker;
    return isTold || this.#rows.all.get(versionId)?.reason === "Expired";
  }

  #refuse(version: ListedVersion): undefined {
    const before = this.#rows.all.get(version.versionId)?.error;
    const why = before == null ? "" : `; its copy failed before (${before.code}: ${before.message})`;
    const message = `version ${version.versionId} of ${this.#task.key} is older than one that the destination has already${why}`;
    const error = new ReplicationError("OutOfOrder", message, {
      hint: "nothing newer is affected; to have the whole history, replicate into an empty bucket or prefix",
    });
    return this.#rows.passedOver(version, { status: "FAILED", reason: error.code, error: toRecordedError(error) });
  }

  async #copy(version: ListedVersion, isCurrent: boolean): Promise<Turn> {
    const result = await this.#transfer(version);
    if (result.kind === "changed") return "read-again";
    if (result.kind === "gone") return this.#rows.passedOver(version, { status: "SKIPPED", reason: "SourceGone" });
    if (result.kind === "failed") return this.#cannot(version, isCurrent, result.error);
    const outcome = result.outcomes[0];
    if (outcome === undefined || outcome.kind === "moved-on") return this.#movedOn();
    if (outcome.kind === "not-accepted") return this.#rows.passedOver(version, { status: "SKIPPED", reason: "FilteredOut" });
    if (outcome.kind === "failed") return this.#cannot(version, isCurrent, outcome.error);
    const { versionId, etag, proof, notes } = outcome;
    this.#rows.completed(version, { versionId, etag, proof, notes, hash: attributeHash(result.source.attributes) });
    return this.#puts(version, { versionId, etag });
  }

  #transfer(version: ListedVersion): Promise<TransferResult> {
    const { versionId, isLatest, etag, sizeBytes, lastModified, storageClass = "STANDARD" } = version;
    const rule = this.#rule;
    const { bucket, storageClass: wanted, encryption } = this.#destination;
    const byTags = needsTags(rule.filter);
    return this.#parts.transfer.copy({
      source: rule.source,
      key: this.#task.key,
      // Not every store knows the name of the version that a bucket without versioning has; where it is current its ETag is enough.
      versionId: versionId === NULL_VERSION && isLatest ? undefined : versionId,
      hint: { etag, sizeBytes, lastModified, storageClass },
      destinations: [
        {
          bucket,
          key: this.#key,
          storageClass: wanted,
          encryption,
          preserve: rule.preserve,
          ifHolds: this.#expected,
          stamp: this.#stamp(version),
        },
      ],
      needTags: byTags,
      accept: byTags ? ({ attributes }) => [tagsMatch(rule.filter, attributes.tags ?? {})] : undefined,
      signal: this.#signal,
    });
  }

  /** What a write is conditional on, so that a fenced worker's never lands on a newer version: the object on top, or that there is none. */
  get #expected(): string | null | undefined {
    const top = this.#top;
    if (top === undefined) return null;
    if (!top.isDeleteMarker) return top.etag;
    return this.#refusedOn === top.versionId ? undefined : null;
  }

  /** Some stores take a delete marker for an object: where the same one is still on top afterwards nothing can be asked of it. */
  #movedOn(): "read-again" {
    this.#refusedOn = this.#top?.isDeleteMarker === true ? this.#top.versionId : undefined;
    return "read-again";
  }

  #stamp({ etag, lastModified }: ListedVersion): string | undefined {
    if (this.#rule.stamp !== "always") return undefined;
    const content = clientContent({ bucket: this.#rule.source.id, at: lastModified, etag });
    return stampOf(content, { place: placeOf(this.#destination.bucket.id, this.#key), sourceEtag: etag });
  }

  /** One version that cannot be had does not keep the others back; but the row comes first, so that the next reader knows why it is missing. */
  #cannot(version: ListedVersion, isCurrent: boolean, error: ReplicationError): Turn {
    const patience = this.#task.attempts + 1 >= PATIENCE ? OF_ONE_VERSION_IN_THE_END : [];
    if (isCurrent || ![...OF_ONE_VERSION, ...patience].includes(error.code)) throw error;
    const isNews = this.#rows.all.get(version.versionId)?.reason !== error.code;
    this.#rows.passedOver(version, { status: "FAILED", reason: error.code, error: toRecordedError(error) });
    return isNews ? this.#toBeContinued() : undefined;
  }

  /** Puts a delete marker where the source has one. It hides nothing that replicast did not put there (invariant 4). */
  async #mark(version: ListedVersion, isCurrent: boolean): Promise<Turn> {
    const top = this.#top;
    if (top === undefined || top.isDeleteMarker) {
      const { versionId } = await this.#there.delete(this.#key, { signal: this.#signal });
      return this.#marks(version, versionId);
    }
    if (!this.#rows.sourceIds().has(top.versionId)) return this.#rows.passedOver(version, { status: "SKIPPED", reason: "NotOurs" });
    if (isCurrent && isRejected(this.#rows.current, this.#task)) return this.#settled("SKIPPED", "DeleteRejected", { operation: "delete" });
    if (isCurrent && !(await this.#mayHide(top))) return this.#settled("HELD", "DeleteGate", { operation: "delete" });
    const end = await deleteObject({
      store: this.#there,
      key: this.#key,
      etag: top.etag,
      versionId: top.versionId,
      rule: this.#rule,
      hasOtherWriters: false,
      signal: this.#signal,
    });
    return end.kind === "deleted" ? this.#marks(version, end.versionId ?? undefined) : "read-again";
  }

  /** A marker that a newer version follows leaves nothing deleted, and what this run has put there nobody had seen: neither asks the gate. */
  async #mayHide(top: ListedVersion): Promise<boolean> {
    if (this.#made.has(top.versionId)) return true;
    return this.#parts.gates.passes(this.#route, { approved: this.#task.changes?.approved });
  }

  #marks(version: ListedVersion, versionId: string | undefined): undefined {
    this.#rows.completed(version, { versionId, etag: "", proof: null });
    return this.#puts(version, { versionId, etag: "" });
  }

  #puts(version: ListedVersion, { versionId, etag }: { readonly versionId: string | undefined; readonly etag: string }): undefined {
    const id = versionId ?? `unnamed ${this.#made.size}`;
    this.#made.add(id);
    this.#top = { ...version, key: this.#key, versionId: id, etag, isLatest: true };
  }

  /** Where the newest version was replicated and is not on top any more, it is put there again. */
  async #putBack(versions: readonly ListedVersion[]): Promise<Turn> {
    const current = versions[0];
    if (current === undefined || !isReplicated(current, this.#rows.all.get(current.versionId))) return undefined;
    if (!this.#isBuried(current, versions)) return undefined;
    return current.isDeleteMarker ? this.#mark(current, true) : this.#copy(current, true);
  }

  #isBuried(current: ListedVersion, versions: readonly ListedVersion[]): boolean {
    const top = this.#top;
    if (top === undefined) return !current.isDeleteMarker;
    if (this.#made.has(top.versionId)) return false;
    const of = this.#rows.sourceIds().get(top.versionId);
    // Somebody else's: hidden by our object, but never by our marker.
    if (of === undefined) return !current.isDeleteMarker && !isAlike(current, top);
    // Of a version that the source has no longer: removing single versions is not replicated.
    return of !== current.versionId && versions.some(({ versionId }) => versionId === of);
  }

  // ——— ends ———

  /** The end of a task that has brought the destination as far as it goes: what became of the newest version is what became of the key. */
  async #end(current: ListedVersion | undefined, hasHistory: boolean): Promise<Settlement> {
    if (current === undefined) return this.#settled("SKIPPED", hasHistory ? "OlderThanRule" : "SourceGone");
    const row = this.#rows.all.get(current.versionId);
    const operation = current.isDeleteMarker ? "delete" : "copy";
    if (row === undefined || row.status !== "COMPLETED") return this.#settled("SKIPPED", row?.reason ?? null, { operation });
    if (current.isDeleteMarker) return this.#settled("COMPLETED", null, { operation });
    const { notes, replica } = row;
    // What this run has written has the tags of now; what it has only recognized may not.
    if (this.#task.changes?.attributes !== true || this.#made.has(replica?.destinationVersionId ?? ""))
      return this.#settled("COMPLETED", null, { notes, replica });
    return this.#retag(current, row);
  }

  /** Tags, ACL or lock changed: no new version came of it, so they are given to the one that the current version became. */
  async #retag({ versionId, isLatest }: ListedVersion, { notes, replica }: LedgerEntry): Promise<Settlement> {
    const there = { versionId: replica?.destinationVersionId ?? undefined, signal: this.#signal };
    const { preserve, source } = this.#rule;
    const from = { versionId: versionId === NULL_VERSION && isLatest ? undefined : versionId, signal: this.#signal };
    if (preserve.tags) {
      const tags = await this.#store(source).tags(this.#task.key, from);
      await this.#there.putTags(this.#key, tags, there);
    }
    const carried = await this.#carryGuards(from, there);
    const isMeant = preserve.tags || carried.acl !== undefined || (carried.lock ?? "same") !== "same";
    if (!isMeant) return this.#settled("SKIPPED", "TagsNotPreserved", { operation: "attributes" });
    return this.#settled("COMPLETED", null, { operation: "attributes", notes: notesAfter(notes, carried), replica });
  }

  async #carryGuards(from: ReadOptions, there: ReadOptions): Promise<CarriedGuards> {
    const { preserve, source } = this.#rule;
    if (!preserve.acl && !preserve.objectLock) return {};
    const store = this.#store(source);
    const [state, replica] = await Promise.all([store.head(this.#task.key, from), this.#there.head(this.#key, there)]);
    if (state === undefined || replica === undefined) return {}; // removed meanwhile, which its own event tells
    const at = { store: this.#there, state: replica, versionId: there.versionId };
    const guarded = { store, state, versionId: from.versionId };
    return carryGuards({ source: guarded, replica: at, preserve, now: this.#parts.now(), signal: this.#signal });
  }

  /** Makes durable what was done, and wants the key again. */
  #toBeContinued(): Settlement {
    const { key, lane, eventTime, changes } = this.#task;
    return this.#settled("SKIPPED", "ToBeContinued", { wants: [{ route: this.#route, key, lane, eventTime, changes }] });
  }

  #settled(status: Settled["status"], reason: string | null, more: Partial<Settled> = {}): Settled {
    return settled(status, reason, { origin: this.#rule.source.id, ...more, versions: this.#rows.news });
  }

  get #there(): ObjectStore {
    return this.#store(this.#destination.bucket);
  }

  #store(bucket: Bucket): ObjectStore {
    return this.#parts.storeOf(bucket);
  }
}
