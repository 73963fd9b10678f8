import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LONG_AGO, type NativeScene, nativeScene } from "../../../test/support/native-scene.ts";
import { ReplicationError } from "../../domain/error.ts";
import type { ReplicationNotice } from "../../domain/event.ts";
import { RuleIndex } from "../rule-index.ts";
import { NativeNotices } from "./notices.ts";

const FAILED: ReplicationNotice = {
  kind: "failed",
  bucket: "source",
  key: "k",
  versionId: "v1",
  ruleId: "acme/rule/one:one",
  failureReason: "DstPutObjectNotPermitted",
};
const OF_V1 = { versionId: "v1", lastModified: LONG_AGO } as const;

function noticesOf({ harness, rule, source, one, two, clock }: NativeScene): NativeNotices {
  return new NativeNotices({
    rules: new RuleIndex([rule]),
    ruleIdOf: ({ id }, destination) => `acme/${id}/${destination.id}`,
    factsOf: () => ({ isSole: false, isInterior: false, isApplied: true, isRepaired: false }),
    ledger: harness.state.ledger,
    storeOf: ({ id }) => [source, one, two].find(({ bucket }) => bucket.id === id) ?? source,
    clock,
  });
}

describe("NativeNotices", () => {
  it(
    "writes S3's reason down, for the destination that it is about",
    nativeScene({ destinations: 2 }, async (scene) => {
      scene.source.plant("k", { ...OF_V1, replicationStatus: "PENDING" });
      assert.equal(await noticesOf(scene).accept("one", [FAILED]), 1);
      const found = await scene.row("k", scene.one);
      assert.deepEqual([found?.status, found?.reason, found?.error?.code], ["FAILED", "DstPutObjectNotPermitted", "AccessDenied"]);
      assert.match(found?.error?.message ?? "", /s3:ReplicateObject/);
      assert.equal(await scene.row("k", scene.two), undefined);
    }),
  );

  it(
    "keeps that reason as long as the version is current, whatever a header says that is about all destinations",
    nativeScene({}, async (scene) => {
      scene.source.plant("k", { ...OF_V1, replicationStatus: "PENDING" });
      await noticesOf(scene).accept("one", [FAILED]);
      const { candidates } = await scene.watch();
      assert.deepEqual([(await scene.row("k"))?.status, (await scene.row("k"))?.reason], ["FAILED", FAILED.failureReason]);
      assert.equal(candidates.length, 1);
      scene.source.plant("k", { versionId: "v2", replicationStatus: "PENDING" }, "newer");
      await scene.watch();
      assert.deepEqual([(await scene.row("k"))?.status, (await scene.row("k"))?.reason], ["PENDING", null]);
    }),
  );

  it(
    "believes the buckets, not a notice that comes late, twice or about a version that is no more (invariant 2)",
    nativeScene({}, async (scene) => {
      const notices = noticesOf(scene);
      scene.source.plant("k", { ...OF_V1, replicationStatus: "FAILED" });
      await notices.accept("one", [FAILED, FAILED]);
      scene.one.plant("k", { ...OF_V1, replicationStatus: "REPLICA" });
      await notices.accept("one", [FAILED]);
      assert.equal((await scene.row("k"))?.status, "COMPLETED");
      scene.source.plant("k", { versionId: "v2", lastModified: scene.clock.now(), replicationStatus: "PENDING" }, "newer");
      await notices.accept("one", [FAILED]);
      assert.deepEqual([(await scene.row("k"))?.status, (await scene.row("k"))?.error], ["PENDING", null]);
    }),
  );

  it(
    "looks at once at what S3 tracks no longer, and at what came late",
    nativeScene({}, async (scene) => {
      for (const key of ["there", "lost"]) scene.source.plant(key, { ...OF_V1, replicationStatus: "COMPLETED" });
      scene.one.plant("there", { ...OF_V1, replicationStatus: "REPLICA" });
      const plain = { ...FAILED, kind: "notTracked", failureReason: undefined } as const;
      await noticesOf(scene).accept("one", [
        { ...plain, key: "there", kind: "late" },
        { ...plain, key: "lost" },
      ]);
      assert.equal((await scene.row("there"))?.status, "COMPLETED");
      assert.equal((await scene.row("lost"))?.reason, "LostTrack");
    }),
  );

  it(
    "keeps the row of a delete marker that could not be replicated until the replica is gone",
    nativeScene({ rule: { deletes: "markers" } }, async (scene) => {
      scene.source.markers.add("k");
      scene.one.plant("k", { ...OF_V1, replicationStatus: "REPLICA" });
      await noticesOf(scene).accept("one", [{ ...FAILED, failureReason: "DstDelObjNotPermitted", versionId: "marker" }]);
      const row = async () => {
        const found = await scene.row("k");
        return [found?.status, found?.operation, found?.reason];
      };
      assert.deepEqual(await row(), ["FAILED", "delete", "DstDelObjNotPermitted"]);
      assert.deepEqual((await scene.watch()).candidates, []);
      assert.deepEqual(await row(), ["FAILED", "delete", "DstDelObjNotPermitted"]);
      await scene.one.delete("k");
      await scene.watch();
      assert.deepEqual(await row(), ["SKIPPED", "copy", "SourceGone"]);
    }),
  );

  it(
    "knows only rules of ours",
    nativeScene({}, async (scene) => {
      scene.source.plant("k", OF_V1);
      const foreign = [
        { ...FAILED, ruleId: "terraform" },
        { ...FAILED, bucket: "elsewhere" },
      ];
      assert.equal(await noticesOf(scene).accept("one", foreign), 0);
      assert.equal(await noticesOf(scene).accept("other-store", [FAILED]), 0);
      assert.equal(await scene.row("k"), undefined);
    }),
  );

  it(
    "takes S3's word where the destination will never answer",
    nativeScene({}, async (scene) => {
      scene.source.plant("k", OF_V1);
      scene.one.head = async () => {
        throw new ReplicationError("NoSuchBucket", "there is no one");
      };
      const notices = noticesOf(scene);
      await notices.accept("one", [{ ...FAILED, failureReason: "DstBucketNotFound" }]);
      assert.deepEqual([(await scene.row("k"))?.reason, (await scene.row("k"))?.notes], ["DstBucketNotFound", ["version:v1"]]);
      await notices.accept("one", [{ ...FAILED, key: "other", kind: "notTracked", failureReason: undefined }]);
      assert.deepEqual(
        [(await scene.row("other"))?.reason, (await scene.row("other"))?.error?.message],
        ["NoSuchBucket", "there is no one"],
      );
    }),
  );

  it(
    "refuses what cannot be looked at now, so that it is delivered again",
    nativeScene({}, async (scene) => {
      scene.source.observe = async () => {
        throw new Error("unreachable");
      };
      await assert.rejects(noticesOf(scene).accept("one", [FAILED]), /unreachable/);
    }),
  );
});
