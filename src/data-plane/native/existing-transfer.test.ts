import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HOUR, LONG_AGO, type NativeScene, nativeScene } from "../../../test/support/native-scene.ts";
import type { Destination } from "../../domain/rule.ts";
import { blankEntry } from "../../domain/status.ts";
import { toRoute } from "../diff.ts";
import { type LeftAlone, withExistingGuard } from "./existing-transfer.ts";

interface Copied {
  readonly kind: string;
  /** Of the outcome, where both sides were read. */
  readonly outcome: string | undefined;
  readonly left: readonly LeftAlone[];
}

/** Copies one key in S3's place. */
async function copy(scene: NativeScene, key: string, takesCompleted = false): Promise<Copied> {
  const { rule, transfer, source, one, harness } = scene;
  const destination = rule.destinations[0] as Destination;
  const left: LeftAlone[] = [];
  const guarded = withExistingGuard(transfer, {
    rule,
    destination,
    storeOf: () => one,
    ledger: harness.state.ledger,
    takesCompleted,
    onLeft: (why) => void left.push(why),
  });
  const result = await guarded.copy({
    source: source.bucket,
    key,
    destinations: [{ bucket: destination.bucket, key, preserve: rule.preserve }],
  });
  return { kind: result.kind, outcome: result.kind === "done" ? result.outcomes[0]?.kind : undefined, left };
}

const COPIED: Copied = { kind: "done", outcome: "copied", left: [] };
const OLD = { lastModified: LONG_AGO } as const;

function leftAlone(why: LeftAlone): Copied {
  return { kind: "done", outcome: "not-accepted", left: [why] };
}

describe("copies of existing objects in S3's place", () => {
  it(
    "are made of what S3 never saw or gave up, and only to where nothing is (If-None-Match)",
    nativeScene({}, async (scene) => {
      scene.source.plant("none", OLD);
      scene.source.plant("given-up", { ...OLD, replicationStatus: "FAILED" });
      assert.deepEqual(await copy(scene, "none"), COPIED);
      assert.deepEqual(await copy(scene, "given-up"), COPIED);
      assert.deepEqual(scene.one.keys(), ["given-up", "none"]);
      assert.deepEqual(
        scene.transfer.requests.map(({ destinations }) => destinations[0]?.ifHolds),
        [null, null],
      );
    }),
  );

  it(
    "leave to S3 what its rule carries, and what came to the source as a replica",
    nativeScene({}, async (scene) => {
      for (const replicationStatus of ["PENDING", "COMPLETED", "REPLICA"] as const)
        scene.source.plant(replicationStatus, { ...OLD, replicationStatus });
      assert.deepEqual(await copy(scene, "PENDING", true), leftAlone("carried"));
      assert.deepEqual(await copy(scene, "COMPLETED"), leftAlone("carried"));
      assert.deepEqual(await copy(scene, "REPLICA", true), leftAlone("replica"));
      assert.deepEqual(scene.one.keys(), []);
    }),
  );

  it(
    "take what is COMPLETED where another rule may have done that, unless it was deleted at this destination",
    nativeScene({}, async (scene) => {
      for (const key of ["k", "deleted"]) scene.source.plant(key, { ...OLD, replicationStatus: "COMPLETED" });
      scene.one.markers.add("deleted");
      assert.deepEqual(await copy(scene, "k", true), COPIED);
      assert.deepEqual(await copy(scene, "deleted", true), leftAlone("kept"));
    }),
  );

  it(
    "never replace what a client wrote, nor anything newer",
    nativeScene({}, async (scene) => {
      for (const key of ["clients", "newer"]) scene.source.plant(key, OLD, "the source's");
      scene.one.plant("clients", { lastModified: LONG_AGO - HOUR }, "a client's");
      scene.one.plant("newer", { lastModified: LONG_AGO + HOUR, replicationStatus: "REPLICA" }, "newer");
      assert.deepEqual(await copy(scene, "clients"), leftAlone("kept"));
      assert.deepEqual(await copy(scene, "newer"), leftAlone("kept"));
      assert.equal((await scene.one.head("clients"))?.lastModified, LONG_AGO - HOUR);
    }),
  );

  it(
    "replace an older replica of S3's or of replicast's, while it is still that one (If-Match)",
    nativeScene({}, async (scene) => {
      const { source, one, rule, harness, transfer } = scene;
      const before = { lastModified: LONG_AGO - HOUR } as const;
      for (const key of ["s3s", "ours"]) source.plant(key, { ...OLD, replicationStatus: "FAILED" }, "new");
      one.plant("s3s", { ...before, replicationStatus: "REPLICA" }, "old");
      one.plant("ours", before, "old");
      const route = toRoute(rule, rule.destinations[0] as Destination);
      const destinationEtag = (await one.head("ours"))?.etag ?? "";
      const replica = {
        etag: "old",
        versionId: null,
        lastModified: before.lastModified,
        attributeHash: null,
        bytes: 3,
        proof: "etag",
        destinationEtag,
        destinationVersionId: null,
      } as const;
      await harness.state.ledger.adopt([{ route, entry: { ...blankEntry({ ...route, key: "ours" }), status: "COMPLETED", replica } }]);
      assert.deepEqual(await copy(scene, "s3s"), COPIED);
      assert.deepEqual(await copy(scene, "ours"), COPIED);
      assert.equal(transfer.requests[1]?.destinations[0]?.ifHolds, destinationEtag);
    }),
  );

  it(
    "give way to what is put there meanwhile",
    nativeScene({}, async (scene) => {
      const { source, one, transfer } = scene;
      source.plant("k", OLD);
      const plain = transfer.copy.bind(transfer);
      transfer.copy = (request) => {
        one.plant("k", { versionId: "theirs" }, "a client's");
        return plain(request);
      };
      assert.deepEqual(await copy(scene, "k"), leftAlone("kept"));
      assert.equal((await one.get("k"))?.state.versionId, "theirs");
    }),
  );

  it(
    "of objects under KMS are made only where the rule names a key of the destination",
    nativeScene({}, async (scene) => {
      scene.source.plant("secret", { ...OLD, encryption: "aws:kms" });
      assert.deepEqual(await copy(scene, "secret"), leftAlone("encrypted"));
      assert.deepEqual(scene.one.keys(), []);
    }),
  );

  it(
    "of objects under KMS keep that where the rule does",
    nativeScene({ destination: { encryption: { type: "aws:kms" } } }, async (scene) => {
      scene.source.plant("secret", { ...OLD, encryption: "aws:kms" });
      assert.deepEqual(await copy(scene, "secret"), COPIED);
    }),
  );

  it(
    "fail alone where the destination does not answer (invariant 7)",
    nativeScene({}, async (scene) => {
      scene.source.plant("k", OLD);
      scene.one.observe = () => Promise.reject(new Error("no answer"));
      assert.deepEqual(await copy(scene, "k"), { kind: "failed", outcome: undefined, left: [] });
      assert.deepEqual(scene.transfer.requests, []);
    }),
  );
});
