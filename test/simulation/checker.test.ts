import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Rule } from "../../src/domain/rule.ts";
import type { LedgerEntry } from "../../src/domain/status.ts";
import type { Ledger, State } from "../../src/ports/state.ts";
import type { Transfer, TransferRequest, TransferResult } from "../../src/ports/transfer.ts";
import type { ProcessParts } from "./engine.ts";
import { describeRun, planOf, runPlan, shrink } from "./run.ts";
import { Script } from "./script.ts";
import { HOUR } from "./times.ts";
import { memberOf, type Shape, topologyOf } from "./topology.ts";

type Tamper = (parts: ProcessParts) => ProcessParts;

const ENOUGH_SEEDS = 150;

/** Runs seeds until one breaks this promise because of the bug: the same seed without it keeps that promise. */
async function finds(invariant: number, shapes: readonly Shape[], tamper: Tamper): Promise<void> {
  for (let seed = 0; seed < ENOUGH_SEEDS; seed++) {
    const plan = planOf(seed, { shapes });
    const run = await runPlan(plan, { tamper });
    const isBroken = (problems: typeof run.problems) => problems.some((problem) => problem.invariant === invariant);
    if (!isBroken(run.problems) || isBroken((await runPlan(plan)).problems)) continue;
    return;
  }
  assert.fail(`no seed of ${ENOUGH_SEEDS} found it`);
}

function copying(change: (copy: Transfer["copy"], request: TransferRequest) => Promise<TransferResult>): Tamper {
  return (parts) => {
    const copy: Transfer["copy"] = (request) => parts.transfer.copy(request);
    return { ...parts, transfer: { copy: (request) => change(copy, request) } };
  };
}

function ruling(change: (rule: Rule) => Partial<Rule>): Tamper {
  return (parts) => ({ ...parts, rules: parts.rules.map((rule) => ({ ...rule, ...change(rule) })) });
}

function withoutThird({ destinations }: Rule): Partial<Rule> {
  return { destinations: destinations.filter(({ bucket }) => bucket.store !== "c") };
}

function wanting(keep: (want: Parameters<State["tasks"]["want"]>[0][number]) => boolean): Tamper {
  return (parts) => {
    const { tasks } = parts.state;
    const want = (wants: Parameters<typeof tasks.want>[0]) => tasks.want(wants.filter(keep));
    return { ...parts, state: { ...parts.state, tasks: { ...tasks, want } } };
  };
}

describe("the checker finds", () => {
  test("writes without their conditions (invariant 3)", () =>
    finds(
      3,
      ["two-way", "mesh"],
      copying((copy, request) =>
        copy({ ...request, destinations: request.destinations.map(({ ifHolds: _, ...destination }) => destination) }),
      ),
    ));

  test("copies that were never made (invariant 1)", () =>
    finds(
      1,
      ["one-way"],
      copying(async (_copy, request) => {
        const source = { etag: "0", sizeBytes: 0, lastModified: 0, attributes: null };
        return {
          kind: "done",
          source,
          outcomes: request.destinations.map(() => ({ kind: "copied", etag: "0", proof: "etag", notes: [] })),
        };
      }),
    ));

  test("announced deletes that are forgotten (invariant 1)", () =>
    finds(
      1,
      ["one-way", "fan-out"],
      wanting(({ changes }) => changes?.deleted !== true),
    ));

  test("deletes that nobody asked for (invariant 4)", () =>
    finds(
      4,
      ["one-way"],
      ruling(() => ({ deletes: "propagate" })),
    ));

  test("replicas that go on where they must not (invariant 6)", () =>
    finds(
      6,
      ["chain"],
      ruling(() => ({ transit: true })),
    ));

  test("members that are left out (invariant 11)", () => finds(11, ["mesh"], ruling(withoutThird)));

  test("copies that are made again and again (invariant 5)", () =>
    finds(5, ["one-way"], (parts) => ({ ...parts, storeOf: forgetful(parts) })));

  test("versions that are left out (invariant 1)", () =>
    finds(
      1,
      ["one-way"],
      ruling(() => ({ versions: "current" })),
    ));

  test("lifecycles' deletes that are made though the rule leaves them out (invariant 4)", async () => {
    for (const tamper of [undefined, ruling(() => ({ expirations: true }))]) {
      const script = new Script(topologyOf("one-way", [memberOf("A"), memberOf("B")], { deletes: "propagate" }), { tamper });
      script.put("A", "a/k");
      await script.calm();
      script.world.apply({ at: 0, kind: "expire", member: "A", key: "a/k" });
      await script.calm();
      script.expect(brokenIn(script), tamper === undefined ? [] : [4]);
    }
  });

  test("deletes that are made though a person rejected them (invariant 4)", async () => {
    const forgetting: Tamper = (parts) => ({ ...parts, state: { ...parts.state, ledger: withoutWords(parts.state.ledger) } });
    const members = [memberOf("A", { versioning: "Enabled" }), memberOf("B")];
    for (const tamper of [undefined, forgetting]) {
      const deleteGate = { max: 1, percent: 100, windowMs: HOUR };
      const script = new Script(topologyOf("one-way", members, { deletes: "propagate" }), { tamper, deleteGate });
      for (const key of ["a/k", "b/k"]) {
        script.put("A", key);
        await script.calm();
        script.delete("A", key);
        await script.calm();
      }
      script.world.apply({ at: 0, kind: "reject" });
      await script.world.pass(3 * HOUR);
      script.expect(brokenIn(script), tamper === undefined ? [] : [4]);
    }
  });

  test("rows that speak of other bytes (invariant 8)", () =>
    finds(
      8,
      ["one-way"],
      copying(async (copy, request) => forged(await copy(request))),
    ));

  test("what a failing run needs, and leaves out the rest", async () => {
    const tamper = ruling(() => ({ deletes: "propagate" }));
    for (let seed = 0; ; seed++) {
      const run = await runPlan(planOf(seed, { shapes: ["one-way"] }), { tamper });
      if (!run.problems.some(({ invariant }) => invariant === 4)) continue;
      const smallest = await shrink(run, { tamper });
      assert.deepEqual(smallest.faults, []);
      assert.ok(smallest.plan.operations.length <= 3, describeRun(smallest));
      return;
    }
  });
});

function brokenIn({ world }: Script): readonly number[] {
  return world.problems.map(({ invariant }) => invariant);
}

/** Forgets what a person said. */
function withoutWords(ledger: Ledger): Ledger {
  const silent = <T extends LedgerEntry | undefined>(entry: T): T => (entry === undefined ? entry : { ...entry, reason: null });
  return {
    ...ledger,
    get: async (route, key) => silent(await ledger.get(route, key)),
    scan: async (route, after, limit) => (await ledger.scan(route, after, limit)).map(silent),
  };
}

/** Says of every copy that the destination gave it another ETag. */
function forged(result: TransferResult): TransferResult {
  if (result.kind !== "done") return result;
  return { ...result, outcomes: result.outcomes.map((outcome) => (outcome.kind === "copied" ? { ...outcome, etag: "forged" } : outcome)) };
}

/** Stores that list every object as if it were another one each time. */
function forgetful(parts: ProcessParts): ProcessParts["storeOf"] {
  let listed = 0;
  return (bucket) => {
    const store = parts.storeOf(bucket);
    return Object.create(store, {
      bucket: { value: store.bucket },
      list: {
        value: async (options: Parameters<typeof store.list>[0]) => {
          const page = await store.list(options);
          return { ...page, objects: page.objects.map((object) => ({ ...object, etag: `${++listed}` })) };
        },
      },
      head: { value: store.head.bind(store) },
      observe: { value: store.observe.bind(store) },
      tags: { value: store.tags.bind(store) },
    });
  };
}
