import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type ConflictPolicy, type Decision, decide, type Side } from "./decision.ts";
import type { History } from "./history.ts";
import type { Content, HeldObject } from "./holding.ts";

const MEMBERS = ["A", "B"];

interface Shape {
  readonly etag?: string | null;
  readonly history: History;
  readonly origin?: string;
  readonly seconds?: number;
  readonly tags?: string | null;
  readonly retagged?: number;
  readonly attributes?: string | null;
}

function side({ etag = "e", history, origin = "A", seconds = 100, tags = null, retagged, attributes = null }: Shape): Side {
  const content: Content = { origin, originTime: seconds * 1000, originEtag: etag, dot: history[origin] ?? 0, history, retagged };
  if (etag === null) return { kind: "deleted", content };
  const object: HeldObject = { etag, versionId: null, sizeBytes: 1, lastModified: null, tagsHash: tags, attributesHash: attributes };
  return { kind: "object", object, content };
}

function decided(
  source: Side,
  destination: Side,
  { policy = "newest", known = true }: { policy?: ConflictPolicy; known?: boolean } = {},
): string {
  const decision = decide({ source, destination, sourceBucket: "A", policy, members: MEMBERS, known });
  return spelled(decision);
}

function spelled(decision: Decision): string {
  return [decision.do, "because" in decision ? decision.because : "", "conflict" in decision && decision.conflict ? "conflict" : ""]
    .filter((word) => word !== "")
    .join(" ");
}

const ABSENT: Side = { kind: "absent" };
const at = (etag: string | null, history: History, more: Partial<Shape> = {}) => side({ etag, history, ...more });

describe("decide", () => {
  const TABLE: readonly (readonly [what: string, source: Side, destination: Side, expected: string])[] = [
    ["nothing on either side", ABSENT, ABSENT, "nothing nothing-there"],
    ["a first object", at("1", { A: 1 }), ABSENT, "copy"],
    ["what the source lost without a word is the destination's to give back", ABSENT, at("1", { A: 1 }), "nothing destination-newer"],
    ["the source changed", at("2", { A: 2 }), at("1", { A: 1 }), "copy"],
    ["the destination changed", at("1", { A: 1 }), at("2", { A: 1, B: 1 }, { origin: "B" }), "yield"],
    ["the source was deleted", at(null, { A: 2 }), at("1", { A: 1 }), "delete"],
    ["the destination was deleted", at("1", { A: 1 }), at(null, { A: 1, B: 1 }, { origin: "B" }), "yield"],
    ["both were deleted", at(null, { A: 2 }), at(null, { A: 1, B: 1 }, { origin: "B" }), "adopt"],
    ["a delete of what the destination never had", at(null, { A: 2 }), ABSENT, "nothing equal"],
    ["it is there already", at("1", { A: 1 }), at("1", { A: 1 }), "nothing equal"],
    ["the same bytes by two ways", at("1", { A: 1 }), at("1", { B: 1 }, { origin: "B" }), "adopt"],
    [
      "both changed, the source later",
      at("2", { A: 2 }, { seconds: 9 }),
      at("3", { A: 1, B: 1 }, { origin: "B", seconds: 8 }),
      "copy conflict",
    ],
    ["both changed, the destination later", at("2", { A: 2 }), at("3", { A: 1, B: 1 }, { origin: "B", seconds: 101 }), "yield conflict"],
    ["a write stays over a delete of the same second", at(null, { A: 2 }), at("3", { A: 1, B: 1 }, { origin: "B" }), "yield conflict"],
    ["two writes of one second at one bucket: what is there now is the later", at("2", { A: 1 }), at("1", { A: 1 }), "copy"],
    ["tags changed alone", at("1", { A: 1 }, { tags: "x", retagged: 1 }), at("1", { A: 1 }, { tags: "y" }), "retag"],
    ["tags changed at the destination", at("1", { A: 1 }, { tags: "y" }), at("1", { A: 1 }, { tags: "x", retagged: 1 }), "yield"],
    [
      "other tags on older bytes do not bring them back",
      at("1", { A: 1 }, { tags: "x", retagged: 9 }),
      at("2", { A: 2 }, { tags: "y" }),
      "yield",
    ],
    ["written again with nothing said of its tags", at("1", { A: 2 }), at("1", { A: 1 }), "copy"],
    ["headers changed alone", at("1", { A: 2 }, { attributes: "y" }), at("1", { A: 1 }, { attributes: "x" }), "copy"],
    [
      "headers that a store drops are no reason for ever",
      at("1", { A: 1 }, { attributes: "y" }),
      at("1", { A: 1 }, { attributes: "x" }),
      "nothing equal",
    ],
  ];
  for (const [what, source, destination, expected] of TABLE) it(what, () => assert.equal(decided(source, destination), expected));

  it("tags that nobody is known to have changed are the source's where nothing goes the other way (invariant 9)", () => {
    for (const [there, here] of [
      ["x", "y"],
      ["y", "x"],
    ] as const) {
      const [source, destination] = [at("1", { A: 1 }, { tags: there }), at("1", { A: 1 }, { tags: here })];
      const decision = decide({ source, destination, sourceBucket: "A", policy: "newest", members: MEMBERS, isOneWay: true, known: true });
      assert.equal(spelled(decision), "retag");
    }
  });

  it("of two that won over each other by way of a third the one that gained more is ahead (invariant 11)", () => {
    const restored = at("3", { A: 5, B: 7 });
    const deleted = at(null, { A: 5, B: 6 }, { origin: "B", seconds: 900 });
    assert.equal(decided(restored, deleted), "copy");
    assert.equal(decided(deleted, restored), "yield");
  });

  it("where nothing is known of a difference a person decides, whatever the policy (invariant 11)", () => {
    for (const policy of ["newest", "priority", "hold"] as const) {
      assert.equal(decided(at("2", { A: 9 }), at("3", { B: 1 }, { origin: "B" }), { policy, known: false }), "hold");
    }
  });

  it("priority lets the member that stands first win, hold nobody", () => {
    const [source, later] = [at("2", { A: 2 }), at("3", { A: 1, B: 1 }, { origin: "B", seconds: 900 })];
    assert.equal(decided(source, later, { policy: "priority" }), "copy conflict");
    assert.equal(decided(source, later, { policy: "hold" }), "hold");
  });

  it("asks no clock where one side descends from the other (invariants 2 and 11)", () => {
    const history = fc.dictionary(fc.constantFrom("A", "B"), fc.integer({ min: 1, max: 3 })) as fc.Arbitrary<History>;
    const seconds = fc.integer({ min: 0, max: 1_000 });
    fc.assert(
      fc.property(history, seconds, seconds, (over, early, late) => {
        const newer = at("2", { ...over, A: (over["A"] ?? 0) + 1 }, { seconds: early });
        assert.equal(decided(newer, at("1", over, { seconds: late, origin: "B" })), "copy");
      }),
    );
  });

  it("both directions choose the same winner (invariant 11)", () => {
    const shape = fc.record({
      etag: fc.constantFrom("1", "2", null),
      seconds: fc.integer({ min: 1, max: 3 }),
      origin: fc.constantFrom("A", "B"),
    });
    fc.assert(
      fc.property(shape, shape, fc.constantFrom<ConflictPolicy>("newest", "priority"), (a, b, policy) => {
        const [x, y] = [at(a.etag, { A: 2, B: 1 }, a), at(b.etag, { A: 1, B: 2 }, b)];
        const there = decide({ source: x, destination: y, sourceBucket: "A", policy, members: MEMBERS, known: true });
        const back = decide({ source: y, destination: x, sourceBucket: "B", policy, members: MEMBERS, known: true });
        if (there.do === "copy" || there.do === "delete") assert.equal(back.do, "yield");
        else if (there.do === "yield") assert.ok(back.do === "copy" || back.do === "delete", back.do);
        else assert.equal(back.do, there.do);
      }),
    );
  });
});

describe("decide, where ACLs travel", () => {
  const one = { history: { A: 1 }, tags: "t" };
  const held = (acl: HeldObject["acl"], retagged = 0): Side => {
    const found = side({ ...one, retagged });
    return found.kind === "object" ? { ...found, object: { ...found.object, acl } } : found;
  };
  const between = (source: Side, destination: Side, carriesAcls = true) =>
    spelled(decide({ source, destination, sourceBucket: "A", policy: "newest", members: MEMBERS, known: true, carriesAcls }));

  it("the later change stays, whichever is stricter", () => {
    assert.equal(between(held("public-read", 1), held("private")), "retag");
    assert.equal(between(held("public-read"), held("private", 1)), "yield");
  });

  it("of two that nobody saw change the stricter stays, in both directions, and grants without a name are not lost (invariant 11)", () => {
    const strictest = ["other", "private", "authenticated-read", "public-read", "public-read-write"] as const;
    for (const [i, a] of strictest.entries()) {
      for (const b of strictest.slice(i + 1)) assert.deepEqual([between(held(a), held(b)), between(held(b), held(a))], ["retag", "yield"]);
    }
  });

  it("what was not read, what the owner of a bucket has anyway, and what the rule does not carry, is no difference", () => {
    assert.equal(between(held("public-read", 1), held(undefined)), "nothing equal");
    assert.equal(between(held("bucket-owner-full-control", 1), held("private")), "nothing equal");
    assert.equal(between(held("public-read", 1), held("private"), false), "nothing equal");
  });
});

describe("decide, where a lifecycle's deletes stay where they are made", () => {
  const written = side({ etag: "2", history: { A: 2 } });
  const deleted = side({ etag: null, history: { A: 1, B: 1 }, origin: "B", seconds: 200 });
  const expired: Side = deleted.kind === "deleted" ? { ...deleted, content: { ...deleted.content, isExpiration: true } } : deleted;
  const between = (source: Side, destination: Side, ignoresExpirations: boolean) =>
    spelled(decide({ source, destination, sourceBucket: "A", policy: "hold", members: MEMBERS, known: true, ignoresExpirations }));

  it("one gives way to what was written beside it, and is no conflict", () => {
    assert.deepEqual([between(written, expired, true), between(expired, written, true)], ["copy", "yield"]);
    assert.deepEqual([between(written, expired, false), between(written, deleted, true)], ["hold", "hold"]);
  });
});
