import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { createServer } from "node:net";

/**
 * Below the ranges that Linux (32768 and up) and macOS (49152 and up) hand out to outgoing connections, so that no client socket takes the port
 * between this probe and the server's own bind.
 */
const lowest = 20_000;
const highest = 32_000;
const attempts = 50;

/**
 * Returns a port that nothing listens on at 127.0.0.1 and that no other call returns, in any process, as long as this process lives: many tests
 * bind it only later, by a daemon that is started twice.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const port = randomInt(lowest, highest);
    if ((await reserve(port)) && (await canListen(port))) return port;
  }
  throw new Error(`no free port between ${lowest} and ${highest} in ${attempts} attempts`);
}

/** The UDP port of the same number stands for the reservation: nothing here uses it, and the system gives it back when the process ends. */
async function reserve(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = createSocket("udp4").unref();
  socket.once("error", () => socket.close(() => resolve(false)));
  socket.bind({ port, address: "127.0.0.1", exclusive: true }, () => resolve(true));
  return promise;
}

async function canListen(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer();
  server.once("error", () => resolve(false));
  server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(true)));
  return promise;
}
