import { randomBytes } from "node:crypto";
import type { ObjectAttributes } from "../domain/object.ts";
import { type CannedAcl, storedAcl } from "./acl.ts";
import { Body } from "./body.ts";
import { type BucketOptions, BucketState, type Versioning } from "./bucket-state.ts";
import { checksumTypeFor } from "./checksum.ts";
import { checkCopySource, checkDelete, checkRead, checkWrite, type WriteConditions } from "./conditions.ts";
import { checkCustomerKey, etagOf } from "./encryption.ts";
import { type Guards, newGuards } from "./guards.ts";
import { checkDigests, fullChecksum, type SentBody } from "./integrity.ts";
import {
  type ListInput,
  type ListUploadsInput,
  type ListVersionsInput,
  listObjects,
  listUploads,
  listVersions,
  type ObjectPage,
  type UploadPage,
  type VersionPage,
} from "./listing.ts";
import {
  assemble,
  type CompleteInput,
  type CreateUploadInput,
  checkCompleted,
  checkPartChecksum,
  checkPartNumber,
  type PartCopyInput,
  type PartInput,
  type Upload,
  type UploadedPart,
} from "./multipart-uploads.ts";
import { type EventName, type NotificationRecord, toNotificationRecord } from "./notification.ts";
import { newAttributes } from "./object-attributes.ts";
import { type CopyInput, type CopySource, checkNotIdle, copiedAttributes } from "./object-copy.ts";
import { checkKey } from "./object-key.ts";
import { type BucketLock, type Bypass, checkUnlocked, type Retention, withRetention } from "./object-lock.ts";
import { checkVersionId, findCopySource, findObject, type ObjectRead, type ReadInput, resolveSpan, shownVersionId } from "./object-read.ts";
import { completed, newRestore, shownAt } from "./object-restore.ts";
import {
  checkReadable,
  type DeleteMarker,
  NULL_VERSION_ID,
  type ObjectContent,
  type ObjectVersion,
  toStoredClass,
  type Version,
} from "./object-version.ts";
import { S3Error } from "./s3-error.ts";
import { type TagSet, toTagSet } from "./tag-set.ts";

/** S3's limits that a test may shrink, in bytes. https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
export interface EmbeddedS3Limits {
  /** Largest object CopyObject and UploadPartCopy take whole. @defaultValue 5 GiB */
  readonly maxCopyBytes: number;
  /** Largest body of PutObject and UploadPart. @defaultValue 5 GiB */
  readonly maxPutBytes: number;
  /** Smallest part of an upload but the last. @defaultValue 5 MiB */
  readonly minPartBytes: number;
}

export interface EmbeddedS3ModelOptions {
  readonly region?: string | undefined;
  /** Milliseconds since the epoch. @defaultValue Date.now */
  readonly now?: (() => number) | undefined;
  /** Makes ids of versions and uploads: URL-safe, never twice the same. @defaultValue random */
  readonly newId?: (() => string) | undefined;
  readonly limits?: Partial<EmbeddedS3Limits> | undefined;
  /** False: refuses all encryption headers, as stores without key management do. @defaultValue false */
  readonly encrypts?: boolean | undefined;
}

export interface PutInput extends WriteConditions, SentBody, Guards {
  readonly attributes?: ObjectAttributes | undefined;
  readonly storageClass?: string | undefined;
}

export interface Written {
  /** Without quotes. */
  readonly etag: string;
  /** Only where versioning is enabled. */
  readonly versionId?: string | undefined;
  readonly version: ObjectVersion;
}

export interface DeleteInput extends Bypass {
  readonly versionId?: string | undefined;
  readonly ifMatch?: string | undefined;
}

export interface Deleted {
  readonly versionId?: string | undefined;
  /** True where a delete marker was made or removed. */
  readonly deleteMarker: boolean;
}

export interface Copied extends Written {
  /** Of the source, where its bucket is versioned. */
  readonly sourceVersionId?: string | undefined;
}

export interface Tagged {
  readonly tags: TagSet;
  readonly versionId?: string | undefined;
}

export type EventListener = (record: NotificationRecord) => void;

const GIB = 1024 ** 3;
const DEFAULT_LIMITS: EmbeddedS3Limits = { maxCopyBytes: 5 * GIB, maxPutBytes: 5 * GIB, minPartBytes: 5 * 1024 ** 2 };
const BUCKET_NAME = /^(?!xn--|.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
/** Sequencers of one store made later than another's, on the same keys, are greater: they begin at the clock. */
const SEQUENCER_STEPS_PER_MS = 1024;

/**
 * The buckets and objects of one S3 store, in memory.
 *
 * Every method is synchronous and takes effect wholly or, where it throws an {@link S3Error}, not at all. Nothing is read but the clock and
 * the id generator, so equal calls after equal starts give equal stores.
 */
export class EmbeddedS3Model {
  readonly region: string;
  readonly #now: () => number;
  readonly #newId: () => string;
  readonly #limits: EmbeddedS3Limits;
  readonly #encrypts: boolean;
  readonly #buckets = new Map<string, BucketState>();
  readonly #listeners = new Set<EventListener>();
  #sequence: number;

  constructor(options: EmbeddedS3ModelOptions = {}) {
    this.region = options.region ?? "us-east-1";
    this.#now = options.now ?? Date.now;
    this.#newId = options.newId ?? (() => randomBytes(16).toString("hex"));
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#encrypts = options.encrypts ?? false;
    this.#sequence = Math.floor(this.#now()) * SEQUENCER_STEPS_PER_MS;
  }

  /** Calls back with a record after every change, before the method that made it returns. Returns what stops it. */
  onEvent(listener: EventListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Makes an empty, unversioned bucket. https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
  createBucket(name: string, options: BucketOptions = {}): void {
    if (!BUCKET_NAME.test(name)) throw new S3Error("InvalidBucketName", undefined, { details: { BucketName: name } });
    if (this.#buckets.has(name)) throw new S3Error("BucketAlreadyOwnedByYou", undefined, { details: { BucketName: name } });
    this.#buckets.set(name, new BucketState(name, this.#nowInSeconds(), options));
  }

  /** Removes a bucket that has no version of anything; uploads in progress do not hold it. */
  deleteBucket(name: string): void {
    if (!this.#bucket(name).isEmpty()) throw new S3Error("BucketNotEmpty", undefined, { details: { BucketName: name } });
    this.#buckets.delete(name);
  }

  /** Throws `NoSuchBucket` where there is none of that name. */
  checkBucket(name: string): void {
    this.#bucket(name);
  }

  /** Returns all buckets by name. */
  listBuckets(): readonly { readonly name: string; readonly createdAt: number }[] {
    return [...this.#buckets.values()].map(({ name, createdAt }) => ({ name, createdAt })).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  versioning(bucket: string): Versioning {
    return this.#bucket(bucket).versioning;
  }

  setVersioning(bucket: string, versioning: Exclude<Versioning, "Unversioned">): void {
    this.#bucket(bucket).setVersioning(versioning);
  }

  /** Stores an object whole and makes it current. https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html */
  putObject(bucket: string, key: string, input: PutInput): Written {
    const state = this.#bucket(bucket);
    checkKey(key);
    this.#checkPutSize(input.body);
    checkDigests(input);
    checkWrite(state.current(key), input);
    const content: ObjectContent = {
      ...newAttributes(input.attributes),
      ...this.#newGuards(state, input),
      etag: etagOf(input.body, input.encryption),
      body: input.body,
      storageClass: toStoredClass(input.storageClass),
      checksum: fullChecksum(input.body, input.checksum?.algorithm),
    };
    return this.#create(state, { key, content, eventName: "ObjectCreated:Put" });
  }

  /** Returns an object's state and the bytes that were asked for. https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html */
  getObject(bucket: string, key: string, input: ReadInput = {}): ObjectRead & { readonly content: readonly Uint8Array[] } {
    const read = this.headObject(bucket, key, input);
    checkReadable(read.version, this.#now());
    return { ...read, content: read.version.body.slice(read.span.start, read.span.end) };
  }

  /** Returns what getObject would, without bytes; also of archived objects. */
  headObject(bucket: string, key: string, input: ReadInput = {}): ObjectRead {
    const state = this.#bucket(bucket);
    const version = shownAt(findObject(state, key, input.versionId), this.#now());
    checkCustomerKey(version.encryption, input.customerKeyMd5);
    checkRead(version, input.conditions ?? {});
    return { version, versionId: shownVersionId(state, version), ...resolveSpan(version, input) };
  }

  /**
   * Removes exactly the version named; without one, removes the object or, where the bucket is versioned, makes a delete marker current.
   * Removing what is absent succeeds. https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html
   */
  deleteObject(bucket: string, key: string, input: DeleteInput = {}): Deleted {
    const state = this.#bucket(bucket);
    checkKey(key);
    checkDelete(state.current(key), input.ifMatch);
    if (input.versionId !== undefined) {
      const named = state.find(key, input.versionId);
      if (named?.kind === "object") checkUnlocked(named.lock, { ...input, now: this.#now() });
      return this.#removeVersion(state, key, { versionId: input.versionId, eventName: "ObjectRemoved:Delete" });
    }
    return this.#removeCurrent(state, key, "ObjectRemoved");
  }

  /**
   * Removes the current object as a lifecycle rule would: an object of a versioned bucket gets a delete marker, one that is not there nothing.
   * https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-expire-general-considerations.html
   */
  expire(bucket: string, key: string): void {
    const state = this.#bucket(bucket);
    if (state.current(key)?.kind === "object") this.#removeCurrent(state, key, "LifecycleExpiration");
  }

  /** The lock of a bucket; undefined where its objects cannot be locked. */
  bucketLock(bucket: string): BucketLock | undefined {
    return this.#bucket(bucket).lock;
  }

  setBucketLock(bucket: string, lock: BucketLock): void {
    this.#bucket(bucket).setLock(lock);
  }

  /** What a version is guarded by. */
  guards(bucket: string, key: string, versionId?: string): Guards {
    const { lock, acl, encryption } = findObject(this.#bucket(bucket), key, versionId);
    return { lock, acl, encryption };
  }

  /** Gives a version another retention, or lifts it. https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectRetention.html */
  putRetention(bucket: string, key: string, input: RetentionInput): void {
    const { state, version } = this.#lockable(bucket, key, input.versionId);
    state.replace({ ...version, lock: withRetention(version.lock, input.retention, { ...input, now: this.#now() }) });
  }

  putLegalHold(bucket: string, key: string, input: { readonly legalHold: boolean; readonly versionId?: string | undefined }): void {
    const { state, version } = this.#lockable(bucket, key, input.versionId);
    state.replace({ ...version, lock: { ...version.lock, legalHold: input.legalHold } });
  }

  /** Whether objects of a bucket have ACLs of their own. */
  bucketHasAcls(bucket: string): boolean {
    return this.#bucket(bucket).hasAcls;
  }

  setBucketAcls(bucket: string, acls: boolean): void {
    this.#bucket(bucket).hasAcls = acls;
  }

  /** Replaces the ACL of a version; makes no version. https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectAcl.html */
  putAcl(bucket: string, key: string, input: { readonly acl: CannedAcl; readonly versionId?: string | undefined }): void {
    const state = this.#bucket(bucket);
    if (!state.hasAcls) throw new S3Error("AccessControlListNotSupported");
    const version = { ...findObject(state, key, input.versionId), acl: storedAcl(input.acl, true) };
    state.replace(version);
    this.#announce(state, "ObjectAcl:Put", version);
  }

  /**
   * Begins to make a readable copy of an archived object; one that is there stays so many days from now. What makes it is
   * {@link completeRestore}. https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html
   */
  restoreObject(bucket: string, key: string, input: RestoreInput): "begun" | "extended" {
    const state = this.#bucket(bucket);
    const version = findObject(state, key, input.versionId);
    const restore = newRestore(version, input.days, this.#now());
    state.replace({ ...version, restore });
    if (restore.expiresAt !== undefined) return "extended";
    this.#announce(state, "ObjectRestore:Post", version);
    return "begun";
  }

  /** Ends, as S3 would hours later, what {@link restoreObject} began. */
  completeRestore(bucket: string, key: string, versionId?: string): void {
    const state = this.#bucket(bucket);
    const version = findObject(state, key, versionId);
    if (version.restore === undefined || version.restore.expiresAt !== undefined) return;
    const restored = { ...version, restore: completed(version.restore, this.#now()) };
    state.replace(restored);
    this.#announce(state, "ObjectRestore:Completed", restored);
  }

  /** Copies an object within this store in one step. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html */
  copyObject(bucket: string, key: string, input: CopyInput): Copied {
    const state = this.#bucket(bucket);
    checkKey(key);
    const { source, sourceVersionId } = this.#findCopySource(input.source);
    checkNotIdle({ bucket, key }, input);
    this.#checkCopySize(source.body.sizeBytes);
    checkWrite(state.current(key), input);
    const content: ObjectContent = {
      ...copiedAttributes(source, input),
      ...this.#newGuards(state, input),
      etag: etagOf(source.body, input.encryption),
      body: source.body,
      storageClass: toStoredClass(input.storageClass),
      checksum: fullChecksum(source.body, input.checksumAlgorithm ?? source.checksum?.algorithm),
    };
    return { ...this.#create(state, { key, content, eventName: "ObjectCreated:Copy" }), sourceVersionId };
  }

  tags(bucket: string, key: string, versionId?: string): Tagged {
    const state = this.#bucket(bucket);
    const version = findObject(state, key, versionId);
    return { tags: version.tags, versionId: shownVersionId(state, version) };
  }

  /** Replaces all tags of a version; makes no version and changes neither ETag nor date. */
  putTags(bucket: string, key: string, input: { readonly tags: TagSet; readonly versionId?: string | undefined }): Tagged {
    const tags = toTagSet(Object.entries(input.tags));
    return this.#retag(bucket, key, { tags, versionId: input.versionId, eventName: "ObjectTagging:Put" });
  }

  deleteTags(bucket: string, key: string, versionId?: string): Tagged {
    return this.#retag(bucket, key, { tags: {}, versionId, eventName: "ObjectTagging:Delete" });
  }

  list(bucket: string, input: ListInput = {}): ObjectPage {
    return listObjects(this.#bucket(bucket), input);
  }

  listVersions(bucket: string, input: ListVersionsInput = {}): VersionPage {
    return listVersions(this.#bucket(bucket), input);
  }

  /** Begins an upload and returns it. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html */
  createUpload(bucket: string, key: string, input: CreateUploadInput = {}): Upload {
    const state = this.#bucket(bucket);
    checkKey(key);
    const algorithm = input.checksumAlgorithm;
    if (algorithm === undefined && input.checksumType !== undefined) {
      throw new S3Error("InvalidRequest", "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.");
    }
    const upload: Upload = {
      ...newAttributes(input.attributes),
      ...this.#newGuards(state, input),
      uploadId: this.#newId(),
      key,
      storageClass: toStoredClass(input.storageClass),
      checksum: algorithm === undefined ? undefined : { algorithm, type: checksumTypeFor(algorithm, input.checksumType) },
      initiatedAt: this.#nowInSeconds(),
      parts: new Map(),
    };
    state.uploads.add(upload);
    return upload;
  }

  /** Keeps a part, in the place of one with the same number. https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html */
  uploadPart(bucket: string, key: string, input: PartInput): UploadedPart {
    checkPartNumber(input.partNumber);
    const upload = this.#bucket(bucket).uploads.get(key, input.uploadId);
    this.#checkPutSize(input.body);
    checkDigests(input);
    checkPartChecksum(upload, input);
    checkCustomerKey(upload.encryption, input.customerKeyMd5);
    return this.#keepPart(upload, input);
  }

  /** Keeps an object, or a range of one, as a part. https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html */
  uploadPartCopy(bucket: string, key: string, input: PartCopyInput): UploadedPart & { readonly sourceVersionId?: string | undefined } {
    checkPartNumber(input.partNumber);
    const upload = this.#bucket(bucket).uploads.get(key, input.uploadId);
    checkCustomerKey(upload.encryption, input.customerKeyMd5);
    const { source, sourceVersionId } = this.#findCopySource(input.source);
    const body = this.#bodyToCopy(source.body, input.range);
    return { ...this.#keepPart(upload, { partNumber: input.partNumber, body }), sourceVersionId };
  }

  /** Makes the object current that the listed parts make up. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html */
  completeUpload(bucket: string, key: string, input: CompleteInput): Written {
    const state = this.#bucket(bucket);
    const upload = state.uploads.get(key, input.uploadId);
    const content = assemble(upload, input.parts, this.#limits.minPartBytes);
    checkCompleted(content, input);
    checkWrite(state.current(key), input);
    state.uploads.remove(upload);
    return this.#create(state, { key, content, eventName: "ObjectCreated:CompleteMultipartUpload", lastModified: upload.initiatedAt });
  }

  abortUpload(bucket: string, key: string, uploadId: string): void {
    const { uploads } = this.#bucket(bucket);
    uploads.remove(uploads.get(key, uploadId));
  }

  /** Returns an upload in progress with its parts. */
  upload(bucket: string, key: string, uploadId: string): Upload {
    return this.#bucket(bucket).uploads.get(key, uploadId);
  }

  listUploads(bucket: string, input: ListUploadsInput = {}): UploadPage {
    return listUploads(this.#bucket(bucket), input);
  }

  #bucket(name: string): BucketState {
    const state = this.#buckets.get(name);
    if (state === undefined) throw new S3Error("NoSuchBucket", undefined, { details: { BucketName: name } });
    return state;
  }

  #newGuards(state: BucketState, asked: Guards): Guards {
    if (asked.encryption === undefined || this.#encrypts) return newGuards(state.guardRules, asked, this.#now());
    throw new S3Error("NotImplemented", undefined, { details: { Header: "x-amz-server-side-encryption" } });
  }

  #create(state: BucketState, draft: NewObject): Written {
    const { key, content, eventName, lastModified } = draft;
    const versionId = this.#newVersionId(state);
    const version: ObjectVersion = { ...content, kind: "object", key, versionId, lastModified: lastModified ?? this.#nowInSeconds() };
    state.add(version);
    this.#announce(state, eventName, version);
    return { etag: version.etag, versionId: state.versioning === "Enabled" ? versionId : undefined, version };
  }

  #lockable(bucket: string, key: string, versionId: string | undefined): { readonly state: BucketState; readonly version: ObjectVersion } {
    const state = this.#bucket(bucket);
    if (state.lock === undefined) throw new S3Error("InvalidRequest", "Bucket is missing Object Lock Configuration");
    return { state, version: findObject(state, key, versionId) };
  }

  #removeCurrent(state: BucketState, key: string, family: "ObjectRemoved" | "LifecycleExpiration"): Deleted {
    if (state.versioning !== "Unversioned") return this.#mark(state, key, `${family}:DeleteMarkerCreated`);
    return this.#removeVersion(state, key, { versionId: NULL_VERSION_ID, eventName: `${family}:Delete` });
  }

  #mark(state: BucketState, key: string, eventName: EventName): Deleted {
    const marker: DeleteMarker = { kind: "deleteMarker", key, versionId: this.#newVersionId(state), lastModified: this.#nowInSeconds() };
    state.add(marker);
    this.#announce(state, eventName, marker);
    return { versionId: marker.versionId, deleteMarker: true };
  }

  #removeVersion(state: BucketState, key: string, { versionId, eventName }: Removal): Deleted {
    checkVersionId(versionId);
    const removed = state.remove(key, versionId);
    if (removed !== undefined) this.#announce(state, eventName, removed);
    return { versionId: state.versioning === "Unversioned" ? undefined : versionId, deleteMarker: removed?.kind === "deleteMarker" };
  }

  #retag(bucket: string, key: string, change: Retagging): Tagged {
    const state = this.#bucket(bucket);
    const version = { ...findObject(state, key, change.versionId), tags: change.tags };
    state.replace(version);
    this.#announce(state, change.eventName, version);
    return { tags: version.tags, versionId: shownVersionId(state, version) };
  }

  #findCopySource(source: CopySource): { readonly source: ObjectVersion; readonly sourceVersionId: string | undefined } {
    const state = this.#bucket(source.bucket);
    const version = findCopySource(state, source);
    checkCustomerKey(version.encryption, source.customerKeyMd5);
    checkCopySource(version, source.conditions ?? {});
    checkReadable(version, this.#now());
    return { source: version, sourceVersionId: shownVersionId(state, version) };
  }

  #keepPart(upload: Upload, part: Pick<PartInput, "partNumber" | "body" | "checksum">): UploadedPart {
    const wanted = upload.checksum?.algorithm;
    const sent = part.checksum?.algorithm;
    if (wanted !== undefined && sent !== undefined && wanted !== sent) {
      throw new S3Error(
        "InvalidRequest",
        `Checksum Type mismatch occurred, expected checksum Type: ${wanted}, actual checksum Type: ${sent}`,
      );
    }
    const kept: UploadedPart = {
      partNumber: part.partNumber,
      etag: etagOf(part.body, upload.encryption),
      body: part.body,
      lastModified: this.#nowInSeconds(),
      checksum: fullChecksum(part.body, upload.checksum?.algorithm ?? part.checksum?.algorithm),
    };
    upload.parts.set(part.partNumber, kept);
    return kept;
  }

  #bodyToCopy(body: Body, range: PartCopyInput["range"]): Body {
    if (range === undefined) {
      this.#checkCopySize(body.sizeBytes);
      return body;
    }
    if (range.last < range.first || range.last >= body.sizeBytes) {
      throw new S3Error("InvalidArgument", `Range specified is not valid for source object of size: ${body.sizeBytes}`);
    }
    if (body.sizeBytes <= this.#limits.minPartBytes) {
      throw new S3Error("InvalidRequest", "The specified copy source is not supported as a byte-range copy source");
    }
    this.#checkCopySize(range.last + 1 - range.first);
    return new Body(body.slice(range.first, range.last + 1));
  }

  #checkPutSize(body: Body): void {
    if (body.sizeBytes <= this.#limits.maxPutBytes) return;
    const details = { ProposedSize: String(body.sizeBytes), MaxSizeAllowed: String(this.#limits.maxPutBytes) };
    throw new S3Error("EntityTooLarge", undefined, { details });
  }

  #checkCopySize(sizeBytes: number): void {
    const max = this.#limits.maxCopyBytes;
    if (sizeBytes <= max) return;
    throw new S3Error("InvalidRequest", `The specified copy source is larger than the maximum allowable size for a copy source: ${max}`);
  }

  #announce(state: BucketState, eventName: EventName, version: Version): void {
    const sequencer = (++this.#sequence).toString(16).toUpperCase().padStart(16, "0");
    if (this.#listeners.size === 0) return;
    const versioned = state.versioning === "Enabled" || version.versionId !== NULL_VERSION_ID;
    const record = toNotificationRecord({
      eventName,
      region: this.region,
      bucket: state.name,
      at: this.#now(),
      version,
      versioned,
      sequencer,
    });
    for (const listener of this.#listeners) listener(record);
  }

  #newVersionId(state: BucketState): string {
    return state.versioning === "Enabled" ? this.#newId() : NULL_VERSION_ID;
  }

  /** S3 dates objects in whole seconds. */
  #nowInSeconds(): number {
    return Math.floor(this.#now() / 1000) * 1000;
  }
}

interface NewObject {
  readonly key: string;
  readonly content: ObjectContent;
  readonly eventName: EventName;
  /** @defaultValue now */
  readonly lastModified?: number | undefined;
}

export interface RetentionInput extends Bypass {
  /** Undefined lifts it. */
  readonly retention: Retention | undefined;
  readonly versionId?: string | undefined;
}

export interface RestoreInput {
  readonly days: number;
  readonly versionId?: string | undefined;
}

interface Removal {
  readonly versionId: string;
  readonly eventName: EventName;
}

interface Retagging {
  readonly tags: TagSet;
  readonly versionId: string | undefined;
  readonly eventName: EventName;
}
