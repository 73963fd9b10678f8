import { ReplicationError, toReplicationError } from "../../../domain/error.ts";
import type { ObjectAttributes } from "../../../domain/object.ts";
import type { TransferOutcome } from "../../../ports/transfer.ts";
import type { S3Request } from "./client.ts";
import { copySourceHeader } from "./copy-source-header.ts";
import { type Answer, toStoreError } from "./errors.ts";
import { type ResponseHeaders, unquoteEtag } from "./headers.ts";
import type { S3ObjectStore } from "./object-store.ts";
import type { SourceGuards } from "./replica-guards.ts";
import type { ReplicaContent, ReplicaWrite } from "./replica-write.ts";
import { elementText } from "./xml.ts";

const ENCRYPTION = "x-amz-server-side-encryption";
const NO_ATTRIBUTES: ObjectAttributes = { systemHeaders: {}, metadata: {} };

export interface ServerSideSource {
  readonly store: S3ObjectStore;
  readonly key: string;
  readonly versionId: string | undefined;
  readonly etag: string;
  readonly storageClass: string | undefined;
  /** Where they were read: sent instead of left to the store, so that what CopyObject does not carry (a website redirect) goes too. */
  readonly content: ReplicaContent | undefined;
  /** What is known without a HEAD. */
  readonly guards: SourceGuards;
  readonly signal: AbortSignal | undefined;
}

/**
 * Copies within one store by one CopyObject, pinned to the source's ETag, and to the destination's where the write is conditional. The store
 * keeps headers, metadata, tags and the checksum by itself; it keeps neither the storage class nor lock, ACL and encryption. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
 */
export async function copyServerSide(source: ServerSideSource, write: ReplicaWrite): Promise<TransferOutcome> {
  for (;;) {
    const answer = await sendCopy(source, write);
    const error = copyError(answer, write);
    if (error === undefined) return copied(answer, source, write);
    if (write.hasMovedOn(error) && (await isAboutSource(answer, source))) return { kind: "failed", error };
    if (error.code === "InvalidRequest" && (await isMarker(source))) return { kind: "failed", error: noSuchVersion(source, error) };
    const refusal = write.refused(error);
    if (refusal !== "again") return refusal;
  }
}

/**
 * Whether a condition that did not hold was the source's: both sides have one, and the answer is 412 or 404 for either. S3 names the condition;
 * where nothing is named the source is looked at.
 */
async function isAboutSource(answer: Answer, { store, key, versionId, etag, signal }: ServerSideSource): Promise<boolean> {
  if (answer.status === 409) return false; // another write to the destination
  const condition = elementText(answer.body.toString("utf8"), "Condition");
  if (condition !== undefined) return condition.toLowerCase().startsWith("x-amz-copy-source-");
  return (await store.head(key, { versionId, signal }))?.etag !== etag;
}

/** Whether the version that was to be copied is no object: stores refuse a delete marker as a request that cannot be. */
async function isMarker({ store, key, versionId, signal }: ServerSideSource): Promise<boolean> {
  return versionId !== undefined && (await store.head(key, { versionId, signal })) === undefined;
}

function noSuchVersion({ store, key }: ServerSideSource, cause: ReplicationError): ReplicationError {
  return new ReplicationError("NoSuchVersion", `${store.bucket.name}/${key}: the version is no object`, { at: cause.at, cause });
}

/** The error of a copy, also one that arrives in the body of a 200 (invariant 8: no trust in a 200). */
export function copyError(answer: Answer, write: ReplicaWrite, operation = "CopyObject"): ReplicationError | undefined {
  const at = { operation, bucket: write.destination.bucket.bucket, key: write.destination.key };
  const body = answer.body.toString("utf8");
  if (answer.status !== 200) return toStoreError(answer, at);
  if (elementText(body, "ETag") !== undefined) return undefined;
  if (body.includes("<Error>")) return toStoreError({ ...answer, status: 500 }, at);
  return new ReplicationError("MalformedResponse", `${at.operation} on ${at.bucket}/${at.key}: a 200 without an ETag`, { at });
}

async function sendCopy(source: ServerSideSource, write: ReplicaWrite): Promise<Answer> {
  const headers = source.content === undefined ? write.guards.headers(source.guards, "copy") : replacing(source.content, write);
  Object.assign(headers, write.conditions("conditionalCopy"));
  headers["x-amz-copy-source"] = copySourceHeader(source.store.bucket.bucket, source.key, source.versionId);
  headers["x-amz-copy-source-if-match"] = `"${source.etag}"`;
  const storageClass = write.storageClass(source.storageClass);
  if (storageClass !== undefined) headers["x-amz-storage-class"] = storageClass;
  if (!write.keepsTags) headers["x-amz-tagging-directive"] = "REPLACE";
  const { bucket, key } = write.destination;
  const request: S3Request = { operation: "CopyObject", method: "PUT", bucket: bucket.bucket, key, headers, signal: source.signal };
  return write.facts.store.client.send(request);
}

/** Resends the metadata that was read; tags stay with the store, which carries them by itself. */
function replacing(content: ReplicaContent, write: ReplicaWrite): Record<string, string> {
  const headers = write.headers({ ...content, attributes: { ...content.attributes, tags: undefined } }, "copy");
  headers["x-amz-metadata-directive"] = "REPLACE";
  return headers;
}

async function copied(answer: Answer, source: ServerSideSource, write: ReplicaWrite): Promise<TransferOutcome> {
  const content = source.content ?? { attributes: NO_ATTRIBUTES, storageClass: source.storageClass, guards: source.guards };
  const answered = await withEncryption(answer.headers, { write, content, signal: source.signal });
  const plain = write.leftPlain(answered);
  if (plain !== undefined) return { kind: "failed", error: plain };
  write.settle(content, answered);
  const etag = unquoteEtag(elementText(answer.body.toString("utf8"), "ETag") ?? "");
  const versionId = answer.headers["x-amz-version-id"];
  return {
    kind: "copied",
    etag,
    versionId: versionId === "null" ? undefined : versionId,
    proof: etag === source.etag ? "etag" : "provider",
    notes: [...write.notes],
  };
}

interface CopiedReplica {
  readonly write: ReplicaWrite;
  readonly content: ReplicaContent;
  readonly signal: AbortSignal | undefined;
}

/** What was answered, and where it says nothing of the encryption asked for, what the replica says: some servers tell it of a PUT only. */
export async function withEncryption(headers: ResponseHeaders, { write, content, signal }: CopiedReplica): Promise<ResponseHeaders> {
  if (headers[ENCRYPTION] !== undefined || !write.guards.asksForEncryption(content.guards)) return headers;
  const replica = await write.facts.store.head(write.destination.key, { signal });
  return replica?.encryption === undefined ? headers : { ...headers, [ENCRYPTION]: replica.encryption };
}

/** The outcome for something thrown on one destination's own way. */
export function failedOutcome(error: unknown): TransferOutcome {
  return { kind: "failed", error: toReplicationError(error) };
}
