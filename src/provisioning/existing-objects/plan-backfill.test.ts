import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ACCOUNT, nativeBucket, OTHER_ACCOUNT, pairOf } from "../../../test/support/native-plane.ts";
import { type ErrorCode, isReplicationError, ReplicationError } from "../../domain/error.ts";
import type { BatchJob, BatchReplication, NewBatchJob } from "../../ports/batch-replication.ts";
import type { ReplicationRule } from "../../ports/replication-configuration.ts";
import { LeapingClock } from "../../testing/leaping-clock.ts";
import { MemoryAws } from "../../testing/memory-aws.ts";
import { batchRoleNameOf } from "../names.ts";
import type { NativeBucket, NativePair, Owner } from "../native-pair.ts";
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
  /** Jobs may be looked at, not started. */
  startRefusal: ErrorCode | undefined;

  async start(job: NewBatchJob): Promise<string> {
    this.#check();
    if (this.startRefusal !== undefined) throw new ReplicationError(this.startRefusal, "no job for you", { hint: "allow s3:CreateJob" });
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
  readonly refusals: Map<string, string>;
}

const OBJECTS: Readonly<Record<string, { readonly bytes: number }>> = { "x/1": { bytes: 1000 }, "y/1": { bytes: 500 } };

function worldOf(objects = OBJECTS): World {
  const aws = new MemoryAws();
  aws.addBucket("a", { objects, versioning: "Enabled" });
  for (const name of ["b", "c", "d"]) aws.addBucket(name, { versioning: "Enabled" });
  return { aws, batch: new MemoryBatch(), refusals: new Map() };
}

interface Wish {
  readonly created?: readonly NativePair[];
  readonly starts?: boolean;
  readonly owner?: Owner;
  readonly count?: CountObjects;
  /** Account of the credentials. */
  readonly caller?: string;
}

function existing(pair: NativePair, limits: BackfillLimits = {}): BackfillPair {
  return { pair, includesExisting: true, limits };
}

function without(pair: NativePair): BackfillPair {
  return { pair, includesExisting: false, limits: {} };
}

function planOf({ aws, batch, refusals }: World, pairs: readonly BackfillPair[], wish: Wish = {}): Promise<BackfillPlan> {
  const { created = [], starts = true, owner = OWNER, caller = ACCOUNT } = wish;
  const configurationOf = async ({ bucket, region }: NativeBucket) => aws.configuration(bucket, caller, region);
  const ports = {
    configurationOf,
    identityOf: async () => aws.identity(caller),
    clock: new LeapingClock(NOW),
    batchOf: async () => batch,
    count: wish.count ?? (async (source: NativeBucket, prefix: string) => (await configurationOf(source)).count(prefix, { maxPages: 1 })),
    refusals,
  };
  const sources = new Set(pairs.map(({ pair }) => pair.source.id));
  return planBackfill({ owner, pairs, sources, created, starts, propagationMs: 0 }, ports);
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

function withRules(world: World, ...rules: readonly ReplicationRule[]): void {
  withRulesAt(world, "a", ...rules);
}

function withRulesAt({ aws }: World, name: string, ...rules: readonly ReplicationRule[]): void {
  const bucket = aws.buckets.get(name);
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
      {
        rule: "photos",
        source: "aws:a",
        destination: "aws:b",
        objects: 2,
        bytes: 1500,
        isWhole: true,
        cost: plan.existing[0]?.cost,
        way: "job",
        why: "S3's batch jobs can be used",
      },
    ]);
    assert.match(
      plan.notes.join(),
      /aws:a has 2 existing objects \(1\.5 kB, about \$0\.25\) for aws:b: apply --backfill has S3 replicate them by a batch job/,
    );
    const none = { steps: [], problems: [], notes: [], existing: [], copies: [] };
    assert.deepEqual(await planOf(world, [existing(pair)], { starts: false }), none);
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

  it("a job that S3 refuses to start is planned no second time: its objects are copied", async () => {
    for (const refusal of ["AccessDenied", "NotImplemented"] as const) {
      const world = worldOf();
      world.batch.startRefusal = refusal;
      const planned = await planOf(world, [existing(pairOf(A, B))]);
      assert.deepEqual(planned.copies, []);
      await assert.rejects(make(planned), (error) => isReplicationError(error) && error.code === "PreconditionFailed");
      const anew = await planOf(world, [existing(pairOf(A, B))]);
      assert.deepEqual([anew.steps, anew.copies.length], [[], 1]);
      assert.match(anew.existing[0]?.why ?? "", /no job for you \(allow s3:CreateJob\)/);
    }
  });

  it("a start that got no answer is an error: there may be a job", async () => {
    const world = worldOf();
    world.batch.startRefusal = "StoreUnreachable";
    const plan = await planOf(world, [existing(pairOf(A, B))]);
    await assert.rejects(make(plan), (error) => isReplicationError(error) && error.code === "StoreUnreachable");
    assert.equal(world.refusals.size, 0);
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
    assert.deepEqual(
      shared.copies.map(({ destinationId }) => destinationId),
      ["b"],
    );
    assert.match(
      shared.notes.join(),
      /copies them itself, because S3's job would replicate them to aws:c too, which rule no does not want/,
    );
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

  it("where S3 has no jobs objects are copied into leaves, with all that the rule says of them, and nothing is a change", async () => {
    for (const refusal of ["AccessDenied", "NotImplemented", "StoreUnreachable"] as const) {
      const world = worldOf();
      world.batch.refusal = refusal;
      const D = nativeBucket("d");
      const pairs = [existing(pairOf(A, C, { prefix: "x/" })), existing(pairOf(A, D, { storageClass: "GLACIER", tags: { dr: "yes" } }))];
      const plan = await planOf(world, pairs);
      assert.deepEqual([plan.steps, plan.problems], [[], []]);
      assert.deepEqual(
        plan.copies,
        ["c", "d"].map((destinationId) => ({ rule: "photos", sourceId: A.id, destinationId, takesCompleted: false })),
      );
      const why = "S3's batch jobs cannot be used: no jobs for you (allow s3:ListJobs)";
      assert.deepEqual(
        plan.existing.map((one) => [one.way, one.why]),
        [
          ["copy", why],
          ["copy", why],
        ],
      );
      assert.match(
        plan.notes[0] ?? "",
        /^rule photos: aws:a has 1 existing object \(1 kB, .*\) for aws:c: apply --backfill copies them itself, because S3/,
      );
      assert.deepEqual([world.batch.asked, world.aws.mutations], [[], []]);
    }
    const broken = worldOf();
    broken.batch.refusal = "SlowDown";
    await assert.rejects(planOf(broken, [existing(pairOf(A, B))]), (error) => isReplicationError(error) && error.code === "SlowDown");
  });

  it("where nobody asked for it, jobs that cannot be looked at keep no rules from being applied", async () => {
    const world = worldOf();
    world.batch.refusal = "SlowDown";
    const pair = pairOf(A, B);
    const plan = await planOf(world, [existing(pair)], { created: [pair], starts: false });
    assert.deepEqual([plan.copies, plan.existing[0]?.way], [[], "copy"]);
  });

  it("copies take what S3 calls COMPLETED only where another rule stands for the same keys", async () => {
    const copies = async (...rules: readonly ReplicationRule[]) => {
      const world = worldOf();
      world.batch.refusal = "NotImplemented";
      withRules(world, ...rules);
      return (await planOf(world, [existing(pairOf(A, B, { prefix: "x/" }))])).copies.map(({ takesCompleted }) => takesCompleted);
    };
    assert.deepEqual(await copies(rule("acme/photos/b")), [false]);
    assert.deepEqual(await copies(rule("acme/photos/b"), rule("apart", "z/"), { ...rule("off"), status: "Disabled" }), [false]);
    assert.deepEqual(await copies(rule("acme/photos/b"), rule("theirs", "x/deep/")), [true]);
  });

  it("nothing is copied to where it would be carried on, or be another's than the rule says; why, and what is safe, is told", async () => {
    const plan = async (pairs: readonly BackfillPair[], wish: Wish = {}, prepare: (world: World) => void = () => {}) => {
      const world = worldOf();
      world.batch.refusal = "NotImplemented";
      prepare(world);
      const { copies, existing: told, notes, steps } = await planOf(world, pairs, wish);
      assert.deepEqual(steps, []);
      return { copies, ways: told.map(({ way }) => way), notes };
    };
    const meshed = await plan([existing(pairOf(A, B, { isTwoWay: true })), without(pairOf(B, A, { isTwoWay: true }))]);
    assert.deepEqual([meshed.copies, meshed.ways], [[], [null]]);
    assert.match(
      meshed.notes[0] ?? "",
      /cannot bring them over, because .*; and aws:b is a source too, from which copies would be carried on/,
    );
    assert.match(meshed.notes[0] ?? "", /safe while nothing is replicated from aws:b, .*: replicast sync aws:a@us-east-1 aws:b@eu-west-1$/);

    const theirs = await plan([existing(pairOf(A, B))], {}, (world) => withRulesAt(world, "b", rule("theirs", "x/")));
    assert.match(theirs.notes[0] ?? "", /the rule "theirs" at aws:b would have S3 carry copies on/);
    const apart = await plan([existing(pairOf(A, B, { prefix: "y/" }))], {}, (world) => withRulesAt(world, "b", rule("theirs", "x/")));
    assert.equal(apart.copies.length, 1);

    const hidden = await plan([existing(pairOf(A, B, { tags: { dr: "yes" } }))], {}, ({ aws }) => {
      aws.addBucket("b", { account: OTHER_ACCOUNT });
    });
    assert.match(
      hidden.notes[0] ?? "",
      /may not be seen whether S3 carries copies on from aws:b \(allow s3:GetReplicationConfiguration on it\)$/,
    );

    const owned = pairOf(A, nativeBucket("b", { account: OTHER_ACCOUNT }), { ownerOverride: true });
    const foreign = await plan([existing(owned)]);
    assert.match(
      foreign.notes[0] ?? "",
      new RegExp(`copies would belong to account ${ACCOUNT}, not to ${OTHER_ACCOUNT} as the rule says$`),
    );
    assert.equal((await plan([existing({ ...owned, destination: B })])).copies.length, 1, "by the account itself");
  });

  it("limits hold for copies too, which cost no job", async () => {
    const planned = async (limits: BackfillLimits) => {
      const world = worldOf();
      world.batch.refusal = "NotImplemented";
      return planOf(world, [existing(pairOf(A, B), limits)]);
    };
    assert.deepEqual(
      (await planned({ maxObjects: 1 })).problems.map(({ code }) => code),
      ["CostAboveLimit"],
    );
    const cheap = await planned({ maxCost: 0.2 });
    assert.deepEqual([cheap.problems, cheap.copies.length], [[], 1]);
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
