import type { ReplicationRule } from "../../ports/replication-configuration.ts";

/** Tag of the roles that serverless-s3-replication-plugin makes. */
export const LEFTOVER_ROLE_TAG = "SLS-S3-REPLICATION-PLUGIN";

/** Ids that a server makes up where a rule came without one: long, and without a meaning. */
const MADE_UP_ID = /^(?:|[A-Za-z0-9+/]{24,}={0,2}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

/** Is true for an id that nobody chose. */
export function isMadeUpId(id: string): boolean {
  return MADE_UP_ID.test(id);
}

/** Is true for a rule of exactly the shape that serverless-s3-replication-plugin writes, with or without replication time control. */
export function isLeftover(rule: ReplicationRule): boolean {
  const { destination } = rule;
  return (
    isMadeUpId(rule.id) &&
    rule.status === "Enabled" &&
    rule.priority !== null &&
    rule.prefix === "" &&
    Object.keys(rule.tags).length === 0 &&
    rule.deleteMarkerReplication &&
    !rule.replicaModifications &&
    !rule.kmsEncryptedObjects &&
    destination.account === undefined &&
    !destination.ownerOverride &&
    destination.storageClass === undefined &&
    destination.replicaKmsKeyId === undefined
  );
}
