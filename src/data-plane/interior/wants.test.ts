import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { destinationOf, ruleOf } from "../../../test/support/rules.ts";
import { ReplicationError } from "../../domain/error.ts";
import type { Want } from "../../ports/state.ts";
import { bucketOf } from "../../testing/memory-object-store.ts";
import { toRoute } from "../diff.ts";
import { RuleIndex } from "../rule-index.ts";
import type { Assignment } from "../settlement.ts";
import { unreadSource, wantsBack, wantsOfWinner } from "./wants.ts";

const BUCKETS = ["a", "b", "c"].map((name) => bucketOf(name));

/** The way from `a` to `b` of a mesh of three, of which `disabled` brings nothing to others; or of a rule of two buckets. */
function scene({ isMesh = true, disabled = "" } = {}): { rules: RuleIndex; assignment: Assignment } {
  const members = isMesh ? BUCKETS : BUCKETS.slice(0, 2);
  const mesh = isMesh ? members.map(({ id }) => id) : undefined;
  const legs = (isMesh ? members : members.slice(0, 1)).map((source) => {
    const others = members.filter((bucket) => bucket !== source).map((bucket) => destinationOf(bucket));
    return ruleOf(source, others, { mesh, enabled: source.id.at(-1) !== disabled });
  });
  const [rule] = legs;
  const destination = rule?.destinations[0];
  assert.ok(rule && destination);
  const leased = { wanted: 1, attempts: 0, firstFailedAt: null, lease: "l" };
  const task = { route: toRoute(rule, destination), key: "k", lane: "live", eventTime: 7, ...leased } as const;
  return { rules: new RuleIndex(legs), assignment: { task, aim: { rule, destination }, signal: undefined } };
}

const ways = (wants: readonly Want[] = []) => wants.map(({ route }) => `${route.source.at(-1)}→${route.destination.at(-1)}`);
const idOf = (name: string) => BUCKETS.find(({ id }) => id.at(-1) === name)?.id ?? "";

describe("the ways that a task on its way from a to b wishes for", () => {
  it("from a conflict's winner to every member that has not got it just now (invariant 11)", () => {
    const { rules, assignment } = scene();
    assert.deepEqual(ways(wantsOfWinner(rules, assignment, idOf("a"))), ["a→c"]);
    assert.deepEqual(ways(wantsOfWinner(rules, assignment, idOf("b"))), ["b→a", "b→c"]);
  });

  it("back, where there is a way that is in use", () => {
    const wantsOf = (options: Parameters<typeof scene>[0]) => {
      const { rules, assignment } = scene(options);
      return ways(wantsBack(rules, assignment));
    };
    assert.deepEqual(wantsOf({}), ["b→a"]);
    assert.deepEqual(wantsOf({ disabled: "b" }), []);
    assert.deepEqual(wantsOf({ isMesh: false }), []);
  });

  it("from any other member, where the source cannot be read, and not because we stop (invariant 7)", () => {
    const { rules, assignment } = scene();
    const wantsAfter = (error: ReplicationError) => ways(unreadSource(rules, assignment, error).wants);
    assert.deepEqual(wantsAfter(new ReplicationError("AccessDenied", "no")), ["c→b"]);
    assert.deepEqual(wantsAfter(new ReplicationError("Aborted", "stopped")), []);
  });

  it("for the same key in the same lane, with the time of the event", () => {
    const { rules, assignment } = scene();
    const [want] = wantsBack(rules, assignment);
    assert.deepEqual([want?.key, want?.lane, want?.eventTime], ["k", "live", 7]);
  });
});
