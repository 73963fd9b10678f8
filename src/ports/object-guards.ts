import type { CannedAcl, ObjectAcl, ObjectLock } from "../domain/object.ts";
import type { Restore } from "../domain/rule.ts";
import type { ReadOptions } from "./object-store.ts";

export interface RestoreOptions extends ReadOptions {
  /** The object's, where it is known: some archives take no number of days. */
  readonly storageClass?: string | undefined;
}

/**
 * What stands around the bytes of one bucket's objects, read and changed without moving them. All methods throw ReplicationError; none changes
 * an object's ETag or date.
 */
export interface ObjectGuards {
  /**
   * Returns what the object's ACL amounts to; `private` where the store has no ACLs.
   * @throws `AccessDenied`, `NoSuchKey`
   */
  acl(key: string, options?: ReadOptions): Promise<ObjectAcl>;

  /** Replaces the object's ACL. @throws `NotImplemented` where the bucket's objects have none */
  putAcl(key: string, acl: CannedAcl, options?: ReadOptions): Promise<void>;

  /**
   * Gives the object this retention, this hold, or both; what is not named stays as it is.
   * @throws `NotImplemented` where the bucket's objects cannot be locked, `AccessDenied` where it would be weaker than what is in force
   */
  putLock(key: string, lock: ObjectLock, options?: ReadOptions): Promise<void>;

  /**
   * Asks an archive for a copy of the object that can be read, which takes minutes to days. Succeeds also where that was asked before.
   * @throws `NotImplemented` where the store has no archive, `AccessDenied`
   */
  restore(key: string, restore: Restore, options?: RestoreOptions): Promise<void>;
}
