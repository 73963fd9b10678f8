import { isReplicationError } from "../domain/error.ts";
import { attributeText, isSameAcl, type ObjectAttributes, type ObjectState } from "../domain/object.ts";
import { missingLock } from "../domain/object-lock.ts";
import type { Preserve } from "../domain/rule.ts";
import { withoutStamp } from "../domain/stamp.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import { aclOf } from "./carried-guards.ts";
import type { Place } from "./place.ts";

export interface AttributePair {
  readonly source: Place;
  readonly replica: Place;
  readonly preserve: Preserve;
  /** Whether the replica's bucket can lock objects; asked where the replica lacks a lock. */
  readonly canLock: () => Promise<boolean>;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly signal?: AbortSignal | undefined;
}

/** An object and everything about it but its bytes. */
interface Described {
  readonly state: ObjectState;
  readonly attributes: ObjectAttributes;
}

const NOTHING: ObjectAttributes = { systemHeaders: {}, metadata: {} };

/**
 * Compares what a rule carries beside the bytes: headers, metadata, tags, ACL and lock, the last three where the rule asks for them. Two
 * requests a side, and one more a side for ACLs. Empty also where one of them is gone: the next comparison tells.
 */
export async function attributeDifferences(pair: AttributePair): Promise<readonly string[]> {
  const { preserve, signal } = pair;
  const [source, replica] = await Promise.all([described(pair.source, preserve, signal), described(pair.replica, preserve, signal)]);
  if (source === undefined || replica === undefined) return [];
  const differs = (of: (attributes: ObjectAttributes) => ObjectAttributes) =>
    attributeText(of(source.attributes)) !== attributeText(of(replica.attributes));
  const found: string[] = [];
  if (differs(({ systemHeaders }) => ({ ...NOTHING, systemHeaders }))) found.push("headers");
  if (differs(({ metadata }) => ({ ...NOTHING, metadata }))) found.push("metadata");
  if (differs(({ tags }) => ({ ...NOTHING, tags }))) found.push("tags");
  if (preserve.acl && (await aclsDiffer(pair))) found.push("acl");
  const lacksLock = preserve.objectLock && missingLock(source.state.lock, replica.state.lock, pair.now) !== undefined;
  if (lacksLock && (await pair.canLock())) found.push("lock");
  return found;
}

/** Undefined for an object that is not there any more. */
async function described({ store, key }: Place, preserve: Preserve, signal: AbortSignal | undefined): Promise<Described | undefined> {
  const state = await store.head(key, { signal });
  if (state === undefined) return undefined;
  const tags = preserve.tags ? await tagsOf(store, key, signal) : {};
  return tags === undefined ? undefined : { state, attributes: withoutStamp({ ...state.attributes, tags }) };
}

async function tagsOf(store: ObjectStore, key: string, signal: AbortSignal | undefined): Promise<ObjectAttributes["tags"]> {
  try {
    return await store.tags(key, { signal });
  } catch (error) {
    if (!isReplicationError(error)) throw error;
    if (error.code === "NotImplemented") return {}; // a store without tags
    if (error.code === "NoSuchKey") return undefined;
    throw error;
  }
}

async function aclsDiffer({ source, replica, signal }: AttributePair): Promise<boolean> {
  try {
    const [a, b] = await Promise.all([aclOf(source.store, source.key, { signal }), aclOf(replica.store, replica.key, { signal })]);
    return !isSameAcl(a, b);
  } catch (error) {
    if (isReplicationError(error) && error.code === "NoSuchKey") return false;
    throw error;
  }
}
