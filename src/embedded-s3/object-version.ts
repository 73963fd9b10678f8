import type { ObjectAttributes } from "../domain/object.ts";
import type { Body } from "./body.ts";
import type { Checksum } from "./checksum.ts";
import type { Guards } from "./guards.ts";
import { S3Error } from "./s3-error.ts";
import type { TagSet } from "./tag-set.ts";

/** The id of versions written while versioning was not enabled. */
export const NULL_VERSION_ID = "null";

/** What describes an object's content, wherever it ends up. */
export interface ObjectContent extends Guards {
  /** Without quotes. */
  readonly etag: string;
  readonly body: Body;
  readonly systemHeaders: ObjectAttributes["systemHeaders"];
  readonly metadata: ObjectAttributes["metadata"];
  readonly tags: TagSet;
  /** Absent for STANDARD. */
  readonly storageClass?: string | undefined;
  /** Absent where nobody asked for one: S3 then answers CRC64NVME. */
  readonly checksum?: Checksum | undefined;
  /** In order; absent where the object was written whole. */
  readonly parts?: readonly ObjectPart[] | undefined;
}

export interface ObjectVersion extends ObjectContent {
  readonly kind: "object";
  readonly key: string;
  readonly versionId: string;
  /** Milliseconds since the epoch, whole seconds. */
  readonly lastModified: number;
  /** Of an archived object that was asked for. */
  readonly restore?: Restore | undefined;
}

/** A copy of an archived object that can be read for a while. */
export interface Restore {
  readonly days: number;
  /** When it goes again, in milliseconds since the epoch; absent while it is being made. */
  readonly expiresAt?: number | undefined;
}

export interface ObjectPart {
  readonly sizeBytes: number;
  readonly checksum?: Checksum | undefined;
}

export interface DeleteMarker {
  readonly kind: "deleteMarker";
  readonly key: string;
  readonly versionId: string;
  readonly lastModified: number;
}

export type Version = ObjectVersion | DeleteMarker;

/** The stored checksum, or the CRC64NVME that S3 keeps where none was sent; computed when first asked for. */
export function checksumOf(version: ObjectContent): Checksum {
  return version.checksum ?? { algorithm: "crc64nvme", type: "FULL_OBJECT", value: version.body.checksum("crc64nvme") };
}

const STORAGE_CLASSES = new Set([
  "STANDARD",
  "REDUCED_REDUNDANCY",
  "STANDARD_IA",
  "ONEZONE_IA",
  "INTELLIGENT_TIERING",
  "GLACIER",
  "DEEP_ARCHIVE",
  "GLACIER_IR",
]);
const ARCHIVED_CLASSES = new Set(["GLACIER", "DEEP_ARCHIVE"]);

/** Returns the class as it is stored: nothing for STANDARD. */
export function toStoredClass(storageClass: string | undefined): string | undefined {
  if (storageClass !== undefined && !STORAGE_CLASSES.has(storageClass)) throw new S3Error("InvalidStorageClass");
  return storageClass === "STANDARD" ? undefined : storageClass;
}

export function isArchived({ storageClass }: ObjectVersion): boolean {
  return storageClass !== undefined && ARCHIVED_CLASSES.has(storageClass);
}

/** Whether a restored copy of an archived object can be read. */
export function isRestored({ restore }: ObjectVersion, now: number): boolean {
  return restore?.expiresAt !== undefined && restore.expiresAt > now;
}

/** Refuses to read the bytes of an archived object that has no restored copy. */
export function checkReadable(version: ObjectVersion, now: number): void {
  if (!isArchived(version) || isRestored(version, now)) return;
  throw new S3Error("InvalidObjectState", undefined, { details: { StorageClass: version.storageClass ?? "" } });
}
