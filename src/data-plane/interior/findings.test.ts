import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { destinationOf, ruleOf } from "../../../test/support/rules.ts";
import type { Finding } from "../../domain/comparison.ts";
import type { ListedObject } from "../../domain/object.ts";
import type { Rule } from "../../domain/rule.ts";
import { blankEntry, type LedgerEntry } from "../../domain/status.ts";
import { bucketOf } from "../../testing/memory-object-store.ts";
import type { DiffRow } from "../diff.ts";
import { RuleIndex } from "../rule-index.ts";
import { interiorFindings } from "./findings.ts";

const [A, B, C] = [bucketOf("a"), bucketOf("b"), bucketOf("c")];

function meshOf(buckets: readonly (typeof A)[], overrides: Partial<Rule> = {}): readonly Rule[] {
  const mesh = buckets.map(({ id }) => id);
  return buckets.map((source) => {
    const others = buckets.filter((bucket) => bucket !== source).map((bucket) => destinationOf(bucket));
    return ruleOf(source, others, { id: "mesh", mesh, deletes: "propagate", ...overrides });
  });
}

const listed = (etag: string): ListedObject => ({ key: "k", etag, sizeBytes: 1, lastModified: 1_000_000 });

interface Sides {
  readonly source: string | undefined;
  readonly replicas: readonly (string | undefined)[];
  readonly finding?: Finding;
  readonly recorded?: boolean;
  readonly held?: Pick<LedgerEntry, "status" | "reason">;
}

/** Which ways are wished for, as `a→b`. */
function ways(
  rules: readonly Rule[],
  { source, replicas, finding = "DIFFERENT", recorded = false, held }: Sides,
  wasCompared = true,
): string[] {
  const rule = rules[0] as Rule;
  const rows = replicas.map((replica, index): DiffRow => {
    const destination = rule.destinations[index]?.canonicalId ?? "";
    const replicaOf = {
      etag: "e",
      versionId: null,
      lastModified: 0,
      attributeHash: null,
      bytes: 1,
      proof: null,
      destinationEtag: "f",
      destinationVersionId: null,
    };
    const row = { ...blankEntry({ rule: rule.id, destination, key: "k" }), ...held };
    const entry = recorded ? { ...row, replica: replicaOf } : held && row;
    const side = (etag: string | undefined) => (etag === undefined ? undefined : listed(etag));
    return { key: "k", index, finding, source: side(source), replica: side(replica), entry };
  });
  const { wants } = interiorFindings(rows, rule.destinations, {
    rule,
    rules: new RuleIndex(rules),
    wasCompared,
    relearn: false,
    now: () => 0,
  });
  return wants.map(({ route }) => `${route.source.at(-1)}→${route.destination.at(-1)}`).sort();
}

describe("what a comparison of interior buckets wishes for", () => {
  it("both directions where two members differ, and the third is told too (invariant 11)", () => {
    assert.deepEqual(ways(meshOf([A, B]), { source: "1", replicas: ["2"] }), ["a→b", "b→a"]);
    assert.deepEqual(ways(meshOf([A, B, C]), { source: "1", replicas: ["1", "2"] }), ["a→c", "b→c", "c→a", "c→b"]);
  });

  it("one direction at first, where one member has nothing: what is not there has nothing to bring", () => {
    assert.deepEqual(ways(meshOf([A, B]), { source: "1", replicas: [undefined] }, false), ["a→b"]);
    assert.deepEqual(ways(meshOf([A, B]), { source: undefined, replicas: ["1"] }, false), ["b→a"]);
  });

  it("later also the other, which may have the news of a delete (invariant 4)", () => {
    assert.deepEqual(ways(meshOf([A, B]), { source: undefined, replicas: ["1"] }), ["a→b", "b→a"]);
    assert.deepEqual(ways(meshOf([A, B], { deletes: "none" }), { source: undefined, replicas: ["1"] }), ["b→a"]);
  });

  it("nothing where the ledger knows that two ETags are one object (invariant 5)", () => {
    assert.deepEqual(ways(meshOf([A, B]), { source: "1", replicas: ["kms"], finding: "EQUAL", recorded: true }), []);
  });

  it("the way on which a person is still asked about sides that are the same by now (invariant 11)", () => {
    const held = { status: "HELD", reason: "Conflict" } as const;
    assert.deepEqual(ways(meshOf([A, B, C]), { source: "1", replicas: ["1", "1"], finding: "EQUAL", held }), ["a→b", "a→c"]);
    const gate = { status: "HELD", reason: "DeleteGate" } as const;
    assert.deepEqual(ways(meshOf([A, B, C]), { source: "1", replicas: ["1", "1"], finding: "EQUAL", held: gate }), []);
  });

  it("no delete of what another source brought to the same bucket (invariants 4 and 5)", () => {
    const fanIn = [ruleOf(A, [destinationOf(B)], { deletes: "propagate" }), ruleOf(B, [destinationOf(C)], { id: "out" })];
    assert.deepEqual(ways(fanIn, { source: undefined, replicas: ["1"], finding: "EXTRA" }), []);
    assert.deepEqual(ways(fanIn, { source: undefined, replicas: ["1"], finding: "EXTRA", recorded: true }), ["a→b"]);
  });
});
