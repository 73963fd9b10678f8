import { isArchived, isRestored, type ObjectVersion, type Restore } from "./object-version.ts";
import { S3Error } from "./s3-error.ts";
import { presentHeaders, toHttpDate } from "./s3-response.ts";

const DAY_MS = 86_400_000;

/** The restored copy of a version that is asked for: one that is being made, or the one that is there for longer. */
export function newRestore(version: ObjectVersion, days: number, now: number): Restore {
  if (!isArchived(version)) throw new S3Error("InvalidObjectState", "Restore is not allowed for the object's current storage class");
  if (version.restore !== undefined && version.restore.expiresAt === undefined) throw new S3Error("RestoreAlreadyInProgress");
  return isRestored(version, now) ? completed({ days }, now) : { days };
}

/** The copy that was asked for, as one that is there. */
export function completed({ days }: Restore, now: number): Restore {
  return { days, expiresAt: now + days * DAY_MS };
}

/** The version as it shows: a restored copy that has expired was never there. */
export function shownAt(version: ObjectVersion, now: number): ObjectVersion {
  const isOver = version.restore?.expiresAt !== undefined && !isRestored(version, now);
  return isOver ? { ...version, restore: undefined } : version;
}

/** Tells of a restored copy. https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html */
export function restoreHeaders({ restore }: ObjectVersion): Record<string, string> {
  if (restore === undefined) return {};
  const { expiresAt } = restore;
  const told = expiresAt === undefined ? 'ongoing-request="true"' : `ongoing-request="false", expiry-date="${toHttpDate(expiresAt)}"`;
  return presentHeaders({ "x-amz-restore": told });
}
