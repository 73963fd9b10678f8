import { createHash } from "node:crypto";
import { isReplicationError, ReplicationError } from "../../../domain/error.ts";
import { isMultipartEtag, type ObjectState, type StoredChecksum } from "../../../domain/object.ts";
import { Semaphore } from "../../../lib/semaphore.ts";
import type { WriteResult } from "../../../ports/object-store.ts";
import type { TransferOutcome } from "../../../ports/transfer.ts";
import type { BoundUpload } from "../../../ports/uploads.ts";
import { mayGoOn, pinOf, type UploadSlot } from "../upload-slots.ts";
import type { BucketFacts } from "./bucket-facts.ts";
import { type OpenedSource, openSource, type RelayedCopy, readMd5, sourceMovedOn } from "./copy-relayed.ts";
import { copyError, failedOutcome, withEncryption } from "./copy-server-side.ts";
import { copySourceHeader } from "./copy-source-header.ts";
import { type Answer, isAbout, toConnectionError, toStoreError } from "./errors.ts";
import { etagMayBeMd5, isHashed, type ResponseHeaders, unquoteEtag } from "./headers.ts";
import { abortUpload, type FoundPart, type FoundParts, fromMemo, isWhole, listParts, mayBeOfLeft, toMemo } from "./left-upload.ts";
import { exactLayout, multipartEtag, ownLayout, type Part, uniformLayout } from "./part-layout.ts";
import type { RelayResult } from "./relay.ts";
import type { ReplicaContent, ReplicaWrite } from "./replica-write.ts";
import { etagOf, toWriteResult } from "./write-result.ts";
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
  /** What the upload of a destination is bound to; undefined where it is not bound. */
  readonly slotOf: (write: ReplicaWrite) => UploadSlot | undefined;
}

/** One multipart upload at one destination; ends by Complete or Abort, or, where it is bound, is left for the next attempt. */
interface Upload {
  readonly write: ReplicaWrite;
  readonly uploadId: string;
  /** Undefined for an upload that no other attempt will know. */
  bound: { readonly slot: UploadSlot; readonly upload: BoundUpload } | undefined;
  /** An earlier attempt began it. */
  readonly isResumed: boolean;
  /** Of the answer that began it. */
  readonly begun: ResponseHeaders;
  /** What the upload was begun with. Of a composite one every part has to come with its own. */
  readonly checksum: Pick<StoredChecksum, "algorithm" | "type"> | undefined;
  /** S3 takes no part of what is to be locked without a digest. */
  readonly needsDigest: boolean;
  readonly etags: string[];
  readonly checksums: string[];
  /** Whether the destination was held, so far, to a hash of every part that was streamed, whoever streamed it. */
  isProven: boolean;
  error: ReplicationError | undefined;
  /** Parts whose fate is not known yet; {@link settled} resolves when there are none. */
  partsLeft: number;
  readonly settled: PromiseWithResolvers<void>;
}

export interface PartsSides {
  readonly writes: readonly ReplicaWrite[];
  readonly sameStore: (write: ReplicaWrite) => boolean;
  /** Told of each destination as soon as it has an outcome. */
  readonly onOutcome: (write: ReplicaWrite, outcome: TransferOutcome) => void;
  /** All parts have been sent: what remains are answers. */
  readonly onSent: () => void;
}

/** Copies in parts to destinations of the same store (UploadPartCopy) and of others (streamed); one outcome each. */
export async function copyInParts(copy: PartsCopy, { writes, sameStore, onOutcome, onSent }: PartsSides): Promise<void> {
  const found = await againAsked(copy, writes, await sourceLayout(copy));
  const isOpaque = (write: ReplicaWrite): boolean => write.guards.hasKeyInEtag(copy.content.guards);
  const layout = { ...found, final: found.final || hasKeyInEtag(copy.state) || writes.every(isOpaque) };
  const onAttempt = async (write: ReplicaWrite, outcome: AttemptOutcome): Promise<void> => {
    onOutcome(write, await insist(copy, { write, sameStore, layout, outcome }).catch(failedOutcome));
  };
  await attempt(copy, { writes, sameStore, layout, onAttempt, onSent });
}

/** Under a key of KMS the source's ETag says nothing of its parts. */
function hasKeyInEtag({ encryption }: ObjectState): boolean {
  return encryption?.startsWith("aws:kms") === true;
}

interface Layout {
  readonly parts: readonly Part[];
  /** Whether the parts are the source's own, and it tells their checksums with them. */
  readonly tellsChecksums: boolean;
  /** True: complete with whatever ETag comes of it, each part proven by a hash of our own. False: only with the source's ETag. */
  readonly final: boolean;
  /** The size of each part was asked for because they only seemed to be of one. */
  readonly isAsked?: boolean | undefined;
}

interface Attempt {
  readonly writes: readonly ReplicaWrite[];
  readonly sameStore: (write: ReplicaWrite) => boolean;
  readonly layout: Layout;
  readonly onAttempt: (write: ReplicaWrite, outcome: AttemptOutcome) => Promise<void>;
  readonly onSent?: (() => void) | undefined;
}

/**
 * `layout`: the parts' ETags show that this is not how the source was uploaded; `checksum`: the parts cannot come with the checksums that the
 * upload was begun with; `left`: what an earlier attempt left cannot be gone on with. The upload was aborted.
 */
type AttemptOutcome = TransferOutcome | "layout" | "checksum" | "left";

interface Insistence {
  readonly write: ReplicaWrite;
  readonly sameStore: (write: ReplicaWrite) => boolean;
  readonly layout: Layout;
  readonly outcome: AttemptOutcome;
}

/** Tries again what can be had in another way: without checksums, with the size of each part asked for, from the start. Each way is tried once. */
async function insist(copy: PartsCopy, { write, sameStore, layout, outcome }: Insistence): Promise<TransferOutcome> {
  if (typeof outcome !== "string") return outcome;
  if (outcome === "layout" && layout.final) return sourceMovedOn(copy);
  // Not what the source's ETag was made of: ask for each part's size, and take what comes of that, hashed on the way.
  const next = outcome !== "layout" ? layout : await askedLayout(copy, layout);
  let again: AttemptOutcome = outcome;
  const onAttempt = async (_: ReplicaWrite, ended: AttemptOutcome): Promise<void> => {
    again = ended;
  };
  await attempt(copy, { writes: [write], sameStore, layout: next, onAttempt });
  return insist(copy, { write, sameStore, layout: next, outcome: again });
}

/** The source's layout: uniform if the first part's size and the number of parts allow it, which nearly all uploads do. */
async function sourceLayout(copy: PartsCopy): Promise<Layout> {
  const { state } = copy;
  const own = { parts: ownLayout(state.sizeBytes), tellsChecksums: false, final: true };
  if (!isMultipartEtag(state.etag)) return own;
  const first = await copy.source.head(copy.key, { partNumber: 1, versionId: copy.versionId, signal: copy.signal });
  const checksum = first?.storedChecksum?.value;
  const tellsChecksums = checksum !== undefined && !checksum.includes("-");
  const count = first?.partsCount ?? Number(state.etag.split("-")[1]);
  if (count === 1) return { parts: uniformLayout(state.sizeBytes, Math.max(1, state.sizeBytes)), tellsChecksums, final: false };
  if (first?.partsCount === undefined) return own;
  const isUniform = Math.ceil(state.sizeBytes / first.sizeBytes) === count;
  if (isUniform) return { parts: uniformLayout(state.sizeBytes, first.sizeBytes), tellsChecksums, final: false };
  return { ...(await exactParts(copy, { parts: { length: count }, tellsChecksums })), final: false };
}

/** The layout that an earlier attempt found out at the cost of all parts, where its upload is left: with the quick guess that would be in vain. */
async function againAsked(copy: PartsCopy, writes: readonly ReplicaWrite[], layout: Layout): Promise<Layout> {
  if (layout.final) return layout;
  const left = await Promise.all(writes.map((write) => copy.slotOf(write)?.bound()));
  const isAsked = left.some((upload) => upload !== undefined && fromMemo(upload.memo).isAsked === true);
  return isAsked ? askedLayout(copy, layout) : layout;
}

async function askedLayout(copy: PartsCopy, layout: Layout): Promise<Layout> {
  return { ...(await exactParts(copy, layout)), final: true, isAsked: true };
}

async function exactParts(
  copy: PartsCopy,
  { parts, tellsChecksums }: { readonly parts: { readonly length: number }; readonly tellsChecksums: boolean },
): Promise<Pick<Layout, "parts" | "tellsChecksums">> {
  const gate = new Semaphore(COPIED_PARTS_IN_FLIGHT);
  const heads = await Promise.all(Array.from({ length: parts.length }, (_, i) => gate.run(() => partSize(copy, i + 1))));
  const ofSource = heads.reduce((sum, size) => sum + size, 0) === copy.state.sizeBytes;
  return { parts: ofSource ? exactLayout(heads) : ownLayout(copy.state.sizeBytes), tellsChecksums: ofSource && tellsChecksums };
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

async function attempt(copy: PartsCopy, { writes, sameStore, layout: wanted, onAttempt, onSent }: Attempt): Promise<void> {
  const begins = await Promise.all(writes.map((write) => begin(copy, write, { layout: wanted, isLocal: sameStore(write) })));
  const uploads = begins.filter((begun) => "uploadId" in begun);
  const layout = madeFinal(wanted, uploads);
  const local = uploads.filter((upload) => sameStore(upload.write));
  const remote = uploads.filter((upload) => !sameStore(upload.write));
  const endings = writes.map(async (write, i) => {
    const begun = begins[i] as Upload | TransferOutcome;
    if (!("uploadId" in begun)) return onAttempt(write, begun);
    await begun.settled.promise;
    return onAttempt(write, await finish(copy, { layout, isStreamed: !sameStore(write) }, begun));
  });
  const moving = Promise.all([copyParts(copy, layout, local), streamParts(copy, layout, remote)]).then(onSent);
  await Promise.all([moving, ...endings]);
}

/** Where every bucket encrypts by a key, asked for or not, no layout keeps the ETag: all parts in vain would be the price of finding out. */
function madeFinal(layout: Layout, uploads: readonly Upload[]): Layout {
  if (layout.final || !uploads.every(({ begun }) => !isHashed(begun))) return layout;
  for (const upload of uploads) if (upload.isResumed) upload.isProven = false; // what was found was to be shown by the ETag
  return { ...layout, final: true };
}

interface UploadPlan {
  readonly layout: Layout;
  readonly isLocal: boolean;
}

/** Goes on with what an earlier attempt left, or begins an upload of its own. */
async function begin(copy: PartsCopy, write: ReplicaWrite, plan: UploadPlan): Promise<Upload | TransferOutcome> {
  const content = { ...copy.content, guards: { ...copy.content.guards, checksum: checksumFor(copy, write, plan) } };
  const beginning: Beginning = { write, content, plan, binding: bindingOf(copy, { write, content, plan }) };
  try {
    return (await resume(copy, beginning)) ?? (await create(copy, beginning));
  } catch (error) {
    return failedOutcome(error);
  }
}

async function create(copy: PartsCopy, beginning: Beginning): Promise<Upload | TransferOutcome> {
  const { write, content } = beginning;
  const { bucket, key } = write.destination;
  const place = { operation: "CreateMultipartUpload", bucket: bucket.bucket, key };
  for (;;) {
    const headers = write.headers(content, "create");
    const answer = await write.facts.store.client.send({
      ...place,
      method: "POST",
      query: { uploads: "" },
      headers,
      signal: copy.signal,
    });
    if (answer.status === 200) return begun(answer, beginning);
    const refusal = write.refused(toStoreError(answer, place));
    if (refusal !== "again") return refusal;
  }
}

/** What the upload is to be bound to; undefined where it is not to be. */
function bindingOf(copy: PartsCopy, { write, content, plan }: Omit<Beginning, "binding">): Beginning["binding"] {
  const slot = copy.slotOf(write);
  if (slot === undefined) return undefined;
  const { storageClass, encryption, preserve, stamp } = write.destination;
  const given = [content.storageClass, content.guards, storageClass, encryption, preserve, stamp];
  const partSizes = plan.layout.parts.map(({ sizeBytes }) => sizeBytes);
  return { slot, pin: pinOf({ source: copy.state, partSizes, attributes: content.attributes, given }) };
}

/**
 * The upload that an earlier attempt left, where it is of the same state of the source, in the same parts, with the same attributes. Any other
 * is aborted before a new one is begun (invariant 2).
 */
async function resume(copy: PartsCopy, beginning: Beginning): Promise<Upload | undefined> {
  const { write, content, binding } = beginning;
  const left = await binding?.slot.bound();
  if (binding === undefined || left === undefined) return undefined;
  const at = { store: write.facts.store, key: left.destinationKey, uploadId: left.uploadId };
  const { begun, checksum, notes } = fromMemo(left.memo);
  const found = left.pin === binding.pin ? await listParts(at, { checksum, signal: copy.signal }) : undefined;
  if (found === undefined) {
    const error = await abortUpload(at);
    if (error !== undefined && mayGoOn(error)) throw error;
    await binding.slot.release(left);
    return undefined;
  }
  write.headers(content, "create"); // what was asked for is what the end is held to
  for (const note of notes) write.notes.add(note);
  const upload = newUpload(beginning, { uploadId: left.uploadId, begun, checksum, isResumed: true });
  upload.bound = { slot: binding.slot, upload: left };
  await takeFound(copy, upload, { found, plan: beginning.plan });
  return upload;
}

interface FoundUpload {
  readonly found: FoundParts;
  readonly plan: UploadPlan;
}

/** Takes what was found for parts of the upload, as far as it is shown to be; the rest is sent again. */
async function takeFound(copy: PartsCopy, upload: Upload, { found, plan: { layout, isLocal } }: FoundUpload): Promise<void> {
  const gate = new Semaphore(PARTS_IN_FLIGHT);
  const takeOne = async (part: Part): Promise<void> => {
    const there = found.get(part.number);
    if (!isWhole(there, part, upload.checksum)) return;
    // Where the source's ETag is kept it proves the parts in the end; what the store copied itself it has read itself.
    const isShown = !layout.final || isLocal || (await gate.run(() => isSame(copy, upload, { part, layout, there })));
    if (!isShown) return;
    upload.etags[part.number - 1] = there.etag;
    keepChecksum(upload, part, there.checksum);
    partSettled(upload);
  };
  await Promise.all(layout.parts.map(takeOne));
}

/** Holds a part that was found to a hash of the source's, read once more; one whose ETag is no hash is believed, and is not proven. */
async function isSame(
  copy: PartsCopy,
  upload: Upload,
  { part, layout, there }: { readonly part: Part; readonly layout: Layout; readonly there: FoundPart },
): Promise<boolean> {
  if (upload.write.guards.hasKeyInEtag(copy.content.guards) || !etagMayBeMd5(there.etag, upload.begun)) {
    upload.isProven = false;
    return true;
  }
  await copy.bandwidth?.take(part.sizeBytes);
  const opened = await openPart(copy, { part, layout, uploads: [upload] });
  return (await readMd5(opened.body, copy.signal)) === there.etag;
}

/**
 * The checksum that the upload is begun with. Within a store the store computes that of each part. Where it is composite a part that is
 * streamed has to come with its own, before its first byte: the source tells it with each of its own parts.
 */
function checksumFor(copy: PartsCopy, write: ReplicaWrite, { layout, isLocal }: UploadPlan): StoredChecksum | undefined {
  const checksum = write.guards.checksum(copy.content.guards);
  // S3 gives every object that one of its own accord; stores that do not want it of every part.
  if (checksum === undefined || checksum.algorithm === "crc64nvme") return undefined;
  const isPossible = isLocal || checksum.type === "FULL_OBJECT" || layout.tellsChecksums;
  if (isPossible && !write.facts.partChecksumsLost.has(copy.source.store.bucket.id)) return checksum;
  write.notes.add("ChecksumNotKept");
  return undefined;
}

interface Beginning {
  readonly write: ReplicaWrite;
  readonly content: ReplicaContent;
  readonly plan: UploadPlan;
  readonly binding: { readonly slot: UploadSlot; readonly pin: string } | undefined;
}

/** The upload that was begun, bound before its first part; where that cannot be it is aborted. */
async function begun(answer: Answer, beginning: Beginning): Promise<Upload | TransferOutcome> {
  const { write, content } = beginning;
  const { bucket, key } = write.destination;
  const at = { operation: "CreateMultipartUpload", bucket: bucket.bucket, key };
  const uploadId = elementText(answer.body.toString("utf8"), "UploadId");
  if (uploadId === undefined)
    throw new ReplicationError("MalformedResponse", `${at.operation} on ${at.bucket}/${key}: no UploadId`, { at });
  const checksum = write.guards.checksum(content.guards);
  const upload = newUpload(beginning, { uploadId, begun: answer.headers, checksum, isResumed: false });
  try {
    const plain = write.leftPlain(answer.headers);
    if (plain !== undefined) throw plain;
    await bind(upload, beginning);
    return upload;
  } catch (error) {
    await abort(upload);
    throw error;
  }
}

function newUpload({ write, content, plan }: Beginning, told: Pick<Upload, "uploadId" | "begun" | "checksum" | "isResumed">): Upload {
  return {
    write,
    ...told,
    bound: undefined,
    needsDigest: write.guards.locks(content.guards),
    etags: [],
    checksums: [],
    isProven: true,
    error: undefined,
    partsLeft: plan.layout.parts.length,
    settled: Promise.withResolvers(),
  };
}

async function bind(upload: Upload, { binding, plan }: Beginning): Promise<void> {
  if (binding === undefined) return;
  const { uploadId, begun, checksum, write } = upload;
  const memo = toMemo({ begun, checksum, notes: [...write.notes], isAsked: plan.layout.isAsked });
  const { slot, pin } = binding;
  upload.bound = { slot, upload: await slot.bind({ uploadId, pin, memo }) };
}

/** One more part of which it is known what became of it. */
function partSettled(upload: Upload): void {
  upload.partsLeft--;
  if (upload.partsLeft === 0) upload.settled.resolve();
}

function lacks(upload: Upload, part: Part): boolean {
  return upload.etags[part.number - 1] === undefined;
}

async function copyParts(copy: PartsCopy, layout: Layout, uploads: readonly Upload[]): Promise<void> {
  const gate = new Semaphore(COPIED_PARTS_IN_FLIGHT);
  const single = layout.parts.length === 1;
  const copyOne = (upload: Upload, part: Part): Promise<void> =>
    gate.run(() => copyPart(copy, upload, { part, single })).finally(() => partSettled(upload));
  const missing = (upload: Upload): readonly Part[] => layout.parts.filter((part) => lacks(upload, part));
  await Promise.all(uploads.flatMap((upload) => missing(upload).map((part) => copyOne(upload, part))));
}

async function copyPart(copy: PartsCopy, upload: Upload, { part, single }: { part: Part; single: boolean }): Promise<void> {
  if (upload.error !== undefined) return;
  const headers: Record<string, string> = {
    "x-amz-copy-source": copySourceHeader(copy.source.store.bucket.bucket, copy.key, copy.versionId),
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
    const xml = answer.body.toString("utf8");
    upload.etags[part.number - 1] = etagOf(xml);
    keepChecksum(upload, part, elementText(xml, checksumElement(upload)));
  } catch (error) {
    fail(upload, error);
  }
}

/** Returns when all parts have been sent; what became of them the uploads tell. */
async function streamParts(copy: PartsCopy, layout: Layout, uploads: readonly Upload[]): Promise<void> {
  if (uploads.length === 0) return;
  const gate = new Semaphore(PARTS_IN_FLIGHT);
  const isSent = layout.parts.map(async (part) => {
    const missing = uploads.filter((upload) => lacks(upload, part));
    if (missing.length === 0) return;
    await gate.acquire();
    const { promise, resolve } = Promise.withResolvers<void>();
    const ended = streamPart(copy, { part, layout, uploads: missing, onSent: resolve });
    await Promise.race([promise, ended]);
    gate.release();
  });
  await Promise.all(isSent);
}

interface StreamedPart {
  readonly part: Part;
  readonly layout: Layout;
  readonly uploads: readonly Upload[];
  readonly onSent?: (() => void) | undefined;
}

/** Sends one part to every upload that is still good. Never rejects: each upload is told. */
async function streamPart(copy: PartsCopy, streamed: StreamedPart): Promise<void> {
  const [live, dead] = [streamed.uploads.filter(isGood), streamed.uploads.filter((upload) => !isGood(upload))];
  for (const upload of dead) partSettled(upload);
  if (live.length === 0) return;
  const waiting = new Set(live);
  const again: Promise<void>[] = [];
  const onResult = (index: number, result: RelayResult): void => {
    const upload = live[index] as Upload;
    waiting.delete(upload);
    if (result.kind === "left-behind") {
      again.push(streamPart(copy, { ...streamed, uploads: [upload], onSent: undefined }));
      return;
    }
    takeResult(upload, streamed.part, result);
    partSettled(upload);
  };
  try {
    await relayPart(copy, { ...streamed, uploads: live }, onResult);
  } catch (error) {
    for (const upload of waiting) {
      fail(upload, error);
      partSettled(upload);
    }
  }
  await Promise.all(again);
}

function isGood(upload: Upload): boolean {
  return upload.error === undefined;
}

async function relayPart(copy: PartsCopy, streamed: StreamedPart, onResult: (index: number, result: RelayResult) => void): Promise<void> {
  const { part, layout, uploads, onSent } = streamed;
  await copy.bandwidth?.take(part.sizeBytes);
  const { opened, md5 } = await openHashed(copy, streamed);
  const checksum = opened.state.storedChecksum;
  const requests = await Promise.all(uploads.map((upload) => partRequest(upload, part, { md5, checksum }))).catch((error: unknown) => {
    opened.body.discard();
    throw error;
  });
  const digest = layout.final && md5 === undefined ? createHash("md5") : undefined;
  let hashed = md5;
  const take = (index: number, result: RelayResult): void => {
    const upload = uploads[index] as Upload;
    // A part that was taken whole has been read whole.
    if (layout.final && isTaken(result, part)) hashed ??= digest?.digest("hex");
    const isHashable = !upload.write.guards.hasKeyInEtag(copy.content.guards) && isHashed(upload.begun);
    const judged = hashed === undefined ? result : held(upload, result, { md5: hashed, isSent: md5 !== undefined, isHashable });
    onResult(index, judged);
  };
  await opened.body.pipe(requests, {
    signal: copy.signal,
    onChunk: digest && ((chunk) => digest.update(chunk)),
    onResult: take,
    onSent,
  });
}

/** Opens the source's part; where an upload needs a digest of it that nobody gave, it is read for its hash first. */
async function openHashed(
  copy: PartsCopy,
  streamed: StreamedPart,
): Promise<{ readonly opened: OpenedSource & { kind: "open" }; readonly md5: string | undefined }> {
  const opened = await openPart(copy, streamed);
  const hasChecksum = (upload: Upload): boolean => partChecksum(upload, opened.state.storedChecksum) !== undefined;
  if (!streamed.uploads.some((upload) => upload.needsDigest && !hasChecksum(upload))) return { opened, md5: undefined };
  const md5 = await readMd5(opened.body, copy.signal);
  return { opened: await openPart(copy, streamed), md5 };
}

async function openPart(copy: PartsCopy, { part, uploads }: StreamedPart): Promise<OpenedSource & { kind: "open" }> {
  const isWhole = part.start === 0 && part.sizeBytes === copy.state.sizeBytes;
  const range = isWhole ? undefined : part;
  // By its number a part is told with its checksum, by its range it is not.
  if (uploads.some(({ checksum }) => checksum?.type === "COMPOSITE")) {
    const numbered = await openSource(copy, { partNumber: part.number });
    if (numbered.kind === "open" && numbered.body.lengthBytes === part.sizeBytes) return numbered;
    if (numbered.kind === "open") numbered.body.discard();
  }
  const opened = await openSource(copy, { range });
  if (opened.kind === "failed") throw opened.error;
  if (opened.kind !== "open") throw new ReplicationError("PreconditionFailed", `${copy.key} changed while it was read`);
  if (opened.body.lengthBytes === part.sizeBytes) return opened;
  opened.body.discard();
  throw new ReplicationError("MalformedResponse", `${copy.key}: asked for ${part.sizeBytes} bytes, was offered ${opened.body.lengthBytes}`);
}

function isTaken(result: RelayResult, part: Part): boolean {
  return result.kind === "answered" && result.answer.head.statusCode === 200 && result.sentBytes === part.sizeBytes;
}

interface PartHash {
  readonly md5: string;
  /** It went with the part: the destination has checked it. */
  readonly isSent: boolean;
  /** Whether the destination's ETag of the part can be one. */
  readonly isHashable: boolean;
}

/** The result held to the hash of what was sent, where the destination's ETags can be hashes. */
function held(upload: Upload, result: RelayResult, { md5, isSent, isHashable }: PartHash): RelayResult {
  if (result.kind !== "answered" || result.answer.head.statusCode !== 200) return result;
  const { headers } = result.answer.head;
  const etag = unquoteEtag(headers["etag"] ?? "");
  if (!isSent && etag !== md5) upload.isProven = false;
  return isHashable ? rejectSpoilt(result, md5) : result;
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
  const { statusCode = 0, headers } = result.kind === "answered" ? result.answer.head : {};
  client.answered("UploadPart", statusCode, headers);
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

interface PartDigests {
  readonly md5: string | undefined;
  /** As the source told it of the part. */
  readonly checksum: StoredChecksum | undefined;
}

function partRequest(
  upload: Upload,
  part: Part,
  { md5, checksum }: PartDigests,
): ReturnType<BucketFacts["store"]["client"]["toRelayRequest"]> {
  const headers: Record<string, string> = { "content-length": String(part.sizeBytes) };
  if (md5 !== undefined) headers["content-md5"] = Buffer.from(md5, "hex").toString("base64");
  const value = partChecksum(upload, checksum);
  if (value !== undefined) {
    headers[`x-amz-checksum-${upload.checksum?.algorithm}`] = value;
    keepChecksum(upload, part, value);
  }
  const request = { ...uploadRequest(upload, "UploadPart", "PUT"), query: partQuery(upload, part), headers };
  return upload.write.facts.store.client.toRelayRequest(request);
}

/** The value that a part of this upload comes with; a value of several parts is none of one. */
function partChecksum({ checksum: wanted }: Upload, told: StoredChecksum | undefined): string | undefined {
  if (wanted?.type !== "COMPOSITE" || told?.algorithm !== wanted.algorithm || told.value.includes("-")) return undefined;
  return told.value;
}

function keepChecksum(upload: Upload, part: Part, value: string | undefined): void {
  if (upload.checksum?.type === "COMPOSITE" && value !== undefined) upload.checksums[part.number - 1] = value;
}

/** What documents call the upload's kind of checksum. */
function checksumElement({ checksum }: Upload): string {
  return `Checksum${checksum?.algorithm.toUpperCase()}`;
}

async function finish(
  copy: PartsCopy,
  { layout, isStreamed }: { readonly layout: Layout; readonly isStreamed: boolean },
  upload: Upload,
): Promise<AttemptOutcome> {
  if (upload.error !== undefined) return broken(copy, upload, upload.error);
  const kept = isMultipartEtag(copy.etag) && multipartEtag(upload.etags) === copy.etag;
  if (!kept && !layout.final) {
    await abort(upload);
    return "layout";
  }
  try {
    if (!(await upload.write.mayGoAhead("conditionalComplete", copy.signal))) {
      await abort(upload);
      return { kind: "moved-on" };
    }
    const { written, answered } = await complete(copy, upload);
    await release(upload);
    const { write } = upload;
    const isChecked = write.settle(copy.content, await withEncryption(answered, { write, content: copy.content, signal: copy.signal }));
    const isKept = kept && written.etag === copy.etag;
    if (!isKept) upload.write.notes.add("ETagNotKept");
    const ours = isStreamed && upload.isProven ? "streamed-hash" : "provider";
    // Where all parts have the hashes that the source's ETag is made of, they are its parts, whatever the whole is called.
    const proof = isKept ? "etag" : isChecked || kept ? "checksum" : ours;
    return { kind: "copied", ...written, proof, notes: [...upload.write.notes] };
  } catch (error) {
    if (isReplicationError(error) && !upload.write.hasMovedOn(error)) return broken(copy, upload, error);
    await abort(upload);
    return isReplicationError(error) ? { kind: "moved-on" } : failedOutcome(error);
  }
}

/** What comes of an upload that did not get to its end: it is left where the next attempt may go on with it, else aborted. */
async function broken(copy: PartsCopy, upload: Upload, error: ReplicationError): Promise<AttemptOutcome> {
  if (upload.bound !== undefined && mayGoOn(error)) return { kind: "failed", error };
  await abort(upload);
  const outcome = failure(copy, upload, error);
  if (outcome === "checksum" || !upload.isResumed || !mayBeOfLeft(error)) return outcome;
  await release(upload);
  return "left";
}

/** The outcome for an upload that was aborted: `checksum` where it failed for the checksums of its parts, which it is then tried without. */
function failure(copy: PartsCopy, { checksum, write }: Upload, error: ReplicationError): AttemptOutcome {
  if (checksum === undefined || !isAbout(error, "checksum")) return { kind: "failed", error };
  write.guards.giveUpChecksum();
  write.facts.partChecksumsLost.add(copy.source.store.bucket.id);
  return "checksum";
}

async function complete(copy: PartsCopy, upload: Upload): Promise<{ readonly written: WriteResult; readonly answered: ResponseHeaders }> {
  const name = checksumElement(upload);
  const parts = upload.etags.map((etag, i) => {
    const value = upload.checksums[i];
    const checksum = value === undefined ? "" : `<${name}>${encodeXml(value)}</${name}>`;
    return `<Part><PartNumber>${i + 1}</PartNumber><ETag>"${encodeXml(etag)}"</ETag>${checksum}</Part>`;
  });
  const xml = `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${parts.join("")}</CompleteMultipartUpload>`;
  const body = Buffer.from(xml);
  const request = { ...uploadRequest(upload, "CompleteMultipartUpload", "POST"), query: { uploadId: upload.uploadId }, body };
  const conditions = upload.write.conditions("conditionalComplete");
  const headers = { "content-length": String(body.length), "content-type": "application/xml", ...conditions };
  const answer = await upload.write.facts.store.client.send({ ...request, headers, signal: copy.signal });
  const error = copyError(answer, upload.write, "CompleteMultipartUpload");
  if (error !== undefined) throw error;
  const said = answer.body.toString("utf8");
  const checksum = elementText(said, name);
  const answered = { ...upload.begun, ...answer.headers };
  if (checksum !== undefined) answered[`x-amz-checksum-${upload.checksum?.algorithm}`] = checksum;
  return { written: { ...toWriteResult(answer), etag: etagOf(said) }, answered };
}

/**
 * Lets the destination forget the parts. A failure to do so is no failure of the object: what is bound is come back to, and lifecycle rules clear
 * what is not.
 */
async function abort(upload: Upload): Promise<void> {
  const { store } = upload.write.facts;
  const error = await abortUpload({ store, key: upload.write.destination.key, uploadId: upload.uploadId });
  if (error === undefined || !mayGoOn(error)) await release(upload);
}

/** The upload has ended. Where the state does not take that now the row stays, and is found to be of nothing. */
async function release(upload: Upload): Promise<void> {
  const { bound } = upload;
  upload.bound = undefined;
  await bound?.slot.release(bound.upload).catch(() => undefined);
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
