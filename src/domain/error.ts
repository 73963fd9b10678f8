/**
 * Everything that can go wrong and that a person may meet, by name. S3's own name where S3 has one.
 *
 * `retry`: trying again later may succeed. `permanent`: only a person, a new event or a sync can change the outcome.
 */
export const ERROR_CODES = {
  AccessDenied: "permanent",
  Aborted: "retry",
  ApplyLocked: "retry",
  ArchivedObject: "permanent",
  BadDigest: "retry",
  BeingWritten: "retry",
  BucketChanged: "permanent",
  CapabilityMissing: "permanent",
  ChecksumMismatch: "retry",
  ConfigInvalid: "permanent",
  Draining: "retry",
  EntityTooLarge: "permanent",
  Internal: "retry",
  InvalidAccessKeyId: "permanent",
  InvalidRequest: "permanent",
  InvalidStorageClass: "permanent",
  InvalidTag: "permanent",
  KeyNotRepresentable: "permanent",
  LeaseLost: "retry",
  LedgerCorrupt: "permanent",
  LedgerLocked: "permanent",
  LedgerUnavailable: "retry",
  ListingOutOfOrder: "permanent",
  MalformedEvent: "permanent",
  MalformedResponse: "retry",
  MetadataTooLarge: "permanent",
  NoSuchBucket: "permanent",
  NoSuchKey: "permanent",
  NoSuchUpload: "retry",
  NoSuchVersion: "permanent",
  NotImplemented: "permanent",
  NotReplicated: "permanent",
  OutOfOrder: "permanent",
  Overloaded: "retry",
  PreconditionFailed: "retry",
  RequestTimeout: "retry",
  RequestTimeTooSkewed: "permanent",
  SignatureDoesNotMatch: "permanent",
  SlowDown: "retry",
  SourceUnreadableTags: "permanent",
  StoreError: "retry",
  StoreUnreachable: "retry",
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;
export type Disposition = "retry" | "permanent";

/** Where it happened. Never bodies, never credentials. */
export interface ErrorPlace {
  readonly operation?: string | undefined;
  readonly bucket?: string | undefined;
  readonly key?: string | undefined;
  readonly rule?: string | undefined;
  readonly status?: number | undefined;
}

export interface ReplicationErrorOptions {
  readonly at?: ErrorPlace | undefined;
  /** What a person should do next. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
  /** Overrides the catalogue's disposition where the place of the error tells more than its name. */
  readonly disposition?: Disposition | undefined;
  /** Milliseconds the other side asked to be left alone. */
  readonly retryAfterMs?: number | undefined;
}

const BRAND = Symbol.for("replicast.ReplicationError");

/** The one error class: a code from the closed catalogue, where it happened, and what to do. */
export class ReplicationError extends Error {
  readonly code: ErrorCode;
  readonly disposition: Disposition;
  readonly at: ErrorPlace;
  readonly hint: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options: ReplicationErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "ReplicationError";
    this.code = code;
    this.disposition = options.disposition ?? ERROR_CODES[code];
    this.at = options.at ?? {};
    this.hint = options.hint;
    this.retryAfterMs = options.retryAfterMs;
    Object.defineProperty(this, BRAND, { value: true });
  }
}

/** Is true for every ReplicationError, also one made by another copy of this package. */
export function isReplicationError(value: unknown): value is ReplicationError {
  return typeof value === "object" && value !== null && BRAND in value;
}

/** Returns the value itself if it is a ReplicationError, else an `Internal` one that carries it as its cause. */
export function toReplicationError(value: unknown): ReplicationError {
  if (isReplicationError(value)) return value;
  return new ReplicationError("Internal", value instanceof Error ? value.message : String(value), { cause: value });
}

/** The error as it is kept in the ledger and printed in JSON. */
export interface RecordedError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | null;
  readonly operation: string | null;
}

export function toRecordedError(error: ReplicationError): RecordedError {
  return { code: error.code, message: error.message, hint: error.hint ?? null, operation: error.at.operation ?? null };
}
