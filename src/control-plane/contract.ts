import type { ErrorCode } from "../domain/error.ts";
import type { Proof, Status } from "../domain/status.ts";

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
}

export interface RuleStatus {
  readonly id: string;
  readonly engine: "copy" | "native";
  readonly state: "ACTIVE" | "PAUSED" | "DISABLED" | "FAILED_OVER";
  readonly direction: "forward" | "reverse";
  readonly lastSyncAt: string | null;
  readonly destinations: readonly DestinationStatus[];
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
}

export interface LatencyPercentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
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
  readonly operation: "copy";
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
