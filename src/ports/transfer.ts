import type { Bucket } from "../domain/bucket.ts";
import type { ReplicationError } from "../domain/error.ts";
import type { Hint, ObjectAttributes, ObjectState } from "../domain/object.ts";
import type { Encryption, Preserve } from "../domain/rule.ts";
import type { Proof } from "../domain/status.ts";
import type { UploadPlace } from "./uploads.ts";

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
   *
   * Where uploads are bound, a copy in parts that is broken off, by its signal or by trouble that passes, leaves its parts to the next copy of the
   * same state of the source to the same place. Whatever else ends it leaves nothing.
   */
  copy(request: TransferRequest): Promise<TransferResult>;

  /** Aborts uploads that copies which were broken off have left and nobody goes on with. Returns how many are gone. Absent: none are left. */
  sweep?(left: LeftUploads): Promise<number>;
}

/** Which of the uploads that were left are to be swept. */
export interface LeftUploads {
  /** An upload into any other bucket stays. */
  readonly buckets: readonly Bucket[];
  /** Whether a copy may still go on with it. */
  readonly isWanted: (place: UploadPlace) => Promise<boolean>;
}
