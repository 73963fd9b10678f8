import { createHash } from "node:crypto";
import { compareKeys, type ObjectAttributes } from "../domain/object.ts";
import { Body } from "./body.ts";
import { type Checksum, type ChecksumAlgorithm, type ChecksumType, compositeChecksum, type WantedChecksum } from "./checksum.ts";
import { unquoted, type WriteConditions } from "./conditions.ts";
import type { Guards } from "./guards.ts";
import type { SentBody } from "./integrity.ts";
import type { CopySource } from "./object-copy.ts";
import type { ObjectContent } from "./object-version.ts";
import { S3Error } from "./s3-error.ts";
import type { TagSet } from "./tag-set.ts";

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
const MAX_PART_NUMBER = 10_000;

export interface UploadedPart {
  readonly partNumber: number;
  /** Hex. */
  readonly etag: string;
  readonly body: Body;
  readonly lastModified: number;
  readonly checksum?: Checksum | undefined;
}

export interface Upload extends Guards {
  readonly uploadId: string;
  readonly key: string;
  readonly systemHeaders: ObjectAttributes["systemHeaders"];
  readonly metadata: ObjectAttributes["metadata"];
  readonly tags: TagSet;
  readonly storageClass?: string | undefined;
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType } | undefined;
  /** Milliseconds since the epoch, whole seconds: S3 dates the object by it. */
  readonly initiatedAt: number;
  readonly parts: Map<number, UploadedPart>;
}

/** A part as the one who completes an upload lists it. */
export interface ListedPart {
  readonly partNumber: number;
  readonly etag: string;
  readonly checksums?: Readonly<Partial<Record<ChecksumAlgorithm, string>>> | undefined;
}

export interface CreateUploadInput extends Guards {
  readonly attributes?: ObjectAttributes | undefined;
  readonly storageClass?: string | undefined;
  readonly checksumAlgorithm?: ChecksumAlgorithm | undefined;
  readonly checksumType?: string | undefined;
}

export interface PartInput extends SentBody {
  /** Of an upload that a client's key encrypts: base64 of its MD5. */
  readonly customerKeyMd5?: string | undefined;
  readonly uploadId: string;
  readonly partNumber: number;
}

export interface PartCopyInput {
  readonly uploadId: string;
  readonly partNumber: number;
  readonly source: CopySource;
  /** As of {@link PartInput}. */
  readonly customerKeyMd5?: string | undefined;
  readonly range?: { readonly first: number; readonly last: number } | undefined;
}

export interface CompleteInput extends WriteConditions {
  readonly uploadId: string;
  readonly parts: readonly ListedPart[];
  readonly checksum?: WantedChecksum | undefined;
  /** What the object's size must be. */
  readonly sizeBytes?: number | undefined;
}

/** The uploads in progress of one bucket. */
export class MultipartUploads {
  readonly #uploads = new Map<string, Upload>();

  add(upload: Upload): void {
    this.#uploads.set(upload.uploadId, upload);
  }

  get(key: string, uploadId: string): Upload {
    const upload = this.#uploads.get(uploadId);
    if (upload === undefined || upload.key !== key) throw new S3Error("NoSuchUpload", undefined, { details: { UploadId: uploadId } });
    return upload;
  }

  remove(upload: Upload): void {
    this.#uploads.delete(upload.uploadId);
  }

  /** By key, then in the order they were begun. */
  inOrder(): readonly Upload[] {
    return [...this.#uploads.values()].sort((a, b) => compareKeys(a.key, b.key));
  }
}

export function checkPartNumber(partNumber: number): void {
  if (Number.isInteger(partNumber) && partNumber >= 1 && partNumber <= MAX_PART_NUMBER) return;
  throw new S3Error("InvalidArgument", `Part number must be an integer between 1 and ${MAX_PART_NUMBER}, inclusive`);
}

/** Parts of a composite checksum must bring their own, and all parts the upload's kind. */
export function checkPartChecksum({ checksum: wanted }: Upload, { checksum: sent }: PartInput): void {
  if (wanted === undefined || wanted.algorithm === sent?.algorithm) return;
  if (sent === undefined && wanted.type === "FULL_OBJECT") return;
  const actual = sent?.algorithm ?? "null";
  throw new S3Error(
    "InvalidRequest",
    `Checksum Type mismatch occurred, expected checksum Type: ${wanted.algorithm}, actual checksum Type: ${actual}`,
  );
}

/**
 * Makes the object out of the parts that were listed, or refuses the list as S3 does.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
 */
export function assemble(upload: Upload, listed: readonly ListedPart[], minPartBytes: number): ObjectContent {
  if (listed.length === 0) throw new S3Error("MalformedXML");
  checkOrder(listed);
  const parts = listed.map((part) => findPart(upload, part));
  checkSizes(parts, minPartBytes);
  const body = Body.join(parts.map((part) => part.body));
  return {
    etag: multipartEtag(parts),
    body,
    systemHeaders: upload.systemHeaders,
    metadata: upload.metadata,
    tags: upload.tags,
    storageClass: upload.storageClass,
    lock: upload.lock,
    acl: upload.acl,
    encryption: upload.encryption,
    checksum: objectChecksum(upload, parts, body),
    parts: parts.map((part) => ({ sizeBytes: part.body.sizeBytes, checksum: part.checksum })),
  };
}

function checkOrder(listed: readonly ListedPart[]): void {
  let previous = 0;
  for (const { partNumber } of listed) {
    if (partNumber <= previous) throw new S3Error("InvalidPartOrder");
    previous = partNumber;
  }
}

function findPart(upload: Upload, listed: ListedPart): UploadedPart {
  const part = upload.parts.get(listed.partNumber);
  const etag = unquoted(listed.etag);
  if (part === undefined || part.etag !== etag || !checksumsAgree(part, listed)) {
    throw new S3Error("InvalidPart", undefined, {
      details: { UploadId: upload.uploadId, PartNumber: String(listed.partNumber), ETag: etag },
    });
  }
  if (upload.checksum?.type === "COMPOSITE" && listed.checksums?.[upload.checksum.algorithm] === undefined) {
    const { algorithm } = upload.checksum;
    const message = `The upload was created using a ${algorithm} checksum. The complete request must include the checksum for each part. It was missing for part ${listed.partNumber} in the request.`;
    throw new S3Error("InvalidRequest", message);
  }
  return part;
}

function checksumsAgree(part: UploadedPart, { checksums }: ListedPart): boolean {
  return Object.entries(checksums ?? {}).every(([algorithm, value]) => part.body.checksum(algorithm as ChecksumAlgorithm) === value);
}

function checkSizes(parts: readonly UploadedPart[], minPartBytes: number): void {
  const small = parts.slice(0, -1).find((part) => part.body.sizeBytes < minPartBytes);
  if (small === undefined) return;
  const details = {
    ProposedSize: String(small.body.sizeBytes),
    MinSizeAllowed: String(minPartBytes),
    PartNumber: String(small.partNumber),
    ETag: small.etag,
  };
  throw new S3Error("EntityTooSmall", undefined, { details });
}

function multipartEtag(parts: readonly UploadedPart[]): string {
  const hash = createHash("md5");
  for (const part of parts) hash.update(part.etag, "hex");
  return `${hash.digest("hex")}-${parts.length}`;
}

function objectChecksum(upload: Upload, parts: readonly UploadedPart[], body: Body): Checksum | undefined {
  if (upload.checksum === undefined) return undefined;
  const { algorithm, type } = upload.checksum;
  // S3 documents a 500 for parts that are not consecutive from 1 where a checksum was asked for.
  if (parts.some((part, index) => part.partNumber !== index + 1)) throw new S3Error("InternalError");
  if (type === "FULL_OBJECT") return { algorithm, type, value: body.checksum(algorithm) };
  return compositeChecksum(
    algorithm,
    parts.map((part) => part.body.checksum(algorithm)),
  );
}

/** Refuses an object that is not what its writer expects. */
export function checkCompleted(content: ObjectContent, { sizeBytes, checksum }: CompleteInput): void {
  if (sizeBytes !== undefined && sizeBytes !== content.body.sizeBytes) {
    throw new S3Error("InvalidRequest", "The provided 'x-amz-mp-object-size' header does not match what was computed.");
  }
  if (checksum?.value === undefined) return;
  const stored = content.checksum?.algorithm === checksum.algorithm ? content.checksum.value : content.body.checksum(checksum.algorithm);
  if (checksum.value !== stored) throw new S3Error("BadDigest");
}
