import { isReplicationError, type ReplicationError, toReplicationError } from "../../../domain/error.ts";
import { Body } from "../../../embedded-s3/body.ts";
import type { WantedChecksum } from "../../../embedded-s3/checksum.ts";
import type { EmbeddedS3Model } from "../../../embedded-s3/model.ts";
import type { UploadedPart } from "../../../embedded-s3/multipart-uploads.ts";
import type { CopySource } from "../../../embedded-s3/object-copy.ts";
import type { ObjectRead } from "../../../embedded-s3/object-read.ts";
import type { TransferOutcome } from "../../../ports/transfer.ts";
import type { BoundUpload } from "../../../ports/uploads.ts";
import { exactLayout, type Part } from "../s3/part-layout.ts";
import { mayGoOn, pinOf, type UploadSlot } from "../upload-slots.ts";
import type { CallPlace, ModelCall, ModelCalls } from "./model-calls.ts";
import type { Replica, ReplicaContent } from "./replica.ts";

/** A source that was uploaded in parts, to be copied in the same ones so that its ETag stays what it is. */
export interface PartsSource {
  readonly calls: ModelCalls;
  readonly key: string;
  readonly read: ObjectRead;
  /** The source as it was read, and no other. */
  readonly pinned: CopySource;
  readonly content: ReplicaContent;
  readonly isLocal: (replica: Replica) => boolean;
  /** What the upload of a destination is bound to; undefined where it is not bound. */
  readonly slotOf: (replica: Replica) => UploadSlot | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Returns what copies the source to one destination; each part is read at most once for all of them. */
export function copyInParts(source: PartsSource): (replica: Replica) => Promise<TransferOutcome> {
  const layout = exactLayout((source.read.version.parts ?? [source.read.version.body]).map(({ sizeBytes }) => sizeBytes));
  const reads = new Map<number, Promise<Body>>();
  const readOnce = (part: Part) => {
    const reading = reads.get(part.number) ?? readPart(source, part);
    reads.set(part.number, reading);
    return reading;
  };
  return (replica) => new Upload({ source, replica, readOnce }).run(layout);
}

async function readPart({ calls, key, pinned, signal }: PartsSource, part: Part): Promise<Body> {
  if (part.sizeBytes === 0) return Body.EMPTY;
  const { versionId, conditions } = pinned;
  const input = { versionId, conditions, range: { first: part.start, last: part.start + part.sizeBytes - 1 } };
  const { content } = await calls.run("get", { key, signal }, (model, bucket) => model.getObject(bucket, key, input));
  return new Body(content);
}

interface UploadSides {
  readonly source: PartsSource;
  readonly replica: Replica;
  readonly readOnce: (part: Part) => Promise<Body>;
}

/** Parts by their numbers. */
type Parts = ReadonlyMap<number, UploadedPart>;

interface OpenUpload {
  readonly uploadId: string;
  /** What an earlier attempt has uploaded. */
  readonly found: Parts;
}

/** One upload at one destination; ends by Complete or Abort, or, where it is bound, is left for the next attempt. */
class Upload {
  readonly #source: PartsSource;
  readonly #replica: Replica;
  readonly #readOnce: (part: Part) => Promise<Body>;
  readonly #key: string;
  readonly #place: CallPlace;
  readonly #slot: UploadSlot | undefined;
  /** Undefined while nothing is bound. */
  #bound: BoundUpload | undefined;

  constructor({ source, replica, readOnce }: UploadSides) {
    this.#source = source;
    this.#replica = replica;
    this.#readOnce = readOnce;
    this.#key = replica.destination.key;
    this.#place = { key: this.#key, signal: source.signal };
    this.#slot = source.slotOf(replica);
  }

  async run(layout: readonly Part[]): Promise<TransferOutcome> {
    try {
      return await this.#run(layout);
    } finally {
      this.#slot?.free();
    }
  }

  async #run(layout: readonly Part[]): Promise<TransferOutcome> {
    let open: OpenUpload | undefined;
    let outcomeOf = (error: unknown) => this.#replica.failed(error); // until the object is to be made of the parts, no condition of the destination is asked
    try {
      const pin = this.#pinOf(layout);
      open = (await this.#resume(pin)) ?? (await this.#begin(pin));
      const parts: UploadedPart[] = [];
      for (const part of layout) parts.push(ofSize(open.found.get(part.number), part) ?? (await this.#part(open.uploadId, part)));
      outcomeOf = (error) => this.#replica.outcomeOf(error);
      return await this.#complete(open.uploadId, parts);
    } catch (error) {
      const outcome = outcomeOf(error);
      const isLeft = this.#bound !== undefined && outcome.kind === "failed" && mayGoOn(outcome.error);
      if (open !== undefined && !isLeft) await this.#abort(open.uploadId);
      return outcome;
    }
  }

  #pinOf(layout: readonly Part[]): string {
    const { read, content } = this.#source;
    const { storageClass, encryption, preserve, stamp } = this.#replica.destination;
    const { lock, acl, encryption: ofSource, checksum } = content.guards;
    const given = [content.storageClass, lock, acl, ofSource, checksum, storageClass, encryption, preserve, stamp];
    const partSizes = layout.map(({ sizeBytes }) => sizeBytes);
    return pinOf({ source: read.version, partSizes, attributes: content.attributes, given });
  }

  /** What an earlier attempt left, where it is of the same; any other upload is aborted (invariant 2). */
  async #resume(pin: string): Promise<OpenUpload | undefined> {
    const left = await this.#slot?.bound();
    if (left === undefined) return undefined;
    const { uploadId } = left;
    const found = left.pin === pin ? await this.#listParts(uploadId) : undefined;
    this.#bound = left;
    if (found === undefined) {
      await this.#abort(uploadId);
      return undefined;
    }
    for (const note of JSON.parse(left.memo) as readonly string[]) this.#replica.notes.add(note);
    return { uploadId, found };
  }

  /** Undefined where there is no such upload. */
  async #listParts(uploadId: string): Promise<Parts | undefined> {
    try {
      return await this.#call("listParts", (model, bucket) => new Map(model.upload(bucket, this.#key, uploadId).parts));
    } catch (error) {
      if (isReplicationError(error) && error.code === "NoSuchUpload") return undefined;
      throw error;
    }
  }

  /** Begins an upload and binds it before its first part. */
  async #begin(pin: string): Promise<OpenUpload> {
    const uploadId = await this.#replica.write(() => this.#create());
    try {
      this.#bound = await this.#slot?.bind({ uploadId, pin, memo: JSON.stringify([...this.#replica.notes]) });
    } catch (error) {
      await this.#abort(uploadId);
      throw error;
    }
    return { uploadId, found: new Map() };
  }

  async #create(): Promise<string> {
    const { content } = this.#source;
    const { checksum } = content.guards;
    const input = {
      ...this.#replica.guards(content.guards),
      checksumAlgorithm: checksum?.algorithm,
      checksumType: checksum?.type,
      attributes: this.#replica.attributes(content.attributes),
      storageClass: this.#replica.storageClass(content.storageClass),
    };
    const { uploadId } = await this.#call("create", (model, bucket) => model.createUpload(bucket, this.#key, input));
    return uploadId;
  }

  async #part(uploadId: string, part: Part): Promise<UploadedPart> {
    const source = this.#source;
    if (!source.isLocal(this.#replica) || part.sizeBytes === 0) {
      const input = { uploadId, partNumber: part.number, body: await this.#readOnce(part), checksum: this.#partChecksum };
      return this.#call("part", (model, bucket) => model.uploadPart(bucket, this.#key, input));
    }
    // A range is refused for sources as small as one part.
    const isWhole = part.sizeBytes === source.read.version.body.sizeBytes;
    const range = isWhole ? undefined : { first: part.start, last: part.start + part.sizeBytes - 1 };
    const input = { uploadId, partNumber: part.number, source: source.pinned, range };
    return this.#call("copyPart", (model, bucket) => model.uploadPartCopy(bucket, this.#key, input));
  }

  /** Of a composite checksum every part has its own. */
  get #partChecksum(): WantedChecksum | undefined {
    const { checksum } = this.#source.content.guards;
    return checksum?.type === "COMPOSITE" ? { algorithm: checksum.algorithm } : undefined;
  }

  async #complete(uploadId: string, parts: readonly UploadedPart[]): Promise<TransferOutcome> {
    if (!(await this.#replica.mayGoAhead("complete", this.#source.signal))) {
      await this.#abort(uploadId);
      return { kind: "moved-on" };
    }
    const listed = parts.map((part) => ({ ...part, checksums: part.checksum && { [part.checksum.algorithm]: part.checksum.value } }));
    const input = { ...this.#replica.conditions("complete"), uploadId, parts: listed };
    const { etag, versionId } = await this.#call("complete", (model, bucket) => model.completeUpload(bucket, this.#key, input));
    await this.#release();
    const kept = etag === this.#source.read.version.etag;
    if (!kept) this.#replica.notes.add("ETagNotKept");
    const proof = kept ? "etag" : this.#source.isLocal(this.#replica) ? "provider" : "streamed-hash";
    return { kind: "copied", etag, versionId, proof, notes: [...this.#replica.notes] };
  }

  /** Lets the destination forget the parts, also after an interruption. A failure to do so is no failure of the object. */
  async #abort(uploadId: string): Promise<void> {
    const error = await abortUpload(this.#replica.calls, { key: this.#key, uploadId });
    if (error === undefined || !mayGoOn(error)) await this.#release();
  }

  /** The upload has ended. Where the state does not take that now the row stays, and is found to be of nothing. */
  async #release(): Promise<void> {
    const bound = this.#bound;
    this.#bound = undefined;
    if (bound !== undefined) await this.#slot?.release(bound).catch(() => undefined);
  }

  #call<T>(call: ModelCall, effect: (model: EmbeddedS3Model, bucket: string) => T): Promise<T> {
    return this.#replica.calls.run(call, this.#place, effect);
  }
}

function ofSize(part: UploadedPart | undefined, { sizeBytes }: Part): UploadedPart | undefined {
  return part?.body.sizeBytes === sizeBytes ? part : undefined;
}

/** Aborts an upload. Returns why it may still be there; undefined where there is none any more. */
export async function abortUpload(
  calls: ModelCalls,
  { key, uploadId }: { readonly key: string; readonly uploadId: string },
): Promise<ReplicationError | undefined> {
  try {
    await calls.run("abort", { key }, (model, bucket) => model.abortUpload(bucket, key, uploadId));
    return undefined;
  } catch (error) {
    const cause = toReplicationError(error);
    return cause.code === "NoSuchUpload" ? undefined : cause;
  }
}
