/** What tells replicas from clients' objects beside S3's own sign. */
export interface ReplicationEventOptions {
  /**
   * Who else replicates: principal ids as events give them (`AWS:AROAEXAMPLE:session`, `AIDAEXAMPLE`, an access key's user on other stores), or
   * the leading part of one up to a `:`, such as the id of the role that replicast runs with.
   */
  readonly principals?: readonly string[];
}

/** The session in which S3 assumes the role of a bucket's replication rules. */
const REPLICATION_SESSION = ":s3-replication";
/** Metadata that replicast puts on replicas; some stores (MinIO) repeat an object's metadata in its events. */
const STAMP = "x-amz-meta-replicast";

/**
 * Is true where a bucket event tells of a replica: written by S3's own replication, by replicast, or by one of `principals`; so that a consumer
 * of a destination's events does not process an object twice. Takes one record of a notification, a whole notification (true only where all
 * its records are replicas'), an event of EventBridge that came by CloudTrail, or one's own form of any with `origin: "replication"`. What cannot be told apart counts as a client's: false.
 *
 * S3's own events of EventBridge ("Object Created") name an account but no principal: for those the bucket's S3 notifications are to be used.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
 */
export function isReplicationEvent(event: unknown, { principals = [] }: ReplicationEventOptions = {}): boolean {
  const records = member(event, "Records");
  if (Array.isArray(records)) return records.length > 0 && records.every((record) => isReplicaRecord(record, principals));
  return isReplicaRecord(event, principals);
}

function isReplicaRecord(record: unknown, principals: readonly string[]): boolean {
  if (member(record, "origin") === "replication") return true;
  return principalsOf(record).some((principal) => isReplicator(principal, principals)) || isStamped(record);
}

/** Of a notification's record, and of CloudTrail's event within one of EventBridge. */
function principalsOf(record: unknown): readonly string[] {
  const identities = [member(record, "userIdentity"), member(member(record, "detail"), "userIdentity")];
  return identities.map((identity) => member(identity, "principalId")).filter((principal) => typeof principal === "string");
}

function isReplicator(principal: string, principals: readonly string[]): boolean {
  const bare = withoutAccountKind(principal);
  if (bare.endsWith(REPLICATION_SESSION)) return true;
  return principals.some((known) => bare === withoutAccountKind(known) || bare.startsWith(`${withoutAccountKind(known)}:`));
}

function withoutAccountKind(principal: string): string {
  return principal.startsWith("AWS:") ? principal.slice("AWS:".length) : principal;
}

function isStamped(record: unknown): boolean {
  const metadata = member(member(member(record, "s3"), "object"), "userMetadata");
  if (typeof metadata !== "object" || metadata === null) return false;
  return Object.keys(metadata).some((name) => name.toLowerCase() === STAMP);
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}
