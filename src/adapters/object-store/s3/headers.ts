import {
  type ObjectAttributes,
  type ObjectLock,
  type ObjectState,
  type ReplicationStatus,
  type StoredChecksum,
  SYSTEM_HEADERS,
} from "../../../domain/object.ts";
import { encodeTags } from "./uri.ts";

export type ResponseHeaders = Readonly<Record<string, string>>;

const META = "x-amz-meta-";
const NON_ASCII = /[^\x00-\x7f]/;
const UNSENDABLE = /[\x00-\x08\x0a-\x1f\x7f]|^[ \t]|[ \t]$/;
const MD5_HEX = /^[0-9a-f]{32}$/;
const ENCODED_WORD = /=\?utf-8\?([bq])\?([^?]*)\?=/gi;
const ENCODED_WORD_GAP = /(=\?utf-8\?[bq]\?[^?]*\?=)\s+(?==\?utf-8\?[bq]\?)/gi;

/** Reads an object's state out of the headers of a HEAD or GET; `key` is not in them. */
export function toObjectState(key: string, headers: ResponseHeaders): ObjectState {
  const etag = unquoteEtag(headers["etag"] ?? "");
  const storedChecksum = toStoredChecksum(headers);
  return {
    key,
    etag,
    sizeBytes: totalBytes(headers),
    lastModified: Date.parse(headers["last-modified"] ?? "") || 0,
    versionId: known(headers["x-amz-version-id"]),
    storageClass: known(headers["x-amz-storage-class"], "STANDARD"),
    attributes: toAttributes(headers),
    tagCount: Number(headers["x-amz-tagging-count"] ?? 0),
    etagMayBeMd5: etagMayBeMd5(etag, headers),
    checksums: storedChecksum?.type === "FULL_OBJECT" ? { [storedChecksum.algorithm]: storedChecksum.value } : undefined,
    storedChecksum,
    lock: toLock(headers),
    encryption: headers[ENCRYPTION],
    archived: isArchived(headers) ? true : undefined,
    restoring: headers["x-amz-restore"]?.includes('ongoing-request="true"') ? true : undefined,
    partsCount: headers["x-amz-mp-parts-count"] === undefined ? undefined : Number(headers["x-amz-mp-parts-count"]),
    replicationStatus: REPLICATION_STATUSES[headers["x-amz-replication-status"] ?? ""],
  };
}

/** S3's model knows two words for what is done, and answers with either. */
const REPLICATION_STATUSES: Readonly<Record<string, ReplicationStatus | undefined>> = {
  COMPLETE: "COMPLETED",
  COMPLETED: "COMPLETED",
  FAILED: "FAILED",
  PENDING: "PENDING",
  REPLICA: "REPLICA",
};

const CHECKSUM = "x-amz-checksum-";
const ENCRYPTION = "x-amz-server-side-encryption";
const LOCK = "x-amz-object-lock";
/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/archived-objects.html */
const ARCHIVES: ReadonlySet<string | undefined> = new Set(["GLACIER", "DEEP_ARCHIVE"]);

/** At most one is kept. Stores that do not name its type show it by its form: a composite value ends in the number of parts. */
export function toStoredChecksum(headers: ResponseHeaders): StoredChecksum | undefined {
  for (const name in headers) {
    const value = headers[name];
    if (!name.startsWith(CHECKSUM) || name === `${CHECKSUM}type` || !value) continue;
    const isComposite = headers[`${CHECKSUM}type`] === "COMPOSITE" || value.includes("-");
    return { algorithm: name.slice(CHECKSUM.length), type: isComposite ? "COMPOSITE" : "FULL_OBJECT", value };
  }
  return undefined;
}

function toLock(headers: ResponseHeaders): ObjectLock | undefined {
  const mode = headers[`${LOCK}-mode`];
  const retainUntil = Date.parse(headers[`${LOCK}-retain-until-date`] ?? "");
  const retention = mode === undefined || Number.isNaN(retainUntil) ? undefined : { mode, retainUntil };
  const legalHold = headers[`${LOCK}-legal-hold`] === "ON";
  return retention === undefined && !legalHold ? undefined : { retention, legalHold };
}

/** The request headers that give a new object this lock. */
export function lockHeaders({ retention, legalHold }: ObjectLock): Record<string, string> {
  const headers: Record<string, string> = {};
  if (retention !== undefined) {
    headers[`${LOCK}-mode`] = retention.mode;
    headers[`${LOCK}-retain-until-date`] = new Date(retention.retainUntil).toISOString();
  }
  if (legalHold) headers[`${LOCK}-legal-hold`] = "ON";
  return headers;
}

function isArchived(headers: ResponseHeaders): boolean {
  return !isRestored(headers) && (headers["x-amz-archive-status"] !== undefined || ARCHIVES.has(headers["x-amz-storage-class"]));
}

/** Some stores tell of a restored copy that is over: by the clock that they answer with. */
function isRestored({ "x-amz-restore": restore, date }: ResponseHeaders): boolean {
  if (restore?.includes('ongoing-request="false"') !== true) return false;
  const until = Date.parse(/expiry-date="([^"]*)"/.exec(restore)?.[1] ?? "");
  return !(until <= Date.parse(date ?? ""));
}

/** The ETag without quotes and without the mark of a weak one. */
export function unquoteEtag(value: string): string {
  return value.replace(/^W\//, "").replace(/^"|"$/g, "");
}

function known(value: string | undefined, nothing = "null"): string | undefined {
  return value === undefined || value === nothing ? undefined : value;
}

/** Content-Range of a part tells the part's length, not the object's: the answer's own length is what was asked for. */
function totalBytes(headers: ResponseHeaders): number {
  return Number(headers["content-length"] ?? 0);
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html: not an MD5 where multipart, SSE-KMS or SSE-C. */
export function etagMayBeMd5(etag: string, headers: ResponseHeaders): boolean {
  return MD5_HEX.test(etag) && isHashed(headers);
}

/** Whether the ETag of an object of one part is the MD5 of its bytes; under keys of KMS or of the client it is not. */
export function isHashed(headers: ResponseHeaders): boolean {
  const sse = headers["x-amz-server-side-encryption"];
  return (sse === undefined || sse === "AES256") && headers["x-amz-server-side-encryption-customer-algorithm"] === undefined;
}

function toAttributes(headers: ResponseHeaders): ObjectAttributes {
  const systemHeaders: Record<string, string> = {};
  for (const name of SYSTEM_HEADERS) {
    const value = name === "content-encoding" ? withoutAwsChunked(headers[name]) : headers[name];
    if (value !== undefined) systemHeaders[name] = value;
  }
  const metadata: [string, string][] = [];
  for (const name in headers) {
    if (name.startsWith(META)) metadata.push([name.slice(META.length), decodeMetadata(headers[name] ?? "")]);
  }
  // Not by assignment: an entry may be called `__proto__`.
  return { systemHeaders, metadata: Object.fromEntries(metadata) };
}

/** Some servers store the transfer's own `aws-chunked` as if it were the object's encoding. */
function withoutAwsChunked(value: string | undefined): string | undefined {
  if (value === undefined || !value.includes("aws-chunked")) return value;
  const rest = value.split(",").map((part) => part.trim());
  return rest.filter((part) => part !== "aws-chunked" && part !== "").join(",") || undefined;
}

/**
 * Decodes a metadata value as it came over the wire (one byte per character): UTF-8 where it is UTF-8, then the encoded words of RFC 2047
 * that S3 wraps non-ASCII values in. https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
 */
export function decodeMetadata(wire: string): string {
  const text = NON_ASCII.test(wire) ? fromUtf8(wire) : wire;
  if (!text.includes("=?")) return text;
  return text.replace(ENCODED_WORD_GAP, "$1").replace(ENCODED_WORD, (word, kind: string, body: string) => decodeWord(word, kind, body));
}

function fromUtf8(wire: string): string {
  const bytes = Buffer.from(wire, "latin1");
  const text = bytes.toString("utf8");
  return Buffer.from(text, "utf8").equals(bytes) ? text : wire;
}

function decodeWord(word: string, kind: string, body: string): string {
  const bytes =
    kind.toLowerCase() === "b"
      ? Buffer.from(body, "base64")
      : Buffer.from(
          body.replaceAll("_", " ").replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
          "latin1",
        );
  const text = bytes.toString("utf8");
  return Buffer.from(text, "utf8").equals(bytes) ? text : word;
}

/**
 * Encodes a metadata value for the wire: its UTF-8 bytes, one per character, which S3 takes as they are. What a header line cannot carry (line
 * breaks, other control characters, blanks at its ends) goes as an encoded word, as it came.
 */
export function encodeMetadata(value: string): string {
  if (UNSENDABLE.test(value)) return `=?UTF-8?B?${Buffer.from(value, "utf8").toString("base64")}?=`;
  return NON_ASCII.test(value) ? Buffer.from(value, "utf8").toString("latin1") : value;
}

/** The request headers that give a new object these attributes. */
export function toRequestHeaders(attributes: ObjectAttributes): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(attributes.systemHeaders)) headers[name] = value;
  for (const [name, value] of Object.entries(attributes.metadata)) headers[META + name] = encodeMetadata(value);
  if (attributes.tags !== undefined && Object.keys(attributes.tags).length > 0) headers["x-amz-tagging"] = encodeTags(attributes.tags);
  return headers;
}
