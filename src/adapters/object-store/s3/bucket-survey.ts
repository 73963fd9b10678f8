import { randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";
import { isReplicationError } from "../../../domain/error.ts";
import type { BucketSurvey, Honours, Right, RightName, SurveyedTraits } from "../../../domain/fingerprint.ts";
import { compareKeys, RESERVED_PREFIX } from "../../../domain/object.ts";
import type { BucketDescription } from "../../../ports/object-store.ts";
import { toStoreError } from "./errors.ts";
import { KeyAlphabet } from "./key-alphabet.ts";
import { decodeListedKey, parseListing } from "./listing.ts";
import type { S3ObjectStore } from "./object-store.ts";

export interface SurveyOptions {
  /** Whether replicas are written there: then what writes can rely on is tried too. */
  readonly isDestination: boolean;
  readonly signal?: AbortSignal | undefined;
}

type Traits = { -readonly [Name in keyof SurveyedTraits]: SurveyedTraits[Name] };

const UNTRIED: Readonly<Record<RightName, Right>> = {
  list: "untried",
  listVersions: "untried",
  get: "untried",
  put: "untried",
  delete: "untried",
  deleteVersion: "untried",
  readTags: "untried",
  writeTags: "untried",
  readAcl: "untried",
};

interface Leftover {
  readonly key: string;
  readonly versionId?: string | undefined;
}

/** More than any store was seen to need. */
const CLEANING_ROUNDS = 10;

/**
 * Keys that tell one order from another (by UTF-8 bytes, by UTF-16 units, by folders, by locale), and one encoding from another. The last of
 * them is the only one that a server cannot write in two ways that read alike.
 */
const LISTED = ["a!b", "a%20b", "a+b", "a-b", "a/b", "a0b", "aZ", "aa", "\uff5e", "\u{1f600}", "a b"];

/**
 * Finds out what a bucket is, what these credentials may do there, and how it behaves, by keys under {@link RESERVED_PREFIX} that are removed
 * again. Writes nothing to a bucket with object lock, where what is written may have to stay.
 *
 * @throws what keeps the bucket from being listed at all, other than the lack of the right: `StoreUnreachable`, `NoSuchBucket`, …
 */
export async function surveyBucket(store: S3ObjectStore, options: SurveyOptions): Promise<BucketSurvey> {
  return new Survey(store, options).run();
}

class Survey {
  readonly #store: S3ObjectStore;
  readonly #options: SurveyOptions;
  readonly #stem = `${RESERVED_PREFIX}doctor-${randomBytes(6).toString("hex")}`;
  readonly #rights: Record<RightName, Right> = { ...UNTRIED };
  readonly #traits: Traits = {
    listsInOrder: null,
    keyEncoding: null,
    refusedKeys: null,
    holdsKeyAndBelow: null,
    checksums: null,
    tags: null,
    acl: null,
  };
  #honours: Honours | null = null;
  #left: string | null = null;

  constructor(store: S3ObjectStore, options: SurveyOptions) {
    this.#store = store;
    this.#options = options;
  }

  async run(): Promise<BucketSurvey> {
    const { signal } = this.#options;
    this.#rights.list = await attempt(() => this.#store.list({ maxKeys: 1, signal }));
    const region = await this.#region();
    const description = await this.#describe();
    const { versioning } = description;
    if (versioning !== null && versioning !== "Unversioned")
      this.#rights.listVersions = await attempt(() => this.#store.listVersions({ maxKeys: 1, signal }));
    if (!description.objectLock) await this.#write(versioning !== null && versioning !== "Unversioned");
    if (this.#rights.put !== "granted") await this.#readExisting();
    const { serverName: server, clockSkewMs = null } = this.#store.client;
    return {
      ...description,
      server,
      region,
      clockSkewMs,
      rights: this.#rights,
      honours: this.#honours,
      traits: this.#traits,
      left: this.#left,
    };
  }

  /** A bucket that may not be described is taken for one with a lock: nothing that might have to stay is written there. */
  async #describe(): Promise<{ versioning: BucketDescription["versioning"] | null; objectLock: boolean }> {
    try {
      const { versioning, objectLock } = await this.#store.describe(this.#options.signal);
      return { versioning, objectLock };
    } catch (error) {
      if (isReplicationError(error) && error.code === "AccessDenied") return { versioning: null, objectLock: true };
      throw error;
    }
  }

  async #region(): Promise<string | null> {
    const { bucket } = this.#store.bucket;
    const answer = await this.#store.client.send({ operation: "HeadBucket", method: "HEAD", bucket, signal: this.#options.signal });
    return answer.headers["x-amz-bucket-region"] || null;
  }

  /** One key first, which shows whether more of them could be removed again. */
  async #write(isVersioned: boolean): Promise<void> {
    const key = `${this.#stem}/one`;
    try {
      this.#rights.put = await attempt(() => this.#putWithChecksum(key));
      if (this.#rights.put !== "granted") return;
      await this.#read(key);
      this.#rights.writeTags = await attemptOptional(() => this.#store.putTags(key, { replicast: "doctor" }));
      this.#traits.tags = toTrait(this.#rights.writeTags);
      if (!(await this.#remove(key, isVersioned))) return;
      if (this.#rights.list !== "granted") return;
      await this.#tryListing();
      if (this.#options.isDestination) await this.#tryWrites();
    } finally {
      if (this.#left === null) await this.#clean(isVersioned);
    }
  }

  async #putWithChecksum(key: string): Promise<void> {
    const body = Buffer.from("replicast doctor");
    const checksum = Buffer.alloc(4);
    checksum.writeUInt32BE(crc32(body));
    const headers = { "content-length": String(body.length), "x-amz-checksum-crc32": checksum.toString("base64") };
    const place = { operation: "PutObject", bucket: this.#store.bucket.bucket, key };
    const answer = await this.#store.client.send({ ...place, method: "PUT", headers, body, signal: this.#options.signal });
    // A store that does not know the header may refuse it: then the object goes without.
    if (answer.status === 400 || answer.status === 501) await this.#store.put(key, body, { signal: this.#options.signal });
    else if (answer.status > 299) throw toStoreError(answer, place);
    const state = await this.#store.head(key, { checksums: true }).catch(ifDenied(undefined));
    this.#traits.checksums = state === undefined ? null : Object.keys(state.checksums ?? {}).length > 0;
  }

  async #read(key: string): Promise<void> {
    const { signal } = this.#options;
    this.#rights.get = await attempt(() => this.#store.head(key, { signal }));
    this.#rights.readTags = await attemptOptional(() => this.#store.tags(key, { signal }));
    this.#rights.readAcl = await attemptOptional(() =>
      this.#store.client.expect({ operation: "GetObjectAcl", method: "GET", bucket: this.#store.bucket.bucket, key, query: { acl: "" } }),
    );
    this.#traits.acl = toTrait(this.#rights.readAcl);
  }

  /** What cannot be tried with a key of our own is tried with one that is there. */
  async #readExisting(): Promise<void> {
    if (this.#rights.list !== "granted") return;
    const { objects } = await this.#store.list({ maxKeys: 10, signal: this.#options.signal });
    const [object] = objects.filter(({ key }) => !key.startsWith(RESERVED_PREFIX));
    if (object !== undefined) await this.#read(object.key);
  }

  /** False where the key could not be removed without a trace: then no more are written. */
  async #remove(key: string, isVersioned: boolean): Promise<boolean> {
    this.#rights.delete = await attempt(() => this.#store.delete(key));
    if (!isVersioned) {
      if (this.#rights.delete !== "granted") this.#left = key;
      return this.#left === null;
    }
    this.#rights.deleteVersion = await attempt(() => this.#clean(true));
    if (this.#rights.deleteVersion !== "granted") this.#left = key;
    return this.#left === null;
  }

  async #tryListing(): Promise<void> {
    const folder = `${this.#stem}/list/`;
    const written = (await Promise.all(LISTED.map((name) => this.#tryPut(folder + name)))).filter((key) => key !== undefined);
    const { bucket } = this.#store.bucket;
    const query = { "list-type": "2", "encoding-type": "url", prefix: folder };
    const answer = await this.#store.client.expect({ operation: "ListObjectsV2", method: "GET", bucket, query });
    const raw = parseListing(answer.body.toString("utf8")).objects.map(({ key }) => key);
    this.#traits.keyEncoding = raw.some((key) => key.endsWith("a b")) ? "raw" : "url";
    const keys = this.#traits.keyEncoding === "raw" ? raw : raw.map(decodeListedKey);
    this.#traits.listsInOrder = written.every((key) => keys.includes(key)) && keys.every(isAfterTheOneBefore);
  }

  async #tryWrites(): Promise<void> {
    const { signal } = this.#options;
    this.#honours = await this.#store.capabilities(signal);
    this.#traits.refusedKeys = await new KeyAlphabet(this.#store).refusedKinds(signal);
    const [above, below] = [`${this.#stem}/f`, `${this.#stem}/f/g`];
    const written = [await this.#tryPut(above), await this.#tryPut(below)];
    const { objects } = await this.#store.list({ prefix: above, signal });
    this.#traits.holdsKeyAndBelow = written.every((key) => key !== undefined && objects.some((object) => object.key === key));
  }

  /** The key, where the store took it. */
  async #tryPut(key: string): Promise<string | undefined> {
    try {
      await this.#store.put(key, new Uint8Array(0), { signal: this.#options.signal });
      return key;
    } catch (error) {
      const status = isReplicationError(error) ? (error.at.status ?? 0) : 0;
      if (status >= 400 && status < 500) return undefined;
      throw error;
    }
  }

  /** Goes on after an interruption: what was written must go again. */
  async #clean(isVersioned: boolean): Promise<void> {
    // Listed anew after each page: a store may hide a key until another has gone.
    for (let round = 0; round < CLEANING_ROUNDS; round++) {
      const page = await (isVersioned ? this.#versions() : this.#objects());
      if (page.length === 0) return;
      for (const { key, versionId } of page) await this.#store.delete(key, { versionId });
      this.#left = page[0]?.key ?? null;
    }
  }

  async #versions(): Promise<readonly Leftover[]> {
    const { versions } = await this.#store.listVersions({ prefix: this.#stem });
    if (versions.length === 0) this.#left = null;
    return versions;
  }

  async #objects(): Promise<readonly Leftover[]> {
    const { objects } = await this.#store.list({ prefix: this.#stem }).catch(ifDenied({ objects: [] }));
    if (objects.length === 0) this.#left = null;
    return objects;
  }
}

async function attempt(work: () => Promise<unknown>): Promise<Right> {
  try {
    await work();
    return "granted";
  } catch (error) {
    if (isReplicationError(error) && error.code === "AccessDenied") return "denied";
    if (isReplicationError(error) && error.code === "NotImplemented") return "unsupported";
    throw error;
  }
}

/** As {@link attempt}, of what stores may do without: there any refusal of the request itself says that they do. */
async function attemptOptional(work: () => Promise<unknown>): Promise<Right> {
  return attempt(work).catch((error: unknown) => {
    if (isReplicationError(error) && (error.at.status === 400 || error.at.status === 405)) return "unsupported";
    throw error;
  });
}

/** Handles a rejection: a right that is not there leaves `instead`. */
function ifDenied<T>(instead: T): (error: unknown) => T {
  return (error) => {
    if (isReplicationError(error) && error.code === "AccessDenied") return instead;
    throw error;
  };
}

function toTrait(right: Right): boolean | null {
  return right === "granted" ? true : right === "unsupported" ? false : null;
}

function isAfterTheOneBefore(key: string, index: number, keys: readonly string[]): boolean {
  const before = keys[index - 1];
  return before === undefined || compareKeys(before, key) < 0;
}
