import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { carefulWaysOver } from "../../../test/support/careful-ways.ts";
import { destinationOf, ruleOf } from "../../../test/support/rules.ts";
import { EmbeddedObjectStore } from "../../adapters/object-store/embedded/object-store.ts";
import { EmbeddedTransfer } from "../../adapters/object-store/embedded/transfer.ts";
import type { Rule } from "../../domain/rule.ts";
import { blankEntry } from "../../domain/status.ts";
import { Body } from "../../embedded-s3/body.ts";
import { EmbeddedS3Model } from "../../embedded-s3/model.ts";
import type { Want } from "../../ports/state.ts";
import { LeapingClock } from "../../testing/leaping-clock.ts";
import { bucketOf } from "../../testing/memory-object-store.ts";
import { MemoryState } from "../../testing/memory-state.ts";
import { toRoute } from "../diff.ts";
import { RuleIndex } from "../rule-index.ts";

/** Three members of a mesh; `settle` works off one task from one of them to another, and tells how it ended. */
function scene(overrides: Partial<Rule> = {}) {
  const clock = new LeapingClock();
  const open = (name: string) => {
    const model = new EmbeddedS3Model({ now: () => clock.now() });
    model.createBucket("bucket");
    return { model, store: new EmbeddedObjectStore({ bucket: bucketOf("bucket", name), model }) };
  };
  const [a, b, c] = [open("one"), open("two"), open("three")];
  const members = [a, b, c];
  const storeOf = ({ id }: { readonly id: string }) => (members.find(({ store }) => store.bucket.id === id) ?? a).store;
  const mesh = members.map(({ store }) => store.bucket.id);
  const leg = (from: typeof a) => {
    const others = members.filter((member) => member !== from).map(({ store }) => destinationOf(store.bucket));
    return ruleOf(from.store.bucket, others, { mesh, ...overrides });
  };
  const rules = new RuleIndex(members.map(leg));
  const state = new MemoryState({ clock });
  const comparison = { isOver: false };
  const isCompared = async () => comparison.isOver;
  const ways = carefulWaysOver({ transfer: new EmbeddedTransfer({ storeOf }), storeOf, state, rules, clock, isCompared });
  const settle = async (from: typeof a, want: Partial<Want> = {}, to = from === a ? b : a): Promise<readonly [string, string | null]> => {
    const rule = rules.rules.find(({ source }) => source.id === from.store.bucket.id);
    const destination = rule?.destinations.find(({ bucket }) => bucket.id === to.store.bucket.id);
    assert.ok(rule && destination);
    const route = toRoute(rule, destination);
    await state.tasks.want([{ route, key: "k", lane: "live", eventTime: clock.now(), ...want }]);
    const [task] = await state.tasks.claim({ max: 1, now: clock.now(), leaseMs: 60_000 });
    assert.ok(task);
    const end = await ways.settle({ task, aim: { rule, destination }, signal: AbortSignal.timeout(10_000) });
    if (end.kind === "failed") throw end.error;
    const { status, operation, reason, replica, holdings, closes } = end;
    const entry = { ...blankEntry({ ...route, key: "k" }), status, operation, reason, replica };
    await state.tasks.record([{ task, entry, holdings, closes }]);
    end.onRecorded?.();
    return [status, reason];
  };
  const isAsked = async () => (await state.safeguards.conflicts({ open: true, limit: 9 })).conflicts.length > 0;
  const put = ({ model }: typeof a, text: string) => model.putObject("bucket", "k", { body: Body.of(text) });
  const textAt = async ({ store }: typeof a) => Buffer.from((await store.get("k"))?.body ?? "").toString();
  const conflicts = async () => (await state.safeguards.conflicts({ limit: 9 })).conflicts;
  return { a, b, c, clock, comparison, safeguards: state.safeguards, settle, put, textAt, conflicts, isAsked };
}

it("whether a conflict is open is asked once, and one that has become equal is closed", async () => {
  const { a, b, safeguards, settle, put, conflicts } = scene({ conflict: "hold" });
  let asked = 0;
  const conflict = safeguards.conflict.bind(safeguards);
  safeguards.conflict = (id) => {
    asked++;
    return conflict(id);
  };
  put(a, "x");
  assert.deepEqual([await settle(a), asked], [["COMPLETED", null], 1]);
  put(a, "of a");
  put(b, "of b");
  assert.deepEqual(await settle(a), ["HELD", "Conflict"]);
  assert.equal((await conflicts())[0]?.resolvedAt, null);
  put(b, "of a");
  assert.deepEqual(await settle(a), ["COMPLETED", "Adopted"]);
  assert.notEqual((await conflicts())[0]?.resolvedAt, null);
});

describe("a person who was asked about two sides (invariant 11)", () => {
  it("is not asked any more once a third member has made them one", async () => {
    const { a, b, c, clock, comparison, settle, put, textAt, isAsked } = scene({ conflict: "newest" });
    put(a, "of a");
    await clock.sleep(5_000);
    put(b, "of b");
    assert.deepEqual(await settle(a), ["HELD", "Conflict"]);
    comparison.isOver = true;
    assert.deepEqual(await settle(b, {}, c), ["COMPLETED", null]);
    assert.deepEqual(await settle(a, {}, c), ["SKIPPED", "DestinationNewer"]);
    assert.deepEqual(await settle(c, {}, a), ["COMPLETED", null]);
    assert.deepEqual([await textAt(a), await isAsked()], ["of b", true]);
    assert.deepEqual(await settle(a), ["REPLICA", null]);
    assert.equal(await isAsked(), false);
  });

  it("is told since when, however often the sides are compared", async () => {
    const { a, b, clock, settle, put, conflicts } = scene({ conflict: "hold" });
    put(a, "of a");
    put(b, "of b");
    assert.deepEqual(await settle(a), ["HELD", "Conflict"]);
    const [first] = await conflicts();
    await clock.sleep(3_600_000);
    assert.deepEqual(await settle(b), ["HELD", "Conflict"]);
    assert.deepEqual(
      (await conflicts()).map(({ detectedAt }) => detectedAt),
      [first?.detectedAt],
    );
  });

  it("is not asked any more once only the tags differed, and were given on", async () => {
    const { a, b, settle, put, isAsked } = scene({ conflict: "hold" });
    put(a, "of a");
    put(b, "of b");
    assert.deepEqual(await settle(a), ["HELD", "Conflict"]);
    put(b, "of a");
    await b.store.putTags("k", { colour: "red" });
    const ATTRIBUTES = { changes: { written: true, attributes: true } };
    assert.deepEqual(await settle(a, ATTRIBUTES), ["COMPLETED", null]);
    assert.deepEqual(await b.store.tags("k"), {});
    assert.equal(await isAsked(), false);
  });
});

describe("a lifecycle's delete at an unversioned member, which the rule does not replicate (invariant 4)", () => {
  const EXPIRED = { changes: { deleted: true, expired: true } };

  it("is left alone by whatever looks at the key later, and removes nothing elsewhere", async () => {
    const { a, b, settle, put, textAt } = scene({ deletes: "propagate" });
    put(a, "x");
    await settle(a);
    b.model.expire("bucket", "k");
    assert.deepEqual(await settle(b, EXPIRED), ["SKIPPED", "Expired"]);
    for (const lane of ["live", "backfill"] as const) {
      assert.deepEqual(await settle(a, { lane, changes: { written: true } }), ["SKIPPED", "DestinationNewer"]);
      assert.deepEqual(await settle(b, { lane, changes: { written: true } }), ["SKIPPED", "Expired"]);
    }
    assert.deepEqual([await textAt(a), await textAt(b)], ["x", ""]);
  });

  it("is no conflict with what a client writes at another member later, or a moment before, and gives way to it", async () => {
    for (const isEarlier of [false, true]) {
      const { a, b, clock, settle, put, textAt, conflicts } = scene({ deletes: "propagate", conflict: "hold" });
      put(a, "x");
      await settle(a);
      await clock.sleep(10_000);
      if (isEarlier) put(a, "y");
      b.model.expire("bucket", "k");
      await settle(b, EXPIRED);
      await clock.sleep(10_000);
      if (!isEarlier) put(a, "y");
      assert.equal((await settle(b))[0], "SKIPPED");
      assert.deepEqual(await settle(a), ["COMPLETED", null]);
      assert.deepEqual([await textAt(b), await conflicts()], ["y", []]);
    }
  });
});
