import { parseArgs } from "node:util";
import { describeRun, planOf, runPlan, shrink } from "../test/simulation/run.ts";
import { INTERIOR_SHAPES, LEAF_SHAPES, type Shape } from "../test/simulation/topology.ts";

// Runs many seeds of the simulation, or one: `--seeds 10000`, `--from 5000`, `--seed 4711`, `--shape mesh`, `--whole` leaves a failing run
// unshrunk, `--holdings` traces what the
// engine knows of interior buckets, `--brief` tells only what is wrong with it, `--failures 5` goes on until so many were found, `--plain` leaves
// out prefixes, gates, lifecycles and `versions: all`.
const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000" },
    from: { type: "string", default: "0" },
    seed: { type: "string" },
    shape: { type: "string", multiple: true },
    whole: { type: "boolean", default: false },
    failures: { type: "string", default: "1" },
    holdings: { type: "boolean", default: false },
    brief: { type: "boolean", default: false },
    plain: { type: "boolean", default: false },
  },
});
const known: readonly Shape[] = [...LEAF_SHAPES, ...INTERIOR_SHAPES];
const shapes = values.shape === undefined ? undefined : known.filter((shape) => values.shape?.includes(shape));
if (shapes?.length === 0) throw new Error(`--shape takes one of ${known.join(", ")}`);
const options = { shapes, plain: values.plain };
const first = Number(values.seed ?? values.from);
const count = values.seed === undefined ? Number(values.seeds) : 1;

const startedAt = performance.now();
let failures = 0;
let turns = 0;
let seed = first;
for (; seed < first + count && failures < Number(values.failures); seed++) {
  Error.stackTraceLimit = 0; // refusals are many, and nobody looks where they were made
  const run = await runPlan(planOf(seed, options));
  Error.stackTraceLimit = 10;
  turns += run.turns;
  if (run.problems.length === 0) continue;
  failures++;
  if (values.brief) {
    console.log(`seed ${seed}: ${run.problems.map(({ invariant, text }) => `invariant ${invariant}: ${text}`).join(" | ")}`);
    continue;
  }
  const shown = values.whole ? run : await shrink(run, { ...options, holdings: values.holdings });
  console.log(
    `${describeRun(shown)}\nreplay: npm run simulate -- --seed ${seed}${(values.shape ?? []).map((shape) => ` --shape ${shape}`).join("")}${values.plain ? " --plain" : ""}\n`,
  );
}
const seconds = (performance.now() - startedAt) / 1000;
console.log(
  `${seed - first} seeds, ${failures} failed, ${turns} turns, ${seconds.toFixed(1)} s (${((seed - first) / seconds).toFixed(0)} seeds/s)`,
);
if (values.seed !== undefined && failures === 0) console.log((await runPlan(planOf(first, options))).trace.join("\n"));
process.exitCode = failures === 0 ? 0 : 1;
