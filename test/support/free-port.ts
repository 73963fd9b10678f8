import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/**
 * Below the ranges that Linux (32768 and up) and macOS (49152 and up) hand out to outgoing connections, so that no client socket takes the port
 * between this probe and the server's own bind.
 */
const lowest = 20_000;
const highest = 32_000;
const attempts = 50;

/** Returns a port that nothing listened on at 127.0.0.1 a moment ago. Another process may still be quicker: whoever binds it retries. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const port = randomInt(lowest, highest);
    if (await canListen(port)) return port;
  }
  throw new Error(`no free port between ${lowest} and ${highest} in ${attempts} attempts`);
}

async function canListen(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer();
  server.once("error", () => resolve(false));
  server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(true)));
  return promise;
}
