// The public library surface, listed by hand: a named export is a promise.
export { type CreateReplicastOptions, createReplicast, type ReplicastHandle } from "./app/library.ts";
export type { ObjectDocument, StatusDocument } from "./control-plane/contract.ts";
export { type ErrorCode, isReplicationError, ReplicationError } from "./domain/error.ts";
export { isReplicationEvent, type ReplicationEventOptions } from "./domain/replication-event.ts";
