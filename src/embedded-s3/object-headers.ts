import { type ObjectAttributes, SYSTEM_HEADERS } from "../domain/object.ts";
import { CHECKSUM_ALGORITHMS, type Checksum, isChecksumValue, type WantedChecksum } from "./checksum.ts";
import type { ReadConditions, WriteConditions } from "./conditions.ts";
import { guardHeaders } from "./guard-headers.ts";
import type { ObjectRead } from "./object-read.ts";
import { restoreHeaders } from "./object-restore.ts";
import { S3Error } from "./s3-error.ts";
import { headerText, type S3Request } from "./s3-request.ts";
import { presentHeaders, toHeaderValue, toHttpDate, toMetadataValue } from "./s3-response.ts";
import { parseTagHeader } from "./tag-set.ts";

const METADATA_PREFIX = "x-amz-meta-";

/** Refuses what would have to be ignored: appends, ACLs that are no canned ones. */
export function checkWriteHeaders({ headers }: S3Request): void {
  for (const name of headers.keys()) {
    if (name.startsWith("x-amz-write-offset")) throw new S3Error("NotImplemented", undefined, { details: { Header: name } });
    if (name.startsWith("x-amz-grant-")) throw new S3Error("AccessControlListNotSupported");
  }
}

/** Reads everything that is kept beside the bytes. */
export function readAttributes({ headers }: S3Request): ObjectAttributes {
  const metadata: [string, string][] = [];
  for (const [name, value] of headers) {
    if (name.startsWith(METADATA_PREFIX)) metadata.push([name.slice(METADATA_PREFIX.length), headerText(value)]);
  }
  const tagging = headers.get("x-amz-tagging");
  return {
    systemHeaders: readSystemHeaders(headers),
    metadata: Object.fromEntries(metadata),
    tags: tagging === undefined ? {} : parseTagHeader(headerText(tagging)),
  };
}

function readSystemHeaders(headers: ReadonlyMap<string, string>): Record<string, string> {
  const systemHeaders: Record<string, string> = {};
  for (const name of SYSTEM_HEADERS) {
    const sent = headers.get(name);
    const value = name === "content-encoding" ? withoutAwsChunked(sent) : sent;
    if (value !== undefined && value !== "") systemHeaders[name] = headerText(value);
  }
  return systemHeaders;
}

/** aws-chunked is how the request was packed, not what the object is. */
function withoutAwsChunked(encoding: string | undefined): string | undefined {
  if (encoding === undefined || !encoding.includes("aws-chunked")) return encoding;
  const kept = encoding.split(",").filter((coding) => coding.trim() !== "aws-chunked");
  return kept.join(",").trim();
}

export function readWriteConditions({ headers }: S3Request): WriteConditions {
  return { ifMatch: headers.get("if-match"), ifNoneMatch: headers.get("if-none-match") };
}

export function readConditions({ headers }: S3Request, prefix: "" | "x-amz-copy-source-"): ReadConditions {
  return {
    ifMatch: headers.get(`${prefix}if-match`),
    ifNoneMatch: headers.get(`${prefix}if-none-match`),
    ifModifiedSince: parseHttpDate(headers.get(`${prefix}if-modified-since`)),
    ifUnmodifiedSince: parseHttpDate(headers.get(`${prefix}if-unmodified-since`)),
  };
}

/** A date that is none is as if it had not been sent. */
function parseHttpDate(text: string | undefined): number | undefined {
  const at = Date.parse(text ?? "");
  return Number.isNaN(at) ? undefined : at;
}

/** Reads the one checksum that may come with a body. */
export function readChecksum({ headers }: S3Request): WantedChecksum | undefined {
  const unknown = [...headers.keys()].find((name) => /^x-amz-checksum-(sha512|md5|xxhash\w*)$/.test(name));
  if (unknown !== undefined) throw new S3Error("NotImplemented", undefined, { details: { Header: unknown } });
  const sent = CHECKSUM_ALGORITHMS.filter((algorithm) => headers.has(`x-amz-checksum-${algorithm}`));
  if (sent.length > 1) {
    throw new S3Error("InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.");
  }
  const [algorithm] = sent;
  if (algorithm === undefined) return undefined;
  const value = headers.get(`x-amz-checksum-${algorithm}`) ?? "";
  if (!isChecksumValue(algorithm, value)) throw new S3Error("InvalidRequest", `Value for x-amz-checksum-${algorithm} header is invalid.`);
  return { algorithm, value };
}

export function checksumHeaders(checksum: Checksum | undefined): Record<string, string> {
  if (checksum === undefined) return {};
  return { [`x-amz-checksum-${checksum.algorithm}`]: checksum.value, "x-amz-checksum-type": checksum.type };
}

/** The query parameters that replace a header of the answer to GET. */
const OVERRIDES = ["cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires"];

/** Tells an object's state. https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html */
export function objectHeaders(read: ObjectRead, { headers, query }: S3Request): Record<string, string> {
  const { version, span } = read;
  const tagCount = Object.keys(version.tags).length;
  const told = presentHeaders({
    "accept-ranges": "bytes",
    "last-modified": toHttpDate(version.lastModified),
    etag: `"${version.etag}"`,
    "content-length": String(span.end - span.start),
    "content-range": read.partial && span.end > span.start ? `bytes ${span.start}-${span.end - 1}/${version.body.sizeBytes}` : undefined,
    "x-amz-version-id": read.versionId,
    "x-amz-storage-class": version.storageClass,
    "x-amz-tagging-count": tagCount === 0 ? undefined : String(tagCount),
    "x-amz-mp-parts-count": read.partsCount === undefined ? undefined : String(read.partsCount),
  });
  Object.assign(told, guardHeaders(version), restoreHeaders(version));
  for (const [name, value] of Object.entries(version.systemHeaders)) told[name] = toHeaderValue(value);
  for (const [name, value] of Object.entries(version.metadata)) told[METADATA_PREFIX + name] = toMetadataValue(value);
  for (const name of OVERRIDES) {
    const override = query.get(`response-${name}`);
    if (override !== undefined) told[name] = toHeaderValue(override);
  }
  return headers.get("x-amz-checksum-mode")?.toUpperCase() === "ENABLED" ? { ...told, ...checksumHeaders(read.checksum()) } : told;
}
