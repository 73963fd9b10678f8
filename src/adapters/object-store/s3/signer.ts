import { createHmac, hash } from "node:crypto";

export interface SigningCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

export interface SignableRequest {
  readonly method: string;
  /** Encoded path, without the query. */
  readonly path: string;
  /** Canonical query string, or ''. */
  readonly query: string;
  /** Lower-case names; values one byte per character (latin1), as they go over the wire. Gains what the signature adds. */
  readonly headers: Record<string, string>;
}

export const UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD";
/** SHA-256 of nothing. */
export const EMPTY_PAYLOAD = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const NON_ASCII = /[^\x00-\x7f]/;
/** Blanks as HTTP knows them. A byte 0xA0 is none: it ends the UTF-8 of "à". */
const BLANKS = /[ \t]+/g;
const OUTER_BLANKS = /^[ \t]|[ \t]$/;

/**
 * Signs requests with AWS Signature Version 4, headers only.
 *
 * The derived key is kept for its day, which is what makes this cheap: one HMAC and one SHA-256 a request.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
export class Signer {
  readonly #region: string;
  #credentials: SigningCredentials | undefined;
  #day = "";
  #scope = "";
  #hmac: DayHmac | undefined;
  #second = 0;
  #date = "";

  constructor(region: string) {
    this.#region = region;
  }

  /**
   * Adds `x-amz-date`, `x-amz-content-sha256`, the session token and `authorization` to the request's headers.
   *
   * Signed are `host`, `content-md5`, `content-type`, `range` and every `x-amz-*` header; what proxies may add or fold is left out.
   */
  sign(request: SignableRequest, credentials: SigningCredentials, now: number): void {
    const hmac = this.#use(credentials, now);
    const headers = request.headers;
    headers["x-amz-date"] = this.#date;
    headers["x-amz-content-sha256"] ??= UNSIGNED_PAYLOAD;
    if (credentials.sessionToken !== undefined) headers["x-amz-security-token"] = credentials.sessionToken;
    const names = Object.keys(headers).filter(isSigned).sort();
    let canonical = `${request.method}\n${request.path}\n${request.query}\n`;
    for (const name of names) canonical += `${name}:${canonicalValue(headers[name] ?? "")}\n`;
    const signedHeaders = names.join(";");
    canonical += `\n${signedHeaders}\n${headers["x-amz-content-sha256"]}`;
    const toSign = `AWS4-HMAC-SHA256\n${this.#date}\n${this.#scope}\n${sha256(canonical)}`;
    const signature = hmac.hex(toSign);
    headers["authorization"] =
      `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${this.#scope}, SignedHeaders=${signedHeaders}, Signature=${signature}`;
  }

  #use(credentials: SigningCredentials, now: number): DayHmac {
    const second = Math.floor(now / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#date = new Date(second * 1000).toISOString().replace(/[-:]|\.\d+/g, "");
    }
    const day = this.#date.slice(0, 8);
    if (this.#hmac !== undefined && day === this.#day && this.#credentials === credentials) return this.#hmac;
    this.#day = day;
    this.#credentials = credentials;
    this.#scope = `${day}/${this.#region}/s3/aws4_request`;
    const key = [day, this.#region, "s3", "aws4_request"].reduce<Buffer>(
      (previous, part) => createHmac("sha256", previous).update(part).digest(),
      Buffer.from(`AWS4${credentials.secretAccessKey}`),
    );
    this.#hmac = new DayHmac(key);
    return this.#hmac;
  }
}

const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;
/** More than any string to sign has. */
const MAX_TEXT_BYTES = 512;

/**
 * HMAC-SHA-256 (RFC 2104) with a key that stays, its padded blocks prepared: `createHmac` imports its key anew at each call, which costs five
 * times as much as both hashes.
 */
class DayHmac {
  readonly #inner = Buffer.alloc(BLOCK_BYTES + MAX_TEXT_BYTES, 0x36);
  readonly #outer = Buffer.alloc(BLOCK_BYTES + DIGEST_BYTES, 0x5c);

  constructor(key: Buffer) {
    for (const [i, byte] of key.entries()) {
      this.#inner[i] = byte ^ 0x36;
      this.#outer[i] = byte ^ 0x5c;
    }
  }

  hex(text: string): string {
    const length = this.#inner.write(text, BLOCK_BYTES, "latin1");
    this.#outer.set(hash("sha256", this.#inner.subarray(0, BLOCK_BYTES + length), "buffer"), BLOCK_BYTES);
    return hash("sha256", this.#outer);
  }
}

function isSigned(name: string): boolean {
  return name.startsWith("x-amz-") || name === "host" || name === "content-md5" || name === "content-type" || name === "range";
}

function canonicalValue(value: string): string {
  if (!value.includes("  ") && !value.includes("\t") && !OUTER_BLANKS.test(value)) return value;
  return value.replace(BLANKS, " ").replace(/^ | $/g, "");
}

/** Header values are bytes in latin1 clothing: hashing them as UTF-8 would sign other bytes than those sent. */
function sha256(text: string): string {
  return NON_ASCII.test(text) ? hash("sha256", Buffer.from(text, "latin1")) : hash("sha256", text);
}
