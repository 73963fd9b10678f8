import assert from "node:assert/strict";
import { isReplicationError } from "../domain/error.ts";
import type { LedgerEntry } from "../domain/status.ts";
import type { EntryFilter, LeasedTask, Ledger, Outcome, Route } from "../ports/state.ts";
import {
  claimAll,
  claimOne,
  completed,
  describeState,
  entryOf,
  failed,
  keysOf,
  PHOTOS,
  postponed,
  REPLICA,
  type StateCases,
  type StateContract,
  type StateHarness,
  wantOf,
} from "./state-contract.ts";

const EU: Route = { ...PHOTOS, destination: "s3://three.example/copy" };
const LOGS: Route = { rule: "logs", source: "s3://one.example/logs", destination: "s3://two.example/logs" };
const HOUR_MS = 3_600_000;

/** Holds an adapter to the promises of `Ledger`. */
export function describeLedger(contract: StateContract): void {
  describeState("Ledger", contract, { ...reading, ...versioned, ...deleting, ...listing, ...adopting, ...summing });
}

/** Brings one key through a task to the outcome that is made of it. */
async function outcomeOf(harness: StateHarness, want: Parameters<typeof wantOf>, make: typeof completed = completed): Promise<Outcome> {
  await harness.state.tasks.want([wantOf(...want)]);
  const outcome = make(await claimOne(harness));
  await harness.state.tasks.record([outcome]);
  return outcome;
}

async function adopted(ledger: Ledger, keys: readonly string[], route: Route = PHOTOS): Promise<void> {
  await ledger.adopt(keys.map((key) => ({ route, entry: entryOf(route, key) })));
}

const reading: StateCases = {
  "what nobody ever wanted is unknown": async ({ state: { ledger } }) => {
    assert.equal(await ledger.get(PHOTOS, "a"), undefined);
    assert.deepEqual(await ledger.entriesOf(PHOTOS.source, "a"), []);
    assert.deepEqual(await ledger.scan(PHOTOS, undefined, 10), []);
    assert.deepEqual(await ledger.list({ limit: 10 }), { entries: [], nextToken: null });
  },
  "an entry is read as it was recorded": async (harness) => {
    const entry: Partial<LedgerEntry> = {
      reason: "because",
      notes: ["TagsDropped", 'quo"te'],
      replica: { ...REPLICA, versionId: "v1", attributeHash: "h", proof: "checksum", destinationEtag: "other", destinationVersionId: "v2" },
      operation: "attributes",
      origin: "s3://three.example/copy",
      eventTime: 1,
      startedAt: 2,
      finishedAt: 3,
      firstFailedAt: 4,
      replicationLatencyMs: 5,
    };
    const outcome = await outcomeOf(harness, ["a"], (task) => completed(task, entry));
    assert.deepEqual(await harness.state.ledger.get(PHOTOS, "a"), outcome.entry);
  },
  "an error is read as it was recorded": async (harness) => {
    const outcome = await outcomeOf(harness, ["a"], failed);
    assert.deepEqual(await harness.state.ledger.get(PHOTOS, "a"), outcome.entry);
    assert.equal(outcome.entry.error?.code, "AccessDenied");
  },
  "what was recorded is there after the state is opened again (invariant 1)": async (harness, reopened) => {
    const outcome = await outcomeOf(harness, ["a"]);
    const next = await harness.reopen();
    reopened(next);
    assert.deepEqual(await next.state.ledger.get(PHOTOS, "a"), outcome.entry);
  },
  "a task that waits shows as PENDING before its first attempt": async (harness) => {
    await harness.state.tasks.want([wantOf("a", { eventTime: 7 })]);
    const entry = entryOf(PHOTOS, "a", { status: "PENDING", replica: null, attempts: 0, eventTime: 7 });
    assert.deepEqual(await harness.state.ledger.get(PHOTOS, "a"), entry);
    await claimOne(harness);
    assert.deepEqual(await harness.state.ledger.get(PHOTOS, "a"), entry);
  },
  "a task that waits shows as PENDING over the replica that is there": async (harness) => {
    await outcomeOf(harness, ["a", { eventTime: 1 }]);
    await harness.state.tasks.want([wantOf("a", { eventTime: 7 })]);
    const entry = await harness.state.ledger.get(PHOTOS, "a");
    assert.deepEqual([entry?.status, entry?.eventTime, entry?.replica], ["PENDING", 7, REPLICA]);
  },
  "a task that waits after a failure tells its error and its next attempt": async (harness) => {
    const retryAt = harness.now() + 1_000;
    await outcomeOf(harness, ["a"], (task) => postponed(task, retryAt));
    const entry = await harness.state.ledger.get(PHOTOS, "a");
    assert.deepEqual([entry?.status, entry?.attempts, entry?.nextAttemptAt, entry?.error?.code], ["PENDING", 1, retryAt, "AccessDenied"]);
  },
  "entriesOf gives every destination of one source object and nothing of another": async (harness) => {
    const { ledger, tasks } = harness.state;
    await adopted(ledger, ["a", "b"]);
    await adopted(ledger, ["a"], LOGS);
    await tasks.want([wantOf("a", { route: EU })]);
    const entries = await ledger.entriesOf(PHOTOS.source, "a");
    const told = entries.map(({ destination, key, status }) => [destination, key, status]).sort();
    assert.deepEqual(told, [
      [EU.destination, "a", "PENDING"],
      [PHOTOS.destination, "a", "COMPLETED"],
    ]);
  },
};

/** Records the current object of a key COMPLETED, and versions of it beside. */
function withVersions(harness: StateHarness, key: string, versions: readonly Partial<LedgerEntry>[]): Promise<Outcome> {
  const make = (task: LeasedTask): Outcome => {
    return { ...completed(task), versions: versions.map((version) => entryOf(task.route, key, version)) };
  };
  return outcomeOf(harness, [key], make);
}

const FAILED_VERSION: Partial<LedgerEntry> = { versionId: "v2", status: "FAILED", reason: "OutOfOrder", replica: null };

const versioned: StateCases = {
  "rows of single versions stand behind the one of the current object, and out of its way": async (harness, reopened) => {
    const outcome = await withVersions(harness, "a", [FAILED_VERSION, { versionId: "v1", operation: "delete", replica: null }]);
    await withVersions(harness, "b", []);
    const next = await harness.reopen();
    reopened(next);
    const { ledger, tasks } = next.state;
    const [v2, v1] = outcome.versions ?? [];
    assert.deepEqual(await ledger.get(PHOTOS, "a"), outcome.entry);
    assert.deepEqual(await ledger.entriesOf(PHOTOS.source, "a"), [outcome.entry, v1, v2]);
    assert.deepEqual(keysOf(await ledger.scan(PHOTOS, undefined, 10)), ["a", "b"]);
    await tasks.want([wantOf("a")]);
    const statuses = (await ledger.entriesOf(PHOTOS.source, "a")).map(({ versionId, status }) => [versionId, status]);
    assert.deepEqual(statuses, [
      ["", "PENDING"],
      ["v1", "COMPLETED"],
      ["v2", "FAILED"],
    ]);
  },
  "the row of a version is replaced by its next, and keeps the replica it has": async (harness) => {
    await withVersions(harness, "a", [{ versionId: "v1" }]);
    await withVersions(harness, "a", [{ versionId: "v1", status: "FAILED", replica: null }]);
    const [, v1, ...more] = await harness.state.ledger.entriesOf(PHOTOS.source, "a");
    assert.deepEqual([v1?.status, v1?.replica, more], ["FAILED", REPLICA, []]);
  },
  "a list gives the rows of versions too, on pages of any size": async (harness) => {
    const { ledger, tasks } = harness.state;
    for (const key of ["a", "b", "c"]) await withVersions(harness, key, [{ versionId: "v1" }, FAILED_VERSION, { versionId: "v3" }]);
    await tasks.want([wantOf("b"), wantOf("aa"), wantOf("d")]);
    const told = async (filter: Partial<EntryFilter>, limit: number) => {
      const entries = await everyPage(ledger, { limit, ...filter });
      return entries.map(({ key, versionId, status }) => `${key}${versionId} ${status[0]}`).join(", ");
    };
    for (const limit of [1, 2, 3, 4, 5, 100]) {
      assert.equal(await told({}, limit), "a C, av1 C, av2 F, av3 C, aa P, b P, bv1 C, bv2 F, bv3 C, c C, cv1 C, cv2 F, cv3 C, d P");
      assert.equal(await told({ status: "FAILED" }, limit), "av2 F, bv2 F, cv2 F");
      assert.equal(await told({ status: "PENDING" }, limit), "aa P, b P, d P");
      assert.equal(await told({ status: "COMPLETED" }, limit), "a C, av1 C, av3 C, bv1 C, bv3 C, c C, cv1 C, cv3 C");
    }
  },
  "versions are counted as rows of their own": async (harness) => {
    await withVersions(harness, "a", [{ versionId: "v1" }, FAILED_VERSION]);
    const [summary] = await harness.state.ledger.summaries(harness.now());
    assert.deepEqual([summary?.completed, summary?.failed], [{ operations: 2, bytes: 2 * REPLICA.bytes }, 1]);
  },
};

const deleting: StateCases = {
  "a completed delete leaves a tombstone: a row without a replica": async (harness) => {
    const { ledger } = harness.state;
    await outcomeOf(harness, ["a"]);
    const outcome = await outcomeOf(harness, ["a"], (task) => completed(task, { operation: "delete", replica: null, finishedAt: 9 }));
    assert.deepEqual(await ledger.get(PHOTOS, "a"), outcome.entry);
    const [summary] = await ledger.summaries(harness.now());
    assert.deepEqual(summary?.completed, { operations: 1, bytes: 0 });
    await outcomeOf(harness, ["a"], failed);
    assert.equal((await ledger.get(PHOTOS, "a"))?.replica, null);
    await outcomeOf(harness, ["a"]);
    assert.deepEqual((await ledger.summaries(harness.now()))[0]?.completed, { operations: 1, bytes: REPLICA.bytes });
  },
  "a delete that was held or failed leaves the replica known": async (harness) => {
    await outcomeOf(harness, ["a"]);
    for (const status of ["HELD", "FAILED"] as const) {
      await outcomeOf(harness, ["a"], (task) => failed(task, { status, operation: "delete" }));
      const entry = await harness.state.ledger.get(PHOTOS, "a");
      assert.deepEqual([entry?.status, entry?.operation, entry?.replica], [status, "delete", REPLICA]);
    }
  },
  "a tombstone can be adopted": async (harness) => {
    await adopted(harness.state.ledger, ["a"]);
    const entry = entryOf(PHOTOS, "a", { operation: "delete", replica: null });
    await harness.state.ledger.adopt([{ route: PHOTOS, entry }]);
    assert.deepEqual(await harness.state.ledger.get(PHOTOS, "a"), entry);
  },
  "a task that waits tells what it is about to do, as far as was announced": async (harness) => {
    const { tasks, ledger } = harness.state;
    const changes = {
      gone: { deleted: true },
      tagged: { attributes: true },
      both: { deleted: true, written: true },
      said: { approved: true },
    };
    await tasks.want(Object.entries(changes).map(([key, announced]) => wantOf(key, { changes: announced })));
    const entries = await ledger.scan(PHOTOS, undefined, 10);
    assert.deepEqual(Object.fromEntries(entries.map(({ key, operation }) => [key, operation])), {
      both: "copy",
      gone: "delete",
      said: "copy",
      tagged: "attributes",
    });
  },
};

const listing: StateCases = {
  "scan goes by the UTF-8 bytes of the keys, as S3 lists them": async ({ state: { ledger } }) => {
    const ordered = ["A", "a", "a\0", "a\0b", "a ", "a/", "aa", "z", "é", "\uffee", "\uffff", "\u{10000}", "\u{1f600}"];
    await adopted(ledger, [...ordered].reverse());
    assert.deepEqual(keysOf(await ledger.scan(PHOTOS, undefined, 100)), ordered);
    for (const [index, key] of ordered.entries()) {
      assert.deepEqual(keysOf(await ledger.scan(PHOTOS, key, 2)), ordered.slice(index + 1, index + 3));
    }
  },
  "scan merges recorded rows and waiting tasks, each key once": async ({ state: { ledger, tasks } }) => {
    await adopted(ledger, ["a", "c", "e"]);
    await tasks.want(["b", "c", "f"].map((key) => wantOf(key)));
    await tasks.want([wantOf("d", { route: EU })]);
    const statuses = async (after: string | undefined, limit: number) => {
      const entries = await ledger.scan(PHOTOS, after, limit);
      return entries.map(({ key, status }) => `${key} ${status}`);
    };
    const all = ["a COMPLETED", "b PENDING", "c PENDING", "e COMPLETED", "f PENDING"];
    assert.deepEqual(await statuses(undefined, 10), all);
    assert.deepEqual(await statuses(undefined, 3), all.slice(0, 3));
    assert.deepEqual(await statuses("b", 2), all.slice(2, 4));
  },
  "a list is paged without a gap or a repetition": async ({ state: { ledger, tasks } }) => {
    const keys = Array.from({ length: 25 }, (_, index) => `k${String(index).padStart(2, "0")}`);
    await adopted(ledger, keys);
    await adopted(ledger, keys, LOGS);
    await tasks.want(keys.map((key) => wantOf(key, { route: EU })));
    for (const limit of [1, 7, 25, 74, 75, 100]) {
      const entries = await everyPage(ledger, { limit });
      assert.equal(entries.length, 75);
      assert.equal(new Set(entries.map(({ rule, destination, key }) => `${rule} ${destination} ${key}`)).size, 75);
    }
  },
  "the last page has no token": async ({ state: { ledger } }) => {
    await adopted(ledger, ["a", "b"]);
    assert.equal((await ledger.list({ limit: 2 })).nextToken, null);
    assert.notEqual((await ledger.list({ limit: 1 })).nextToken, null);
  },
  "a list is narrowed by rule, destination, status and time, also together": async (harness) => {
    const { ledger } = harness.state;
    await outcomeOf(harness, ["done"], (task) => completed(task, { finishedAt: 1_000 }));
    await outcomeOf(harness, ["bad"], (task) => failed(task, { finishedAt: 2_000 }));
    await outcomeOf(harness, ["held", { route: EU }], (task) => failed(task, { status: "HELD", finishedAt: 3_000 }));
    await outcomeOf(harness, ["log", { route: LOGS }], (task) => completed(task, { finishedAt: 4_000 }));
    await outcomeOf(harness, ["retry", { route: LOGS }], (task) => postponed(task, harness.now() + 1));
    await harness.state.tasks.want([wantOf("new"), wantOf("bad", { route: EU })]);
    const keys = async (filter: Partial<EntryFilter>) => [...keysOf(await everyPage(ledger, { limit: 1, ...filter }))].sort();
    assert.deepEqual(await keys({ rule: "logs" }), ["log", "retry"]);
    assert.deepEqual(await keys({ destination: EU.destination }), ["bad", "held"]);
    assert.deepEqual(await keys({ status: "COMPLETED" }), ["done", "log"]);
    assert.deepEqual(await keys({ status: "FAILED" }), ["bad"]);
    assert.deepEqual(await keys({ status: "HELD" }), ["held"]);
    assert.deepEqual(await keys({ status: "PENDING" }), ["bad", "new", "retry"]);
    assert.deepEqual(await keys({ status: "SKIPPED" }), []);
    assert.deepEqual(await keys({ since: 3_000 }), ["held", "log"]);
    assert.deepEqual(await keys({ since: 2_000, rule: "photos", status: "FAILED" }), ["bad"]);
    assert.deepEqual(await keys({ rule: "nobody" }), []);
  },
  "what S3 itself is at work on is listed among what waits": async (harness) => {
    const { ledger, tasks } = harness.state;
    const pending = (key: string) => ({ route: PHOTOS, entry: entryOf(PHOTOS, key, { status: "PENDING", replica: null }) });
    await ledger.adopt([pending("a"), pending("c"), pending("e")]);
    await adopted(ledger, ["b"]);
    await tasks.want([wantOf("c"), wantOf("d")]);
    for (const limit of [1, 2, 10]) assert.deepEqual(keysOf(await everyPage(ledger, { status: "PENDING", limit })), ["a", "c", "d", "e"]);
  },
  "a failed row that is wanted again is no longer listed as failed": async (harness) => {
    await outcomeOf(harness, ["a"], failed);
    await harness.state.tasks.want([wantOf("a")]);
    assert.deepEqual((await harness.state.ledger.list({ status: "FAILED", limit: 10 })).entries, []);
  },
  "a token that no list gave is refused": async ({ state: { ledger } }) => {
    for (const nextToken of ["", "?", "bm9uc2Vuc2U", "W10"]) {
      await assert.rejects(ledger.list({ limit: 1, nextToken }), (error) => isReplicationError(error) && error.code === "InvalidRequest");
    }
  },
};

const adopting: StateCases = {
  "an adopted entry is recorded without a task": async ({ state: { ledger, tasks } }) => {
    await adopted(ledger, ["a"]);
    assert.deepEqual(await ledger.get(PHOTOS, "a"), entryOf(PHOTOS, "a"));
    assert.deepEqual(await tasks.pending(), []);
  },
  "nothing to adopt is adopted": async ({ state: { ledger } }) => {
    await ledger.adopt([]);
  },
  "adopting never replaces a row that a task is about to change (invariant 3)": async (harness) => {
    const { ledger, tasks } = harness.state;
    await tasks.want([wantOf("waits"), wantOf("in work")]);
    const claimed = await claimAll(harness, 2);
    await tasks.release(claimed.filter((task) => task.key === "waits"));
    await adopted(ledger, ["waits", "in work", "free"]);
    const entries = await ledger.scan(PHOTOS, undefined, 10);
    assert.deepEqual(
      entries.map(({ key, status, replica }) => [key, status, replica]),
      [
        ["free", "COMPLETED", REPLICA],
        ["in work", "PENDING", null],
        ["waits", "PENDING", null],
      ],
    );
  },
  "adopting takes the place of an older outcome": async (harness) => {
    await outcomeOf(harness, ["a"], failed);
    await adopted(harness.state.ledger, ["a"]);
    assert.equal((await harness.state.ledger.get(PHOTOS, "a"))?.status, "COMPLETED");
    const [summary] = await harness.state.ledger.summaries(harness.now());
    assert.deepEqual([summary?.failed, summary?.completed], [0, { operations: 1, bytes: REPLICA.bytes }]);
  },
  "adopting over a row leaves one that changed since, one that came since and one that went (invariant 8)": async (harness) => {
    const { ledger } = harness.state;
    const times = { startedAt: 1, finishedAt: 2 };
    const none = { startedAt: null, finishedAt: null };
    const before = (key: string) => ({ route: PHOTOS, entry: entryOf(PHOTOS, key, times) });
    await ledger.adopt([before("same"), before("restarted"), before("refinished"), before("new")]);
    const adoption = (key: string, over: typeof times | typeof none) => {
      return { route: PHOTOS, entry: entryOf(PHOTOS, key, { reason: "Adopted", finishedAt: 9 }), over };
    };
    await ledger.adopt([adoption("same", times), adoption("absent", none), adoption("gone", times), adoption("new", none)]);
    await ledger.adopt([adoption("restarted", { ...times, startedAt: 0 }), adoption("refinished", { ...times, finishedAt: 1 })]);
    const reasons = (await ledger.scan(PHOTOS, undefined, 10)).map(({ key, reason }) => [key, reason]);
    assert.deepEqual(reasons, [
      ["absent", "Adopted"],
      ["new", null],
      ["refinished", null],
      ["restarted", null],
      ["same", "Adopted"],
    ]);
  },
  "a row that is read while a task waits over it is the one to adopt over": async (harness) => {
    const { ledger, tasks } = harness.state;
    await outcomeOf(harness, ["a"], (task) => failed(task, { startedAt: 1, finishedAt: 2 }));
    await tasks.want([wantOf("a"), wantOf("b")]);
    const [a, b] = await ledger.scan(PHOTOS, undefined, 10);
    assert.deepEqual([a?.startedAt, a?.finishedAt, b?.startedAt, b?.finishedAt], [1, 2, null, null]);
  },
};

const summing: StateCases = {
  "a summary counts the rows by what they are now": async (harness) => {
    const { ledger } = harness.state;
    await adopted(ledger, ["a", "b", "c", "d"]);
    await outcomeOf(harness, ["b"], failed);
    await outcomeOf(harness, ["c"], (task) => failed(task, { status: "HELD" }));
    await outcomeOf(harness, ["d"], (task) => completed(task, { replica: { ...REPLICA, bytes: 90 } }));
    const [summary] = await ledger.summaries(harness.now());
    assert.deepEqual(summary, { route: PHOTOS, completed: { operations: 2, bytes: 100 }, failed: 1, held: 1, latencyMs: null });
    await outcomeOf(harness, ["b"]);
    const [later] = await ledger.summaries(harness.now());
    assert.deepEqual([later?.completed, later?.failed], [{ operations: 3, bytes: 110 }, 0]);
  },
  "summaries are kept apart by route and through a reopening": async (harness, reopened) => {
    await adopted(harness.state.ledger, ["a", "b"]);
    await adopted(harness.state.ledger, ["a"], LOGS);
    const next = await harness.reopen();
    reopened(next);
    const summaries = await next.state.ledger.summaries(next.now());
    const counts = summaries.map(({ route, completed: { operations } }) => [route.rule, operations]).sort();
    assert.deepEqual(counts, [
      ["logs", 1],
      ["photos", 2],
    ]);
  },
  "latencies are percentiles by nearest rank over what finished in the last hour": async (harness) => {
    const { ledger } = harness.state;
    const finishedAt = harness.now();
    const entries = Array.from({ length: 100 }, (_, index) => {
      const entry = entryOf(PHOTOS, `k${index}`, { eventTime: 1, finishedAt: finishedAt + index, replicationLatencyMs: 100 - index });
      return { route: PHOTOS, entry };
    });
    await ledger.adopt(entries);
    const latencies = async (now: number) => (await ledger.summaries(now))[0]?.latencyMs;
    assert.deepEqual(await latencies(finishedAt + HOUR_MS), { p50: 50, p95: 95, p99: 99, max: 100 });
    assert.deepEqual(await latencies(finishedAt + HOUR_MS + 98), { p50: 1, p95: 2, p99: 2, max: 2 });
    assert.equal(await latencies(finishedAt + HOUR_MS + 100), null);
  },
};

async function everyPage(ledger: Ledger, filter: EntryFilter): Promise<readonly LedgerEntry[]> {
  const entries: LedgerEntry[] = [];
  for (let nextToken: string | null | undefined; nextToken !== null; ) {
    const page = await ledger.list({ ...filter, nextToken });
    assert.ok(page.entries.length <= filter.limit);
    entries.push(...page.entries);
    nextToken = page.nextToken;
  }
  return entries;
}
