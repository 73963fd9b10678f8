import { isReplicationError, ReplicationError } from "../../../domain/error.ts";
import type { CannedAcl, ObjectAcl, ObjectLock } from "../../../domain/object.ts";
import type { Restore } from "../../../domain/rule.ts";
import { parseRetentionMode } from "../../../embedded-s3/object-lock.ts";
import type { ObjectGuards, RestoreOptions } from "../../../ports/object-guards.ts";
import type { ReadOptions } from "../../../ports/object-store.ts";
import { isAbout, type RefusalSubject } from "../s3/errors.ts";
import { type ModelCalls, refusalOf } from "./model-calls.ts";

/** ACL, lock and archive of one bucket of a model. */
export class EmbeddedObjectGuards implements ObjectGuards {
  readonly #calls: ModelCalls;

  constructor(calls: ModelCalls) {
    this.#calls = calls;
  }

  async acl(key: string, { versionId, signal }: ReadOptions = {}): Promise<ObjectAcl> {
    const { acl = "private" } = await this.#calls.run("acl", { key, signal }, (model, bucket) => model.guards(bucket, key, versionId));
    return acl;
  }

  async putAcl(key: string, acl: CannedAcl, { versionId, signal }: ReadOptions = {}): Promise<void> {
    await this.#calls
      .run("putAcl", { key, signal }, (model, bucket) => model.putAcl(bucket, key, { acl, versionId }))
      .catch(refusalAbout("acl"));
  }

  async putLock(key: string, { retention, legalHold }: ObjectLock, { versionId, signal }: ReadOptions = {}): Promise<void> {
    if (retention !== undefined) {
      const asked = { mode: parseRetentionMode(retention.mode), retainUntil: retention.retainUntil };
      await this.#calls
        .run("putRetention", { key, signal }, (model, bucket) => model.putRetention(bucket, key, { retention: asked, versionId }))
        .catch(refusalAbout("lock"));
    }
    if (!legalHold) return;
    await this.#calls
      .run("putLegalHold", { key, signal }, (model, bucket) => model.putLegalHold(bucket, key, { legalHold, versionId }))
      .catch(refusalAbout("lock"));
  }

  async restore(key: string, { days }: Restore, { versionId, signal }: RestoreOptions = {}): Promise<void> {
    try {
      await this.#calls.run("restore", { key, signal }, (model, bucket) => model.restoreObject(bucket, key, { days, versionId }));
    } catch (error) {
      if (refusalOf(error)?.code !== "RestoreAlreadyInProgress") throw error;
    }
  }
}

/** A refusal that is about the guard itself says that objects here have none. */
function refusalAbout(subject: RefusalSubject): (error: unknown) => never {
  return (error) => {
    if (!isReplicationError(error) || !isAbout(error, subject)) throw error;
    throw new ReplicationError("NotImplemented", error.message, { at: error.at, cause: error });
  };
}
