import { type ReplicationError, toReplicationError } from "../domain/error.ts";
import type { Holding } from "../domain/holding.ts";
import type { LedgerEntry, Operation, ReplicaRecord, Status } from "../domain/status.ts";
import type { LeasedTask, Want } from "../ports/state.ts";
import type { Aim } from "./replicate.ts";

/** One task, where it leads, and what breaks it off. */
export interface Assignment {
  readonly task: LeasedTask;
  readonly aim: Aim;
  readonly signal: AbortSignal | undefined;
}

/** How a careful attempt ended: what its row says, and what is stored with it. */
export interface Settled {
  readonly kind: "settled";
  readonly status: Exclude<Status, "PENDING" | "FAILED">;
  readonly operation: Operation;
  readonly reason: string | null;
  readonly notes: readonly string[];
  /** Null: as it was. */
  readonly replica: ReplicaRecord | null;
  /** Canonical id of the bucket that a client wrote the content at. */
  readonly origin: string | null;
  readonly holdings?: readonly Holding[] | undefined;
  readonly closes?: string | undefined;
  readonly wants?: readonly Want[] | undefined;
  /** To be called when the outcome is durable, or cannot be made so. */
  readonly onRecorded?: (() => void) | undefined;
  /** Rows of single versions. */
  readonly versions?: readonly LedgerEntry[] | undefined;
}

/** Tried again, or not, as its error says; `wants` are others who may do what could not be done. */
export interface Failed {
  readonly kind: "failed";
  readonly error: ReplicationError;
  /** What could not be done. */
  readonly operation: Operation;
  readonly wants?: readonly Want[] | undefined;
  /** What the row said of a delete, which stands until the attempt that failed is made again. */
  readonly standing?: string | undefined;
  /** What the row goes on telling though the attempt failed. */
  readonly notes?: readonly string[] | undefined;
}

export type Settlement = Settled | Failed;

export function settled(status: Settled["status"], reason: string | null, more: Partial<Settled> = {}): Settled {
  return { kind: "settled", status, operation: "copy", reason, notes: [], replica: null, origin: null, ...more };
}

export function failed(error: unknown, { operation = "copy", wants, standing, notes }: Partial<Failed> = {}): Failed {
  return { kind: "failed", error: toReplicationError(error), operation, wants, standing, notes };
}

/** What a person, the gate or an event said of a delete that was not made: nothing else tells of it. */
const STANDING: readonly string[] = ["DeleteGate", "DeleteRejected", "Expired"];

export function standingReason(row: LedgerEntry | undefined): string | undefined {
  return STANDING.find((reason) => reason === row?.reason);
}

/** A person said that what the destination holds stays there: only the news of another delete is asked about again. */
export function isRejected(row: LedgerEntry | undefined, { changes }: LeasedTask): boolean {
  return row?.reason === "DeleteRejected" && changes?.deleted !== true;
}
