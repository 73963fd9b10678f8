import { createHash } from "node:crypto";
import type { Bucket } from "../domain/bucket.ts";
import type { Side } from "../domain/decision.ts";
import {
  type Content,
  clientContent,
  compareContents,
  descendingFrom,
  type HeldObject,
  type Holding,
  type Intent,
  isSameObject,
} from "../domain/holding.ts";
import { attributeText, compareKeys, isSameAcl, type ObjectAttributes, type ObjectState } from "../domain/object.ts";
import { readStamp, STAMP_NAME, withoutStamp } from "../domain/stamp.ts";
import type { ListedVersion, ObjectStore, Observation } from "../ports/object-store.ts";
import type { Known, LeasedTask } from "../ports/state.ts";
import { aclOf } from "./carried-guards.ts";
import { readHistory } from "./versions/key-history.ts";

/** What tells that an absence is a delete. */
export interface DeleteEvidence {
  /** A delete of this key was announced. */
  readonly announced: boolean;
  /** The delete that was announced was a lifecycle's. */
  readonly expired?: boolean | undefined;
  /** When it happened by the bucket's clock; of several deletes the latest. Undefined: it may be the delete of whatever was there. */
  readonly deletedAt?: number | undefined;
  /** When it happened as far as anything tells, in milliseconds since the epoch. */
  readonly at: number;
}

/** The machines of one store keep one time, more or less. */
const CLOCK_SKEW_MS = 1_000;

/**
 * Whether a delete can be that of the object that was last known to be there: an older one deleted something else, and was told late or again.
 * Both times are of the bucket's own clock, LastModified in whole seconds.
 */
export function mayBeDeleteOf(lastModified: number | null | undefined, deletedAt: number | null | undefined): boolean {
  return lastModified == null || deletedAt == null || deletedAt >= lastModified - CLOCK_SKEW_MS;
}

/** What a task tells of a delete at its source. Also a lifecycle's explains an absence; whether it travels is the rule's affair. */
export function evidenceOf({ changes, eventTime, deletedAt }: LeasedTask, now: number): DeleteEvidence {
  const announced = changes?.deleted === true;
  return { announced, expired: changes?.expired, deletedAt, at: deletedAt ?? eventTime ?? now };
}

/** What a bucket holds under a key, and what that descends from. */
export interface Reading {
  readonly side: Side;
  /** Undefined where nothing is there, or where the bucket was not asked. */
  readonly state: ObjectState | undefined;
  readonly isMarker: boolean;
  /**
   * What is to be known of the key from now on; `changed`: it is not stored yet. Undefined: nothing is known. Of an absent side: what was
   * there before it went without a word.
   */
  readonly holding: Holding | undefined;
  readonly changed: boolean;
  /** What {@link holding} can be stored over. */
  readonly revision: number;
  /** Writes of ours were announced that may have happened. */
  readonly hasIntents: boolean;
  /** Intents whose write this is. */
  readonly closes: readonly string[];
}

/** What is believed of a bucket without asking it. */
export function assumed({ holding, revision, intents }: Known): Reading {
  return {
    side: holding === undefined ? { kind: "absent" } : sideOf(holding),
    state: undefined,
    isMarker: false,
    holding,
    changed: false,
    revision,
    hasIntents: intents.length > 0,
    closes: [],
  };
}

export interface Place {
  readonly store: ObjectStore;
  readonly key: string;
}

export interface ReadOptions {
  readonly evidence: DeleteEvidence;
  /** Also reads the tags, so that a change of them alone is seen. */
  readonly withTags: boolean;
  /** Also reads the ACL, as {@link withTags} the tags. */
  readonly withAcl?: boolean | undefined;
  /** A change of tags or ACL was announced: where nobody read them before, they count as changed. */
  readonly isRetagged?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Asks a bucket what it holds under a key and finds out where that came from. Changes nothing. */
export async function readSide({ store, key }: Place, known: Known, options: ReadOptions): Promise<Reading> {
  const observation = await store.observe(key, { signal: options.signal });
  if (observation.kind !== "object") return readAbsence({ store, key }, known, { observation, evidence: options.evidence });
  const { state } = observation;
  const tagsHash = options.withTags ? hashTags(await store.tags(key, { signal: options.signal })) : null;
  const acl = options.withAcl === true ? { acl: await aclOf(store, key, { signal: options.signal }) } : undefined;
  const found: Found = { state, object: { ...toHeld(state, tagsHash), ...acl }, isRetagged: options.isRetagged === true, under: [] };
  const reading = readObject(store.bucket, known, found);
  const mayCover = reading.holding?.isReplica === false && reading.changed && reading.hasIntents && found.object.versionId !== null;
  if (!mayCover) return reading;
  return readObject(store.bucket, known, { ...found, under: await covered({ store, key }, known, options.signal) });
}

/** Announced writes whose versions lie under what is there: they landed, and whoever wrote over them knew of them. */
async function covered({ store, key }: Place, { holding, intents }: Known, signal: AbortSignal | undefined): Promise<readonly Intent[]> {
  const isKnown = ({ versionId, isDeleteMarker }: ListedVersion) =>
    holding?.object === null ? isDeleteMarker : versionId === holding?.object?.versionId;
  const history = await readHistory(store, { key, until: isKnown, signal });
  const since = history.slice(1).filter((version) => !isKnown(version));
  return intents.filter(({ expected }) => since.some((version) => isWriteOf(expected, version)));
}

function isWriteOf(expected: Intent["expected"], { isDeleteMarker, etag, sizeBytes }: ListedVersion): boolean {
  if (expected === null || isDeleteMarker) return expected === null && isDeleteMarker;
  return expected.etag === etag && expected.sizeBytes === sizeBytes;
}

/** The object as it tells one state from another. */
export function toHeld(state: ObjectState, tagsHash: string | null): HeldObject {
  const { etag, versionId = null, sizeBytes, lastModified } = state;
  return {
    etag,
    versionId: versionId === "null" ? null : versionId,
    sizeBytes,
    lastModified,
    tagsHash,
    attributesHash: hashAttributes(state.attributes),
  };
}

/** Of headers and metadata; the stamp is ours and not the object's. */
export function hashAttributes(attributes: ObjectAttributes): string {
  const { systemHeaders, metadata } = withoutStamp(attributes);
  return createHash("sha256").update(attributeText({ systemHeaders, metadata })).digest("hex").slice(0, 32);
}

export function hashTags(tags: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(tags).sort(([a], [b]) => compareKeys(a, b));
  return createHash("sha256").update(JSON.stringify(pairs)).digest("hex").slice(0, 32);
}

/** Names a place in stamps, without telling it. */
export function placeOf(bucket: string, key: string): string {
  return createHash("sha256")
    .update(JSON.stringify([bucket, key]))
    .digest("hex")
    .slice(0, 16);
}

export function sideOf({ object, content }: Holding): Side {
  return object === null ? { kind: "deleted", content } : { kind: "object", object, content };
}

interface Found {
  readonly state: ObjectState;
  readonly object: HeldObject;
  readonly isRetagged: boolean;
  /** Writes of ours that a client wrote over before anybody knew that they had happened. */
  readonly under: readonly Intent[];
}

function readObject(bucket: Bucket, known: Known, { state, object, isRetagged, under }: Found): Reading {
  const { holding, intents, revision } = known;
  const found = { state, isMarker: false, revision, hasIntents: intents.length > 0 };
  const held = holding?.object ?? null;
  // A client that writes our bytes again, with other metadata perhaps, writes no stamp.
  const lacksStamp = held?.isStamped === true && state.attributes.metadata[STAMP_NAME] === undefined;
  if (holding !== undefined && held !== null && !lacksStamp && isSameObject(held, object)) {
    const hasOtherTags = object.tagsHash !== null && (held.tagsHash === null ? isRetagged : held.tagsHash !== object.tagsHash);
    const hasOtherAcl = object.acl !== undefined && (held.acl === undefined ? isRetagged : !isSameAcl(held.acl, object.acl));
    const retagged = hasOtherTags || hasOtherAcl;
    const { content: before } = holding;
    const content = retagged ? { ...before, retagged: (before.retagged ?? 0) + 1 } : before;
    const { isStamped } = held;
    const acl = object.acl ?? held.acl;
    const next = { ...holding, object: { ...object, tagsHash: object.tagsHash ?? held.tagsHash, acl, isStamped }, content };
    const isFirstSeen = (held.tagsHash === null && object.tagsHash !== null) || (held.acl === undefined && object.acl !== undefined);
    const isNews = held.lastModified === null || held.attributesHash === null || isFirstSeen;
    const changed = retagged || isNews || known.deletedAt !== null;
    return { ...found, side: sideOf(next), holding: next, changed, closes: [] };
  }
  const intent = intents.find((one) => foretold(one, object, state));
  const ours = intent?.content ?? stampedContent(bucket, state, holding);
  const over = under.reduce(
    (all: Content | undefined, { content }) => (all === undefined ? content : descendingFrom(content, all)),
    holding?.content,
  );
  const clients = clientContent({ bucket: bucket.id, at: state.lastModified, etag: object.etag, over });
  const content = ours ?? (over === undefined ? { ...clients, isFound: true } : clients);
  const written = ours === undefined ? object : { ...object, isStamped: state.attributes.metadata[STAMP_NAME] !== undefined };
  const next: Holding = { bucket: bucket.id, key: state.key, object: written, content, isReplica: ours !== undefined, revision };
  // Those under it stay open: another may have written the same bytes, and theirs still land.
  return { ...found, side: sideOf(next), holding: next, changed: true, closes: intent === undefined ? [] : [intent.id] };
}

/**
 * Whether an intent told of this object: also one that has expired, whose write landed late (invariant 10). A client that goes back to the
 * same bytes does not write our stamp.
 */
function foretold({ expected }: Intent, object: HeldObject, state: ObjectState): boolean {
  if (expected === null || expected.sizeBytes !== object.sizeBytes) return false;
  if (expected.stamp !== null) return state.attributes.metadata[STAMP_NAME] === expected.stamp;
  return expected.etag === object.etag;
}

/**
 * What a stamp tells of an object that no row and no intent knows. A write that is known already is a client's: who brings an old version back
 * brings its stamp back too.
 */
function stampedContent(bucket: Bucket, { key, etag, attributes }: ObjectState, holding: Holding | undefined): Content | undefined {
  const stamped = readStamp(attributes.metadata[STAMP_NAME], placeOf(bucket.id, key));
  if (stamped === undefined || stamped.sourceEtag !== etag) return undefined;
  const { content } = stamped;
  if (holding === undefined) return content;
  if ((holding.content.history[content.origin] ?? 0) >= content.dot) return undefined;
  return descendingFrom(content, holding.content);
}

interface Absence {
  readonly observation: Exclude<Observation, { kind: "object" }>;
  readonly evidence: DeleteEvidence;
}

function readAbsence({ store, key }: Place, known: Known, { observation, evidence }: Absence): Reading {
  const { bucket } = store;
  const { holding, intents, revision, deletedAt } = known;
  const isMarker = observation.kind === "marker";
  const found = { state: undefined, isMarker, revision, hasIntents: intents.length > 0, closes: [] };
  if (holding?.object === null) return { ...found, side: sideOf(holding), holding, changed: false };
  // An old one that never came to anything tells nothing of a delete after later writes.
  const intent = intents.find(({ expected, content }) => expected === null && isAhead(content, holding));
  // What we were about to put there may have been there and be what was deleted.
  const before = holding?.content ?? intents.find(({ expected }) => expected !== null)?.content;
  const explains = (at: number | null | undefined) => mayBeDeleteOf(holding?.object?.lastModified, at);
  const isTold = (evidence.announced && explains(evidence.deletedAt)) || (deletedAt !== null && explains(deletedAt));
  const isAnnounced = isTold && before !== undefined;
  if (!isMarker && intent === undefined && !isAnnounced) {
    return { ...found, side: { kind: "absent" }, holding, changed: false };
  }
  const at = (isMarker ? observation.lastModified : undefined) ?? deletedAt ?? evidence.at;
  const made = clientContent({ bucket: bucket.id, at, etag: null, over: before });
  const clients = evidence.expired === true ? { ...made, isExpiration: true } : made;
  const content = intent?.content ?? (before === undefined ? { ...clients, isFound: true } : clients);
  const next: Holding = { bucket: bucket.id, key, object: null, content, isReplica: intent !== undefined, revision };
  const closes = intent === undefined ? [] : [intent.id];
  return { ...found, closes, side: sideOf(next), holding: next, changed: true };
}

function isAhead(content: Content, holding: Holding | undefined): boolean {
  return holding === undefined || compareContents(content, holding.content) === "newer";
}
