import type { RecordedError } from "./error.ts";

export const STATUSES = ["PENDING", "COMPLETED", "FAILED", "HELD", "REPLICA", "SKIPPED"] as const;
export type Status = (typeof STATUSES)[number];

/** What was done, or is to be done. A COMPLETED `delete` is a tombstone: its row has no replica. */
export const OPERATIONS = ["copy", "delete", "attributes"] as const;
export type Operation = (typeof OPERATIONS)[number];

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
  readonly operation: Operation;
  /** Of the source, where the rule replays versions; else '': the row is about the current object. */
  readonly versionId: string;
  /** Canonical id of the bucket that a client wrote the content at; null where nobody asked. */
  readonly origin: string | null;
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

/** A row before anything happened. */
export function blankEntry(place: { readonly rule: string; readonly destination: string; readonly key: string }): LedgerEntry {
  return {
    rule: place.rule,
    destination: place.destination,
    key: place.key,
    versionId: "",
    status: "PENDING",
    operation: "copy",
    reason: null,
    notes: [],
    replica: null,
    origin: null,
    attempts: 0,
    eventTime: null,
    startedAt: null,
    finishedAt: null,
    nextAttemptAt: null,
    firstFailedAt: null,
    replicationLatencyMs: null,
    error: null,
  };
}
