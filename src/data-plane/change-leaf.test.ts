import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { carefulWaysOver } from "../../test/support/careful-ways.ts";
import { destinationOf, ruleOf } from "../../test/support/rules.ts";
import { EmbeddedObjectStore } from "../adapters/object-store/embedded/object-store.ts";
import { EmbeddedTransfer } from "../adapters/object-store/embedded/transfer.ts";
import { ReplicationError } from "../domain/error.ts";
import type { Rule } from "../domain/rule.ts";
import { blankEntry } from "../domain/status.ts";
import { Body } from "../embedded-s3/body.ts";
import { EmbeddedS3Model } from "../embedded-s3/model.ts";
import type { Changes } from "../ports/state.ts";
import { LeapingClock } from "../testing/leaping-clock.ts";
import { bucketOf } from "../testing/memory-object-store.ts";
import { MemoryState } from "../testing/memory-state.ts";
import { toRoute } from "./diff.ts";
import { RuleIndex } from "./rule-index.ts";

/** A source, versioned or not, and a leaf, one object on both, and a row that says so. */
async function scene(overrides: Partial<Rule>, versioning: "Enabled" | "Suspended" = "Enabled") {
  let isBroken = false;
  const step = async (): Promise<void> => {
    if (isBroken) throw new ReplicationError("SlowDown", "not now");
  };
  const open = (store: string) => {
    const model = new EmbeddedS3Model();
    model.createBucket("bucket");
    model.setVersioning("bucket", versioning);
    return { model, store: new EmbeddedObjectStore({ bucket: bucketOf("bucket", store), model, step }) };
  };
  const [source, leaf] = [open("one"), open("two")];
  const storeOf = ({ id }: { readonly id: string }) => (id === source.store.bucket.id ? source.store : leaf.store);
  const rule = ruleOf(source.store.bucket, [destinationOf(leaf.store.bucket)], { deletes: "propagate", ...overrides });
  const destination = destinationOf(leaf.store.bucket);
  const route = toRoute(rule, destination);
  const clock = new LeapingClock();
  const state = new MemoryState({ clock });
  const rules = new RuleIndex([rule]);
  const ways = carefulWaysOver({ transfer: new EmbeddedTransfer({ storeOf }), storeOf, state, rules, clock });
  source.model.putObject("bucket", "k", { body: new Body([Buffer.from("x")]) });

  /** One task for what was announced; returns how it ended, recorded. */
  const settle = async (changes: Changes, deletedAt?: number): Promise<string> => {
    await state.tasks.want([{ route, key: "k", lane: "live", eventTime: null, changes, deletedAt }]);
    const [task] = await state.tasks.claim({ max: 1, now: clock.now(), leaseMs: 60_000 });
    assert.ok(task);
    const end = await ways.settle({ task, aim: { rule, destination }, signal: AbortSignal.timeout(10_000) });
    if (end.kind === "failed") {
      await state.tasks.release([task]);
      return [end.error.code, end.standing].filter(Boolean).join(" ");
    }
    const { status, operation, reason, replica } = end;
    await state.tasks.record([{ task, entry: { ...blankEntry({ ...route, key: "k" }), status, operation, reason, replica } }]);
    return [operation, status, reason].filter(Boolean).join(" ");
  };
  const isThere = async () => (await leaf.store.observe("k")).kind === "object";
  assert.equal(await settle({ attributes: true }), "copy COMPLETED");
  /** What a person or an earlier attempt left. */
  const setReason = async (reason: string): Promise<void> => {
    const entry = await state.ledger.get(route, "k");
    assert.ok(entry);
    await state.ledger.adopt([{ route, entry: { ...entry, status: "SKIPPED", operation: "delete", reason } }]);
  };
  const breakDown = (): void => {
    isBroken = true;
  };
  return { source, settle, isThere, setReason, breakDown };
}

describe("changeLeaf", () => {
  it("a lifecycle's delete stays the source's own affair, also when a comparison finds its marker (invariant 4)", async () => {
    const { source, settle, isThere } = await scene({});
    source.model.expire("bucket", "k");
    assert.equal(await settle({ deleted: true, expired: true }), "delete SKIPPED Expired");
    assert.equal(await settle({ missed: true }), "delete SKIPPED Expired");
    assert.equal(await isThere(), true);
    source.model.deleteObject("bucket", "k");
    assert.equal(await settle({ deleted: true }), "delete COMPLETED");
    assert.equal(await isThere(), false);
  });

  it("a lifecycle's delete is a delete where the rule says so", async () => {
    const { source, settle, isThere } = await scene({ expirations: true });
    source.model.expire("bucket", "k");
    assert.equal(await settle({ deleted: true, expired: true }), "delete COMPLETED");
    assert.equal(await isThere(), false);
  });

  it("a marker that a comparison finds is evidence of a delete whose event was lost (invariant 4)", async () => {
    const { source, settle, isThere } = await scene({});
    source.model.deleteObject("bucket", "k");
    assert.equal(await settle({ missed: true }), "delete COMPLETED");
    assert.equal(await isThere(), false);
  });

  it("a delete older than the object that was replicated deleted another one (invariant 4)", async () => {
    const { source, settle, isThere } = await scene({}, "Suspended");
    const observed = await source.store.observe("k");
    assert.ok(observed.kind === "object");
    const { lastModified } = observed.state;
    const { versions } = await source.store.listVersions({ prefix: "k" });
    for (const { versionId } of versions) source.model.deleteObject("bucket", "k", { versionId });
    assert.equal(await settle({ deleted: true }, lastModified - 1_001), "copy SKIPPED SourceGone");
    assert.equal(await isThere(), true);
    assert.equal(
      await settle({ deleted: true }, lastModified - 1_000),
      "delete COMPLETED",
      "a store's machines are a second apart at most",
    );
    assert.equal(await isThere(), false);
  });

  it("a delete that nobody dated may be the latest", async () => {
    const { source, settle, isThere } = await scene({}, "Suspended");
    const { versions } = await source.store.listVersions({ prefix: "k" });
    for (const { versionId } of versions) source.model.deleteObject("bucket", "k", { versionId });
    assert.equal(await settle({ deleted: true }), "delete COMPLETED");
    assert.equal(await isThere(), false);
  });

  it("a delete that a person rejected is not made when its marker is found again, but when another is announced (invariant 4)", async () => {
    const { source, settle, isThere, setReason } = await scene({});
    source.model.deleteObject("bucket", "k");
    await setReason("DeleteRejected");
    assert.equal(await settle({ missed: true }), "delete SKIPPED DeleteRejected");
    assert.equal(await settle({ written: true }), "delete SKIPPED DeleteRejected");
    assert.equal(await isThere(), true);
    assert.equal(await settle({ deleted: true }), "delete COMPLETED");
    assert.equal(await isThere(), false);
  });

  it("what a person or an event said of a delete stands while an attempt is made again", async () => {
    for (const reason of ["DeleteRejected", "DeleteGate", "Expired", "NoDeleteMarker"]) {
      const { settle, setReason, breakDown } = await scene({});
      breakDown();
      await setReason(reason);
      assert.equal(await settle({ missed: true }), reason === "NoDeleteMarker" ? "SlowDown" : `SlowDown ${reason}`);
    }
  });

  it("an old version that is removed touches nothing, an absence without a marker deletes nothing (invariant 4)", async () => {
    const { source, settle, isThere } = await scene({});
    assert.equal(await settle({ deleted: true }), "copy COMPLETED");
    const { versions } = await source.store.listVersions({ prefix: "k" });
    for (const { versionId } of versions) source.model.deleteObject("bucket", "k", { versionId });
    assert.equal(await settle({ missed: true }), "copy SKIPPED SourceGone");
    assert.equal(await isThere(), true);
  });
});
