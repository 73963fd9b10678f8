import { createHash } from "node:crypto";
import { isReplicationError, ReplicationError } from "../../../domain/error.ts";
import { isMultipartEtag, type ObjectState } from "../../../domain/object.ts";
import { Semaphore } from "../../../lib/semaphore.ts";
import type { WriteResult } from "../../../ports/object-store.ts";
import type { TransferOutcome } from "../../../ports/transfer.ts";
import type { BucketFacts } from "./bucket-facts.ts";
import { openSource, type RelayedCopy, sourceMovedOn } from "./copy-relayed.ts";
import { copyError, copySourceHeader, failedOutcome } from "./copy-server-side.ts";
import { type Answer, toConnectionError, toStoreError } from "./errors.ts";
import { etagMayBeMd5, unquoteEtag } from "./headers.ts";
import { etagOf, toWriteResult } from "./object-store.ts";
import { exactLayout, multipartEtag, ownLayout, type Part, uniformLayout } from "./part-layout.ts";
import type { RelayResult } from "./relay.ts";
import type { ReplicaContent, ReplicaWrite } from "./replica-write.ts";
import { elementText, encodeXml } from "./xml.ts";

/** Parts of one object under way at a time. */
const PARTS_IN_FLIGHT = 4;
/** Server-side parts cost this machine nothing but a waiting connection. */
const COPIED_PARTS_IN_FLIGHT = 8;

/** A large object, to be copied in parts with the source's own layout, so that its ETag stays what it is. */
export interface PartsCopy extends RelayedCopy {
  readonly bandwidth: { take(bytes: number): Promise<void> } | undefined;
  readonly state: ObjectState;
  readonly content: ReplicaContent;
}

/** One multipart upload at one destination; ends by Complete or Abort, never otherwise. */
interface Upload {
  readonly write: ReplicaWrite;
  readonly uploadId: string;
  readonly etags: string[];
  error: ReplicationError | undefined;
}

/** Copies in parts to destinations of the same store (UploadPartCopy) and of others (streamed); one outcome each. */
export async function copyInParts(
  copy: PartsCopy,
  writes: readonly ReplicaWrite[],
  sameStore: (write: ReplicaWrite) => boolean,
): Promise<readonly TransferOutcome[]> {
  const { parts, final } = await sourceLayout(copy);
  const layout = { parts, final: final || writes.every((write) => write.losesEtag) };
  const outcomes = [...(await attempt(copy, { writes, sameStore, layout }))];
  const wrong = writes.filter((_, i) => outcomes[i] === "layout");
  if (wrong.length > 0) {
    // Not what the source's ETag was made of: ask for each part's size, and take what comes of that, hashed on the way.
    const exact = { parts: await exactParts(copy, layout.parts.length), final: true };
    const again = await attempt(copy, { writes: wrong, sameStore, layout: exact });
    for (const [i, write] of wrong.entries()) outcomes[writes.indexOf(write)] = again[i] as AttemptOutcome;
  }
  return outcomes.map((outcome) => (outcome === "layout" ? sourceMovedOn(copy) : outcome));
}

interface Layout {
  readonly parts: readonly Part[];
  /** True: complete with whatever ETag comes of it, each part proven by a hash of our own. False: only with the source's ETag. */
  readonly final: boolean;
}

interface Attempt {
  readonly writes: readonly ReplicaWrite[];
  readonly sameStore: (write: ReplicaWrite) => boolean;
  readonly layout: Layout;
}

/** `layout`: the parts' ETags show that this is not how the source was uploaded; the upload was aborted. */
type AttemptOutcome = TransferOutcome | "layout";

/** The source's layout: uniform if the first part's size and the number of parts allow it, which nearly all uploads do. */
async function sourceLayout(copy: PartsCopy): Promise<Layout> {
  const { state } = copy;
  if (!isMultipartEtag(state.etag)) return { parts: ownLayout(state.sizeBytes), final: true };
  const first = await copy.source.store.head(copy.key, { partNumber: 1, versionId: copy.versionId, signal: copy.signal });
  const count = first?.partsCount ?? Number(state.etag.split("-")[1]);
  if (count === 1) return { parts: uniformLayout(state.sizeBytes, Math.max(1, state.sizeBytes)), final: false };
  if (first?.partsCount === undefined) return { parts: ownLayout(state.sizeBytes), final: true };
  const uniform = Math.ceil(state.sizeBytes / first.sizeBytes) === count;
  return { parts: uniform ? uniformLayout(state.sizeBytes, first.sizeBytes) : await exactParts(copy, count), final: false };
}

async function exactParts(copy: PartsCopy, count: number): Promise<readonly Part[]> {
  const gate = new Semaphore(COPIED_PARTS_IN_FLIGHT);
  const heads = await Promise.all(Array.from({ length: count }, (_, i) => gate.run(() => partSize(copy, i + 1))));
  const total = heads.reduce((sum, size) => sum + size, 0);
  return total === copy.state.sizeBytes ? exactLayout(heads) : ownLayout(copy.state.sizeBytes);
}

/** 0 where a store does not answer for this part: then the sum is wrong, and a layout of our own is taken. */
async function partSize(copy: PartsCopy, partNumber: number): Promise<number> {
  try {
    return (await copy.source.store.head(copy.key, { partNumber, versionId: copy.versionId, signal: copy.signal }))?.sizeBytes ?? 0;
  } catch (error) {
    if (isReplicationError(error) && error.code === "InvalidRequest") return 0;
    throw error;
  }
}

async function attempt(copy: PartsCopy, { writes, sameStore, layout }: Attempt): Promise<readonly AttemptOutcome[]> {
  const begins = await Promise.all(writes.map((write) => begin(copy, write)));
  const uploads = begins.filter((upload) => "uploadId" in upload);
  const local = uploads.filter((upload) => sameStore(upload.write));
  const remote = uploads.filter((upload) => !sameStore(upload.write));
  await Promise.all([copyParts(copy, layout, local), streamParts(copy, layout, remote)]);
  return Promise.all(
    begins.map((upload) => ("uploadId" in upload ? finish(copy, { layout, streamed: !sameStore(upload.write) }, upload) : upload)),
  );
}

async function begin(copy: PartsCopy, write: ReplicaWrite): Promise<Upload | TransferOutcome> {
  const { bucket, key } = write.destination;
  const place = { operation: "CreateMultipartUpload", bucket: bucket.bucket, key };
  try {
    for (;;) {
      const request = {
        ...place,
        method: "POST",
        query: { uploads: "" },
        headers: write.headers(copy.content),
        signal: copy.signal,
      } as const;
      const answer = await write.facts.store.client.send(request);
      if (answer.status === 200) return await begun(answer, write);
      const refusal = write.refused(toStoreError(answer, place));
      if (refusal !== "again") return refusal;
    }
  } catch (error) {
    return failedOutcome(error);
  }
}

async function begun(answer: Answer, write: ReplicaWrite): Promise<Upload | TransferOutcome> {
  const { bucket, key } = write.destination;
  const at = { operation: "CreateMultipartUpload", bucket: bucket.bucket, key };
  const uploadId = elementText(answer.body.toString("utf8"), "UploadId");
  if (uploadId === undefined)
    throw new ReplicationError("MalformedResponse", `${at.operation} on ${at.bucket}/${key}: no UploadId`, { at });
  const upload = { write, uploadId, etags: [], error: undefined };
  const plain = write.leftPlain(answer.headers);
  if (plain === undefined) return upload;
  await abort(upload);
  return { kind: "failed", error: plain };
}

async function copyParts(copy: PartsCopy, layout: Layout, uploads: readonly Upload[]): Promise<void> {
  const gate = new Semaphore(COPIED_PARTS_IN_FLIGHT);
  const single = layout.parts.length === 1;
  await Promise.all(uploads.flatMap((upload) => layout.parts.map((part) => gate.run(() => copyPart(copy, upload, { part, single })))));
}

async function copyPart(copy: PartsCopy, upload: Upload, { part, single }: { part: Part; single: boolean }): Promise<void> {
  if (upload.error !== undefined) return;
  const headers: Record<string, string> = {
    "x-amz-copy-source": copySourceHeader(copy.source.store, copy.key, copy.versionId),
    "x-amz-copy-source-if-match": `"${copy.etag}"`,
  };
  // A range is refused for sources of 5 MB and less, which can only be of one part.
  if (!single) headers["x-amz-copy-source-range"] = `bytes=${part.start}-${part.start + part.sizeBytes - 1}`;
  try {
    const answer = await upload.write.facts.store.client.send({
      ...uploadRequest(upload, "UploadPartCopy", "PUT"),
      query: partQuery(upload, part),
      headers,
      signal: copy.signal,
    });
    const error = copyError(answer, upload.write, "UploadPartCopy");
    if (error !== undefined) throw error;
    upload.etags[part.number - 1] = etagOf(answer.body.toString("utf8"));
  } catch (error) {
    fail(upload, error);
  }
}

async function streamParts(copy: PartsCopy, layout: Layout, uploads: readonly Upload[]): Promise<void> {
  if (uploads.length === 0) return;
  const gate = new Semaphore(PARTS_IN_FLIGHT);
  await Promise.all(layout.parts.map((part) => gate.run(() => streamPart(copy, { part, final: layout.final }, uploads))));
}

async function streamPart(copy: PartsCopy, { part, final }: StreamedPart, uploads: readonly Upload[]): Promise<void> {
  const live = uploads.filter((upload) => upload.error === undefined);
  if (live.length === 0) return;
  try {
    const results = await relayPart(copy, { part, final }, live);
    const behind = live.filter((_, i) => results[i]?.kind === "left-behind");
    for (const [i, upload] of live.entries()) takeResult(upload, part, results[i] as RelayResult);
    for (const upload of behind) await streamPart(copy, { part, final }, [upload]);
  } catch (error) {
    for (const upload of live) fail(upload, error);
  }
}

interface StreamedPart {
  readonly part: Part;
  readonly final: boolean;
}

async function relayPart(copy: PartsCopy, { part, final }: StreamedPart, uploads: readonly Upload[]): Promise<readonly RelayResult[]> {
  await copy.bandwidth?.take(part.sizeBytes);
  const whole = part.start === 0 && part.sizeBytes === copy.state.sizeBytes;
  const opened = await openSource(copy, whole ? undefined : part);
  if (opened.kind === "failed") throw opened.error;
  if (opened.kind !== "open") throw new ReplicationError("PreconditionFailed", `${copy.key} changed while it was read`);
  if (opened.body.lengthBytes !== part.sizeBytes) {
    opened.body.discard();
    throw new ReplicationError(
      "MalformedResponse",
      `${copy.key}: asked for ${part.sizeBytes} bytes, was offered ${opened.body.lengthBytes}`,
    );
  }
  const requests = await Promise.all(uploads.map((upload) => partRequest(upload, part))).catch((error: unknown) => {
    opened.body.discard();
    throw error;
  });
  const digest = final ? createHash("md5") : undefined;
  const results = await opened.body.pipe(requests, { signal: copy.signal, onChunk: digest && ((chunk) => digest.update(chunk)) });
  const md5 = digest?.digest("hex");
  if (md5 === undefined) return results;
  return results.map((result, i) => (uploads[i]?.write.losesEtag ? result : rejectSpoilt(result, md5)));
}

/** Under a layout that does not keep the ETag the source's says nothing of the parts: each is held to the hash of what was sent. */
function rejectSpoilt(result: RelayResult, md5: string): RelayResult {
  if (result.kind !== "answered" || result.answer.head.statusCode !== 200) return result;
  const { headers } = result.answer.head;
  const etag = unquoteEtag(headers["etag"] ?? "");
  if (!etagMayBeMd5(etag, headers) || etag === md5) return result;
  const error = new ReplicationError("ChecksumMismatch", `a part arrived as ${etag} and was sent as ${md5}`);
  return { kind: "failed", side: "destination", error };
}

function takeResult(upload: Upload, part: Part, result: RelayResult): void {
  if (result.kind === "left-behind") return;
  const { client } = upload.write.facts.store;
  const at = { operation: "UploadPart", bucket: upload.write.destination.bucket.bucket, key: upload.write.destination.key };
  if (result.kind === "failed" && result.side === "source") {
    fail(upload, result.error);
    return;
  }
  client.answered("UploadPart", result.kind === "answered" ? result.answer.head.statusCode : 0);
  if (result.kind === "failed") {
    const spoilt = result.error.code === "ChecksumMismatch";
    fail(upload, spoilt ? result.error : toConnectionError(result.error, client.endpoint, at));
    return;
  }
  const { head, body } = result.answer;
  if (head.statusCode === 200 && result.sentBytes === part.sizeBytes)
    upload.etags[part.number - 1] = unquoteEtag(head.headers["etag"] ?? "");
  else fail(upload, toStoreError({ status: head.statusCode, headers: head.headers, body }, at));
}

function fail(upload: Upload, error: unknown): void {
  const outcome = failedOutcome(error);
  if (outcome.kind === "failed") upload.error ??= outcome.error;
}

function partRequest(upload: Upload, part: Part): ReturnType<BucketFacts["store"]["client"]["toRelayRequest"]> {
  const request = {
    ...uploadRequest(upload, "UploadPart", "PUT"),
    query: partQuery(upload, part),
    headers: { "content-length": String(part.sizeBytes) },
  };
  return upload.write.facts.store.client.toRelayRequest(request);
}

async function finish(
  copy: PartsCopy,
  { layout, streamed }: { layout: Layout; streamed: boolean },
  upload: Upload,
): Promise<AttemptOutcome> {
  const kept = isMultipartEtag(copy.etag) && multipartEtag(upload.etags) === copy.etag;
  if (upload.error !== undefined || (!kept && !layout.final)) {
    await abort(upload);
    return upload.error === undefined ? "layout" : { kind: "failed", error: upload.error };
  }
  if (!kept) upload.write.notes.add("ETagNotKept");
  try {
    if (!(await upload.write.mayGoAhead("conditionalComplete", copy.signal))) {
      await abort(upload);
      return { kind: "moved-on" };
    }
    const written = await complete(copy, upload);
    const proof = kept && written.etag === copy.etag ? "etag" : streamed ? "streamed-hash" : "provider";
    return { kind: "copied", ...written, proof, notes: [...upload.write.notes] };
  } catch (error) {
    await abort(upload);
    return isReplicationError(error) && upload.write.hasMovedOn(error) ? { kind: "moved-on" } : failedOutcome(error);
  }
}

async function complete(copy: PartsCopy, upload: Upload): Promise<WriteResult> {
  const parts = upload.etags.map((etag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>"${encodeXml(etag)}"</ETag></Part>`);
  const xml = `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${parts.join("")}</CompleteMultipartUpload>`;
  const body = Buffer.from(xml);
  const request = { ...uploadRequest(upload, "CompleteMultipartUpload", "POST"), query: { uploadId: upload.uploadId }, body };
  const conditions = upload.write.conditions("conditionalComplete");
  const headers = { "content-length": String(body.length), "content-type": "application/xml", ...conditions };
  const answer = await upload.write.facts.store.client.send({ ...request, headers, signal: copy.signal });
  const error = copyError(answer, upload.write, "CompleteMultipartUpload");
  if (error !== undefined) throw error;
  return { ...toWriteResult(answer), etag: etagOf(answer.body.toString("utf8")) };
}

/** Lets the destination forget the parts. A failure to do so is no failure of the object: lifecycle rules clear what stays. */
async function abort(upload: Upload): Promise<void> {
  await upload.write.facts.store.client
    .send({ ...uploadRequest(upload, "AbortMultipartUpload", "DELETE"), query: { uploadId: upload.uploadId } })
    .catch(() => undefined);
}

function uploadRequest<M extends string>(
  upload: Upload,
  operation: string,
  method: M,
): { operation: string; method: M; bucket: string; key: string } {
  return { operation, method, bucket: upload.write.destination.bucket.bucket, key: upload.write.destination.key };
}

function partQuery(upload: Upload, part: Part): Record<string, string> {
  return { partNumber: String(part.number), uploadId: upload.uploadId };
}
