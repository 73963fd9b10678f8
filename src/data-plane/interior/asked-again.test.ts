import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { destinationOf, ruleOf } from "../../../test/support/rules.ts";
import type { Conflict } from "../../domain/conflict.ts";
import type { ConflictFilter } from "../../ports/state.ts";
import { bucketOf } from "../../testing/memory-object-store.ts";
import { RuleIndex } from "../rule-index.ts";
import { askedAgain } from "./asked-again.ts";

const [A, B, C] = [bucketOf("a"), bucketOf("b"), bucketOf("c")];

function conflictOf(id: string, one: readonly [bucket: string, key: string], other: readonly [bucket: string, key: string]): Conflict {
  const sideOf = ([bucket, key]: readonly [string, string]) => ({ bucket, key, object: null, origin: bucket, originTime: 0 });
  const open = { winner: null, resolvedBy: null, detectedAt: 1, resolvedAt: null };
  return { id, rule: "r", key: one[1], sides: [sideOf(one), sideOf(other)], ...open };
}

/** Questions that come one a page. */
function asking(conflicts: readonly Conflict[], filters: ConflictFilter[] = []) {
  return {
    filters,
    conflicts: async (filter: ConflictFilter) => {
      filters.push(filter);
      const at = Number(filter.nextToken ?? 0);
      return { conflicts: conflicts.slice(at, at + 1), nextToken: at + 1 < conflicts.length ? String(at + 1) : null };
    },
  };
}

async function waysOf(rules: RuleIndex, safeguards: ReturnType<typeof asking>, wasCompared = true) {
  const rule = rules.rules[0];
  assert.ok(rule);
  const ways: string[] = [];
  for await (const wants of askedAgain({ rule, rules, safeguards, wasCompared }))
    for (const { route, key, changes } of wants) ways.push(`${route.source.at(-1)}→${route.destination.at(-1)} ${key} ${changes?.missed}`);
  return ways;
}

describe("what a person was asked about (invariant 11)", () => {
  it("is decided again in both directions of a mesh, question by question", async () => {
    const mesh = [A, B, C].map(({ id }) => id);
    const legs = [A, B, C].map((from) =>
      ruleOf(
        from,
        [A, B, C].filter((to) => to !== from).map((to) => destinationOf(to)),
        { id: "r", mesh },
      ),
    );
    const safeguards = asking([conflictOf("1", [A.id, "k"], [B.id, "k"]), conflictOf("2", [C.id, "l"], [B.id, "l"])]);
    assert.deepEqual(await waysOf(new RuleIndex(legs), safeguards), ["a→b k false", "b→a k false", "c→b l false", "b→c l false"]);
    assert.deepEqual(
      safeguards.filters.map(({ rule, open, nextToken }) => [rule, open, nextToken]),
      [
        ["r", true, undefined],
        ["r", true, "1"],
      ],
    );
  });

  it("is decided again on the one way there is, under the key of each side, whichever side was told first", async () => {
    const rules = new RuleIndex([ruleOf(A, [destinationOf(B, { prefix: "in/" })], { id: "r" })]);
    const told = conflictOf("1", [B.id, "in/k"], [A.id, "k"]);
    assert.deepEqual(await waysOf(rules, asking([told]), false), ["a→b k true"]);
  });

  it("is left alone where the rule brings nothing there any more", async () => {
    const disabled = new RuleIndex([ruleOf(A, [destinationOf(B)], { id: "r", enabled: false })]);
    assert.deepEqual(await waysOf(disabled, asking([conflictOf("1", [A.id, "k"], [B.id, "k"])])), []);
    const elsewhere = new RuleIndex([ruleOf(A, [destinationOf(C)], { id: "r" })]);
    assert.deepEqual(await waysOf(elsewhere, asking([conflictOf("1", [A.id, "k"], [B.id, "k"])])), []);
  });
});
