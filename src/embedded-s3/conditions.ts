import type { ObjectVersion, Version } from "./object-version.ts";
import { S3Error } from "./s3-error.ts";

export interface ReadConditions {
  /** One ETag, several with commas, or `*`. */
  readonly ifMatch?: string | undefined;
  readonly ifNoneMatch?: string | undefined;
  /** Milliseconds since the epoch. */
  readonly ifModifiedSince?: number | undefined;
  readonly ifUnmodifiedSince?: number | undefined;
}

export interface WriteConditions {
  /** The ETag that the current object must have. */
  readonly ifMatch?: string | undefined;
  /** Only `*`: there must be no current object. */
  readonly ifNoneMatch?: string | undefined;
}

/** Refuses a read with 412, or 304 where the reader has it already. https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html */
export function checkRead(version: ObjectVersion, conditions: ReadConditions): void {
  if (!sourceHolds(version, conditions)) throw preconditionFailed("If-Match");
  if (!isNews(version, conditions)) {
    throw new S3Error("NotModified", undefined, { etag: version.etag, lastModified: version.lastModified });
  }
}

/** Refuses a copy with 412 whatever the condition. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html */
export function checkCopySource(version: ObjectVersion, conditions: ReadConditions): void {
  if (!sourceHolds(version, conditions)) throw preconditionFailed("x-amz-copy-source-If-Match");
  if (!isNews(version, conditions)) throw preconditionFailed("x-amz-copy-source-If-None-Match");
}

/**
 * Refuses a write whose condition the current version does not meet: 412, or 404 where If-Match meets nothing. A delete marker is nothing.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
 */
export function checkWrite(current: Version | undefined, { ifMatch, ifNoneMatch }: WriteConditions): void {
  if (ifMatch === undefined && ifNoneMatch === undefined) return;
  if ((ifMatch !== undefined && ifNoneMatch !== undefined) || ifMatch === "*" || (ifNoneMatch !== undefined && ifNoneMatch !== "*")) {
    throw new S3Error("NotImplemented");
  }
  const object = current?.kind === "object" ? current : undefined;
  if (ifNoneMatch !== undefined && object !== undefined) throw preconditionFailed("If-None-Match");
  if (ifMatch === undefined) return;
  if (object === undefined) throw new S3Error("NoSuchKey");
  if (!etagMatches(ifMatch, object.etag)) throw preconditionFailed("If-Match");
}

/** Refuses a delete whose ETag is not the current one's. https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html */
export function checkDelete(current: Version | undefined, ifMatch: string | undefined): void {
  if (ifMatch === undefined) return;
  if (current === undefined) throw new S3Error("NoSuchKey");
  if (current.kind === "deleteMarker" || !etagMatches(ifMatch, current.etag)) throw preconditionFailed("If-Match");
}

/** An ETag that holds makes If-Unmodified-Since irrelevant. */
function sourceHolds(version: ObjectVersion, { ifMatch, ifUnmodifiedSince }: ReadConditions): boolean {
  if (ifMatch !== undefined) return etagMatches(ifMatch, version.etag);
  return ifUnmodifiedSince === undefined || version.lastModified <= ifUnmodifiedSince;
}

/** An If-None-Match makes If-Modified-Since irrelevant. */
function isNews(version: ObjectVersion, { ifNoneMatch, ifModifiedSince }: ReadConditions): boolean {
  if (ifNoneMatch !== undefined) return !etagMatches(ifNoneMatch, version.etag);
  return ifModifiedSince === undefined || version.lastModified > ifModifiedSince;
}

function etagMatches(condition: string, etag: string): boolean {
  return condition.split(",").some((candidate) => {
    const bare = unquoted(candidate.trim());
    return bare === "*" || bare === etag;
  });
}

/** Drops the quotes around an ETag, where there are any. */
export function unquoted(etag: string): string {
  return etag.length > 1 && etag.startsWith('"') && etag.endsWith('"') ? etag.slice(1, -1) : etag;
}

function preconditionFailed(condition: string): S3Error {
  return new S3Error("PreconditionFailed", undefined, { details: { Condition: condition } });
}
