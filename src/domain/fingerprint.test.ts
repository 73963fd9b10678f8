import assert from "node:assert/strict";
import { test } from "node:test";
import { type Fingerprint, isCurrent } from "./fingerprint.ts";

const DAY_MS = 86_400_000;
const FINGERPRINT: Fingerprint = {
  takenAt: 100 * DAY_MS,
  server: "Store/1",
  honours: { conditionalPut: true, conditionalCopy: true, conditionalComplete: true, conditionalDelete: true },
};

test("a fingerprint speaks for a week, and for a server of the same name", () => {
  const cases: readonly (readonly [server: string, days: number, expected: boolean])[] = [
    ["Store/1", 0, true],
    ["Store/1", 6.9, true],
    ["Store/1", 7, false],
    ["Store/2", 0, false],
    ["", 0, false],
    ["Store/1", -1, false], // taken by a clock that is ahead of this one
  ];
  for (const [server, days, expected] of cases)
    assert.equal(isCurrent(FINGERPRINT, { server, at: (100 + days) * DAY_MS }), expected, `${server} after ${days} days`);
});
