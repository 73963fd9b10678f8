import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A wire between a client and a server that a test can hold. */
export interface HeldWire extends AsyncDisposable {
  readonly endpoint: string;
  /** Bytes that clients have sent. */
  readonly sentBytes: number;
  /** Lets bytes through no more once clients have sent so many from now on; connections stay open. */
  holdAfter(bytes: number): void;
  /** Lets everything through. */
  release(): void;
}

/** Listens before a server's endpoint. */
export async function startWire(target: string): Promise<HeldWire> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let sent = 0;
  let limit = Number.POSITIVE_INFINITY;
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {
        client.destroy();
        upstream.destroy();
      });
      socket.on("close", () => sockets.delete(socket));
    }
    upstream.pipe(client);
    client.on("end", () => upstream.end());
    client.on("data", (chunk: Buffer) => {
      sent += chunk.length;
      upstream.write(chunk);
      if (sent >= limit) client.pause();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get sentBytes() {
      return sent;
    },
    holdAfter(bytes) {
      limit = sent + bytes;
    },
    release() {
      limit = Number.POSITIVE_INFINITY;
      for (const socket of sockets) socket.resume();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
