import { createHash } from "node:crypto";
import type { Bucket } from "../domain/bucket.ts";
import { ReplicationError } from "../domain/error.ts";
import { compareKeys, type ListedObject, type ObjectAttributes, type ObjectState } from "../domain/object.ts";
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
  Versioning,
  VersionPage,
  WriteResult,
} from "../ports/object-store.ts";

interface StoredObject {
  readonly state: ObjectState;
  readonly body: Uint8Array;
}

const NO_ATTRIBUTES: ObjectAttributes = { systemHeaders: {}, metadata: {} };

/** A bucket of a store named `one`, unless told otherwise. */
export function bucketOf(bucket: string, store = "one"): Bucket {
  return { id: `s3://${store}.example/${bucket}`, name: `${store}:${bucket}`, store, bucket };
}

/** One unversioned bucket in memory, for tests of what is built on the port. Objects can be planted in states that no put leads to. */
export class MemoryObjectStore implements ObjectStore {
  readonly bucket: Bucket;
  readonly #objects = new Map<string, StoredObject>();
  #lastModified = Date.UTC(2026, 0, 1);

  constructor(bucket: Bucket) {
    this.bucket = bucket;
  }

  /** Puts an object there with exactly this state, whatever its body. */
  plant(key: string, overrides: Partial<ObjectState> = {}, body: string = key): ObjectState {
    const bytes = Buffer.from(body);
    const attributes = overrides.attributes ?? NO_ATTRIBUTES;
    const state: ObjectState = {
      key,
      etag: createHash("md5").update(bytes).digest("hex"),
      sizeBytes: bytes.length,
      lastModified: this.#lastModified,
      attributes,
      tagCount: Object.keys(attributes.tags ?? {}).length,
      etagMayBeMd5: true,
      ...overrides,
    };
    this.#objects.set(key, { state, body: bytes });
    return state;
  }

  keys(): readonly string[] {
    return [...this.#objects.keys()].sort(compareKeys);
  }

  async list(options: ListOptions = {}): Promise<ListPage> {
    const after = options.continuationToken ?? options.startAfter;
    const matching = this.keys().filter(
      (key) => key.startsWith(options.prefix ?? "") && (after === undefined || compareKeys(key, after) > 0),
    );
    const keys = matching.slice(0, options.maxKeys ?? 1000);
    const objects = keys.map((key): ListedObject => {
      const { etag, sizeBytes, lastModified, storageClass } = this.#found(key).state;
      return { key, etag, sizeBytes, lastModified, storageClass };
    });
    return { objects, nextContinuationToken: keys.length < matching.length ? keys.at(-1) : undefined };
  }

  async head(key: string, options: HeadOptions = {}): Promise<ObjectState | undefined> {
    const state = this.#objects.get(key)?.state;
    if (state === undefined) return undefined;
    const { tags: _, ...attributes } = state.attributes;
    return { ...state, attributes, checksums: options.checksums === true ? state.checksums : undefined };
  }

  async get(key: string): Promise<{ readonly state: ObjectState; readonly body: Uint8Array } | undefined> {
    return this.#objects.get(key);
  }

  async read(key: string, { start, endExclusive }: ByteRange): Promise<Uint8Array> {
    return this.#found(key).body.subarray(start, endExclusive);
  }

  async tags(key: string): Promise<Readonly<Record<string, string>>> {
    return this.#found(key).state.attributes.tags ?? {};
  }

  async put(key: string, body: Uint8Array, options: PutOptions = {}): Promise<WriteResult> {
    const current = this.#objects.get(key)?.state;
    const isRefused =
      (options.ifNoneMatch !== undefined && current !== undefined) || (options.ifMatch !== undefined && options.ifMatch !== current?.etag);
    if (isRefused) throw refused(key);
    this.#lastModified += 1000;
    return { etag: this.plant(key, { attributes: options.attributes ?? NO_ATTRIBUTES }, Buffer.from(body).toString()).etag };
  }

  async delete(key: string, options: DeleteOptions = {}): Promise<DeleteResult> {
    const current = this.#objects.get(key)?.state;
    if (current !== undefined && options.ifMatch !== undefined && options.ifMatch !== current.etag) throw refused(key);
    this.#objects.delete(key);
    return { deleteMarker: false };
  }

  async observe(key: string, options: HeadOptions = {}): Promise<Observation> {
    const state = await this.head(key, options);
    return state === undefined ? { kind: "absent" } : { kind: "object", state };
  }

  /** As of a bucket that never had versions: each object is its own and only one. */
  async listVersions(options: ListVersionsOptions = {}): Promise<VersionPage> {
    const { prefix, keyMarker, maxKeys } = options;
    const page = await this.list({ prefix, startAfter: keyMarker, maxKeys });
    const versions = page.objects.map((object) => ({ ...object, versionId: "null", isLatest: true, isDeleteMarker: false }));
    const { nextContinuationToken } = page;
    return { versions, next: nextContinuationToken === undefined ? undefined : { keyMarker: nextContinuationToken } };
  }

  async putTags(key: string, tags: Readonly<Record<string, string>>): Promise<void> {
    const { state, body } = this.#found(key);
    const attributes = { ...state.attributes, tags };
    this.#objects.set(key, { state: { ...state, attributes, tagCount: Object.keys(tags).length }, body });
  }

  async capabilities(): Promise<Capabilities> {
    return { conditionalPut: true, conditionalCopy: true, conditionalComplete: true, conditionalDelete: true };
  }

  async describe(): Promise<BucketDescription> {
    return { versioning: await this.versioning(), objectLock: false, website: false };
  }

  async versioning(): Promise<Versioning> {
    return "Unversioned";
  }

  #found(key: string): StoredObject {
    const found = this.#objects.get(key);
    if (found === undefined) throw new ReplicationError("NoSuchKey", `${this.bucket.name}/${key}: no such key`);
    return found;
  }
}

function refused(key: string): ReplicationError {
  return new ReplicationError("PreconditionFailed", `${key}: a condition did not hold`);
}
