import { MultipartUploads } from "./multipart-uploads.ts";
import { NULL_VERSION_ID, type Version } from "./object-version.ts";
import { SortedKeys } from "./sorted-keys.ts";

export type Versioning = "Enabled" | "Suspended" | "Unversioned";

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

  constructor(name: string, createdAt: number) {
    this.name = name;
    this.createdAt = createdAt;
  }

  get versioning(): Versioning {
    return this.#versioning;
  }

  /** Versioning can be suspended, but never be taken back. */
  setVersioning(versioning: Exclude<Versioning, "Unversioned">): void {
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
