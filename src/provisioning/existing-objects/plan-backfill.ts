import { isReplicationError } from "../../domain/error.ts";
import { groupBy } from "../../lib/group-by.ts";
import type { BatchJob, BatchReplication, NewBatchJob } from "../../ports/batch-replication.ts";
import type { ReplicationRule } from "../../ports/replication-configuration.ts";
import { allOf } from "../all-of.ts";
import type { ExistingObjects, Plan, PlannedChange, Step } from "../change.ts";
import { batchRoleNameOf, isOwnedId, ROLE_POLICY, ruleIdOf } from "../names.ts";
import type { NativePorts } from "../native/wish.ts";
import type { NativeBucket, NativePair, Owner } from "../native-pair.ts";
import { batchPolicy, batchTrust, isSamePolicy } from "../policies/role-policy.ts";
import { seen, visible } from "../seen.ts";
import {
  type BackfillWork,
  backfillDescription,
  backfillToken,
  batchJobsOf,
  batchReport,
  isUnderWay,
  newBackfillJob,
  outermost,
} from "./batch-job.ts";
import { ensureBatchRole } from "./batch-role.ts";
import {
  type BackfillPair,
  type CountedPair,
  type CountObjects,
  countPair,
  existingText,
  isNothing,
  limitProblems,
} from "./existing-objects.ts";

export interface BackfillWish {
  readonly owner: Owner;
  /** Of all native rules. */
  readonly pairs: readonly BackfillPair[];
  /** Those whose rule does not stand yet. */
  readonly created: readonly NativePair[];
  /** Jobs are to be started; otherwise it is told what they would be about. */
  readonly starts: boolean;
  /** How long IAM is given before a role is used; milliseconds. */
  readonly propagationMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface BackfillPorts extends Pick<NativePorts, "configurationOf" | "identityOf" | "clock"> {
  /** Jobs of the bucket's region. */
  readonly batchOf: (bucket: NativeBucket) => Promise<BatchReplication>;
  readonly count: CountObjects;
}

export type BackfillPlan = Pick<Plan, "steps" | "problems" | "notes"> & { readonly existing: readonly ExistingObjects[] };

const NOTHING: BackfillPlan = { steps: [], problems: [], notes: [], existing: [] };

/**
 * Plans what S3 replicates of what was there before the rules: one batch job a source, and only where that was asked for; otherwise what there
 * is, of rules that are new. A source whose job runs, or has replicated everything, gets no second one for the same rules.
 */
export async function planBackfill(wish: BackfillWish, ports: BackfillPorts): Promise<BackfillPlan> {
  const enabled = wish.pairs.filter(({ pair }) => pair.enabled);
  const sources = [...groupBy(enabled, ({ pair }) => pair.source.id).values()];
  const plans = await allOf(sources, (pairs) => planSource(pairs, wish, ports));
  return {
    steps: plans.flatMap(({ steps }) => steps),
    problems: plans.flatMap(({ problems }) => problems),
    notes: plans.flatMap(({ notes }) => notes),
    existing: plans.flatMap(({ existing }) => existing),
  };
}

async function planSource(pairs: readonly BackfillPair[], wish: BackfillWish, ports: BackfillPorts): Promise<BackfillPlan> {
  const asked = pairs.filter(({ pair, includesExisting }) => includesExisting && (wish.starts || isCreated(pair, wish)));
  const [first] = asked;
  if (first === undefined) return NOTHING;
  const blocked = asked.filter((one) => blockerOf(one, pairs) !== undefined);
  const open = await allOf(
    asked.filter((one) => !blocked.includes(one)),
    (one) => countPair(one, ports.count),
  );
  const notes = blocked.map((one) => blockedNote(one, blockerOf(one, pairs)));
  const told = { ...NOTHING, notes, existing: open.map(({ existing }) => existing) };
  const filled = open.filter((one) => !isNothing(one));
  if (filled.length === 0) return told;
  if (!wish.starts) return { ...told, notes: [...notes, ...filled.map(offer)] };
  const plan = await planJob({ source: first.pair.source, open, filled }, wish, ports);
  return { ...plan, existing: told.existing, notes: [...notes, ...plan.notes] };
}

interface Asked {
  readonly source: NativeBucket;
  readonly open: readonly CountedPair[];
  /** Those of them that there are any objects for. */
  readonly filled: readonly CountedPair[];
}

async function planJob(asked: Asked, wish: BackfillWish, ports: BackfillPorts): Promise<Omit<BackfillPlan, "existing">> {
  const { source, open, filled } = asked;
  const { owner } = wish;
  const work = { name: owner.name, source, ruleIds: open.map(({ pair }) => idOf(pair, wish)) };
  const jobs = await usable(async () => (await ports.batchOf(source)).jobs(source.account, batchJobsOf(owner.name, source)));
  if ("unusable" in jobs) return { ...NOTHING, notes: instead(asked, jobs.unusable, wish) };
  const done = doneNote(
    work,
    jobs.value,
    open.some(({ pair }) => isCreated(pair, wish)),
  );
  if (done !== undefined) return { ...NOTHING, notes: [done] };
  const problems = filled.flatMap(limitProblems);
  const others = await otherRules(asked, wish, ports);
  const role = await planBatchRole(source, owner, ports);
  const step = { changes: [...role.changes, backfillChange(asked, work)], make: () => startJob({ asked, work, others }, wish, ports) };
  const notes = [...role.notes, ...others.filter(({ id }) => !isOwnedId(owner.name, id)).map((rule) => sharedNote(source, rule))];
  return { steps: [step], problems, notes };
}

interface Started {
  readonly asked: Asked;
  readonly work: BackfillWork;
  readonly others: readonly ReplicationRule[];
}

/** Whoever is second finds the first one's job. */
async function startJob({ asked, work, others }: Started, wish: BackfillWish, ports: BackfillPorts): Promise<void> {
  const { source, open } = asked;
  const { owner, propagationMs, signal } = wish;
  const batch = await ports.batchOf(source);
  const known = () => batch.jobs(source.account, batchJobsOf(owner.name, source));
  const isRunning = (jobs: readonly BatchJob[]) => jobs.some((job) => job.description === backfillDescription(work) && isUnderWay(job));
  const before = await known();
  if (isRunning(before)) return;
  const identity = await ports.identityOf(source);
  const roleArn = await ensureBatchRole({ owner, source, identity, clock: ports.clock, propagationMs, signal });
  const job = newBackfillJob(work, {
    roleArn,
    statuses: statusesOf(others),
    // What is written from now on is replicated by the rules themselves.
    createdBefore: ports.clock.now(),
    prefixes: open.map(({ pair }) => pair.prefix),
    token: backfillToken(work, before),
  });
  try {
    await batch.start(job);
  } catch (error) {
    // The token is somebody else's who was faster by a moment, and whose job differs in the time.
    if (!isRunning(await known())) throw error;
  }
}

/** An object that one rule has replicated is COMPLETED, also where another rule for the same keys came later and has not seen it. */
function statusesOf(others: readonly ReplicationRule[]): NewBatchJob["statuses"] {
  return others.length === 0 ? ["NONE", "FAILED"] : ["NONE", "FAILED", "COMPLETED"];
}

/** Rules that stand already at the source and are for some of the same keys: a job replicates by all rules of a bucket. */
async function otherRules({ source, open }: Asked, wish: BackfillWish, ports: BackfillPorts): Promise<readonly ReplicationRule[]> {
  const document = visible(await seen(async () => (await ports.configurationOf(source)).replication()));
  const rules = (document?.rules ?? []).filter(({ status }) => status === "Enabled");
  const isOther = (rule: ReplicationRule) => open.some(({ pair }) => overlap(pair.prefix, rule.prefix) && idOf(pair, wish) !== rule.id);
  return rules.filter(isOther);
}

/** What the role of the jobs lacks, as far as it may be seen; the job's own step makes it. */
async function planBatchRole(source: NativeBucket, owner: Owner, ports: BackfillPorts): Promise<RoleChanges> {
  const [trust, policy] = [batchTrust(), batchPolicy({ source, report: batchReport(source) })];
  if (owner.roleArn !== undefined) {
    const note = `for existing objects ${owner.roleArn} must be assumable by batchoperations.s3.amazonaws.com too and allow ${JSON.stringify(policy)}`;
    return { changes: [], notes: [note] };
  }
  const name = batchRoleNameOf(owner, source);
  const role = visible(await seen(async () => (await ports.identityOf(source)).role(name)));
  const arn = role?.arn ?? `arn:${source.partition}:iam::${source.account}:role${owner.path}${name}`;
  const changes: PlannedChange[] = [];
  if (role === undefined)
    changes.push({ action: "create", type: "role", id: arn, detail: { name, path: owner.path, source: source.name } });
  else if (!isSamePolicy(role.trust, trust)) changes.push({ action: "update", type: "role", id: arn, detail: { name, trust } });
  const known = role?.policies[ROLE_POLICY];
  if (known === undefined || !isSamePolicy(known, policy))
    changes.push({
      action: known === undefined ? "create" : "update",
      type: "policy",
      id: `${arn}/${ROLE_POLICY}`,
      detail: { role: arn, policy },
    });
  return { changes, notes: [] };
}

interface RoleChanges {
  readonly changes: Step["changes"];
  readonly notes: readonly string[];
}

function backfillChange({ source, open, filled }: Asked, work: BackfillWork): PlannedChange {
  // An object for several destinations is one object of the job.
  const prefixes = outermost(filled.map(({ pair }) => pair.prefix));
  const apart = prefixes.flatMap((prefix) => filled.find(({ pair }) => pair.prefix === prefix) ?? []);
  const detail = {
    source: source.name,
    destinations: open.map(({ pair }) => pair.destination.name),
    rules: work.ruleIds,
    objects: sum(apart, ({ existing }) => existing.objects),
    bytes: sum(apart, ({ existing }) => existing.bytes),
    isWhole: filled.every(({ existing }) => existing.isWhole),
    cost: sum(filled, ({ existing }) => existing.cost),
    description: backfillDescription(work),
  };
  return { action: "create", type: "backfill", id: source.name, detail };
}

/** Null where any of them is not known. */
function sum(counted: readonly CountedPair[], of: (one: CountedPair) => number | null): number | null {
  const numbers = counted.map(of).filter((number) => number !== null);
  return numbers.length < counted.length ? null : numbers.reduce((total, number) => total + number, 0);
}

/** A job that runs, or has done everything, is not started again; new rules have something left to do in any case. */
function doneNote(work: BackfillWork, jobs: readonly BatchJob[], isNew: boolean): string | undefined {
  const [latest] = jobs.filter(({ description }) => description === backfillDescription(work));
  const of = `existing objects of ${work.source.name}`;
  if (latest === undefined) return undefined;
  if (isUnderWay(latest)) return `${of} are being replicated by job ${latest.id}`;
  const isDone = latest.status === "COMPLETED" && latest.failed === 0;
  return isDone && !isNew ? `${of} have been replicated by job ${latest.id}` : undefined;
}

type Usable<T> = { readonly value: T } | { readonly unusable: string };

/** Not every account may start jobs, and not everything that speaks S3 has them. */
async function usable<T>(ask: () => Promise<T>): Promise<Usable<T>> {
  try {
    return { value: await ask() };
  } catch (error) {
    if (!isReplicationError(error) || !UNUSABLE.has(error.code)) throw error;
    return { unusable: error.hint === undefined ? error.message : `${error.message} (${error.hint})` };
  }
}

const UNUSABLE: ReadonlySet<string> = new Set(["AccessDenied", "NotImplemented", "StoreUnreachable"]);

/** Copies are no harm where S3 replicates nothing on: there they cannot be taken for what a client wrote. */
function instead({ source, filled }: Asked, why: string, wish: BackfillWish): readonly string[] {
  const about = `existing objects of ${source.name}`;
  const ways = filled.map(({ pair }) => `${about} get to ${pair.destination.name} ${wayOf(pair, wish)}`);
  return [`${about} cannot be replicated by an S3 batch job: ${why}`, ...ways];
}

function wayOf(pair: NativePair, { pairs }: BackfillWish): string {
  const { source, destination, prefix } = pair;
  if (pairs.some((other) => other.pair.source.id === destination.id)) return "by no other way: S3 would replicate copies on";
  const lost = plainCopyLoses(pair);
  if (lost !== undefined) return `by no other way: a plain copy knows nothing of its ${lost}`;
  const from = `${spelled(source)}${prefix === "" ? "" : `/${prefix}`}`;
  return `by: replicast sync ${quoted(from)} ${quoted(spelled(destination))}`;
}

/** What the rule says of replicas and `sync` between two buckets does not know. */
function plainCopyLoses({ tags, storageClass, replicaKmsKeyId, ownerOverride }: NativePair): string | undefined {
  if (Object.keys(tags).length > 0) return "filter by tags";
  if (storageClass !== undefined) return "storage class";
  if (replicaKmsKeyId !== undefined) return "encryption";
  return ownerOverride ? "owner" : undefined;
}

function spelled({ name, region }: NativeBucket): string {
  return name.includes("://") ? name : `${name}@${region}`;
}

/** For a shell. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function offer(counted: CountedPair): string {
  const { source, destination, rule } = counted.pair;
  const over = limitProblems(counted).length > 0 ? ", which is more than existingObjects of the rule allows" : "";
  return `rule ${rule}: ${source.name} has ${existingText(counted)} for ${destination.name}${over}: apply --backfill has S3 replicate them`;
}

function blockedNote({ pair }: BackfillPair, blocker: BackfillPair | undefined): string {
  const where =
    blocker === undefined
      ? ""
      : ` to ${blocker.pair.destination.name} too, which rule ${blocker.pair.rule} does not want (existingObjects: false)`;
  return `existing objects of rule ${pair.rule} are not replicated to ${pair.destination.name}: S3's job would replicate them${where}`;
}

function sharedNote(source: NativeBucket, { id, destination }: ReplicationRule): string {
  return `the job for existing objects of ${source.name} replicates by the rule "${id}" of others too, to ${destination.bucketArn}`;
}

/** Another pair of the source that is for some of the same keys and leaves existing objects out: a job cannot tell the two apart. */
function blockerOf(one: BackfillPair, pairs: readonly BackfillPair[]): BackfillPair | undefined {
  return pairs.find(({ includesExisting, pair }) => !includesExisting && overlap(pair.prefix, one.pair.prefix));
}

function overlap(a: string, b: string): boolean {
  return a.startsWith(b) || b.startsWith(a);
}

function isCreated(pair: NativePair, wish: BackfillWish): boolean {
  return wish.created.some((other) => other.source.id === pair.source.id && idOf(other, wish) === idOf(pair, wish));
}

function idOf({ rule, destinationId }: NativePair, { owner }: BackfillWish): string {
  return ruleIdOf(owner.name, rule, destinationId);
}
