import { isReplicationError, ReplicationError } from "../../domain/error.ts";
import type { PolicyDocument } from "../../domain/policy-document.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Identity, Role } from "../../ports/identity.ts";
import { isLockRoleName, LOCK_PATH, lockRoleName, NAME_TAG } from "../names.ts";
import type { NativeBucket, Owner } from "../native-pair.ts";
import { POLICY_VERSION } from "../policies/role-policy.ts";
import type { NativePorts } from "./wish.ts";

export interface LockOptions {
  /** A lock is made as all roles of the config are: who may make no role without a boundary or a tag may make no lock without. */
  readonly owner: Pick<Owner, "name" | "permissionsBoundary" | "tags">;
  /** Who has it, for people: host, process, and a word that is used once. */
  readonly holder: string;
  /** How long another's lock is waited for; milliseconds. */
  readonly timeoutMs: number;
  /** Roles may not be made: what is to be done is done without a lock. */
  readonly isOptional: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Roles that are locks of this name, and whose holder is long gone: an apply that was killed after its last change. */
export function abandonedLocks(roles: readonly Role[], name: string, clock: Clock): readonly Role[] {
  return roles.filter(
    (role) => role.path === LOCK_PATH && isLockRoleName(role.name) && role.tags[NAME_TAG] === name && isOver(role, clock),
  );
}

/** Locks that are held. */
export interface Locks {
  /** False where some could not be taken and need not be. */
  readonly isComplete: boolean;
  /** To be called before each change: puts their end off in time. @throws `ApplyLocked` where one was lost: it was held beyond its end and somebody else took it */
  renew(): Promise<void>;
}

const HOLDER_TAG = "replicast:holder";
const UNTIL_TAG = "replicast:until";
/** A lock is looked at again no sooner than this after the last time; milliseconds. */
const CHECK_MS = 30_000;
/** Whoever held a lock this long without renewing it is gone; milliseconds. */
const HELD_MS = 10 * 60_000;
const POLL_MS = 1_000;

/** A role that nobody can assume: it is there for its name alone. */
const NOBODY: PolicyDocument = {
  Version: POLICY_VERSION,
  Statement: [{ Effect: "Deny", Principal: { AWS: "*" }, Action: "sts:AssumeRole" }],
};

/**
 * Works on sources while nobody else's apply does. S3 has no writing on a condition, but IAM lets exactly one of several make a role of a name.
 * The locks are given back whatever the work comes to; one that cannot be ends by itself. Of several failures the first is thrown.
 *
 * @throws `ApplyLocked` where another apply holds one of them for longer than is waited
 */
export async function withLocks<T>(sources: readonly NativeBucket[], ports: NativePorts, { work, ...options }: Working<T>): Promise<T> {
  const held: Held[] = [];
  const locked = async () => {
    // One order for all, so that two that want the same never wait for each other.
    const wanted = new Map(sources.map((source) => [lockRoleName(source), source]));
    for (const [name, source] of [...wanted].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const lock = { name, source, identity: await ports.identityOf(source), clock: ports.clock };
      if (await take(lock, options)) held.push(lock);
    }
    return work({ isComplete: held.length === wanted.size, renew: renewal(held, options, ports.clock) });
  };
  const [worked] = await Promise.allSettled([locked()]);
  const released = await Promise.allSettled(held.map((lock) => release(lock, options)));
  if (worked.status === "rejected") throw worked.reason;
  for (const given of released) if (given.status === "rejected") throw given.reason;
  return worked.value;
}

interface Working<T> extends LockOptions {
  readonly work: (locks: Locks) => Promise<T>;
}

interface Held {
  readonly name: string;
  readonly source: NativeBucket;
  readonly identity: Identity;
  readonly clock: Clock;
}

/** False where it may not be taken and need not be. */
async function take(lock: Held, options: LockOptions): Promise<boolean> {
  const until = lock.clock.now() + options.timeoutMs;
  for (;;) {
    const made = await make(lock, options).catch((error: unknown) => {
      if (options.isOptional && isReplicationError(error) && error.code === "AccessDenied") return undefined;
      throw error;
    });
    if (made === undefined) return false;
    if (made) return true;
    const found = await lock.identity.role(lock.name);
    if (found !== undefined && isOver(found, lock.clock)) {
      // Left behind by an apply that was killed.
      await lock.identity.deleteRole(lock.name);
      continue;
    }
    if (options.signal?.aborted === true)
      throw new ReplicationError("Aborted", `interrupted while waiting for the lock of ${lock.source.name}`);
    if (lock.clock.now() >= until) throw taken(lock, found);
    await lock.clock.sleep(POLL_MS, options.signal);
  }
}

/** Two that found the same lock left behind may delete each other's: who has it is read back. */
async function make({ name, identity, source, clock }: Held, { holder, owner }: LockOptions): Promise<boolean> {
  const { permissionsBoundary } = owner;
  const tags = { ...owner.tags, [NAME_TAG]: owner.name, [HOLDER_TAG]: holder, [UNTIL_TAG]: end(clock) };
  const description = `Keeps two applies from changing the replication of ${source.bucket} at once`;
  const made = await identity.createRole({ name, path: LOCK_PATH, trust: NOBODY, tags, permissionsBoundary, description });
  return made !== false && (await identity.role(name))?.tags[HOLDER_TAG] === holder;
}

function renewal(held: readonly Held[], options: LockOptions, clock: Clock): () => Promise<void> {
  let checkedAt = clock.now();
  return async () => {
    if (clock.now() - checkedAt < CHECK_MS) return;
    await renewAll(held, options);
    checkedAt = clock.now();
  };
}

async function renewAll(held: readonly Held[], { holder }: LockOptions): Promise<void> {
  for (const lock of held) {
    const found = await lock.identity.role(lock.name);
    if (found?.tags[HOLDER_TAG] !== holder) throw taken(lock, found);
    const left = Date.parse(found.tags[UNTIL_TAG] ?? "") - lock.clock.now();
    if (left < HELD_MS / 2) await lock.identity.tagRole(lock.name, { [UNTIL_TAG]: end(lock.clock) });
  }
}

async function release({ name, identity }: Held, { holder }: LockOptions): Promise<void> {
  const found = await identity.role(name);
  if (found?.tags[HOLDER_TAG] === holder) await identity.deleteRole(name);
}

function isOver({ tags }: Role, clock: Clock): boolean {
  const until = Date.parse(tags[UNTIL_TAG] ?? "");
  return Number.isNaN(until) || until <= clock.now();
}

function end(clock: Clock): string {
  return new Date(clock.now() + HELD_MS).toISOString();
}

function taken({ name, source }: Held, found: Role | undefined): ReplicationError {
  const holder = found?.tags[HOLDER_TAG] ?? "somebody";
  const message = `another apply (${holder}) is changing the replication of ${source.name}`;
  return new ReplicationError("ApplyLocked", message, {
    hint: `wait for it; if it is gone, delete the role ${name} or wait until ${found?.tags[UNTIL_TAG] ?? "its end"}`,
  });
}
