import type { Bucket } from "../../../domain/bucket.ts";
import { isReplicationError, ReplicationError } from "../../../domain/error.ts";
import type { ListedObject, ObjectState } from "../../../domain/object.ts";
import type {
  BucketDescription,
  ByteRange,
  HeadOptions,
  ListOptions,
  ListPage,
  ObjectStore,
  PutOptions,
  ReadOptions,
  WriteResult,
} from "../../../ports/object-store.ts";
import type { S3Client, S3Request } from "./client.ts";
import { type Answer, toStoreError } from "./errors.ts";
import { toObjectState, toRequestHeaders, unquoteEtag } from "./headers.ts";
import { ambiguousKeys, decodeListedKey, type KeyEncoding, parseListing, provenEncoding } from "./listing.ts";
import { elements, elementText } from "./xml.ts";

/** One bucket behind an S3 endpoint. */
export class S3ObjectStore implements ObjectStore {
  readonly bucket: Bucket;
  readonly client: S3Client;
  #keyEncoding: KeyEncoding | undefined;

  constructor(bucket: Bucket, client: S3Client) {
    this.bucket = bucket;
    this.client = client;
  }

  async list(options: ListOptions = {}): Promise<ListPage> {
    const answer = await this.client.expect(this.#request("GET", "ListObjectsV2", { query: listQuery(options), signal: options.signal }));
    const page = parseListing(answer.body.toString("utf8"));
    return { objects: await this.#decoded(page.objects, options.signal), nextContinuationToken: page.nextContinuationToken };
  }

  async head(key: string, options: HeadOptions = {}): Promise<ObjectState | undefined> {
    const query: Record<string, string> = {};
    if (options.versionId !== undefined) query["versionId"] = options.versionId;
    if (options.partNumber !== undefined) query["partNumber"] = String(options.partNumber);
    const headers: Record<string, string> = options.checksums === true ? { "x-amz-checksum-mode": "ENABLED" } : {};
    const request = this.#request("HEAD", "HeadObject", { key, query, headers, signal: options.signal });
    const answer = await this.client.send(request);
    if (isSuccess(answer)) return toObjectState(key, answer.headers);
    return this.#absent(answer, request);
  }

  async get(key: string, options: ReadOptions = {}): Promise<{ readonly state: ObjectState; readonly body: Uint8Array } | undefined> {
    const request = this.#request("GET", "GetObject", { key, query: versionQuery(options), signal: options.signal });
    const answer = await this.client.send(request);
    if (isSuccess(answer)) return { state: toObjectState(key, answer.headers), body: answer.body };
    return this.#absent(answer, request);
  }

  async read(key: string, { start, endExclusive }: ByteRange, signal?: AbortSignal): Promise<Uint8Array> {
    if (start === endExclusive) return new Uint8Array(0);
    const request = this.#request("GET", "GetObject", { key, headers: { range: `bytes=${start}-${endExclusive - 1}` }, signal });
    const { body } = await this.client.expect(request);
    if (body.byteLength === endExclusive - start) return body;
    const message = `${this.bucket.name}/${key}: asked for ${endExclusive - start} bytes, got ${body.byteLength}`;
    throw new ReplicationError("MalformedResponse", message, { at: at(request) });
  }

  async tags(key: string, options: ReadOptions = {}): Promise<Readonly<Record<string, string>>> {
    const query = { tagging: "", ...versionQuery(options) };
    const answer = await this.client.expect(this.#request("GET", "GetObjectTagging", { key, query, signal: options.signal }));
    const tags: Record<string, string> = {};
    for (const tag of elements(answer.body.toString("utf8"), "Tag")) tags[elementText(tag, "Key") ?? ""] = elementText(tag, "Value") ?? "";
    return tags;
  }

  async put(key: string, body: Uint8Array, options: PutOptions = {}): Promise<WriteResult> {
    const headers = options.attributes === undefined ? {} : toRequestHeaders(options.attributes);
    if (options.ifMatch !== undefined) headers["if-match"] = `"${options.ifMatch}"`;
    if (options.ifNoneMatch !== undefined) headers["if-none-match"] = options.ifNoneMatch;
    headers["content-length"] = String(body.byteLength);
    const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    const answer = await this.client.expect(this.#request("PUT", "PutObject", { key, headers, body: bytes, signal: options.signal }));
    return toWriteResult(answer);
  }

  async delete(key: string, options: ReadOptions = {}): Promise<void> {
    const request = this.#request("DELETE", "DeleteObject", { key, query: versionQuery(options), signal: options.signal });
    const answer = await this.client.send(request);
    if (!isSuccess(answer) && elementText(answer.body.toString("utf8"), "Code") !== "NoSuchKey") throw toStoreError(answer, at(request));
  }

  async describe(signal?: AbortSignal): Promise<BucketDescription> {
    const request = this.#request("GET", "GetBucketVersioning", { query: { versioning: "" }, signal });
    const versioning = await this.client.send(request);
    // A store that does not implement versioning answers 501: then its buckets are unversioned.
    if (!isSuccess(versioning) && versioning.status !== 501) throw toStoreError(versioning, at(request));
    const status = elementText(versioning.body.toString("utf8"), "Status");
    const [objectLock, website] = await Promise.all([
      this.#has("GetObjectLockConfiguration", "object-lock", signal),
      this.#has("GetBucketWebsite", "website", signal),
    ]);
    return { versioning: status === "Enabled" || status === "Suspended" ? status : "Unversioned", objectLock, website };
  }

  /** Whether a bucket has a configuration; true where that may not be asked, since then it may have. */
  async #has(operation: string, name: string, signal: AbortSignal | undefined): Promise<boolean> {
    const request = this.#request("GET", operation, { query: { [name]: "" }, signal });
    const answer = await this.client.send(request);
    if (answer.status === 429 || (answer.status >= 500 && answer.status !== 501)) throw toStoreError(answer, at(request));
    return isSuccess(answer) || answer.status === 403;
  }

  /** Undefined for an object that is not there; what is not there for any other reason is thrown. */
  async #absent(answer: Answer, request: S3Request): Promise<undefined> {
    const error = toStoreError(answer, at(request));
    if (answer.status === 405 || (answer.status === 404 && answer.headers["x-amz-delete-marker"] === "true")) return undefined;
    if (error.code !== "NoSuchKey" && error.code !== "NoSuchVersion") throw error;
    // A HEAD has no body, so a missing bucket looks like a missing key: ask for the bucket itself before anyone believes in an absence.
    // For one key, not for none: MinIO answers a listing of no keys without looking for the bucket.
    if (request.method === "HEAD")
      await this.client.expect(
        this.#request("GET", "ListObjectsV2", { query: { "list-type": "2", "max-keys": "1" }, signal: request.signal }),
      );
    return undefined;
  }

  /** Gives keys their true form; how the server writes them is learned once, by asking for both readings of keys in doubt. */
  async #decoded(objects: readonly ListedObject[], signal: AbortSignal | undefined): Promise<readonly ListedObject[]> {
    const doubtful = ambiguousKeys(objects);
    if (doubtful.length === 0) return objects;
    this.#keyEncoding ??= provenEncoding(objects) ?? (await this.#learnEncoding(doubtful, signal));
    if (this.#keyEncoding === "raw") return objects;
    return objects.map((object) => ({ ...object, key: decodeListedKey(object.key) }));
  }

  /** Undefined where none of the keys tells, because neither of its readings exists any more. */
  async #learnEncoding(keys: readonly string[], signal: AbortSignal | undefined): Promise<KeyEncoding | undefined> {
    for (const key of keys) {
      const decoded = decodeListedKey(key);
      if (decoded === key) return "raw";
      const [asDecoded, asRaw] = await Promise.all([this.#exists(decoded, signal), this.#exists(key, signal)]);
      if (asDecoded && asRaw) return await this.#writtenAs(key, signal);
      if (asDecoded !== asRaw) return asDecoded ? "url" : "raw";
    }
    return undefined;
  }

  /** How the server writes a key that is there and that it would have to encode: it is the first under itself as a prefix. */
  async #writtenAs(key: string, signal: AbortSignal | undefined): Promise<KeyEncoding> {
    const request = this.#request("GET", "ListObjectsV2", { query: listQuery({ prefix: key, maxKeys: 1 }), signal });
    const [first] = parseListing((await this.client.expect(request)).body.toString("utf8")).objects;
    return first?.key === key ? "raw" : "url";
  }

  /** A key that the store refuses to hear of is not there. */
  async #exists(key: string, signal: AbortSignal | undefined): Promise<boolean> {
    try {
      return (await this.head(key, { signal })) !== undefined;
    } catch (error) {
      if (isReplicationError(error) && (error.code === "InvalidRequest" || error.code === "KeyNotRepresentable")) return false;
      throw error;
    }
  }

  #request(method: S3Request["method"], operation: string, rest: Partial<S3Request>): S3Request {
    return { method, operation, bucket: this.bucket.bucket, ...rest };
  }
}

export function toWriteResult(answer: Answer): WriteResult {
  const versionId = answer.headers["x-amz-version-id"];
  return { etag: unquoteEtag(answer.headers["etag"] ?? ""), versionId: versionId === "null" ? undefined : versionId };
}

/** The ETag inside an XML answer (CopyObject, UploadPartCopy, CompleteMultipartUpload). */
export function etagOf(xml: string): string {
  return unquoteEtag(elementText(xml, "ETag") ?? "");
}

function isSuccess(answer: Answer): boolean {
  return answer.status >= 200 && answer.status < 300;
}

function at(request: S3Request): { operation: string; bucket: string; key: string | undefined } {
  return { operation: request.operation, bucket: request.bucket, key: request.key };
}

function versionQuery(options: ReadOptions): Record<string, string> {
  return options.versionId === undefined ? {} : { versionId: options.versionId };
}

function listQuery(options: ListOptions): Record<string, string> {
  const query: Record<string, string> = { "list-type": "2", "encoding-type": "url", "max-keys": String(options.maxKeys ?? 1000) };
  if (options.prefix) query["prefix"] = options.prefix;
  if (options.continuationToken !== undefined) query["continuation-token"] = options.continuationToken;
  else if (options.startAfter !== undefined) query["start-after"] = options.startAfter;
  return query;
}
