import type { BucketState } from "./bucket-state.ts";
import { type ByteRange, type ByteSpan, resolveRange } from "./byte-range.ts";
import type { Checksum } from "./checksum.ts";
import type { ReadConditions } from "./conditions.ts";
import { checkPartNumber } from "./multipart-uploads.ts";
import { checkKey } from "./object-key.ts";
import { checksumOf, type ObjectVersion, type Version } from "./object-version.ts";
import { S3Error } from "./s3-error.ts";

export interface ReadInput {
  readonly versionId?: string | undefined;
  readonly conditions?: ReadConditions | undefined;
  readonly range?: ByteRange | undefined;
  /** Base64 of the MD5 of the key that the object was encrypted with. */
  readonly customerKeyMd5?: string | undefined;
  /** Of a multipart object: the how-manieth part. */
  readonly partNumber?: number | undefined;
}

export interface ObjectRead {
  readonly version: ObjectVersion;
  /** Absent where versioning was never enabled. */
  readonly versionId?: string | undefined;
  /** The bytes that are meant. */
  readonly span: ByteSpan;
  /** True where a range or a part was asked for. */
  readonly partial: boolean;
  /** Only where a part of a multipart object was asked for. */
  readonly partsCount?: number | undefined;
  /** Of exactly the bytes that are meant, where there is one: of the whole object, or of the part. */
  readonly checksum: () => Checksum | undefined;
}

const VERSION_ID = /^[A-Za-z0-9._-]{1,1024}$/;

export function checkVersionId(versionId: string): void {
  if (!VERSION_ID.test(versionId)) throw new S3Error("InvalidArgument", "Invalid version id specified");
}

/** Finds what a read means: a delete marker is 405 by its id, and 404 where it is the current version. */
export function findObject(state: BucketState, key: string, versionId: string | undefined): ObjectVersion {
  checkKey(key);
  const version = findVersion(state, key, versionId);
  if (version.kind === "object") return version;
  const facts = { deleteMarker: true, versionId: version.versionId, lastModified: version.lastModified };
  if (versionId === undefined) throw new S3Error("NoSuchKey", undefined, { ...facts, details: { Key: key } });
  throw new S3Error("MethodNotAllowed", undefined, { ...facts, details: { Method: "GET", ResourceType: "DeleteMarker" } });
}

function findVersion(state: BucketState, key: string, versionId: string | undefined): Version {
  if (versionId !== undefined) checkVersionId(versionId);
  const version = versionId === undefined ? state.current(key) : state.find(key, versionId);
  if (version !== undefined) return version;
  if (versionId === undefined) throw new S3Error("NoSuchKey", undefined, { details: { Key: key } });
  throw new S3Error("NoSuchVersion", undefined, { details: { Key: key, VersionId: versionId } });
}

export function findCopySource(
  state: BucketState,
  { key, versionId }: { readonly key: string; readonly versionId?: string | undefined },
): ObjectVersion {
  checkKey(key);
  const version = findVersion(state, key, versionId);
  if (version.kind === "object") return version;
  if (versionId === undefined) throw new S3Error("NoSuchKey", undefined, { details: { Key: key } });
  throw new S3Error("InvalidRequest", "The source of a copy request may not specifically refer to a delete marker by version id.");
}

export function shownVersionId(state: BucketState, version: Version): string | undefined {
  return state.versioning === "Unversioned" ? undefined : version.versionId;
}

export function resolveSpan(
  version: ObjectVersion,
  { range, partNumber }: ReadInput,
): Pick<ObjectRead, "span" | "partial" | "partsCount" | "checksum"> {
  const { sizeBytes } = version.body;
  if (range !== undefined && partNumber !== undefined) {
    throw new S3Error("InvalidRequest", "Cannot specify both Range header and partNumber query parameter");
  }
  if (partNumber !== undefined) return resolvePart(version, partNumber);
  if (range === undefined) return { span: { start: 0, end: sizeBytes }, partial: false, checksum: () => checksumOf(version) };
  return { span: resolveRange(range, sizeBytes), partial: true, checksum: () => undefined };
}

function resolvePart(version: ObjectVersion, partNumber: number): Pick<ObjectRead, "span" | "partial" | "partsCount" | "checksum"> {
  checkPartNumber(partNumber);
  const { parts, body } = version;
  const part = parts === undefined && partNumber === 1 ? body : parts?.[partNumber - 1];
  if (part === undefined) {
    const details = { ActualPartCount: String(parts?.length ?? 1), PartNumberRequested: String(partNumber) };
    throw new S3Error("InvalidPartNumber", undefined, { sizeBytes: body.sizeBytes, details });
  }
  const start = (parts ?? []).slice(0, partNumber - 1).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const checksum = () => (parts === undefined ? checksumOf(version) : parts[partNumber - 1]?.checksum);
  return { span: { start, end: start + part.sizeBytes }, partial: true, partsCount: parts?.length, checksum };
}
