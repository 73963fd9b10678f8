import type { Body } from "./body.ts";
import type { Checksum, ChecksumAlgorithm, WantedChecksum } from "./checksum.ts";
import { S3Error } from "./s3-error.ts";

/** Bytes and what their sender says of them. */
export interface SentBody {
  readonly body: Body;
  readonly checksum?: WantedChecksum | undefined;
  /** Base64. */
  readonly contentMd5?: string | undefined;
}

export function fullChecksum(body: Body, algorithm: ChecksumAlgorithm | undefined): Checksum | undefined {
  if (algorithm === undefined) return undefined;
  return { algorithm, type: "FULL_OBJECT", value: body.checksum(algorithm) };
}

/** Refuses bytes that are not those that were sent. */
export function checkDigests({ body, checksum, contentMd5 }: SentBody): void {
  if (contentMd5 !== undefined) checkContentMd5(body, contentMd5);
  if (checksum?.value === undefined || body.checksum(checksum.algorithm) === checksum.value) return;
  throw new S3Error("BadDigest", `The ${checksum.algorithm.toUpperCase()} you specified did not match the calculated checksum.`);
}

const MD5_BYTES = 16;

function checkContentMd5(body: Body, contentMd5: string): void {
  const expected = Buffer.from(contentMd5, "base64");
  if (expected.length !== MD5_BYTES) throw new S3Error("InvalidDigest");
  const hex = expected.toString("hex");
  if (hex === body.md5()) return;
  throw new S3Error("BadDigest", "The Content-MD5 you specified did not match what we received.", {
    details: { ExpectedDigest: hex, CalculatedDigest: body.md5() },
  });
}
