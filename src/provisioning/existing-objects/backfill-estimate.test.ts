import assert from "node:assert/strict";
import { test } from "node:test";
import { estimateBackfill } from "./backfill-estimate.ts";

for (const [what, backfill, dollars] of [
  ["nothing", { objects: 0, bytes: 0, crossRegion: true }, 0],
  ["one empty object", { objects: 1, bytes: 0, crossRegion: true }, 0.250006],
  ["a million objects within a region", { objects: 1_000_000, bytes: 1e12, crossRegion: false }, 6.25],
  ["a million objects of 1 TB into another region", { objects: 1_000_000, bytes: 1e12, crossRegion: true }, 26.25],
  ["nothing, by copies", { way: "copy", objects: 0, bytes: 0, crossRegion: true }, 0],
  ["a million objects within a region, by copies", { way: "copy", objects: 1_000_000, bytes: 1e12, crossRegion: false }, 5.8],
] as const) {
  test(`what the replication of existing objects is likely to cost: ${what}`, () => {
    assert.ok(Math.abs(estimateBackfill(backfill) - dollars) < 1e-9);
  });
}
