import { isReplicationError } from "../../domain/error.ts";
import type { Plan, PlannedChange } from "../change.ts";
import type { NativeBucket } from "../native-pair.ts";
import { type LockOptions, type Locks, withLocks } from "./lock.ts";
import type { NativePorts } from "./wish.ts";

/** A plan, and the sources that nobody else may change meanwhile. */
export interface ContestedPlan extends Plan {
  readonly contested: readonly NativeBucket[];
}

export interface CarryOut extends LockOptions {
  readonly ports: NativePorts;
  /** Looks at the world anew each time. */
  readonly plan: () => Promise<ContestedPlan>;
  /** Given each plan that is about to be carried out, before its first change, and one that changes nothing: what it throws stops it there. */
  readonly onPlan?: ((plan: Plan) => Promise<void>) | undefined;
  /** Told of each change that was made. */
  readonly onChange?: ((change: PlannedChange) => void) | undefined;
}

export interface CarriedOut {
  /** The plan that was carried out, or would have been. */
  readonly plan: Plan;
  /** In the order in which they were made. */
  readonly made: readonly PlannedChange[];
  /** False where there are problems, and where it was interrupted. */
  readonly isComplete: boolean;
}

/** How often the world may turn out to be another than it was looked at. */
const MAX_ROUNDS = 3;

/**
 * Makes the world what a plan says: looks without a lock, and where something has to change locks its sources, looks again and makes the steps,
 * one after the other. Makes none where the plan has problems. Where a step finds the world changed by somebody else it begins anew, three times
 * at most. When the signal aborts, the step under way is finished and no other begun.
 */
export async function carryOut(run: CarryOut): Promise<CarriedOut> {
  const made: PlannedChange[] = [];
  let plan = await run.plan();
  for (let round = 1; ; round++) {
    if (plan.problems.length > 0) return { plan, made, isComplete: false };
    if (plan.steps.length === 0) {
      await run.onPlan?.(plan);
      return { plan, made, isComplete: true };
    }
    const locked = plan.contested;
    const rest = await withLocks(locked, run.ports, { ...run, work: (locks) => makeLocked(run, { locked, locks, made, round }) });
    if ("isComplete" in rest) return rest;
    plan = { ...rest, contested: union(locked, rest.contested) };
  }
}

interface Round {
  readonly locked: readonly NativeBucket[];
  readonly locks: Locks;
  readonly made: PlannedChange[];
  readonly round: number;
}

/** What was done; or what is still to be done, where that is another than was looked at or about more than is locked. */
async function makeLocked(run: CarryOut, { locked, locks, made, round }: Round): Promise<CarriedOut | ContestedPlan> {
  const plan = await run.plan();
  if (plan.problems.length > 0) return { plan, made, isComplete: false };
  if (round < MAX_ROUNDS && plan.contested.some((source) => !locked.some(({ id }) => id === source.id))) return plan;
  await run.onPlan?.(plan);
  for (const step of plan.steps) {
    if (run.signal?.aborted === true) return { plan, made, isComplete: false };
    await locks.renew();
    try {
      await step.make();
    } catch (error) {
      if (round < MAX_ROUNDS && isReplicationError(error) && error.code === "PreconditionFailed") return run.plan();
      throw error;
    }
    made.push(...step.changes);
    for (const change of step.changes) run.onChange?.(change);
  }
  return { plan, made, isComplete: run.signal?.aborted !== true };
}

function union(a: readonly NativeBucket[], b: readonly NativeBucket[]): readonly NativeBucket[] {
  return [...new Map([...a, ...b].map((source) => [source.id, source])).values()];
}
