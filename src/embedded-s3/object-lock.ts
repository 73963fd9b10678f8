import { S3Error } from "./s3-error.ts";

export const RETENTION_MODES = ["GOVERNANCE", "COMPLIANCE"] as const;
export type RetentionMode = (typeof RETENTION_MODES)[number];

export interface Retention {
  readonly mode: RetentionMode;
  /** Milliseconds since the epoch. */
  readonly retainUntil: number;
}

/** What keeps one version from being removed. https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html */
export interface ObjectLock {
  readonly retention?: Retention | undefined;
  readonly legalHold?: boolean | undefined;
}

/** The lock of a bucket; every object of it can be locked, and those that ask for nothing get the default. */
export interface BucketLock {
  readonly defaultRetention?: { readonly mode: RetentionMode; readonly days: number } | undefined;
}

export interface Bypass {
  /** True: asked to be let through a retention of mode GOVERNANCE, which everyone here may. */
  readonly bypassGovernance?: boolean | undefined;
}

const DAY_MS = 86_400_000;

/** The lock that a new version gets, or a refusal of one that its bucket cannot have. */
export function newLock(bucket: BucketLock | undefined, asked: ObjectLock | undefined, now: number): ObjectLock | undefined {
  if (bucket === undefined) {
    if (asked !== undefined) throw new S3Error("InvalidRequest", "Bucket is missing Object Lock Configuration");
    return undefined;
  }
  if (asked?.retention !== undefined) checkFuture(asked.retention, now);
  const byDefault = bucket.defaultRetention && {
    mode: bucket.defaultRetention.mode,
    retainUntil: now + bucket.defaultRetention.days * DAY_MS,
  };
  return { ...asked, retention: asked?.retention ?? byDefault };
}

/** The lock with another retention; undefined lifts it. What would weaken a retention in force is refused. */
export function withRetention(
  lock: ObjectLock | undefined,
  retention: Retention | undefined,
  at: Bypass & { readonly now: number },
): ObjectLock {
  if (retention !== undefined) checkFuture(retention, at.now);
  const current = lock?.retention;
  const inForce = current !== undefined && current.retainUntil > at.now;
  const isWeaker = retention === undefined || retention.retainUntil < (current?.retainUntil ?? 0) || retention.mode !== current?.mode;
  // Without a bypass MinIO and versitygw make a GOVERNANCE retention longer, and nothing else, not even COMPLIANCE.
  if (inForce && isWeaker && !mayPass(current, at)) throw protectedByLock();
  return { ...lock, retention };
}

/** Refuses to remove a version that its lock still holds. */
export function checkUnlocked(lock: ObjectLock | undefined, at: Bypass & { readonly now: number }): void {
  const retention = lock?.retention;
  const isRetained = retention !== undefined && retention.retainUntil > at.now && !mayPass(retention, at);
  if (isRetained || lock?.legalHold === true) throw protectedByLock();
}

function mayPass(retention: Retention, { bypassGovernance }: Bypass): boolean {
  return retention.mode === "GOVERNANCE" && bypassGovernance === true;
}

function checkFuture({ retainUntil }: Retention, now: number): void {
  if (retainUntil <= now) throw new S3Error("InvalidArgument", "The retain until date must be in the future!");
}

function protectedByLock(): S3Error {
  return new S3Error("AccessDenied", "Access Denied because object protected by object lock.");
}

/** Reads the name of a mode. */
export function parseRetentionMode(mode: string | undefined): RetentionMode {
  const known = RETENTION_MODES.find((name) => name === mode);
  if (known === undefined) throw new S3Error("InvalidArgument", "Unknown wormMode directive.");
  return known;
}
