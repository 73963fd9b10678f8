import type { Bucket } from "../domain/bucket.ts";
import type { ReplicationError } from "../domain/error.ts";
import type { Hint, ObjectAttributes, ObjectState } from "../domain/object.ts";
import type { Encryption, Preserve } from "../domain/rule.ts";
import type { Proof } from "../domain/status.ts";

export interface TransferDestination {
  readonly bucket: Bucket;
  readonly key: string;
  /** Given to the replica whatever the source has. */
  readonly storageClass?: string | undefined;
  /** Given to the replica whatever the source has. */
  readonly encryption?: Encryption | undefined;
  readonly preserve: Preserve;
  /** Writes only where the destination still holds this: an ETag, or nothing (null). Absent: whatever it holds. */
  readonly ifHolds?: string | null | undefined;
  /** Metadata entry `replicast` of the replica: this text, or none (null) whatever the source has. Absent: as the source has it. */
  readonly stamp?: string | null | undefined;
}

export interface TransferRequest {
  readonly source: Bucket;
  readonly key: string;
  /** Copies this version instead of the current object. */
  readonly versionId?: string | undefined;
  /** What is believed about the source. Its ETag pins the read; where the source has moved on the outcome is `changed`. */
  readonly hint?: Hint | undefined;
  readonly destinations: readonly TransferDestination[];
  /** True: read the source's state before anything is written and ask {@link accept}; false: the hint may be acted on at once. */
  readonly readFirst?: boolean | undefined;
  /**
   * Decides, for each destination by index, whether the object as it now is belongs there. Called once, before any write, with tags where
   * {@link needTags} asks for them. Absent: all do.
   */
  readonly accept?: ((source: ObjectState) => readonly boolean[]) | undefined;
  readonly needTags?: boolean | undefined;
  /** Told of each destination's outcome as soon as it is known, so that a slow one keeps nothing from the others; the result repeats it. */
  readonly onOutcome?: ((index: number, outcome: TransferOutcome, source: TransferredSource) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What became of one destination. */
export type TransferOutcome =
  | {
      readonly kind: "copied";
      readonly etag: string;
      readonly versionId?: string | undefined;
      readonly proof: Proof;
      /**
       * What the destination could not hold, by name: `AclNotKept`, `ChecksumNotKept`, `EncryptionNotKept`, `ETagNotKept`, `ExpiresNotKept`,
       * `ObjectLockNotKept`, `RetentionExpired`, `StampNotKept`, `StorageClassNotKept`, `TagsNotKept`, `WebsiteRedirectNotKept`.
       */
      readonly notes: readonly string[];
    }
  | { readonly kind: "not-accepted" }
  /** The destination does not hold what {@link TransferDestination.ifHolds} says. Nothing was written; read again, decide again. */
  | { readonly kind: "moved-on" }
  | { readonly kind: "failed"; readonly error: ReplicationError };

export type TransferResult =
  /** The source as it was read; one outcome per destination, in their order. A server-side copy knows the hint only. */
  | { readonly kind: "done"; readonly source: TransferredSource; readonly outcomes: readonly TransferOutcome[] }
  /** The source has no such object. Nothing was written. */
  | { readonly kind: "gone" }
  /** The source is no longer what the hint said. Nothing was written; read again, decide again. */
  | { readonly kind: "changed" }
  /** The source could not be read. Nothing was written. */
  | { readonly kind: "failed"; readonly error: ReplicationError };

export interface TransferredSource {
  readonly etag: string;
  readonly sizeBytes: number;
  readonly lastModified: number;
  readonly versionId?: string | undefined;
  /** Null where a server-side copy carried them unseen. */
  readonly attributes: ObjectAttributes | null;
}

/** Moves bodies from store to store. */
export interface Transfer {
  /**
   * Copies one object to its destinations, reading the source at most once, and returns what became of each.
   *
   * A destination holds either what it held before or the whole object: never a part of it. A slow, full or refusing destination
   * fails alone. Never throws for the state of the world; throws only for bugs.
   */
  copy(request: TransferRequest): Promise<TransferResult>;
}
