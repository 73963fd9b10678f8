import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it, mock } from "node:test";
import { PLAIN_COPY, type Rule } from "../domain/rule.ts";
import { blankEntry } from "../domain/status.ts";
import { outcomeStream } from "./outcome-stream.ts";
import type { Row } from "./rows.ts";

const bucketOf = (store: string) => ({ id: `s3://${store}.test/x`, name: `${store}:x`, store, bucket: "x" });

const RULE: Rule = {
  id: "r",
  source: bucketOf("a"),
  destinations: [{ id: "b:x", canonicalId: "s3://b.test/x", bucket: bucketOf("b"), prefix: "", existingObjects: true }],
  filter: {},
  preserve: { tags: true, storageClass: true, acl: false, objectLock: false, encryption: false },
  enabled: true,
  ...PLAIN_COPY,
};

class Feed {
  readonly listeners = new Set<(row: Row) => void>();
  readonly listen = (listener: (row: Row) => void) => {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  };

  send(key: string, rule = "r"): void {
    const route = { rule, source: "s3://a.test/x", destination: "s3://b.test/x" };
    for (const listener of this.listeners) listener({ route, entry: { ...blankEntry({ ...route, key }), status: "COMPLETED" } });
  }
}

class Stream {
  readonly feed = new Feed();
  readonly closing = new AbortController();
  readonly #reader;

  constructor(rule?: string) {
    const response = outcomeStream({ rules: [RULE], feed: this.feed.listen, rule, closing: this.closing.signal });
    assert.equal(response.headers.get("content-type"), "text/event-stream");
    this.#reader = (response.body as ReadableStream<Uint8Array>).getReader();
  }

  /** The next message; undefined at the end. */
  async next(): Promise<string | undefined> {
    const { value } = await this.#reader.read();
    return value === undefined ? undefined : Buffer.from(value).toString();
  }

  cancel(): Promise<void> {
    return this.#reader.cancel();
  }
}

function dataOf(message: string | undefined, event: string): Record<string, unknown> {
  const [, name, data] = /^event: (\w+)\ndata: (.+)\n\n$/.exec(message ?? "") ?? [];
  assert.equal(name, event);
  return JSON.parse(data ?? "");
}

describe("GET /api/v1/events", () => {
  beforeEach(() => mock.timers.enable({ apis: ["setInterval"] }));
  afterEach(() => mock.timers.reset());

  it("tells each outcome as objects list would", async () => {
    const stream = new Stream();
    assert.equal(await stream.next(), ": open\n\n");
    stream.feed.send("k\n1");
    const { bucket, key, destination, status } = dataOf(await stream.next(), "outcome");
    assert.deepEqual([bucket, key, destination, status], ["a:x", "k\n1", "b:x", "COMPLETED"]);
  });

  it("tells of one rule where that is asked for", async () => {
    const stream = new Stream("r");
    await stream.next();
    stream.feed.send("other", "q");
    stream.feed.send("mine");
    assert.equal(dataOf(await stream.next(), "outcome")["key"], "mine");
  });

  it("says now and then that it is there", async () => {
    const stream = new Stream();
    await stream.next();
    mock.timers.tick(15_000);
    assert.equal(await stream.next(), ": still here\n\n");
  });

  it("keeps a bounded number for a slow reader, and says how many it dropped", async () => {
    const stream = new Stream();
    for (let i = 0; i < 1500; i++) stream.feed.send(`k${i}`);
    for (let i = 0; i < 1000; i++) await stream.next();
    stream.feed.send("last");
    assert.equal(dataOf(await stream.next(), "dropped")["count"], 501);
    assert.equal(dataOf(await stream.next(), "outcome")["key"], "last");
  });

  it("lets go of everything when its reader leaves, and ends when the daemon does", async () => {
    const left = new Stream();
    await left.cancel();
    assert.equal(left.feed.listeners.size, 0);
    const ended = new Stream();
    await ended.next();
    ended.closing.abort();
    assert.equal(await ended.next(), undefined);
    assert.equal(ended.feed.listeners.size, 0);
  });
});
