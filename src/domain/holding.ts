import { compareHistories, type History, type HistoryOrder, mergeHistories, writtenAt } from "./history.ts";
import { compareKeys, type ObjectAcl } from "./object.ts";

/** What a client once wrote or deleted under a key, wherever its replicas are. */
export interface Content {
  /** Canonical id of the bucket that a client wrote it at. */
  readonly origin: string;
  /** Its LastModified there, in whole seconds as milliseconds since the epoch; of a delete, when it happened. */
  readonly originTime: number;
  /** Its ETag there; null for a delete. */
  readonly originEtag: string | null;
  /** The number of this write in the history of its origin: who knows of it knows of all before it. */
  readonly dot: number;
  readonly history: History;
  /** A lifecycle deleted it. */
  readonly isExpiration?: boolean | undefined;
  /** It was found, and nothing tells what it was written over: no row, no intent, no stamp. */
  readonly isFound?: boolean | undefined;
  /** How often its tags or its ACL were changed alone since it was written: of two the later stays, whoever wrote the bytes. */
  readonly retagged?: number | undefined;
}

/**
 * How `a` stands to `b`: `newer` where it descends from it. Told by whether each knows of the other's write (dotted version vectors), so that
 * what a history gained by a conflict that it won elsewhere makes nothing concurrent. Where each of two writes has won over the other, by way of
 * a third one, the one that gained more is ahead.
 */
export function compareContents(a: Content, b: Content): HistoryOrder {
  const knowsB = (a.history[b.origin] ?? 0) >= b.dot;
  const knowsA = (b.history[a.origin] ?? 0) >= a.dot;
  if (knowsB && knowsA) return isSameWrite(a, b) ? "equal" : gainedMore(a, b);
  if (knowsB) return "newer";
  return knowsA ? "older" : "concurrent";
}

function isSameWrite(a: Content, b: Content): boolean {
  return a.origin === b.origin && a.dot === b.dot;
}

function gainedMore(a: Content, b: Content): HistoryOrder {
  const order = compareHistories(a.history, b.history);
  return order === "concurrent" ? "equal" : order;
}

/** The content as it is where it is known to come after another: it descends from both. */
export function descendingFrom(content: Content, other: Content): Content {
  return { ...content, history: mergeHistories(content.history, other.history) };
}

/** What a client wrote (or, without an ETag, deleted) at a bucket over what it found there. */
export function clientContent(write: { bucket: string; at: number; etag: string | null; over?: Content | undefined }): Content {
  const { bucket, at, etag, over } = write;
  const history = writtenAt(bucket, at, over?.history);
  return { origin: bucket, originTime: Math.floor(at / 1000) * 1000, originEtag: etag, dot: history[bucket] ?? 0, history };
}

/** The current object of a key as far as it tells one state from another. */
export interface HeldObject {
  readonly etag: string;
  /** Null where the bucket is not versioned. */
  readonly versionId: string | null;
  readonly sizeBytes: number;
  /** Milliseconds since the epoch; null where it was written and not seen since. */
  readonly lastModified: number | null;
  /** Digest of the tags; null where they were not read. */
  readonly tagsHash: string | null;
  /** Digest of headers and metadata, without our stamp; null where they were not read. */
  readonly attributesHash: string | null;
  /** What its ACL amounts to; absent where it was not read. */
  readonly acl?: ObjectAcl | undefined;
  /** We wrote it with a stamp: without one it is not ours, whatever its bytes. */
  readonly isStamped?: boolean | undefined;
}

/** What replicast last knew an interior bucket to hold under a key. */
export interface Holding {
  /** Canonical id of the bucket. */
  readonly bucket: string;
  readonly key: string;
  /** Null: deleted, and known to be. */
  readonly object: HeldObject | null;
  readonly content: Content;
  /** Whether replicast put it there; false for what a client put there, or was found there. */
  readonly isReplica: boolean;
  /** Raised by every change; 0 for a holding that was never stored. */
  readonly revision: number;
}

/** A durable note, made before a write to an interior bucket, of what is about to be written there. Excludes other writers of the key. */
export interface Intent {
  readonly id: string;
  readonly bucket: string;
  readonly key: string;
  /** Of what is about to be there; null for a delete. `etag` null: cannot be foretold. `stamp` null: it carries none. */
  readonly expected: { readonly etag: string | null; readonly sizeBytes: number; readonly stamp: string | null } | null;
  readonly content: Content;
  /** Milliseconds since the epoch. After it nobody waits for the write any more; it may still land. */
  readonly expiresAt: number;
}

/** Whether an object read at a bucket is the one that is held: the same version, or the same bytes not written since. */
export function isSameObject(held: HeldObject, read: HeldObject): boolean {
  if (held.etag !== read.etag || held.sizeBytes !== read.sizeBytes) return false;
  if (held.versionId !== null && read.versionId !== null) return held.versionId === read.versionId;
  return held.lastModified === null || read.lastModified === null || held.lastModified === read.lastModified;
}

/** Whether two contents are one: written once, whatever became of its ETag at other buckets. */
export function isSameContent(a: Content, b: Content): boolean {
  return a.origin === b.origin && a.originEtag === b.originEtag && a.originTime === b.originTime;
}

/**
 * The order that decides between contents which know nothing of each other: LastModified at the origin in whole seconds, a write before a
 * delete, then ETag, then the place in the list of members; the same on every machine (invariant 11). Positive: `a` wins.
 */
export function compareForNewest(a: Content, b: Content, members: readonly string[]): number {
  const seconds = Math.floor(a.originTime / 1000) - Math.floor(b.originTime / 1000);
  if (seconds !== 0) return seconds;
  if ((a.originEtag === null) !== (b.originEtag === null)) return a.originEtag === null ? -1 : 1;
  return compareKeys(a.originEtag ?? "", b.originEtag ?? "") || compareForPriority(a, b, members);
}

/** The content of the member that stands first in the list wins; of two from one member none. Positive: `a` wins. */
export function compareForPriority(a: Content, b: Content, members: readonly string[]): number {
  return place(members, b.origin) - place(members, a.origin);
}

function place(members: readonly string[], bucket: string): number {
  const index = members.indexOf(bucket);
  return index === -1 ? members.length : index;
}

/** The holding that a person chose over another content: as if it had been written there again, knowing of both. */
export function prevailing(chosen: Holding, over: Content): Holding {
  const { bucket, content } = chosen;
  const history = writtenAt(bucket, 0, mergeHistories(content.history, over.history));
  return { ...chosen, content: { ...content, origin: bucket, dot: history[bucket] ?? 0, history } };
}
