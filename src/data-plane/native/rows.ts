import { type ReplicationError, toRecordedError } from "../../domain/error.ts";
import { explainNative } from "../../domain/native-failures.ts";
import { HEALED, NATIVE_FAULTS, type NativeVerdict } from "../../domain/native-verdict.ts";
import type { ListedObject, ObjectState } from "../../domain/object.ts";
import { blankEntry, type LedgerEntry, type Proof, type ReplicaRecord } from "../../domain/status.ts";
import type { Route } from "../../ports/state.ts";

/** Begins the note that tells which version of the source a row is about that S3 did not replicate. */
const VERSION = "version:";

/** A row as it stands, and where it is. */
export interface RowPlace {
  readonly route: Route;
  readonly key: string;
  readonly previous: LedgerEntry | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** When the source's object was written, where it was seen. */
  readonly changedAt?: number | undefined;
}

/** The row that an object leaves after both sides were read. */
export function rowOfVerdict(
  seen: RowPlace,
  sides: { readonly source: ObjectState; readonly replica: ObjectState | undefined },
  verdict: NativeVerdict,
): LedgerEntry {
  const { source, replica } = sides;
  const place = { ...seen, changedAt: source.lastModified };
  const { previous } = place;
  const version = versionNote(source);
  const known = previous?.notes.includes(version) === true ? previous : undefined;
  const notes = known === undefined ? [version] : known.notes;
  switch (verdict.kind) {
    case "equal":
      return completed(place, toReplica(source, replica ?? source, verdict.proof), isHealed(known, source) ? notes : []);
    case "pending":
      return ended(place, { status: "PENDING", reason: null, notes });
    case "replica":
      return ended(place, { status: "REPLICA", reason: "NoTransit", notes: [] });
    case "superseded":
      return ended(place, { status: "SKIPPED", reason: "NewerAtDestination", notes: [] });
    case "failed":
      return failedRow(place, known, { reason: verdict.reason, notes });
    default:
      return verdict satisfies never;
  }
}

/** The row of sides that their listings show to be equal. */
export function rowOfListing(place: RowPlace, source: ListedObject, replica: ListedObject): LedgerEntry {
  const isOld = place.previous?.status === "COMPLETED" && place.previous.replica?.etag !== source.etag;
  const notes = !isOld && place.previous?.notes.includes(HEALED) === true ? place.previous.notes : [];
  return completed({ ...place, changedAt: source.lastModified }, toReplica(source, replica, "etag"), notes);
}

/** The row of an object that could not be looked at, and will not be by trying again. */
export function rowOfTrouble(place: RowPlace, error: ReplicationError): LedgerEntry {
  const known = place.previous?.status === "FAILED" ? place.previous : undefined;
  return { ...failedRow(place, known, { reason: error.code, notes: known?.notes ?? [] }), error: toRecordedError(error) };
}

/** The row of an object of which only S3 can tell what became. */
export function rowOfTold(
  place: RowPlace,
  { reason, versionId }: { readonly reason: string; readonly versionId: string | undefined },
): LedgerEntry {
  const notes = versionId === undefined ? [] : [`${VERSION}${versionId}`];
  return failedRow(place, place.previous?.status === "FAILED" ? place.previous : undefined, { reason, notes });
}

/** Whether S3 had never looked at the object, and nothing has changed since by which it would. */
export function isStillUntouched(
  entry: LedgerEntry | undefined,
  source: ListedObject,
  replica: ListedObject | undefined,
): entry is LedgerEntry {
  if (entry?.status !== "FAILED" || entry.reason !== NATIVE_FAULTS.none) return false;
  return replica === undefined && entry.eventTime === source.lastModified;
}

/** The row of an object that its source no longer has: only what was not done yet is ended. */
export function rowOfGone(place: RowPlace): LedgerEntry | undefined {
  const { previous } = place;
  if (previous?.status !== "FAILED" && previous?.status !== "PENDING") return undefined;
  return ended(place, { status: "SKIPPED", reason: "SourceGone", notes: [] });
}

/** The row of an object that the rule's filter leaves out; none where there was none. */
export function rowOfExcluded(place: RowPlace): LedgerEntry | undefined {
  return place.previous === undefined ? undefined : ended(place, { status: "SKIPPED", reason: "FilteredOut", notes: [] });
}

/** The row of a delete marker that S3 did not replicate. */
export function rowOfFailedDelete(place: RowPlace, reason: string): LedgerEntry {
  return {
    ...failedRow(place, place.previous?.operation === "delete" ? place.previous : undefined, { reason, notes: [] }),
    operation: "delete",
  };
}

/** The row of an object that a copy brought over in S3's place. It goes on telling which version that was: none is healed twice. */
export function rowOfHealed(
  place: RowPlace,
  { source, replica, notes }: { readonly source: ObjectState; readonly replica: ReplicaRecord; readonly notes: readonly string[] },
): LedgerEntry {
  return completed(place, replica, [HEALED, versionNote(source), ...notes]);
}

/** The same row, marked as healed; with what a report or an attempt says of it, where that is known. */
export function withHealing(entry: LedgerEntry, now: number, failure?: Pick<LedgerEntry, "reason" | "error">): LedgerEntry {
  const notes = entry.notes.includes(HEALED) ? entry.notes : [HEALED, ...entry.notes];
  return { ...entry, ...failure, notes, finishedAt: now };
}

/** Whether this version was replicated a second time already. */
export function isHealed(entry: LedgerEntry | undefined, source: Pick<ObjectState, "versionId" | "etag">): boolean {
  return entry?.notes.includes(HEALED) === true && entry.notes.includes(versionNote(source));
}

/** Whether a row is about this version; every row is about one whose version nobody names. */
export function isOfVersion(entry: LedgerEntry, versionId: string | null | undefined): boolean {
  return versionId === null || versionId === undefined || entry.notes.includes(`${VERSION}${versionId}`);
}

/** Whether S3 gave the object of a failed row up, so that replicating it again may help. */
export function isGivenUp({ status, operation, reason }: LedgerEntry): boolean {
  if (status !== "FAILED" || operation !== "copy") return false;
  return reason !== NATIVE_FAULTS.lost && reason !== NATIVE_FAULTS.none && reason !== NATIVE_FAULTS.notApplied;
}

function versionNote({ versionId, etag }: Pick<ObjectState, "versionId" | "etag">): string {
  return `${VERSION}${versionId ?? etag}`;
}

/** S3's own word for why it gave this very version up, as an event or a report has told it: a header, which knows no reason, does not unsay it. */
export function toldReason(entry: LedgerEntry | undefined, source: Pick<ObjectState, "versionId" | "etag">): string | undefined {
  if (entry === undefined || !isGivenUp(entry) || entry.reason === NATIVE_FAULTS.failed) return undefined;
  return entry.notes.includes(versionNote(source)) ? (entry.reason ?? undefined) : undefined;
}

function failedRow(
  place: RowPlace,
  known: LedgerEntry | undefined,
  { reason, notes }: { readonly reason: string; readonly notes: readonly string[] },
): LedgerEntry {
  // What a report said beside the reason is kept.
  const error = (known?.reason === reason ? known.error : null) ?? explainNative(reason);
  const firstFailedAt = (known?.status === "FAILED" ? known.firstFailedAt : null) ?? place.now;
  return { ...ended(place, { status: "FAILED", reason, notes }), attempts: 1, firstFailedAt, error };
}

function completed(place: RowPlace, replica: ReplicaRecord, notes: readonly string[]): LedgerEntry {
  return { ...ended(place, { status: "COMPLETED", reason: "Adopted", notes }), replica };
}

/** The replica columns stay: only COMPLETED changes them. */
function ended(
  { route, key, previous, now, changedAt }: RowPlace,
  end: Pick<LedgerEntry, "status" | "reason"> & { readonly notes: readonly string[] },
): LedgerEntry {
  const base = blankEntry({ ...route, key });
  return { ...base, replica: previous?.replica ?? null, ...end, eventTime: changedAt ?? previous?.eventTime ?? null, finishedAt: now };
}

function toReplica(source: ListedObject | ObjectState, replica: ListedObject | ObjectState, proof: Proof): ReplicaRecord {
  return {
    etag: source.etag,
    versionId: versionOf(source),
    lastModified: source.lastModified,
    attributeHash: null,
    bytes: source.sizeBytes,
    proof,
    destinationEtag: replica.etag,
    destinationVersionId: versionOf(replica),
  };
}

function versionOf(object: ListedObject | ObjectState): string | null {
  return "versionId" in object ? (object.versionId ?? null) : null;
}
