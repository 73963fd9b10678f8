import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { destinationOf, ruleOf } from "../../test/support/rules.ts";
import { explainNative } from "../domain/native-failures.ts";
import type { Rule } from "../domain/rule.ts";
import { blankEntry, type LedgerEntry } from "../domain/status.ts";
import type { BatchJob } from "../ports/batch-replication.ts";
import { LeapingClock } from "../testing/leaping-clock.ts";
import { bucketOf } from "../testing/memory-object-store.ts";
import { MemoryState } from "../testing/memory-state.ts";
import { queryExplanation } from "./explain.ts";
import type { NativeLook, NativeObjectFacts, NativePairFacts } from "./native.ts";
import { redriveFailures } from "./operations.ts";
import { type QueryScope, queryObject, queryStatus } from "./queries.ts";

const NOW = Date.UTC(2026, 10, 21, 12);
const [A, B, C] = [bucketOf("a"), bucketOf("b"), bucketOf("c")];
const NATIVE = ruleOf(A, [destinationOf(B)], { id: "native", deletes: "markers" });
const COPY = ruleOf(A, [destinationOf(C)], { id: "copy" });

const S3_RULE = { id: "acme/native/one:b", status: "Enabled" } as const;
const UNMEASURED: NativePairFacts = { rule: S3_RULE, metrics: null };
const MEASURED: NativePairFacts = {
  rule: S3_RULE,
  metrics: { operationsPending: 3, bytesPending: 4096, operationsFailed: 1, latencyMs: 7000 },
};
const JOB: BatchJob = {
  id: "job-1",
  description: "",
  status: "RUNNING",
  total: 10,
  succeeded: 4,
  failed: 1,
  createdAt: NOW,
  endedAt: null,
  failureReasons: [],
};
const PLACE = { rule: "native", destination: B.id, key: "k" };
const ROUTE = { rule: "native", source: A.id, destination: B.id };
const COMPLETED: LedgerEntry = { ...blankEntry(PLACE), status: "COMPLETED", finishedAt: NOW };
const FAILED: LedgerEntry = {
  ...blankEntry(PLACE),
  status: "FAILED",
  reason: "ReplicationFailed",
  notes: ["healed", "version:v1"],
  error: explainNative("ReplicationFailed"),
  firstFailedAt: NOW,
  finishedAt: NOW,
};

interface Told {
  readonly pair?: NativePairFacts;
  readonly object?: NativeObjectFacts | undefined;
  readonly jobs?: Readonly<Record<string, BatchJob | undefined>>;
}

function scopeOf(told: Told | undefined, rules: readonly Rule[] = [NATIVE, COPY]): QueryScope & { readonly asked: string[] } {
  const asked: string[] = [];
  const native: NativeLook | undefined = told && {
    pair: async (rule, { id }) => {
      asked.push(`${rule.id} ${rule.source.name} ${id}`);
      return told.pair ?? UNMEASURED;
    },
    object: async (rule) => {
      asked.push(rule.id);
      return told.object;
    },
    job: async ({ source }) => told.jobs?.[source.name],
  };
  const state = new MemoryState({ clock: new LeapingClock(NOW) });
  return { name: "acme", rules, state, engineOf: (rule) => (rule === "copy" ? "copy" : "native"), native, asked };
}

async function statusOf(scope: QueryScope, rule = "native") {
  const { rules } = await queryStatus(scope, NOW, rule);
  const [found] = rules;
  assert.ok(found);
  return found;
}

describe("status of what S3 replicates", () => {
  it("is null where nobody counts, never 0", async () => {
    const { destinations, batchJob, lastSyncAt } = await statusOf(scopeOf({}));
    assert.deepEqual(destinations, [
      {
        id: "one:b",
        bucket: "one:b",
        operationsPending: null,
        bytesPending: null,
        operationsCompleted: null,
        bytesCompleted: null,
        operationsFailed: null,
        operationsHeld: null,
        oldestPendingAt: null,
        replicationLatencyMs: null,
        s3Rules: [{ source: "one:a", ...S3_RULE }],
      },
    ]);
    assert.deepEqual([batchJob, lastSyncAt], [null, null]);
  });

  it("shows what S3 measures: the backlog, and the longest lag alone", async () => {
    const [destination] = (await statusOf(scopeOf({ pair: MEASURED }))).destinations;
    assert.deepEqual([destination?.operationsPending, destination?.bytesPending, destination?.operationsFailed], [3, 4096, null]);
    assert.deepEqual(destination?.replicationLatencyMs, { p50: null, p95: null, p99: null, max: 7000 });
  });

  it("counts what a watch has seen", async () => {
    const scope = scopeOf({});
    await scope.state.ledger.adopt([
      { route: ROUTE, entry: COMPLETED },
      { route: ROUTE, entry: { ...FAILED, key: "other" } },
    ]);
    await scope.state.journal.saveSyncProgress("native", { startedAt: NOW, after: null, finishedAt: NOW });
    const { destinations, lastSyncAt } = await statusOf(scope);
    assert.deepEqual([destinations[0]?.operationsCompleted, destinations[0]?.operationsFailed], [1, 1]);
    assert.equal(lastSyncAt, "2026-11-21T12:00:00.000Z");
  });

  it("shows the job that is at work, of all sources of a mesh, before one that was started later", async () => {
    const mesh = [A.id, B.id];
    const rules = [ruleOf(A, [destinationOf(B)], { id: "native", mesh }), ruleOf(B, [destinationOf(A)], { id: "native", mesh })];
    const later: BatchJob = { ...JOB, id: "job-2", status: "COMPLETED", createdAt: NOW + 1, endedAt: NOW + 2 };
    const scope = scopeOf({ jobs: { "one:a": JOB, "one:b": later } }, rules);
    const { batchJob, destinations } = await statusOf(scope);
    assert.deepEqual(batchJob, { id: "job-1", status: "RUNNING", total: 10, succeeded: 4, failed: 1 });
    assert.deepEqual(
      destinations.map(({ s3Rules }) => s3Rules?.map(({ source }) => source)),
      [["one:b"], ["one:a"]],
    );
  });

  it("asks S3 nothing about rules that replicast serves, and leaves their shape as it is", async () => {
    const scope = scopeOf({});
    const { batchJob, destinations } = await statusOf(scope, "copy");
    assert.deepEqual(scope.asked, []);
    assert.deepEqual([batchJob, destinations[0]?.s3Rules, destinations[0]?.operationsPending], [undefined, undefined, 0]);
  });
});

const SEEN: NativeObjectFacts = { rule: S3_RULE, replicationStatus: "FAILED", replicaStatus: null, entry: FAILED };

describe("one object of what S3 replicates", () => {
  it("is shown as S3 shows it now, whatever the ledger knew", async () => {
    const scope = scopeOf({ object: SEEN });
    await scope.state.ledger.adopt([{ route: ROUTE, entry: COMPLETED }]);
    const { entries } = await queryObject(scope, A, "k");
    assert.deepEqual(
      entries.map(({ engine, status, reason }) => [engine, status, reason]),
      [["native", "FAILED", "ReplicationFailed"]],
    );
    assert.deepEqual(scope.asked, ["native"]);
  });

  it("is shown as the ledger knows it where S3 cannot be asked", async () => {
    for (const told of [{ object: undefined }, undefined]) {
      const scope = scopeOf(told);
      await scope.state.ledger.adopt([{ route: ROUTE, entry: COMPLETED }]);
      const { entries } = await queryObject(scope, A, "k");
      assert.deepEqual(
        entries.map(({ status }) => status),
        ["COMPLETED"],
      );
    }
  });

  it("is explained by S3's rule, its header, and what to do", async () => {
    const { rules } = await queryExplanation(scopeOf({ object: SEEN }), A, "k");
    const [native, copy] = rules.map(({ destinations }) => destinations[0]);
    assert.deepEqual(native?.native, { ruleId: S3_RULE.id, ruleStatus: "Enabled", replicationStatus: "FAILED", replicaStatus: null });
    assert.match(native?.entry?.error?.hint ?? "", /run, or by replicast apply --backfill/);
    assert.equal(native?.gate, null, "S3 asks no gate of ours");
    assert.equal(copy !== undefined && "native" in copy, false);
  });
});

describe("redrive of what S3 replicates", () => {
  it("lets the next comparison heal the row again, and makes no task that nobody would work on", async () => {
    const scope = scopeOf({});
    await scope.state.ledger.adopt([{ route: ROUTE, entry: FAILED }]);
    assert.equal((await redriveFailures({ ...scope, now: () => NOW }, { all: true })).changed, 1);
    assert.deepEqual((await scope.state.ledger.get(ROUTE, "k"))?.notes, ["version:v1"]);
    assert.deepEqual(await scope.state.tasks.pending(), []);
  });
});
