import { ReplicationError, toReplicationError } from "../../../domain/error.ts";
import type { TransferOutcome } from "../../../ports/transfer.ts";
import type { S3Request } from "./client.ts";
import { type Answer, toStoreError } from "./errors.ts";
import { unquoteEtag } from "./headers.ts";
import type { S3ObjectStore } from "./object-store.ts";
import type { ReplicaContent, ReplicaWrite } from "./replica-write.ts";
import { encodeKey } from "./uri.ts";
import { elementText } from "./xml.ts";

export interface ServerSideSource {
  readonly store: S3ObjectStore;
  readonly key: string;
  readonly etag: string;
  readonly storageClass: string | undefined;
  /** Where they were read: sent instead of left to the store, so that what CopyObject does not carry (a website redirect) goes too. */
  readonly content: ReplicaContent | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * Copies within one store by one CopyObject, pinned to the source's ETag. The store keeps headers, metadata and tags by itself; it does not
 * keep the storage class. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
 */
export async function copyServerSide(source: ServerSideSource, write: ReplicaWrite): Promise<TransferOutcome> {
  for (;;) {
    const answer = await sendCopy(source, write);
    const error = copyError(answer, write);
    if (error === undefined) return copied(answer, source, write);
    if (!write.canDoWithout(error)) return { kind: "failed", error };
  }
}

/** The header that names a copy's source. A version would be appended outside the encoding. */
export function copySourceHeader(store: S3ObjectStore, key: string): string {
  return `/${store.bucket.bucket}/${encodeKey(key)}`;
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
  const headers: Record<string, string> = source.content === undefined ? {} : replacing(source.content, write);
  headers["x-amz-copy-source"] = copySourceHeader(source.store, source.key);
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
  const headers = write.headers({ ...content, attributes: { ...content.attributes, tags: undefined } });
  headers["x-amz-metadata-directive"] = "REPLACE";
  return headers;
}

function copied(answer: Answer, source: ServerSideSource, write: ReplicaWrite): TransferOutcome {
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

/** The outcome for something thrown on one destination's own way. */
export function failedOutcome(error: unknown): TransferOutcome {
  return { kind: "failed", error: toReplicationError(error) };
}
