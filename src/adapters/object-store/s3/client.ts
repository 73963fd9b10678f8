import { createRequire } from "node:module";
import { Socket } from "node:net";
import type { buildConnector as buildConnectorFunction, Pool as PoolClass } from "undici";
import { type ErrorPlace, ReplicationError } from "../../../domain/error.ts";
import { onAbort } from "../../../lib/on-abort.ts";
import { type Answer, toConnectionError, toStoreError } from "./errors.ts";
import type { ResponseHeaders } from "./headers.ts";
import { outliveWriteErrors } from "./outlive-write-errors.ts";
import type { RelayOrigin, RelayRequest } from "./relay.ts";
import { Signer, type SigningCredentials } from "./signer.ts";
import { encodeKey, encodeQuery } from "./uri.ts";

// The pool alone: undici's index also loads fetch, WebSocket and caches, which triples the start-up of a short command.
const require = createRequire(import.meta.url);
const Pool: typeof PoolClass = require("undici/lib/dispatcher/pool.js");
const buildConnector: typeof buildConnectorFunction = require("undici/lib/core/connect.js");

/** Returns valid credentials: at once where they are known, else after asking whoever issues them. */
export type CredentialProvider = () => SigningCredentials | Promise<SigningCredentials>;

export interface S3ClientOptions {
  /** Alias of the store, for metrics. */
  readonly store: string;
  /** Absent for AWS itself. */
  readonly endpoint?: string | undefined;
  readonly region: string;
  readonly forcePathStyle: boolean;
  readonly credentials: CredentialProvider;
  readonly maxConnections: number;
  /** PEM of the certificate authorities to trust. */
  readonly ca?: string | undefined;
  /** Told of every answer; `status` 0 means that none came. A request that is repeated is told of twice. */
  readonly onRequest?: ((operation: string, status: number) => void) | undefined;
  /** Waits until one more request may be sent. */
  readonly throttle?: ((signal: AbortSignal | undefined) => Promise<void>) | undefined;
}

export interface S3Request {
  /** S3's name of the operation. */
  readonly operation: string;
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  readonly bucket: string;
  readonly key?: string | undefined;
  readonly query?: Readonly<Record<string, string>> | undefined;
  /** Lower-case names, values one byte per character. Taken over: the caller must not use the object again. */
  readonly headers?: Record<string, string> | undefined;
  readonly body?: Buffer | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How long a store may take to begin an answer. */
const HEADERS_TIMEOUT_MS = 30_000;
/** The same where it copies or assembles up to 5 GiB first. */
const SLOW_HEADERS_TIMEOUT_MS = 300_000;
const SLOW_OPERATIONS: ReadonlySet<string> = new Set(["CopyObject", "UploadPartCopy", "CompleteMultipartUpload"]);
const BODY_TIMEOUT_MS = 60_000;
const CONNECT_TIMEOUT_MS = 10_000;
/** The Date header knows whole seconds: on average it is half a second late. */
const HALF_SECOND_MS = 500;
/** How it shows that the server, or something on the way to it, hung up. */
const HUNG_UP: ReadonlySet<unknown> = new Set(["ECONNRESET", "EPIPE", "UND_ERR_SOCKET"]);

/** A request as it goes over the wire. */
interface Target {
  readonly origin: string;
  readonly path: string;
  readonly headers: Record<string, string>;
}

/** Where a bucket answers; `prefix` stands before its keys. */
interface Address {
  readonly origin: string;
  readonly host: string;
  readonly prefix: string;
}

/** Signs and sends requests to one store, over kept connections. Answers are whole and in memory: large bodies go through the relay. */
export class S3Client {
  readonly store: string;
  /** `server` header of the last answer: says which profile applies. */
  serverName = "";
  #serverDate: string | undefined;
  #answeredAt = 0;
  readonly #options: S3ClientOptions;
  readonly #base: URL;
  readonly #signer: Signer;
  readonly #pools = new Map<string, PoolClass>();
  readonly #addresses = new Map<string, Address>();

  constructor(options: S3ClientOptions) {
    this.store = options.store;
    this.#options = options;
    this.#base = new URL(options.endpoint ?? `https://s3.${options.region}.${dnsSuffix(options.region)}`);
    this.#signer = new Signer(options.region);
  }

  /** How far the store's clock is ahead of this machine's by its last answer, to a second; undefined before it told the time. */
  get clockSkewMs(): number | undefined {
    const ms = Date.parse(this.#serverDate ?? "") - this.#answeredAt;
    return Number.isNaN(ms) ? undefined : ms + HALF_SECOND_MS;
  }

  get endpoint(): string {
    return this.#base.origin;
  }

  /** Resolves with the answer whatever its status. @throws `StoreUnreachable`, `Aborted` */
  async send(request: S3Request): Promise<Answer> {
    const { operation } = request;
    if (this.#options.throttle !== undefined) await this.#options.throttle(request.signal);
    const pending = this.#options.credentials();
    const credentials = pending instanceof Promise ? await pending : pending;
    const target = this.#target(request, credentials);
    try {
      const answer = await this.#exchange(target, request);
      this.serverName = answer.headers["server"] ?? this.serverName;
      this.#serverDate = answer.headers["date"];
      this.#answeredAt = Date.now();
      this.#options.onRequest?.(operation, answer.status);
      return answer;
    } catch (cause) {
      this.#options.onRequest?.(operation, 0);
      throw this.failure(cause, request);
    }
  }

  /** As {@link send}, but an answer other than 2xx is thrown as the error that it stands for. */
  async expect(request: S3Request): Promise<Answer> {
    const answer = await this.send(request);
    if (answer.status < 200 || answer.status > 299) throw toStoreError(answer, place(request));
    return answer;
  }

  /** Signs a request and serialises its head for the relay, which sends the body (of `contentLength` bytes) itself. */
  async toRelayRequest(request: S3Request): Promise<RelayRequest> {
    if (this.#options.throttle !== undefined) await this.#options.throttle(request.signal);
    const { origin, path, headers } = this.#target(request, await this.#options.credentials());
    let head = `${request.method} ${path} HTTP/1.1\r\n`;
    for (const name in headers) head += `${name}: ${headers[name]}\r\n`;
    return { origin: this.#relayOrigin(new URL(origin)), head: `${head}\r\n` };
  }

  /** Takes note of an answer that the relay received; status 0 and no headers where none came. */
  answered(operation: string, status: number, headers: ResponseHeaders = {}): void {
    this.serverName = headers["server"] ?? this.serverName;
    this.#options.onRequest?.(operation, status);
  }

  /** The ReplicationError for a connection that failed. */
  failure(cause: unknown, request: S3Request): ReplicationError {
    if (request.signal?.aborted)
      return new ReplicationError("Aborted", `${request.operation} was interrupted`, { at: place(request), cause });
    return toConnectionError(cause, this.#base.origin, place(request));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()));
    this.#pools.clear();
  }

  /**
   * A server may hang up on a kept connection just when it is used again. What may be sent twice is then sent once more, at once and over a
   * connection of its own: a server that is really gone refuses that one.
   */
  async #exchange(target: Target, request: S3Request): Promise<Answer> {
    try {
      return await this.#dispatch(this.#pool(target.origin), target, request);
    } catch (cause) {
      const hungUp = cause instanceof Error && "code" in cause && HUNG_UP.has(cause.code);
      if (!hungUp || !isRepeatable(request) || request.signal?.aborted) throw cause;
    }
    this.#options.onRequest?.(request.operation, 0);
    return await this.#dispatch(this.#pool(target.origin, "unkept"), target, request);
  }

  #relayOrigin(url: URL): RelayOrigin {
    const tls = url.protocol === "https:";
    const host = url.hostname.replace(/^\[|\]$/g, "");
    return { host, port: Number(url.port) || (tls ? 443 : 80), tls: tls ? { ca: this.#options.ca } : undefined };
  }

  #target(request: S3Request, credentials: SigningCredentials): Target {
    const headers = request.headers ?? {};
    const { origin, host, prefix } = this.#addressOf(request.bucket);
    const path = request.key === undefined ? prefix || "/" : `${prefix}/${encodeKey(request.key)}`;
    const query = request.query === undefined ? "" : encodeQuery(request.query);
    headers["host"] = host;
    this.#signer.sign({ method: request.method, path, query, headers }, credentials, Date.now());
    return { origin, path: query === "" ? path : `${path}?${query}`, headers };
  }

  /** Made once a bucket: a URL cuts its parts out anew each time it is asked. */
  #addressOf(bucket: string): Address {
    const known = this.#addresses.get(bucket);
    if (known !== undefined) return known;
    const virtual = !this.#options.forcePathStyle && isDnsName(bucket);
    const host = virtual ? `${bucket}.${this.#base.host}` : this.#base.host;
    const prefix = this.#base.pathname.replace(/\/$/, "") + (virtual ? "" : `/${bucket}`);
    const address = { origin: `${this.#base.protocol}//${host}`, host, prefix };
    this.#addresses.set(bucket, address);
    return address;
  }

  #pool(origin: string, connections: "kept" | "unkept" = "kept"): PoolClass {
    const name = `${connections} ${origin}`;
    let pool = this.#pools.get(name);
    if (pool === undefined) {
      pool = new Pool(origin, {
        connections: this.#options.maxConnections,
        pipelining: connections === "kept" ? 1 : 0,
        headersTimeout: HEADERS_TIMEOUT_MS,
        bodyTimeout: BODY_TIMEOUT_MS,
        connect: connector(this.#options.ca),
      });
      this.#pools.set(name, pool);
    }
    return pool;
  }

  #dispatch(pool: PoolClass, target: Target, request: S3Request): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const { signal } = request;
    let status = 0;
    let headers: ResponseHeaders = {};
    const chunks: Buffer[] = [];
    let unlisten = (): void => {};
    pool.dispatch(
      // reset: false keeps the connection after a HEAD, which undici would otherwise close for servers that answer one with a body.
      {
        method: request.method,
        path: target.path,
        headers: target.headers,
        body: request.body ?? null,
        reset: false,
        headersTimeout: SLOW_OPERATIONS.has(request.operation) ? SLOW_HEADERS_TIMEOUT_MS : HEADERS_TIMEOUT_MS,
      },
      {
        onRequestStart(controller) {
          unlisten = onAbort(signal, () => controller.abort(toError(signal?.reason)));
        },
        onResponseStart(_, statusCode, received) {
          status = statusCode;
          headers = joined(received);
        },
        onResponseData(_, chunk) {
          chunks.push(chunk);
        },
        onResponseEnd() {
          unlisten();
          resolve({ status, headers, body: chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks) });
        },
        onResponseError(_, error) {
          unlisten();
          reject(error);
        },
      },
    );
    return promise;
  }
}

function connector(ca: string | undefined): buildConnectorFunction.connector {
  const connect = buildConnector({ timeout: CONNECT_TIMEOUT_MS, ...(ca === undefined ? {} : { ca }) });
  return (options, callback) => {
    const socket: unknown = connect(options, callback);
    if (socket instanceof Socket) outliveWriteErrors(socket);
    return socket;
  };
}

/** Whether sending it twice does no more than sending it once: a condition that held may no longer hold after the first. */
function isRepeatable({ method, headers = {} }: S3Request): boolean {
  if (method === "GET" || method === "HEAD") return true;
  return method !== "POST" && headers["if-match"] === undefined && headers["if-none-match"] === undefined;
}

/** Repeated headers arrive as arrays; S3 reads them as one value with commas. */
function joined(received: Readonly<Record<string, string | string[] | undefined>>): ResponseHeaders {
  for (const name in received) {
    const value = received[name];
    if (Array.isArray(value)) return { ...joined({ ...received, [name]: value.join(", ") }) };
  }
  return received as ResponseHeaders;
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error("aborted");
}

function place(request: S3Request): ErrorPlace {
  return { operation: request.operation, bucket: request.bucket, key: request.key };
}

function dnsSuffix(region: string): string {
  return region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
}

/** A bucket with dots cannot be a host name under the wildcard certificate. */
function isDnsName(bucket: string): boolean {
  return /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(bucket);
}
