import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { openSqliteHarness } from "../../test/contract/sqlite-state.ts";
import { destinationOf, ruleOf } from "../../test/support/rules.ts";
import { systemClock } from "../app/system-clock.ts";
import { ReplicationError } from "../domain/error.ts";
import type { BucketEvent, ParsedMessage } from "../domain/event.ts";
import type { IntakeCounts } from "../ports/state.ts";
import { bucketOf, MemoryObjectStore } from "../testing/memory-object-store.ts";
import { claimAll, type StateHarness } from "../testing/state-contract.ts";
import { withFaults } from "../testing/with-faults.ts";
import { EventIntake } from "./event-intake.ts";
import { OwnWrites } from "./interior/own-writes.ts";
import { RuleIndex } from "./rule-index.ts";

const [one, two] = [destinationOf(bucketOf("one")), destinationOf(bucketOf("two"))];

interface Scene extends StateHarness {
  readonly source: MemoryObjectStore;
  readonly calls: readonly string[];
  accept(...events: readonly Partial<BucketEvent>[]): Promise<void>;
  acceptMessage(message: Partial<ParsedMessage>): Promise<void>;
  waiting(): Promise<readonly string[]>;
  /** What the intake counted, as a later process reads it. */
  counted(): Promise<readonly IntakeCounts[]>;
  /** The same state after its process ended. */
  reopened(): Promise<StateHarness>;
}

function scene(run: (scene: Scene) => Promise<void>): () => Promise<void> {
  return async () => {
    const harness = await openSqliteHarness();
    let last = harness;
    try {
      const source = new MemoryObjectStore(bucketOf("photos"));
      const store = withFaults(source, (_, key) => (key === "unreadable" ? new ReplicationError("StoreUnreachable", "down") : undefined));
      const rules = new RuleIndex([
        ruleOf(source.bucket, [one, two], { id: "all" }),
        ruleOf(source.bucket, [one], { id: "jpg", filter: { prefix: "a/", suffix: ".jpg" } }),
        ruleOf(source.bucket, [one], { id: "off", enabled: false }),
      ]);
      const clock = systemClock;
      const intake = new EventIntake({ ...harness.state, rules, storeOf: () => store, clock, ownWrites: new OwnWrites(clock) });
      const acceptMessage = (message: Partial<ParsedMessage>) =>
        intake.accept("one", { events: [], ignored: 0, malformed: [], ...message });
      await run({
        ...harness,
        source,
        calls: store.calls,
        acceptMessage,
        counted: async () => {
          await intake.flush();
          return last.state.journal.intake();
        },
        reopened: async () => {
          last = await harness.reopen();
          return last;
        },
        accept: (...events) =>
          acceptMessage({
            events: events.map((event) => ({ kind: "created", bucket: "photos", keys: ["k"], eventName: "ObjectCreated:Put", ...event })),
          }),
        waiting: async () =>
          (await claimAll(harness)).map(({ route, key }) => `${route.rule} ${route.destination.split("/").at(-1)} ${key}`).sort(),
      });
    } finally {
      await last.close();
    }
  };
}

describe("EventIntake", () => {
  it(
    "wishes for the key at every destination of every enabled rule that is about it",
    scene(async (at) => {
      await at.accept({ keys: ["a/1.jpg"] }, { keys: ["b"] });
      assert.deepEqual(await at.waiting(), ["all one a/1.jpg", "all one b", "all two a/1.jpg", "all two b", "jpg one a/1.jpg"]);
      assert.deepEqual(at.calls, [], "the source is not asked where the key is certain");
    }),
  );

  it(
    "has made the wishes durable when it returns (invariant 1)",
    scene(async (at) => {
      await at.accept({ keys: ["k"] });
      const again = await at.reopened();
      assert.equal((await claimAll(again)).length, 2);
    }),
  );

  it(
    "hands on what the event said, live, as a hint and no more",
    scene(async (at) => {
      await at.accept({ eventTime: 5, etag: "aa", sizeBytes: 7 });
      const [task] = await claimAll(at);
      assert.deepEqual([task?.lane, task?.eventTime, task?.hint], ["live", 5, { etag: "aa", sizeBytes: 7 }]);
      await at.accept({ keys: ["other"] });
      const [other] = await claimAll(at);
      assert.deepEqual([other?.eventTime, other?.hint], [null, undefined]);
    }),
  );

  it(
    "drops nothing for being late or a duplicate (invariant 2)",
    scene(async (at) => {
      await at.accept({ sequencer: "2", eventTime: 9, etag: "new" }, { sequencer: "1", eventTime: 5, etag: "old" });
      await at.accept({ sequencer: "2", eventTime: 9, etag: "new" });
      assert.deepEqual(await at.waiting(), ["all one k", "all two k"]);
    }),
  );

  it(
    "looks up both readings of a key and wishes for those that are there, else for the likelier",
    scene(async (at) => {
      at.source.plant("a b");
      at.source.plant("c+d");
      at.source.plant("e f");
      at.source.plant("e+f");
      const keys = [
        ["a b", "a+b"],
        ["c d", "c+d"],
        ["e f", "e+f"],
        ["g h", "g+h"],
      ] as const;
      await at.accept(...keys.map((readings) => ({ keys: readings })));
      const wished = (await at.waiting()).filter((line) => line.startsWith("all one")).map((line) => line.slice(8));
      assert.deepEqual(wished, ["a b", "c+d", "e f", "e+f", "g h"]);
    }),
  );

  it(
    "takes nothing where a reading cannot be looked up, so that the event comes again",
    scene(async (at) => {
      await assert.rejects(at.accept({ keys: ["certain"] }, { keys: ["unreadable", "b"] }), { code: "StoreUnreachable" });
      assert.deepEqual(await at.waiting(), []);
      assert.deepEqual(await at.counted(), []);
    }),
  );

  it(
    "ignores buckets that are no source, and deletes, and counts them",
    scene(async (at) => {
      await at.acceptMessage({
        events: [
          { kind: "created", bucket: "elsewhere", keys: ["k"], eventName: "ObjectCreated:Put" },
          { kind: "deleted", bucket: "photos", keys: ["k", "l"], eventName: "ObjectRemoved:Delete" },
          { kind: "attributes", bucket: "photos", keys: ["k"], eventName: "ObjectTagging:Put" },
        ],
        ignored: 1,
      });
      assert.deepEqual(await at.waiting(), ["all one k", "all two k"]);
      const [counts] = await at.counted();
      assert.deepEqual([counts?.received, counts?.ignored, counts?.malformed], [4, 3, 0]);
    }),
  );

  it(
    "looks after a version that was taken away, which may have brought an older one back (invariant 1)",
    scene(async (at) => {
      await at.accept({ kind: "deleted", eventName: "ObjectRemoved:Delete", keys: ["k"], versionId: "v2" });
      await at.accept({ kind: "deleted", eventName: "ObjectRemoved:DeleteMarkerCreated", keys: ["l"], versionId: "v3" });
      assert.deepEqual(await at.waiting(), ["all one k", "all two k"]);
    }),
  );

  it(
    "sets aside what nobody understood and takes the rest",
    scene(async (at) => {
      await at.acceptMessage({
        events: [{ kind: "created", bucket: "photos", keys: ["k"], eventName: "ObjectCreated:Put" }],
        malformed: [{ reason: "no key", excerpt: "{}" }],
      });
      assert.equal((await at.waiting()).length, 2);
      const [counts] = await at.counted();
      assert.deepEqual([counts?.received, counts?.malformed, counts?.lastMalformed?.reason], [2, 1, "no key"]);
    }),
  );
});
