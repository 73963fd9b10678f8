import { isReplicationError } from "../domain/error.ts";
import { isSameAcl, type ObjectAcl, type ObjectState } from "../domain/object.ts";
import { missingLock, staysLessStrict } from "../domain/object-lock.ts";
import type { Preserve } from "../domain/rule.ts";
import type { ObjectGuards } from "../ports/object-guards.ts";
import type { ObjectStore, ReadOptions } from "../ports/object-store.ts";

/** One of two objects with the same bytes, as it was just read. */
export interface GuardedObject {
  readonly store: ObjectStore;
  readonly state: ObjectState;
  /** Where a version is meant that need not be the current one. */
  readonly versionId?: string | undefined;
}

export interface LockCarry {
  readonly source: Pick<ObjectState, "lock">;
  readonly replica: GuardedObject;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * What became of an ACL or a lock. `same`: there was nothing to change; `refused`: the destination's objects cannot have it; `closed`: no more
 * can they, and what gave the replica to more than its owner was taken from it.
 */
export type Carried = "same" | "changed" | "refused" | "closed";

/**
 * Gives a replica what its lock lacks of the source's, exactly the version that was read. Never weakens it (see {@link missingLock}).
 * @throws `AccessDenied` where the credentials may not
 */
export async function carryLock({ source, replica, now, signal }: LockCarry): Promise<Carried> {
  const missing = missingLock(source.lock, replica.state.lock, now);
  const { key, versionId, lock } = replica.state;
  const carried =
    missing === undefined ? "same" : await put(replica.store, (guards) => guards.putLock(key, missing, { versionId, signal }));
  return staysLessStrict(source.lock, lock, now) ? "refused" : carried;
}

export interface AclCarry {
  readonly acl: ObjectAcl;
  /** The replica and the ACL that it has. */
  readonly replica: { readonly store: ObjectStore; readonly key: string; readonly versionId?: string | undefined; readonly acl: ObjectAcl };
  readonly signal: AbortSignal | undefined;
}

const OPEN: ReadonlySet<ObjectAcl> = new Set<ObjectAcl>(["public-read", "public-read-write", "authenticated-read"]);

/** Gives a replica an ACL. Grants that have no name cannot be given: the replica is then its owner's alone, as a new one would be. */
export async function carryAcl({ acl, replica, signal }: AclCarry): Promise<Carried> {
  if (isSameAcl(acl, replica.acl)) return "same";
  const { store, key, versionId } = replica;
  const give = acl === "other" ? "private" : acl;
  if (acl === "other" && !OPEN.has(replica.acl)) return "refused";
  const carried = await put(store, (guards) => guards.putAcl(key, give, { versionId, signal }));
  return acl === "other" && carried === "changed" ? "closed" : carried;
}

/** The ACL that a replica has after {@link carryAcl}. */
export function aclAfter(
  carried: Carried | undefined,
  { acl, before }: Readonly<Record<"acl" | "before", ObjectAcl | undefined>>,
): ObjectAcl | undefined {
  if (carried === "closed") return "private";
  return carried === "changed" ? acl : before;
}

/** The ACL of an object; `private` where the store has none. */
export async function aclOf(store: ObjectStore, key: string, options: ReadOptions): Promise<ObjectAcl> {
  return (await store.guards?.acl(key, options)) ?? "private";
}

/** Absent: it was not looked at. */
export interface CarriedGuards {
  readonly acl?: Carried | undefined;
  readonly lock?: Carried | undefined;
}

export interface GuardsCarry {
  readonly source: GuardedObject;
  readonly replica: GuardedObject;
  readonly preserve: Pick<Preserve, "acl" | "objectLock">;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly signal: AbortSignal | undefined;
}

/** Gives a replica ACL and lock of its source, as far as the rule carries them and they differ. */
export async function carryGuards({ source, replica, preserve, now, signal }: GuardsCarry): Promise<CarriedGuards> {
  const lock = preserve.objectLock ? await carryLock({ source: source.state, replica, now, signal }) : undefined;
  if (!preserve.acl) return { lock };
  const read = ({ store, state, versionId }: GuardedObject) => aclOf(store, state.key, { versionId, signal });
  const [acl, there] = await Promise.all([read(source), read(replica)]);
  const { store, state, versionId } = replica;
  return { lock, acl: await carryAcl({ acl, replica: { store, key: state.key, versionId, acl: there }, signal }) };
}

/** The notes of a row after this: of what was looked at only what was refused now. */
export function notesAfter(notes: readonly string[], { acl, lock }: CarriedGuards): readonly string[] {
  const kept = notes.filter(
    (note) => !(note === "AclNotKept" && acl !== undefined) && !(note === "ObjectLockNotKept" && lock !== undefined),
  );
  if (acl === "refused" || acl === "closed") kept.push("AclNotKept");
  if (lock === "refused") kept.push("ObjectLockNotKept");
  return kept;
}

async function put({ guards }: ObjectStore, write: (guards: ObjectGuards) => Promise<void>): Promise<Carried> {
  if (guards === undefined) return "refused";
  try {
    await write(guards);
    return "changed";
  } catch (error) {
    if (isReplicationError(error) && error.code === "NotImplemented") return "refused";
    throw error;
  }
}
