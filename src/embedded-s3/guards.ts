import { type CannedAcl, storedAcl } from "./acl.ts";
import type { Encryption } from "./encryption.ts";
import { type BucketLock, newLock, type ObjectLock } from "./object-lock.ts";

/** What stands around an object's bytes: asked for with every write, never carried along by a copy. */
export interface Guards {
  readonly lock?: ObjectLock | undefined;
  /** Absent: the owner's alone. */
  readonly acl?: CannedAcl | undefined;
  /** Absent: nothing is said of it. */
  readonly encryption?: Encryption | undefined;
}

/** What a bucket allows and adds. */
export interface GuardRules {
  readonly lock: BucketLock | undefined;
  readonly hasAcls: boolean;
}

/** The guards of a new version, or a refusal of those that its bucket cannot give. */
export function newGuards({ lock, hasAcls }: GuardRules, asked: Guards, now: number): Guards {
  return { lock: newLock(lock, asked.lock, now), acl: storedAcl(asked.acl, hasAcls), encryption: asked.encryption };
}
