import { createHash } from "node:crypto";

/** One part: where it stands in the object. */
export interface Part {
  /** From 1, without gaps: gaps in the source's numbers leave no trace in its ETag. */
  readonly number: number;
  readonly start: number;
  readonly sizeBytes: number;
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
export const MAX_PARTS = 10_000;
const MIB = 1024 * 1024;
/** Throughput is flat above 16 MiB; 64 keeps the number of requests of a terabyte bearable. */
const OWN_PART_BYTES = 64 * MIB;

/** The layout whose parts all have `partBytes`, the last one what remains. */
export function uniformLayout(totalBytes: number, partBytes: number): readonly Part[] {
  const count = Math.max(1, Math.ceil(totalBytes / partBytes));
  return Array.from({ length: count }, (_, i) => {
    const start = i * partBytes;
    return { number: i + 1, start, sizeBytes: Math.min(partBytes, totalBytes - start) };
  });
}

/** The layout with exactly these part sizes. */
export function exactLayout(sizes: readonly number[]): readonly Part[] {
  let start = 0;
  return sizes.map((sizeBytes, i) => {
    const part = { number: i + 1, start, sizeBytes };
    start += sizeBytes;
    return part;
  });
}

/** A layout of our own for an object whose layout is not known, within S3's 10,000 parts. */
export function ownLayout(totalBytes: number): readonly Part[] {
  const needed = Math.ceil(totalBytes / MAX_PARTS / MIB) * MIB;
  return uniformLayout(totalBytes, Math.max(OWN_PART_BYTES, needed));
}

/** The ETag of a multipart object: the MD5 of its parts' MD5s, and their number. */
export function multipartEtag(partEtags: readonly string[]): string {
  const digest = createHash("md5");
  for (const etag of partEtags) digest.update(etag, "hex");
  return `${digest.digest("hex")}-${partEtags.length}`;
}
