import type { ObjectLock } from "./object.ts";

/** A retention that ends sooner would be over before a store has read the request. */
export const SHORTEST_RETENTION_MS = 5_000;

/**
 * What a replica's lock lacks of its source's; undefined where it lacks nothing that it can be given. A lock is only ever made stronger: what
 * holds a replica longer than the source is held (a bucket's default, a person's decision) is left as it is. Nor is it made stronger than the
 * source's: what a person may lift there is not made what nobody can lift here.
 */
export function missingLock(source: ObjectLock | undefined, replica: ObjectLock | undefined, now: number): ObjectLock | undefined {
  const legalHold = source?.legalHold === true && replica?.legalHold !== true;
  const retention = missingRetention(source?.retention, replica?.retention, now);
  return retention === undefined && !legalHold ? undefined : { retention, legalHold };
}

type Retention = ObjectLock["retention"];

/** The mode that nobody can lift. */
const COMPLIANCE = "COMPLIANCE";

function missingRetention(source: Retention, replica: Retention, now: number): Retention {
  if (source === undefined || source.retainUntil < now + SHORTEST_RETENTION_MS) return undefined;
  if (!isInForce(replica, now)) return source;
  if (replica.mode === COMPLIANCE && source.mode !== COMPLIANCE) return undefined; // longer it would bind whoever is bound to nothing now
  if (inSeconds(replica.retainUntil) >= inSeconds(source.retainUntil)) return undefined;
  return { mode: replica.mode, retainUntil: source.retainUntil };
}

/**
 * Whether a replica can be held as long as its source and not as strictly: stores change the mode of a retention in force only for those who
 * may lift it.
 */
export function staysLessStrict(source: ObjectLock | undefined, replica: ObjectLock | undefined, now: number): boolean {
  const [wanted, kept] = [source?.retention, replica?.retention];
  return isInForce(wanted, now) && wanted.mode === COMPLIANCE && isInForce(kept, now) && kept.mode !== COMPLIANCE;
}

function isInForce(retention: Retention, now: number): retention is NonNullable<Retention> {
  return retention !== undefined && retention.retainUntil > now;
}

/** Stores keep no finer. */
function inSeconds(at: number): number {
  return Math.floor(at / 1000);
}
