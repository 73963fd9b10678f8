import { isReplicationError } from "../../domain/error.ts";
import { prefixesMeet } from "../../domain/rule.ts";
import { groupBy } from "../../lib/group-by.ts";
import type { BatchJob } from "../../ports/batch-replication.ts";
import { allOf } from "../all-of.ts";
import type { ExistingCopy, ExistingObjects, Plan } from "../change.ts";
import type { NativeBucket } from "../native-pair.ts";
import { type BackfillPorts, type BackfillWish, isCreated } from "./backfill-wish.ts";
import { batchJobsOf } from "./batch-job.ts";
import { type CopyPlace, copyObstacle, type Obstacle } from "./copy-way.ts";
import {
  type BackfillPair,
  type CountedPair,
  existingText,
  type FoundPair,
  findPair,
  isNothing,
  limitProblems,
  pricePair,
  type Way,
} from "./existing-objects.ts";
import { isOther, planJob, REFUSALS, standingRules, textOf } from "./plan-job.ts";

export type { BackfillWish } from "./backfill-wish.ts";

export type BackfillPlan = Pick<Plan, "steps" | "problems" | "notes"> & {
  readonly existing: readonly ExistingObjects[];
  readonly copies: readonly ExistingCopy[];
};

const NOTHING: BackfillPlan = { steps: [], problems: [], notes: [], existing: [], copies: [] };

/**
 * Plans how what was there before the rules gets to their destinations: by one batch job a source, which S3 carries out, and where that cannot be
 * had by copies that replicast makes; both only where that was asked for. Otherwise it is told what there is, of rules that are new. A source whose
 * job runs, or has replicated everything, gets no second one for the same rules.
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
    copies: plans.flatMap(({ copies }) => copies),
  };
}

async function planSource(pairs: readonly BackfillPair[], wish: BackfillWish, ports: BackfillPorts): Promise<BackfillPlan> {
  const asked = pairs.filter(({ pair, includesExisting }) => includesExisting && (wish.starts || isCreated(pair, wish)));
  const found = await allOf(asked, (one) => findPair(one, ports.count));
  const [first] = found.filter((one) => !isNothing(one));
  if (first === undefined) return { ...NOTHING, existing: found.map((one) => pricePair(one, THERE_IS_NOTHING).existing) };
  const { source } = first.asked.pair;
  const jobs = await jobsAt(source, wish, ports);
  const decided = await allOf(found, (one) => decideWay(one, { pairs, jobs, sources: wish.sources, ports }));
  const copied = decided.map(({ counted }) => counted).filter(({ existing }) => existing.way === "copy");
  const told = {
    ...NOTHING,
    notes: decided.flatMap((one) => wayNote(one, wish)),
    existing: decided.map(({ counted }) => counted.existing),
  };
  if (!wish.starts) return told;
  const planned = { ...told, problems: copied.flatMap(limitProblems), copies: await planCopies(copied, wish, ports) };
  const open = decided.filter(({ isBlocked }) => !isBlocked).map(({ counted }) => counted);
  const filled = open.filter(({ existing }) => existing.way === "job");
  if ("unusable" in jobs || filled.length === 0) return planned;
  const plan = await planJob({ source, open, filled, jobs: jobs.value }, wish, ports);
  return { ...planned, steps: plan.steps, problems: [...planned.problems, ...plan.problems], notes: [...told.notes, ...plan.notes] };
}

/** Jobs for the source, where they can be used at all. What was refused once is not asked for again. */
async function jobsAt(source: NativeBucket, wish: BackfillWish, ports: BackfillPorts): Promise<Usable<readonly BatchJob[]>> {
  const refusal = ports.refusals.get(source.id);
  if (refusal !== undefined) return { unusable: refusal };
  const jobs = await usable(async () => (await ports.batchOf(source)).jobs(source.account, batchJobsOf(wish.owner.name, source)), wish);
  if ("unusable" in jobs) ports.refusals.set(source.id, jobs.unusable);
  return jobs;
}

interface Decided {
  readonly counted: CountedPair;
  /** A job cannot be for it: another rule for some of the same keys wants none of them. */
  readonly isBlocked: boolean;
  readonly advice: string | undefined;
}

interface Surroundings extends CopyPlace {
  /** All of the source. */
  readonly pairs: readonly BackfillPair[];
  readonly jobs: Usable<readonly BatchJob[]>;
}

/** By a job where S3 can be asked for one; else by copies, where these are safe. */
async function decideWay(one: FoundPair, { pairs, jobs, ...place }: Surroundings): Promise<Decided> {
  const blocker = blockerOf(one.asked, pairs);
  const isBlocked = blocker !== undefined;
  const end = (way: Way, obstacle?: Obstacle) => ({ counted: pricePair(one, way), isBlocked, advice: obstacle?.advice });
  if (isNothing(one)) return end(THERE_IS_NOTHING);
  const why = "unusable" in jobs ? `S3's batch jobs cannot be used: ${jobs.unusable}` : blocker && blockedBy(blocker);
  if (why === undefined) return end({ way: "job", why: "S3's batch jobs can be used" });
  const obstacle = await copyObstacle(one.asked.pair, place);
  if (obstacle === undefined) return end({ way: "copy", why });
  return end({ way: null, why: `${why}; and ${obstacle.why}` }, obstacle);
}

const THERE_IS_NOTHING: Way = { way: null, why: "there is nothing" };

async function planCopies(copied: readonly CountedPair[], wish: BackfillWish, ports: BackfillPorts): Promise<readonly ExistingCopy[]> {
  const source = copied[0]?.pair.source;
  if (source === undefined) return [];
  const standing = await standingRules(source, ports);
  return copied.map(({ pair }) => ({
    rule: pair.rule,
    sourceId: source.id,
    destinationId: pair.destinationId,
    takesCompleted: standing.some((rule) => isOther(rule, pair, wish)),
  }));
}

type Usable<T> = { readonly value: T } | { readonly unusable: string };

/** Not every account may start jobs, and not everything that speaks S3 has them. What is not to be used now keeps nobody from applying rules. */
async function usable<T>(ask: () => Promise<T>, { starts }: BackfillWish): Promise<Usable<T>> {
  try {
    return { value: await ask() };
  } catch (error) {
    if (!isReplicationError(error) || (starts && !UNUSABLE.has(error.code))) throw error;
    return { unusable: textOf(error) };
  }
}

const UNUSABLE: ReadonlySet<string> = new Set([...REFUSALS, "StoreUnreachable"]);

/** What a person should know of a pair's way: every one that is no job, and what is only offered. */
function wayNote({ counted, advice }: Decided, { starts }: BackfillWish): readonly string[] {
  const { source, destination, rule } = counted.pair;
  const { way, why } = counted.existing;
  if (why === THERE_IS_NOTHING.why || (way === "job" && starts)) return [];
  const over = way !== null && limitProblems(counted).length > 0 ? ", which is more than existingObjects of the rule allows" : "";
  const about = `rule ${rule}: ${source.name} has ${existingText(counted)} for ${destination.name}${over}`;
  if (way === "job") return [`${about}: apply --backfill has S3 replicate them by a batch job`];
  if (way === "copy") return [`${about}: apply --backfill copies them itself, because ${why}`];
  return [`${about}: apply --backfill cannot bring them over, because ${why}${advice === undefined ? "" : `; ${advice}`}`];
}

function blockedBy({ pair }: BackfillPair): string {
  return `S3's job would replicate them to ${pair.destination.name} too, which rule ${pair.rule} does not want (existingObjects: false)`;
}

/** Another pair of the source that is for some of the same keys and leaves existing objects out: a job cannot tell the two apart. */
function blockerOf(one: BackfillPair, pairs: readonly BackfillPair[]): BackfillPair | undefined {
  return pairs.find(({ includesExisting, pair }) => !includesExisting && prefixesMeet(pair.prefix, one.pair.prefix));
}
