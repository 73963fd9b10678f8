import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { carefulWaysOver } from "../../test/support/careful-ways.ts";
import { destinationOf, PRESERVE, ruleOf } from "../../test/support/rules.ts";
import { EmbeddedObjectStore } from "../adapters/object-store/embedded/object-store.ts";
import { EmbeddedTransfer } from "../adapters/object-store/embedded/transfer.ts";
import type { Rule } from "../domain/rule.ts";
import { blankEntry } from "../domain/status.ts";
import { Body } from "../embedded-s3/body.ts";
import type { BucketOptions } from "../embedded-s3/bucket-state.ts";
import { EmbeddedS3Model } from "../embedded-s3/model.ts";
import type { Changes } from "../ports/state.ts";
import { LeapingClock } from "../testing/leaping-clock.ts";
import { bucketOf } from "../testing/memory-object-store.ts";
import { MemoryState } from "../testing/memory-state.ts";
import { withFaults } from "../testing/with-faults.ts";
import { toRoute } from "./diff.ts";
import { RuleIndex } from "./rule-index.ts";

const DAY_MS = 86_400_000;
const GUARDED: BucketOptions = { objectLock: true, acls: true };
const WRITES = new Set(["put", "putTags", "putAcl", "putLock", "delete"]);

interface Scene {
  readonly preserve?: Partial<Rule["preserve"]>;
  readonly there?: BucketOptions;
  /** Both are members of one mesh. */
  readonly mesh?: boolean;
  readonly versions?: Rule["versions"];
}

/** Two buckets with one object that was copied from one to the other; `settle` works off what was announced at one of them. */
async function scene({ preserve = { acl: true }, there = GUARDED, mesh = false, versions = "current" }: Scene = {}) {
  const clock = new LeapingClock();
  const open = (name: string, options: BucketOptions) => {
    const model = new EmbeddedS3Model({ now: () => clock.now() });
    model.createBucket("bucket", options);
    const store = withFaults(new EmbeddedObjectStore({ bucket: bucketOf("bucket", name), model }));
    const writes = () => store.calls.filter((call) => WRITES.has(call));
    return { model, store, writes };
  };
  const [here, far] = [open("one", GUARDED), open("two", there)];
  const storeOf = ({ id }: { readonly id: string }) => (id === here.store.bucket.id ? here.store : far.store);
  const embedded = ({ id, name, store, bucket }: typeof here.store.bucket) => {
    const { model } = id === here.store.bucket.id ? here : far;
    return new EmbeddedObjectStore({ bucket: { id, name, store, bucket }, model });
  };
  const members = mesh ? [here.store.bucket.id, far.store.bucket.id] : undefined;
  const leg = (from: typeof here, to: typeof here) =>
    ruleOf(from.store.bucket, [destinationOf(to.store.bucket)], { mesh: members, versions, preserve: { ...PRESERVE, ...preserve } });
  const rules = new RuleIndex(mesh ? [leg(here, far), leg(far, here)] : [leg(here, far)]);
  const state = new MemoryState({ clock });
  const transfer = new EmbeddedTransfer({ storeOf: embedded });
  const ways = carefulWaysOver({ transfer, storeOf, state, rules, clock });

  const settle = async (from: typeof here, changes: Changes, eventTime: number | null = clock.now()): Promise<string> => {
    const rule = rules.rules.find(({ source }) => source.id === from.store.bucket.id);
    const destination = rule?.destinations[0];
    assert.ok(rule && destination);
    const route = toRoute(rule, destination);
    await state.tasks.want([{ route, key: "k", lane: "live", eventTime, changes }]);
    const [task] = await state.tasks.claim({ max: 1, now: clock.now(), leaseMs: 60_000 });
    assert.ok(task);
    const end = await ways.settle({ task, aim: { rule, destination }, signal: AbortSignal.timeout(10_000) });
    if (end.kind === "failed") throw end.error;
    const { status, operation, reason, replica, notes, holdings, closes, versions } = end;
    const entry = { ...blankEntry({ ...route, key: "k" }), status, operation, reason, replica, notes };
    await state.tasks.record([{ task, entry, holdings, closes, versions }]);
    end.onRecorded?.();
    return [operation, status, reason, ...notes].filter(Boolean).join(" ");
  };
  here.model.putObject("bucket", "k", { body: Body.of("x") });
  assert.equal(await settle(here, mesh ? { written: true } : { attributes: true }), "copy COMPLETED");
  const copies = () => [here, far].flatMap(({ model }) => model.listVersions("bucket").versions).length;
  const aclAt = ({ model }: typeof here) => model.guards("bucket", "k").acl ?? "private";
  const lockAt = ({ model }: typeof here) => model.guards("bucket", "k").lock;
  return { here, far, clock, settle, copies, aclAt, lockAt };
}

for (const mesh of [false, true]) {
  describe(`guards that changed alone, ${mesh ? "in a mesh" : "into a leaf"} (invariants 3 and 9)`, () => {
    it("an ACL is carried without the bytes, and nothing is written for it again", async () => {
      const { here, far, settle, copies, aclAt } = await scene({ mesh });
      const before = copies();
      here.model.putAcl("bucket", "k", { acl: "public-read" });
      assert.equal(await settle(here, { attributes: true }), "attributes COMPLETED");
      assert.deepEqual([aclAt(far), copies()], ["public-read", before]);
      const written = far.writes().filter((call) => call === "putAcl").length;
      await settle(here, { attributes: true });
      assert.equal(far.writes().filter((call) => call === "putAcl").length, written);
    });

    it("a retention and a hold are carried without the bytes, and never made weaker", async () => {
      const { here, far, clock, settle, copies, lockAt } = await scene({ mesh });
      const before = copies();
      const retention = { mode: "GOVERNANCE", retainUntil: clock.now() + DAY_MS } as const;
      here.model.putRetention("bucket", "k", { retention });
      await settle(here, { attributes: true });
      assert.deepEqual([lockAt(far)?.retention, copies()], [retention, before]);
      here.model.putLegalHold("bucket", "k", { legalHold: true });
      await settle(here, { attributes: true });
      assert.deepEqual(lockAt(far), { retention, legalHold: true });
      here.model.putLegalHold("bucket", "k", { legalHold: false });
      here.model.putRetention("bucket", "k", { retention: undefined, bypassGovernance: true });
      await settle(here, { attributes: true });
      assert.deepEqual(lockAt(far), { retention, legalHold: true });
    });

    it("a retention that a person may lift is never made what nobody can, at neither side", async () => {
      const { here, far, clock, settle, lockAt } = await scene({ mesh });
      const byDefault = { mode: "COMPLIANCE", retainUntil: clock.now() + DAY_MS } as const;
      const long = { mode: "GOVERNANCE", retainUntil: clock.now() + 3_650 * DAY_MS } as const;
      far.model.putRetention("bucket", "k", { retention: byDefault });
      here.model.putRetention("bucket", "k", { retention: long });
      await settle(here, { attributes: true });
      if (mesh) await settle(far, { attributes: true });
      assert.deepEqual([lockAt(here)?.retention, lockAt(far)?.retention], [long, byDefault]);
    });

    it("a mode that the replica's lock cannot take is no failure: it is held as long as the source, with a note", async () => {
      const { here, far, clock, settle, lockAt } = await scene({ mesh });
      const retainUntil = clock.now() + 2 * DAY_MS;
      far.model.putRetention("bucket", "k", { retention: { mode: "GOVERNANCE", retainUntil: clock.now() + DAY_MS } });
      here.model.putRetention("bucket", "k", { retention: { mode: "COMPLIANCE", retainUntil } });
      here.model.putTags("bucket", "k", { tags: { a: "1" } });
      for (let i = 0; i < 2; i++) {
        assert.match(await settle(here, { attributes: true }), /COMPLETED.* ObjectLockNotKept$/);
        assert.deepEqual(lockAt(far)?.retention, { mode: "GOVERNANCE", retainUntil });
      }
      assert.deepEqual(far.model.headObject("bucket", "k").version.tags, { a: "1" });
    });

    it("a replica does not stay open to all where its source is given to some that have no name", async () => {
      const { here, far, settle, aclAt } = await scene({ mesh });
      here.model.putAcl("bucket", "k", { acl: "public-read" });
      await settle(here, { attributes: true });
      assert.equal(aclAt(far), "public-read");
      assert.ok(here.store.guards);
      here.store.guards.acl = async () => "other";
      for (let i = 0; i < 2; i++) {
        assert.match(await settle(here, { attributes: true }), /COMPLETED AclNotKept$/);
        assert.equal(aclAt(far), "private");
      }
      if (mesh) await settle(far, { attributes: true });
      assert.deepEqual([here.writes(), far.writes().filter((call) => call === "putAcl").length], [[], 2]);
    });

    it("what the destination's bucket cannot hold is noted on the row", async () => {
      const { here, far, settle, copies } = await scene({ mesh, there: {} });
      const before = copies();
      here.model.putAcl("bucket", "k", { acl: "public-read" });
      here.model.putLegalHold("bucket", "k", { legalHold: true });
      assert.equal(await settle(here, { attributes: true }), "attributes COMPLETED AclNotKept ObjectLockNotKept");
      assert.equal(copies(), before);
      assert.equal(far.store.calls.includes("putAcl"), true);
    });

    it("what was noted stays on the row when it is looked at again, until it is no longer so", async () => {
      const { here, far, settle } = await scene({ mesh, there: {} });
      here.model.putAcl("bucket", "k", { acl: "public-read" });
      here.model.putLegalHold("bucket", "k", { legalHold: true });
      await settle(here, { attributes: true });
      assert.equal(await settle(here, mesh ? { written: true } : { missed: true }), "copy COMPLETED AclNotKept ObjectLockNotKept");
      here.model.putTags("bucket", "k", { tags: { a: "1" } });
      far.model.setBucketAcls("bucket", true);
      assert.equal(await settle(here, { attributes: true }), "attributes COMPLETED ObjectLockNotKept");
    });

    it("ACLs are neither asked for nor changed by a rule that does not carry them", async () => {
      const { here, far, settle, aclAt } = await scene({ mesh, preserve: {} });
      here.model.putAcl("bucket", "k", { acl: "public-read" });
      await settle(here, { attributes: true });
      assert.equal(aclAt(far), "private");
      assert.deepEqual(
        [here, far].flatMap(({ store }) => store.calls).filter((call) => call === "acl" || call === "putAcl"),
        [],
      );
    });
  });
}

describe("guards that changed alone, into a leaf", () => {
  it("a rule that carries none of it does nothing, and one that carries locks alone carries them", async () => {
    const none = await scene({ preserve: { tags: false, objectLock: false } });
    none.here.model.putLegalHold("bucket", "k", { legalHold: true });
    assert.equal(await none.settle(none.here, { attributes: true }), "attributes SKIPPED TagsNotPreserved");
    const locks = await scene({ preserve: { tags: false } });
    locks.here.model.putTags("bucket", "k", { tags: { a: "1" } });
    assert.equal(await locks.settle(locks.here, { attributes: true }), "attributes SKIPPED TagsNotPreserved");
    locks.here.model.putLegalHold("bucket", "k", { legalHold: true });
    assert.equal(await locks.settle(locks.here, { attributes: true }), "attributes COMPLETED");
    assert.deepEqual([locks.lockAt(locks.far)?.legalHold, locks.far.writes()], [true, ["putLock"]]);
  });

  it("an object that is another one now is copied, whatever was announced (invariant 2)", async () => {
    const { here, far, settle, aclAt } = await scene();
    here.model.putObject("bucket", "k", { body: Body.of("y"), acl: "public-read" });
    assert.equal(await settle(here, { attributes: true }), "copy COMPLETED");
    assert.equal(aclAt(far), "public-read");
  });
});

describe("guards that changed alone, with versions: all", () => {
  it("are carried to the version that the current one became, without the bytes", async () => {
    const { here, far, settle, copies, aclAt, lockAt } = await scene({ versions: "all" });
    const before = copies();
    here.model.putAcl("bucket", "k", { acl: "public-read" });
    here.model.putLegalHold("bucket", "k", { legalHold: true });
    assert.equal(await settle(here, { attributes: true }), "attributes COMPLETED");
    assert.deepEqual([aclAt(far), lockAt(far)?.legalHold, copies()], ["public-read", true, before]);
  });
});

describe("guards that changed alone, in a mesh", () => {
  it("the echo of what was carried changes nothing anywhere (invariant 5)", async () => {
    const { here, far, clock, settle, aclAt } = await scene({ mesh: true });
    here.model.putAcl("bucket", "k", { acl: "public-read" });
    here.model.putRetention("bucket", "k", { retention: { mode: "GOVERNANCE", retainUntil: clock.now() + DAY_MS } });
    await settle(here, { attributes: true });
    const before = [here.writes().length, far.writes().length];
    for (const side of [far, here, far]) await settle(side, { attributes: true });
    assert.deepEqual([here.writes().length, far.writes().length], before);
    assert.deepEqual([aclAt(here), aclAt(far)], ["public-read", "public-read"]);
  });

  it("a bucket without ACLs takes none from the others' objects, whatever comes to be told of (invariant 9)", async () => {
    const { here, far, settle, aclAt } = await scene({ mesh: true, there: {} });
    here.model.putAcl("bucket", "k", { acl: "public-read" });
    for (const changes of [{ attributes: true }, { written: true }, { missed: true }]) {
      assert.match(await settle(here, changes), /(COMPLETED|REPLICA) AclNotKept$/);
      await settle(far, changes);
      far.model.putTags("bucket", "k", { tags: { by: Object.keys(changes).join() } });
      await settle(far, { attributes: true });
      assert.deepEqual([aclAt(here), here.writes().includes("putAcl")], ["public-read", false]);
      assert.deepEqual(here.model.headObject("bucket", "k").version.tags, { by: Object.keys(changes).join() });
    }
    far.model.setBucketAcls("bucket", true);
    here.model.putAcl("bucket", "k", { acl: "authenticated-read" });
    assert.equal(await settle(here, { attributes: true }), "attributes COMPLETED");
    assert.equal(aclAt(far), "authenticated-read");
    far.model.putAcl("bucket", "k", { acl: "private" });
    await settle(far, { attributes: true });
    assert.equal(aclAt(here), "private");
  });

  it("the later of two changes at two members stays, whatever direction looks first (invariant 5)", async () => {
    for (const first of ["here", "far"] as const) {
      const { here, far, settle, aclAt } = await scene({ mesh: true });
      here.model.putAcl("bucket", "k", { acl: "public-read" });
      await settle(here, { attributes: true });
      far.model.putAcl("bucket", "k", { acl: "private" });
      const order = first === "here" ? [here, far, here] : [far, here, far];
      for (const side of order) await settle(side, { attributes: true }, side === far ? undefined : null);
      assert.deepEqual([aclAt(here), aclAt(far)], ["private", "private"], `${first} first`);
    }
  });

  it("of two that nobody saw change the stricter stays at both (invariant 11)", async () => {
    const { here, far, settle, aclAt } = await scene({ mesh: true });
    here.model.putAcl("bucket", "k", { acl: "public-read" });
    for (const side of [here, far, here]) await settle(side, { attributes: true }, null);
    assert.deepEqual([aclAt(here), aclAt(far)], ["private", "private"]);
  });
});
