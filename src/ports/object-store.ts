import type { Bucket } from "../domain/bucket.ts";
import type { ListedObject, ObjectAttributes, ObjectState } from "../domain/object.ts";
import type { ObjectGuards } from "./object-guards.ts";

export interface ListOptions {
  readonly prefix?: string | undefined;
  /** Lists keys after this one; ignored where a token is given. */
  readonly startAfter?: string | undefined;
  readonly continuationToken?: string | undefined;
  /** At most 1,000. @defaultValue 1000 */
  readonly maxKeys?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ListPage {
  readonly objects: readonly ListedObject[];
  /** Absent on the last page. */
  readonly nextContinuationToken?: string | undefined;
}

export interface ReadOptions {
  readonly versionId?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ByteRange {
  readonly start: number;
  readonly endExclusive: number;
}

export interface HeadOptions extends ReadOptions {
  /** Asks for one part of a multipart object: `sizeBytes` is then that part's, `partsCount` the number of parts where the store tells. */
  readonly partNumber?: number | undefined;
  /** Asks for the stored checksums too. */
  readonly checksums?: boolean | undefined;
}

export interface PutOptions {
  readonly attributes?: ObjectAttributes | undefined;
  readonly ifMatch?: string | undefined;
  readonly ifNoneMatch?: "*" | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface DeleteOptions extends ReadOptions {
  /** Removes only an object with this ETag, where the store honours conditions on deletes ({@link Capabilities.conditionalDelete}). */
  readonly ifMatch?: string | undefined;
}

export interface DeleteResult {
  /** The marker that was made, or the version that was removed. */
  readonly versionId?: string | undefined;
  readonly deleteMarker: boolean;
}

/** What is current under a key. */
export type Observation =
  | { readonly kind: "object"; readonly state: ObjectState }
  /** `versionId` and `lastModified` where the store tells them. */
  | { readonly kind: "marker"; readonly versionId?: string | undefined; readonly lastModified?: number | undefined }
  | { readonly kind: "absent" };

/** One version in the history of a key. */
export interface ListedVersion extends ListedObject {
  readonly versionId: string;
  readonly isLatest: boolean;
  readonly isDeleteMarker: boolean;
}

export interface ListVersionsOptions {
  readonly prefix?: string | undefined;
  readonly keyMarker?: string | undefined;
  readonly versionIdMarker?: string | undefined;
  readonly maxKeys?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface VersionPage {
  /** By key, and of one key the newest first. */
  readonly versions: readonly ListedVersion[];
  readonly next?: { readonly keyMarker: string; readonly versionIdMarker?: string | undefined } | undefined;
}

/** What a store was seen to honour; probed by use, never assumed from its name. */
export interface Capabilities {
  readonly conditionalPut: boolean;
  /** Of the destination: `If-Match` and `If-None-Match` on CopyObject. */
  readonly conditionalCopy: boolean;
  readonly conditionalComplete: boolean;
  readonly conditionalDelete: boolean;
}

export interface WriteResult {
  readonly etag: string;
  readonly versionId?: string | undefined;
}

export type Versioning = "Enabled" | "Suspended" | "Unversioned";

/** What can be known about a bucket before anything moves. */
export interface BucketDescription {
  readonly versioning: Versioning;
  readonly objectLock: boolean;
  readonly website: boolean;
}

/**
 * One bucket of one store.
 *
 * All methods throw ReplicationError; keys are raw strings and reach the store byte for byte.
 */
export interface ObjectStore {
  readonly bucket: Bucket;
  /** Absent where objects have neither ACLs, nor locks, nor an archive. */
  readonly guards?: ObjectGuards | undefined;

  /**
   * Returns one page of the bucket's current objects in the order the store lists them.
   *
   * A page may be shorter than `maxKeys` and still not be the last: only an absent token ends the listing.
   * @throws `NoSuchBucket`, `AccessDenied`, `StoreUnreachable`
   */
  list(options?: ListOptions): Promise<ListPage>;

  /**
   * Returns the object's state, or undefined where the store says that there is no such current object.
   *
   * A 403 is never "absent": without ListBucket a store answers 403 for a key that is not there.
   * @throws `AccessDenied`, `NoSuchBucket`, `StoreUnreachable`
   */
  head(key: string, options?: HeadOptions): Promise<ObjectState | undefined>;

  /** Returns the object's bytes, whole, and its state; undefined as for {@link head}. For small objects: probes and checks. */
  get(key: string, options?: ReadOptions): Promise<{ readonly state: ObjectState; readonly body: Uint8Array } | undefined>;

  /**
   * Returns the bytes of a range of the object, `endExclusive` - `start` of them.
   * @throws `NoSuchKey` where there is no such object
   */
  read(key: string, range: ByteRange, signal?: AbortSignal): Promise<Uint8Array>;

  /**
   * Returns the object's tags; an empty record means that it has none, which this call has proven.
   * @throws `AccessDenied` where tags may not be read, `NoSuchKey`
   */
  tags(key: string, options?: ReadOptions): Promise<Readonly<Record<string, string>>>;

  /**
   * Writes a small object and returns its ETag.
   * @throws `PreconditionFailed` where a condition did not hold and the store honours conditions
   */
  put(key: string, body: Uint8Array, options?: PutOptions): Promise<WriteResult>;

  /**
   * Removes the current object (which on a versioned bucket makes a delete marker), or exactly the version named. Removing what is absent
   * succeeds.
   * @throws `PreconditionFailed` where the object is another one and the store honours conditions
   */
  delete(key: string, options?: DeleteOptions): Promise<DeleteResult>;

  /**
   * Returns what is current under the key, telling a delete marker from nothing at all.
   * @throws as {@link head}: a 403 is never "absent", and an absence is only believed of a bucket that can be listed
   */
  observe(key: string, options?: HeadOptions): Promise<Observation>;

  /** Returns one page of all versions and delete markers. @throws `NotImplemented` where the store knows no versions */
  listVersions(options?: ListVersionsOptions): Promise<VersionPage>;

  /** Replaces all tags of an object. Neither its bytes nor its ETag change. @throws `NoSuchKey` */
  putTags(key: string, tags: Readonly<Record<string, string>>, options?: ReadOptions): Promise<void>;

  /**
   * Returns what the bucket honours, found out once by writing and removing a key under {@link RESERVED_PREFIX}.
   * @throws `AccessDenied`, `StoreUnreachable`
   */
  capabilities(signal?: AbortSignal): Promise<Capabilities>;

  /**
   * Returns what the bucket is: versioning, object lock, website.
   * @throws `NoSuchBucket`, `AccessDenied`
   */
  describe(signal?: AbortSignal): Promise<BucketDescription>;

  /**
   * Returns whether the bucket keeps versions, as it is now: what {@link describe} says of it, for one request.
   * @throws `NoSuchBucket`, `AccessDenied`
   */
  versioning(signal?: AbortSignal): Promise<Versioning>;
}
