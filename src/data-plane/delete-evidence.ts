import type { Rule } from "../domain/rule.ts";
import type { LedgerEntry, Operation } from "../domain/status.ts";
import type { LeasedTask } from "../ports/state.ts";

/** What tells that an absence is a delete. */
export interface DeleteEvidence {
  /** A delete of this key was announced. */
  readonly announced: boolean;
  /** The delete that was announced was a lifecycle's. */
  readonly expired?: boolean | undefined;
  /** When it happened by the bucket's clock; of several deletes the latest. Undefined: it may be the delete of whatever was there. */
  readonly deletedAt?: number | undefined;
  /** When it happened as far as anything tells, in milliseconds since the epoch. */
  readonly at: number;
}

/** The machines of one store keep one time, more or less. */
const CLOCK_SKEW_MS = 1_000;

/**
 * Whether a delete can be that of the object that was last known to be there: an older one deleted something else, and was told late or again.
 * Both times are of the bucket's own clock, LastModified in whole seconds.
 */
export function mayBeDeleteOf(lastModified: number | null | undefined, deletedAt: number | null | undefined): boolean {
  return lastModified == null || deletedAt == null || deletedAt >= lastModified - CLOCK_SKEW_MS;
}

/**
 * What is to be done, as long as nobody could read the source: a row that fails then still tells of a delete that was announced and that the
 * rule replicates, or nothing would (invariant 1).
 */
export function announcedOperation({ changes }: LeasedTask, { deletes, expirations }: Rule): Operation {
  return changes?.deleted === true && deletes !== "none" && (expirations || changes.expired !== true) ? "delete" : "copy";
}

/** Whether a lifecycle's delete was announced that the rule leaves out. */
export function isUnreplicatedExpiration({ changes }: LeasedTask, { deletes, expirations }: Rule): boolean {
  return changes?.deleted === true && changes.expired === true && deletes !== "none" && !expirations;
}

/** Notes of rows of attempts that failed before anybody could look after a delete that was announced: what it was. */
const TOLD_DELETES = ["DeleteAnnounced", "Expired"] as const;
export type ToldDelete = (typeof TOLD_DELETES)[number];

export function isToldDelete(note: string): note is ToldDelete {
  return TOLD_DELETES.some((told) => told === note);
}

/** What an attempt that failed left in its row; news of another delete replace it. */
export function toldBefore(row: LedgerEntry | undefined, { changes }: LeasedTask): ToldDelete | undefined {
  return changes?.deleted === true ? undefined : row?.notes.find(isToldDelete);
}

/** What a task tells of a delete at its source. Also a lifecycle's explains an absence; whether it travels is the rule's affair. */
export function evidenceOf({ changes, eventTime, deletedAt }: LeasedTask, now: number): DeleteEvidence {
  const announced = changes?.deleted === true;
  return { announced, expired: changes?.expired, deletedAt, at: deletedAt ?? eventTime ?? now };
}
