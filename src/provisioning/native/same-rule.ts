import type { ReplicationRule } from "../../ports/replication-configuration.ts";

/** Is true for rules that ask S3 for the same under the same id and priority, however they came to be. */
export function isSameRule(a: ReplicationRule, b: ReplicationRule): boolean {
  return meaningOf(a) === meaningOf(b);
}

function meaningOf(rule: ReplicationRule): string {
  const { destination, tags } = rule;
  return JSON.stringify([
    rule.id,
    rule.status,
    rule.priority,
    rule.prefix,
    Object.entries(tags).sort(([a], [b]) => (a < b ? -1 : 1)),
    rule.deleteMarkerReplication,
    rule.replicaModifications,
    rule.kmsEncryptedObjects,
    destination.bucketArn,
    destination.account ?? null,
    destination.ownerOverride,
    destination.storageClass ?? null,
    destination.replicaKmsKeyId ?? null,
    destination.replicationTime,
  ]);
}
