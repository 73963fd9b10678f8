import { createHash } from "node:crypto";
import { ReplicationError, toReplicationError } from "../../../domain/error.ts";
import type { ObjectState } from "../../../domain/object.ts";
import type { TransferOutcome } from "../../../ports/transfer.ts";
import type { BucketFacts } from "./bucket-facts.ts";
import type { S3Request } from "./client.ts";
import { failedOutcome } from "./copy-server-side.ts";
import { type Answer, toConnectionError, toStoreError } from "./errors.ts";
import { isHashed, toObjectState } from "./headers.ts";
import type { Relay, RelayResult, RelaySource } from "./relay.ts";
import type { ReplicaContent, ReplicaWrite } from "./replica-write.ts";
import { toWriteResult } from "./write-result.ts";

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

/** The whole object, a range of it, or a part by its number, whose checksum is told then. */
export interface OpenedPart {
  readonly range?: { readonly start: number; readonly sizeBytes: number } | undefined;
  readonly partNumber?: number | undefined;
}

/** Begins to read the source, pinned to its ETag; the body waits in the kernel. */
export async function openSource(copy: RelayedCopy, of: OpenedPart = {}): Promise<OpenedSource> {
  const { client, bucket } = copy.source.store;
  const { range, partNumber } = of;
  const headers: Record<string, string> = { "if-match": `"${copy.etag}"` };
  if (range === undefined && copy.source.asksChecksums) headers["x-amz-checksum-mode"] = "ENABLED";
  if (range !== undefined) headers["range"] = `bytes=${range.start}-${range.start + range.sizeBytes - 1}`;
  const query: Record<string, string> = copy.versionId === undefined ? {} : { versionId: copy.versionId };
  if (partNumber !== undefined) query["partNumber"] = String(partNumber);
  const request: S3Request = { operation: "GetObject", method: "GET", bucket: bucket.bucket, key: copy.key, query, headers };
  const body = await copy.relay.open(await client.toRelayRequest(request), copy.signal).catch((cause: unknown) => {
    throw client.failure(cause, { ...request, signal: copy.signal });
  });
  const { statusCode: status, headers: received } = body.head;
  client.answered("GetObject", status, received);
  if (status === 200 || status === 206) return { kind: "open", body, state: toObjectState(copy.key, received) };
  const error = toStoreError(
    { status, headers: received, body: await body.text() },
    { operation: "GetObject", bucket: bucket.bucket, key: copy.key },
  );
  if (copy.source.refusedChecksums(error)) return openSource(copy, of);
  if (isAbsence(error)) return { kind: "gone" };
  return error.code === "PreconditionFailed" ? { kind: "changed" } : { kind: "failed", error };
}

/** Whether a read was answered with "no such object": no such key, no such version, or a version that is a delete marker (405). */
export function isAbsence(error: ReplicationError): boolean {
  return error.code === "NoSuchKey" || error.code === "NoSuchVersion" || error.at.status === 405;
}

/** What is told while a body is relayed. */
export interface RelayProgress {
  readonly onOutcome?: ((write: ReplicaWrite, outcome: TransferOutcome) => void) | undefined;
  /** The body has been sent: nothing more is held but waiting connections. */
  readonly onSent?: (() => void) | undefined;
}

/**
 * Sends an opened source to its destinations, one PutObject each. One that falls behind the others, or refuses something it can be written
 * without, is redone alone; the others do not wait for it, nor are they told of later for it (invariant 7).
 */
export async function relayToAll(
  copy: RelayedCopy,
  first: OpenedSource & { kind: "open" },
  { writes, onOutcome, onSent }: RelayProgress & { readonly writes: readonly ReplicaWrite[] },
): Promise<readonly TransferOutcome[]> {
  const content = await copy.toContent(first.state);
  const md5Known = first.state.etagMayBeMd5 && copy.source.etagsAreMd5;
  const sent = md5Known ? { md5: first.state.etag, opened: first } : await hashedBefore(copy, { content, opened: first, writes });
  const { opened } = sent;
  try {
    const requests = await Promise.all(writes.map((write) => putRequest(write, { content, opened, md5: sent.md5 })));
    const digest = sent.md5 === undefined ? createHash("md5") : undefined;
    let hashed = sent.md5;
    const md5 = (): string => {
      hashed ??= digest?.digest("hex") ?? "";
      return hashed;
    };
    const settling: Promise<TransferOutcome>[] = [];
    const settleOne = async (index: number, result: RelayResult): Promise<TransferOutcome> => {
      const write = writes[index] as ReplicaWrite;
      const outcome = await settle(copy, { result, write, content, md5, md5Sent: sent.md5 !== undefined, opened }).catch(failedOutcome);
      onOutcome?.(write, outcome);
      return outcome;
    };
    await opened.body.pipe(requests, {
      signal: copy.signal,
      onChunk: digest && ((chunk) => digest.update(chunk)),
      onResult: (index, result) => {
        settling[index] = settleOne(index, result);
      },
      onSent,
    });
    return await Promise.all(settling);
  } catch (error) {
    opened.body.discard();
    throw error;
  }
}

/**
 * Reads the body once more, for its hash alone, where a replica is to be locked and nothing is known to send along: S3 takes a retention only
 * with a digest. https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
 */
async function hashedBefore(
  copy: RelayedCopy,
  { content, opened, writes }: { content: ReplicaContent; opened: OpenedSource & { kind: "open" }; writes: readonly ReplicaWrite[] },
): Promise<{ readonly md5: string | undefined; readonly opened: OpenedSource & { kind: "open" } }> {
  const hasChecksum = content.guards.checksum?.type === "FULL_OBJECT";
  if (hasChecksum || !writes.some((write) => write.guards.locks(content.guards))) return { md5: undefined, opened };
  const md5 = await readMd5(opened.body, copy.signal);
  const again = await openSource(copy);
  if (again.kind === "open") return { md5, opened: again };
  if (again.kind === "failed") throw again.error;
  throw movedOnError(copy);
}

/** Reads a body for its MD5 alone. */
export async function readMd5(body: RelaySource, signal: AbortSignal | undefined): Promise<string> {
  const digest = createHash("md5");
  await body.read({ signal, onChunk: (chunk) => digest.update(chunk) });
  return digest.digest("hex");
}

interface Delivered {
  readonly result: RelayResult;
  readonly write: ReplicaWrite;
  readonly content: ReplicaContent;
  /** Known once the body has been read to its end. */
  readonly md5: () => string;
  readonly md5Sent: boolean;
  readonly opened: OpenedSource & { kind: "open" };
}

async function settle(copy: RelayedCopy, delivered: Delivered): Promise<TransferOutcome> {
  const { result, write, opened } = delivered;
  const at = { operation: "PutObject", bucket: write.destination.bucket.bucket, key: write.destination.key };
  if (result.kind === "left-behind") return redo(copy, write);
  if (result.kind === "failed") {
    if (result.side === "source") return { kind: "failed", error: toReplicationError(result.error) };
    write.facts.store.client.answered("PutObject", 0);
    return { kind: "failed", error: toConnectionError(result.error, write.facts.store.client.endpoint, at) };
  }
  const { head, body } = result.answer;
  write.facts.store.client.answered("PutObject", head.statusCode, head.headers);
  const answer = { status: head.statusCode, headers: head.headers, body };
  // A 200 before the whole body was sent is no promise of anything.
  if (answer.status === 200 && result.sentBytes === opened.body.lengthBytes) {
    const plain = write.leftPlain(answer.headers);
    return plain === undefined ? proven(answer, delivered) : { kind: "failed", error: plain };
  }
  const error = toStoreError(answer, at);
  const isEtagSent = delivered.md5Sent && delivered.md5() === opened.state.etag;
  if (error.code === "BadDigest" && isEtagSent && copy.source.etagsAreMd5) return redoHashing(copy, write);
  const refusal = write.refused(error);
  return refusal === "again" ? redo(copy, write) : refusal;
}

function proven(answer: Answer, delivered: Delivered): TransferOutcome {
  const { write, opened } = delivered;
  const md5 = delivered.md5();
  const { etag, versionId } = toWriteResult(answer);
  const isChecked = write.settle(delivered.content, answer.headers);
  const ofSource = opened.state.etag;
  const isSourceDigest = isChecked || (delivered.md5Sent && md5 === ofSource);
  const sent = { md5, ofSource, isHashed: isHashed(answer.headers), sourceDigestSent: isSourceDigest, md5Sent: delivered.md5Sent };
  const proof = write.facts.proofOf(etag, sent);
  if (proof !== undefined) return { kind: "copied", etag, versionId, proof, notes: [...write.notes] };
  const at = { operation: "PutObject", bucket: write.destination.bucket.bucket, key: write.destination.key };
  const message = `${at.bucket}/${at.key}: the replica's ETag ${etag} is not the MD5 of what was sent`;
  return { kind: "failed", error: new ReplicationError("ChecksumMismatch", message, { at }) };
}

/** Reads the source again for one destination. */
async function redo(copy: RelayedCopy, write: ReplicaWrite): Promise<TransferOutcome> {
  const opened = await openSource(copy);
  if (opened.kind === "failed") return opened;
  if (opened.kind !== "open") return sourceMovedOn(copy);
  try {
    return (await relayToAll(copy, opened, { writes: [write] }))[0] as TransferOutcome;
  } catch (error) {
    opened.body.discard();
    throw error;
  }
}

/**
 * After a refused digest: sends once more without the ETag's, hashing here. A replica with our hash proves that the source's ETags are no MD5s.
 * Where the bytes are refused for the source's checksum too, the ETag alone shows whether they are the source's.
 */
async function redoHashing(copy: RelayedCopy, write: ReplicaWrite): Promise<TransferOutcome> {
  copy.source.etagsAreMd5 = false;
  const outcome = await redo(copy, write);
  if (outcome.kind !== "copied" || outcome.proof === "etag") copy.source.etagsAreMd5 = true;
  const isRefused = outcome.kind === "failed" && outcome.error.code === "BadDigest";
  return isRefused && write.guards.giveUpChecksum() ? redo(copy, write) : outcome;
}

export function sourceMovedOn(copy: Pick<RelayedCopy, "key" | "source">): TransferOutcome {
  return { kind: "failed", error: movedOnError(copy) };
}

function movedOnError(copy: Pick<RelayedCopy, "key" | "source">): ReplicationError {
  const at = { operation: "GetObject", bucket: copy.source.store.bucket.bucket, key: copy.key };
  return new ReplicationError("PreconditionFailed", `${at.bucket}/${at.key} changed while it was read`, { at });
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
  const headers = { ...write.headers(content, "put"), ...write.conditions("conditionalPut") };
  headers["content-length"] = String(opened.body.lengthBytes);
  if (md5 !== undefined) headers["content-md5"] = Buffer.from(md5, "hex").toString("base64");
  const { bucket, key } = write.destination;
  return write.facts.store.client.toRelayRequest({ operation: "PutObject", method: "PUT", bucket: bucket.bucket, key, headers });
}
