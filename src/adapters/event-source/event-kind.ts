import type { BucketEvent, ReplicationNotice } from "../../domain/event.ts";

/** What an event means to replication; `ignored`: known, and nothing that has to be copied. */
export type EventMeaning = BucketEvent["kind"] | "ignored";

/**
 * By the family, which is what precedes the colon.
 *
 * AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html; MinIO adds
 * ObjectAccessed, ObjectTransition, LifecycleDelMarkerExpiration, Scanner and the bucket events, Ceph adds ObjectSynced and ObjectLifecycle.
 */
const FAMILIES: ReadonlyMap<string, EventMeaning> = new Map([
  ["ObjectCreated", "created"],
  ["ObjectRemoved", "deleted"],
  ["LifecycleExpiration", "deleted"],
  ["LifecycleDelMarkerExpiration", "deleted"],
  ["ObjectTagging", "attributes"],
  ["ObjectAcl", "attributes"],
  ["ObjectAnnotation", "ignored"],
  ["ObjectRestore", "ignored"],
  ["Replication", "ignored"],
  ["ReducedRedundancyLostObject", "ignored"],
  ["LifecycleTransition", "ignored"],
  ["IntelligentTiering", "ignored"],
  ["TestEvent", "ignored"],
  ["ObjectAccessed", "ignored"],
  ["ObjectTransition", "ignored"],
  ["ObjectLifecycle", "ignored"],
  ["Scanner", "ignored"],
  ["BucketCreated", "ignored"],
  ["BucketRemoved", "ignored"],
]);

/** Names that mean something else than their family. */
const NAMES: ReadonlyMap<string, EventMeaning> = new Map<string, EventMeaning>([
  ["ObjectRestore:Completed", "restored"],
  // MinIO announces changes of tags and lock as creations, with the sequencer of the object's PUT.
  ["ObjectCreated:PutTagging", "attributes"],
  ["ObjectCreated:DeleteTagging", "attributes"],
  ["ObjectCreated:PutRetention", "attributes"],
  ["ObjectCreated:PutLegalHold", "attributes"],
  ["ObjectSynced:Create", "created"],
  ["ObjectSynced:Delete", "deleted"],
  ["ObjectSynced:DeletionMarkerCreated", "deleted"],
  ["ObjectLifecycle:Expiration:Current", "deleted"],
  ["ObjectLifecycle:Expiration:NonCurrent", "deleted"],
  ["ObjectLifecycle:Expiration:DeleteMarker", "deleted"],
]);

const NOTICES: ReadonlyMap<string, ReplicationNotice["kind"]> = new Map([
  ["Replication:OperationFailedReplication", "failed"],
  ["Replication:OperationMissedThreshold", "delayed"],
  ["Replication:OperationReplicatedAfterThreshold", "late"],
  ["Replication:OperationNotTracked", "notTracked"],
]);

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventBridge.html */
const DETAIL_TYPES: ReadonlyMap<string, EventMeaning> = new Map([
  ["Object Created", "created"],
  ["Object Deleted", "deleted"],
  ["Object Tags Added", "attributes"],
  ["Object Tags Deleted", "attributes"],
  ["Object ACL Updated", "attributes"],
  ["Object Restore Initiated", "ignored"],
  ["Object Restore Completed", "restored"],
  ["Object Restore Expired", "ignored"],
  ["Object Storage Class Changed", "ignored"],
  ["Object Access Tier Changed", "ignored"],
]);

/** The meaning of an S3 event name without its `s3:`; undefined for one that nobody knows. */
export function meaningOfName(eventName: string): EventMeaning | undefined {
  const colon = eventName.indexOf(":");
  return NAMES.get(eventName) ?? FAMILIES.get(colon < 0 ? eventName : eventName.slice(0, colon));
}

/**
 * What S3's own replication tells by an event name without its `s3:`; undefined for every other.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-metrics-events.html
 */
export function noticeOfName(eventName: string): ReplicationNotice["kind"] | undefined {
  return NOTICES.get(eventName);
}

/** The meaning of EventBridge's `detail-type`; undefined for one that nobody knows. */
export function meaningOfDetailType(detailType: string): EventMeaning | undefined {
  return DETAIL_TYPES.get(detailType);
}
