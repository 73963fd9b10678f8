import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer as createTcp, type Server, type Socket } from "node:net";
import { afterEach, describe, it } from "node:test";
import { createServer as createTls } from "node:tls";
import { createCertificate } from "../../../../test/support/certificate.ts";
import { isReplicationError } from "../../../domain/error.ts";
import { S3Client, type S3Request } from "./client.ts";

const certificate = createCertificate();
const keyPair = { key: certificate.privateKeyPem, cert: certificate.certificatePem };
const PUT = { operation: "PutObject", method: "PUT", bucket: "photos", key: "k" } as const;
const answer = (status: number, body: string) => `HTTP/1.1 ${status} X\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

const servers: Server[] = [];
const clients: S3Client[] = [];
const sockets = new Set<Socket>();
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  for (const server of servers.splice(0)) server.close();
});

/** A client of a server that answers by hand: the handler is called for every connection. */
async function start(isTls: boolean, handle: (socket: Socket) => void): Promise<{ client: S3Client; statuses: number[] }> {
  const server = isTls ? createTls(keyPair) : createTcp();
  servers.push(server);
  server.on(isTls ? "secureConnection" : "connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    handle(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const statuses: number[] = [];
  const client = new S3Client({
    store: "a",
    endpoint: `${isTls ? "https" : "http"}://localhost:${(server.address() as AddressInfo).port}`,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: () => ({ accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" }),
    maxConnections: 1,
    ca: certificate.certificatePem,
    onRequest: (_, status) => statuses.push(status),
  });
  clients.push(client);
  return { client, statuses };
}

function put(client: S3Client, body: Buffer): ReturnType<S3Client["send"]> {
  return client.send({ ...PUT, headers: { "content-length": String(body.length) }, body });
}

/** Answers the first request on each connection and breaks the second off. */
function hangUpOnTheSecond(socket: Socket): void {
  let count = 0;
  socket.on("data", () => (++count === 2 ? socket.destroy() : socket.write(answer(200, "ok"))));
}

for (const isTls of [false, true]) {
  describe(`S3Client and servers that hang up, over ${isTls ? "TLS" : "TCP"}`, () => {
    it("hears a refusal out although the connection was reset under the body", async () => {
      const { client, statuses } = await start(isTls, (socket) => {
        socket.pause();
        const refusal = answer(404, "<Error><Code>NoSuchBucket</Code></Error>").replace(" X\r\n", " X\r\nConnection: close\r\n");
        socket.write(refusal, () => socket.destroy());
      });
      const bodies = [5, 16 * 1024 * 1024].map((sizeBytes) => Buffer.alloc(sizeBytes, "x"));
      for (let i = 0; i < 50; i++) {
        for (const sent of bodies) {
          const { status, body } = await put(client, sent);
          assert.deepEqual([status, body.toString()], [404, "<Error><Code>NoSuchBucket</Code></Error>"]);
        }
      }
      assert.deepEqual(new Set(statuses), new Set([404]), "nothing was sent twice");
    });

    it("sends once more what may be sent twice, over a new connection", async () => {
      const { client, statuses } = await start(isTls, hangUpOnTheSecond);
      const { operation, ...rest } = PUT;
      const requests: Omit<S3Request, "operation">[] = [
        { ...rest, headers: { "content-length": "1" }, body: Buffer.from("x") },
        { ...rest, headers: { "x-amz-copy-source": "/photos/j", "x-amz-copy-source-if-match": '"e"' } },
        { ...rest, method: "DELETE" },
        { ...rest, method: "GET", headers: { "if-match": '"e"' } },
      ];
      for (const request of requests) {
        await client.send({ operation: "Warm", method: "GET", bucket: "photos" });
        assert.equal((await client.send({ operation, ...request })).status, 200);
        assert.deepEqual(statuses.splice(0), [200, 0, 200]);
      }
    });

    it("does not send twice what could do more than once", async () => {
      const { client, statuses } = await start(isTls, hangUpOnTheSecond);
      const requests: Omit<S3Request, "operation" | "bucket">[] = [
        { method: "POST", key: "k", query: { uploads: "" } },
        { method: "PUT", key: "k", headers: { "if-none-match": "*" } },
        { method: "DELETE", key: "k", headers: { "if-match": '"e"' } },
      ];
      for (const request of requests) {
        await client.send({ operation: "Warm", method: "GET", bucket: "photos" });
        await assert.rejects(client.send({ operation: "Once", bucket: "photos", ...request }), isUnreachable);
        assert.deepEqual(statuses.splice(0), [200, 0]);
      }
    });

    it("gives up on a server that hangs up again", async () => {
      let connections = 0;
      const { client, statuses } = await start(isTls, (socket) => {
        connections++;
        socket.once("data", () => socket.destroy());
      });
      await assert.rejects(put(client, Buffer.from("bytes")), isUnreachable);
      assert.deepEqual([connections, statuses], [2, [0, 0]]);
    });
  });
}

function isUnreachable(error: unknown): boolean {
  return isReplicationError(error) && error.code === "StoreUnreachable";
}
