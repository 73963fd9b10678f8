import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { openSqliteHarness } from "../../test/contract/sqlite-state.ts";
import { destinationOf, ruleOf } from "../../test/support/rules.ts";
import { ReplicationError } from "../domain/error.ts";
import type { Destination, Rule } from "../domain/rule.ts";
import type { LedgerEntry } from "../domain/status.ts";
import type { Drift } from "../ports/meter.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import type { Ledger } from "../ports/state.ts";
import { LeapingClock } from "../testing/leaping-clock.ts";
import { bucketOf, MemoryObjectStore } from "../testing/memory-object-store.ts";
import { silentMeter } from "../testing/silent-meter.ts";
import { claimAll, entryOf, REPLICA, type StateHarness } from "../testing/state-contract.ts";
import { type FaultPlan, withFaults } from "../testing/with-faults.ts";
import { type BackfillSummary, backfillRule } from "./backfill.ts";
import { toRoute } from "./diff.ts";
import { RuleIndex } from "./rule-index.ts";

interface Scene extends StateHarness {
  readonly source: MemoryObjectStore;
  readonly one: MemoryObjectStore;
  readonly two: MemoryObjectStore;
  readonly calls: Readonly<Record<string, readonly string[]>>;
  /** `afterRows` happens when the ledger's rows have been read. */
  /** What the last comparison of each destination found to differ. */
  readonly drift: Map<string, Drift>;
  run(overrides?: Partial<Rule>, afterRows?: () => Promise<void>): Promise<BackfillSummary>;
  /** What waits, by destination and key. */
  waiting(): Promise<readonly string[]>;
}

interface SceneOptions {
  readonly destination?: Partial<Destination>;
  readonly faults?: Readonly<Record<string, FaultPlan>>;
}

/** Runs a test over a source, two destinations and a real state. */
function scene({ destination, faults = {} }: SceneOptions, run: (scene: Scene) => Promise<void>): () => Promise<void> {
  return async () => {
    const harness = await openSqliteHarness();
    try {
      const stores = ["source", "one", "two"].map((name) => new MemoryObjectStore(bucketOf(name)));
      const [source, one, two] = stores as [MemoryObjectStore, MemoryObjectStore, MemoryObjectStore];
      const faulty = new Map(stores.map((store) => [store.bucket.id, withFaults(store, faults[store.bucket.bucket])]));
      const clock = new LeapingClock();
      const rule = ruleOf(
        source.bucket,
        [one, two].map(({ bucket }) => destinationOf(bucket, destination)),
      );
      const drift = new Map<string, Drift>();
      await run({
        ...harness,
        drift,
        source,
        one,
        two,
        calls: Object.fromEntries(stores.map(({ bucket }) => [bucket.bucket, faulty.get(bucket.id)?.calls ?? []])),
        run: (overrides, afterRows) =>
          backfillRule({
            rule: { ...rule, ...overrides },
            rules: new RuleIndex([{ ...rule, ...overrides }]),
            state: afterRows === undefined ? harness.state : { ...harness.state, ledger: interrupted(harness.state.ledger, afterRows) },
            storeOf: (bucket) => faulty.get(bucket.id) as ObjectStore,
            clock,
            meter: { ...silentMeter, drift: (_, id, objects) => void drift.set(id, objects) },
            room: async () => undefined,
          }),
        waiting: async () => (await claimAll(harness)).map(({ route, key }) => `${route.destination.split("/").at(-1)}:${key}`).sort(),
      });
    } finally {
      await harness.close();
    }
  };
}

function interrupted(ledger: Ledger, afterRows: () => Promise<void>): Ledger {
  const scan: Ledger["scan"] = async (...range) => {
    const rows = await ledger.scan(...range);
    await afterRows();
    return rows;
  };
  return Object.create(ledger, { scan: { value: scan }, adopt: { value: ledger.adopt.bind(ledger) } }) as Ledger;
}

function routeTo(store: MemoryObjectStore, { source }: Scene): ReturnType<typeof toRoute> {
  return toRoute(ruleOf(source.bucket, []), destinationOf(store.bucket));
}

/** Gives the ledger a completed row. */
async function recorded(at: Scene, key: string, replica: Partial<LedgerEntry["replica"]>): Promise<void> {
  const route = routeTo(at.one, at);
  await at.state.ledger.adopt([{ route, entry: entryOf(route, key, { replica: { ...REPLICA, ...replica } }) }]);
}

describe("backfillRule", () => {
  it(
    "meters what each comparison found to differ, and nothing that the rule explains",
    scene({}, async ({ source, one, two, run, drift, state }) => {
      for (const key of ["equal", "missing", "different", "other's"]) source.plant(key);
      for (const store of [one, two]) for (const key of ["equal", "different", "extra"]) store.plant(key);
      one.plant("different", {}, "other bytes");
      const route = { rule: "rule", source: source.bucket.id, destination: one.bucket.id };
      const entry = entryOf(route, "other's", { status: "REPLICA", reason: "NoTransit", replica: null });
      await state.ledger.adopt([{ route, entry }]);
      await run();
      assert.deepEqual(Object.fromEntries(drift), {
        "one:one": { MISSING: 1, DIFFERENT: 1 },
        "one:two": { MISSING: 2, DIFFERENT: 0 },
      });
      for (const key of ["missing", "other's", "different"]) for (const store of [one, two]) store.plant(key);
      await run({ deletes: "propagate" });
      assert.deepEqual(drift.get("one:one"), { MISSING: 0, DIFFERENT: 0, EXTRA: 1 });
    }),
  );

  it(
    "wishes for what is missing or different and adopts what is equal",
    scene({}, async (at) => {
      for (const key of ["equal", "missing", "different"]) at.source.plant(key);
      for (const key of ["equal", "extra"]) at.one.plant(key);
      at.one.plant("different", {}, "other bytes");
      for (const key of ["equal", "missing", "different"]) at.two.plant(key);
      assert.deepEqual(await at.run(), { compared: 6, wanted: 2, adopted: 4 });
      assert.deepEqual(await at.waiting(), ["one:different", "one:missing"]);
      const row = await at.state.ledger.get(routeTo(at.one, at), "equal");
      assert.deepEqual([row?.status, row?.reason, row?.replica?.proof], ["COMPLETED", "Adopted", "etag"]);
    }),
  );

  it(
    "leaves a row alone that an attempt has left since it was read (invariant 8)",
    scene({}, async (at) => {
      at.source.plant("k");
      at.one.plant("k");
      at.two.plant("k");
      let isCopied = false;
      const copied = async (): Promise<void> => {
        if (isCopied) return;
        isCopied = true;
        await at.state.tasks.want([{ route: routeTo(at.one, at), key: "k", lane: "live", eventTime: null }]);
        const [task] = await claimAll(at);
        assert.ok(task);
        const entry = entryOf(task.route, "k", { reason: "copied", startedAt: 1, finishedAt: 2 });
        assert.deepEqual(await at.state.tasks.record([{ task, entry }]), [true]);
      };
      await at.run({}, copied);
      assert.equal((await at.state.ledger.get(routeTo(at.one, at), "k"))?.reason, "copied");
      assert.equal((await at.state.ledger.get(routeTo(at.two, at), "k"))?.reason, "Adopted");
    }),
  );

  it(
    "does not wish for a delete that a person rejected",
    scene({}, async (at) => {
      at.one.plant("rejected");
      at.one.plant("deleted");
      const route = routeTo(at.one, at);
      const reasons = { rejected: "DeleteRejected", deleted: "SourceGone" };
      for (const [key, reason] of Object.entries(reasons))
        await at.state.ledger.adopt([{ route, entry: entryOf(route, key, { status: "SKIPPED", operation: "delete", reason }) }]);
      await at.run({ deletes: "propagate" });
      assert.deepEqual(await at.waiting(), ["one:deleted"]);
    }),
  );

  it(
    "carries what the listing said as a hint, in the backfill lane",
    scene({}, async (at) => {
      const { etag, sizeBytes, lastModified } = at.source.plant("k");
      await at.run();
      const [task] = await claimAll(at);
      assert.deepEqual([task?.lane, task?.eventTime], ["backfill", null]);
      assert.deepEqual(task?.hint, { etag, sizeBytes, lastModified, storageClass: "STANDARD" });
    }),
  );

  it(
    "costs listings alone where nothing has changed, and adopts nothing twice",
    scene({}, async (at) => {
      for (const store of [at.source, at.one, at.two]) store.plant("k");
      await at.run();
      assert.deepEqual(await at.run(), { compared: 2, wanted: 0, adopted: 0 });
      for (const calls of Object.values(at.calls)) assert.deepEqual(new Set(calls), new Set(["list"]));
    }),
  );

  it(
    "leaves what is older than the rule alone where existing objects are not wanted",
    scene({ destination: { existingObjects: false } }, async (at) => {
      const now = new LeapingClock().now();
      at.source.plant("before", { lastModified: now - 1 });
      at.source.plant("since", { lastModified: now });
      await at.run();
      assert.deepEqual(await at.waiting(), ["one:since", "two:since"]);
    }),
  );

  it(
    "compares the others where one destination cannot be listed, and says so in the end (invariant 7)",
    scene({ faults: { one: () => new ReplicationError("StoreUnreachable", "down") } }, async (at) => {
      at.source.plant("k");
      await assert.rejects(at.run(), { code: "StoreUnreachable" });
      assert.deepEqual(await at.waiting(), ["two:k"]);
      assert.equal((await at.state.journal.syncProgress("rule"))?.finishedAt, null);
    }),
  );

  it(
    "keeps to the rule's filter",
    scene({}, async (at) => {
      for (const key of ["a/1.jpg", "a/2.txt", "b/3.jpg"]) at.source.plant(key);
      at.source.plant("a/4.jpg", { sizeBytes: 100 });
      await at.run({ filter: { prefix: "a/", suffix: ".jpg", maxBytes: 50 } });
      assert.deepEqual(await at.waiting(), ["one:a/1.jpg", "two:a/1.jpg"]);
    }),
  );

  it(
    "looks at the tags of what is missing before it is wished for",
    scene({}, async (at) => {
      at.source.plant("yes", { attributes: { systemHeaders: {}, metadata: {}, tags: { env: "prod" } } });
      at.source.plant("no");
      await at.run({ filter: { tags: { env: "prod" } } });
      assert.deepEqual(await at.waiting(), ["one:yes", "two:yes"]);
    }),
  );

  it(
    "settles by checksums what ETags cannot, and copies once what nothing settles",
    scene({}, async (at) => {
      const [multipart, checksums] = [{ etag: "aa-2" }, { checksums: { crc64nvme: "same" } }];
      at.source.plant("settled", { ...multipart, ...checksums });
      at.source.plant("open", multipart);
      for (const store of [at.one, at.two]) {
        store.plant("settled", checksums);
        store.plant("open");
      }
      await at.run();
      assert.deepEqual(await at.waiting(), ["one:open", "two:open"]);
    }),
  );

  it(
    "repairs a replica that is no longer what was put there, also where ETags cannot be compared",
    scene({}, async (at) => {
      at.source.plant("k", { etag: "aa-2" });
      at.one.plant("k", { etag: "0".repeat(32) });
      at.two.plant("k", { etag: "aa-2" });
      await recorded(at, "k", { etag: "aa-2", destinationEtag: "1".repeat(32) });
      await at.run();
      assert.deepEqual(await at.waiting(), ["one:k"]);
    }),
  );

  it(
    "believes a row about a replica under another ETag, and wishes for a source written again since",
    scene({}, async (at) => {
      const { lastModified } = at.source.plant("same", { etag: "aa-2" });
      at.source.plant("again", { etag: "aa-2" });
      for (const key of ["same", "again"]) {
        at.one.plant(key, { etag: "bb" });
        at.two.plant(key, { etag: "aa-2" });
      }
      await recorded(at, "same", { etag: "aa-2", destinationEtag: "bb", lastModified });
      await recorded(at, "again", { etag: "aa-2", destinationEtag: "bb", lastModified: lastModified - 1000 });
      await at.run();
      assert.deepEqual(await at.waiting(), ["one:again"]);
    }),
  );

  it(
    "fills in the time that a copy made on an event alone never saw, and copies nothing for it",
    scene({}, async (at) => {
      const { etag, lastModified } = at.source.plant("k");
      at.one.plant("k");
      at.two.plant("k");
      await recorded(at, "k", { etag, destinationEtag: etag, lastModified: 0, proof: "provider" });
      await at.run();
      assert.deepEqual(await at.waiting(), []);
      const row = await at.state.ledger.get(routeTo(at.one, at), "k");
      assert.deepEqual([row?.replica?.lastModified, row?.replica?.proof, row?.reason], [lastModified, "provider", null]);
      assert.equal((await at.run()).adopted, 0);
    }),
  );

  it(
    "does not copy what a destination holds and hides from its listings",
    scene({}, async (at) => {
      const { etag } = at.source.plant("k");
      at.two.plant("k");
      await recorded(at, "k", { etag, destinationEtag: etag });
      at.one.plant("k");
      at.one.list = async () => ({ objects: [] });
      await at.run();
      assert.deepEqual(await at.waiting(), []);
    }),
  );

  it(
    "repairs a replica that was removed",
    scene({}, async (at) => {
      const { etag } = at.source.plant("k");
      at.two.plant("k");
      await recorded(at, "k", { etag, destinationEtag: etag });
      await at.run();
      assert.deepEqual(await at.waiting(), ["one:k"]);
    }),
  );
});
