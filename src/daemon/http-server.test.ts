import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, request } from "node:http";
import { describe, it } from "node:test";
import type { Handler } from "../control-plane/handler.ts";
import { serve } from "./http-server.ts";

const LISTEN = { host: "127.0.0.1", port: 0, tls: undefined, tokens: [] };
/** So long that nobody who waits for it is taken for done. */
const FOREVER_MS = 100_000;

describe("close", () => {
  it("ends a kept connection with the answer that is under way on it", { timeout: 10_000 }, async () => {
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<Response>();
    const fetch = () => {
      asked.resolve();
      return answer.promise;
    };
    const server = await serve({ fetch } as unknown as Handler, LISTEN);
    const agent = new Agent({ keepAlive: true });
    const sent = request(`${server.url}/healthz`, { agent }).end();
    const answered = once(sent, "response");
    await asked.promise;
    const closed = server.close(FOREVER_MS);
    answer.resolve(new Response("ok"));
    const [response] = await answered;
    response.resume();
    assert.equal(response.statusCode, 200);
    await closed;
    agent.destroy();
  });
});
