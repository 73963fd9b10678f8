import type * as S3 from "@aws-sdk/client-s3";
import type { ReplicationRule, ReplicationRuleDestination } from "../../ports/replication-configuration.ts";

/** The only number of minutes that S3 takes, in both places. */
const REPLICATION_TIME_MINUTES = 15;

/** What S3 says of a rule. One without a filter is of the older schema. */
export function toRule(raw: S3.ReplicationRule): ReplicationRule {
  const isOlder = raw.Filter === undefined;
  const { SseKmsEncryptedObjects, ReplicaModifications } = raw.SourceSelectionCriteria ?? {};
  return {
    id: raw.ID ?? "",
    status: raw.Status === "Enabled" ? "Enabled" : "Disabled",
    priority: isOlder ? null : (raw.Priority ?? 0),
    prefix: raw.Prefix ?? raw.Filter?.And?.Prefix ?? raw.Filter?.Prefix ?? "",
    tags: toTags(raw.Filter),
    deleteMarkerReplication: isOlder || isEnabled(raw.DeleteMarkerReplication),
    replicaModifications: isEnabled(ReplicaModifications),
    kmsEncryptedObjects: isEnabled(SseKmsEncryptedObjects),
    destination: toDestination(raw.Destination),
    raw,
  };
}

function toTags({ Tag, And }: S3.ReplicationRuleFilter = {}): Record<string, string> {
  const tags = And?.Tags ?? (Tag === undefined ? [] : [Tag]);
  return Object.fromEntries(tags.map(({ Key = "", Value = "" }) => [Key, Value]));
}

function toDestination(raw: S3.Destination | undefined): ReplicationRuleDestination {
  return {
    bucketArn: raw?.Bucket ?? "",
    account: raw?.Account,
    ownerOverride: raw?.AccessControlTranslation?.Owner === "Destination",
    storageClass: raw?.StorageClass,
    replicaKmsKeyId: raw?.EncryptionConfiguration?.ReplicaKmsKeyID,
    replicationTime: isEnabled(raw?.ReplicationTime),
  };
}

function isEnabled(part: { readonly Status?: string | undefined } | undefined): boolean {
  return part?.Status === "Enabled";
}

/** The rule as S3 wants it: what it gave goes back as it came. */
export function fromRule(rule: ReplicationRule): S3.ReplicationRule {
  if (rule.raw !== undefined) return rule.raw as S3.ReplicationRule;
  const common = { ...(rule.id === "" ? {} : { ID: rule.id }), Status: rule.status, Destination: fromDestination(rule.destination) };
  const selection = fromSelection(rule);
  const criteria = selection === undefined ? {} : { SourceSelectionCriteria: selection };
  if (rule.priority === null) return { ...common, ...criteria, Prefix: rule.prefix };
  return {
    ...common,
    ...criteria,
    Priority: rule.priority,
    Filter: fromFilter(rule),
    DeleteMarkerReplication: { Status: rule.deleteMarkerReplication ? "Enabled" : "Disabled" },
  };
}

/** Never an empty filter: that one is written with an empty prefix, which every reader of the document understands. */
function fromFilter({ prefix, tags }: ReplicationRule): S3.ReplicationRuleFilter {
  const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
  if (Tags.length === 0) return { Prefix: prefix };
  if (Tags.length === 1 && prefix === "") return { Tag: Tags[0] };
  return { And: { ...(prefix === "" ? {} : { Prefix: prefix }), Tags } };
}

function fromSelection({ kmsEncryptedObjects, replicaModifications }: ReplicationRule): S3.SourceSelectionCriteria | undefined {
  if (!kmsEncryptedObjects && !replicaModifications) return undefined;
  return {
    ...(kmsEncryptedObjects ? { SseKmsEncryptedObjects: { Status: "Enabled" } } : {}),
    ...(replicaModifications ? { ReplicaModifications: { Status: "Enabled" } } : {}),
  };
}

function fromDestination(to: ReplicationRuleDestination): S3.Destination {
  const minutes = { Minutes: REPLICATION_TIME_MINUTES };
  return {
    Bucket: to.bucketArn,
    ...(to.account === undefined ? {} : { Account: to.account }),
    ...(to.storageClass === undefined ? {} : { StorageClass: to.storageClass as S3.StorageClass }),
    ...(to.ownerOverride ? { AccessControlTranslation: { Owner: "Destination" } } : {}),
    ...(to.replicaKmsKeyId === undefined ? {} : { EncryptionConfiguration: { ReplicaKmsKeyID: to.replicaKmsKeyId } }),
    ...(to.replicationTime
      ? { ReplicationTime: { Status: "Enabled", Time: minutes }, Metrics: { Status: "Enabled", EventThreshold: minutes } }
      : {}),
  };
}
