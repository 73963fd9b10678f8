import { type ErrorCode, isReplicationError, ReplicationError, toReplicationError } from "../../../domain/error.ts";
import type { ObjectAttributes } from "../../../domain/object.ts";
import type { Checksum } from "../../../embedded-s3/checksum.ts";
import type { WriteConditions } from "../../../embedded-s3/conditions.ts";
import { DEFAULT_KMS_KEY, type Encryption } from "../../../embedded-s3/encryption.ts";
import type { Guards } from "../../../embedded-s3/guards.ts";
import type { ObjectLock } from "../../../embedded-s3/object-lock.ts";
import type { TransferDestination, TransferOutcome } from "../../../ports/transfer.ts";
import { isAbout, type RefusalSubject } from "../s3/errors.ts";
import { withStamp } from "../s3/replica-write.ts";
import { type HonouredConditions, type ModelCalls, refusalOf } from "./model-calls.ts";

/** What a source object gives to its replicas. */
export interface ReplicaContent {
  readonly attributes: ObjectAttributes;
  readonly storageClass: string | undefined;
  readonly guards: SourceGuards;
}

/** What stands around the source's bytes, and its checksum. */
export interface SourceGuards extends Guards {
  readonly checksum?: Checksum | undefined;
}

/** What a replica can be written without, by the error that refuses it; told by a note. */
const DISPENSABLE: Partial<Record<ErrorCode, string>> = {
  InvalidStorageClass: "StorageClassNotKept",
  InvalidTag: "TagsNotKept",
  MetadataTooLarge: "StampNotKept",
};

/** The same for guards, which are refused by words. A retention is told from a lock first: its words are of both. */
const GUARD_NOTES: readonly (readonly [subject: RefusalSubject, note: string])[] = [
  ["retention", "RetentionExpired"],
  ["lock", "ObjectLockNotKept"],
  ["acl", "AclNotKept"],
];

/** One replica about to be written: where, with what, on what condition, and what had to be left out. */
export class Replica {
  readonly index: number;
  readonly destination: TransferDestination;
  readonly calls: ModelCalls;
  readonly notes: Set<string> = new Set();

  constructor(index: number, destination: TransferDestination, calls: ModelCalls) {
    this.index = index;
    this.destination = destination;
    this.calls = calls;
  }

  /** Whether the replica gets the source's tags. */
  get keepsTags(): boolean {
    return this.destination.preserve.tags && !this.notes.has("TagsNotKept");
  }

  /** The source's attributes as the replica gets them. */
  attributes(attributes: ObjectAttributes): ObjectAttributes {
    const { stamp } = this.destination;
    const stamped = stamp === undefined ? attributes : withStamp(attributes, this.notes.has("StampNotKept") ? null : stamp);
    return { ...stamped, tags: this.keepsTags ? attributes.tags : undefined };
  }

  /** The class given to the destination, else the source's where it is kept. */
  storageClass(ofSource: string | undefined): string | undefined {
    if (this.notes.has("StorageClassNotKept")) return undefined;
    return this.destination.storageClass ?? (this.destination.preserve.storageClass ? ofSource : undefined);
  }

  /** The condition that a write of this kind carries, where the bucket honours it. */
  conditions(kind: keyof HonouredConditions): WriteConditions {
    const { ifHolds } = this.destination;
    if (ifHolds === undefined || !this.calls.honours[kind]) return {};
    return ifHolds === null ? { ifNoneMatch: "*" } : { ifMatch: ifHolds };
  }

  /**
   * Whether a write of this kind may go ahead. Where the bucket does not honour its condition it is looked at; what comes between this look and
   * the write is lost.
   */
  async mayGoAhead(kind: keyof HonouredConditions, signal: AbortSignal | undefined): Promise<boolean> {
    const { ifHolds, key } = this.destination;
    if (ifHolds === undefined || this.calls.honours[kind]) return true;
    return (await this.#heldEtag(key, signal)) === ifHolds;
  }

  /** The source's guards as far as the replica is to have them, and the encryption that its destination names. */
  guards(ofSource: SourceGuards): Guards {
    const { preserve } = this.destination;
    return {
      lock: preserve.objectLock ? this.#lock(ofSource.lock) : undefined,
      acl: preserve.acl && !this.notes.has("AclNotKept") ? ofSource.acl : undefined,
      encryption: this.#encryption(ofSource.encryption),
    };
  }

  #lock(lock: ObjectLock | undefined): ObjectLock | undefined {
    if (lock === undefined || this.notes.has("ObjectLockNotKept")) return undefined;
    const retention = this.notes.has("RetentionExpired") ? undefined : lock.retention;
    return retention === undefined && lock.legalHold !== true ? undefined : { retention, legalHold: lock.legalHold };
  }

  /** By the store's own key where none is named. */
  #encryption(ofSource: Encryption | undefined): Encryption | undefined {
    const { encryption: given, preserve } = this.destination;
    const isKept = preserve.encryption && !this.notes.has("EncryptionNotKept");
    const type = given?.type ?? (isKept ? ofSource?.type : undefined);
    if (type === "aws:kms") return { type, keyId: given?.keyId ?? DEFAULT_KMS_KEY };
    return type === "AES256" ? { type } : undefined;
  }

  /** Whether the bucket would ignore the condition of a copy but keeps that of a write: then the bytes have to travel. */
  get mustTravel(): boolean {
    const { honours } = this.calls;
    return this.destination.ifHolds !== undefined && !honours.copy && honours.put;
  }

  /** Writes, and again without what the destination refuses by name. */
  async write<T>(attempt: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        if (!this.#canDoWithout(error)) throw error;
      }
    }
  }

  /** The outcome for something thrown on this destination's own way. */
  outcomeOf(error: unknown): TransferOutcome {
    return this.#heldSomethingElse(error) ? { kind: "moved-on" } : this.failed(error);
  }

  /** The outcome for something that is about no condition. Encryption was asked for by name, so it is never left out. */
  failed(error: unknown): TransferOutcome {
    const { bucket, key, encryption } = this.destination;
    const cause = toReplicationError(error);
    if (encryption === undefined || cause.code !== "NotImplemented") return { kind: "failed", error: cause };
    const message = `${bucket.name} does not encrypt ${key} by ${encryption.type}: ${cause.message}`;
    const hint = "set up key management at the store, or leave `encryption` out of the destination";
    return { kind: "failed", error: new ReplicationError("CapabilityMissing", message, { at: cause.at, hint, cause }) };
  }

  #heldSomethingElse(error: unknown): boolean {
    const { ifHolds } = this.destination;
    if (ifHolds === undefined || !isReplicationError(error)) return false;
    const condition = refusalOf(error)?.facts.details?.["Condition"] ?? "";
    if (error.code === "PreconditionFailed") return !condition.startsWith("x-amz-copy-source");
    return error.code === "NoSuchKey" && typeof ifHolds === "string";
  }

  #canDoWithout(error: unknown): boolean {
    const note = isReplicationError(error) ? (DISPENSABLE[error.code] ?? this.#guardRefused(error)) : undefined;
    if (note === "StampNotKept" && typeof this.destination.stamp !== "string") return false;
    if (note === undefined || this.notes.has(note)) return false;
    this.notes.add(note);
    return true;
  }

  #guardRefused(error: ReplicationError): string | undefined {
    if (error.code === "NotImplemented" && this.destination.encryption === undefined) return "EncryptionNotKept";
    return GUARD_NOTES.find(([subject]) => isAbout(error, subject))?.[1];
  }

  /** Null where the destination holds nothing. */
  async #heldEtag(key: string, signal: AbortSignal | undefined): Promise<string | null> {
    try {
      return (await this.calls.run("head", { key, signal }, (model, bucket) => model.headObject(bucket, key))).version.etag;
    } catch (error) {
      if (refusalOf(error)?.code === "NoSuchKey") return null;
      throw error;
    }
  }
}
