import type { ReplicationRule } from "../../ports/replication-configuration.ts";
import { ruleIdOf } from "../names.ts";
import { bucketArn, type NativePair } from "../native-pair.ts";

/** A pair in S3's own words. Its priority is 0 until the merge knows which are free. */
export function wantedRule(name: string, pair: NativePair): ReplicationRule {
  return {
    id: ruleIdOf(name, pair.rule, pair.destinationId),
    status: pair.enabled ? "Enabled" : "Disabled",
    priority: 0,
    prefix: pair.prefix,
    tags: pair.tags,
    deleteMarkerReplication: pair.deleteMarkers,
    replicaModifications: pair.isTwoWay,
    kmsEncryptedObjects: pair.replicaKmsKeyId !== undefined,
    destination: {
      bucketArn: bucketArn(pair.destination),
      ...(overridesOwner(pair) ? { account: pair.destination.account, ownerOverride: true } : { ownerOverride: false }),
      storageClass: pair.storageClass,
      replicaKmsKeyId: pair.replicaKmsKeyId,
      replicationTime: pair.replicationTime,
    },
  };
}

/**
 * Within one account it would say nothing new and silently stop the replication of ACLs.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-change-owner.html
 */
export function overridesOwner(pair: NativePair): boolean {
  return pair.ownerOverride && isCrossAccount(pair);
}

export function isCrossAccount({ source, destination }: NativePair): boolean {
  return source.account !== destination.account;
}
