import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FOUND_SEEDS } from "./found-seeds.ts";
import { describeRun, type PlanOptions, planOf, runPlan, SHAPES, shrink } from "./run.ts";

const SEEDS_PER_SHAPE = 30;

/** Fails with the smallest trace that still breaks the same promise. */
async function keepsItsPromises(seed: number, options: PlanOptions): Promise<void> {
  const run = await runPlan(planOf(seed, options), options);
  if (run.problems.length > 0) assert.fail(describeRun(await shrink(run, options)));
}

describe("simulation (invariants 1 to 8, 10, 11, 13)", () => {
  for (const shape of SHAPES) {
    test(`${SEEDS_PER_SHAPE} seeds of ${shape}`, async () => {
      for (let seed = 0; seed < SEEDS_PER_SHAPE; seed++) await keepsItsPromises(seed, { shapes: [shape] });
    });
  }

  for (const { seed, shape, found, twisted = false, repaired = false } of FOUND_SEEDS) {
    test(`seed ${seed} of ${shape ?? "any shape"}, which found that ${found}`, () =>
      keepsItsPromises(seed, { shapes: shape === undefined ? undefined : [shape], plain: !twisted, unrepaired: !repaired }));
  }

  test("a seed runs the same way every time, step by step", async () => {
    for (const seed of [3, 4, 5]) {
      const [first, second] = [await runPlan(planOf(seed)), await runPlan(planOf(seed))];
      assert.deepEqual(second.trace, first.trace);
      assert.ok(first.turns > 0);
    }
  });
});
