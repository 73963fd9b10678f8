import type { ErrorCode } from "../domain/error.ts";
import type { Operation, Proof, Status } from "../domain/status.ts";

/** The JSON documents that the HTTP API and `--json` both give. Fields are only ever added; what is not known is null; times end in `Z`. */
export const SCHEMA_VERSION = 1;

export interface Versioned {
  readonly schemaVersion: typeof SCHEMA_VERSION;
}

export interface ListDocument<Item> extends Versioned {
  readonly items: readonly Item[];
  readonly nextToken: string | null;
}

/** `status`. */
export interface StatusDocument extends Versioned {
  readonly name: string;
  readonly rules: readonly RuleStatus[];
  readonly intake: readonly IntakeStatus[];
  /** All but TRUSTED hold every delete, until `rebuild-ledger` is done. */
  readonly ledger: "TRUSTED" | "LOST" | "OLD" | "FOREIGN" | "REBUILDING";
}

export interface RuleStatus {
  readonly id: string;
  readonly engine: "copy" | "native";
  readonly state: "ACTIVE" | "PAUSED" | "DISABLED" | "FAILED_OVER";
  readonly direction: "forward" | "reverse";
  readonly lastSyncAt: string | null;
  readonly destinations: readonly DestinationStatus[];
  /** Of rules that S3 serves: the latest S3 batch job at a source of the rule. Null: there is none, or nobody may know. */
  readonly batchJob?: BatchJobStatus | null;
}

export interface BatchJobStatus {
  readonly id: string;
  readonly status: "WAITING" | "RUNNING" | "COMPLETED" | "FAILED" | "CANCELLED";
  /** Null until S3 has counted them. */
  readonly total: number | null;
  readonly succeeded: number | null;
  readonly failed: number | null;
}

export interface DestinationStatus {
  readonly id: string;
  readonly bucket: string;
  readonly operationsPending: number | null;
  readonly bytesPending: number | null;
  readonly operationsCompleted: number | null;
  readonly bytesCompleted: number | null;
  readonly operationsFailed: number | null;
  readonly operationsHeld: number | null;
  readonly oldestPendingAt: string | null;
  readonly replicationLatencyMs: LatencyPercentiles | null;
  /** Of rules that S3 serves: its own rules behind this destination, one for each source. */
  readonly s3Rules?: readonly S3RuleStatus[];
}

/** S3 tells of the worst alone: then the others are null. */
export interface LatencyPercentiles {
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
  readonly max: number | null;
}

export interface S3RuleStatus {
  /** The printed source bucket. */
  readonly source: string;
  readonly id: string;
  /** Null where nobody may look. */
  readonly status: "Enabled" | "Disabled" | "Missing" | null;
}

export interface IntakeStatus {
  readonly store: string;
  readonly received: number;
  readonly ignored: number;
  readonly malformed: number;
  readonly lastMalformed: { readonly reason: string; readonly at: string } | null;
}

/** `status BUCKET/KEY`: an entry per destination of the object. */
export interface ObjectDocument extends Versioned {
  readonly bucket: string;
  readonly key: string;
  readonly entries: readonly ObjectEntry[];
}

export interface ObjectEntry {
  readonly rule: string;
  readonly destination: string;
  readonly engine: "copy" | "native";
  readonly operation: Operation;
  readonly status: Status;
  readonly reason: string | null;
  readonly notes: readonly string[];
  readonly versionId: string | null;
  readonly etag: string | null;
  readonly bytes: number | null;
  readonly proof: Proof | null;
  readonly destinationEtag: string | null;
  readonly destinationVersionId: string | null;
  readonly origin: string | null;
  readonly attempts: number;
  readonly eventTime: string | null;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly nextAttemptAt: string | null;
  readonly replicationLatencyMs: number | null;
  readonly error: ErrorDocument | null;
}

/** `objects list`. */
export interface ObjectListItem extends ObjectEntry {
  readonly bucket: string | null;
  readonly key: string;
}

/** `failures list`. */
export interface FailureItem {
  readonly id: string;
  readonly rule: string;
  readonly destination: string;
  readonly bucket: string | null;
  readonly key: string;
  readonly versionId: string | null;
  readonly attempts: number;
  readonly firstFailedAt: string | null;
  readonly lastFailedAt: string | null;
  readonly error: ErrorDocument | null;
}

/** `deletes list`: a delete that the gate holds until a person says what becomes of it. */
export interface HeldDeleteItem {
  readonly id: string;
  readonly rule: string;
  readonly destination: string;
  readonly bucket: string | null;
  readonly key: string;
  readonly versionId: string | null;
  /** When the object was deleted at its source. */
  readonly eventTime: string | null;
  readonly heldAt: string | null;
  /** Of the object that the delete would remove. */
  readonly bytes: number | null;
  readonly destinationEtag: string | null;
}

/** `conflicts list`: two contents of one key that know nothing of each other. */
export interface ConflictItem {
  readonly id: string;
  readonly rule: string;
  readonly key: string;
  readonly state: "OPEN" | "RESOLVED";
  readonly sides: readonly ConflictSideItem[];
  /** The bucket whose side stays; null while nobody has said, and where the sides became one by themselves. */
  readonly winner: string | null;
  readonly resolvedBy: "newest" | "priority" | "person" | null;
  readonly detectedAt: string;
  readonly resolvedAt: string | null;
}

export interface ConflictSideItem {
  readonly bucket: string;
  readonly key: string;
  /** Null: deleted there. */
  readonly object: {
    readonly etag: string;
    readonly versionId: string | null;
    readonly bytes: number;
    readonly lastModified: string | null;
  } | null;
  /** The bucket that a client wrote it at, and when. */
  readonly origin: string;
  readonly originTime: string;
}

/** The answer to `redrive`, `discard`, `approve` and `reject`. */
export interface ChangeDocument extends Versioned {
  /** Rows that were changed. */
  readonly changed: number;
  /** Of the ids given, those that name no such row, or none any more. */
  readonly notFound: readonly string[];
}

/** The answer to `pause` and `resume`. */
export interface RuleStateDocument extends Versioned {
  readonly rule: string;
  readonly state: RuleStatus["state"];
}

/** `explain`: why an object is, or is not, where the rules say. */
export interface ExplainDocument extends Versioned {
  readonly bucket: string;
  readonly key: string;
  /** Rules that this bucket is a source of. */
  readonly rules: readonly ExplainedRule[];
  /** Rules that write to this bucket, where the key is one that they could have written. */
  readonly writtenBy: readonly ExplainedWriter[];
  /** Open conflicts of the key. */
  readonly conflicts: readonly ConflictItem[];
}

export interface ExplainedRule {
  readonly rule: string;
  readonly state: RuleStatus["state"];
  /** `depends`: on the object's size or tags, which only a look at the object tells. */
  readonly applies: "yes" | "no" | "depends";
  readonly reasons: readonly string[];
  readonly destinations: readonly ExplainedDestination[];
}

export interface ExplainedDestination {
  readonly id: string;
  readonly bucket: string;
  /** The key that the object has there. */
  readonly key: string;
  /** Null: neither an event nor a listing has told of the object yet. */
  readonly entry: ExplainedEntry | null;
  /** Null where the rule replicates no deletes. */
  readonly gate: { readonly state: "OPEN" | "SHUT"; readonly shutAt: string | null } | null;
  /** Of rules that S3 serves, as it shows the object now; null where it could not be asked. */
  readonly native?: ExplainedNative | null;
}

export interface ExplainedNative {
  /** Id of S3's own rule at the source bucket. */
  readonly ruleId: string;
  /** Null where nobody may look. */
  readonly ruleStatus: S3RuleStatus["status"];
  /** `x-amz-replication-status` of the object at its source, and of what the destination holds; null where it has none. */
  readonly replicationStatus: string | null;
  readonly replicaStatus: string | null;
}

export interface ExplainedEntry extends ObjectEntry {
  readonly firstFailedAt: string | null;
}

export interface ExplainedWriter {
  readonly rule: string;
  readonly bucket: string;
  readonly key: string;
  readonly entry: ExplainedEntry | null;
}

export interface ErrorDocument {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | null;
  readonly operation: string | null;
}

/** An item of `stores`. */
export interface StoreItem {
  /** Its alias, or the origin of the URL that made it. */
  readonly name: string;
  /** Null for AWS, where it follows from the region. */
  readonly endpoint: string | null;
  readonly region: string;
  readonly events: "webhook" | "sqs" | "poll" | "none";
  /** Null where nothing has been asked of it yet. */
  readonly up: boolean | null;
}

/** What only the HTTP face can meet. */
export type HttpCode = "AccessDenied" | "MethodNotAllowed" | "NoSuchStore" | "NotFound" | "NotReady" | "Unauthorized";

/** The body of every answer that is an error, `application/problem+json`. https://www.rfc-editor.org/rfc/rfc9457 */
export interface ProblemDocument {
  readonly type: "about:blank";
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode | HttpCode;
  readonly hint: string | null;
}
