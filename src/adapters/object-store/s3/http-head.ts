import { ReplicationError } from "../../../domain/error.ts";

/** The head of an HTTP/1.1 response: lower-case names, latin1 values, repeated names joined by ", ". */
export interface HttpHead {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** How the body that follows a head is delimited, and whether the connection may serve another request after it. */
export interface HttpFraming {
  readonly body: "none" | "length" | "chunked" | "until-close";
  /** Zero unless `body` is "length". */
  readonly lengthBytes: number;
  readonly keepAlive: boolean;
}

/** S3 limits request headers to 8 KiB and user metadata to 2 KiB; a response many times that is not S3. */
const MAX_HEAD_BYTES = 64 * 1024;
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: |$)/;
const FIELD_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const OUTER_BLANKS = /^[ \t]+|[ \t]+$/g;
const END_OF_HEAD = Buffer.from("\r\n\r\n");

interface ParsedHead {
  readonly head: HttpHead;
  readonly framing: HttpFraming;
}

/** Parses a status line and header fields, without the blank line. Throws `MalformedResponse`. */
export function parseHttpHead(text: string): ParsedHead {
  const lines = text.split("\r\n");
  const status = STATUS_LINE.exec(lines[0] ?? "");
  if (status === null) throw malformed("the answer does not begin with an HTTP/1.1 status line");
  const headers: Record<string, string> = Object.create(null);
  for (let i = 1; i < lines.length; i++) addField(headers, lines[i] ?? "");
  const head = { statusCode: Number(status[2]), headers };
  return { head, framing: framingOf(head, status[1] === "1") };
}

function addField(headers: Record<string, string>, line: string): void {
  const colon = line.indexOf(":");
  const name = line.slice(0, Math.max(0, colon));
  if (!FIELD_NAME.test(name)) throw malformed("the answer has a header line that cannot be parsed");
  const key = name.toLowerCase();
  // Not trim(): it takes the byte 0xA0, which ends the UTF-8 of "à", for a blank.
  const value = line.slice(colon + 1).replace(OUTER_BLANKS, "");
  const before = headers[key];
  headers[key] = before === undefined ? value : `${before}, ${value}`;
}

function framingOf(head: HttpHead, isHttp11: boolean): HttpFraming {
  const { statusCode, headers } = head;
  const connection = (headers.connection ?? "").toLowerCase();
  const keepAlive = isHttp11 ? !connection.includes("close") : connection.includes("keep-alive");
  if (statusCode < 200 || statusCode === 204 || statusCode === 304) return { body: "none", lengthBytes: 0, keepAlive };
  const coding = headers["transfer-encoding"];
  const length = headers["content-length"];
  if (coding !== undefined) {
    if (coding.toLowerCase() !== "chunked") throw malformed(`the answer's Transfer-Encoding "${coding}" is not supported`);
    // Both fields together may be two parties disagreeing about where the body ends: such a connection is not used again.
    return { body: "chunked", lengthBytes: 0, keepAlive: keepAlive && length === undefined };
  }
  if (length === undefined) return { body: "until-close", lengthBytes: 0, keepAlive: false };
  return { body: "length", lengthBytes: parseLength(length), keepAlive };
}

function parseLength(value: string): number {
  // Repeated equal fields are allowed by RFC 9110 8.6 and arrive here joined.
  const values = new Set(value.split(",").map((part) => part.trim()));
  const [only = ""] = values;
  const length = Number(only);
  if (values.size !== 1 || !/^\d+$/.test(only) || !Number.isSafeInteger(length)) {
    throw malformed(`the answer's Content-Length "${value}" is not a length`);
  }
  return length;
}

function malformed(message: string): ReplicationError {
  return new ReplicationError("MalformedResponse", message);
}

/** Gathers the bytes of one response up to the end of its final head; interim (1xx) responses are skipped. */
export class HttpHeadReader {
  #held: Buffer | undefined;
  #parsed: ParsedHead | undefined;

  /** Undefined until the final head has arrived. */
  get parsed(): ParsedHead | undefined {
    return this.#parsed;
  }

  /** Takes bytes. Returns those that follow the final head, or undefined while it is incomplete. They may be a view of `chunk`. */
  feed(chunk: Buffer): Buffer | undefined {
    let bytes = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk]);
    for (;;) {
      const end = bytes.indexOf(END_OF_HEAD);
      if (end < 0 ? bytes.length > MAX_HEAD_BYTES : end > MAX_HEAD_BYTES) throw malformed("the answer's headers are too long");
      if (end < 0) break;
      const parsed = parseHttpHead(bytes.toString("latin1", 0, end));
      bytes = bytes.subarray(end + END_OF_HEAD.length);
      if (parsed.head.statusCode === 101) throw malformed("the server wants to switch protocols");
      if (parsed.head.statusCode < 200) continue;
      this.#held = undefined;
      this.#parsed = parsed;
      return bytes;
    }
    // The chunk is a view of a buffer that the next read overwrites.
    this.#held = Buffer.from(bytes);
    return undefined;
  }
}

/** Gathers a body of at most `maxBytes`, whatever its framing. */
export class HttpBodyReader {
  readonly #framing: HttpFraming;
  readonly #maxBytes: number;
  readonly #parts: Buffer[] = [];
  #sizeBytes = 0;
  #done: boolean;
  #excess = false;
  #chunked: ChunkedDecoder | undefined;

  constructor(framing: HttpFraming, maxBytes: number) {
    this.#framing = framing;
    this.#maxBytes = maxBytes;
    this.#done = framing.body === "none" || (framing.body === "length" && framing.lengthBytes === 0);
    if (framing.body === "chunked") this.#chunked = new ChunkedDecoder((part) => this.#keep(part));
  }

  get done(): boolean {
    return this.#done;
  }

  /** Is true when the body is whole, nothing followed it, and the server keeps the connection. */
  get reusable(): boolean {
    return this.#done && !this.#excess && this.#framing.keepAlive;
  }

  get body(): Buffer {
    return Buffer.concat(this.#parts);
  }

  feed(bytes: Buffer): void {
    if (bytes.length === 0) return;
    if (this.#done) this.#excess = true;
    else if (this.#chunked !== undefined) this.#feedChunked(this.#chunked, bytes);
    else if (this.#framing.body === "length") this.#feedLength(bytes);
    else this.#keep(bytes);
  }

  /** The connection has ended. Returns whether the body is whole. */
  end(): boolean {
    if (this.#framing.body === "until-close") this.#done = true;
    return this.#done;
  }

  #feedChunked(decoder: ChunkedDecoder, bytes: Buffer): void {
    const taken = decoder.feed(bytes);
    this.#done = decoder.done;
    if (taken < bytes.length) this.#excess = true;
  }

  #feedLength(bytes: Buffer): void {
    const missing = this.#framing.lengthBytes - this.#sizeBytes;
    this.#excess = bytes.length > missing;
    this.#keep(this.#excess ? bytes.subarray(0, missing) : bytes);
    this.#done = bytes.length >= missing;
  }

  #keep(bytes: Buffer): void {
    this.#sizeBytes += bytes.length;
    if (this.#sizeBytes > this.#maxBytes) throw malformed(`the answer's body is longer than ${this.#maxBytes} bytes`);
    this.#parts.push(Buffer.from(bytes));
  }
}

/** A chunk-size line or trailer line longer than this is not worth waiting for. */
const MAX_LINE_BYTES = 4096;
const CHUNK_SIZE = /^([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?$/;

class ChunkedDecoder {
  readonly #onData: (bytes: Buffer) => void;
  #state: "size" | "data" | "data-end" | "trailer" | "done" = "size";
  #line = "";
  #missing = 0;

  constructor(onData: (bytes: Buffer) => void) {
    this.#onData = onData;
  }

  get done(): boolean {
    return this.#state === "done";
  }

  /** Returns how many of the bytes belong to the body. */
  feed(bytes: Buffer): number {
    let at = 0;
    while (at < bytes.length && this.#state !== "done") at = this.#state === "data" ? this.#takeData(bytes, at) : this.#takeLine(bytes, at);
    return at;
  }

  #takeData(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#missing);
    this.#onData(bytes.subarray(at, end));
    this.#missing -= end - at;
    if (this.#missing === 0) this.#state = "data-end";
    return end;
  }

  #takeLine(bytes: Buffer, at: number): number {
    const newline = bytes.indexOf(10, at);
    const end = newline < 0 ? bytes.length : newline + 1;
    this.#line += bytes.toString("latin1", at, end);
    if (this.#line.length > MAX_LINE_BYTES) throw malformed("the answer has a chunk line that is too long");
    if (newline < 0) return end;
    const line = this.#line.slice(0, -1).replace(/\r$/, "");
    this.#line = "";
    this.#endLine(line);
    return end;
  }

  #endLine(line: string): void {
    if (this.#state === "trailer") {
      if (line === "") this.#state = "done";
    } else if (this.#state === "data-end") {
      if (line !== "") throw malformed("the answer has a chunk that is longer than it says");
      this.#state = "size";
    } else {
      const size = CHUNK_SIZE.exec(line);
      if (size === null) throw malformed("the answer has a chunk size that cannot be parsed");
      this.#missing = Number.parseInt(size[1] ?? "", 16);
      this.#state = this.#missing === 0 ? "trailer" : "data";
    }
  }
}
