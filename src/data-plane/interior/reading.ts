import type { Bucket } from "../../domain/bucket.ts";
import type { Side } from "../../domain/decision.ts";
import {
  type Content,
  clientContent,
  compareContents,
  descendingFrom,
  type HeldObject,
  type Holding,
  type Intent,
  isSameObject,
} from "../../domain/holding.ts";
import { isSameAcl, type ObjectState } from "../../domain/object.ts";
import { readStamp, STAMP_NAME } from "../../domain/stamp.ts";
import type { Observation } from "../../ports/object-store.ts";
import type { Known } from "../../ports/state.ts";
import { type DeleteEvidence, mayBeDeleteOf } from "../delete-evidence.ts";
import { placeOf } from "../place.ts";

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

function sideOf({ object, content }: Holding): Side {
  return object === null ? { kind: "deleted", content } : { kind: "object", object, content };
}

export interface FoundObject {
  readonly state: ObjectState;
  readonly object: HeldObject;
  /** A change of tags or ACL was announced. */
  readonly isRetagged: boolean;
  /** Writes of ours that a client wrote over before anybody knew that they had happened. */
  readonly under: readonly Intent[];
}

/** What an object that was read at a bucket is, by what is known of the key. Pure. */
export function readingOfObject(bucket: Bucket, known: Known, found: FoundObject): Reading {
  const { holding } = known;
  const held = holding?.object ?? null;
  // A client that writes our bytes again, with other metadata perhaps, writes no stamp.
  const lacksStamp = held?.isStamped === true && found.state.attributes.metadata[STAMP_NAME] === undefined;
  const isHeld = held !== null && !lacksStamp && isSameObject(held, found.object);
  if (holding === undefined || !isHeld) return written(bucket, known, found);
  return seenAgain(known, { ...holding, object: held }, found);
}

/** The object that was there before: its tags or its ACL alone may be others. */
function seenAgain(known: Known, holding: Holding & { readonly object: HeldObject }, { state, object, isRetagged }: FoundObject): Reading {
  const { object: held, content: before } = holding;
  const hasOtherTags = object.tagsHash !== null && (held.tagsHash === null ? isRetagged : held.tagsHash !== object.tagsHash);
  const hasOtherAcl = object.acl !== undefined && (held.acl === undefined ? isRetagged : !isSameAcl(held.acl, object.acl));
  const retagged = hasOtherTags || hasOtherAcl;
  const content = retagged ? { ...before, retagged: (before.retagged ?? 0) + 1 } : before;
  const { isStamped } = held;
  const next = {
    ...holding,
    object: { ...object, tagsHash: object.tagsHash ?? held.tagsHash, acl: object.acl ?? held.acl, isStamped },
    content,
  };
  const isFirstSeen = (held.tagsHash === null && object.tagsHash !== null) || (held.acl === undefined && object.acl !== undefined);
  const isNews = held.lastModified === null || held.attributesHash === null || isFirstSeen;
  const changed = retagged || isNews || known.deletedAt !== null;
  return { ...common(known), side: sideOf(next), state, holding: next, changed };
}

/** An object that was written since anybody looked: by us, as an intent or a stamp tells, else by a client. */
function written(bucket: Bucket, known: Known, { state, object, under }: FoundObject): Reading {
  const { holding, intents, revision } = known;
  const intent = intents.find((one) => foretold(one, object, state));
  const ours = intent?.content ?? stampedContent(bucket, state, holding);
  const over = under.reduce(
    (all: Content | undefined, { content }) => (all === undefined ? content : descendingFrom(content, all)),
    holding?.content,
  );
  const clients = clientContent({ bucket: bucket.id, at: state.lastModified, etag: object.etag, over });
  const content = ours ?? (over === undefined ? { ...clients, isFound: true } : clients);
  const there = ours === undefined ? object : { ...object, isStamped: state.attributes.metadata[STAMP_NAME] !== undefined };
  const next: Holding = { bucket: bucket.id, key: state.key, object: there, content, isReplica: ours !== undefined, revision };
  // Those under it stay open: another may have written the same bytes, and theirs still land.
  const closes = intent === undefined ? [] : [intent.id];
  return { ...common(known), side: sideOf(next), state, holding: next, changed: true, closes };
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

export interface FoundAbsence {
  readonly key: string;
  readonly observation: Exclude<Observation, { kind: "object" }>;
  readonly evidence: DeleteEvidence;
}

/** What it means that nothing is there: a delete needs evidence (invariant 4). Pure. */
export function readingOfAbsence(bucket: Bucket, known: Known, { key, observation, evidence }: FoundAbsence): Reading {
  const { holding, intents, revision, deletedAt } = known;
  const isMarker = observation.kind === "marker";
  const found = { ...common(known), isMarker };
  if (holding?.object === null) return { ...found, side: sideOf(holding), holding, changed: false };
  // An old one that never came to anything tells nothing of a delete after later writes.
  const intent = intents.find(({ expected, content }) => expected === null && isAhead(content, holding));
  // What we were about to put there may have been there and be what was deleted.
  const before = holding?.content ?? intents.find(({ expected }) => expected !== null)?.content;
  const isAnnounced = before !== undefined && isTold(known, evidence);
  if (!isMarker && intent === undefined && !isAnnounced) return { ...found, side: { kind: "absent" }, holding, changed: false };
  const at = (isMarker ? observation.lastModified : undefined) ?? deletedAt ?? evidence.at;
  const made = clientContent({ bucket: bucket.id, at, etag: null, over: before });
  const clients = evidence.expired === true ? { ...made, isExpiration: true } : made;
  const content = intent?.content ?? (before === undefined ? { ...clients, isFound: true } : clients);
  const next: Holding = { bucket: bucket.id, key, object: null, content, isReplica: intent !== undefined, revision };
  return { ...found, side: sideOf(next), holding: next, changed: true, closes: intent === undefined ? [] : [intent.id] };
}

/** Whether a delete was announced, to this task or to another, that may be of what was there. */
function isTold({ holding, deletedAt }: Known, evidence: DeleteEvidence): boolean {
  const explains = (at: number | null | undefined) => mayBeDeleteOf(holding?.object?.lastModified, at);
  return (evidence.announced && explains(evidence.deletedAt)) || (deletedAt !== null && explains(deletedAt));
}

function isAhead(content: Content, holding: Holding | undefined): boolean {
  return holding === undefined || compareContents(content, holding.content) === "newer";
}

function common({ intents, revision }: Known) {
  return { state: undefined, isMarker: false, revision, hasIntents: intents.length > 0, closes: [] };
}
