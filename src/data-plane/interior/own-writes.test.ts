import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { BucketEvent } from "../../domain/event.ts";
import type { Clock } from "../../ports/clock.ts";
import { OwnWrites } from "./own-writes.ts";

const DELETED: BucketEvent = { kind: "deleted", bucket: "data", keys: ["k"], eventName: "ObjectRemoved:Delete" };

/** A clock that stands until it is slept by: whoever waits finds that the time has passed. */
function sleepyClock(): Clock & { pass(ms: number): void } {
  let now = 0;
  const pass = (ms: number) => {
    now += ms;
  };
  return { now: () => now, sleep: async (ms) => pass(ms), pass };
}

describe("OwnWrites", () => {
  it("excuses the event of a write once, and none that comes too late to be its (invariant 1)", async () => {
    const clock = sleepyClock();
    const writes = new OwnWrites(clock);
    const announce = async () => (await writes.begin("b", "k", 1))?.ended({ kind: "deleted" });
    await announce();
    assert.deepEqual([await writes.excuses("b", DELETED), await writes.excuses("b", DELETED)], [true, false]);
    await announce();
    clock.pass(3_600_000);
    assert.equal(await writes.excuses("b", DELETED), false);
  });

  it("waits for a write that hangs no longer than it was told", async () => {
    const writes = new OwnWrites(sleepyClock());
    const first = await writes.begin("b", "k", 1_000);
    assert.equal(await writes.begin("b", "k", 1_000), undefined);
    first?.ended();
    assert.notEqual(await writes.begin("b", "k", 1_000), undefined);
  });
});
