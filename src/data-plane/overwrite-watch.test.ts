import assert from "node:assert/strict";
import { it } from "node:test";
import { blankEntry, type LedgerEntry } from "../domain/status.ts";
import type { Outcome } from "../ports/state.ts";
import { MemoryState } from "../testing/memory-state.ts";
import { OverwriteWatch } from "./overwrite-watch.ts";

const ROUTE = { rule: "r", source: "s3://a/b", destination: "s3://c/d" };
const LIMITS = { max: 5, percent: 100, windowMs: 60_000 };

function outcome(key: string, etag: string): Outcome {
  const replica = {
    etag,
    versionId: null,
    lastModified: 0,
    attributeHash: null,
    bytes: 1,
    proof: "etag",
    destinationEtag: etag,
    destinationVersionId: null,
  } as const;
  const entry: LedgerEntry = { ...blankEntry({ ...ROUTE, key }), status: "COMPLETED", replica };
  const task = { route: ROUTE, key, lane: "live", eventTime: null, wanted: 1, attempts: 0, firstFailedAt: null, lease: "l" } as const;
  return { task, entry };
}

it("replicas that are written over in great numbers raise one alarm a window, first copies none", async () => {
  let now = 1_000_000;
  const clock = { now: () => now, sleep: async () => {} };
  const state = new MemoryState({ clock });
  const warned: string[] = [];
  const logger = {
    debug: () => {},
    info: () => {},
    error: () => {},
    warn: (_: string, fields = {}) => warned.push(String((fields as { alert?: string }).alert)),
  };
  const watch = new OverwriteWatch({ ledger: state.ledger, safeguards: state.safeguards, limits: LIMITS, clock, logger });
  const keys = Array.from({ length: 30 }, (_, i) => `k${i}`);
  await watch.look(keys.map((key) => outcome(key, "1")));
  await state.ledger.adopt(keys.map((key) => ({ route: ROUTE, entry: outcome(key, "1").entry })));
  assert.deepEqual(warned, []);
  await watch.look(keys.slice(0, 5).map((key) => outcome(key, "2")));
  assert.deepEqual(warned, []);
  await watch.look(keys.slice(5).map((key) => outcome(key, "2")));
  assert.deepEqual(warned, ["MassOverwrite"]);
  now += LIMITS.windowMs * 2;
  await watch.look(keys.map((key) => outcome(key, "2")));
  assert.deepEqual(warned, ["MassOverwrite", "MassOverwrite"]);
});
