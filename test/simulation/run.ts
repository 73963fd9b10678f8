import type { GateLimits } from "../../src/domain/delete-gate.ts";
import { Chance } from "./chance.ts";
import { Checker } from "./checker.ts";
import type { ProcessParts } from "./engine.ts";
import { type FaultRates, RATES } from "./faults.ts";
import { drawOperations, type Operation } from "./operations.ts";
import { withRepairs } from "./repairs.ts";
import { MINUTE } from "./times.ts";
import { drawTopology, INTERIOR_SHAPES, LEAF_SHAPES, type Shape, type Topology } from "./topology.ts";
import { drawTwists, NO_TWISTS, twisted, twistedOperations } from "./twists.ts";
import { type Problem, World } from "./world.ts";

/** What a seed stands for. Leaving some of it out leaves the rest as it is. */
export interface Plan {
  readonly seed: number;
  readonly topology: Topology;
  readonly operations: readonly Operation[];
  readonly rates: FaultRates;
  readonly processes: number;
  readonly without: ReadonlySet<string>;
  readonly deleteGate: GateLimits | undefined;
}

export interface PlanOptions {
  readonly shapes?: readonly Shape[] | undefined;
  /** Also traces what the engine knows of interior buckets. */
  readonly holdings?: boolean | undefined;
  /** Leaves out what came to the simulation later: `expirations`, prefixes, `versions: all`, the gate. */
  readonly plain?: boolean | undefined;
  /** Leaves out what a person mends. */
  readonly unrepaired?: boolean | undefined;
  readonly tamper?: ((parts: ProcessParts) => ProcessParts) | undefined;
}

export interface Run {
  readonly plan: Plan;
  readonly problems: readonly Problem[];
  /** Faults that were met. */
  readonly faults: readonly string[];
  readonly trace: readonly string[];
  readonly turns: number;
}

/** The shapes that the engine is promised to replicate. */
export const SHAPES: readonly Shape[] = [...LEAF_SHAPES, ...INTERIOR_SHAPES];

export function planOf(seed: number, { shapes = SHAPES, plain = false, unrepaired = plain }: PlanOptions = {}): Plan {
  const chance = new Chance(seed);
  const drawn = drawTopology(chance.of("topology"), shapes);
  const twists = plain ? NO_TWISTS : drawTwists(chance.of("twists"), drawn);
  const operations = twistedOperations(drawOperations(chance.of("operations"), drawn), twists, chance.of("twisted operations"));
  return {
    seed,
    topology: twisted(drawn, twists, chance.of("twisted topology")),
    operations: unrepaired ? operations : withRepairs(operations, drawn, chance.of("repairs")),
    deleteGate: twists.deleteGate,
    rates: chance.pick("rates", [RATES.none, RATES.few, RATES.few, RATES.many]),
    processes: chance.pick("processes", [1, 1, 2, 3]),
    without: new Set(),
  };
}

/** Runs a plan to its end. An engine that throws, or finds no end, has a problem too. */
export async function runPlan(plan: Plan, { tamper, holdings }: PlanOptions = {}): Promise<Run> {
  const world = new World({ ...plan, isApproved: plan.deleteGate !== undefined, tamper, holdings });
  const checker = new Checker(world);
  const onRejection = (error: unknown) => world.problem(0, `nobody handled ${describeError(error)}`);
  process.on("unhandledRejection", onRejection);
  try {
    await world.run();
    await checker.inspect();
  } catch (error) {
    world.problem(0, describeError(error));
  } finally {
    await new Promise((resolve) => setImmediate(resolve)); // rejections that nobody handles are told between turns of the event loop
    process.off("unhandledRejection", onRejection);
    world.scheduler.end();
  }
  return { plan, problems: world.problems, faults: world.faults.met, trace: world.trace, turns: world.scheduler.turnsTaken };
}

/** So many runs are spent on making one failure small. */
const SHRINK_RUNS = 400;

/** Leaves out operations and faults as long as the same invariant is broken; returns the smallest run that was found. */
export async function shrink(failing: Run, options: PlanOptions = {}): Promise<Run> {
  const invariant = failing.problems[0]?.invariant;
  let best = failing;
  let runs = 0;
  const attempt = async (plan: Plan): Promise<boolean> => {
    if (++runs > SHRINK_RUNS) return false;
    const run = await runPlan(plan, options);
    if (!run.problems.some((problem) => problem.invariant === invariant)) return false;
    best = run;
    return true;
  };
  for (let before = -1; before !== sizeOf(best) && runs < SHRINK_RUNS; ) {
    before = sizeOf(best);
    await shrinkFaults(() => best, attempt);
    await shrinkOperations(() => best, attempt);
    if (best.plan.processes > 1) await attempt({ ...best.plan, processes: best.plan.processes - 1 });
  }
  return best;
}

type Attempt = (plan: Plan) => Promise<boolean>;

async function shrinkFaults(best: () => Run, attempt: Attempt): Promise<void> {
  for (let size = best().faults.length; size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < best().faults.length; ) {
      const { plan, faults } = best();
      const without = new Set([...plan.without, ...faults.slice(at, at + size)]);
      if (!(await attempt({ ...plan, without }))) at += size;
    }
  }
}

async function shrinkOperations(best: () => Run, attempt: Attempt): Promise<void> {
  for (let size = Math.ceil(best().plan.operations.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < best().plan.operations.length; ) {
      const { plan } = best();
      const operations = plan.operations.filter((_, i) => i < at || i >= at + size);
      if (!(await attempt({ ...plan, operations }))) at += size;
    }
  }
}

function sizeOf({ plan, faults }: Run): number {
  return plan.operations.length + faults.length + plan.processes;
}

/** A run as a person reads it who has to find out what went wrong. */
export function describeRun({ plan, problems, faults, trace }: Run): string {
  const gate =
    plan.deleteGate === undefined ? "" : `, at most ${plan.deleteGate.max} deletes in ${plan.deleteGate.windowMs / MINUTE} minutes`;
  return [
    `seed ${plan.seed}: ${problems.map(({ invariant, text }) => `invariant ${invariant}: ${text}`).join("\n  ")}`,
    `${plan.operations.length} operations, ${plan.processes} processes${gate}, faults: ${faults.join("; ") || "none"}`,
    ...trace,
  ].join("\n");
}

function describeError(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
