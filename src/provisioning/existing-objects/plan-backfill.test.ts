import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ACCOUNT, nativeBucket, pairOf } from "../../../test/support/native-plane.ts";
import { type ErrorCode, isReplicationError, ReplicationError } from "../../domain/error.ts";
import type { BatchJob, BatchReplication, NewBatchJob } from "../../ports/batch-replication.ts";
import type { ReplicationRule } from "../../ports/replication-configuration.ts";
import { LeapingClock } from "../../testing/leaping-clock.ts";
import { MemoryAws } from "../../testing/memory-aws.ts";
import { batchRoleNameOf } from "../names.ts";
import type { NativePair, Owner } from "../native-pair.ts";
import type { BackfillLimits, BackfillPair, CountObjects } from "./existing-objects.ts";
import { type BackfillPlan, planBackfill } from "./plan-backfill.ts";

const A = nativeBucket("a");
const B = nativeBucket("b", { region: "eu-west-1" });
const C = nativeBucket("c");
const OWNER: Owner = { name: "acme", path: "/replicast/acme/", tags: {} };
const NOW = Date.UTC(2026, 10, 21);

/** Batch jobs as S3 keeps them: one for a token, refused where the same token asks for something else. */
class MemoryBatch implements BatchReplication {
  readonly asked: NewBatchJob[] = [];
  readonly kept: BatchJob[] = [];
  refusal: ErrorCode | undefined;

  async start(job: NewBatchJob): Promise<string> {
    this.#check();
    const known = this.asked.findIndex(({ token }) => token === job.token);
    if (known >= 0 && this.asked[known]?.createdBefore !== job.createdBefore)
      throw new ReplicationError("InvalidRequest", "IdempotencyException");
    if (known >= 0) return `job-${known + 1}`;
    this.asked.push(job);
    const id = `job-${this.asked.length}`;
    const { description } = job;
    const counts = { total: null, succeeded: null, failed: null };
    this.kept.unshift({ id, description, status: "WAITING", ...counts, createdAt: NOW, endedAt: null, failureReasons: [] });
    return id;
  }

  /** What has become of the newest job. */
  end(status: BatchJob["status"], failed = 0): void {
    const [newest] = this.kept;
    assert.ok(newest);
    this.kept[0] = { ...newest, status, failed, total: 2, succeeded: 2 - failed, endedAt: NOW };
  }

  async job(_account: string, id: string): Promise<BatchJob | undefined> {
    return this.kept.find((job) => job.id === id);
  }

  async jobs(account: string, start: string): Promise<readonly BatchJob[]> {
    this.#check();
    assert.equal(account, ACCOUNT);
    return this.kept.filter(({ description }) => description.startsWith(start));
  }

  async cancel(): Promise<void> {}
  async *failures(): AsyncIterable<never> {}
  close(): void {}

  #check(): void {
    if (this.refusal !== undefined) throw new ReplicationError(this.refusal, "no jobs for you", { hint: "allow s3:ListJobs" });
  }
}

interface World {
  readonly aws: MemoryAws;
  readonly batch: MemoryBatch;
}

function worldOf(objects: Readonly<Record<string, { readonly bytes: number }>> = { "x/1": { bytes: 1000 }, "y/1": { bytes: 500 } }): World {
  const aws = new MemoryAws();
  aws.addBucket("a", { objects, versioning: "Enabled" });
  return { aws, batch: new MemoryBatch() };
}

interface Wish {
  readonly created?: readonly NativePair[];
  readonly starts?: boolean;
  readonly owner?: Owner;
  readonly count?: CountObjects;
}

function existing(pair: NativePair, limits: BackfillLimits = {}): BackfillPair {
  return { pair, includesExisting: true, limits };
}

function without(pair: NativePair): BackfillPair {
  return { pair, includesExisting: false, limits: {} };
}

function planOf({ aws, batch }: World, pairs: readonly BackfillPair[], wish: Wish = {}): Promise<BackfillPlan> {
  const { created = [], starts = true, owner = OWNER } = wish;
  const configuration = aws.configuration("a", ACCOUNT, A.region);
  const ports = {
    configurationOf: async () => configuration,
    identityOf: async () => aws.identity(ACCOUNT),
    clock: new LeapingClock(NOW),
    batchOf: async () => batch,
    count: wish.count ?? ((_, prefix) => configuration.count(prefix, { maxPages: 1 })),
  };
  return planBackfill({ owner, pairs, created, starts, propagationMs: 0 }, ports);
}

async function make({ steps }: BackfillPlan): Promise<void> {
  for (const step of steps) await step.make();
}

function rule(id: string, prefix = ""): ReplicationRule {
  return {
    id,
    status: "Enabled",
    priority: 1,
    prefix,
    tags: {},
    deleteMarkerReplication: false,
    replicaModifications: false,
    kmsEncryptedObjects: false,
    destination: { bucketArn: "arn:aws:s3:::elsewhere", ownerOverride: false, replicationTime: false },
  };
}

function withRules({ aws }: World, ...rules: readonly ReplicationRule[]): void {
  const bucket = aws.buckets.get("a");
  assert.ok(bucket);
  bucket.document = { role: "arn:aws:iam::111111111111:role/r", rules };
}

describe("what was there before a native rule", () => {
  it("is counted and priced for new rules, and nothing is started that nobody asked for", async () => {
    const world = worldOf();
    const pair = pairOf(A, B);
    const plan = await planOf(world, [existing(pair)], { created: [pair], starts: false });
    assert.deepEqual(plan.steps, []);
    assert.deepEqual(plan.existing, [
      { rule: "photos", source: "aws:a", destination: "aws:b", objects: 2, bytes: 1500, isWhole: true, cost: plan.existing[0]?.cost },
    ]);
    assert.match(plan.notes.join(), /aws:a has 2 existing objects \(1\.5 kB, about \$0\.25\) for aws:b: apply --backfill/);
    assert.deepEqual(await planOf(world, [existing(pair)], { starts: false }), { steps: [], problems: [], notes: [], existing: [] });
    assert.deepEqual([world.batch.asked, world.aws.mutations], [[], []]);
  });

  it("is replicated by one job a source, with a role of its own and only objects that no rule has replicated", async () => {
    const world = worldOf();
    const pairs = [pairOf(A, B, { prefix: "x/" }), pairOf(A, C, { rule: "all-of-y", prefix: "y/" })];
    const plan = await planOf(
      world,
      pairs.map((pair) => existing(pair)),
      { created: pairs },
    );
    assert.deepEqual(
      plan.steps.flatMap(({ changes }) => changes.map(({ action, type }) => `${action} ${type}`)),
      ["create role", "create policy", "create backfill"],
    );
    assert.deepEqual(plan.problems, []);
    await make(plan);
    const [job, ...more] = world.batch.asked;
    assert.ok(job);
    assert.deepEqual(more, []);
    const { description, token, ...rest } = job;
    const role = world.aws.roles.get(`${ACCOUNT} ${batchRoleNameOf(OWNER, A)}`);
    assert.deepEqual(rest, {
      account: ACCOUNT,
      sourceBucketArn: "arn:aws:s3:::a",
      roleArn: role?.arn,
      statuses: ["NONE", "FAILED"],
      createdBefore: NOW,
      prefixes: ["x/", "y/"],
      report: { bucketArn: "arn:aws:s3:::a", prefix: ".replicast/batch" },
      priority: 10,
      tags: { "replicast:name": "acme", "replicast:purpose": "existing" },
    });
    assert.match(description, /^replicast acme\/a existing [0-9a-f]{12}$/);
    assert.match(token, /^[0-9a-f]{64}$/);
    assert.match(JSON.stringify(role?.trust), /batchoperations\.s3\.amazonaws\.com/);
  });

  it("is not asked for twice while a job runs, nor after it did everything", async () => {
    const world = worldOf();
    const pairs = [existing(pairOf(A, B))];
    await make(await planOf(world, pairs));
    const mutations = world.aws.mutations.length;
    for (const end of [() => {}, () => world.batch.end("RUNNING"), () => world.batch.end("COMPLETED")]) {
      end();
      const plan = await planOf(world, pairs);
      assert.deepEqual(plan.steps, []);
      assert.match(plan.notes.join(), /existing objects of aws:a (are being|have been) replicated by job job-1/);
    }
    assert.equal(world.batch.asked.length, 1);
    assert.equal(world.aws.mutations.length, mutations);
  });

  it("is asked for again after a job that failed or left something, and for a rule that is new again", async () => {
    const pair = pairOf(A, B);
    for (const [status, failed, created] of [
      ["COMPLETED", 1, []],
      ["FAILED", 0, []],
      ["CANCELLED", 0, []],
      ["COMPLETED", 0, [pair]],
    ] as const) {
      const world = worldOf();
      await make(await planOf(world, [existing(pair)]));
      world.batch.end(status, failed);
      await make(await planOf(world, [existing(pair)], { created }));
      const tokens = world.batch.asked.map(({ token }) => token);
      assert.equal(new Set(tokens).size, 2, status);
    }
  });

  it("an object for two destinations is counted once in the job, and paid for twice", async () => {
    const plan = await planOf(worldOf(), [existing(pairOf(A, B)), existing(pairOf(A, C, { prefix: "x/" }))]);
    const detail = plan.steps.flatMap(({ changes }) => changes.filter(({ type }) => type === "backfill"))[0]?.detail;
    assert.deepEqual([detail?.["objects"], detail?.["bytes"], detail?.["isWhole"]], [2, 1500, true]);
    assert.equal(detail?.["cost"], (plan.existing[0]?.cost ?? 0) + (plan.existing[1]?.cost ?? 0));
    const hidden = (_: unknown, prefix: string) =>
      prefix === "" ? Promise.reject(new ReplicationError("AccessDenied", "no")) : Promise.resolve({ objects: 1, bytes: 1, isWhole: true });
    const unseen = await planOf(worldOf(), [existing(pairOf(A, B))], { count: hidden });
    assert.equal(unseen.steps[0]?.changes.at(-1)?.detail["objects"], null, "what is not known is null, never 0");
  });

  it("two applies at once start one job", async () => {
    const world = worldOf();
    const plans = [await planOf(world, [existing(pairOf(A, B))]), await planOf(world, [existing(pairOf(A, B))])];
    for (const plan of plans) await make(plan);
    assert.equal(world.batch.asked.length, 1);
    const late = worldOf();
    const kept = late.batch.kept;
    const plan = await planOf(late, [existing(pairOf(A, B))]);
    await make(await planOf(late, [existing(pairOf(A, B))]));
    // The other's job is not in the first listing yet, and its token is in the second's way.
    const [job] = kept.splice(0);
    const original = late.batch.start.bind(late.batch);
    late.batch.start = async (asked) => {
      assert.ok(job);
      kept.push(job);
      return original({ ...asked, createdBefore: NOW + 1 });
    };
    await make(plan);
    assert.equal(late.batch.asked.length, 1);
  });

  it("a job that is refused is an error, not a job", async () => {
    const world = worldOf();
    const plan = await planOf(world, [existing(pairOf(A, B))]);
    world.batch.start = () => Promise.reject(new ReplicationError("AccessDenied", "no"));
    await assert.rejects(make(plan), (error) => isReplicationError(error) && error.code === "AccessDenied");
  });

  it("rules with existingObjects: false are left out by their prefix, and keep out what shares their keys", async () => {
    const world = worldOf();
    const apart = await planOf(world, [existing(pairOf(A, B, { prefix: "x/" })), without(pairOf(A, C, { rule: "no", prefix: "y/" }))]);
    await make(apart);
    assert.deepEqual(world.batch.asked[0]?.prefixes, ["x/"]);
    const [change] = apart.steps.flatMap(({ changes }) => changes.filter(({ type }) => type === "backfill"));
    assert.deepEqual([change?.id, change?.detail["objects"], change?.detail["bytes"]], ["aws:a", 1, 1000]);
    const shared = await planOf(worldOf(), [existing(pairOf(A, B, { prefix: "x/" })), without(pairOf(A, C, { rule: "no" }))]);
    assert.deepEqual(shared.steps, []);
    assert.match(shared.notes.join(), /would replicate them to aws:c too, which rule no does not want/);
  });

  it("objects that another rule for the same keys has replicated are taken too, and others' rules are named", async () => {
    const world = worldOf();
    withRules(world, rule("acme/photos/b"), rule("theirs", "x/deep/"), rule("apart", "z/"));
    const pair = pairOf(A, B, { prefix: "x/" });
    const plan = await planOf(world, [existing(pair)]);
    assert.equal(plan.notes.length, 1);
    assert.match(plan.notes[0] ?? "", /by the rule "theirs" of others too, to arn:aws:s3:::elsewhere/);
    await make(plan);
    assert.deepEqual(world.batch.asked[0]?.statuses, ["NONE", "FAILED", "COMPLETED"]);
    const alone = worldOf();
    withRules(alone, rule("acme/photos/b"), { ...rule("off"), status: "Disabled" });
    await make(await planOf(alone, [existing(pair)]));
    assert.deepEqual(alone.batch.asked[0]?.statuses, ["NONE", "FAILED"]);
  });

  it("more than the config allows stands in the way of everything, also where it was not counted to the end", async () => {
    const codesOf = async (limits: BackfillLimits, wish: Wish = {}) =>
      (await planOf(worldOf(), [existing(pairOf(A, B), limits)], wish)).problems.map(({ code }) => code);
    assert.deepEqual(await codesOf({ maxObjects: 1 }), ["CostAboveLimit"]);
    assert.deepEqual(await codesOf({ maxCost: 0.2 }), ["CostAboveLimit"]);
    assert.deepEqual(await codesOf({ maxObjects: 2, maxCost: 0.3 }), []);
    const partly = async () => ({ objects: 10, bytes: 1, isWhole: false });
    assert.deepEqual(await codesOf({ maxObjects: 1000 }, { count: partly }), ["CostAboveLimit"]);
    assert.deepEqual(await codesOf({}, { count: partly }), []);
    const hidden = () => Promise.reject(new ReplicationError("AccessDenied", "no"));
    assert.deepEqual(await codesOf({ maxCost: 5 }, { count: hidden }), ["CostAboveLimit"]);
    const told = await planOf(worldOf(), [existing(pairOf(A, B), { maxObjects: 1 })], { starts: false, created: [pairOf(A, B)] });
    assert.deepEqual(told.problems, []);
    assert.match(told.notes.join(), /more than existingObjects of the rule allows/);
  });

  it("where S3 has no jobs a person is told, and of copies into leaves alone", async () => {
    for (const refusal of ["AccessDenied", "NotImplemented"] as const) {
      const world = worldOf();
      world.batch.refusal = refusal;
      const D = nativeBucket("d");
      const leaves = [pairOf(A, C, { prefix: "x/" }), pairOf(A, D, { storageClass: "GLACIER" })];
      const two = [pairOf(A, B, { isTwoWay: true }), pairOf(B, A, { isTwoWay: true }), ...leaves];
      const plan = await planOf(
        world,
        two.map((pair) => (pair.source === A ? existing(pair) : without(pair))),
      );
      assert.deepEqual([plan.steps, plan.problems], [[], []]);
      assert.match(plan.notes[0] ?? "", /cannot be replicated by an S3 batch job: no jobs for you \(allow s3:ListJobs\)/);
      assert.match(plan.notes[1] ?? "", /to aws:b by no other way: S3 would replicate copies on$/);
      assert.match(plan.notes[2] ?? "", /to aws:c by: replicast sync aws:a@us-east-1\/x\/ aws:c@us-east-1$/);
      assert.match(plan.notes[3] ?? "", /to aws:d by no other way: .* its storage class$/);
    }
    const broken = worldOf();
    broken.batch.refusal = "SlowDown";
    await assert.rejects(planOf(broken, [existing(pairOf(A, B))]), (error) => isReplicationError(error) && error.code === "SlowDown");
  });

  it("of an empty bucket, a disabled rule and a bucket still to be made there is none", async () => {
    const empty = await planOf(worldOf({}), [existing(pairOf(A, B))]);
    assert.deepEqual([empty.steps, empty.notes], [[], []]);
    const disabled = await planOf(worldOf(), [existing(pairOf(A, B, { enabled: false }))]);
    assert.deepEqual(disabled.steps, []);
    const missing = worldOf();
    missing.aws.buckets.clear();
    assert.deepEqual((await planOf(missing, [existing(pairOf(A, B))])).steps, []);
  });

  it("with a role of one's own none is made, and what it needs is told", async () => {
    const world = worldOf();
    const own = "arn:aws:iam::111111111111:role/own";
    const plan = await planOf(world, [existing(pairOf(A, B))], { owner: { ...OWNER, roleArn: own } });
    assert.match(plan.notes.join(), /own must be assumable by batchoperations\.s3\.amazonaws\.com too .*s3:InitiateReplication/);
    await make(plan);
    assert.equal(world.batch.asked[0]?.roleArn, own);
    assert.deepEqual(world.aws.mutations, []);
  });
});
