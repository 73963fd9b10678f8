import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { destinationOf, ruleOf } from "../../test/support/rules.ts";
import { ReplicationError } from "../domain/error.ts";
import type { ObjectAttributes } from "../domain/object.ts";
import { blankEntry } from "../domain/status.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import { LeapingClock } from "../testing/leaping-clock.ts";
import { bucketOf, MemoryObjectStore } from "../testing/memory-object-store.ts";
import { MemoryState } from "../testing/memory-state.ts";
import { AttributeSchedule, attributePass } from "./attribute-pass.ts";
import { toRoute } from "./diff.ts";

const NOTHING: ObjectAttributes = { systemHeaders: {}, metadata: {}, tags: {} };

function scene({ canLock = false } = {}) {
  const [source, replica] = [new MemoryObjectStore(bucketOf("source")), new MemoryObjectStore(bucketOf("replica"))];
  replica.describe = async () => ({ versioning: "Enabled", objectLock: canLock, website: false });
  const rule = ruleOf(source.bucket, [destinationOf(replica.bucket)]);
  const clock = new LeapingClock();
  const state = new MemoryState({ clock });
  const storeOf = ({ id }: { readonly id: string }): ObjectStore => (id === source.bucket.id ? source : replica);
  const both = (key: string, there: Partial<ObjectAttributes>, here: Partial<ObjectAttributes> = {}) => {
    source.plant(key, { attributes: { ...NOTHING, ...there } });
    replica.plant(key, { attributes: { ...NOTHING, ...here } });
  };
  const pass = () => attributePass({ rule, destinations: rule.destinations, state, storeOf, clock });
  const route = toRoute(rule, destinationOf(replica.bucket));
  const wanted = async () => {
    const tasks = await state.tasks.claim({ max: 100, now: clock.now(), leaseMs: 1_000 });
    return tasks.map(({ key, changes }) => [key, changes]);
  };
  return { rule, clock, state, source, replica, both, pass, route, wanted };
}

describe("the attribute pass (invariants 1 and 9)", () => {
  it("wishes for what differs in tags or metadata alone, and for nothing that is equal", async () => {
    const { both, pass, wanted } = scene();
    both("equal", { tags: { a: "1" } }, { tags: { a: "1" } });
    both("metadata", { metadata: { a: "1" } });
    both("tags", { tags: { a: "1" } });
    assert.deepEqual(await pass(), { compared: 3, wanted: 2 });
    assert.deepEqual(await wanted(), [
      ["metadata", { written: true }],
      ["tags", { attributes: true }],
    ]);
  });

  it("does not take the stamp of a replica for a difference", async () => {
    const { both, pass } = scene();
    both("k", {}, { metadata: { replicast: "v1;…" } });
    assert.deepEqual(await pass(), { compared: 1, wanted: 0 });
  });

  it("does not try again for ever what a destination is known not to hold", async () => {
    const { both, pass, route, state } = scene();
    both("k", { tags: { a: "1" } });
    const entry = { ...blankEntry({ ...route, key: "k" }), status: "COMPLETED", notes: ["TagsNotKept"] } as const;
    await state.ledger.adopt([{ route, entry }]);
    assert.deepEqual(await pass(), { compared: 1, wanted: 0 });
  });

  it("looks at locks again whatever was noted of them: the source may have been given another since", async () => {
    for (const note of ["RetentionExpired", "ObjectLockNotKept"]) {
      const { source, both, pass, route, state } = scene({ canLock: true });
      both("k", {});
      const head = source.head.bind(source);
      source.head = async (key, options) => {
        const found = await head(key, options);
        return found && { ...found, lock: { legalHold: true } };
      };
      const entry = { ...blankEntry({ ...route, key: "k" }), status: "COMPLETED", notes: [note] } as const;
      await state.ledger.adopt([{ route, entry }]);
      assert.equal((await pass()).wanted, 1, note);
    }
  });

  it("leaves out an object that cannot be read, and finds what differs of the others (invariants 1 and 7)", async () => {
    const { source, both, pass, wanted } = scene();
    for (const key of ["a", "b", "c"]) both(key, { tags: { a: "1" } });
    const tags = source.tags.bind(source);
    source.tags = async (key) => {
      if (key === "b") throw new ReplicationError("AccessDenied", "b is not for you");
      return tags(key);
    };
    assert.deepEqual(await pass(), { compared: 3, wanted: 2, unread: 1, lastUnread: "AccessDenied: b is not for you" });
    assert.deepEqual(
      (await wanted()).map(([key]) => key),
      ["a", "c"],
    );
  });

  it("breaks off where a store cannot be reached, and keeps what it found until then (invariant 1)", async () => {
    const { source, both, pass, wanted } = scene();
    for (const key of ["a", "b", "c", "d", "e", "f"]) both(key, { tags: { a: "1" } });
    const tags = source.tags.bind(source);
    source.tags = async (key) => {
      if (key === "f") throw new ReplicationError("StoreUnreachable", "it is away");
      return tags(key);
    };
    await assert.rejects(pass(), /it is away/);
    assert.notEqual((await wanted()).length, 0);
  });

  it("runs at its period, the first time a period after the rule began, and goes on from there after a restart", async () => {
    const { rule, clock, state } = scene();
    const everyMs = 7 * 86_400_000;
    const began = clock.now();
    const ranAt: number[] = [];
    const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: assert.fail };
    for (let runs = 1; runs <= 3; runs++) {
      const noted = Promise.withResolvers<void>();
      const save = state.journal.saveSyncProgress.bind(state.journal);
      state.journal.saveSyncProgress = async (name, progress) => {
        await save(name, progress);
        noted.resolve();
      };
      const pass = async () => {
        ranAt.push(clock.now() - began);
        return { compared: 0, wanted: 0 };
      };
      const schedule = new AttributeSchedule({ rules: [rule], everyMs, pass, journal: state.journal, clock, logger });
      schedule.start();
      await noted.promise;
      await schedule.stop();
    }
    assert.deepEqual(ranAt, [everyMs, everyMs * 2, everyMs * 3]);
  });

  it("a rule whose pass fails waits alone: the others have their turn (invariant 7)", async () => {
    const { rule, clock, state } = scene();
    const other = { ...rule, id: "other" };
    const reached = Promise.withResolvers<void>();
    const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
    const pass = async ({ id }: { readonly id: string }) => {
      if (id === rule.id) throw new Error("the bucket is gone");
      reached.resolve();
      return { compared: 0, wanted: 0 };
    };
    const schedule = new AttributeSchedule({ rules: [rule, other], everyMs: 86_400_000, pass, journal: state.journal, clock, logger });
    schedule.start();
    await reached.promise;
    await schedule.stop();
  });

  it("does not end on an object that is deleted while it is looked at", async () => {
    const { both, pass, replica } = scene();
    both("a", { tags: { t: "1" } });
    both("b", { tags: { t: "1" } });
    const head = replica.head.bind(replica);
    replica.head = async (key, options) => {
      if (key === "a") await replica.delete("a");
      return head(key, options);
    };
    assert.equal((await pass()).wanted, 1);
  });
});
