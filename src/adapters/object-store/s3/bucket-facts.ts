import { isReplicationError, ReplicationError } from "../../../domain/error.ts";
import type { ObjectState } from "../../../domain/object.ts";
import type { Proof } from "../../../domain/status.ts";
import type { BucketDescription, HeadOptions, ReadOptions } from "../../../ports/object-store.ts";
import type { SourceAcl } from "./acl.ts";
import { isAbout } from "./errors.ts";
import type { S3ObjectStore } from "./object-store.ts";
import { profileOf, type StoreProfile } from "./profiles.ts";

/** What is known of the bytes of a replica when its store says that it has them. */
export interface SentBytes {
  /** Of what was sent, as far as it is known. */
  readonly md5: string;
  /** The source's ETag. */
  readonly ofSource: string;
  /** Whether an ETag of this replica can be an MD5. */
  readonly isHashed: boolean;
  /** A digest that the source itself gave (its ETag as Content-MD5, its stored checksum) was sent along, and the store checked it. */
  readonly sourceDigestSent: boolean;
  /** The MD5 taken here was sent along: vouches for the way from here on. */
  readonly md5Sent: boolean;
}

/** What has been learned of one bucket by using it. Asked for at most once, kept for the life of the process. */
export class BucketFacts {
  readonly store: S3ObjectStore;
  /** Turns false when a body's MD5 was seen to differ from its ETag twice. */
  etagsAreMd5 = true;
  /** Turns true when a replica written here got the MD5 of its bytes as its ETag: from then on any other ETag is a fault. */
  #writesMd5Etags = false;
  /** Classes that the bucket, as a destination, has refused. */
  readonly refusedStorageClasses: Set<string> = new Set();
  /** Guards that the bucket, as a destination, has refused: `acl`, `lock`, and others with their kind. */
  readonly refusedGuards: Set<string> = new Set();
  /** Sources, by bucket id, whose parts could not be written here with the checksums that they have there. */
  readonly partChecksumsLost: Set<string> = new Set();
  #tagsReadable: Promise<Readonly<Record<string, string>>> | undefined;
  /** Turns false when an object was seen to have tags of which its head told nothing: from then on all are asked for. */
  #countsTags = true;
  /** Turns false when reads that ask for the stored checksum were refused for it. */
  asksChecksums = true;
  #description: Promise<BucketDescription> | undefined;
  #encryptsByDefault: Promise<boolean | undefined> | undefined;

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

  /** As the store's own, with the stored checksum where the store can be asked for it: a refusal of a HEAD has no words. */
  async head(key: string, options: HeadOptions): Promise<ObjectState | undefined> {
    try {
      return await this.store.head(key, { ...options, checksums: this.asksChecksums });
    } catch (error) {
      const isBad = isReplicationError(error) && (error.code === "InvalidRequest" || error.code === "NotImplemented");
      if (!isBad || !this.asksChecksums) throw error;
    }
    const state = await this.store.head(key, options);
    this.asksChecksums = false;
    return state;
  }

  /** Whether a read was refused for asking for the checksum; it is not asked for again. */
  refusedChecksums(error: ReplicationError): boolean {
    const isIt = this.asksChecksums && isAbout(error, "checksum");
    if (isIt) this.asksChecksums = false;
    return isIt;
  }

  /** How a replica's ETag and what was sent with its bytes prove them; undefined where the ETag disproves them. */
  proofOf(etag: string, sent: SentBytes): Proof | undefined {
    if (sent.isHashed && etag === sent.md5) {
      this.#writesMd5Etags = true;
      if (etag === sent.ofSource) return "etag";
    }
    const isDisproven = sent.isHashed && etag !== sent.md5 && this.#writesMd5Etags;
    if (isDisproven) return undefined;
    if (sent.sourceDigestSent) return "checksum";
    return sent.md5Sent || (sent.isHashed && etag === sent.md5) ? "streamed-hash" : "provider";
  }

  /** Whether a HEAD could say something that a server-side copy would lose: a website redirect, a lock. Decided once per bucket. */
  async headTells(signal?: AbortSignal): Promise<boolean> {
    try {
      const { objectLock, website } = await this.#describe(signal);
      return objectLock || website;
    } catch (error) {
      if (isReplicationError(error) && error.code === "AccessDenied") return true; // may not be asked, so it may be so
      throw error;
    }
  }

  /** Whether objects here can be locked, for all that the bucket may be asked; asked for once. Where in doubt the write itself shows. */
  async locksObjects(signal?: AbortSignal): Promise<boolean> {
    return (await this.#describe(signal)).objectLock;
  }

  /** Whether an object here can have a lock of which only a HEAD tells. A server that has not been heard yet may be one of those. */
  async hidesLocks(signal?: AbortSignal): Promise<boolean> {
    if (this.store.client.serverName === "") await this.#describe(signal);
    return !this.profile.getTellsLocks && (await this.locksObjects(signal));
  }

  /** Whether replicas that ask for no encryption get the bucket's; undefined where that may not be known. Asked for once. */
  async encryptsByDefault(signal?: AbortSignal): Promise<boolean | undefined> {
    this.#encryptsByDefault ??= this.store.encryptsByDefault(signal).catch((error: unknown) => {
      this.#encryptsByDefault = undefined;
      throw error;
    });
    return this.#encryptsByDefault;
  }

  /** What is known of the store's kind; nothing but the best before its first answer. */
  get profile(): StoreProfile {
    return profileOf(this.store.client.serverName);
  }

  /** Whether objects here can have a storage class that only a HEAD or a listing would tell. */
  get knowsStorageClasses(): boolean {
    return this.profile.storageClasses;
  }

  /** Whether a copy within the store keeps every header by itself. */
  get copyKeepsHeaders(): boolean {
    return this.profile.copyKeepsExpires;
  }

  /**
   * Returns what the object's ACL amounts to.
   * @throws `AccessDenied` with what to do
   */
  async aclOf(key: string, options: ReadOptions): Promise<SourceAcl> {
    try {
      return await this.store.guards.acl(key, options);
    } catch (error) {
      if (!isReplicationError(error)) throw error;
      const { code, at, message } = error;
      if (code === "NoSuchKey" || code === "NoSuchVersion") {
        throw new ReplicationError("PreconditionFailed", `${key} vanished while it was read`, { at, cause: error });
      }
      if (code !== "AccessDenied") throw error;
      const hint = "grant s3:GetObjectAcl on the source, or set preserve: { acl: false }";
      throw new ReplicationError(code, `the ACLs of ${this.store.bucket.name} may not be read: ${message}`, { at, hint, cause: error });
    }
  }

  #describe(signal: AbortSignal | undefined): Promise<BucketDescription> {
    this.#description ??= this.store.describe(signal).catch((error: unknown) => {
      this.#description = undefined;
      throw error;
    });
    return this.#description;
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
