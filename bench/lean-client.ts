/**
 * The least a JavaScript client can do to make a bucket equal to another: list both sides, compare by key and ETag, move what differs.
 * No retries, no proof, no state, whole key sets in memory. It is the yardstick of this benchmark, not a tool.
 */
import { createHmac, hash } from "node:crypto";
import { parseArgs } from "node:util";
import { type Dispatcher, Pool } from "undici";

/** A body up to here is held in memory, and so can be sent to several destinations. */
const bufferedBytes = 1 << 20;
const carriedHeaders = ["content-type", "cache-control", "content-encoding", "content-disposition", "content-language", "expires"];
const region = "us-east-1";

export interface LeanCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface LeanOptions {
  readonly credentials: LeanCredentials;
  readonly connections: number;
  /** Certificate to trust instead of those that Node trusts. */
  readonly ca?: string;
}

export interface LeanRequest {
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer | Dispatcher.ResponseData["body"];
}

export interface LeanAnswer {
  readonly status: number;
  readonly headers: Dispatcher.ResponseData["headers"];
  readonly body: string;
}

export interface LeanKey {
  readonly key: string;
  readonly etag: string;
  readonly sizeBytes: number;
}

function hmac(key: string | Buffer, data: string): Buffer {
  return createHmac("sha256", key).update(data).digest();
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** The path of an object as it is sent and signed. */
export function objectPath(bucket: string, key: string): string {
  return `/${bucket}/${key.split("/").map(encode).join("/")}`;
}

/** Signed requests to one endpoint over at most `connections` kept connections. */
export class LeanS3 {
  readonly #pool: Pool;
  readonly #host: string;
  readonly #credentials: LeanCredentials;
  #day = "";
  #key: Buffer = Buffer.alloc(0);

  constructor(endpoint: string, options: LeanOptions) {
    const { credentials, connections, ca } = options;
    const connect = ca ? { ca } : {};
    this.#pool = new Pool(endpoint, { connections, pipelining: 1, allowH2: false, connect, headersTimeout: 300_000, bodyTimeout: 300_000 });
    this.#host = new URL(endpoint).host;
    this.#credentials = credentials;
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }

  /** Sends a request; the caller consumes the body of the response. */
  async send(method: Dispatcher.HttpMethod, path: string, request: LeanRequest = {}): Promise<Dispatcher.ResponseData> {
    const query = Object.entries(request.query ?? {})
      .map(([name, value]) => `${encode(name)}=${encode(value)}`)
      .sort()
      .join("&");
    const headers = this.#sign(`${method}\n${path}\n${query}\n`, request.headers);
    return this.#pool.request({ method, path: query ? `${path}?${query}` : path, headers, body: request.body ?? null });
  }

  /** Sends a request and reads the answer as text. */
  async ask(method: Dispatcher.HttpMethod, path: string, request: LeanRequest = {}): Promise<LeanAnswer> {
    const response = await this.send(method, path, request);
    return { status: response.statusCode, headers: response.headers, body: await response.body.text() };
  }

  /** As {@link LeanS3.ask}. @throws Error unless the answer is a success. */
  async must(method: Dispatcher.HttpMethod, path: string, request: LeanRequest = {}): Promise<LeanAnswer> {
    const answer = await this.ask(method, path, request);
    if (answer.status < 200 || answer.status > 299) throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`);
    return answer;
  }

  /** Lists a bucket page by page. */
  async *list(bucket: string, prefix = ""): AsyncGenerator<LeanKey[]> {
    const query: Record<string, string> = { "list-type": "2", "encoding-type": "url", "max-keys": "1000", prefix };
    for (let more: string | undefined = ""; more !== undefined; ) {
      if (more) query["continuation-token"] = more;
      const { body } = await this.must("GET", `/${bucket}`, { query });
      yield parsePage(body);
      more = /<NextContinuationToken>([^<]+)/.exec(body)?.[1];
    }
  }

  async listAll(bucket: string, prefix = ""): Promise<Map<string, LeanKey>> {
    const found = new Map<string, LeanKey>();
    for await (const page of this.list(bucket, prefix)) for (const entry of page) found.set(entry.key, entry);
    return found;
  }

  #sign(start: string, given: Readonly<Record<string, string>> = {}): Record<string, string> {
    const time = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
    const headers: Record<string, string> = { ...given, host: this.#host, "x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-date": time };
    const names = Object.keys(headers).filter((name) => name !== "content-length");
    names.sort();
    const signed = names.join(";");
    let canonical = start;
    for (const name of names) canonical += `${name}:${headers[name]}\n`;
    const scope = `${time.slice(0, 8)}/${region}/s3/aws4_request`;
    const text = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${hash("sha256", `${canonical}\n${signed}\nUNSIGNED-PAYLOAD`)}`;
    const signature = createHmac("sha256", this.#keyOf(time.slice(0, 8)))
      .update(text)
      .digest("hex");
    const credential = `${this.#credentials.accessKeyId}/${scope}`;
    headers["authorization"] = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${signed}, Signature=${signature}`;
    return headers;
  }

  #keyOf(day: string): Buffer {
    if (day !== this.#day) {
      this.#key = hmac(hmac(hmac(hmac(`AWS4${this.#credentials.secretAccessKey}`, day), region), "s3"), "aws4_request");
      this.#day = day;
    }
    return this.#key;
  }
}

/** Takes the elements in the order in which MinIO writes them. */
function parsePage(xml: string): LeanKey[] {
  const page: LeanKey[] = [];
  for (const [, key = "", etag = "", size] of xml.matchAll(
    /<Key>([^<]*)<\/Key><LastModified>[^<]*<\/LastModified><ETag>([^<]*)<\/ETag><Size>(\d+)/g,
  )) {
    page.push({ key: decodeURIComponent(key.replaceAll("+", " ")), etag, sizeBytes: Number(size) });
  }
  return page;
}

/** Works through items with `width` at a time. */
export async function inParallel<T>(width: number, items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const queue = items[Symbol.iterator]();
  const lane = async (): Promise<void> => {
    for (let next = queue.next(); !next.done; next = queue.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: width }, lane));
}

interface Side {
  readonly s3: LeanS3;
  readonly bucket: string;
}

interface Move {
  readonly entry: LeanKey;
  readonly from: Side;
  readonly to: readonly Side[];
}

async function copyOnServer({ entry, from, to }: Move): Promise<void> {
  const headers = { "x-amz-copy-source": objectPath(from.bucket, entry.key) };
  for (const side of to) await side.s3.must("PUT", objectPath(side.bucket, entry.key), { headers });
}

async function copyThrough({ entry, from, to }: Move): Promise<void> {
  const path = objectPath(from.bucket, entry.key);
  const got = await from.s3.send("GET", path);
  if (got.statusCode !== 200) throw new Error(`GET ${path}: ${got.statusCode} ${await got.body.text()}`);
  const small = entry.sizeBytes <= bufferedBytes && Buffer.from(await got.body.arrayBuffer());
  const headers = await carry(from, path, got.headers);
  const put = (side: Side, body: Buffer | Dispatcher.ResponseData["body"]): Promise<LeanAnswer> =>
    side.s3.must("PUT", objectPath(side.bucket, entry.key), { headers, body });
  if (small) {
    await Promise.all(to.map((side) => put(side, small)));
    return;
  }
  for (const side of to) await put(side, side === to[0] ? got.body : (await from.s3.send("GET", path)).body);
}

/** Headers that make the replica like the source; tags cost a request, where the source says that there are any. */
async function carry(from: Side, path: string, source: Dispatcher.ResponseData["headers"]): Promise<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const name in source)
    if (name === "content-length" || name.startsWith("x-amz-meta-") || carriedHeaders.includes(name)) headers[name] = String(source[name]);
  if (source["x-amz-tagging-count"]) headers["x-amz-tagging"] = toQuery((await from.s3.must("GET", path, { query: { tagging: "" } })).body);
  return headers;
}

function toQuery(xml: string): string {
  return [...xml.matchAll(/<Key>([^<]*)<\/Key><Value>([^<]*)/g)]
    .map(([, key = "", value = ""]) => `${encode(key)}=${encode(value)}`)
    .join("&");
}

async function synchronize(from: Side, to: readonly Side[], width: number): Promise<void> {
  const [source, ...present] = await Promise.all([from, ...to].map((side) => side.s3.listAll(side.bucket)));
  const moves: Move[] = [];
  for (const entry of source?.values() ?? []) {
    const missing = to.filter((_, index) => present[index]?.get(entry.key)?.etag !== entry.etag);
    if (missing.length > 0) moves.push({ entry, from, to: missing });
  }
  const copy = to.every((side) => side.s3 === from.s3) ? copyOnServer : copyThrough;
  await inParallel(width, moves, copy);
  console.log(JSON.stringify({ listed: source?.size, moved: moves.length }));
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { "in-flight": { type: "string", default: "64" } } });
  const credentials = { accessKeyId: process.env.AWS_ACCESS_KEY_ID ?? "", secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY ?? "" };
  const width = Number(values["in-flight"]);
  const clients = new Map<string, LeanS3>();
  const [from, ...to] = positionals.map((positional): Side => {
    const url = new URL(positional);
    const s3 = clients.get(url.origin) ?? new LeanS3(url.origin, { credentials, connections: width });
    clients.set(url.origin, s3);
    return { s3, bucket: url.pathname.slice(1) };
  });
  if (!from || to.length === 0) throw new Error("usage: lean-client SOURCE DESTINATION…, each as http://host:port/bucket");
  await synchronize(from, to, width);
  process.exit();
}

if (import.meta.main) await main();
