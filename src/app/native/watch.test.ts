import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { loadConfig } from "../../config/load.ts";
import { toRoute } from "../../data-plane/diff.ts";
import type { Bucket } from "../../domain/bucket.ts";
import { ReplicationError } from "../../domain/error.ts";
import type { Rule } from "../../domain/rule.ts";
import type { BatchFailure, BatchJob, BatchReplication, NewBatchJob } from "../../ports/batch-replication.ts";
import type { LogFields } from "../../ports/logger.ts";
import type { ReplicationConfiguration, ReplicationRule } from "../../ports/replication-configuration.ts";
import type { ReplicationMetrics } from "../../ports/replication-metrics.ts";
import { MemoryAws } from "../../testing/memory-aws.ts";
import { MemoryObjectStore } from "../../testing/memory-object-store.ts";
import { MemoryState } from "../../testing/memory-state.ts";
import { MemoryTransfer } from "../../testing/memory-transfer.ts";
import { systemClock } from "../system-clock.ts";
import { NativeLooks } from "./looks.ts";
import type { Services } from "./services.ts";
import { NativeWatch } from "./watch.ts";

let directory = "";
before(() => {
  directory = mkdtempSync(join(tmpdir(), "replicast-native-watch-"));
});
after(() => rmSync(directory, { recursive: true, force: true }));

const ACCOUNT = "111111111111";
const ONE_WAY = '{ id: r, source: one, destinations: ["two"], engine: native }';
const MESH = "{ id: r, mesh: [one, two, three], engine: native }";
const OLD = { versionId: "v1", lastModified: Date.UTC(2026, 0, 1) } as const;

/** S3's batch jobs: those that are said to be there, and those that were asked for. */
class MemoryBatch implements BatchReplication {
  readonly started: NewBatchJob[] = [];
  present: readonly BatchJob[] = [];
  report: readonly BatchFailure[] = [];
  reads = 0;

  async start(job: NewBatchJob): Promise<string> {
    this.started.push(job);
    return `job-${this.started.length}`;
  }

  async job(): Promise<undefined> {}

  async jobs(_: string, description: string): Promise<readonly BatchJob[]> {
    return this.present.filter((job) => job.description.startsWith(description));
  }

  async cancel(): Promise<void> {}

  async *failures(): AsyncIterable<BatchFailure> {
    this.reads++;
    yield* this.report;
  }

  close(): void {}
}

/** A config of one rule, its buckets in memory, and an AWS that has done what the test says. */
function sceneOf(rule: string, enabled: readonly string[]) {
  writeFileSync(join(directory, "replicast.yaml"), `name: acme\niam: { propagation: 10ms }\nrules:\n  - ${rule}\n`);
  const config = loadConfig({ env: {}, cwd: directory });
  const stores = new Map(Object.values(config.buckets).map(({ bucket }) => [bucket.bucket, new MemoryObjectStore(bucket)]));
  const store = (name: string) => stores.get(name) as MemoryObjectStore;
  const storeOf = ({ bucket }: Bucket) => store(bucket);
  const aws = new MemoryAws();
  const batch = new MemoryBatch();
  const state = new MemoryState({ clock: systemClock });
  const rules = enabled.map((id) => ({ id: `acme/r/aws:${id}`, status: "Enabled" }) as ReplicationRule);
  const configuration = { replication: async () => ({ role: "arn", rules }) } as unknown as ReplicationConfiguration;
  const services: Services = {
    bucket: async ({ id, name, bucket }) => ({ id, name, bucket, region: "us-east-1", partition: "aws", account: ACCOUNT }),
    configurationOf: async () => configuration,
    identityOf: async () => aws.identity(ACCOUNT),
    batchOf: async () => batch,
    metricsOf: async () => assert.fail("no rule here has metrics"),
  };
  const told: (LogFields & { readonly message: string })[] = [];
  const note = (message: string, fields: LogFields = {}) => void told.push({ ...fields, message });
  const logger = { debug: note, info: note, warn: note, error: note };
  const transfer = new MemoryTransfer(storeOf);
  const watch = new NativeWatch({ config, rules: config.rules, state, stores: { storeOf, transfer }, services, logger });
  const first = config.rules[0] as Rule;
  const sync = () => watch.sync(first, new AbortController().signal);
  const row = (from: string, to: string, key: string) => {
    const leg = config.rules.find(({ source }) => source.bucket === from) as Rule;
    const destination = leg.destinations.find(({ bucket }) => bucket.bucket === to);
    assert.ok(destination);
    return state.ledger.get(toRoute(leg, destination), key);
  };
  return { config, store, storeOf, aws, batch, state, services, told, logger, watch, first, sync, row };
}

const JOB: BatchJob = {
  id: "job-9",
  description: "replicast acme/one failed r",
  status: "RUNNING",
  total: null,
  succeeded: null,
  failed: null,
  createdAt: 0,
  endedAt: null,
  failureReasons: [],
};

describe("NativeWatch", () => {
  it("tells which pairs S3 does not have, and goes on comparing", async () => {
    const { store, watch, sync, row } = sceneOf(MESH, ["two"]);
    store("one").plant("k", OLD);
    await sync();
    const missing = watch.notApplied.map(({ source, destination, state }) => `${source} ${destination} ${state}`);
    assert.deepEqual(missing, [
      "aws:one aws:three Missing",
      "aws:two aws:one Missing",
      "aws:two aws:three Missing",
      "aws:three aws:one Missing",
    ]);
    assert.equal((await row("one", "two", "k"))?.reason, "NONE");
    assert.equal((await row("one", "three", "k"))?.reason, "NotApplied");
  });

  it("compares what answers before it tells of a bucket that does not (invariant 7)", async () => {
    const { store, state, sync, row } = sceneOf(MESH, ["one", "two", "three"]);
    store("one").plant("k", { ...OLD, replicationStatus: "REPLICA" });
    store("three").plant("k", { ...OLD, replicationStatus: "COMPLETED" });
    store("two").list = async () => {
      throw new ReplicationError("AccessDenied", "two is closed");
    };
    await assert.rejects(sync(), /two is closed/);
    assert.equal((await row("three", "one", "k"))?.status, "COMPLETED");
    assert.equal((await state.journal.syncProgress("r"))?.finishedAt, null);
  });

  it("has a job heal what fails in a mesh, with a role that it makes, and copies nothing there (invariant 6)", async () => {
    const { store, aws, batch, sync, row, config } = sceneOf(MESH, ["one", "two", "three"]);
    store("one").plant("k", { ...OLD, replicationStatus: "FAILED" });
    assert.deepEqual(await sync(), { compared: 2, adopted: 0, pending: 0, failed: 2, healed: 0 });
    assert.deepEqual([store("two").keys(), store("three").keys()], [[], []]);
    const [job] = batch.started;
    assert.equal(batch.started.length, 1);
    assert.deepEqual([job?.statuses, job?.account, job?.sourceBucketArn], [["FAILED"], ACCOUNT, "arn:aws:s3:::one"]);
    assert.ok([...aws.roles.values()].some(({ arn, path }) => arn === job?.roleArn && path === config.iam.path));
    assert.ok((await row("one", "three", "k"))?.notes.includes("healed"));
    await sync();
    assert.equal(batch.started.length, 1);
  });

  it("heals nothing while a job is at work at the source, whoever started it", async () => {
    const { store, batch, sync, row } = sceneOf(ONE_WAY, ["two"]);
    store("one").plant("k", { ...OLD, replicationStatus: "FAILED" });
    batch.present = [JOB];
    await sync();
    assert.deepEqual([(await row("one", "two", "k"))?.status, batch.started.length, store("two").keys().length], ["PENDING", 0, 0]);
    batch.present = [];
    assert.equal((await sync()).healed, 1);
    assert.deepEqual(store("two").keys(), ["k"]);
  });

  it("reads the report of an ended job once", async () => {
    const { store, batch, sync, row } = sceneOf(MESH, ["one", "two", "three"]);
    store("one").plant("k", { ...OLD, replicationStatus: "FAILED" });
    await sync();
    batch.present = [{ ...JOB, status: "COMPLETED", failed: 1, endedAt: 1 }];
    batch.report = [{ bucket: "one", key: "k", versionId: "v1", code: "403", message: "DstPutObjectNotPermitted" }];
    await sync();
    await sync();
    assert.equal(batch.reads, 1);
    const found = await row("one", "two", "k");
    assert.deepEqual([found?.status, found?.reason, found?.error?.code], ["FAILED", "DstPutObjectNotPermitted", "AccessDenied"]);
  });

  it("leaves rows FAILED with a word in the log where a job may not be started", async () => {
    const { store, batch, told, sync, row } = sceneOf(MESH, ["one", "two", "three"]);
    store("one").plant("k", { ...OLD, replicationStatus: "FAILED" });
    batch.start = async () => {
      throw new ReplicationError("AccessDenied", "CreateJob", { hint: "allow s3:CreateJob" });
    };
    await sync();
    assert.equal((await row("one", "two", "k"))?.status, "FAILED");
    const line = told.find(({ message }) => message === "what S3 gave up cannot be replicated again");
    assert.deepEqual([line?.code, line?.hint], ["AccessDenied", "allow s3:CreateJob"]);
  });

  it("goes on without what it may not see, and calls nothing missing for it", async () => {
    const { store, services, watch, sync, row } = sceneOf(ONE_WAY, []);
    const denied = async () => {
      throw new ReplicationError("AccessDenied", "no");
    };
    Object.assign(services, { configurationOf: denied, batchOf: denied });
    store("one").plant("k", OLD);
    await sync();
    assert.deepEqual(watch.notApplied, []);
    assert.equal((await row("one", "two", "k"))?.reason, "NONE");
  });

  it("notes that S3 serves the rule, so that a comparison is never taken for copy's", async () => {
    const { state, sync } = sceneOf(ONE_WAY, ["two"]);
    await sync();
    assert.equal(await state.journal.engine("r"), "native");
  });
});

describe("NativeLooks", () => {
  it("asks S3 about a rule at most once a minute, and about an object each time", async () => {
    const { config, storeOf, services, logger, state, store, first } = sceneOf(ONE_WAY, ["two"]);
    let asked = 0;
    const configurationOf: Services["configurationOf"] = (bucket) => {
      asked++;
      return services.configurationOf(bucket);
    };
    const looks = new NativeLooks({ config, storeOf, logger, ledger: state.ledger, services: { ...services, configurationOf } });
    const destination = first.destinations[0];
    assert.ok(destination);
    const facts = await looks.pair(first, destination);
    assert.deepEqual(facts, { rule: { id: "acme/r/aws:two", status: "Enabled" }, metrics: null });
    await looks.pair(first, destination);
    assert.equal(asked, 1);
    store("one").plant("k", { ...OLD, replicationStatus: "PENDING" });
    assert.equal((await looks.object(first, destination, "k"))?.replicationStatus, "PENDING");
    store("two").plant("k", { ...OLD, replicationStatus: "REPLICA" });
    const seen = await looks.object(first, destination, "k");
    assert.deepEqual([seen?.entry?.status, seen?.replicaStatus], ["COMPLETED", "REPLICA"]);
    assert.equal((await state.ledger.get(toRoute(first, destination), "k"))?.status, undefined, "a look writes nothing");
  });

  it("reads the metrics of rules that have any, and goes without where it may not", async () => {
    const { config, storeOf, services, logger, state, first } = sceneOf(ONE_WAY.replace("}", ", replicationTime: true }"), ["two"]);
    const asked: object[] = [];
    const measured = { operationsPending: 1, bytesPending: 2, operationsFailed: null, latencyMs: 3 };
    const metrics: ReplicationMetrics = {
      latest: async (rule) => {
        asked.push(rule);
        return measured;
      },
      close: () => {},
    };
    const looksWith = (metricsOf: Services["metricsOf"]) =>
      new NativeLooks({ config, storeOf, logger, ledger: state.ledger, services: { ...services, metricsOf } });
    const [destination] = first.destinations;
    assert.ok(destination);
    assert.deepEqual((await looksWith(async () => metrics).pair(first, destination)).metrics, measured);
    assert.deepEqual(asked, [{ sourceBucket: "one", destinationBucket: "two", ruleId: "acme/r/aws:two" }]);
    const denied = looksWith(async () => {
      throw new ReplicationError("AccessDenied", "no");
    });
    assert.equal((await denied.pair(first, destination)).metrics, null);
  });

  it("knows nothing of an object whose bucket does not answer", async () => {
    const { config, storeOf, services, logger, state, store, first } = sceneOf(ONE_WAY, ["two"]);
    store("two").head = async () => {
      throw new ReplicationError("AccessDenied", "no");
    };
    const looks = new NativeLooks({ config, storeOf, logger, ledger: state.ledger, services });
    const [destination] = first.destinations;
    assert.ok(destination);
    assert.equal(await looks.object(first, destination, "k"), undefined);
  });
});
