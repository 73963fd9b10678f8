import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import * as s3 from "@aws-sdk/client-s3";
import type {
  ExplainDocument,
  FailureItem,
  ListDocument,
  ObjectDocument,
  ObjectListItem,
  StatusDocument,
} from "../../src/control-plane/contract.ts";
import { toRoute } from "../../src/data-plane/diff.ts";
import { heal } from "../../src/data-plane/native/heal.ts";
import { watchDirection } from "../../src/data-plane/native/watch.ts";
import type { Destination } from "../../src/domain/rule.ts";
import { LeapingClock } from "../../src/testing/leaping-clock.ts";
import { openSqliteHarness } from "../contract/sqlite-state.ts";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { startMinio } from "../support/minio.ts";
import { startMoto } from "../support/moto.ts";
import { HOUR, MemoryJobs } from "../support/native-scene.ts";
import { startRecorder } from "../support/recorder.ts";
import { askJson, expectExit, replicast, startDaemon, type Workplace, waitForLog } from "../support/replicast.ts";
import { destinationOf, ruleOf } from "../support/rules.ts";
import { adapt, bucketIn, transferOver } from "../support/s3-adapter.ts";
import { connect } from "../support/sdk.ts";
import { breakGround } from "../support/world.ts";

const NO_JOBS = "<ListJobsResult><Jobs></Jobs></ListJobsResult>";
const JOBS = `<ListJobsResult><Jobs><member><JobId>job-7</JobId><Description>replicast acme/photos failed photos</Description>
  <Status>Active</Status><CreationTime>2026-11-21T00:00:00Z</CreationTime>
  <ProgressSummary><TotalNumberOfTasks>9</TotalNumberOfTasks><NumberOfTasksSucceeded>4</NumberOfTasksSucceeded>
  <NumberOfTasksFailed>1</NumberOfTasksFailed></ProgressSummary></member></Jobs></ListJobsResult>`;

interface AwsWorld extends Workplace, AsyncDisposable {
  readonly port: number;
  put(bucket: string, key: string, body: string): Promise<void>;
}

/** Two versioned buckets on moto, which replicates nothing by itself, a native rule between them, and an S3 Control with these jobs. */
async function openAws(jobs = NO_JOBS): Promise<AwsWorld> {
  await using stack = new AsyncDisposableStack();
  const ground = stack.use(await breakGround());
  const moto = stack.use(await startMoto());
  const control = stack.use(await startRecorder(() => ({ body: jobs })));
  const client = new s3.S3Client({ endpoint: moto.endpoint, region: "us-east-1", credentials: moto.credentials, forcePathStyle: true });
  stack.defer(() => client.destroy());
  for (const Bucket of ["photos", "copy"]) {
    await client.send(new s3.CreateBucketCommand({ Bucket }));
    await client.send(new s3.PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: "Enabled" } }));
  }
  const env = {
    AWS_ENDPOINT_URL: moto.endpoint,
    AWS_ENDPOINT_URL_S3_CONTROL: control.endpoint,
    AWS_ACCESS_KEY_ID: moto.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: moto.credentials.secretAccessKey,
    AWS_REGION: "us-east-1",
  };
  const rule = { id: "photos", engine: "native", source: "photos", destinations: ["copy"] };
  const config = { name: "acme", iam: { propagation: "10ms" }, listen: { port: ground.port }, rules: [rule] };
  await writeFile(join(ground.directory, "replicast.yaml"), JSON.stringify(config));
  const put = async (Bucket: string, Key: string, Body: string) => {
    await client.send(new s3.PutObjectCommand({ Bucket, Key, Body }));
  };
  const kept = stack.move();
  return { ...ground, env, put, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

describe("watching what S3 replicates", () => {
  guardAgainstLeaks();

  test("from before apply until S3 has done its work", async () => {
    await using world = await openAws(JOBS);
    await world.put("photos", "k", "x");

    const [before] = (await askJson<StatusDocument>(world, "status")).rules;
    assert.equal(before?.engine, "native");
    assert.deepEqual(before?.destinations[0]?.s3Rules, [{ source: "aws:photos", id: "acme/photos/aws:copy", status: "Missing" }]);
    assert.deepEqual([before?.destinations[0]?.operationsCompleted, before?.destinations[0]?.operationsPending], [null, null]);
    assert.deepEqual(before?.batchJob, { id: "job-7", status: "RUNNING", total: 9, succeeded: 4, failed: 1 });

    const refused = await replicast(world, "run", "--until-idle");
    assert.equal(refused.code, 1);
    assert.match(refused.stdout + refused.stderr, /idle, with rules that S3 does not have/);
    assert.match(refused.stdout + refused.stderr, /"destination":"aws:copy","state":"Missing"/);

    await expectExit(0, world, ["apply", "--yes"]);
    await world.put("copy", "k", "x"); // what S3 would do
    await expectExit(0, world, ["run", "--until-idle"]);
    const [after] = (await askJson<StatusDocument>(world, "status")).rules;
    assert.equal(after?.destinations[0]?.s3Rules?.[0]?.status, "Enabled");
    assert.deepEqual([after?.destinations[0]?.operationsCompleted, after?.destinations[0]?.operationsFailed], [1, 0]);
    assert.notEqual(after?.lastSyncAt, null);
  });

  test("one object is asked of S3 itself, without a daemon and without a state", async () => {
    await using world = await openAws();
    await world.put("photos", "there", "x");
    await world.put("copy", "there", "x");
    await world.put("photos", "waiting", "y");
    const shown = async (key: string) => (await askJson<ObjectDocument>(world, "status", `aws:photos/${key}`)).entries[0];
    const there = await shown("there");
    assert.deepEqual([there?.engine, there?.status, there?.proof, there?.bytes], ["native", "COMPLETED", "etag", 1]);
    assert.notEqual(there?.destinationVersionId, null);
    assert.equal((await shown("waiting"))?.status, "PENDING");
    assert.equal(await shown("nowhere"), undefined);

    const { rules } = await askJson<ExplainDocument>(world, "explain", "aws:photos/waiting");
    const native = { ruleId: "acme/photos/aws:copy", ruleStatus: "Missing", replicationStatus: null, replicaStatus: null };
    assert.deepEqual(rules[0]?.destinations[0]?.native, native);
    const { stdout } = await expectExit(0, world, ["explain", "aws:photos/waiting"]);
    assert.match(stdout, /S3's rule acme\/photos\/aws:copy is missing at the source; try: replicast apply/);
    assert.match(stdout, /x-amz-replication-status: none/);
    assert.equal((await replicast(world, "objects", "list")).code, 1, "what only a state knows needs one");
  });

  test("what S3 tells of its own replication reaches the row, with its reason and what to do", async () => {
    await using world = await openAws();
    await expectExit(0, world, ["apply", "--yes"]);
    await world.put("photos", "k 1", "x");
    await using daemon = await startDaemon(world, world.port);
    await waitForLog(daemon, "compared by listing"); // which would heal what it finds
    const failed = {
      eventVersion: "2.2",
      eventSource: "aws:s3",
      eventTime: "2026-11-21T12:00:00.000Z",
      eventName: "Replication:OperationFailedReplication",
      s3: { bucket: { name: "photos" }, object: { key: "k+1" } },
      replicationEventData: {
        replicationRuleId: "acme/photos/aws:copy",
        destinationBucket: "arn:aws:s3:::copy",
        s3Operation: "OBJECT_PUT",
        failureReason: "DstKmsKeyNotFound",
      },
    };
    const answer = await fetch(`${daemon.url}/events/aws`, { method: "POST", body: JSON.stringify({ Records: [failed] }) });
    assert.equal(answer.status, 200);
    const { items } = await askJson<ListDocument<FailureItem>>(world, "failures", "list");
    assert.deepEqual(
      items.map(({ key, rule, error }) => [key, rule, error?.code]),
      [["k 1", "photos", "InvalidRequest"]],
    );
    assert.match(items[0]?.error?.message ?? "", /^DstKmsKeyNotFound: /);
    assert.match(items[0]?.error?.hint ?? "", /correct encryption\.keyId/);
    const { intake } = await askJson<StatusDocument>(world, "status");
    assert.deepEqual(
      intake.map(({ store, received, ignored }) => [store, received, ignored]),
      [["aws", 1, 0]],
    );
    await daemon.stop();
  });

  test("rows stand in the ledger as those of copies do", async () => {
    await using world = await openAws();
    await expectExit(0, world, ["apply", "--yes"]);
    for (const bucket of ["photos", "copy"]) await world.put(bucket, "k", "x");
    await expectExit(0, world, ["run", "--until-idle"]);
    const { items } = await askJson<ListDocument<ObjectListItem>>(world, "objects", "list");
    assert.deepEqual(
      items.map(({ key, engine, status, reason }) => [key, engine, status, reason]),
      [["k", "native", "COMPLETED", "Adopted"]],
    );
  });
});

describe("what a real store says in x-amz-replication-status", () => {
  guardAgainstLeaks();

  test("decides what becomes of each object, and what is given up is copied into the leaf once", async () => {
    await using server = await startMinio();
    using client = connect(server);
    const store = adapt("m", server);
    const { transfer, storeOf, close } = transferOver([store]);
    const harness = await openSqliteHarness();
    try {
      for (const Bucket of ["source", "copy"]) {
        await client.createBucket(Bucket);
        await client.s3.send(new s3.PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: "Enabled" } }));
      }
      await putSaying(client.s3, { Bucket: "source", Key: "failed", Body: "1" }, "FAILED");
      await putSaying(client.s3, { Bucket: "source", Key: "lost", Body: "2" }, "COMPLETED");
      await putSaying(client.s3, { Bucket: "source", Key: "pending", Body: "3" }, "PENDING");
      await putSaying(client.s3, { Bucket: "source", Key: "replica", Body: "4" }, "REPLICA");
      await client.put("source", "none", { body: "5" });
      await putSaying(client.s3, { Bucket: "source", Key: "same", Body: "6" }, "COMPLETED");
      await putSaying(client.s3, { Bucket: "copy", Key: "same", Body: "6" }, "REPLICA");

      const rule = ruleOf(bucketIn(store, "source"), [destinationOf(bucketIn(store, "copy"))]);
      const { ledger, journal } = harness.state;
      const clock = new LeapingClock(Date.now() + HOUR);
      const facts = { isSole: true, isInterior: false, isApplied: true, isRepaired: false };
      const watch = () => watchDirection({ rule, ledger, journal, storeOf, clock, factsOf: () => facts });
      const row = async (key: string) => {
        const entry = await ledger.get(toRoute(rule, rule.destinations[0] as Destination), key);
        return [key, entry?.status, entry?.reason];
      };
      const { candidates } = await watch();
      assert.deepEqual(await Promise.all(["failed", "lost", "none", "pending", "replica", "same"].map(row)), [
        ["failed", "FAILED", "ReplicationFailed"],
        ["lost", "FAILED", "LostTrack"],
        ["none", "FAILED", "NONE"],
        ["pending", "PENDING", null],
        ["replica", "REPLICA", "NoTransit"],
        ["same", "COMPLETED", "Adopted"],
      ]);
      const jobs = new MemoryJobs();
      const options = { rule, ledger, transfer, clock, isLeaf: () => true, jobs };
      assert.deepEqual(await heal(candidates, options), { copied: 2, job: null });
      assert.deepEqual(
        (await client.list("copy")).map(({ key }) => key),
        ["failed", "lost", "same"],
      );
      await clock.sleep(HOUR);
      assert.deepEqual((await watch()).candidates, []);
      assert.deepEqual(await Promise.all(["failed", "lost"].map(row)), [
        ["failed", "COMPLETED", "Adopted"],
        ["lost", "COMPLETED", "Adopted"],
      ]);
    } finally {
      await Promise.all([harness.close(), close(), store.client.close()]);
    }
  });
});

/** MinIO keeps the header that a client sends, which S3 alone would write. */
async function putSaying(client: s3.S3Client, input: s3.PutObjectCommandInput, status: string): Promise<void> {
  const command = new s3.PutObjectCommand(input);
  command.middlewareStack.add(
    (next) => async (args) => {
      const { headers } = args.request as { readonly headers: Record<string, string> };
      headers["x-amz-replication-status"] = status;
      return next(args);
    },
    { step: "build" },
  );
  await client.send(command);
}
