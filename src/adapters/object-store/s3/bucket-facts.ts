import { isReplicationError, ReplicationError } from "../../../domain/error.ts";
import type { ObjectState } from "../../../domain/object.ts";
import type { Proof } from "../../../domain/status.ts";
import type { ReadOptions } from "../../../ports/object-store.ts";
import type { S3ObjectStore } from "./object-store.ts";
import { profileOf } from "./profiles.ts";

/** What has been learned of one bucket by using it. Asked for at most once, kept for the life of the process. */
export class BucketFacts {
  readonly store: S3ObjectStore;
  /** Turns false when a body's MD5 was seen to differ from its ETag twice. */
  etagsAreMd5 = true;
  /** Turns true when a replica written here got the MD5 of its bytes as its ETag: from then on any other ETag is a fault. */
  #writesMd5Etags = false;
  /** Classes that the bucket, as a destination, has refused. */
  readonly refusedStorageClasses: Set<string> = new Set();
  #tagsReadable: Promise<Readonly<Record<string, string>>> | undefined;
  /** Turns false when an object was seen to have tags of which its head told nothing: from then on all are asked for. */
  #countsTags = true;
  #headTells: Promise<boolean> | undefined;

  constructor(store: S3ObjectStore) {
    this.store = store;
  }

  /**
   * Returns the object's tags, having proven once per bucket that tags may be read at all: a store leaves the tag count out both for "none"
   * and for "not allowed", so that a count of 0 proves nothing (invariant 9).
   * @throws `SourceUnreadableTags`
   */
  async tagsOf(state: ObjectState, options: ReadOptions = {}): Promise<Readonly<Record<string, string>>> {
    if (state.tagCount > 0 || !this.#countsTags) return this.#readTags(state.key, options);
    const isFirst = this.#tagsReadable === undefined;
    this.#tagsReadable ??= this.#readTags(state.key, options);
    try {
      const tags = await this.#tagsReadable;
      if (Object.keys(tags).length === 0) return {};
      this.#countsTags = false;
      return isFirst ? tags : await this.#readTags(state.key, options);
    } catch (error) {
      this.#tagsReadable = undefined; // asked again: a right can be granted while we run
      if (isFirst) throw error;
      return this.#readTags(state.key, options); // the first object's trouble may be its own
    }
  }

  /**
   * How a replica's ETag proves its bytes, of which `md5` was sent along as Content-MD5; undefined where it disproves them. An ETag that is
   * no MD5 (SSE-KMS) leaves the digest that the store itself checked before it stored.
   */
  proofOf(etag: string, sent: { readonly md5: string; readonly ofSource: string }): Proof | undefined {
    if (etag === sent.md5) {
      this.#writesMd5Etags = true;
      return etag === sent.ofSource ? "etag" : "streamed-hash";
    }
    return this.#writesMd5Etags ? undefined : "checksum";
  }

  /** Whether a HEAD could say something that a server-side copy would lose: a website redirect, a lock. Decided once per bucket. */
  headTells(signal?: AbortSignal): Promise<boolean> {
    this.#headTells ??= this.store
      .describe(signal)
      .then(({ objectLock, website }) => objectLock || website)
      .catch((error: unknown) => {
        if (isReplicationError(error) && error.code === "AccessDenied") return true; // may not be asked, so it may be so
        this.#headTells = undefined;
        throw error;
      });
    return this.#headTells;
  }

  /** Whether objects here can have a storage class that only a HEAD or a listing would tell. */
  get knowsStorageClasses(): boolean {
    return profileOf(this.store.client.serverName).storageClasses;
  }

  /** Whether a copy within the store keeps every header by itself. */
  get copyKeepsHeaders(): boolean {
    return profileOf(this.store.client.serverName).copyKeepsExpires;
  }

  async #readTags(key: string, options: ReadOptions): Promise<Readonly<Record<string, string>>> {
    try {
      return await this.store.tags(key, options);
    } catch (error) {
      if (!isReplicationError(error)) throw error;
      if (error.code === "NotImplemented") return {}; // a store without tags has none to lose
      if (error.code === "NoSuchKey") {
        throw new ReplicationError("PreconditionFailed", `${key} vanished while it was read`, { at: error.at, cause: error });
      }
      if (error.code !== "AccessDenied") throw error;
      throw new ReplicationError("SourceUnreadableTags", `the tags of ${this.store.bucket.name} may not be read: ${error.message}`, {
        at: error.at,
        hint: "grant s3:GetObjectTagging on the source, or set preserve: { tags: false }",
        cause: error,
      });
    }
  }
}
