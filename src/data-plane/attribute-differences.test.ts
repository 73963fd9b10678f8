import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { destinationOf, PRESERVE, ruleOf } from "../../test/support/rules.ts";
import { EmbeddedObjectStore } from "../adapters/object-store/embedded/object-store.ts";
import type { Rule } from "../domain/rule.ts";
import { blankEntry } from "../domain/status.ts";
import { Body } from "../embedded-s3/body.ts";
import type { BucketOptions } from "../embedded-s3/bucket-state.ts";
import { EmbeddedS3Model } from "../embedded-s3/model.ts";
import { LeapingClock } from "../testing/leaping-clock.ts";
import { bucketOf } from "../testing/memory-object-store.ts";
import { MemoryState } from "../testing/memory-state.ts";
import { withFaults } from "../testing/with-faults.ts";
import { attributePass } from "./attribute-pass.ts";
import { toRoute } from "./diff.ts";
import { verifyRule } from "./verify.ts";

const DAY_MS = 86_400_000;
const GUARDED: BucketOptions = { objectLock: true, acls: true };

/** Two buckets with the same object, and what comparing them finds. */
function scene(preserve: Partial<Rule["preserve"]>, replicaBucket: BucketOptions = GUARDED) {
  const clock = new LeapingClock();
  const open = (name: string, options: BucketOptions) => {
    const model = new EmbeddedS3Model({ now: () => clock.now() });
    model.createBucket("bucket", options);
    model.putObject("bucket", "k", { body: Body.of("x") });
    return { model, store: withFaults(new EmbeddedObjectStore({ bucket: bucketOf("bucket", name), model })) };
  };
  const source = open("one", GUARDED);
  const replica = open("two", replicaBucket);
  const rule = ruleOf(source.store.bucket, [destinationOf(replica.store.bucket)], { preserve: { ...PRESERVE, ...preserve } });
  const state = new MemoryState({ clock });
  const storeOf = ({ id }: { readonly id: string }) => (id === source.store.bucket.id ? source.store : replica.store);
  const common = { rule, destinations: rule.destinations, storeOf, ledger: state.ledger, clock };
  const verify = async (): Promise<readonly string[]> => {
    const found: string[] = [];
    const onDifference = ({ differs }: { readonly differs: readonly string[] }) => void found.push(...differs);
    const settings = { concurrency: 1, attributes: true, checksum: false, extrasExpected: false, minAgeMs: 0, onDifference };
    await verifyRule({ ...common, ...settings });
    return found;
  };
  const wanted = async () => {
    await attributePass({ ...common, state });
    const tasks = await state.tasks.claim({ max: 10, now: clock.now(), leaseMs: 1_000 });
    return tasks.map(({ changes }) => changes);
  };
  const note = async (...notes: readonly string[]) => {
    const [destination] = rule.destinations;
    assert.ok(destination);
    const route = toRoute(rule, destination);
    await state.ledger.adopt([{ route, entry: { ...blankEntry({ ...route, key: "k" }), status: "COMPLETED", notes } }]);
  };
  return { source, replica, clock, verify, wanted, note };
}

describe("comparing attributes", () => {
  it("finds another ACL where the rule carries ACLs, and asks for none where it does not (invariant 9)", async () => {
    for (const acl of [true, false]) {
      const { source, replica, verify } = scene({ acl });
      source.model.putAcl("bucket", "k", { acl: "public-read" });
      assert.deepEqual(await verify(), acl ? ["acl"] : []);
      for (const { store } of [source, replica]) assert.equal(store.calls.includes("acl"), acl);
      replica.model.putAcl("bucket", "k", { acl: "public-read" });
      assert.deepEqual(await verify(), []);
    }
  });

  it("finds a lock that the replica lacks, where the rule carries locks and the bucket can keep them (invariant 9)", async () => {
    for (const [objectLock, bucket, found] of [
      [true, GUARDED, ["lock"]],
      [false, GUARDED, []],
      [true, {}, []],
    ] as const) {
      const { source, clock, verify } = scene({ objectLock }, bucket);
      source.model.putRetention("bucket", "k", { retention: { mode: "GOVERNANCE", retainUntil: clock.now() + DAY_MS } });
      assert.deepEqual(await verify(), found);
    }
    const { source, replica, verify } = scene({});
    source.model.putLegalHold("bucket", "k", { legalHold: true });
    assert.deepEqual(await verify(), ["lock"]);
    replica.model.putLegalHold("bucket", "k", { legalHold: true });
    assert.deepEqual(await verify(), []);
  });

  it("does not ask a bucket what it is while nothing is lacking", async () => {
    const { replica, verify } = scene({ acl: true });
    await verify();
    assert.equal(replica.store.calls.includes("describe"), false);
  });

  it("makes a task that moves no bytes of what can be changed without them (invariant 1)", async () => {
    const { source, wanted } = scene({ acl: true });
    source.model.putAcl("bucket", "k", { acl: "public-read" });
    source.model.putLegalHold("bucket", "k", { legalHold: true });
    assert.deepEqual(await wanted(), [{ attributes: true }]);
  });

  it("leaves out what the row's notes explain, and nothing else (invariant 1)", async () => {
    const { source, wanted, note } = scene({ acl: true });
    source.model.putAcl("bucket", "k", { acl: "public-read" });
    await note("AclNotKept", "ETagNotKept");
    assert.deepEqual(await wanted(), []);
    source.model.putLegalHold("bucket", "k", { legalHold: true });
    assert.deepEqual(await wanted(), [{ attributes: true }]);
  });
});
