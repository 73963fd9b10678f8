import type { GuardRules } from "./guards.ts";
import { MultipartUploads } from "./multipart-uploads.ts";
import type { BucketLock } from "./object-lock.ts";
import { NULL_VERSION_ID, type Version } from "./object-version.ts";
import { S3Error } from "./s3-error.ts";
import { SortedKeys } from "./sorted-keys.ts";

export type Versioning = "Enabled" | "Suspended" | "Unversioned";

export interface BucketOptions {
  /** True: its objects can be locked, and it is versioned for good. @defaultValue false */
  readonly objectLock?: boolean | undefined;
  /** False: its owner owns all in it, and ACLs are refused, as in every new bucket of S3. @defaultValue false */
  readonly acls?: boolean | undefined;
}

/** One bucket: its versions by key, its keys in order, its uploads in progress. */
export class BucketState {
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly uploads: MultipartUploads = new MultipartUploads();
  /** Every key that has a version, delete markers included. */
  readonly keys: SortedKeys = new SortedKeys();
  /** Oldest first. */
  readonly #versions = new Map<string, Version[]>();
  #versioning: Versioning = "Unversioned";
  #lock: BucketLock | undefined;
  hasAcls: boolean;

  constructor(name: string, createdAt: number, { objectLock = false, acls = false }: BucketOptions = {}) {
    this.name = name;
    this.createdAt = createdAt;
    this.hasAcls = acls;
    if (!objectLock) return;
    this.#versioning = "Enabled";
    this.#lock = {};
  }

  /** Undefined where its objects cannot be locked. */
  get lock(): BucketLock | undefined {
    return this.#lock;
  }

  /** A lock can be changed, but never be taken back; only a versioned bucket can have one. */
  setLock(lock: BucketLock): void {
    if (this.#versioning !== "Enabled")
      throw new S3Error("InvalidBucketState", "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration");
    this.#lock = lock;
  }

  get guardRules(): GuardRules {
    return { lock: this.#lock, hasAcls: this.hasAcls };
  }

  get versioning(): Versioning {
    return this.#versioning;
  }

  /** Versioning can be suspended, but never be taken back. */
  setVersioning(versioning: Exclude<Versioning, "Unversioned">): void {
    if (this.#lock !== undefined && versioning === "Suspended") {
      throw new S3Error(
        "InvalidBucketState",
        "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
      );
    }
    this.#versioning = versioning;
  }

  isEmpty(): boolean {
    return this.keys.size === 0;
  }

  current(key: string): Version | undefined {
    return this.#versions.get(key)?.at(-1);
  }

  /** Oldest first. */
  versionsOf(key: string): readonly Version[] {
    return this.#versions.get(key) ?? [];
  }

  find(key: string, versionId: string): Version | undefined {
    return this.#versions.get(key)?.find((version) => version.versionId === versionId);
  }

  /** Makes the version the current one; a null version takes the place of the null version before it. */
  add(version: Version): void {
    const versions = this.#versions.get(version.key);
    if (versions === undefined) {
      this.#versions.set(version.key, [version]);
      this.keys.add(version.key);
      return;
    }
    if (version.versionId === NULL_VERSION_ID) removeFrom(versions, NULL_VERSION_ID);
    versions.push(version);
  }

  /** Removes exactly one version and returns it; undefined where it is not there. */
  remove(key: string, versionId: string): Version | undefined {
    const versions = this.#versions.get(key);
    if (versions === undefined) return undefined;
    const removed = removeFrom(versions, versionId);
    if (versions.length === 0) {
      this.#versions.delete(key);
      this.keys.delete(key);
    }
    return removed;
  }

  /** Puts a version in the place of the one with the same id. */
  replace(version: Version): void {
    const versions = this.#versions.get(version.key) ?? [];
    const index = versions.findIndex((old) => old.versionId === version.versionId);
    if (index >= 0) versions[index] = version;
  }
}

function removeFrom(versions: Version[], versionId: string): Version | undefined {
  const index = versions.findLastIndex((version) => version.versionId === versionId);
  return index < 0 ? undefined : versions.splice(index, 1)[0];
}
