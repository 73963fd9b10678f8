import assert from "node:assert/strict";
import { createHash, randomBytes, randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer as createHttp, type Server as HttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttps } from "node:https";
import { type AddressInfo, createServer as createTcp, type Server, type Socket } from "node:net";
import { after, afterEach, describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { createServer as createTls } from "node:tls";
import { createCertificate } from "../../../../test/support/certificate.ts";
import { isReplicationError } from "../../../domain/error.ts";
import { Relay, type RelayOptions, type RelayOrigin, type RelayRequest, type RelayResult } from "./relay.ts";

const SLAB = 64 * 1024;
const certificate = createCertificate();
const keyPair = { key: certificate.privateKeyPem, cert: certificate.certificatePem };
const servers: Server[] = [];
const sockets = new Set<Socket>();
const relays: Relay[] = [];

afterEach(() => {
  for (const relay of relays.splice(0)) relay.close();
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  for (const server of servers.splice(0)) server.close();
});

for (const isTls of [false, true]) {
  describe(`Relay over ${isTls ? "TLS" : "TCP"}`, () => cases(isTls));
}

function cases(isTls: boolean): void {
  it("moves bodies of every size around its buffers, byte for byte", async () => {
    const sink = await startSink(isTls);
    const source = await startSource(isTls);
    const relay = createRelay();
    for (const size of [0, 1, 7, SLAB - 1, SLAB, SLAB + 1, 2 * SLAB + 3, 5 * 1024 * 1024 + 11]) {
      const body = randomBytes(size);
      source.bodies.set("/o", body);
      const opened = await relay.open(get(source.origin, "/o"));
      assert.equal(opened.lengthBytes, size);
      const seen = createHash("sha256");
      const results = await opened.pipe([put(sink.origin, `/${size}`, size)], { onChunk: (chunk) => seen.update(chunk) });
      assert.equal(statusOf(results[0]), 200);
      assert.equal(results[0]?.kind === "answered" && results[0].sentBytes, size);
      assert.equal(sink.stored.get(`/${size}`), sha256(body));
      assert.equal(seen.digest("hex"), sha256(body));
    }
    assert.deepEqual([source.connections, sink.connections], [1, 1], "connections are reused");
  });

  it("keeps concurrent transfers apart under random chunks and slow readers", async () => {
    const sink = await startSink(isTls, { hesitant: true });
    const source = await startSource(isTls, { ragged: true });
    const relay = createRelay({ slabBytes: 16 * 1024 });
    const names = Array.from({ length: 32 }, (_, i) => `/t${i}`);
    for (const name of names) source.bodies.set(name, randomBytes(randomInt(0, 600_000)));
    await Promise.all(
      names.map(async (name) => {
        const opened = await relay.open(get(source.origin, name));
        const paths = Array.from({ length: randomInt(1, 4) }, (_, i) => `${name}.${i}`);
        const results = await opened.pipe(
          paths.map((path) => put(sink.origin, path, opened.lengthBytes)),
          {},
        );
        assert.deepEqual(
          results.map(statusOf),
          paths.map(() => 200),
        );
        for (const path of paths) assert.equal(sink.stored.get(path), sha256(source.bodies.get(name)!));
      }),
    );
  });

  it("destroys every destination when the source ends early, so that none stores a part", async () => {
    const [one, two] = [await startSink(isTls), await startSink(isTls)];
    const source = await startRaw(isTls, (socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n`);
      socket.write(randomBytes(400_000), () => socket.end());
    });
    const opened = await createRelay().open(get(source, "/o"));
    const results = await opened.pipe([put(one.origin, "/o", 1_000_000), put(two.origin, "/o", 1_000_000)], {});
    for (const result of results) {
      assert.ok(result.kind === "failed" && result.side === "source");
      assert.equal(codeOf(result.error), "StoreUnreachable");
      assert.match(result.error.message, new RegExp(`^${source.host}:${source.port}: `));
    }
    await Promise.all([one.cutShort.promise, two.cutShort.promise]);
    assert.deepEqual([one.stored.size, two.stored.size], [0, 0]);
  });

  it("fails when the source stalls", async () => {
    const sink = await startSink(isTls);
    const source = await startRaw(isTls, (socket) => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc`));
    const opened = await createRelay({ stallTimeoutMs: 40 }).open(get(source, "/o"));
    const [result] = await opened.pipe([put(sink.origin, "/o", 100)], {});
    assert.ok(result?.kind === "failed" && result.side === "source");
    assert.equal(codeOf(result.error), "RequestTimeout");
    await sink.cutShort.promise;
    assert.equal(sink.stored.size, 0);
  });

  it("reports an early answer of one destination and finishes the others", async () => {
    const body = randomBytes(8 * 1024 * 1024);
    const source = await startSource(isTls);
    source.bodies.set("/o", body);
    const sink = await startSink(isTls);
    const gone = Promise.withResolvers<void>();
    const refusing = await startRaw(isTls, (socket) => {
      socket.once("close", () => gone.resolve());
      socket.pause();
      socket.write(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n<Err\r\n3\r\nor>\r\n0\r\n\r\n",
      );
    });
    const opened = await createRelay().open(get(source.origin, "/o"));
    const [refused, whole] = await opened.pipe([put(refusing, "/o", body.length), put(sink.origin, "/o", body.length)], {});
    assert.ok(refused?.kind === "answered");
    assert.equal(statusOf(refused), 403);
    assert.equal(refused.answer.body.toString(), "<Error>");
    assert.ok(refused.sentBytes < body.length);
    assert.equal(statusOf(whole), 200);
    assert.equal(sink.stored.get("/o"), sha256(body));
    for (const socket of sockets) socket.resume();
    await gone.promise;
  });

  it("hears a refusal out although the connection was reset under the body", async () => {
    const half = randomBytes(256 * 1024);
    for (let i = 0; i < 20; i++) {
      let [sendRest, refuse] = [() => {}, () => {}];
      const source = await startRaw(isTls, (socket) => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${3 * half.length}\r\n\r\n`);
        socket.write(half);
        sendRest = () => socket.write(half);
      });
      const refusing = await startRaw(isTls, (socket) => {
        socket.setNoDelay(true);
        socket.pause(); // what the kernel still holds at the close makes it a reset
        refuse = () => {
          // Over TLS a write may wait for the one before it, and a destroyed socket forgets it.
          socket.write("HTTP/1.1 404 X\r\nConnection: close\r\nContent-Length: 7\r\n\r\n<Error>", () => socket.destroy());
        };
      });
      const opened = await createRelay().open(get(source, "/o"));
      let seenBytes = 0;
      // Just before the second half is written: the relay cannot have seen the answer by then.
      const onChunk = (chunk: Buffer): void => {
        seenBytes += chunk.length;
        if (seenBytes > half.length) refuse();
      };
      const piping = opened.pipe([put(refusing, "/o", opened.lengthBytes)], { onChunk });
      await setTimeout(10);
      sendRest();
      const [refused] = await piping;
      assert.equal(statusOf(refused), 404);
      assert.ok(refused?.kind === "answered" && refused.sentBytes < opened.lengthBytes);
      assert.equal(refused.answer.body.toString(), "<Error>");
    }
  });

  it("fails a destination that resets the connection without a word", async () => {
    const source = await startSource(isTls);
    source.bodies.set("/o", randomBytes(4 * 1024 * 1024));
    const gone = await startRaw(isTls, (socket) => socket.once("data", () => socket.destroy()));
    const opened = await createRelay().open(get(source.origin, "/o"));
    const [result] = await opened.pipe([put(gone, "/o", opened.lengthBytes)], {});
    assert.ok(result?.kind === "failed" && result.side === "destination");
    assert.equal(codeOf(result.error), "StoreUnreachable");
  });

  it("leaves a destination behind that holds another one back", async () => {
    const body = randomBytes(16 * 1024 * 1024);
    const source = await startSource(isTls);
    source.bodies.set("/o", body);
    const sink = await startSink(isTls);
    const stuck = await startRaw(isTls, (socket) => socket.pause());
    const opened = await createRelay({ leftBehindMs: 60 }).open(get(source.origin, "/o"));
    const [slow, quick] = await opened.pipe([put(stuck, "/o", body.length), put(sink.origin, "/o", body.length)], {});
    assert.deepEqual(slow, { kind: "left-behind" });
    assert.equal(statusOf(quick), 200);
    assert.equal(sink.stored.get("/o"), sha256(body));
  });

  it("fails a lone destination that takes nothing, and one that never answers", async () => {
    const source = await startSource(isTls);
    source.bodies.set("/big", randomBytes(16 * 1024 * 1024));
    source.bodies.set("/small", randomBytes(10));
    const stuck = await startRaw(isTls, (socket) => socket.pause());
    const relay = createRelay({ stallTimeoutMs: 60, leftBehindMs: 20, headTimeoutMs: 500 });
    for (const [path, size, what] of [
      ["/big", 16 * 1024 * 1024, /took nothing/],
      ["/small", 10, /no answer/],
    ] as const) {
      const opened = await relay.open(get(source.origin, path));
      const [result] = await opened.pipe([put(stuck, "/o", size)], {});
      assert.ok(result?.kind === "failed" && result.side === "destination");
      assert.equal(codeOf(result.error), "RequestTimeout");
      assert.match(result.error.message, what);
    }
  });

  it("aborts at once", async () => {
    const source = await startSource(isTls);
    source.bodies.set("/o", randomBytes(16 * 1024 * 1024));
    const sink = await startSink(isTls);
    const abort = new AbortController();
    const opened = await createRelay().open(get(source.origin, "/o"));
    const size = opened.lengthBytes;
    const [result] = await opened.pipe([put(sink.origin, "/o", size)], { onChunk: () => abort.abort(), signal: abort.signal });
    assert.ok(result?.kind === "failed");
    assert.equal(codeOf(result.error), "Aborted");
    assert.equal(sink.stored.size, 0);

    const silent = await startRaw(isTls, () => {});
    const waiting = createRelay().open(get(silent, "/o"), AbortSignal.timeout(20));
    await assert.rejects(waiting, (error) => codeOf(error) === "Aborted");
    await assert.rejects(createRelay().open(get(silent, "/o"), AbortSignal.abort()), (error) => codeOf(error) === "Aborted");
  });

  it("replaces a kept connection that died, once", async () => {
    let [connections, requests] = [0, 0];
    const origin = await startRaw(isTls, (socket) => {
      connections++;
      socket.on("data", () => (++requests === 2 ? socket.destroy() : socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")));
    });
    const relay = createRelay();
    for (let i = 0; i < 2; i++) assert.equal((await (await relay.open(get(origin, "/o"))).text()).toString(), "ok");
    assert.deepEqual([connections, requests], [2, 3]);
  });

  it("gives the body of an error, chunked or not, and of a small object", async () => {
    const answers = [
      "404 X\r\nContent-Length: 3\r\n\r\nabc",
      "500 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
      "400 X\r\n\r\nabc",
      "200 X\r\nContent-Length: 3\r\n\r\nabc",
    ];
    for (const answer of answers) {
      const origin = await startRaw(isTls, (socket) => socket.end(`HTTP/1.1 ${answer}`));
      const opened = await createRelay().open(get(origin, "/o"));
      assert.equal(opened.head.statusCode, Number(answer.slice(0, 3)));
      assert.equal((await opened.text()).toString(), "abc");
      await assert.rejects(opened.text(), /already used/);
    }
  });

  it("refuses a body of unknown length and what is not HTTP", async () => {
    for (const answer of [
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "HTTP/1.1 200 OK\r\n\r\n",
      "SSH-2.0-x\r\n\r\n",
    ]) {
      const origin = await startRaw(isTls, (socket) => socket.write(answer));
      await assert.rejects(createRelay().open(get(origin, "/o")), (error) => codeOf(error) === "MalformedResponse");
    }
  });

  it("times out without a head, and gives an unused source up", async () => {
    const silent = await startRaw(isTls, () => {});
    await assert.rejects(createRelay({ headTimeoutMs: 30 }).open(get(silent, "/o")), (error) => codeOf(error) === "RequestTimeout");
    const closed = Promise.withResolvers<void>();
    const origin = await startRaw(isTls, (socket) => {
      socket.once("close", () => closed.resolve());
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
    });
    const opened = await createRelay({ stallTimeoutMs: 30 }).open(get(origin, "/o"));
    await closed.promise;
    await assert.rejects(opened.read({}), (error) => codeOf(error) === "RequestTimeout");
  });

  it("ends everything on close", async () => {
    const closed = Promise.withResolvers<void>();
    const source = await startRaw(isTls, (socket) => {
      socket.once("close", () => closed.resolve());
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
    });
    const sink = await startSink(isTls);
    const relay = createRelay();
    const opened = await relay.open(get(source, "/o"));
    const piping = opened.pipe([put(sink.origin, "/o", 9)], {});
    relay.close();
    const [result] = await piping;
    assert.ok(result?.kind === "failed");
    assert.equal(codeOf(result.error), "Aborted");
    await closed.promise;
    await assert.rejects(relay.open(get(source, "/o")), (error) => codeOf(error) === "Aborted");
  });

  it("does not reuse a connection on which the server said more than it announced", async () => {
    let connections = 0;
    const origin = await startRaw(isTls, (socket) => {
      connections++;
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad");
    });
    const relay = createRelay();
    for (let i = 0; i < 2; i++) assert.equal((await (await relay.open(get(origin, "/o"))).text()).toString(), "ok");
    assert.equal(connections, 2);
  });

  it("fails the transfer when the observer throws", async () => {
    const source = await startSource(isTls);
    source.bodies.set("/o", randomBytes(1_000_000));
    const sink = await startSink(isTls);
    const opened = await createRelay().open(get(source.origin, "/o"));
    const onChunk = (): void => {
      throw new Error("no");
    };
    const [result] = await opened.pipe([put(sink.origin, "/o", 1_000_000)], { onChunk });
    assert.ok(result?.kind === "failed");
    assert.equal(codeOf(result.error), "Internal");
    assert.equal(sink.stored.size, 0);
  });
}

describe("Relay and certificates", () => {
  it("sends nothing to a server whose name or certificate it cannot verify", async () => {
    let heard = 0;
    const origin = await startRaw(true, (socket) => socket.on("data", () => heard++));
    const bad: RelayOrigin[] = [
      { ...origin, tls: {} },
      { ...origin, tls: { ca: certificate.certificatePem, servername: "elsewhere.example" } },
    ];
    for (const one of bad) {
      await assert.rejects(createRelay().open(get(one, "/o")), (error) => codeOf(error) === "StoreUnreachable");
    }
    assert.equal(heard, 0);
  });

  it("connects by name", async () => {
    const source = await startSource(true);
    source.bodies.set("/o", Buffer.from("abc"));
    const opened = await createRelay().open(get({ ...source.origin, host: "localhost" }, "/o"));
    assert.equal((await opened.text()).toString(), "abc");
  });

  it("fails when nobody listens", async () => {
    const server = createTcp();
    const origin = await listen(server, false);
    server.close();
    await once(server, "close");
    await assert.rejects(createRelay().open(get(origin, "/o")), /127\.0\.0\.1:\d+: connecting failed: .*ECONNREFUSED/);
  });
});

after(() => {
  assert.equal(relays.length, 0);
});

function createRelay(options: Partial<RelayOptions> = {}): Relay {
  const relay = new Relay({
    maxIdlePerOrigin: 8,
    idleTimeoutMs: 10_000,
    headTimeoutMs: 20_000,
    stallTimeoutMs: 20_000,
    leftBehindMs: 20_000,
    slabBytes: SLAB,
    ...options,
  });
  relays.push(relay);
  return relay;
}

async function listen(server: Server, isTls: boolean): Promise<RelayOrigin> {
  servers.push(server);
  server.on(isTls ? "secureConnection" : "connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { host: "127.0.0.1", port, tls: isTls ? { ca: certificate.certificatePem } : undefined };
}

/** A server that answers by hand: the handler is called for every connection. */
async function startRaw(isTls: boolean, handle: (socket: Socket) => void): Promise<RelayOrigin> {
  const onSocket = (socket: Socket): void => {
    socket.on("data", () => {});
    handle(socket);
  };
  return await listen(isTls ? createTls(keyPair, onSocket) : createTcp(onSocket), isTls);
}

function createHttpServer(isTls: boolean, handle: (request: IncomingMessage, response: ServerResponse) => void): HttpServer {
  return isTls ? createHttps(keyPair, handle) : createHttp(handle);
}

interface SourceServer {
  readonly origin: RelayOrigin;
  readonly bodies: Map<string, Buffer>;
  connections: number;
}

async function startSource(isTls: boolean, options: { readonly ragged?: boolean } = {}): Promise<SourceServer> {
  const bodies = new Map<string, Buffer>();
  const server = createHttpServer(isTls, (request, response) => {
    const body = bodies.get(request.url!)!;
    response.writeHead(200, { "content-length": body.length });
    if (options.ragged === true) void sendRagged(response, body);
    else response.end(body);
  });
  const origin = await listen(server, isTls);
  const source = { origin, bodies, connections: 0 };
  server.on(isTls ? "secureConnection" : "connection", () => source.connections++);
  return source;
}

async function sendRagged(response: ServerResponse, body: Buffer): Promise<void> {
  for (let at = 0; at < body.length; ) {
    const size = randomInt(0, 4) === 0 ? randomInt(1, 100) : randomInt(1, 90_000);
    response.write(body.subarray(at, at + size));
    at += size;
    if (randomInt(0, 3) === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  response.end();
}

interface SinkServer {
  readonly origin: RelayOrigin;
  /** What arrived whole: path → SHA-256. */
  readonly stored: Map<string, string>;
  /** Resolves when a request broke off. */
  readonly cutShort: PromiseWithResolvers<void>;
  connections: number;
}

async function startSink(isTls: boolean, options: { readonly hesitant?: boolean } = {}): Promise<SinkServer> {
  const stored = new Map<string, string>();
  const cutShort = Promise.withResolvers<void>();
  const server = createHttpServer(isTls, (request, response) => {
    const digest = createHash("sha256");
    request.on("error", () => cutShort.resolve());
    request.on("data", (chunk: Buffer) => {
      digest.update(chunk);
      if (options.hesitant === true && randomInt(0, 2) === 0) hesitate(request, randomInt(1, 6));
    });
    request.on("end", () => {
      stored.set(request.url!, digest.digest("hex"));
      response.end("stored");
    });
  });
  server.on("clientError", (_, socket) => {
    cutShort.resolve();
    socket.destroy();
  });
  const origin = await listen(server, isTls);
  const sink = { origin, stored, cutShort, connections: 0 };
  server.on(isTls ? "secureConnection" : "connection", () => sink.connections++);
  return sink;
}

/** Reads on after a few turns of the event loop. */
function hesitate(request: IncomingMessage, turns: number): void {
  request.pause();
  setImmediate(() => (turns === 0 ? request.resume() : hesitate(request, turns - 1)));
}

function get(origin: RelayOrigin, path: string): RelayRequest {
  return { origin, head: `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n` };
}

function put(origin: RelayOrigin, path: string, size: number): RelayRequest {
  return { origin, head: `PUT ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${size}\r\n\r\n` };
}

function statusOf(result: RelayResult | undefined): number | undefined {
  if (result?.kind === "failed") throw result.error;
  return result?.kind === "answered" ? result.answer.head.statusCode : undefined;
}

function codeOf(error: unknown): string | undefined {
  return isReplicationError(error) ? error.code : undefined;
}

function sha256(body: Buffer): string {
  return createHash("sha256").update(body).digest("hex");
}
