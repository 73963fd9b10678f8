import { isReplicationError, ReplicationError } from "../../domain/error.ts";
import { prefixesMeet } from "../../domain/rule.ts";
import type { BatchJob, NewBatchJob } from "../../ports/batch-replication.ts";
import type { ReplicationRule } from "../../ports/replication-configuration.ts";
import type { Plan, PlannedChange, Step } from "../change.ts";
import { batchRoleNameOf, isOwnedId, ROLE_POLICY } from "../names.ts";
import type { NativeBucket, NativePair, Owner } from "../native-pair.ts";
import { batchPolicy, batchTrust, isSamePolicy } from "../policies/role-policy.ts";
import { seen, visible } from "../seen.ts";
import { type BackfillPorts, type BackfillWish, idOf, isCreated } from "./backfill-wish.ts";
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
import { type CountedPair, limitProblems } from "./existing-objects.ts";

export type JobPlan = Pick<Plan, "steps" | "problems" | "notes">;

/** The pairs of one source, and what is known of its jobs. */
export interface JobAsked {
  readonly source: NativeBucket;
  /** Those that a job may be for. */
  readonly open: readonly CountedPair[];
  /** Those of them that there are any objects for. */
  readonly filled: readonly CountedPair[];
  /** Those of the source, the newest first. */
  readonly jobs: readonly BatchJob[];
}

/** Plans one job for a source; none where one runs, or has done everything. */
export async function planJob(asked: JobAsked, wish: BackfillWish, ports: BackfillPorts): Promise<JobPlan> {
  const { source, open, filled, jobs } = asked;
  const { owner } = wish;
  const work = { name: owner.name, source, ruleIds: open.map(({ pair }) => idOf(pair, wish)) };
  const done = doneNote(
    work,
    jobs,
    open.some(({ pair }) => isCreated(pair, wish)),
  );
  if (done !== undefined) return { steps: [], problems: [], notes: [done] };
  const standing = await standingRules(source, ports);
  const others = standing.filter((rule) => open.some(({ pair }) => isOther(rule, pair, wish)));
  const role = await planBatchRole(source, owner, ports);
  const step = { changes: [...role.changes, backfillChange(asked, work)], make: () => startOrRefuse({ asked, work, others }, wish, ports) };
  const notes = [...role.notes, ...others.filter(({ id }) => !isOwnedId(owner.name, id)).map((rule) => sharedNote(source, rule))];
  return { steps: [step], problems: filled.flatMap(limitProblems), notes };
}

interface Started {
  readonly asked: JobAsked;
  readonly work: BackfillWork;
  readonly others: readonly ReplicationRule[];
}

/**
 * Starts the job; or, where S3 refuses it although jobs may be looked at, remembers that.
 *
 * @throws `PreconditionFailed` where it was refused: what was planned cannot be, and has to be planned anew
 */
async function startOrRefuse(started: Started, wish: BackfillWish, ports: BackfillPorts): Promise<void> {
  try {
    await startJob(started, wish, ports);
  } catch (cause) {
    if (!isReplicationError(cause) || !REFUSALS.has(cause.code)) throw cause;
    const { source } = started.asked;
    ports.refusals.set(source.id, textOf(cause));
    const message = `existing objects of ${source.name} cannot be replicated by an S3 batch job: ${textOf(cause)}`;
    throw new ReplicationError("PreconditionFailed", message, { hint: "the same command again does it without", cause });
  }
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

/** Rules that S3 serves at a source now, whose ever they are. */
export async function standingRules(source: NativeBucket, ports: BackfillPorts): Promise<readonly ReplicationRule[]> {
  const document = visible(await seen(async () => (await ports.configurationOf(source)).replication()));
  return (document?.rules ?? []).filter(({ status }) => status === "Enabled");
}

/** Whether a rule is for some of the same keys as a pair, and another one: a job replicates by all rules of a bucket. */
export function isOther(rule: ReplicationRule, pair: NativePair, wish: BackfillWish): boolean {
  return prefixesMeet(pair.prefix, rule.prefix) && idOf(pair, wish) !== rule.id;
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

function backfillChange({ source, open, filled }: JobAsked, work: BackfillWork): PlannedChange {
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

function sharedNote(source: NativeBucket, { id, destination }: ReplicationRule): string {
  return `the job for existing objects of ${source.name} replicates by the rule "${id}" of others too, to ${destination.bucketArn}`;
}

/** What a person is told of why something cannot be used. An answer that nobody understands may have many lines. */
export function textOf({ message, hint }: ReplicationError): string {
  const [line = ""] = message.split("\n");
  return hint === undefined ? line : `${line} (${hint})`;
}

/** Of a start that got no answer nobody knows whether there is a job now. */
export const REFUSALS: ReadonlySet<string> = new Set(["AccessDenied", "NotImplemented"]);
