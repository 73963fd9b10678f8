import { createHash } from "node:crypto";
import { ReplicationError, toReplicationError } from "../../../domain/error.ts";
import type { ObjectState } from "../../../domain/object.ts";
import type { TransferOutcome } from "../../../ports/transfer.ts";
import type { BucketFacts } from "./bucket-facts.ts";
import type { S3Request } from "./client.ts";
import { type Answer, toConnectionError, toStoreError } from "./errors.ts";
import { isHashed, toObjectState } from "./headers.ts";
import { toWriteResult } from "./object-store.ts";
import type { Relay, RelayResult, RelaySource } from "./relay.ts";
import type { ReplicaContent, ReplicaWrite } from "./replica-write.ts";

/** A large object of one part, to be sent from socket to socket. */
export interface RelayedCopy {
  readonly relay: Relay;
  readonly source: BucketFacts;
  readonly key: string;
  readonly versionId: string | undefined;
  readonly etag: string;
  /** What the replicas get, once the state is read. */
  readonly toContent: (state: ObjectState) => Promise<ReplicaContent>;
  readonly signal: AbortSignal | undefined;
}

export type OpenedSource =
  | { readonly kind: "open"; readonly body: RelaySource; readonly state: ObjectState }
  | { readonly kind: "gone" | "changed" }
  | { readonly kind: "failed"; readonly error: ReplicationError };

/** Begins to read the source, pinned to its ETag; the body waits in the kernel. */
export async function openSource(copy: RelayedCopy, range?: { readonly start: number; readonly sizeBytes: number }): Promise<OpenedSource> {
  const { client, bucket } = copy.source.store;
  const headers: Record<string, string> = { "if-match": `"${copy.etag}"` };
  if (range !== undefined) headers["range"] = `bytes=${range.start}-${range.start + range.sizeBytes - 1}`;
  const query: Record<string, string> = copy.versionId === undefined ? {} : { versionId: copy.versionId };
  const request: S3Request = { operation: "GetObject", method: "GET", bucket: bucket.bucket, key: copy.key, query, headers };
  const body = await copy.relay.open(await client.toRelayRequest(request), copy.signal).catch((cause: unknown) => {
    throw client.failure(cause, { ...request, signal: copy.signal });
  });
  const { statusCode: status, headers: received } = body.head;
  client.answered("GetObject", status);
  if (status === 200 || status === 206) return { kind: "open", body, state: toObjectState(copy.key, received) };
  const error = toStoreError(
    { status, headers: received, body: await body.text() },
    { operation: "GetObject", bucket: bucket.bucket, key: copy.key },
  );
  if (isAbsence(error)) return { kind: "gone" };
  return error.code === "PreconditionFailed" ? { kind: "changed" } : { kind: "failed", error };
}

/** Whether a read was answered with "no such object": no such key, no such version, or a version that is a delete marker (405). */
export function isAbsence(error: ReplicationError): boolean {
  return error.code === "NoSuchKey" || error.code === "NoSuchVersion" || error.at.status === 405;
}

/**
 * Sends an opened source to its destinations, one PutObject each. One that falls behind the others, or refuses something it can be written
 * without, is redone alone; the others do not wait for it (invariant 7).
 */
export async function relayToAll(
  copy: RelayedCopy,
  opened: OpenedSource & { kind: "open" },
  writes: readonly ReplicaWrite[],
): Promise<readonly TransferOutcome[]> {
  const content = await copy.toContent(opened.state);
  const md5Known = opened.state.etagMayBeMd5 && copy.source.etagsAreMd5;
  const digest = md5Known ? undefined : createHash("md5");
  const requests = await Promise.all(
    writes.map((write) => putRequest(write, { content, opened, md5: md5Known ? opened.state.etag : undefined })),
  );
  const results = await opened.body.pipe(requests, { signal: copy.signal, onChunk: digest && ((chunk) => digest.update(chunk)) });
  const md5 = digest?.digest("hex") ?? opened.state.etag;
  return Promise.all(
    results.map((result, i) =>
      settle(copy, {
        result,
        write: writes[i] as ReplicaWrite,
        content,
        md5,
        etag: opened.state.etag,
        lengthBytes: opened.body.lengthBytes,
      }),
    ),
  );
}

interface Delivered {
  readonly result: RelayResult;
  readonly write: ReplicaWrite;
  readonly content: ReplicaContent;
  readonly md5: string;
  readonly etag: string;
  readonly lengthBytes: number;
}

async function settle(copy: RelayedCopy, delivered: Delivered): Promise<TransferOutcome> {
  const { result, write } = delivered;
  const at = { operation: "PutObject", bucket: write.destination.bucket.bucket, key: write.destination.key };
  if (result.kind === "left-behind") return redo(copy, write);
  if (result.kind === "failed") {
    if (result.side === "source") return { kind: "failed", error: toReplicationError(result.error) };
    write.facts.store.client.answered("PutObject", 0);
    return { kind: "failed", error: toConnectionError(result.error, write.facts.store.client.endpoint, at) };
  }
  const { head, body } = result.answer;
  write.facts.store.client.answered("PutObject", head.statusCode);
  const answer = { status: head.statusCode, headers: head.headers, body };
  // A 200 before the whole body was sent is no promise of anything.
  if (answer.status === 200 && result.sentBytes === delivered.lengthBytes) {
    const plain = write.leftPlain(answer.headers);
    return plain === undefined ? proven(answer, delivered) : { kind: "failed", error: plain };
  }
  const error = toStoreError(answer, at);
  if (error.code === "BadDigest" && copy.source.etagsAreMd5) return redoHashing(copy, write);
  const refusal = write.refused(error);
  return refusal === "again" ? redo(copy, write) : refusal;
}

function proven(answer: Answer, delivered: Delivered): TransferOutcome {
  const { write, md5, etag: ofSource } = delivered;
  const written = toWriteResult(answer);
  const proof = isHashed(answer.headers) ? write.facts.proofOf(written.etag, { md5, ofSource }) : "checksum";
  if (proof !== undefined) return { kind: "copied", etag: written.etag, versionId: written.versionId, proof, notes: [...write.notes] };
  const at = { operation: "PutObject", bucket: write.destination.bucket.bucket, key: write.destination.key };
  const message = `${at.bucket}/${at.key}: the replica's ETag ${written.etag} is not the MD5 of what was sent`;
  return { kind: "failed", error: new ReplicationError("ChecksumMismatch", message, { at }) };
}

/** Reads the source again for one destination. */
async function redo(copy: RelayedCopy, write: ReplicaWrite): Promise<TransferOutcome> {
  const opened = await openSource(copy);
  if (opened.kind === "failed") return opened;
  if (opened.kind !== "open") return sourceMovedOn(copy);
  try {
    return (await relayToAll(copy, opened, [write]))[0] as TransferOutcome;
  } catch (error) {
    opened.body.discard();
    throw error;
  }
}

/** After a refused digest: sends once more without one, hashing here. A replica with our hash proves that the source's ETags are no MD5s. */
async function redoHashing(copy: RelayedCopy, write: ReplicaWrite): Promise<TransferOutcome> {
  copy.source.etagsAreMd5 = false;
  const outcome = await redo(copy, write);
  if (outcome.kind !== "copied" || outcome.proof === "etag") copy.source.etagsAreMd5 = true;
  return outcome;
}

export function sourceMovedOn(copy: { readonly key: string; readonly source: BucketFacts }): TransferOutcome {
  const at = { operation: "GetObject", bucket: copy.source.store.bucket.bucket, key: copy.key };
  return { kind: "failed", error: new ReplicationError("PreconditionFailed", `${at.bucket}/${at.key} changed while it was read`, { at }) };
}

interface PutContent {
  readonly content: ReplicaContent;
  readonly opened: OpenedSource & { kind: "open" };
  readonly md5: string | undefined;
}

function putRequest(
  write: ReplicaWrite,
  { content, opened, md5 }: PutContent,
): ReturnType<BucketFacts["store"]["client"]["toRelayRequest"]> {
  const headers = { ...write.headers(content), ...write.conditions("conditionalPut") };
  headers["content-length"] = String(opened.body.lengthBytes);
  if (md5 !== undefined) headers["content-md5"] = Buffer.from(md5, "hex").toString("base64");
  const { bucket, key } = write.destination;
  return write.facts.store.client.toRelayRequest({ operation: "PutObject", method: "PUT", bucket: bucket.bucket, key, headers });
}
