import { createHash } from "node:crypto";
import { createCrc32, createCrc32c, createCrc64Nvme, type Digest } from "./crc.ts";
import { S3Error } from "./s3-error.ts";

export const CHECKSUM_ALGORITHMS = ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"] as const;
export type ChecksumAlgorithm = (typeof CHECKSUM_ALGORITHMS)[number];
export type ChecksumType = "FULL_OBJECT" | "COMPOSITE";

/** What S3 stores beside the ETag. https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html */
export interface Checksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly type: ChecksumType;
  /** Base64 of the big-endian value; `-<parts>` after it for COMPOSITE. */
  readonly value: string;
}

/** A checksum that a writer asks for, and the value it expects where it knows one. */
export interface WantedChecksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly value?: string | undefined;
}

const DIGESTS: Readonly<Record<ChecksumAlgorithm, () => Digest>> = {
  crc32: createCrc32,
  crc32c: createCrc32c,
  crc64nvme: createCrc64Nvme,
  sha1: () => createHash("sha1"),
  sha256: () => createHash("sha256"),
};

const DIGEST_BYTES: Readonly<Record<ChecksumAlgorithm, number>> = { crc32: 4, crc32c: 4, crc64nvme: 8, sha1: 20, sha256: 32 };

export function createDigest(algorithm: ChecksumAlgorithm): Digest {
  return DIGESTS[algorithm]();
}

/** Reads an algorithm's name as headers and documents spell it, in any case. */
export function parseChecksumAlgorithm(name: string): ChecksumAlgorithm {
  const algorithm = CHECKSUM_ALGORITHMS.find((known) => known === name.toLowerCase());
  if (algorithm === undefined) throw new S3Error("NotImplemented", `The checksum algorithm ${name} is not implemented`);
  return algorithm;
}

/** Is true where the text could be a value of the algorithm at all. */
export function isChecksumValue(algorithm: ChecksumAlgorithm, value: string): boolean {
  const bytes = Buffer.from(value, "base64");
  return bytes.length === DIGEST_BYTES[algorithm] && bytes.toString("base64") === value;
}

/** The type an upload has where it names none, and a refusal of what S3 does not combine. */
export function checksumTypeFor(algorithm: ChecksumAlgorithm, type: string | undefined): ChecksumType {
  const chosen = type ?? (algorithm === "crc64nvme" ? "FULL_OBJECT" : "COMPOSITE");
  if (chosen !== "FULL_OBJECT" && chosen !== "COMPOSITE") throw new S3Error("InvalidRequest", "Value for x-amz-checksum-type is invalid.");
  const refused = algorithm === "crc64nvme" ? "COMPOSITE" : algorithm.startsWith("sha") ? "FULL_OBJECT" : undefined;
  if (chosen !== refused) return chosen;
  throw new S3Error("InvalidRequest", `The ${chosen} checksum type cannot be used with the ${algorithm} checksum algorithm.`);
}

/** The checksum of checksums of a multipart object, `<base64>-<parts>`. */
export function compositeChecksum(algorithm: ChecksumAlgorithm, partValues: readonly string[]): Checksum {
  const digest = createDigest(algorithm);
  for (const value of partValues) digest.update(Buffer.from(value, "base64"));
  return { algorithm, type: "COMPOSITE", value: `${digest.digest().toString("base64")}-${partValues.length}` };
}
