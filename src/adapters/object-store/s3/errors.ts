import { ERROR_CODES, type ErrorCode, type ErrorPlace, ReplicationError } from "../../../domain/error.ts";
import type { ResponseHeaders } from "./headers.ts";
import { elementText } from "./xml.ts";

/** S3's codes, and vendors' own, that mean one of ours under another name. */
const ALIASES: Readonly<Record<string, ErrorCode>> = {
  AllAccessDisabled: "AccessDenied",
  AccountProblem: "AccessDenied",
  AuthorizationHeaderMalformed: "SignatureDoesNotMatch", // signed for another region
  ExpiredToken: "InvalidAccessKeyId",
  Forbidden: "AccessDenied",
  InternalError: "StoreError",
  InvalidObjectState: "ArchivedObject",
  InvalidTagKey: "InvalidTag",
  InvalidTagValue: "InvalidTag",
  InvalidToken: "InvalidAccessKeyId",
  KeyTooLongError: "KeyNotRepresentable",
  NotFound: "NoSuchKey",
  OperationAborted: "SlowDown",
  ConditionalRequestConflict: "PreconditionFailed",
  ObjectParentIsFile: "KeyNotRepresentable",
  RequestTimeoutException: "RequestTimeout",
  ServiceUnavailable: "SlowDown",
  ThrottlingException: "SlowDown",
  TooManyRequests: "SlowDown",
  DirectoryObjectContainsData: "KeyNotRepresentable",
  XAdminUserNotFound: "InvalidAccessKeyId",
  XAmzContentChecksumMismatch: "BadDigest",
  XAmzContentSHA256Mismatch: "BadDigest",
  XMinioInvalidObjectName: "KeyNotRepresentable",
  XMinioInvalidResourceName: "KeyNotRepresentable",
  XMinioStorageFull: "StoreError",
};

const BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  403: "AccessDenied",
  404: "NoSuchKey",
  405: "NoSuchKey",
  408: "RequestTimeout",
  409: "PreconditionFailed",
  412: "PreconditionFailed",
  413: "EntityTooLarge",
  416: "InvalidRequest",
  429: "SlowDown",
  501: "NotImplemented",
  503: "SlowDown",
};

const HINTS: Partial<Record<ErrorCode, string>> = {
  AccessDenied: "check the policy of these credentials for this bucket and operation",
  ArchivedObject: "restore the object from its archive (RestoreObject): the next comparison after that copies it",
  InvalidAccessKeyId: "check accessKeyId; temporary credentials may have expired",
  InvalidStorageClass: "the store does not know this storage class; set storageClass on the destination",
  KeyNotRepresentable: "the store cannot hold this key as it is; rename the object or choose another store",
  NoSuchBucket: "create the bucket, or correct its name in the config",
  RequestTimeTooSkewed: "set this machine's clock, or the store's",
  SignatureDoesNotMatch: "check secretAccessKey and region",
  SlowDown: "lower limits.concurrency, or leave it: the request is repeated later",
  StoreUnreachable: "check the endpoint, that the server runs and that this machine can reach it",
};

export interface Answer {
  readonly status: number;
  readonly headers: ResponseHeaders;
  readonly body: Buffer;
}

/** The error that an answer stands for which is no success, or none that could be believed. */
export function toStoreError(answer: Answer, at: ErrorPlace): ReplicationError {
  const { status, headers } = answer;
  const body = answer.body.toString("utf8");
  const name = elementText(body, "Code");
  const code = toCode(name, status);
  const said = elementText(body, "Message") ?? "";
  const what = name === undefined ? `HTTP ${status}` : name;
  const message = `${at.operation ?? "request"} on ${place(at)}: ${what}${said === "" ? "" : `: ${said}`}`;
  return new ReplicationError(code, message, {
    at: { ...at, status },
    hint: HINTS[code] ?? readingHint(at.operation, { code, message }),
    disposition: status >= 500 && status !== 501 ? "retry" : undefined,
    retryAfterMs: retryAfterMs(headers["retry-after"]),
  });
}

/** The error that a failed connection stands for. */
export function toConnectionError(cause: unknown, endpoint: string, at: ErrorPlace): ReplicationError {
  const reason = describeCause(cause);
  return new ReplicationError(
    "StoreUnreachable",
    `${at.operation ?? "request"} on ${place(at)}: ${endpoint} cannot be reached: ${reason}`,
    {
      at,
      hint: HINTS.StoreUnreachable,
      cause,
    },
  );
}

export type RefusalSubject = "acl" | "checksum" | "customerKey" | "encryption" | "lock" | "retention";

/** What of a request a store may refuse under a code that stands for much else, told by its words. */
const SUBJECTS: Readonly<Record<RefusalSubject, RegExp>> = {
  acl: /AccessControlListNotSupported|\bACLs?\b|x-amz-acl/,
  checksum: /checksum/i,
  customerKey: /stored using a form of Server Side Encryption/i,
  encryption: /server.side.encryption|\bKMS\b|encryption method/i,
  lock: /object ?lock/i,
  retention: /retain until date/i,
};

/** Whether the store's refusal is about this. Only of errors that a store answered with. */
export function isAbout(error: Pick<ReplicationError, "code" | "message">, subject: RefusalSubject): boolean {
  const isRefusal = error.code === "InvalidRequest" || error.code === "NotImplemented";
  return isRefusal && SUBJECTS[subject].test(error.message);
}

/** What can be said of a bad request to read: without the client's key S3 refuses even a HEAD, and a HEAD's answer has no words. */
function readingHint(operation: string | undefined, error: Pick<ReplicationError, "code" | "message">): string | undefined {
  if (isAbout(error, "customerKey")) return CUSTOMER_KEY_HINT;
  return operation === "HeadObject" && error.message.endsWith(": HTTP 400") ? `probably: ${CUSTOMER_KEY_HINT}` : undefined;
}

const CUSTOMER_KEY_HINT =
  "the object is encrypted with a key that only its writer has (SSE-C): it cannot be read here; copy it with its key, or encrypt it by the store";

function toCode(name: string | undefined, status: number): ErrorCode {
  if (name !== undefined) {
    if (Object.hasOwn(ERROR_CODES, name)) return name as ErrorCode;
    const alias = Object.hasOwn(ALIASES, name) ? ALIASES[name] : undefined;
    if (alias !== undefined) return alias;
  }
  // Whatever is not there under a name of its own (a user, a configuration), it is not the object.
  if (name !== undefined && (status === 404 || status === 405)) return "InvalidRequest";
  if (status < 300) return "MalformedResponse"; // a success that cannot be believed
  if (status >= 500 && status !== 501 && status !== 503) return "StoreError";
  return BY_STATUS[status] ?? (status >= 500 ? "StoreError" : "InvalidRequest");
}

function place(at: ErrorPlace): string {
  return at.key === undefined ? (at.bucket ?? "the store") : `${at.bucket}/${at.key}`;
}

function describeCause(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  if (cause instanceof AggregateError && cause.errors.length > 0) return describeCause(cause.errors[0]);
  return cause.message || ("code" in cause ? String(cause.code) : cause.name);
}

/** Retry-After in seconds or as a date, as milliseconds from now. RFC 9110, 10.2.3. */
function retryAfterMs(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const seconds = Number(value);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) && ms > 0 ? ms : undefined;
}
