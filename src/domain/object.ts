/** What an object carries beside its bytes. */
export interface ObjectAttributes {
  /** System headers by lower-case name, values as the store gave them: `content-type`, `cache-control`, `expires`, … */
  readonly systemHeaders: Readonly<Record<string, string>>;
  /** User metadata by lower-case name without `x-amz-meta-`, values decoded from RFC 2047. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Absent where they were not read. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
}

/** The system headers that are part of an object. https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html */
export const SYSTEM_HEADERS = [
  "cache-control",
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-type",
  "expires",
  "x-amz-website-redirect-location",
] as const;

/** What keeps an object from being removed. https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html */
export interface ObjectLock {
  /** `retainUntil` in milliseconds since the epoch. */
  readonly retention?: { readonly mode: string; readonly retainUntil: number } | undefined;
  readonly legalHold: boolean;
}

/** Grants to others than the owner that have a name. https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl */
export type CannedAcl = "private" | "public-read" | "public-read-write" | "authenticated-read" | "bucket-owner-full-control";

/** What an object's grants amount to; `other`: none of those that have a name, so that it cannot be given to a replica. */
export type ObjectAcl = CannedAcl | "other";

/** Whether two ACLs give the same to everybody: what an object's owner gives to its bucket's is told of only where they are two. */
export function isSameAcl(a: ObjectAcl, b: ObjectAcl): boolean {
  const shared = (acl: ObjectAcl) => (acl === "bucket-owner-full-control" ? "private" : acl);
  return shared(a) === shared(b);
}

/** A checksum that the store keeps beside the ETag. */
export interface StoredChecksum {
  /** In lower case: `crc64nvme`, `sha256`, … */
  readonly algorithm: string;
  /** COMPOSITE: of the parts' checksums, which says nothing across part layouts. */
  readonly type: "FULL_OBJECT" | "COMPOSITE";
  /** As headers carry it. */
  readonly value: string;
}

/** The current state of an object as a HEAD or the head of a GET tells it. */
export interface ObjectState {
  readonly key: string;
  /** Without quotes. */
  readonly etag: string;
  readonly sizeBytes: number;
  /** Milliseconds since the epoch, in whole seconds: S3 knows no finer. */
  readonly lastModified: number;
  readonly versionId?: string | undefined;
  /** Absent for STANDARD, and for stores that know no classes. */
  readonly storageClass?: string | undefined;
  readonly attributes: ObjectAttributes;
  /** 0 also means "no permission to know" (a store leaves the header out in both cases). */
  readonly tagCount: number;
  /** Is false where the ETag cannot be the MD5 of the bytes: multipart, SSE-KMS, SSE-C. */
  readonly etagMayBeMd5: boolean;
  /** Of a multipart object, where the store tells. */
  readonly partsCount?: number | undefined;
  /** Checksums of the whole object by algorithm (`crc64nvme`, `sha256`, …), where they were asked for and the store keeps them. */
  readonly checksums?: Readonly<Record<string, string>> | undefined;
  /** The one checksum of the object, also a composite one, where it was asked for and the store keeps one. */
  readonly storedChecksum?: StoredChecksum | undefined;
  /** Absent where the object has none, and where the credentials may not know. */
  readonly lock?: ObjectLock | undefined;
  /** By S3's name (`AES256`, `aws:kms`); absent where the store says nothing of it. */
  readonly encryption?: string | undefined;
  /** True where its class is one of S3's archives and no restored copy is told of. What other stores call so may be readable. */
  readonly archived?: true | undefined;
  /** True while a copy of it that can be read is being made. */
  readonly restoring?: true | undefined;
  /** What the store's own replication says of it; absent where it has nothing to do with the object. */
  readonly replicationStatus?: ReplicationStatus | undefined;
}

/**
 * What S3's own replication says of an object: at its source how far it is, and `REPLICA` of what it wrote itself. With several destinations
 * COMPLETED is said when all have it, FAILED when any has not.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-status.html
 */
export type ReplicationStatus = "PENDING" | "COMPLETED" | "FAILED" | "REPLICA";

/** One object of a listing. */
export interface ListedObject {
  readonly key: string;
  readonly etag: string;
  readonly sizeBytes: number;
  /** Milliseconds since the epoch. */
  readonly lastModified: number;
  /** Absent for STANDARD. */
  readonly storageClass?: string | undefined;
}

/** What an event or a listing said about an object: a precondition and a byte count, never a reason to skip or to end a task. */
export interface Hint {
  readonly etag?: string | undefined;
  readonly sizeBytes?: number | undefined;
  readonly lastModified?: number | undefined;
  /** Known from listings only; `STANDARD` where the listing said so. */
  readonly storageClass?: string | undefined;
}

/** Keys that replicast keeps for itself (probes, the sentinel): no rule is about them. */
export const RESERVED_PREFIX = ".replicast/";

/** Is true for ETags of the form `<hex>-<parts>`, which multipart uploads leave. */
export function isMultipartEtag(etag: string): boolean {
  return etag.includes("-");
}

/**
 * The canonical text an attribute hash is taken of: [name, value] pairs sorted by the UTF-8 bytes of their JSON, only what is present.
 */
export function attributeText(attributes: ObjectAttributes): string {
  const pairs: [string, string][] = [];
  for (const [name, value] of Object.entries(attributes.systemHeaders)) pairs.push([name.toLowerCase(), value]);
  for (const [name, value] of Object.entries(attributes.metadata)) pairs.push([`x-amz-meta-${name.toLowerCase()}`, value]);
  for (const [name, value] of Object.entries(attributes.tags ?? {})) pairs.push([`tag:${name}`, value]);
  return JSON.stringify(pairs.sort((a, b) => compareKeys(a[0], b[0]) || compareKeys(a[1], b[1])));
}

/**
 * Orders two strings by their UTF-8 bytes, as S3 orders keys.
 *
 * JavaScript compares UTF-16 code units, which differs where a surrogate (an astral character) meets U+E000..U+FFFF.
 */
export function compareKeys(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return fixSurrogate(x) - fixSurrogate(y);
  }
  return a.length - b.length;
}

/** Moves surrogates above U+E000..U+FFFF, where their code points belong. */
function fixSurrogate(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000;
}
