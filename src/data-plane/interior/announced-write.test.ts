import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { destinationOf, ruleOf } from "../../../test/support/rules.ts";
import { ReplicationError } from "../../domain/error.ts";
import { clientContent } from "../../domain/holding.ts";
import { LeapingClock } from "../../testing/leaping-clock.ts";
import { bucketOf, MemoryObjectStore } from "../../testing/memory-object-store.ts";
import { MemoryState } from "../../testing/memory-state.ts";
import { toRoute } from "../diff.ts";
import { settled } from "../settlement.ts";
import { type Written, writeAnnounced } from "./announced-write.ts";
import { assumed } from "./reading.ts";
import type { Situation } from "./situation.ts";

const [A, B] = [bucketOf("a"), bucketOf("b")];
const DONE: Written = { kind: "made", end: settled("COMPLETED", null), announced: { kind: "created", etag: "e" } };

/** One write to a key of which nothing is known; `letGo` tells what the key was let go of with, undefined while it is held. */
async function scene({ waitsMs = 0 } = {}) {
  const clock = new LeapingClock();
  const { holdings } = new MemoryState({ clock });
  const destination = destinationOf(B);
  const rule = ruleOf(A, [destination]);
  const route = toRoute(rule, destination);
  const known = await holdings.known(B.id, "k");
  const letGo: unknown[] = [];
  const ownWrites = {
    begin: async () => {
      await clock.sleep(waitsMs);
      return { ended: (announced?: unknown) => void letGo.push(announced) };
    },
  };
  const situation: Situation = {
    task: { route, key: "k", lane: "live", eventTime: null, wanted: 1, attempts: 0, firstFailedAt: null, lease: "l" },
    aim: { rule, destination },
    signal: undefined,
    key: "k",
    mustLook: false,
    wasRefused: false,
    row: undefined,
    source: assumed(known),
    destination: assumed(known),
    conflict: undefined,
    comparesAcls: false,
  };
  const store = new MemoryObjectStore(B);
  const parts = { holdings, ownWrites, storeOf: () => store, clock, newId: () => "intent" };
  const content = clientContent({ bucket: A.id, at: clock.now(), etag: "e" });
  const intents = async () => (await holdings.known(B.id, "k")).intents;
  const write = (make: () => Promise<Written>) =>
    writeAnnounced(parts, situation, { content, expected: { etag: "e", sizeBytes: 1, stamp: null }, bytes: 1, write: make });
  return { clock, holdings, letGo, intents, write };
}

describe("an announced write", () => {
  it("is known to everybody while it is made, however long it waited for another (invariant 10)", async () => {
    const { clock, intents, write } = await scene({ waitsMs: 29_000 });
    let isOpen = false;
    await write(async () => {
      isOpen = (await intents()).some(({ expiresAt }) => expiresAt > clock.now());
      return DONE;
    });
    assert.equal(isOpen, true);
  });

  it("holds its key until the outcome is recorded, which closes it", async () => {
    const { letGo, intents, write } = await scene();
    const end = await write(async () => DONE);
    assert.ok(typeof end === "object" && end.kind === "settled");
    assert.deepEqual([end.closes, letGo, (await intents()).length], ["intent", [], 1]);
    end.onRecorded?.();
    assert.deepEqual(letGo, [{ kind: "created", etag: "e" }]);
  });

  it("leaves nothing where nothing was written", async () => {
    const { letGo, intents, write } = await scene();
    assert.equal(await write(async () => ({ kind: "not-made", end: "look" })), "look");
    assert.deepEqual([await intents(), letGo], [[], [undefined]]);
  });

  it("leaves nothing where the store said no", async () => {
    const { intents, write } = await scene();
    const refused = new ReplicationError("AccessDenied", "no");
    const end = await write(async () => ({ kind: "broken", error: refused }));
    assert.ok(typeof end === "object" && end.kind === "failed" && end.error === refused);
    assert.deepEqual(await intents(), []);
  });

  it("stays to be recognised by where it may have happened, and nobody waits for it (invariant 10)", async () => {
    const { clock, letGo, intents, write } = await scene();
    await write(async () => ({ kind: "broken", error: new ReplicationError("RequestTimeout", "no answer") }));
    const [left] = await intents();
    assert.ok(left !== undefined && left.expiresAt <= clock.now());
    assert.deepEqual(letGo, [undefined]);
  });

  it("is not made where somebody else changed what is known meanwhile (invariant 3)", async () => {
    const { holdings, letGo, write } = await scene();
    await holdings.noteDelete(B.id, "k", 0);
    assert.equal(await write(() => assert.fail("written")), "again");
    assert.deepEqual(letGo, [undefined]);
  });
});
