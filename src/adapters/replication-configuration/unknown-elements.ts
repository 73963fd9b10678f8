/** Everything in a replication document that the SDK keeps. */
const KNOWN: ReadonlySet<string> = new Set([
  "AccessControlTranslation",
  "Account",
  "And",
  "Bucket",
  "DeleteMarkerReplication",
  "Destination",
  "EncryptionConfiguration",
  "EventThreshold",
  "ExistingObjectReplication",
  "Filter",
  "ID",
  "Key",
  "Metrics",
  "Minutes",
  "Owner",
  "Prefix",
  "Priority",
  "ReplicaKmsKeyID",
  "ReplicaModifications",
  "ReplicationConfiguration",
  "ReplicationTime",
  "Role",
  "Rule",
  "SourceSelectionCriteria",
  "SseKmsEncryptedObjects",
  "Status",
  "StorageClass",
  "Tag",
  "Time",
  "Value",
]);

/** Names of elements that would be lost if the document were put back, since the SDK reads over them. */
export function unknownElements(document: string): readonly string[] {
  const names = [...document.matchAll(/<([A-Za-z][\w.-]*)/g)].map(([, name = ""]) => name);
  return [...new Set(names.filter((name) => !KNOWN.has(name)))];
}
