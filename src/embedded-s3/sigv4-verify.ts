import { createHash, createHmac, createSecretKey, hash, type KeyObject, timingSafeEqual } from "node:crypto";
import { percentEncode } from "./form-encoding.ts";
import { S3Error } from "./s3-error.ts";
import type { S3Request } from "./s3-request.ts";

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** What the signatures of a body's chunks are chained to. */
export interface SigningContext {
  readonly signingKey: KeyObject;
  /** `<basic ISO date and time>\n<scope>` as every string to sign has it. */
  readonly stamp: string;
  readonly seedSignature: string;
}

interface Claim {
  readonly accessKeyId: string;
  readonly scopeDate: string;
  readonly scopeRegion: string;
  readonly scope: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  /** Basic ISO: 20130524T000000Z. */
  readonly signedAt: string;
  readonly payloadHash: string;
  readonly presigned: boolean;
}

const ALGORITHM = "AWS4-HMAC-SHA256";
/** https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html */
const MAX_SKEW_MS = 15 * 60 * 1000;
const MAX_EXPIRES_SECONDS = 7 * 24 * 3600;

/**
 * Verifies Signature Version 4, in headers or in the query, of requests to one region under one pair of keys.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
 */
export class SignatureVerifier {
  readonly #credentials: Credentials;
  readonly #region: string;
  readonly #now: () => number;
  /** The key of a day is derived by four HMACs; days pass slowly. */
  #signingKey: { readonly date: string; readonly key: KeyObject } | undefined;

  constructor(options: { readonly credentials: Credentials; readonly region: string; readonly now: () => number }) {
    this.#credentials = options.credentials;
    this.#region = options.region;
    this.#now = options.now;
  }

  /** Returns what chunk signatures are chained to. @throws S3Error for whatever S3 would refuse */
  verify(request: S3Request): SigningContext {
    const claim = request.headers.has("authorization") ? claimOfHeader(request) : claimOfQuery(request);
    if (claim.accessKeyId !== this.#credentials.accessKeyId) {
      throw new S3Error("InvalidAccessKeyId", undefined, { details: { AWSAccessKeyId: claim.accessKeyId } });
    }
    if (request.headers.has("x-amz-security-token") || request.query.has("X-Amz-Security-Token")) throw new S3Error("InvalidToken");
    this.#checkScope(claim);
    this.#checkTime(claim, request);
    checkSignedHeaders(claim, request);
    const signingKey = this.#keyFor(claim.scopeDate);
    const stamp = `${claim.signedAt}\n${claim.scope}`;
    const canonical = hash("sha256", Buffer.from(canonicalRequest(claim, request), "latin1"));
    checkSignature(`${ALGORITHM}\n${stamp}\n${canonical}`, { key: signingKey, signature: claim.signature });
    return { signingKey, stamp, seedSignature: claim.signature };
  }

  #checkScope(claim: Claim): void {
    const { scopeRegion, presigned } = claim;
    if (scopeRegion === this.#region && claim.signedAt.startsWith(claim.scopeDate)) return;
    const code = presigned ? "AuthorizationQueryParametersError" : "AuthorizationHeaderMalformed";
    if (scopeRegion === this.#region) throw new S3Error(code, "Invalid credential date. It is not the date of the request.");
    const message = `The authorization header is malformed; the region '${scopeRegion}' is wrong; expecting '${this.#region}'`;
    throw new S3Error(code, message, { details: { Region: this.#region } });
  }

  #checkTime(claim: Claim, request: S3Request): void {
    const signedAt = parseBasicDate(claim.signedAt);
    const now = this.#now();
    if (claim.presigned) checkExpiry(signedAt, now, request);
    else if (Math.abs(now - signedAt) > MAX_SKEW_MS) {
      const details = {
        RequestTime: claim.signedAt,
        ServerTime: new Date(now).toISOString(),
        MaxAllowedSkewMilliseconds: String(MAX_SKEW_MS),
      };
      throw new S3Error("RequestTimeTooSkewed", undefined, { details });
    }
  }

  #keyFor(date: string): KeyObject {
    if (this.#signingKey?.date !== date) {
      const steps = [date, this.#region, "s3", "aws4_request"];
      const secret: Buffer = Buffer.from(`AWS4${this.#credentials.secretAccessKey}`);
      this.#signingKey = { date, key: createSecretKey(steps.reduce((key, step) => hmac(key, step), secret)) };
    }
    return this.#signingKey.key;
  }
}

/** Verifies the chained signatures of an aws-chunked body. https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html */
export class ChunkSignatures {
  readonly #context: SigningContext;
  #previous: string;
  #hash = createHash("sha256");

  constructor(context: SigningContext) {
    this.#context = context;
    this.#previous = context.seedSignature;
  }

  /** Takes bytes of the chunk that is being read. */
  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  /** Ends the chunk. */
  endChunk(signature: string): void {
    this.#check(`${ALGORITHM}-PAYLOAD\n${this.#context.stamp}\n${this.#previous}\n${EMPTY_SHA256}`, signature);
  }

  /** Ends the body with its trailers, each `name:value\n`. */
  endTrailers(trailers: string, signature: string): void {
    this.#hash.update(trailers);
    this.#check(`${ALGORITHM}-TRAILER\n${this.#context.stamp}\n${this.#previous}`, signature);
  }

  #check(head: string, signature: string): void {
    checkSignature(`${head}\n${this.#hash.digest("hex")}`, { key: this.#context.signingKey, signature });
    this.#previous = signature;
    this.#hash = createHash("sha256");
  }
}

const EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

function claimOfHeader({ headers }: S3Request): Claim {
  const authorization = headers.get("authorization") ?? "";
  const space = authorization.indexOf(" ");
  if (authorization.slice(0, space) !== ALGORITHM) {
    throw new S3Error("InvalidRequest", "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.");
  }
  const fields = new Map(
    authorization
      .slice(space + 1)
      .split(",")
      .map(nameAndValue),
  );
  const payloadHash = headers.get("x-amz-content-sha256");
  if (payloadHash === undefined) throw new S3Error("InvalidRequest", "Missing required header for this request: x-amz-content-sha256");
  const claim = {
    ...parseCredential(fields.get("Credential"), "AuthorizationHeaderMalformed"),
    signedHeaders: (fields.get("SignedHeaders") ?? "").split(";"),
    signature: fields.get("Signature") ?? "",
    signedAt: headers.get("x-amz-date") ?? toBasicDate(headers.get("date")),
    payloadHash,
    presigned: false,
  };
  if (claim.signature === "" || claim.signedHeaders[0] === "") throw new S3Error("AuthorizationHeaderMalformed");
  return claim;
}

function claimOfQuery({ query, headers }: S3Request): Claim {
  const signature = query.get("X-Amz-Signature");
  if (signature === undefined || query.get("X-Amz-Algorithm") !== ALGORITHM) throw new S3Error("AccessDenied");
  return {
    ...parseCredential(query.get("X-Amz-Credential"), "AuthorizationQueryParametersError"),
    signedHeaders: (query.get("X-Amz-SignedHeaders") ?? "").split(";"),
    signature,
    signedAt: query.get("X-Amz-Date") ?? "",
    payloadHash: headers.get("x-amz-content-sha256") ?? query.get("X-Amz-Content-Sha256") ?? "UNSIGNED-PAYLOAD",
    presigned: true,
  };
}

function parseCredential(
  credential: string | undefined,
  code: "AuthorizationHeaderMalformed" | "AuthorizationQueryParametersError",
): Pick<Claim, "accessKeyId" | "scopeDate" | "scopeRegion" | "scope"> {
  const parts = (credential ?? "").split("/");
  const [scopeDate, scopeRegion, service, terminal] = parts.slice(-4);
  if (parts.length < 5 || scopeDate === undefined || scopeRegion === undefined || service !== "s3" || terminal !== "aws4_request") {
    throw new S3Error(code, "The credential is malformed; expecting <access key>/<yyyymmdd>/<region>/s3/aws4_request");
  }
  return { accessKeyId: parts.slice(0, -4).join("/"), scopeDate, scopeRegion, scope: parts.slice(-4).join("/") };
}

function nameAndValue(field: string): readonly [string, string] {
  const equals = field.indexOf("=");
  return [field.slice(0, equals).trim(), field.slice(equals + 1).trim()];
}

/** S3 wants the host and everything of its own signed. */
function checkSignedHeaders({ signedHeaders }: Claim, { headers }: S3Request): void {
  const unsigned = [...headers.keys()].filter((name) => (name === "host" || name.startsWith("x-amz-")) && !signedHeaders.includes(name));
  if (unsigned.length === 0) return;
  throw new S3Error("AccessDenied", "There were headers present in the request which were not signed", {
    details: { HeadersNotSigned: unsigned.join(", ") },
  });
}

function canonicalRequest(claim: Claim, { method, rawPath, parameters, headers }: S3Request): string {
  let lines = `${method}\n${canonicalPath(rawPath)}\n${canonicalQuery(parameters)}\n`;
  for (const name of claim.signedHeaders) lines += `${name}:${canonicalValue(headers.get(name) ?? "")}\n`;
  return `${lines}\n${claim.signedHeaders.join(";")}\n${claim.payloadHash}`;
}

function canonicalQuery(parameters: S3Request["parameters"]): string {
  const pairs = parameters
    .filter(([name]) => name !== "X-Amz-Signature")
    .map(([name, value]): readonly [string, string] => [percentEncode(name), percentEncode(value)]);
  // Encoded text is ASCII: code units are its bytes.
  pairs.sort(([a, x], [b, y]) => (a === b ? order(x, y) : order(a, b)));
  return pairs.map(([name, value]) => `${name}=${value}`).join("&");
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const ENCODED_PATH = /^[A-Za-z0-9._~/%-]*$/;

/** Clients may leave characters unencoded in the path; what is signed has them encoded. */
function canonicalPath(rawPath: string): string {
  if (ENCODED_PATH.test(rawPath)) return rawPath;
  return decodeURIComponent(rawPath).split("/").map(percentEncode).join("/");
}

function canonicalValue(value: string): string {
  // Not trim(): it takes the byte 0xA0, which ends the UTF-8 of "à", for a blank.
  return value.replace(/[ \t]+/g, " ").replace(/^ | $/g, "");
}

function checkSignature(stringToSign: string, { key, signature }: { readonly key: KeyObject; readonly signature: string }): void {
  const expected = hmac(key, stringToSign);
  const given = Buffer.from(signature, "hex");
  if (given.length === expected.length && timingSafeEqual(given, expected)) return;
  throw new S3Error("SignatureDoesNotMatch", undefined, { details: { StringToSign: stringToSign, SignatureProvided: signature } });
}

function hmac(key: Buffer | KeyObject, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

function checkExpiry(signedAt: number, now: number, { query }: S3Request): void {
  const expires = Number(query.get("X-Amz-Expires"));
  if (!(expires >= 1 && expires <= MAX_EXPIRES_SECONDS)) {
    throw new S3Error("AuthorizationQueryParametersError", "X-Amz-Expires must be between 1 and 604800 seconds");
  }
  if (signedAt - now > MAX_SKEW_MS) throw new S3Error("AccessDenied", "Request is not valid yet");
  if (now > signedAt + expires * 1000) throw new S3Error("AccessDenied", "Request has expired");
}

function parseBasicDate(text: string): number {
  const found = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  const [, year, month, day, hour, minute, second] = found ?? [];
  const at = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (Number.isNaN(at)) throw new S3Error("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header");
  return at;
}

function toBasicDate(date: string | undefined): string {
  const at = Date.parse(date ?? "");
  return Number.isNaN(at) ? "" : `${new Date(at).toISOString().slice(0, 19).replace(/[-:]/g, "")}Z`;
}
