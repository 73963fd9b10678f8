import { S3Error } from "./s3-error.ts";

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html */
const MAX_KEY_BYTES = 1024;

/** Refuses what cannot be a key: empty, not Unicode, or longer than 1,024 bytes of UTF-8. Nothing else is refused or changed. */
export function checkKey(key: string): void {
  if (key === "" || !key.isWellFormed()) throw new S3Error("InvalidURI");
  // A UTF-16 unit is at most three bytes of UTF-8, so short keys need no counting.
  if (key.length * 3 <= MAX_KEY_BYTES) return;
  const sizeBytes = Buffer.byteLength(key);
  if (sizeBytes <= MAX_KEY_BYTES) return;
  throw new S3Error("KeyTooLongError", undefined, { details: { Size: String(sizeBytes), MaxSizeAllowed: String(MAX_KEY_BYTES) } });
}
