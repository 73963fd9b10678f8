/** What an AWS service said no with, out of whatever the SDK threw. */
export interface AwsRefusal {
  readonly code: RefusalCode;
  /** AWS's own name of it; the SDK's or Node's where no answer came. */
  readonly name: string;
  readonly message: string;
  /** Undefined where no answer came. */
  readonly status: number | undefined;
  /** Where the bucket is, as S3 tells those who ask in another region. */
  readonly bucketRegion: string | undefined;
}

/** The same thing under the many names that the services have for it. */
const CODES = {
  AccessDenied: "AccessDenied",
  AccessDeniedException: "AccessDenied",
  AllAccessDisabled: "AccessDenied",
  AuthorizationError: "AccessDenied",
  ConcurrentModification: "SlowDown",
  ConcurrentModificationException: "SlowDown",
  ExpiredToken: "InvalidAccessKeyId",
  ExpiredTokenException: "InvalidAccessKeyId",
  InvalidAccessKeyId: "InvalidAccessKeyId",
  InvalidClientTokenId: "InvalidAccessKeyId",
  InvalidToken: "InvalidAccessKeyId",
  NoSuchBucket: "NoSuchBucket",
  NotImplemented: "NotImplemented",
  OperationAborted: "SlowDown",
  RequestTimeTooSkewed: "RequestTimeTooSkewed",
  SignatureDoesNotMatch: "SignatureDoesNotMatch",
  SlowDown: "SlowDown",
  Throttling: "SlowDown",
  ThrottlingException: "SlowDown",
  TooManyRequests: "SlowDown",
  TooManyRequestsException: "SlowDown",
  UnrecognizedClientException: "InvalidAccessKeyId",
} as const;

const BY_STATUS = { 403: "AccessDenied", 429: "SlowDown", 501: "NotImplemented", 503: "SlowDown" } as const;

export type RefusalCode =
  | (typeof CODES)[keyof typeof CODES]
  | (typeof BY_STATUS)[keyof typeof BY_STATUS]
  | "Internal"
  | "InvalidRequest"
  | "StoreError"
  | "StoreUnreachable";

/** Reads an error of the AWS SDK, or of the connection under it. */
export function toRefusal(cause: unknown): AwsRefusal {
  const { name = "", message = String(cause), code, Code, $metadata, $response } = (cause ?? {}) as SdkError;
  const status = $metadata?.httpStatusCode;
  const said = typeof Code === "string" ? Code : name;
  return {
    code: codeOf(said, status, isConnectionError(name, code)),
    name: said,
    message,
    status,
    bucketRegion: $response?.headers?.["x-amz-bucket-region"],
  };
}

interface SdkError {
  readonly name?: string;
  readonly message?: string;
  /** Node's, of a connection. */
  readonly code?: unknown;
  /** AWS's, where the SDK has a name of its own for it. */
  readonly Code?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
}

function codeOf(name: string, status: number | undefined, isUnreachable: boolean): RefusalCode {
  if (name in CODES) return CODES[name as keyof typeof CODES];
  if (status === undefined) return isUnreachable ? "StoreUnreachable" : "Internal";
  if (status in BY_STATUS) return BY_STATUS[status as keyof typeof BY_STATUS];
  return status >= 500 ? "StoreError" : "InvalidRequest";
}

function isConnectionError(name: string, code: unknown): boolean {
  return (
    name === "TimeoutError" ||
    (typeof code === "string" && /^(E[A-Z_]+|CERT_.*|DEPTH_.*|SELF_SIGNED.*|UNABLE_.*)$/.test(code) && !code.startsWith("ERR_"))
  );
}
