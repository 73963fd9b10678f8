import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Body } from "./body.ts";
import { type EmbeddedS3Limits, EmbeddedS3Model } from "./model.ts";
import { readBody } from "./request-body.ts";
import { routeFor } from "./routes.ts";
import { S3Error } from "./s3-error.ts";
import { parseRequest, type S3Request } from "./s3-request.ts";
import { errorResponse, type S3Response } from "./s3-response.ts";
import { type Credentials, SignatureVerifier } from "./sigv4-verify.ts";
import { Webhook, type WebhookOptions } from "./webhook.ts";

export interface EmbeddedS3Options {
  /** @defaultValue "127.0.0.1" */
  readonly host?: string | undefined;
  /** 0: any free one. @defaultValue 0 */
  readonly port?: number | undefined;
  /** The region that requests must be signed for; ignored where a model is given, which has its own. @defaultValue "us-east-1" */
  readonly region?: string | undefined;
  readonly credentials: Credentials;
  /** @defaultValue an empty one */
  readonly model?: EmbeddedS3Model | undefined;
  /** Of the model that is made where none is given. */
  readonly limits?: Partial<EmbeddedS3Limits> | undefined;
  /** What the dates of signatures are compared with; milliseconds since the epoch. @defaultValue Date.now */
  readonly now?: (() => number) | undefined;
}

export interface RunningEmbeddedS3 {
  /** `http://host:port`; buckets are addressed by path. */
  readonly endpoint: string;
  readonly model: EmbeddedS3Model;
  /** Events that webhooks did not take, and that will not be sent again. */
  readonly lostEvents: number;
  /** Posts `{"Records":[…]}` to a webhook for every change from now on, the changes of one key in order. */
  notify(options: WebhookOptions): void;
  /** Ends all connections and webhooks at once. Safe to call twice. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Longer than clients keep idle connections, so that it is they who close them. */
const KEEP_ALIVE_TIMEOUT_MS = 120_000;

/** Serves an in-memory S3 over HTTP and resolves once it listens. */
export async function startEmbeddedS3(options: EmbeddedS3Options): Promise<RunningEmbeddedS3> {
  const model = options.model ?? new EmbeddedS3Model({ region: options.region, limits: options.limits });
  const signatures = new SignatureVerifier({ credentials: options.credentials, region: model.region, now: options.now ?? Date.now });
  const serving: Serving = { model, signatures, newRequestId: requestIds() };
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS, requestTimeout: 0 }, (message, response) => {
    // What cannot be answered must not leave the client waiting.
    respond(serving, message, response).catch(() => response.destroy());
  });
  await listen(server, { host: options.host ?? "127.0.0.1", port: options.port ?? 0 });
  return new EmbeddedS3Server(server, model);
}

class EmbeddedS3Server implements RunningEmbeddedS3 {
  readonly endpoint: string;
  readonly model: EmbeddedS3Model;
  readonly #server: Server;
  readonly #webhooks: { readonly webhook: Webhook; readonly stop: () => void }[] = [];
  #closed: Promise<void> | undefined;

  constructor(server: Server, model: EmbeddedS3Model) {
    this.#server = server;
    this.model = model;
    const { address, family, port } = server.address() as AddressInfo;
    this.endpoint = `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
  }

  get lostEvents(): number {
    return this.#webhooks.reduce((sum, { webhook }) => sum + webhook.lost, 0);
  }

  notify(options: WebhookOptions): void {
    const webhook = new Webhook(options);
    this.#webhooks.push({ webhook, stop: this.model.onEvent((record) => webhook.push(record)) });
  }

  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      for (const { webhook, stop } of this.#webhooks) {
        stop();
        webhook.close();
      }
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function listen(server: Server, { host, port }: { readonly host: string; readonly port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

interface Serving {
  readonly model: EmbeddedS3Model;
  readonly signatures: SignatureVerifier;
  readonly newRequestId: () => string;
}

/** Ids that tell requests of one server apart, and servers from each other. */
function requestIds(): () => string {
  const prefix = randomBytes(4).toString("hex").toUpperCase();
  let count = 0;
  return () => prefix + (++count).toString(16).toUpperCase().padStart(8, "0");
}

async function respond(serving: Serving, message: IncomingMessage, response: ServerResponse): Promise<void> {
  const requestId = serving.newRequestId();
  let request: S3Request | undefined;
  let answer: S3Response | undefined;
  try {
    request = parseRequest(message);
    answer = await answerTo(serving, message, request);
  } catch (error) {
    answer = errorResponse(toS3Error(error), request, requestId);
  }
  if (answer !== undefined) await send(message, response, { ...answer, headers: { ...answer.headers, "x-amz-request-id": requestId } });
}

/** Undefined where the client went away. */
async function answerTo({ model, signatures }: Serving, message: IncomingMessage, request: S3Request): Promise<S3Response | undefined> {
  const signing = signatures.verify(request);
  hoistSignedQuery(request);
  checkExpectedOwner(request);
  const operation = routeFor(request);
  const body = hasBody(request) ? await readBody(message, request, signing) : Body.EMPTY;
  return body === undefined ? undefined : operation({ model, request, body });
}

/** Everything here belongs to one account, as in other stores that have none. */
const ACCOUNT_ID = "000000000000";

/** A guard that was ignored would be none. https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html */
function checkExpectedOwner({ headers }: S3Request): void {
  for (const name of ["x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"]) {
    if ((headers.get(name) ?? ACCOUNT_ID) !== ACCOUNT_ID) throw new S3Error("AccessDenied");
  }
}

function hasBody({ headers }: S3Request): boolean {
  const length = headers.get("content-length");
  return headers.has("transfer-encoding") || (length !== undefined && length !== "0");
}

/** A presigned URL carries in its query what would have been headers. */
function hoistSignedQuery({ parameters, query, headers }: S3Request): void {
  if (!query.has("X-Amz-Signature")) return;
  for (const [name, value] of parameters) if (name.startsWith("x-amz-") && !headers.has(name)) headers.set(name, value);
}

function toS3Error(error: unknown): S3Error {
  if (error instanceof S3Error) return error;
  return new S3Error("InternalError", error instanceof Error ? error.message : String(error));
}

async function send(message: IncomingMessage, response: ServerResponse, { status, headers, body }: S3Response): Promise<void> {
  // Of a HEAD, the length of what a GET would bring is told by whoever knows it; an error's document has none.
  if (message.method === "HEAD" || status === 304 || status === 204) {
    response.writeHead(status, { ...headers }).end();
    return;
  }
  const pieces = typeof body === "string" ? [Buffer.from(body)] : (body ?? []);
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  response.writeHead(status, { ...headers, "content-length": String(length) });
  await writeAll(response, pieces);
}

/** Writes pieces no faster than the client reads them, and ends the response. */
async function writeAll(response: ServerResponse, pieces: readonly Uint8Array[]): Promise<void> {
  for (const piece of pieces.slice(0, -1)) {
    if (response.destroyed) return;
    if (!response.write(piece)) await drained(response);
  }
  response.end(pieces.at(-1));
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off("drain", done);
      response.off("close", done);
      resolve();
    };
    response.on("drain", done);
    response.on("close", done);
  });
}
