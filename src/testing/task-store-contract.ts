import assert from "node:assert/strict";
import type { LeasedTask, Route } from "../ports/state.ts";
import {
  claimAll,
  claimOne,
  completed,
  describeState,
  FIRST_FAILED_AT,
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
const OTHER_RULE: Route = { rule: "archive", source: PHOTOS.source, destination: "s3://four.example/archive" };
const ELSEWHERE: Route = { rule: "logs", source: "s3://one.example/logs", destination: "s3://two.example/logs" };

/** Keys that stores, encodings and databases have been seen to trip over. */
const ODD_KEYS = [
  " ",
  "a\0b",
  "a\nb",
  "'; DROP TABLE task; --",
  "../up",
  "//",
  "/lead",
  "trail/ ",
  "100%25",
  "é",
  "e\u0301",
  "\u{1f600}",
  "\uffff",
  "k".repeat(1_024),
] as const;

/** Holds an adapter to the promises of `TaskStore`. */
export function describeTaskStore(contract: StateContract): void {
  describeState("TaskStore", contract, { ...wanting, ...telling, ...postponing, ...claiming, ...recording, ...waiting });
}

const wanting: StateCases = {
  "a wish becomes one task with all that was said about it": async (harness) => {
    const hint = { etag: "abc", sizeBytes: 7, lastModified: 1_000, storageClass: "STANDARD" };
    await harness.state.tasks.want([wantOf("a", { eventTime: 5, hint })]);
    const task = await claimOne(harness);
    const { wanted, lease, ...said } = task;
    const changes = { written: true };
    const expected = { route: PHOTOS, key: "a", lane: "live", eventTime: 5, changes, deletedAt: undefined, hint };
    assert.deepEqual(said, { ...expected, attempts: 0, firstFailedAt: null });
    assert.ok(wanted > 0);
    assert.notEqual(lease, "");
  },
  "no wishes at all are as good as granted": async ({ state }) => {
    await state.tasks.want([]);
    assert.deepEqual(await state.tasks.pending(), []);
  },
  "wishes for one key coalesce into one row with a higher generation, and into nothing less (invariant 2)": async (harness) => {
    await harness.state.tasks.want([wantOf("a")]);
    await harness.state.tasks.want([wantOf("a"), wantOf("a"), wantOf("b")]);
    const [a, b, ...more] = await claimAll(harness);
    assert.deepEqual([a?.key, b?.key, more], ["a", "b", []]);
    assert.equal((await harness.state.tasks.pending())[0]?.operations, 2);
  },
  "wishes made at the same time coalesce as well": async (harness) => {
    await Promise.all(Array.from({ length: 200 }, (_, index) => harness.state.tasks.want([wantOf(`k${index % 10}`)])));
    assert.equal((await claimAll(harness)).length, 10);
  },
  "a later wish replaces the hint and keeps the time of the older event": async (harness) => {
    await harness.state.tasks.want([wantOf("a", { eventTime: 5, hint: { etag: "old", sizeBytes: 1 } })]);
    await harness.state.tasks.want([wantOf("a", { eventTime: 9, hint: { etag: "new", sizeBytes: 2 } })]);
    const task = await claimOne(harness);
    assert.deepEqual([task.eventTime, task.hint], [5, { etag: "new", sizeBytes: 2 }]);
  },
  "the same key of two routes is two tasks": async (harness) => {
    await harness.state.tasks.want([wantOf("a"), wantOf("a", { route: EU })]);
    assert.equal((await claimAll(harness)).length, 2);
  },
  "a key is kept to the byte, whatever is in it": async (harness) => {
    await harness.state.tasks.want(ODD_KEYS.map((key) => wantOf(key)));
    const tasks = await claimAll(harness);
    assert.deepEqual(keysOf(tasks), ODD_KEYS);
    assert.ok((await harness.state.tasks.record(tasks.map((task) => completed(task)))).every(Boolean));
    assert.deepEqual(await harness.state.tasks.pending(), []);
  },
  "what was wanted is there after the state is opened again (invariant 1)": async (harness, reopened) => {
    await harness.state.tasks.want([wantOf("a", { eventTime: 5, hint: { sizeBytes: 3 } }), wantOf("b", { lane: "backfill" })]);
    const next = await harness.reopen();
    reopened(next);
    const tasks = await claimAll(next);
    assert.deepEqual(
      tasks.map(({ key, lane, eventTime, hint }) => [key, lane, eventTime, hint]),
      [
        ["a", "live", 5, { sizeBytes: 3 }],
        ["b", "backfill", null, undefined],
      ],
    );
  },
  "no generation is given out twice, not even after a reopening": async (harness, reopened) => {
    await harness.state.tasks.want([wantOf("a")]);
    const first = await claimOne(harness);
    await harness.state.tasks.record([completed(first)]);
    const next = await harness.reopen();
    reopened(next);
    await next.state.tasks.want([wantOf("a")]);
    assert.ok((await claimOne(next)).wanted > first.wanted);
  },
};

const telling: StateCases = {
  "of wishes that coalesce the task tells everything that made it wanted": async (harness) => {
    const { tasks } = harness.state;
    await tasks.want([wantOf("a", { changes: { deleted: true, expired: true } }), wantOf("b", { changes: { deleted: false } })]);
    await tasks.want([
      wantOf("a", { changes: { attributes: true } }),
      wantOf("a", { changes: { approved: true, missed: true }, lane: "backfill" }),
    ]);
    const [a, b] = (await claimAll(harness)) as [LeasedTask, LeasedTask];
    assert.deepEqual(a.changes, { deleted: true, expired: true, attributes: true, approved: true, missed: true });
    assert.deepEqual(b.changes, { written: true }, "what is said to be nothing was written");
    await tasks.release([a, b]);
    await tasks.want([wantOf("a")]);
    const everything = { deleted: true, expired: true, attributes: true, written: true, approved: true, missed: true };
    assert.deepEqual((await claimAll(harness)).find(({ key }) => key === "a")?.changes, everything);
  },
  "what made a task wanted is kept while it waits, however long and wherever": async (harness, reopened) => {
    const { tasks } = harness.state;
    await tasks.want([wantOf("a", { changes: { deleted: true } })]);
    await tasks.record([postponed(await claimOne(harness), harness.now() + 5)]);
    const next = await harness.reopen();
    reopened(next);
    await next.advance(5);
    const task = await claimOne(next);
    assert.deepEqual(task.changes, { deleted: true });
    await next.state.tasks.release([task]);
    assert.deepEqual((await claimOne(next)).changes, { deleted: true });
  },
  "a task tells when the last delete happened that made it wanted (invariant 4)": async (harness, reopened) => {
    const deleted = { changes: { deleted: true } };
    const { tasks } = harness.state;
    await tasks.want([wantOf("late", { ...deleted, eventTime: 9, deletedAt: 9 }), wantOf("late", { eventTime: 3 })]);
    await tasks.want([wantOf("late", { ...deleted, eventTime: 5, deletedAt: 5 }), wantOf("later", { eventTime: 7 })]);
    await tasks.want([wantOf("later", { ...deleted, eventTime: 8, deletedAt: 8 }), wantOf("later", { ...deleted, deletedAt: 11 })]);
    await tasks.want([wantOf("undated", { ...deleted, deletedAt: 4 }), wantOf("undated", deleted), wantOf("undated", deleted)]);
    await tasks.want([wantOf("undated", { ...deleted, deletedAt: 6 }), wantOf("zero", { ...deleted, deletedAt: 0 })]);
    const told = async (at: StateHarness) => {
      const claimed = await claimAll(at);
      await at.state.tasks.release(claimed);
      return claimed.map(({ key, deletedAt }) => [key, deletedAt]).sort();
    };
    const expected = [
      ["late", 9],
      ["later", 11],
      ["undated", undefined],
      ["zero", 0],
    ];
    assert.deepEqual(await told(harness), expected);
    const next = await harness.reopen();
    reopened(next);
    assert.deepEqual(await told(next), expected);
  },
  "a delete is a lifecycle's where the last one was, and where nobody knows which was the last, if all were (invariant 1)": async (
    harness,
  ) => {
    const client = (deletedAt?: number) => ({ changes: { deleted: true }, deletedAt });
    const lifecycle = (deletedAt?: number) => ({ changes: { deleted: true, expired: true }, deletedAt });
    const cases = {
      client: [lifecycle(1), client(2)],
      "client again": [client(2), lifecycle(1)],
      "client perhaps": [lifecycle(), client(1)],
      "client too": [lifecycle(1), client(1)],
      lifecycle: [client(1), lifecycle(2)],
      "lifecycle again": [lifecycle(2), client(1)],
      "lifecycle twice": [lifecycle(), lifecycle(1)],
      "lifecycle, written": [lifecycle(1), {}],
    };
    for (const [key, wants] of Object.entries(cases)) for (const want of wants) await harness.state.tasks.want([wantOf(key, want)]);
    const told = (await claimAll(harness)).map(({ key, changes }) => [key, changes?.expired === true]).sort();
    assert.deepEqual(
      told,
      Object.keys(cases)
        .map((key) => [key, key.startsWith("lifecycle")])
        .sort(),
    );
  },
  "a task wanted again while it was worked on tells of both changes": async (harness) => {
    const { tasks } = harness.state;
    for (const end of [completed, (task: LeasedTask) => postponed(task, harness.now() + 5), undefined]) {
      await tasks.want([wantOf("a", { changes: { deleted: true } })]);
      const first = await claimOne(harness);
      await tasks.want([wantOf("a", { changes: { attributes: true } })]);
      await (end === undefined ? tasks.release([first]) : tasks.record([end(first)]));
      const second = await claimOne(harness);
      assert.deepEqual(second.changes, { deleted: true, attributes: true });
      await tasks.record([completed(second)]);
    }
  },
  "a task that is done leaves nothing to the next of its key": async (harness) => {
    await harness.state.tasks.want([wantOf("a", { changes: { deleted: true, approved: true, missed: true } })]);
    await harness.state.tasks.record([completed(await claimOne(harness))]);
    await harness.state.tasks.want([wantOf("a")]);
    assert.deepEqual((await claimOne(harness)).changes, { written: true });
  },
};

const postponing: StateCases = {
  "what is wished for later is due then and not before": async (harness, reopened) => {
    const later = harness.now() + 1_000;
    await harness.state.tasks.want([wantOf("a", { notBefore: later, eventTime: 3, hint: { sizeBytes: 4 } })]);
    assert.deepEqual(await claimAll(harness), []);
    const next = await harness.reopen();
    reopened(next);
    assert.equal(await next.state.tasks.nextDueAt(), later);
    await next.advance(999);
    assert.deepEqual(await claimAll(next), []);
    await next.advance(1);
    const task = await claimOne(next);
    assert.deepEqual([task.attempts, task.firstFailedAt, task.eventTime, task.hint], [0, null, 3, { sizeBytes: 4 }]);
    await next.state.tasks.record([completed(task)]);
    assert.equal(await next.state.tasks.nextDueAt(), undefined);
  },
  "what is wished for a time that has passed is due at once": async (harness) => {
    await harness.state.tasks.want([wantOf("a", { notBefore: harness.now() }), wantOf("b", { notBefore: 0 }), wantOf("c")]);
    assert.deepEqual(keysOf(await claimAll(harness)), ["a", "b", "c"]);
  },
  "a key that waits already is not postponed": async (harness) => {
    const { tasks } = harness.state;
    await tasks.want([wantOf("a"), wantOf("b", { lane: "backfill" })]);
    await tasks.want([wantOf("a", { notBefore: harness.now() + 1 }), wantOf("b", { notBefore: harness.now() + 1 })]);
    assert.deepEqual(keysOf(await claimAll(harness)), ["a", "b"]);
  },
  "a wish without a time makes a postponed task due where it is live": async (harness) => {
    const { tasks } = harness.state;
    await tasks.want(["a", "b"].map((key) => wantOf(key, { lane: "backfill", notBefore: harness.now() + 1_000 })));
    await tasks.want([wantOf("a"), wantOf("b", { lane: "backfill" })]);
    const task = await claimOne(harness);
    assert.deepEqual([task.key, task.lane], ["a", "live"]);
    assert.equal(await tasks.nextDueAt(), harness.now() + 1_000);
  },
  "of two times the earlier holds where it is a live wish's": async (harness) => {
    const { tasks } = harness.state;
    const at = (ms: number) => harness.now() + ms;
    await tasks.want(["a", "b", "c"].map((key) => wantOf(key, { lane: "backfill", notBefore: at(1_000) })));
    await tasks.want([wantOf("a", { notBefore: at(10) }), wantOf("b", { notBefore: at(2_000) })]);
    await tasks.want([wantOf("c", { notBefore: at(10), lane: "backfill" })]);
    await harness.advance(10);
    assert.deepEqual(keysOf(await claimAll(harness)), ["a"]);
    await harness.advance(990);
    const due = await claimAll(harness);
    assert.deepEqual(
      due.map(({ key, lane }) => [key, lane]),
      [
        ["b", "live"],
        ["c", "backfill"],
      ],
    );
  },
  "a wish for later of a key in work does not hold up what it made wanted again": async (harness) => {
    const { tasks } = harness.state;
    await tasks.want([wantOf("a")]);
    const first = await claimOne(harness);
    await tasks.want([wantOf("a", { notBefore: harness.now() + 1_000 })]);
    await tasks.record([completed(first)]);
    const second = await claimOne(harness);
    await tasks.want([wantOf("a", { notBefore: harness.now() + 1_000 })]);
    await tasks.release([second]);
    assert.equal((await claimOne(harness)).key, "a");
  },
  "a lifted task that had paused and is wished for later is due as it was": async (harness) => {
    const { tasks } = harness.state;
    await tasks.want([wantOf("a", { lane: "backfill", notBefore: harness.now() + 10 })]);
    await harness.advance(10);
    const first = await claimOne(harness);
    await tasks.want([wantOf("a", { notBefore: harness.now() + 1_000 })]);
    await tasks.release([first]);
    assert.equal((await claimOne(harness)).lane, "live");
  },
  "onDue calls back when what was wished for later becomes due": async (harness) => {
    const { tasks } = harness.state;
    const calls = countCalls(tasks.onDue.bind(tasks));
    await tasks.want([wantOf("a", { notBefore: harness.now() + 1_000 })]);
    await harness.advance(999);
    const before = calls.count();
    await harness.advance(1);
    await calls.reach(before + 1);
    await claimOne(harness);
  },
};

const claiming: StateCases = {
  "nothing due is an empty claim": async (harness) => {
    assert.deepEqual(await claimAll(harness), []);
  },
  "a claim gives the oldest first and no more than asked for": async (harness) => {
    for (const key of ["c", "a", "d", "b"]) await harness.state.tasks.want([wantOf(key)]);
    assert.deepEqual(keysOf(await claimAll(harness, 3)), ["c", "a", "d"]);
    assert.deepEqual(keysOf(await claimAll(harness, 3)), ["b"]);
  },
  "a waiting task that is wanted again keeps its place": async (harness) => {
    await harness.state.tasks.want([wantOf("a"), wantOf("b")]);
    await harness.state.tasks.want([wantOf("a")]);
    assert.deepEqual(keysOf(await claimAll(harness)), ["a", "b"]);
  },
  "live tasks go before backfill, which keeps a small share": async (harness) => {
    await harness.state.tasks.want(Array.from({ length: 100 }, (_, index) => wantOf(`b${index}`, { lane: "backfill" })));
    await harness.state.tasks.want(Array.from({ length: 100 }, (_, index) => wantOf(`l${index}`)));
    const tasks = await claimAll(harness, 64);
    const backfill = tasks.filter((task) => task.lane === "backfill").length;
    assert.ok(backfill >= 4 && backfill <= 16, `${backfill} of 64 are backfill`);
    assert.equal(tasks[0]?.lane, "live");
  },
  "backfill gets its share from claims of one task at a time too": async (harness) => {
    await harness.state.tasks.want(Array.from({ length: 100 }, (_, index) => wantOf(`b${index}`, { lane: "backfill" })));
    await harness.state.tasks.want(Array.from({ length: 100 }, (_, index) => wantOf(`l${index}`)));
    const lanes: string[] = [];
    for (let i = 0; i < 64; i++) lanes.push(...(await claimAll(harness, 1)).map((task) => task.lane));
    const backfill = lanes.filter((lane) => lane === "backfill").length;
    assert.ok(backfill >= 4 && backfill <= 16, `${backfill} of 64 are backfill`);
  },
  "backfill has everything while nothing is live": async (harness) => {
    await harness.state.tasks.want(Array.from({ length: 20 }, (_, index) => wantOf(`b${index}`, { lane: "backfill" })));
    assert.equal((await claimAll(harness, 20)).length, 20);
  },
  "a live wish lifts a waiting backfill row into the live lane": async (harness) => {
    await harness.state.tasks.want(["a", "b", "c"].map((key) => wantOf(key, { lane: "backfill" })));
    await harness.state.tasks.want([wantOf("c")]);
    assert.deepEqual(
      (await claimAll(harness)).map(({ key, lane }) => [key, lane]),
      [
        ["c", "live"],
        ["a", "backfill"],
        ["b", "backfill"],
      ],
    );
  },
  "a backfill wish never takes a live row down": async (harness) => {
    await harness.state.tasks.want([wantOf("a")]);
    await harness.state.tasks.want([wantOf("a", { lane: "backfill" })]);
    assert.equal((await claimOne(harness)).lane, "live");
  },
  "the due tasks of one source object come next to each other": async (harness) => {
    const { tasks } = harness.state;
    await tasks.want(["a", "b", "c"].map((key) => wantOf(key)));
    await tasks.want([wantOf("c", { route: ELSEWHERE })]);
    await tasks.want(["c", "b", "a"].map((key) => wantOf(key, { route: EU })));
    await tasks.want([wantOf("b", { route: OTHER_RULE, lane: "backfill" })]);
    const claimed = (await claimAll(harness)).map(({ route, key }) => `${route.source} ${key}`);
    const runs = claimed.filter((object, index) => object !== claimed[index - 1]);
    assert.equal(claimed.length, 8);
    assert.equal(runs.length, new Set(runs).size, `each object is one run in ${claimed.join(", ")}`);
  },
  "tasks of skipped routes stay where they are and hold up nobody (invariant 7)": async (harness) => {
    await harness.state.tasks.want([wantOf("a", { route: EU }), wantOf("b", { route: EU }), wantOf("a"), wantOf("b")]);
    const skip = [EU, { rule: "gone", source: "s3://x/y", destination: "s3://x/z" }];
    const tasks = await harness.state.tasks.claim({ max: 10, now: harness.now(), leaseMs: 1_000, skip });
    assert.deepEqual(
      tasks.map(({ route, key }) => [route, key]),
      [
        [PHOTOS, "a"],
        [PHOTOS, "b"],
      ],
    );
    assert.deepEqual(keysOf(await claimAll(harness)), ["a", "b"]);
  },
  "a task that is being worked on is not handed out again": async (harness) => {
    await harness.state.tasks.want([wantOf("a")]);
    await claimOne(harness);
    await harness.advance(59_999);
    await harness.state.tasks.want([wantOf("a")]);
    assert.deepEqual(await claimAll(harness), []);
  },
  "a task whose lease has ended is handed out again under another lease": async (harness) => {
    await harness.state.tasks.want([wantOf("a")]);
    const first = await claimOne(harness);
    await harness.advance(60_000);
    const second = await claimOne(harness);
    assert.notEqual(second.lease, first.lease);
    assert.equal(second.wanted, first.wanted);
  },
  "a large backlog comes out whole, in order, once": async (harness, reopened) => {
    const keys = Array.from({ length: 20_000 }, (_, index) => `k${String((index * 7_919) % 20_000).padStart(5, "0")}`);
    await harness.state.tasks.want(keys.map((key) => wantOf(key)));
    const next = await harness.reopen();
    reopened(next);
    await next.state.tasks.want([wantOf("last")]);
    const seen: string[] = [];
    for (let tasks = await claimAll(next); tasks.length > 0; tasks = await claimAll(next)) {
      seen.push(...keysOf(tasks));
      await next.state.tasks.record(tasks.map((task) => completed(task)));
    }
    assert.deepEqual(seen, [...keys, "last"]);
  },
};

const recording: StateCases = {
  "an outcome ends the task and leaves its row in the ledger (invariant 1)": async (harness) => {
    const { tasks, ledger } = harness.state;
    await tasks.want([wantOf("a")]);
    const outcome = completed(await claimOne(harness), { finishedAt: 9 });
    assert.deepEqual(await tasks.record([outcome]), [true]);
    assert.deepEqual(await ledger.get(PHOTOS, "a"), outcome.entry);
    assert.deepEqual(await tasks.pending(), []);
    await harness.advance(3_600_000);
    assert.deepEqual(await claimAll(harness), []);
  },
  "nothing to record is recorded": async ({ state }) => {
    assert.deepEqual(await state.tasks.record([]), []);
  },
  "an outcome is recorded once": async (harness) => {
    await harness.state.tasks.want([wantOf("a")]);
    const task = await claimOne(harness);
    assert.deepEqual(await harness.state.tasks.record([completed(task), failed(task)]), [true, false]);
    assert.deepEqual(await harness.state.tasks.record([failed(task)]), [false]);
    assert.equal((await harness.state.ledger.get(PHOTOS, "a"))?.status, "COMPLETED");
  },
  "an outcome under a lease that has passed on is refused and changes nothing (invariant 10)": async (harness) => {
    const { tasks, ledger } = harness.state;
    await tasks.want([wantOf("a"), wantOf("b")]);
    const [a, b] = (await claimAll(harness)) as [LeasedTask, LeasedTask];
    await harness.advance(60_000);
    const [again] = (await claimAll(harness, 1)) as [LeasedTask];
    assert.deepEqual(await tasks.record([failed(a), completed(b), completed(again)]), [false, false, true]);
    assert.equal((await ledger.get(PHOTOS, "a"))?.status, "COMPLETED");
    assert.equal((await ledger.get(PHOTOS, "b"))?.replica, null);
  },
  "a task wanted again while it was worked on stays and is due at once (invariant 1)": async (harness) => {
    const { tasks, ledger } = harness.state;
    await tasks.want([wantOf("a", { eventTime: 1 })]);
    const first = await claimOne(harness);
    await tasks.want([wantOf("a", { eventTime: 2, hint: { etag: "second" } })]);
    assert.deepEqual(await tasks.record([completed(first)]), [true]);
    assert.deepEqual((await ledger.get(PHOTOS, "a"))?.replica, REPLICA);
    const second = await claimOne(harness);
    assert.ok(second.wanted > first.wanted);
    assert.deepEqual([second.eventTime, second.hint, second.attempts], [2, { etag: "second" }, 0]);
  },
  "a failure of what was wanted again meanwhile does not make it wait": async (harness) => {
    const { tasks } = harness.state;
    await tasks.want([wantOf("a")]);
    const first = await claimOne(harness);
    await tasks.want([wantOf("a")]);
    await tasks.record([postponed(first, harness.now() + 5_000)]);
    assert.equal((await claimOne(harness)).key, "a");
  },
  "a wish on its way while the outcome is recorded is not lost (invariant 1)": async (harness) => {
    const { tasks } = harness.state;
    await tasks.want([wantOf("a")]);
    const first = await claimOne(harness);
    await Promise.all([tasks.want([wantOf("a")]), tasks.record([completed(first)])]);
    const second = await claimOne(harness);
    await Promise.all([tasks.record([completed(second)]), tasks.want([wantOf("a")])]);
    assert.equal((await claimOne(harness)).key, "a");
  },
  "a postponed task is due at the time it was given, with its attempts counted": async (harness) => {
    const { tasks } = harness.state;
    await tasks.want([wantOf("a", { eventTime: 3, hint: { sizeBytes: 4 } })]);
    await tasks.record([postponed(await claimOne(harness), harness.now() + 1_000)]);
    await harness.advance(999);
    assert.deepEqual(await claimAll(harness), []);
    await harness.advance(1);
    const second = await claimOne(harness);
    assert.deepEqual([second.attempts, second.firstFailedAt, second.eventTime, second.hint], [1, FIRST_FAILED_AT, 3, { sizeBytes: 4 }]);
    await tasks.record([postponed(second, harness.now() + 1)]);
    await harness.advance(1);
    const third = await claimOne(harness);
    assert.deepEqual([third.attempts, third.firstFailedAt], [2, FIRST_FAILED_AT]);
  },
  "postponed tasks are kept through a reopening": async (harness, reopened) => {
    await harness.state.tasks.want([wantOf("a")]);
    await harness.state.tasks.record([postponed(await claimOne(harness), harness.now() + 1_000)]);
    const next = await harness.reopen();
    reopened(next);
    assert.deepEqual(await claimAll(next), []);
    assert.equal(await next.state.tasks.nextDueAt(), next.now() + 1_000);
    await next.advance(1_000);
    assert.equal((await claimOne(next)).attempts, 1);
  },
  "a live wish ends the pause of a postponed task and its count of attempts; a backfill wish does neither": async (harness) => {
    const { tasks } = harness.state;
    await tasks.want([wantOf("a")]);
    await tasks.record([postponed(await claimOne(harness), harness.now() + 1_000)]);
    await tasks.want([wantOf("a", { lane: "backfill" })]);
    assert.deepEqual(await claimAll(harness), []);
    await tasks.want([wantOf("a")]);
    const task = await claimOne(harness);
    assert.deepEqual([task.attempts, task.firstFailedAt], [0, null]);
    await tasks.record([completed(task)]);
    assert.equal(await tasks.nextDueAt(), undefined);
  },
  "an outcome without a replica keeps the one the row has": async (harness) => {
    const { tasks, ledger } = harness.state;
    await tasks.want([wantOf("a")]);
    await tasks.record([completed(await claimOne(harness))]);
    for (const status of ["FAILED", "SKIPPED", "HELD"] as const) {
      await tasks.want([wantOf("a")]);
      await tasks.record([failed(await claimOne(harness), { status })]);
      const entry = await ledger.get(PHOTOS, "a");
      assert.deepEqual([entry?.status, entry?.replica], [status, REPLICA]);
    }
  },
  "a released task is due at once, untouched, and its lease is gone": async (harness) => {
    const { tasks } = harness.state;
    await tasks.want([wantOf("a", { eventTime: 3 })]);
    const first = await claimOne(harness);
    await tasks.release([first]);
    assert.deepEqual(await tasks.record([completed(first)]), [false]);
    const { lease, ...second } = await claimOne(harness);
    assert.notEqual(lease, first.lease);
    assert.deepEqual({ ...second, lease: first.lease }, first);
  },
  "a task lifted and wanted again while it was worked on is live once released": async (harness) => {
    const { tasks } = harness.state;
    await tasks.want([wantOf("a", { lane: "backfill" })]);
    const first = await claimOne(harness);
    await tasks.want([wantOf("a")]);
    await tasks.release([first]);
    const second = await claimOne(harness);
    assert.equal(second.lane, "live");
    await tasks.record([postponed(second, harness.now() + 5)]);
    await harness.advance(5);
    assert.equal((await claimOne(harness)).attempts, 1);
  },
};

const waiting: StateCases = {
  "pending counts what waits per route, in work or not": async (harness) => {
    const { tasks } = harness.state;
    await tasks.want([wantOf("a", { eventTime: 70, hint: { sizeBytes: 5 } }), wantOf("b", { eventTime: 50, hint: { sizeBytes: 6 } })]);
    await tasks.want([wantOf("a", { route: EU, lane: "backfill" })]);
    const [task] = (await claimAll(harness, 1)) as [LeasedTask];
    const byDestination = async () => {
      const summaries = await tasks.pending();
      return new Map(summaries.map(({ route, ...counts }) => [route.destination, counts]));
    };
    assert.deepEqual((await byDestination()).get(PHOTOS.destination), { operations: 2, bytes: 11, oldestAt: 50 });
    assert.deepEqual((await byDestination()).get(EU.destination), { operations: 1, bytes: 0, oldestAt: harness.now() });
    await tasks.want([wantOf("b", { hint: { sizeBytes: 1 } })]);
    await tasks.record([completed(task)]);
    assert.deepEqual((await byDestination()).get(PHOTOS.destination), { operations: 1, bytes: 1, oldestAt: 50 });
  },
  "nextDueAt is undefined where nothing waits, and not in the future where something is due": async (harness) => {
    const { tasks } = harness.state;
    assert.equal(await tasks.nextDueAt(), undefined);
    await tasks.want([wantOf("a")]);
    assert.ok(((await tasks.nextDueAt()) ?? Number.POSITIVE_INFINITY) <= harness.now());
    const task = await claimOne(harness);
    assert.equal(await tasks.nextDueAt(), undefined);
    await tasks.record([postponed(task, harness.now() + 7_000)]);
    assert.equal(await tasks.nextDueAt(), harness.now() + 7_000);
  },
  "nextDueAt is the earliest of all that are postponed": async (harness) => {
    const { tasks } = harness.state;
    await tasks.want([wantOf("a"), wantOf("b"), wantOf("a", { route: EU })]);
    const claimed = await claimAll(harness);
    await tasks.record(claimed.map((task, index) => postponed(task, harness.now() + [3_000, 1_000, 2_000][index]!)));
    assert.equal(await tasks.nextDueAt(), harness.now() + 1_000);
    await harness.advance(2_000);
    assert.equal((await claimAll(harness)).length, 2);
    assert.equal(await tasks.nextDueAt(), harness.now() + 1_000);
  },
  "onDue calls back for a wish, a release and a task wanted again": async (harness) => {
    const { tasks } = harness.state;
    const calls = countCalls(tasks.onDue.bind(tasks));
    await tasks.want([wantOf("a")]);
    await calls.reach(1);
    const first = await claimOne(harness);
    await tasks.release([first]);
    await calls.reach(2);
    const second = await claimOne(harness);
    await tasks.want([wantOf("a")]);
    const before = calls.count();
    await tasks.record([completed(second)]);
    await calls.reach(before + 1);
  },
  "onDue calls back when a postponed task becomes due and when a lease ends": async (harness) => {
    const { tasks } = harness.state;
    await tasks.want([wantOf("a")]);
    await tasks.record([postponed(await claimOne(harness), harness.now() + 1_000)]);
    const calls = countCalls(tasks.onDue.bind(tasks));
    await harness.advance(1_000);
    await calls.reach(1);
    await claimOne(harness);
    await harness.advance(60_000);
    await calls.reach(2);
    await claimOne(harness);
  },
  "onDue stops when told to": async (harness) => {
    let calls = 0;
    const stop = harness.state.tasks.onDue(() => {
      calls++;
    });
    stop();
    await harness.state.tasks.want([wantOf("a")]);
    await harness.advance(0);
    assert.equal(calls, 0);
  },
};

/** Counts calls; `reach` waits for as many, and leaves it to the runner's time limit to give up. */
function countCalls(listen: (callback: () => void) => () => void) {
  let count = 0;
  let wake: () => void = () => {};
  listen(() => {
    count++;
    wake();
  });
  return {
    count: () => count,
    reach: async (wanted: number) => {
      while (count < wanted) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
