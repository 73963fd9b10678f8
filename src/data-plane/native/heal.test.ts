import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LONG_AGO, nativeScene } from "../../../test/support/native-scene.ts";
import { ReplicationError } from "../../domain/error.ts";

const GIVEN_UP = { versionId: "v1", lastModified: LONG_AGO, replicationStatus: "FAILED" } as const;
const LOST = { ...GIVEN_UP, replicationStatus: "COMPLETED" } as const;

describe("heal: copies into leaves", () => {
  it(
    "copies what S3 gave up and what it lost to where nothing is, and says so",
    nativeScene({}, async ({ source, one, jobs, transfer, heal, row }) => {
      source.plant("given-up", GIVEN_UP);
      source.plant("lost", LOST);
      assert.deepEqual(await heal(), { copied: 2, job: null });
      assert.deepEqual(one.keys(), ["given-up", "lost"]);
      assert.deepEqual(jobs.started, []);
      const conditions = transfer.requests.map(({ hint, destinations }) => [hint?.etag, destinations[0]?.ifHolds]);
      assert.deepEqual(conditions, [
        [(await source.head("given-up"))?.etag, null],
        [(await source.head("lost"))?.etag, null],
      ]);
      const found = await row("lost");
      assert.deepEqual([found?.status, found?.notes, found?.replica?.proof], ["COMPLETED", ["healed", "version:v1"], "etag"]);
    }),
  );

  it(
    "leaves what was put there meanwhile (If-None-Match)",
    nativeScene({}, async ({ source, one, watch, heal, transfer }) => {
      source.plant("k", GIVEN_UP);
      await watch();
      const copy = transfer.copy.bind(transfer);
      transfer.copy = async (request) => {
        one.plant("k", { versionId: "theirs" }, "a client's");
        return copy(request);
      };
      assert.deepEqual(await heal(), { copied: 0, job: null });
      assert.equal((await one.get("k"))?.state.versionId, "theirs");
    }),
  );

  it(
    "copies only the version that was seen: one that came since is S3's to replicate",
    nativeScene({}, async ({ source, one, heal, transfer }) => {
      source.plant("k", GIVEN_UP);
      const copy = transfer.copy.bind(transfer);
      transfer.copy = async (request) => {
        source.plant("k", { versionId: "v2" }, "newer");
        return copy(request);
      };
      assert.deepEqual(await heal(), { copied: 0, job: null });
      assert.deepEqual(one.keys(), []);
    }),
  );

  it(
    "heals a version once, also across a restart, and the next version again",
    nativeScene({}, async (scene) => {
      const { source, one, heal, watch, row } = scene;
      source.plant("k", LOST);
      await heal();
      await watch();
      await one.delete("k");
      await scene.restart();
      assert.deepEqual(await heal(), { copied: 0, job: null });
      assert.deepEqual([(await row("k"))?.status, (await row("k"))?.reason], ["FAILED", "LostTrack"]);
      source.plant("k", { ...LOST, versionId: "v2" }, "newer");
      assert.deepEqual(await heal(), { copied: 1, job: null });
    }),
  );

  it(
    "tries what was refused no second time",
    nativeScene({}, async (scene) => {
      const { source, heal, row, transfer } = scene;
      source.plant("k", LOST);
      const refused = new ReplicationError("AccessDenied", "no");
      transfer.copy = async () => ({ kind: "failed", error: refused });
      assert.deepEqual(await heal(), { copied: 0, job: null });
      const stuck = await row("k");
      assert.deepEqual([stuck?.status, stuck?.error?.code, stuck?.notes], ["FAILED", "AccessDenied", ["healed", "version:v1"]]);
      await scene.restart();
      let calls = 0;
      transfer.copy = async () => {
        calls++;
        return { kind: "failed", error: refused };
      };
      await heal();
      assert.equal(calls, 0);
      assert.equal((await row("k"))?.status, "FAILED");
      source.plant("k", { ...GIVEN_UP, versionId: "v2" }, "newer");
      await heal();
      assert.equal(calls, 1);
    }),
  );

  it(
    "tries again what may pass",
    nativeScene(
      { transfer: (_, calls) => (calls === 1 ? { kind: "failed", error: new ReplicationError("SlowDown", "later") } : undefined) },
      async ({ source, heal, row }) => {
        source.plant("k", GIVEN_UP);
        assert.equal((await heal()).copied, 0);
        assert.equal((await row("k"))?.status, "FAILED");
        assert.equal((await heal()).copied, 1);
      },
    ),
  );
});

describe("heal: batch jobs", () => {
  it(
    "has one job replicate what a copy may not: over an older replica, and into an interior bucket (invariant 6)",
    nativeScene({}, async ({ source, one, jobs, transfer, heal, row }) => {
      source.plant("absent", GIVEN_UP);
      source.plant("overwritten", GIVEN_UP);
      one.plant("overwritten", { versionId: "v0", replicationStatus: "REPLICA" }, "before");
      assert.deepEqual(await heal({ isInterior: true }), { copied: 0, job: "job-1" });
      assert.equal(jobs.started.length, 1);
      assert.deepEqual(transfer.requests, []);
      for (const key of ["absent", "overwritten"]) {
        const found = await row(key);
        assert.deepEqual([found?.status, found?.notes], ["FAILED", ["healed", "version:v1"]]);
      }
    }),
  );

  it(
    "starts no second job for what one has had its turn with, also across a restart",
    nativeScene({}, async (scene) => {
      scene.source.plant("k", GIVEN_UP);
      await scene.heal({ isInterior: true });
      await scene.restart();
      assert.deepEqual(await scene.heal({ isInterior: true }), { copied: 0, job: null });
      assert.equal(scene.jobs.started.length, 1);
      assert.equal((await scene.row("k"))?.status, "FAILED");
    }),
  );

  it(
    "asks by the same token after a crash between the start and its record",
    nativeScene({}, async ({ harness, source, jobs, heal }) => {
      for (const key of ["a", "b"]) source.plant(key, GIVEN_UP);
      const { ledger } = harness.state;
      const adopt = ledger.adopt.bind(ledger);
      ledger.adopt = async (entries) => {
        if (jobs.started.length === 1) throw new Error("the process is gone");
        return adopt(entries);
      };
      await assert.rejects(heal({ isInterior: true }), /the process is gone/);
      ledger.adopt = adopt;
      await heal({ isInterior: true });
      assert.equal(jobs.started.length, 2);
      assert.equal(new Set(jobs.started).size, 1);
    }),
  );

  it(
    "has a job for more than a thousand, and marks all of them",
    nativeScene({}, async ({ source, one, jobs, heal, row }) => {
      for (let i = 0; i < 1002; i++) source.plant(`k${i}`, GIVEN_UP);
      assert.deepEqual(await heal(), { copied: 0, job: "job-1" });
      assert.deepEqual(one.keys(), []);
      assert.deepEqual((await row("k1001"))?.notes, ["healed", "version:v1"]);
      assert.deepEqual(await heal(), { copied: 0, job: null });
      assert.equal(jobs.started.length, 1);
    }),
  );

  it(
    "leaves rows as they are where no job can be started",
    nativeScene({}, async ({ source, jobs, heal, row }) => {
      source.plant("k", GIVEN_UP);
      jobs.refusal = new ReplicationError("AccessDenied", "CreateJob");
      await assert.rejects(heal({ isInterior: true }), /CreateJob/);
      assert.deepEqual((await row("k"))?.notes, ["version:v1"]);
      jobs.refusal = undefined;
      assert.equal((await heal({ isInterior: true })).job, "job-1");
    }),
  );

  it(
    "finds a job's success by comparing, and keeps the mark on the row",
    nativeScene({}, async ({ source, one, heal, watch, row }) => {
      source.plant("k", GIVEN_UP);
      await heal({ isInterior: true });
      await watch({ isInterior: true, isRepaired: true });
      assert.equal((await row("k"))?.status, "PENDING", "while the job is at work");
      source.plant("k", { ...GIVEN_UP, replicationStatus: "COMPLETED" });
      one.plant("k", { ...GIVEN_UP, replicationStatus: "REPLICA" });
      await watch({ isInterior: true });
      const found = await row("k");
      assert.deepEqual([found?.status, found?.notes, found?.error], ["COMPLETED", ["healed", "version:v1"], null]);
    }),
  );
});

describe("readReport", () => {
  it(
    "writes S3's reason into the rows that still fail, and into no others",
    nativeScene({}, async ({ source, one, heal, watch, report, row }) => {
      for (const key of ["hard-deleted", "other-version", "done"]) source.plant(key, GIVEN_UP);
      await heal({ isInterior: true });
      one.plant("done", GIVEN_UP);
      await watch({ isInterior: true });
      const failure = { bucket: "source", versionId: "v1", code: "400", message: "DstObjectHardDeleted" };
      const told = await report(
        { ...failure, key: "hard-deleted" },
        { ...failure, key: "other-version", versionId: "v0" },
        { ...failure, key: "done" },
        { ...failure, key: "hard-deleted", bucket: "elsewhere", message: "SrcVersionNotFound" },
      );
      assert.equal(told, 1);
      const found = await row("hard-deleted");
      assert.deepEqual([found?.reason, found?.error?.code], ["DstObjectHardDeleted", "InvalidRequest"]);
      assert.match(found?.error?.hint ?? "", /copy the object onto itself/);
      assert.equal((await row("other-version"))?.reason, "ReplicationFailed");
      assert.equal((await row("done"))?.status, "COMPLETED");
      await watch({ isInterior: true });
      assert.equal((await row("hard-deleted"))?.reason, "DstObjectHardDeleted", "a header that knows no reason unsays none");
    }),
  );

  it(
    "reads the reason wherever the report puts it",
    nativeScene({}, async ({ source, watch, report, row }) => {
      for (const key of ["in-message", "in-code", "nowhere"]) source.plant(key, GIVEN_UP);
      await watch();
      await report(
        { bucket: "source", key: "in-message", versionId: null, code: "403", message: "Failed: DstPutObjectNotPermitted (403)" },
        { bucket: "source", key: "in-code", versionId: null, code: "SrcGetObjectNotPermitted", message: "Forbidden" },
        { bucket: "source", key: "nowhere", versionId: null, code: "AccessDenied", message: "no, and that is that" },
      );
      assert.equal((await row("in-message"))?.reason, "DstPutObjectNotPermitted");
      assert.equal((await row("in-code"))?.reason, "SrcGetObjectNotPermitted");
      assert.deepEqual([(await row("nowhere"))?.reason, (await row("nowhere"))?.error?.code], ["AccessDenied", "NotReplicated"]);
    }),
  );
});
