import type { Bucket } from "../../../domain/bucket.ts";
import { isReplicationError, ReplicationError } from "../../../domain/error.ts";
import type { ObjectState } from "../../../domain/object.ts";
import { Body } from "../../../embedded-s3/body.ts";
import type {
  BucketDescription,
  ByteRange,
  Capabilities,
  DeleteOptions,
  DeleteResult,
  HeadOptions,
  ListOptions,
  ListPage,
  ListVersionsOptions,
  ObjectStore,
  Observation,
  PutOptions,
  ReadOptions,
  Versioning,
  VersionPage,
  WriteResult,
} from "../../../ports/object-store.ts";
import { type EmbeddedBucketOptions, ModelCalls, refusalOf } from "./model-calls.ts";
import { EmbeddedObjectGuards } from "./object-guards.ts";
import { toListedObject, toObjectState, toVersionPage } from "./object-state.ts";

/** One bucket of an in-memory S3, without HTTP. Reads no clock and draws no random number, so that a run can be repeated exactly. */
export class EmbeddedObjectStore implements ObjectStore {
  readonly bucket: Bucket;
  readonly calls: ModelCalls;
  readonly guards: EmbeddedObjectGuards;
  readonly #isHidden: (key: string) => boolean;
  readonly #backwards: boolean;

  constructor(options: EmbeddedBucketOptions) {
    this.bucket = options.bucket;
    this.calls = new ModelCalls(options);
    this.guards = new EmbeddedObjectGuards(this.calls);
    this.#isHidden = options.hidesKey ?? (() => false);
    this.#backwards = options.listsOutOfOrder ?? false;
  }

  async list({ signal, ...input }: ListOptions = {}): Promise<ListPage> {
    const page = await this.calls.run("list", { signal }, (model, bucket) => model.list(bucket, input));
    const objects = page.objects.filter(({ key }) => !this.#isHidden(key)).map(toListedObject);
    return { objects: this.#backwards ? objects.reverse() : objects, nextContinuationToken: page.nextContinuationToken };
  }

  async head(key: string, options: HeadOptions = {}): Promise<ObjectState | undefined> {
    const seen = await this.observe(key, options);
    return seen.kind === "object" ? seen.state : undefined;
  }

  async get(key: string, options: ReadOptions = {}): Promise<{ readonly state: ObjectState; readonly body: Uint8Array } | undefined> {
    const { versionId, signal } = options;
    try {
      const read = await this.calls.run("get", { key, signal }, (model, bucket) => model.getObject(bucket, key, { versionId }));
      return { state: toObjectState(read), body: Buffer.concat(read.content) };
    } catch (error) {
      if (absenceIn(error) === undefined) throw error;
      return undefined;
    }
  }

  async read(key: string, { start, endExclusive }: ByteRange, signal?: AbortSignal): Promise<Uint8Array> {
    if (start === endExclusive) return new Uint8Array(0);
    const range = { first: start, last: endExclusive - 1 };
    const { content } = await this.calls.run("get", { key, signal }, (model, bucket) => model.getObject(bucket, key, { range }));
    const bytes = Buffer.concat(content);
    if (bytes.byteLength === endExclusive - start) return bytes;
    const message = `${this.bucket.name}/${key}: asked for ${endExclusive - start} bytes, got ${bytes.byteLength}`;
    throw new ReplicationError("MalformedResponse", message, { at: { operation: "GetObject", bucket: this.bucket.bucket, key } });
  }

  async tags(key: string, { versionId, signal }: ReadOptions = {}): Promise<Readonly<Record<string, string>>> {
    return (await this.calls.run("tags", { key, signal }, (model, bucket) => model.tags(bucket, key, versionId))).tags;
  }

  async put(key: string, body: Uint8Array, options: PutOptions = {}): Promise<WriteResult> {
    const { attributes, ifMatch, ifNoneMatch, signal } = options;
    const conditions = this.calls.honours.put ? { ifMatch, ifNoneMatch } : {};
    // A copy: the caller may go on to use the buffer for something else.
    const stored = Body.of(Uint8Array.from(body));
    const write = { ...conditions, attributes, body: stored };
    try {
      const { etag, versionId } = await this.calls.run("put", { key, signal }, (model, bucket) => model.putObject(bucket, key, write));
      return { etag, versionId };
    } catch (error) {
      // If-Match on what is not there: S3 answers that there is no such key, and means that the condition does not hold.
      if (ifMatch === undefined || !isReplicationError(error) || refusalOf(error)?.code !== "NoSuchKey") throw error;
      throw new ReplicationError("PreconditionFailed", error.message, { at: error.at, cause: error });
    }
  }

  async delete(key: string, { versionId, ifMatch, signal }: DeleteOptions = {}): Promise<DeleteResult> {
    const input = { versionId, ifMatch: this.calls.honours.delete ? ifMatch : undefined };
    try {
      const deleted = await this.calls.run("delete", { key, signal }, (model, bucket) => model.deleteObject(bucket, key, input));
      return { versionId: deleted.versionId, deleteMarker: deleted.deleteMarker };
    } catch (error) {
      if (absenceIn(error) === undefined) throw error;
      return { versionId: undefined, deleteMarker: false };
    }
  }

  async observe(key: string, options: HeadOptions = {}): Promise<Observation> {
    const { versionId, partNumber, signal } = options;
    try {
      const input = { versionId, partNumber };
      const read = await this.calls.run("head", { key, signal }, (model, bucket) => model.headObject(bucket, key, input));
      return { kind: "object", state: toObjectState(read, options) };
    } catch (error) {
      const absence = absenceIn(error);
      if (absence === undefined) throw error;
      return absence;
    }
  }

  async listVersions({ signal, ...input }: ListVersionsOptions = {}): Promise<VersionPage> {
    const page = await this.calls.run("listVersions", { signal }, (model, bucket) => model.listVersions(bucket, input));
    return toVersionPage(page, this.#isHidden);
  }

  async putTags(key: string, tags: Readonly<Record<string, string>>, { versionId, signal }: ReadOptions = {}): Promise<void> {
    await this.calls.run("putTags", { key, signal }, (model, bucket) => model.putTags(bucket, key, { tags, versionId }));
  }

  /** Known without a probe, so that nothing is written. */
  async capabilities(signal?: AbortSignal): Promise<Capabilities> {
    await this.calls.run("describe", { signal }, (model, bucket) => model.checkBucket(bucket));
    const { put, copy, complete, delete: remove } = this.calls.honours;
    return { conditionalPut: put, conditionalCopy: copy, conditionalComplete: complete, conditionalDelete: remove };
  }

  async describe(signal?: AbortSignal): Promise<BucketDescription> {
    return this.calls.run("describe", { signal }, (model, bucket) => ({
      versioning: model.versioning(bucket),
      objectLock: model.bucketLock(bucket) !== undefined,
      website: false,
    }));
  }

  async versioning(signal?: AbortSignal): Promise<Versioning> {
    return this.calls.run("describe", { signal }, (model, bucket) => model.versioning(bucket));
  }
}

/** What a refusal tells of what is under the key; undefined where it is about anything else. */
function absenceIn(error: unknown): Exclude<Observation, { kind: "object" }> | undefined {
  const refusal = refusalOf(error);
  if (refusal?.facts.deleteMarker === true) {
    const { versionId, lastModified } = refusal.facts;
    return { kind: "marker", versionId, lastModified };
  }
  return refusal?.code === "NoSuchKey" || refusal?.code === "NoSuchVersion" ? { kind: "absent" } : undefined;
}
