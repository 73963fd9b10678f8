import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { compareHistories, type History, mergeHistories, writtenAt } from "./history.ts";

const history = fc.dictionary(fc.constantFrom("a", "b", "c"), fc.integer({ min: 1, max: 4 })) as fc.Arbitrary<History>;
const OPPOSITE = { newer: "older", older: "newer", equal: "equal", concurrent: "concurrent" } as const;

describe("histories", () => {
  it("stand to each other as the other way round", () => {
    fc.assert(fc.property(history, history, (a, b) => assert.equal(compareHistories(a, b), OPPOSITE[compareHistories(b, a)])));
  });

  it("a write descends from what it was written over, and from nothing else (invariant 11)", () => {
    fc.assert(
      fc.property(history, history, fc.integer({ min: 0, max: 5_000 }), (over, other, time) => {
        const written = writtenAt("a", time, over);
        assert.equal(compareHistories(written, over), "newer");
        if (compareHistories(other, over) === "concurrent") assert.notEqual(compareHistories(written, other), "older");
      }),
    );
  });

  it("the merged is the least that descends from both", () => {
    fc.assert(
      fc.property(history, history, history, (a, b, c) => {
        const merged = mergeHistories(a, b);
        const covers = (x: History, y: History) => ["newer", "equal"].includes(compareHistories(x, y));
        assert.ok(covers(merged, a) && covers(merged, b));
        if (covers(c, a) && covers(c, b)) assert.ok(covers(c, merged));
      }),
    );
  });

  it("a bucket's number is at least the write's second there, so that objects alone tell the order of one clock", () => {
    assert.deepEqual(writtenAt("a", 1_700_000_000_999), { a: 1_700_000_000 });
    assert.deepEqual(writtenAt("a", 1_000, { a: 7, b: 2 }), { a: 8, b: 2 });
  });
});
