import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { getRequestListener } from "@hono/node-server";
import type { Listen } from "../config/resolved-config.ts";
import { MAX_BODY_BYTES } from "../control-plane/event-receiver.ts";
import type { Handler } from "../control-plane/handler.ts";
import { ReplicationError } from "../domain/error.ts";

export interface HttpServer {
  /** Where it answers; the port is the one that was free where 0 was asked for. */
  readonly url: string;
  /** Takes no new connections and resolves when those that are open have been answered, at most after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/**
 * Serves the handler at the address of the config.
 *
 * @throws `ConfigInvalid` where the address cannot be listened on or the certificate cannot be read
 */
export async function serve(handler: Handler, listen: Listen): Promise<HttpServer> {
  const listener = getRequestListener((request) => handler.fetch(request), { overrideGlobalObjects: false });
  const server = create(listen, (request, response) => {
    // A connection that is kept was busy when the server was closed, and would stay: nobody sends anything on it any more.
    response.once("close", () => server.listening || server.closeIdleConnections());
    const store = pushedStore(request);
    if (store === undefined) void listener(request, response);
    else void receive(handler, store, { request, response });
  });
  const port = await listening(server, listen);
  const scheme = listen.tls === undefined ? "http" : "https";
  const host = listen.host.includes(":") ? `[${listen.host}]` : listen.host;
  return { url: `${scheme}://${host}:${port}`, close: (graceMs) => close(server, graceMs) };
}

/** A sender of events keeps its connections; a minute is what common proxies assume. */
const OPTIONS: ServerOptions = { keepAliveTimeout: 65_000 };

/** A sender of more hears why only if it may end its sending; one that never ends is cut off. */
const MAX_DISCARDED_BYTES = 64 * 1024 * 1024;
const EVENTS_PATH = /^\/events\/([A-Za-z0-9._-]+)$/;

/** The store that a message is pushed for; undefined for every other request. */
function pushedStore({ method, url = "" }: IncomingMessage): string | undefined {
  return method === "POST" ? EVENTS_PATH.exec(url)?.[1] : undefined;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** Answers a pushed message. A sender that goes away in the middle gets no answer, and knows that it has to send again. */
async function receive(handler: Handler, store: string, { request, response }: Exchange): Promise<void> {
  const body = await readMessage(request);
  if (body === "broken") return;
  const refused = await handler.receive({ store, authorization: request.headers.authorization, body });
  if (refused === undefined) response.writeHead(200, { "content-length": 0 }).end();
  else response.writeHead(refused.status, Object.fromEntries(refused.headers)).end(await refused.text());
}

/** The body; undefined where it is too large, of which nothing is kept. */
async function readMessage(request: IncomingMessage): Promise<Buffer | undefined | "broken"> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request) {
      size += (chunk as Buffer).length;
      if (size <= MAX_BODY_BYTES) chunks.push(chunk as Buffer);
      else if (size > MAX_DISCARDED_BYTES) break;
    }
  } catch {
    return "broken"; // the connection ended before the body did
  }
  if (size > MAX_BODY_BYTES) return undefined;
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
}

function create(listen: Listen, listener: Parameters<typeof createServer>[1]): Server {
  if (listen.tls === undefined) return createServer(OPTIONS, listener);
  try {
    const { certFile, keyFile } = listen.tls;
    return createTlsServer({ ...OPTIONS, cert: readFileSync(certFile), key: readFileSync(keyFile) }, listener);
  } catch (cause) {
    throw new ReplicationError("ConfigInvalid", `listen.tls cannot be used: ${cause instanceof Error ? cause.message : String(cause)}`, {
      hint: "name a certificate and its key in PEM form that this user can read",
      cause,
    });
  }
}

function listening(server: Server, { host, port }: Listen): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => reject(cannotListen(cause, host, port)));
    server.listen(port, host, () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}

function cannotListen(cause: NodeJS.ErrnoException, host: string, port: number): ReplicationError {
  const taken = cause.code === "EADDRINUSE";
  return new ReplicationError("ConfigInvalid", `cannot listen on ${host}:${port}: ${taken ? "the port is in use" : cause.message}`, {
    hint: taken ? "set listen.port to a free port, or stop what uses it" : "correct listen.host and listen.port",
    cause,
  });
}

function close(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), graceMs);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}
