import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HOUR, LONG_AGO, nativeScene } from "../../../test/support/native-scene.ts";
import { ReplicationError } from "../../domain/error.ts";
import type { ObjectState } from "../../domain/object.ts";

const OF_V1 = { versionId: "v1", lastModified: LONG_AGO } as const;

describe("watchDirection", () => {
  it(
    "gives every object a row that says what became of it, and copies nothing",
    nativeScene({}, async ({ source, one, transfer, watch, row }) => {
      const states: Readonly<Record<string, Partial<ObjectState>>> = {
        failed: { replicationStatus: "FAILED" },
        lost: { replicationStatus: "COMPLETED" },
        none: {},
        pending: { replicationStatus: "PENDING" },
        replica: { replicationStatus: "REPLICA" },
        same: { replicationStatus: "COMPLETED" },
      };
      for (const [key, state] of Object.entries(states)) source.plant(key, { ...OF_V1, ...state });
      one.plant("same", { ...OF_V1, replicationStatus: "REPLICA" });
      const { summary } = await watch();
      const rows = await Promise.all(Object.keys(states).map(async (key) => [key, await row(key)] as const));
      assert.deepEqual(
        rows.map(([key, entry]) => [key, entry?.status, entry?.reason, entry?.error?.code]),
        [
          ["failed", "FAILED", "ReplicationFailed", "NotReplicated"],
          ["lost", "FAILED", "LostTrack", "NotReplicated"],
          ["none", "FAILED", "NONE", "NotReplicated"],
          ["pending", "PENDING", null, undefined],
          ["replica", "REPLICA", "NoTransit", undefined],
          ["same", "COMPLETED", "Adopted", undefined],
        ],
      );
      assert.match((await row("none"))?.error?.hint ?? "", /apply --backfill/);
      assert.equal((await row("same"))?.replica?.proof, "etag");
      assert.deepEqual(summary, { compared: 6, adopted: 1, pending: 1, failed: 3 });
      assert.deepEqual(transfer.requests, []);
    }),
  );

  it(
    "takes a KMS replica for equal by S3's version id, with S3's word as proof (invariant 8)",
    nativeScene({}, async ({ source, one, watch, row }) => {
      source.plant("k", { ...OF_V1, etag: "a".repeat(32), replicationStatus: "COMPLETED" });
      one.plant("k", { ...OF_V1, etag: "b".repeat(32), replicationStatus: "REPLICA" });
      await watch();
      const found = await row("k");
      assert.equal(found?.status, "COMPLETED");
      assert.equal(found?.replica?.proof, "provider");
      assert.equal(found?.replica?.destinationVersionId, "v1");
      const again = await watch();
      assert.deepEqual(again.summary, { compared: 1, adopted: 0, pending: 0, failed: 0 }, "what is known to be equal is not written again");
    }),
  );

  it(
    "decides for each destination by what it holds: the header is about all of them",
    nativeScene({ destinations: 2 }, async ({ source, one, two, watch, row }) => {
      source.plant("k", { ...OF_V1, replicationStatus: "FAILED" });
      two.plant("k", { ...OF_V1, replicationStatus: "REPLICA" });
      await watch();
      assert.deepEqual([(await row("k", one))?.status, (await row("k", two))?.status], ["FAILED", "COMPLETED"]);
    }),
  );

  it(
    "follows an object from PENDING by FAILED to COMPLETED, without an error left over",
    nativeScene({}, async ({ source, one, watch, row }) => {
      source.plant("k", { ...OF_V1, replicationStatus: "PENDING" });
      await watch();
      assert.equal((await row("k"))?.status, "PENDING");
      source.plant("k", { ...OF_V1, replicationStatus: "FAILED" });
      await watch();
      const first = await row("k");
      assert.deepEqual([first?.status, first?.notes], ["FAILED", ["version:v1"]]);
      await watch();
      assert.equal((await row("k"))?.firstFailedAt, first?.firstFailedAt, "it fails since the first time it was seen to");
      one.plant("k", { ...OF_V1, replicationStatus: "REPLICA" });
      await watch();
      const last = await row("k");
      assert.deepEqual([last?.status, last?.error, last?.notes], ["COMPLETED", null, []]);
    }),
  );

  it(
    "ends rows of objects that the source has no more",
    nativeScene({}, async ({ source, one, watch, row }) => {
      for (const key of ["failed", "pending"]) source.plant(key, { ...OF_V1, replicationStatus: key === "failed" ? "FAILED" : "PENDING" });
      source.plant("done", OF_V1);
      one.plant("done", OF_V1);
      await watch();
      for (const key of ["failed", "pending", "done"]) await source.delete(key);
      await watch();
      const rows = await Promise.all(["failed", "pending", "done"].map((key) => row(key)));
      assert.deepEqual(
        rows.map((entry) => [entry?.status, entry?.reason]),
        [
          ["SKIPPED", "SourceGone"],
          ["SKIPPED", "SourceGone"],
          ["COMPLETED", "Adopted"],
        ],
      );
    }),
  );

  it(
    "leaves objects older than the rule alone where existingObjects is off",
    nativeScene({ destination: { existingObjects: false } }, async ({ source, clock, watch, row }) => {
      source.plant("before", OF_V1);
      await watch();
      source.plant("after", { versionId: "v2", lastModified: clock.now() });
      await watch();
      assert.equal(await row("before"), undefined);
      assert.deepEqual([(await row("after"))?.status, (await row("after"))?.reason], ["FAILED", "NONE"]);
    }),
  );

  it(
    "says nothing of objects that the filter's tags leave out",
    nativeScene({ rule: { filter: { tags: { team: "a" } } } }, async ({ source, watch, row }) => {
      const tagged = (team: string) => ({ attributes: { systemHeaders: {}, metadata: {}, tags: { team } } });
      source.plant("ours", { ...OF_V1, ...tagged("a") });
      source.plant("theirs", { ...OF_V1, ...tagged("b") });
      await watch();
      assert.deepEqual([(await row("ours"))?.status, await row("theirs")], ["FAILED", undefined]);
    }),
  );

  it(
    "names the missing rule as the reason where it is not applied",
    nativeScene({}, async ({ source, watch, row }) => {
      source.plant("k", OF_V1);
      await watch({ isApplied: false });
      const found = await row("k");
      assert.deepEqual([found?.reason, found?.error?.hint], ["NotApplied", "replicast apply"]);
    }),
  );
});

describe("watchDirection: what it asks for", () => {
  it(
    "asks no second time for what was there before the rule, until something changes",
    nativeScene({}, async ({ source, watch, row }) => {
      source.plant("k", OF_V1);
      await watch();
      let asked = 0;
      const observe = source.observe.bind(source);
      source.observe = async (key) => {
        asked++;
        return observe(key);
      };
      const first = await row("k");
      await watch();
      assert.deepEqual([asked, (await row("k"))?.reason], [0, "NONE"]);
      assert.equal((await row("k"))?.firstFailedAt, first?.firstFailedAt);
      await watch({ isRepaired: true });
      assert.deepEqual([asked, (await row("k"))?.status], [1, "PENDING"]);
      await watch();
      source.plant("k", { versionId: "v2", lastModified: LONG_AGO + HOUR, replicationStatus: "FAILED" }, "newer");
      await watch();
      assert.equal((await row("k"))?.reason, "ReplicationFailed");
    }),
  );

  it(
    "writes down what may not be looked at, and looks at the rest (invariant 7)",
    nativeScene({}, async ({ source, watch, row }) => {
      for (const key of ["closed", "open"]) source.plant(key, { ...OF_V1, replicationStatus: "FAILED" });
      const observe = source.observe.bind(source);
      source.observe = async (key) => {
        if (key === "closed") throw new ReplicationError("InvalidRequest", "encrypted with the client's key", { hint: "bring the key" });
        return observe(key);
      };
      await watch();
      const closed = await row("closed");
      assert.deepEqual([closed?.status, closed?.reason, closed?.error?.hint], ["FAILED", "InvalidRequest", "bring the key"]);
      assert.equal((await row("open"))?.reason, "ReplicationFailed");
    }),
  );

  it(
    "gives up what may pass as a whole, so that it is compared again soon",
    nativeScene({}, async ({ source, watch, row }) => {
      source.plant("k", OF_V1);
      source.observe = async () => {
        throw new ReplicationError("SlowDown", "later");
      };
      await assert.rejects(watch(), /later/);
      assert.equal(await row("k"), undefined);
    }),
  );
});

describe("what a watch finds to heal", () => {
  it(
    "is what S3 gave up or lost, not what it never looked at and not what is still young",
    nativeScene({}, async ({ source, one, clock, watch }) => {
      source.plant("given-up", { ...OF_V1, replicationStatus: "FAILED" });
      source.plant("overwritten", { ...OF_V1, replicationStatus: "FAILED" });
      one.plant("overwritten", { versionId: "v0", lastModified: LONG_AGO, replicationStatus: "REPLICA" }, "before");
      source.plant("lost", { ...OF_V1, replicationStatus: "COMPLETED" });
      source.plant("none", OF_V1);
      source.plant("young", { lastModified: clock.now() + HOUR, replicationStatus: "FAILED" });
      const { candidates } = await watch();
      const found = candidates.map(({ key, isAbsent, isLost }) => [key, isAbsent, isLost]).sort();
      assert.deepEqual(found, [
        ["given-up", true, false],
        ["lost", true, true],
        ["overwritten", false, false],
      ]);
    }),
  );
});
