import { Body } from "../../../embedded-s3/body.ts";
import type { WantedChecksum } from "../../../embedded-s3/checksum.ts";
import type { EmbeddedS3Model } from "../../../embedded-s3/model.ts";
import type { UploadedPart } from "../../../embedded-s3/multipart-uploads.ts";
import type { CopySource } from "../../../embedded-s3/object-copy.ts";
import type { ObjectRead } from "../../../embedded-s3/object-read.ts";
import type { TransferOutcome } from "../../../ports/transfer.ts";
import { exactLayout, type Part } from "../s3/part-layout.ts";
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

/** One upload at one destination; ends by Complete or Abort, never otherwise. */
class Upload {
  readonly #source: PartsSource;
  readonly #replica: Replica;
  readonly #readOnce: (part: Part) => Promise<Body>;
  readonly #key: string;
  readonly #place: CallPlace;

  constructor({ source, replica, readOnce }: UploadSides) {
    this.#source = source;
    this.#replica = replica;
    this.#readOnce = readOnce;
    this.#key = replica.destination.key;
    this.#place = { key: this.#key, signal: source.signal };
  }

  async run(layout: readonly Part[]): Promise<TransferOutcome> {
    let uploadId: string | undefined;
    let outcomeOf = (error: unknown) => this.#replica.failed(error); // until the object is to be made of the parts, no condition of the destination is asked
    try {
      uploadId = await this.#replica.write(() => this.#create());
      const parts: UploadedPart[] = [];
      for (const part of layout) parts.push(await this.#part(uploadId, part));
      outcomeOf = (error) => this.#replica.outcomeOf(error);
      return await this.#complete(uploadId, parts);
    } catch (error) {
      if (uploadId !== undefined) await this.#abort(uploadId);
      return outcomeOf(error);
    }
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
    const { uploadId } = await this.#run("create", (model, bucket) => model.createUpload(bucket, this.#key, input));
    return uploadId;
  }

  async #part(uploadId: string, part: Part): Promise<UploadedPart> {
    const source = this.#source;
    if (!source.isLocal(this.#replica) || part.sizeBytes === 0) {
      const input = { uploadId, partNumber: part.number, body: await this.#readOnce(part), checksum: this.#partChecksum };
      return this.#run("part", (model, bucket) => model.uploadPart(bucket, this.#key, input));
    }
    // A range is refused for sources as small as one part.
    const isWhole = part.sizeBytes === source.read.version.body.sizeBytes;
    const range = isWhole ? undefined : { first: part.start, last: part.start + part.sizeBytes - 1 };
    const input = { uploadId, partNumber: part.number, source: source.pinned, range };
    return this.#run("copyPart", (model, bucket) => model.uploadPartCopy(bucket, this.#key, input));
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
    const { etag, versionId } = await this.#run("complete", (model, bucket) => model.completeUpload(bucket, this.#key, input));
    const kept = etag === this.#source.read.version.etag;
    if (!kept) this.#replica.notes.add("ETagNotKept");
    const proof = kept ? "etag" : this.#source.isLocal(this.#replica) ? "provider" : "streamed-hash";
    return { kind: "copied", etag, versionId, proof, notes: [...this.#replica.notes] };
  }

  /** Lets the destination forget the parts, also after an interruption. A failure to do so is no failure of the object. */
  async #abort(uploadId: string): Promise<void> {
    await this.#replica.calls
      .run("abort", { key: this.#key }, (model, bucket) => model.abortUpload(bucket, this.#key, uploadId))
      .catch(() => undefined);
  }

  #run<T>(call: ModelCall, effect: (model: EmbeddedS3Model, bucket: string) => T): Promise<T> {
    return this.#replica.calls.run(call, this.#place, effect);
  }
}
