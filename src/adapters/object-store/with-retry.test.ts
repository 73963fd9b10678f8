import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ReplicationError } from "../../domain/error.ts";
import type { ObjectStore } from "../../ports/object-store.ts";
import { LeapingClock } from "../../testing/leaping-clock.ts";
import { bucketOf, MemoryObjectStore } from "../../testing/memory-object-store.ts";
import { withFaults } from "../../testing/with-faults.ts";
import { withRetry } from "./with-retry.ts";

const READS: Readonly<Record<string, (store: ObjectStore) => Promise<unknown>>> = {
  list: (store) => store.list(),
  head: (store) => store.head("a"),
  get: (store) => store.get("a"),
  read: (store) => store.read("a", { start: 0, endExclusive: 1 }),
  tags: (store) => store.tags("a"),
  observe: (store) => store.observe("a"),
  listVersions: (store) => store.listVersions(),
  describe: (store) => store.describe(),
  versioning: (store) => store.versioning(),
  capabilities: (store) => store.capabilities(),
};
const WRITES: Readonly<Record<string, (store: ObjectStore) => Promise<unknown>>> = {
  put: (store) => store.put("a", new Uint8Array(1)),
  delete: (store) => store.delete("a"),
  putTags: (store) => store.putTags("a", {}),
};

/** A store whose first calls fail, and what is seen of it through the decorator. */
function failing(times: number, error: Error): { raw: ReturnType<typeof withFaults>; store: ObjectStore; clock: LeapingClock } {
  const memory = new MemoryObjectStore(bucketOf("b"));
  memory.plant("a");
  let left = times;
  const raw = withFaults(memory, () => (left-- > 0 ? error : undefined));
  const clock = new LeapingClock();
  return { raw, store: withRetry(raw, { clock, random: () => 1 }), clock };
}

const blip = new ReplicationError("StoreUnreachable", "reset");

describe("withRetry", () => {
  for (const [name, read] of Object.entries(READS)) {
    it(`repeats ${name} until it succeeds, at most three times in all, ever further apart`, async () => {
      const { raw, store, clock } = failing(2, blip);
      await read(store);
      assert.deepEqual(
        [raw.calls, clock.slept],
        [
          [name, name, name],
          [100, 200],
        ],
      );
      const worse = failing(3, blip);
      await assert.rejects(read(worse.store), blip);
      assert.equal(worse.raw.calls.length, 3);
    });
  }

  for (const [name, write] of Object.entries(WRITES)) {
    it(`never repeats ${name}`, async () => {
      const { raw, store } = failing(1, blip);
      await assert.rejects(write(store), blip);
      assert.deepEqual(raw.calls, [name]);
    });
  }

  it("draws the wait from the whole range", async () => {
    const { raw, clock } = failing(1, blip);
    await withRetry(raw, { clock, random: () => 0.25 }).head("a");
    assert.deepEqual(clock.slept, [25]);
  });

  it("does not repeat what is permanent, nor what is no error of a store", async () => {
    for (const error of [new ReplicationError("AccessDenied", "no"), new TypeError("bug")]) {
      const { raw, store } = failing(1, error);
      await assert.rejects(store.head("a"), error);
      assert.equal(raw.calls.length, 1);
    }
  });

  it("waits as long as the store asks, up to five seconds, and leaves longer waits to others", async () => {
    const busy = failing(1, new ReplicationError("SlowDown", "later", { retryAfterMs: 5_000 }));
    await busy.store.head("a");
    assert.deepEqual(busy.clock.slept, [5_000]);
    const closed = failing(1, new ReplicationError("SlowDown", "much later", { retryAfterMs: 5_001 }));
    await assert.rejects(closed.store.head("a"));
    assert.deepEqual(closed.clock.slept, []);
  });

  it("does not try again once aborted, before or during the wait", async () => {
    const before = failing(1, blip);
    await assert.rejects(before.store.head("a", { signal: AbortSignal.abort() }), blip);
    assert.deepEqual(before.clock.slept, []);
    const during = failing(1, blip);
    const abort = new AbortController();
    const clock = { now: () => 0, sleep: async () => abort.abort() };
    await assert.rejects(withRetry(during.raw, { clock }).head("a", { signal: abort.signal }), blip);
    assert.equal(during.raw.calls.length, 1);
  });
});
