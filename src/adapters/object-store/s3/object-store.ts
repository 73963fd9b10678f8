import { hash } from "node:crypto";
import type { Bucket } from "../../../domain/bucket.ts";
import { isReplicationError, ReplicationError } from "../../../domain/error.ts";
import type { ListedObject, ObjectState } from "../../../domain/object.ts";
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
import { probeCapabilities } from "./capability-probe.ts";
import type { S3Client, S3Request } from "./client.ts";
import { type Answer, toStoreError } from "./errors.ts";
import { toObjectState, toRequestHeaders } from "./headers.ts";
import { ambiguousKeys, decodeListedKey, type KeyEncoding, parseListing, provenEncoding } from "./listing.ts";
import { S3ObjectGuards } from "./object-guards.ts";
import { inOrder, parseVersions } from "./version-listing.ts";
import { toWriteResult } from "./write-result.ts";
import { elements, elementText, encodeXml } from "./xml.ts";

/** What was found out about a bucket before, and where it is kept what is found out now. */
export interface CapabilityMemory {
  /** Undefined where nothing is known, or not of a server that calls itself so. */
  recall(server: string): Promise<Capabilities | undefined>;
  keep(server: string, capabilities: Capabilities): Promise<void>;
}

/** One bucket behind an S3 endpoint. */
export class S3ObjectStore implements ObjectStore {
  readonly bucket: Bucket;
  readonly client: S3Client;
  readonly guards: S3ObjectGuards;
  #keyEncoding: KeyEncoding | undefined;
  readonly #memory: CapabilityMemory | undefined;
  #capabilities: Promise<Capabilities> | undefined;

  constructor(bucket: Bucket, client: S3Client, memory?: CapabilityMemory) {
    this.bucket = bucket;
    this.client = client;
    this.guards = new S3ObjectGuards(bucket, client);
    this.#memory = memory;
  }

  async list(options: ListOptions = {}): Promise<ListPage> {
    const answer = await this.client.expect(this.#request("GET", "ListObjectsV2", { query: listQuery(options), signal: options.signal }));
    const page = parseListing(answer.body.toString("utf8"));
    return { objects: await this.#decoded(page.objects, options.signal), nextContinuationToken: page.nextContinuationToken };
  }

  async listVersions(options: ListVersionsOptions = {}): Promise<VersionPage> {
    const request = this.#request("GET", "ListObjectVersions", { query: versionsQuery(options), signal: options.signal });
    const page = parseVersions((await this.client.expect(request)).body.toString("utf8"));
    const versions = inOrder(await this.#decoded(page.versions, options.signal));
    if (page.next === undefined) return { versions };
    const isStuck = page.next.versionIdMarker === options.versionIdMarker && page.next.keyMarker === options.keyMarker;
    if (isStuck) throw new ReplicationError("MalformedResponse", "a listing of versions does not go on", { at: at(request) });
    const [marker] = await this.#decoded([{ key: page.next.keyMarker }], options.signal);
    return { versions, next: { keyMarker: marker?.key ?? "", versionIdMarker: page.next.versionIdMarker || undefined } };
  }

  async head(key: string, options: HeadOptions = {}): Promise<ObjectState | undefined> {
    const seen = await this.#look(key, options);
    return seen.kind === "object" ? seen.state : undefined;
  }

  async observe(key: string, options: HeadOptions = {}): Promise<Observation> {
    const seen = await this.#look(key, options);
    if (seen.kind !== "absent" || options.versionId !== undefined) return seen;
    return (await this.#untoldMarker(key, options.signal)) ?? seen;
  }

  async #look(key: string, options: HeadOptions): Promise<Observation> {
    const request = this.#headRequest(key, options);
    const answer = await this.client.send(request);
    if (isSuccess(answer)) return { kind: "object", state: toObjectState(key, answer.headers) };
    if (isMarker(answer)) return toMarker(answer);
    await this.#absent(answer, request);
    return { kind: "absent" };
  }

  #headRequest(key: string, options: HeadOptions): S3Request {
    const query: Record<string, string> = {};
    if (options.versionId !== undefined) query["versionId"] = options.versionId;
    if (options.partNumber !== undefined) query["partNumber"] = String(options.partNumber);
    const headers: Record<string, string> = options.checksums === true ? { "x-amz-checksum-mode": "ENABLED" } : {};
    return this.#request("HEAD", "HeadObject", { key, query, headers, signal: options.signal });
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
    const set = elements(answer.body.toString("utf8"), "Tag");
    // Not by assignment: a tag may be called `__proto__`.
    return Object.fromEntries(set.map((tag) => [elementText(tag, "Key") ?? "", elementText(tag, "Value") ?? ""]));
  }

  /** Whether the bucket encrypts what asks for nothing; undefined where that may not be known. */
  async encryptsByDefault(signal?: AbortSignal): Promise<boolean | undefined> {
    const request = this.#request("GET", "GetBucketEncryption", { query: { encryption: "" }, signal });
    const answer = await this.client.send(request);
    if (isSuccess(answer)) return answer.body.includes("SSEAlgorithm");
    if (answer.status === 404 || answer.status === 501) return false;
    if (answer.status === 429 || answer.status >= 500) throw toStoreError(answer, at(request));
    return undefined;
  }

  async put(key: string, body: Uint8Array, options: PutOptions = {}): Promise<WriteResult> {
    const headers = options.attributes === undefined ? {} : toRequestHeaders(options.attributes);
    if (options.ifMatch !== undefined) headers["if-match"] = `"${options.ifMatch}"`;
    if (options.ifNoneMatch !== undefined) headers["if-none-match"] = options.ifNoneMatch;
    headers["content-length"] = String(body.byteLength);
    const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    const request = this.#request("PUT", "PutObject", { key, headers, body: bytes, signal: options.signal });
    const answer = await this.client.send(request);
    if (isSuccess(answer)) return toWriteResult(answer);
    const error = toStoreError(answer, at(request));
    // If-Match on what is not there: S3 answers that there is no such key, and means that the condition does not hold.
    if (options.ifMatch === undefined || error.code !== "NoSuchKey") throw error;
    throw new ReplicationError("PreconditionFailed", error.message, { at: error.at, cause: error });
  }

  async delete(key: string, options: DeleteOptions = {}): Promise<DeleteResult> {
    const headers: Record<string, string> = options.ifMatch === undefined ? {} : { "if-match": `"${options.ifMatch}"` };
    const request = this.#request("DELETE", "DeleteObject", { key, query: versionQuery(options), headers, signal: options.signal });
    const answer = await this.client.send(request);
    if (!isSuccess(answer) && elementText(answer.body.toString("utf8"), "Code") !== "NoSuchKey") throw toStoreError(answer, at(request));
    return { versionId: answer.headers["x-amz-version-id"], deleteMarker: answer.headers["x-amz-delete-marker"] === "true" };
  }

  async putTags(key: string, tags: Readonly<Record<string, string>>, options: ReadOptions = {}): Promise<void> {
    const set = Object.entries(tags).map(([name, value]) => `<Tag><Key>${encodeXml(name)}</Key><Value>${encodeXml(value)}</Value></Tag>`);
    const body = Buffer.from(`<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><TagSet>${set.join("")}</TagSet></Tagging>`);
    const headers = {
      "content-length": String(body.length),
      "content-md5": hash("md5", body, "base64"),
      "content-type": "application/xml",
    };
    const query = { tagging: "", ...versionQuery(options) };
    await this.client.expect(this.#request("PUT", "PutObjectTagging", { key, query, headers, body, signal: options.signal }));
  }

  async capabilities(signal?: AbortSignal): Promise<Capabilities> {
    if (signal?.aborted) throw new ReplicationError("Aborted", `what ${this.bucket.name} honours was not asked: interrupted`);
    // Not ended by one caller's signal: others wait for the same answer, and what the probe wrote must go again.
    this.#capabilities ??= this.#recallOrProbe().catch((error: unknown) => {
      this.#capabilities = undefined; // not known: asked again
      throw error;
    });
    return this.#capabilities;
  }

  /** The server is heard first: what is remembered speaks for one that calls itself as it did then. */
  async #recallOrProbe(): Promise<Capabilities> {
    if (this.#memory === undefined) return probeCapabilities(this);
    await this.versioning(undefined);
    const recalled = await this.#memory.recall(this.client.serverName);
    if (recalled !== undefined) return recalled;
    const capabilities = await probeCapabilities(this);
    await this.#memory.keep(this.client.serverName, capabilities);
    return capabilities;
  }

  async describe(signal?: AbortSignal): Promise<BucketDescription> {
    const versioning = await this.versioning(signal);
    const [objectLock, website] = await Promise.all([
      this.#has("GetObjectLockConfiguration", "object-lock", signal),
      this.#has("GetBucketWebsite", "website", signal),
    ]);
    return { versioning, objectLock, website };
  }

  async versioning(signal?: AbortSignal): Promise<Versioning> {
    const request = this.#request("GET", "GetBucketVersioning", { query: { versioning: "" }, signal });
    const answer = await this.client.send(request);
    // A store that does not implement versioning answers 501: then its buckets are unversioned.
    if (!isSuccess(answer) && answer.status !== 501) throw toStoreError(answer, at(request));
    const status = elementText(answer.body.toString("utf8"), "Status");
    return status === "Enabled" || status === "Suspended" ? status : "Unversioned";
  }

  /** The marker that a store keeps quiet about in its answer to a HEAD, as some do: the versions tell. */
  async #untoldMarker(key: string, signal: AbortSignal | undefined): Promise<Observation | undefined> {
    try {
      if ((await this.versioning(signal)) === "Unversioned") return undefined;
      const query = versionsQuery({ prefix: key, maxKeys: 1 });
      const answer = await this.client.expect(this.#request("GET", "ListObjectVersions", { query, signal }));
      const [latest] = parseVersions(answer.body.toString("utf8")).versions;
      if (latest === undefined || !latest.isDeleteMarker || !latest.isLatest) return undefined;
      // However the server writes keys: what was listed begins with this one, so only the one reading can be equal to it.
      if (latest.key !== key && decodeListedKey(latest.key) !== key) return undefined;
      return { kind: "marker", versionId: latest.versionId, lastModified: latest.lastModified };
    } catch (error) {
      // Where versions may not be looked at, none is known of: that there is no object has been said.
      if (isReplicationError(error) && (error.code === "AccessDenied" || error.code === "NotImplemented")) return undefined;
      throw error;
    }
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
    if (answer.status === 405 || isMarker(answer)) return undefined;
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
  async #decoded<T extends Pick<ListedObject, "key">>(objects: readonly T[], signal: AbortSignal | undefined): Promise<readonly T[]> {
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
      return (await this.#look(key, { signal })).kind !== "absent";
    } catch (error) {
      if (isReplicationError(error) && (error.code === "InvalidRequest" || error.code === "KeyNotRepresentable")) return false;
      throw error;
    }
  }

  #request(method: S3Request["method"], operation: string, rest: Partial<S3Request>): S3Request {
    return { method, operation, bucket: this.bucket.bucket, ...rest };
  }
}

function isSuccess(answer: Answer): boolean {
  return answer.status >= 200 && answer.status < 300;
}

/** The current version, or the one named, is a delete marker: it is there, and it is no object. */
function isMarker({ status, headers }: Answer): boolean {
  return (status === 404 || status === 405) && headers["x-amz-delete-marker"] === "true";
}

function toMarker({ headers }: Answer): Observation {
  const lastModified = Date.parse(headers["last-modified"] ?? "");
  return { kind: "marker", versionId: headers["x-amz-version-id"], lastModified: Number.isNaN(lastModified) ? undefined : lastModified };
}

function at(request: S3Request): { operation: string; bucket: string; key: string | undefined } {
  return { operation: request.operation, bucket: request.bucket, key: request.key };
}

function versionQuery(options: ReadOptions): Record<string, string> {
  return options.versionId === undefined ? {} : { versionId: options.versionId };
}

function versionsQuery(options: ListVersionsOptions): Record<string, string> {
  const query: Record<string, string> = { versions: "", "encoding-type": "url", "max-keys": String(options.maxKeys ?? 1000) };
  if (options.prefix) query["prefix"] = options.prefix;
  if (options.keyMarker !== undefined) query["key-marker"] = options.keyMarker;
  if (options.versionIdMarker !== undefined) query["version-id-marker"] = options.versionIdMarker;
  return query;
}

function listQuery(options: ListOptions): Record<string, string> {
  const query: Record<string, string> = { "list-type": "2", "encoding-type": "url", "max-keys": String(options.maxKeys ?? 1000) };
  if (options.prefix) query["prefix"] = options.prefix;
  if (options.continuationToken !== undefined) query["continuation-token"] = options.continuationToken;
  else if (options.startAfter !== undefined) query["start-after"] = options.startAfter;
  return query;
}
