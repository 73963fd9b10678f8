import type { RecordedError } from "./error.ts";

export const STATUSES = ["PENDING", "COMPLETED", "FAILED", "HELD", "REPLICA", "SKIPPED"] as const;
export type Status = (typeof STATUSES)[number];

/** How it is known that the replica's bytes are the source's (invariant 8). */
export const PROOFS = ["etag", "checksum", "streamed-hash", "provider"] as const;
export type Proof = (typeof PROOFS)[number];

/** What is known to be at both sides; changes only when a replica is completed. */
export interface ReplicaRecord {
  readonly etag: string;
  readonly versionId: string | null;
  /** Milliseconds since the epoch. */
  readonly lastModified: number;
  readonly attributeHash: string | null;
  readonly bytes: number;
  readonly proof: Proof | null;
  readonly destinationEtag: string;
  readonly destinationVersionId: string | null;
}

/** One row of the ledger: what became of one object at one destination of one rule. */
export interface LedgerEntry {
  readonly rule: string;
  /** Canonical id of the destination. */
  readonly destination: string;
  readonly key: string;
  readonly status: Status;
  readonly operation: "copy";
  readonly reason: string | null;
  readonly notes: readonly string[];
  /** Null until the object has been replicated once. */
  readonly replica: ReplicaRecord | null;
  readonly attempts: number;
  /** All times in milliseconds since the epoch. */
  readonly eventTime: number | null;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
  readonly nextAttemptAt: number | null;
  readonly firstFailedAt: number | null;
  readonly replicationLatencyMs: number | null;
  readonly error: RecordedError | null;
}
