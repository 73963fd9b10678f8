import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import { type RecordedError, ReplicationError } from "../../../domain/error.ts";
import type { Hint } from "../../../domain/object.ts";
import { blankEntry, type LedgerEntry, type Operation, type Proof, type ReplicaRecord, type Status } from "../../../domain/status.ts";
import { LANES, type Lane } from "../../../ports/state.ts";
import { operationOf } from "./change-bits.ts";

/**
 * Rows as they travel between the threads and stand in the tables: arrays of cells in the order of the columns named here.
 * Arrays, because building, sending and reading them costs about half of what objects cost.
 */
export type Cell = string | number | null;

/** Lanes by number, the more urgent the lower. */
export type LaneNumber = 0 | 1;
export const LIVE: LaneNumber = 0;
export const BACKFILL: LaneNumber = 1;

export const TASK_COLUMNS =
  "wanted, lane, seq, attempts, not_before, event_time, first_failed_at, changes, deleted_at, size_bytes, etag, last_modified, storage_class";
export type TaskCells = readonly [
  wanted: number,
  lane: LaneNumber,
  seq: number,
  attempts: number,
  notBefore: number,
  eventTime: number | null,
  firstFailedAt: number | null,
  changes: number,
  deletedAt: number | null,
  ...hint: HintCells,
];
export type HintCells = readonly [sizeBytes: number | null, etag: string | null, lastModified: number | null, storageClass: string | null];

export const ATTEMPT_COLUMNS =
  "status, operation, reason, notes, attempts, event_time, started_at, finished_at, next_attempt_at, first_failed_at, latency_ms, error, origin";
export type AttemptCells = readonly [
  status: Status,
  operation: Operation,
  reason: string | null,
  notes: string | null,
  attempts: number,
  eventTime: number | null,
  startedAt: number | null,
  finishedAt: number | null,
  nextAttemptAt: number | null,
  firstFailedAt: number | null,
  latencyMs: number | null,
  error: string | null,
  origin: string | null,
];

export const REPLICA_COLUMNS =
  "replica_etag, replica_version_id, replica_last_modified, attribute_hash, bytes, proof, destination_etag, destination_version_id";
export type ReplicaCells = readonly [
  etag: string | null,
  versionId: string | null,
  lastModified: number | null,
  attributeHash: string | null,
  bytes: number | null,
  proof: Proof | null,
  destinationEtag: string | null,
  destinationVersionId: string | null,
];

const NO_REPLICA: ReplicaCells = [null, null, null, null, null, null, null, null];

export type EntryCells = readonly [...AttemptCells, ...ReplicaCells];

export function laneNumber(lane: Lane): LaneNumber {
  return lane === "live" ? LIVE : BACKFILL;
}

export function laneName(lane: LaneNumber): Lane {
  return LANES[lane];
}

export function toHintCells(hint: Hint | undefined): HintCells {
  if (hint === undefined) return [null, null, null, null];
  return [hint.sizeBytes ?? null, hint.etag ?? null, hint.lastModified ?? null, hint.storageClass ?? null];
}

export function fromHintCells([sizeBytes, etag, lastModified, storageClass]: HintCells): Hint | undefined {
  if (sizeBytes === null && etag === null && lastModified === null && storageClass === null) return undefined;
  return {
    ...(etag !== null && { etag }),
    ...(sizeBytes !== null && { sizeBytes }),
    ...(lastModified !== null && { lastModified }),
    ...(storageClass !== null && { storageClass }),
  };
}

export function toAttemptCells(entry: LedgerEntry): AttemptCells {
  return [
    entry.status,
    entry.operation,
    entry.reason,
    entry.notes.length === 0 ? null : JSON.stringify(entry.notes),
    entry.attempts,
    entry.eventTime,
    entry.startedAt,
    entry.finishedAt,
    entry.nextAttemptAt,
    entry.firstFailedAt,
    entry.replicationLatencyMs,
    entry.error === null ? null : JSON.stringify(entry.error),
    entry.origin,
  ];
}

/** What the entry says of the replica; null: nothing, so that the row keeps what it has. A tombstone says that there is none. */
export function toReplicaCells({ status, operation, replica }: LedgerEntry): ReplicaCells | null {
  if (status === "COMPLETED" && operation === "delete") return NO_REPLICA;
  if (replica === null) return null;
  return [
    replica.etag,
    replica.versionId,
    replica.lastModified,
    replica.attributeHash,
    replica.bytes,
    replica.proof,
    replica.destinationEtag,
    replica.destinationVersionId,
  ];
}

/** Where a row belongs: what its cells do not say. */
export interface RowPlace {
  readonly rule: string;
  readonly destination: string;
  readonly key: string;
  /** Absent: of the current object. */
  readonly versionId?: string | undefined;
}

export function toEntry(place: RowPlace, cells: EntryCells): LedgerEntry {
  const [status, operation, reason, notes, attempts, eventTime, startedAt, finishedAt, nextAttemptAt, firstFailedAt, ...rest] = cells;
  const [latencyMs, error, origin, ...replica] = rest;
  return {
    rule: place.rule,
    destination: place.destination,
    key: place.key,
    versionId: place.versionId ?? "",
    status,
    operation,
    reason,
    notes: notes === null ? [] : (JSON.parse(notes) as string[]),
    replica: toReplica(replica),
    origin,
    attempts,
    eventTime,
    startedAt,
    finishedAt,
    nextAttemptAt,
    firstFailedAt,
    replicationLatencyMs: latencyMs,
    error: error === null ? null : (JSON.parse(error) as RecordedError),
  };
}

function toReplica(cells: ReplicaCells): ReplicaRecord | null {
  const [etag, versionId, lastModified, attributeHash, bytes, proof, destinationEtag, destinationVersionId] = cells;
  if (etag === null || lastModified === null || bytes === null || destinationEtag === null) return null;
  return { etag, versionId, lastModified, attributeHash, bytes, proof, destinationEtag, destinationVersionId };
}

/** The entry of a task that waits: PENDING, over what the last attempt and the last replica left. */
export function toPendingEntry(place: RowPlace, task: TaskCells, recorded: LedgerEntry | undefined): LedgerEntry {
  const [, , , attempts, notBefore, eventTime, firstFailedAt, changes] = task;
  return {
    ...(recorded ?? blankEntry(place)),
    status: "PENDING",
    operation: operationOf(changes),
    attempts,
    eventTime,
    nextAttemptAt: notBefore === 0 ? null : notBefore,
    firstFailedAt,
    replicationLatencyMs: null,
  };
}

/** A prepared statement that gives rows as arrays of cells. */
export class Query<Row extends readonly unknown[]> {
  readonly #statement: StatementSync;

  constructor(db: DatabaseSync, sql: string) {
    this.#statement = db.prepare(sql);
    this.#statement.setReturnArrays(true);
  }

  get(...parameters: readonly SQLInputValue[]): Row | undefined {
    return this.#statement.get(...parameters) as unknown as Row | undefined;
  }

  all(...parameters: readonly SQLInputValue[]): readonly Row[] {
    return this.#statement.all(...parameters) as unknown as readonly Row[];
  }

  /** Fails where the schema promises a row. */
  one(...parameters: readonly SQLInputValue[]): Row {
    const row = this.get(...parameters);
    if (row === undefined) throw new ReplicationError("LedgerCorrupt", "the state lacks a row that every state has");
    return row;
  }
}
