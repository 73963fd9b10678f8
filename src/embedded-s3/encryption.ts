import { createHash } from "node:crypto";
import type { Body } from "./body.ts";
import { S3Error } from "./s3-error.ts";

/**
 * How S3 says that it keeps an object. Nothing here is encrypted; what can be told from outside is as on S3.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/serv-side-encryption.html
 */
export type Encryption =
  | { readonly type: "AES256" }
  | { readonly type: "aws:kms"; readonly keyId: string }
  /** With a key that only the client has: base64 of its MD5. */
  | { readonly type: "customer"; readonly keyMd5: string };

/** The key of KMS where none is named. */
export const DEFAULT_KMS_KEY = "arn:aws:kms:us-east-1:000000000000:key/aws-s3";

/** The ETag of bytes that were written at once: their MD5, unless a key is part of it. https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html */
export function etagOf(body: Body, encryption: Encryption | undefined): string {
  if (encryption === undefined || encryption.type === "AES256") return body.md5();
  const key = encryption.type === "customer" ? encryption.keyMd5 : encryption.keyId;
  return createHash("md5").update(`${encryption.type} ${key} ${body.md5()}`).digest("hex");
}

/** Refuses to read, or to add to, what was encrypted with a client's key without that key. */
export function checkCustomerKey(encryption: Encryption | undefined, keyMd5: string | undefined): void {
  if (encryption?.type !== "customer") {
    if (keyMd5 === undefined) return;
    throw new S3Error("InvalidRequest", "The encryption parameters are not applicable to this object.");
  }
  if (keyMd5 === undefined) {
    throw new S3Error(
      "InvalidRequest",
      "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.",
    );
  }
  if (keyMd5 !== encryption.keyMd5) throw new S3Error("AccessDenied");
}
