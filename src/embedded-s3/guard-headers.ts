import { hash } from "node:crypto";
import { parseCannedAcl } from "./acl.ts";
import { DEFAULT_KMS_KEY, type Encryption } from "./encryption.ts";
import type { Guards } from "./guards.ts";
import { type Bypass, type ObjectLock, parseRetentionMode, type Retention } from "./object-lock.ts";
import { S3Error } from "./s3-error.ts";
import type { S3Request } from "./s3-request.ts";
import { presentHeaders } from "./s3-response.ts";

const ENCRYPTION = "x-amz-server-side-encryption";
const KEY_BYTES = 32;
const LOCK = "x-amz-object-lock";

/** Reads what a write asks to be guarded by. */
export function readGuards(request: S3Request): Guards {
  const acl = request.headers.get("x-amz-acl");
  return {
    acl: acl === undefined ? undefined : parseCannedAcl(acl),
    encryption: readEncryption(request),
    lock: readLock(request),
  };
}

/** Tells what guards an object, but its ACL, which has to be asked for. */
export function guardHeaders({ lock, encryption }: Guards): Record<string, string> {
  return {
    ...encryptionHeaders(encryption),
    ...presentHeaders({
      [`${LOCK}-mode`]: lock?.retention?.mode,
      [`${LOCK}-retain-until-date`]: lock?.retention === undefined ? undefined : new Date(lock.retention.retainUntil).toISOString(),
      [`${LOCK}-legal-hold`]: lock?.legalHold === undefined ? undefined : lock.legalHold ? "ON" : "OFF",
    }),
  };
}

export function encryptionHeaders(encryption: Encryption | undefined): Record<string, string> {
  if (encryption === undefined) return {};
  if (encryption.type === "AES256") return { [ENCRYPTION]: "AES256" };
  if (encryption.type === "aws:kms") return { [ENCRYPTION]: "aws:kms", [`${ENCRYPTION}-aws-kms-key-id`]: encryption.keyId };
  return { [`${ENCRYPTION}-customer-algorithm`]: "AES256", [`${ENCRYPTION}-customer-key-md5`]: encryption.keyMd5 };
}

/** Reads the MD5 of the key that a client encrypted something with: the object itself, or a copy's source. */
export function readCustomerKey({ headers }: S3Request, prefix: "" | "x-amz-copy-source-" = ""): string | undefined {
  const name = `${prefix === "" ? "x-amz-" : prefix}server-side-encryption-customer`;
  const [algorithm, key, md5] = [headers.get(`${name}-algorithm`), headers.get(`${name}-key`), headers.get(`${name}-key-md5`)];
  if (algorithm === undefined && key === undefined && md5 === undefined) return undefined;
  if (algorithm !== "AES256") {
    throw new S3Error(
      "InvalidArgument",
      "Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.",
    );
  }
  const bytes = Buffer.from(key ?? "", "base64");
  if (bytes.length !== KEY_BYTES || md5 === undefined || md5 !== hash("md5", bytes, "base64")) {
    throw new S3Error("InvalidArgument", "The calculated MD5 hash of the key did not match the hash that was provided.");
  }
  return md5;
}

export function readBypass({ headers }: S3Request): Bypass {
  return { bypassGovernance: headers.get("x-amz-bypass-governance-retention")?.toLowerCase() === "true" };
}

/** Reads a retention out of its two halves, wherever they stood. */
export function toRetention(mode: string | undefined, until: string | undefined): Retention | undefined {
  if (mode === undefined && until === undefined) return undefined;
  if (mode === undefined || until === undefined) {
    throw new S3Error("InvalidArgument", `${LOCK}-retain-until-date and ${LOCK}-mode must both be supplied`);
  }
  const retainUntil = Date.parse(until);
  if (Number.isNaN(retainUntil)) throw new S3Error("InvalidArgument", "The retain until date must be provided in ISO 8601 format");
  return { mode: parseRetentionMode(mode), retainUntil };
}

/** Reads `ON` or `OFF`. */
export function toLegalHold(status: string | undefined): boolean {
  if (status !== "ON" && status !== "OFF") throw new S3Error("InvalidArgument", "Legal Hold must be either of 'ON' or 'OFF'");
  return status === "ON";
}

function readLock({ headers }: S3Request): ObjectLock | undefined {
  const retention = toRetention(headers.get(`${LOCK}-mode`), headers.get(`${LOCK}-retain-until-date`));
  const hold = headers.get(`${LOCK}-legal-hold`);
  const legalHold = hold === undefined ? undefined : toLegalHold(hold);
  return retention === undefined && legalHold === undefined ? undefined : { retention, legalHold };
}

function readEncryption(request: S3Request): Encryption | undefined {
  const { headers } = request;
  const type = headers.get(ENCRYPTION);
  const keyId = headers.get(`${ENCRYPTION}-aws-kms-key-id`);
  const keyMd5 = readCustomerKey(request);
  if (headers.has(`${ENCRYPTION}-context`))
    throw new S3Error("NotImplemented", undefined, { details: { Header: `${ENCRYPTION}-context` } });
  if (keyMd5 !== undefined) {
    if (type === undefined) return { type: "customer", keyMd5 };
    throw new S3Error(
      "InvalidArgument",
      "Server Side Encryption with Customer provided key is incompatible with the encryption method specified",
    );
  }
  if (type === "aws:kms") return { type, keyId: keyId ?? DEFAULT_KMS_KEY };
  if (keyId !== undefined) throw new S3Error("InvalidArgument", "A KMS key id may only be given with the encryption method aws:kms");
  if (type === undefined || type === "AES256") return type && { type };
  throw new S3Error("InvalidArgument", "The encryption method specified is not supported");
}
