import assert from "node:assert/strict";
import type { Content, HeldObject, Holding, Intent } from "../domain/holding.ts";
import type { Holdings, Known, LeasedTask, Outcome } from "../ports/state.ts";
import {
  claimAll,
  claimOne,
  completed,
  describeState,
  entryOf,
  keysOf,
  PHOTOS,
  type StateCases,
  type StateContract,
  type StateHarness,
  wantOf,
} from "./state-contract.ts";

const BUCKET = PHOTOS.destination;
const ELSEWHERE = "s3://three.example/copy";
const DAY_MS = 86_400_000;

const CONTENT: Content = {
  origin: PHOTOS.source,
  originTime: 1_700_000_000_000,
  originEtag: "d41d8cd98f00b204e9800998ecf8427e",
  dot: 1_700_000_000,
  history: { [PHOTOS.source]: 1_700_000_000, [BUCKET]: 7 },
};
const NOTHING: Known = { holding: undefined, revision: 0, deletedAt: null, intents: [] };
const OBJECT: HeldObject = {
  etag: "d41d8cd98f00b204e9800998ecf8427e",
  versionId: "v1",
  sizeBytes: 10,
  lastModified: 1_700_000_000_000,
  tagsHash: "t",
  attributesHash: "a",
};

function holdingOf(key: string, overrides: Partial<Holding> = {}): Holding {
  return { bucket: BUCKET, key, object: OBJECT, content: CONTENT, isReplica: true, revision: 0, ...overrides };
}

function intentOf(id: string, key: string, overrides: Partial<Intent> = {}): Intent {
  const expected = { etag: OBJECT.etag, sizeBytes: 10, stamp: "v1;stamp" };
  return { id, bucket: BUCKET, key, expected, content: CONTENT, expiresAt: Number.MAX_SAFE_INTEGER, ...overrides };
}

async function revisionOf(holdings: Holdings, key: string): Promise<number> {
  return (await holdings.known(BUCKET, key)).revision;
}

async function openIntents(holdings: Holdings, key: string): Promise<readonly string[]> {
  return (await holdings.known(BUCKET, key)).intents.map(({ id }) => id);
}

/** Holds an adapter to the promises of `Holdings`, and of what an outcome carries for it. */
export function describeHoldings(contract: StateContract): void {
  describeState("Holdings", contract, { ...holding, ...intending, ...noting, ...racing, ...recording });
}

const holding: StateCases = {
  "a bucket can be forgotten whole, and no other is": async ({ state: { holdings } }) => {
    await holdings.observe([holdingOf("a"), holdingOf("b"), holdingOf("a", { bucket: ELSEWHERE })]);
    await holdings.announce(intentOf("one", "a"), 1, 0);
    await holdings.announce(intentOf("other", "a", { bucket: ELSEWHERE }), 1, 0);
    for (const bucket of [BUCKET, ELSEWHERE]) await holdings.noteDelete(bucket, "a", 5);
    await holdings.forgetBucket(BUCKET);
    for (const key of ["a", "b"]) assert.deepEqual(await holdings.known(BUCKET, key), NOTHING);
    assert.deepEqual(await holdings.known(ELSEWHERE, "a"), {
      holding: holdingOf("a", { bucket: ELSEWHERE, revision: 3 }),
      revision: 3,
      deletedAt: 5,
      intents: [intentOf("other", "a", { bucket: ELSEWHERE })],
    });
    assert.equal(await holdings.observe([holdingOf("a")]), true);
  },
  "of a key that nobody looked at nothing is known": async ({ state: { holdings } }) => {
    assert.deepEqual(await holdings.known(BUCKET, "a"), NOTHING);
  },
  "a holding is read as it was stored, with the next revision": async ({ state: { holdings } }) => {
    const bare = { ...OBJECT, versionId: null, lastModified: null, tagsHash: null, attributesHash: null };
    const deleted = { object: null, isReplica: false, content: { ...CONTENT, originEtag: null, history: {} } };
    const stored = [holdingOf("a"), holdingOf("b", { object: bare }), holdingOf("c", deleted)];
    assert.equal(await holdings.observe(stored), true);
    for (const one of stored) {
      assert.deepEqual(await holdings.known(BUCKET, one.key), { ...NOTHING, holding: { ...one, revision: 1 }, revision: 1 });
    }
    assert.equal(await holdings.observe([holdingOf("a", { ...deleted, revision: 1 })]), true);
    assert.deepEqual((await holdings.known(BUCKET, "a")).holding, holdingOf("a", { ...deleted, revision: 2 }));
  },
  "holdings are kept apart by bucket, and by key to the byte": async ({ state: { holdings } }) => {
    const keys = ["a", "a ", "a\0b", "é", "e\u0301", "\u{1f600}", "k".repeat(1_024)];
    await holdings.observe(keys.map((key) => holdingOf(key, { content: { ...CONTENT, origin: key } })));
    for (const key of keys) assert.equal((await holdings.known(BUCKET, key)).holding?.content.origin, key);
    assert.equal((await holdings.known(ELSEWHERE, "a")).holding, undefined);
  },
  "a holding replaces only the one it was made from (invariant 3)": async ({ state: { holdings } }) => {
    assert.equal(await holdings.observe([holdingOf("a", { revision: 1 })]), false);
    assert.equal(await holdings.observe([holdingOf("a")]), true);
    assert.equal(await holdings.observe([holdingOf("a", { object: null })]), false);
    assert.equal(await holdings.observe([holdingOf("a", { object: null, revision: 2 })]), false);
    assert.deepEqual((await holdings.known(BUCKET, "a")).holding, holdingOf("a", { revision: 1 }));
  },
  "where one of several holdings was changed since, none is stored and nothing is closed": async ({ state: { holdings } }) => {
    await holdings.observe([holdingOf("b")]);
    await holdings.announce(intentOf("i", "a"), 0, 1);
    assert.equal(await holdings.observe([holdingOf("a", { revision: 1 }), holdingOf("b"), holdingOf("c")], ["i"]), false);
    assert.deepEqual(await holdings.known(BUCKET, "a"), { ...NOTHING, revision: 1, intents: [intentOf("i", "a")] });
    assert.equal(await revisionOf(holdings, "b"), 1);
    assert.deepEqual(await holdings.known(BUCKET, "c"), NOTHING);
  },
  "observing closes the intents it found out about, also without a holding": async ({ state: { holdings } }) => {
    for (const key of ["a", "b", "c"]) await holdings.announce(intentOf(`i ${key}`, key), 0, 1);
    assert.equal(await holdings.observe([holdingOf("a", { revision: 1 })], ["i a", "unknown"]), true);
    assert.equal(await holdings.observe([], ["i b"]), true);
    assert.deepEqual(await Promise.all(["a", "b", "c"].map((key) => openIntents(holdings, key))), [[], [], ["i c"]]);
  },
  "what was observed, announced and noted is so after the state is opened again": async (harness, reopened) => {
    const { holdings } = harness.state;
    await holdings.observe([holdingOf("a")]);
    const expiresAt = harness.now() + 10_000; // soon enough for a state that waits for no dead process longer than it must
    await holdings.announce(intentOf("i", "a", { expiresAt }), 1, harness.now());
    await holdings.announce(intentOf("k", "b", { expiresAt }), 0, harness.now());
    for (const key of ["a", "c"]) await holdings.noteDelete(BUCKET, key, 500);
    const next = await harness.reopen();
    reopened(next);
    const again = next.state.holdings;
    const intents = [intentOf("i", "a", { expiresAt })];
    assert.deepEqual(await again.known(BUCKET, "a"), { holding: holdingOf("a", { revision: 3 }), revision: 3, deletedAt: 500, intents });
    assert.deepEqual(await again.known(BUCKET, "b"), { ...NOTHING, revision: 1, intents: [intentOf("k", "b", { expiresAt })] });
    assert.deepEqual(await again.known(BUCKET, "c"), { ...NOTHING, revision: 1, deletedAt: 500 });
    assert.equal(await again.announce(intentOf("j", "a"), 3, next.now()), false);
    assert.equal(await again.observe([holdingOf("a", { revision: 3 })]), true);
    assert.equal((await again.known(BUCKET, "a")).deletedAt, null);
  },
};

const intending: StateCases = {
  "an intent is read as it was announced, until it is withdrawn": async ({ state: { holdings } }) => {
    const intents = [
      intentOf("a", "k", { expiresAt: 5 }),
      intentOf("b", "k", { expected: null, expiresAt: 6 }),
      intentOf("c", "k", { expected: { etag: null, sizeBytes: 0, stamp: null }, expiresAt: 7 }),
    ];
    for (const [index, intent] of intents.entries()) assert.equal(await holdings.announce(intent, index, 5 + index), true);
    assert.deepEqual((await holdings.known(BUCKET, "k")).intents, intents);
    await holdings.withdraw("b");
    await holdings.withdraw("unknown");
    assert.deepEqual(await openIntents(holdings, "k"), ["a", "c"]);
  },
  "an open intent excludes every other on its key, and no other key": async ({ state: { holdings } }) => {
    assert.equal(await holdings.announce(intentOf("i", "a", { expiresAt: 100 }), 0, 1), true);
    assert.equal(await holdings.announce(intentOf("j", "a"), 1, 99), false);
    assert.equal(await holdings.announce(intentOf("j", "b"), 0, 99), true);
    assert.equal(await holdings.announce(intentOf("k", "a", { bucket: ELSEWHERE }), 0, 99), true);
    assert.deepEqual(await openIntents(holdings, "a"), ["i"]);
    await holdings.withdraw("i");
    assert.equal(await holdings.announce(intentOf("l", "a"), 1, 99), true);
  },
  "an expired intent excludes nobody and stays known: its write may still land": async ({ state: { holdings } }) => {
    await holdings.announce(intentOf("i", "a", { expiresAt: 100 }), 0, 1);
    assert.equal(await holdings.announce(intentOf("j", "a"), 1, 100), true);
    assert.deepEqual(await openIntents(holdings, "a"), ["i", "j"]);
  },
  "an abandoned intent is an expired one": async ({ state: { holdings } }) => {
    await holdings.announce(intentOf("i", "a", { expiresAt: 100 }), 0, 1);
    await holdings.abandon("i", 50);
    await holdings.abandon("i", 70);
    await holdings.abandon("unknown", 50);
    assert.deepEqual((await holdings.known(BUCKET, "a")).intents, [intentOf("i", "a", { expiresAt: 50 })]);
    assert.equal(await holdings.announce(intentOf("j", "a"), 1, 50), true);
  },
  "an intent announced again is the same, with the later end": async ({ state: { holdings } }) => {
    await holdings.announce(intentOf("i", "a", { expiresAt: 100 }), 0, 1);
    assert.equal(await holdings.announce(intentOf("i", "a", { expiresAt: 200 }), 1, 50), true);
    assert.deepEqual((await holdings.known(BUCKET, "a")).intents, [intentOf("i", "a", { expiresAt: 200 })]);
    assert.equal(await holdings.announce(intentOf("j", "a"), 2, 150), false);
  },
  "what was read before an announced write cannot be stored after it, nor announced upon (invariant 3)": async ({
    state: { holdings },
  }) => {
    await holdings.observe([holdingOf("a")]);
    const known = { ...NOTHING, holding: holdingOf("a", { revision: 2 }), revision: 2, intents: [intentOf("i", "a", { expiresAt: 100 })] };
    for (const [key, revision] of [
      ["a", 1],
      ["b", 0],
    ] as const) {
      assert.equal(await holdings.announce(intentOf(key === "a" ? "i" : "j", key, { expiresAt: 100 }), revision, 1), true);
      assert.equal(await holdings.observe([holdingOf(key, { object: null, revision })]), false);
      assert.equal(await holdings.announce(intentOf("late", key), revision, 100), false);
    }
    assert.deepEqual(await holdings.known(BUCKET, "a"), known);
    assert.deepEqual([await revisionOf(holdings, "b"), await openIntents(holdings, "b")], [1, ["j"]]);
    assert.equal(await holdings.observe([holdingOf("a", { object: null, revision: 2 })], ["i"]), true);
    assert.equal(await holdings.observe([holdingOf("b", { revision: 1 })], ["j"]), true);
  },
  "nothing is announced over a holding that was changed since (invariant 3)": async ({ state: { holdings } }) => {
    assert.equal(await holdings.announce(intentOf("i", "a"), 1, 1), false);
    await holdings.observe([holdingOf("a")]);
    assert.equal(await holdings.announce(intentOf("i", "a"), 0, 1), false);
    assert.deepEqual(await openIntents(holdings, "a"), []);
    assert.equal(await holdings.announce(intentOf("i", "a"), 1, 1), true);
  },
  "an intent that nobody closed is kept for seven days after it expired": async ({ state: { holdings } }) => {
    await holdings.announce(intentOf("old", "a", { expiresAt: 100 }), 0, 1);
    await holdings.announce(intentOf("i", "b"), 0, 99 + 7 * DAY_MS);
    assert.deepEqual(await openIntents(holdings, "a"), ["old"]);
    await holdings.announce(intentOf("j", "c"), 0, 100 + 7 * DAY_MS);
    assert.deepEqual(await openIntents(holdings, "a"), []);
    assert.deepEqual([await openIntents(holdings, "b"), await openIntents(holdings, "c")], [["i"], ["j"]]);
  },
};

const noting: StateCases = {
  "a noted delete is known until a holding is stored, and was not known to whoever read before it (invariant 4)": async (harness) => {
    const { holdings } = harness.state;
    await holdings.observe([holdingOf("a")]);
    await holdings.noteDelete(BUCKET, "a", 500);
    assert.equal(await holdings.observe([holdingOf("a", { revision: 1 })]), false);
    assert.equal(await holdings.announce(intentOf("i", "a"), 1, 1), false);
    const noted = { ...NOTHING, holding: holdingOf("a", { revision: 2 }), revision: 2, deletedAt: 500 };
    assert.deepEqual(await holdings.known(BUCKET, "a"), noted);
    assert.equal(await holdings.announce(intentOf("i", "a"), 2, 1), true);
    await holdings.withdraw("i");
    assert.deepEqual(await holdings.known(BUCKET, "a"), { ...noted, holding: holdingOf("a", { revision: 3 }), revision: 3 });
    const gone = holdingOf("a", { object: null, revision: 3 });
    assert.equal(await holdings.observe([gone]), true);
    assert.deepEqual(await holdings.known(BUCKET, "a"), { ...NOTHING, holding: { ...gone, revision: 4 }, revision: 4 });
  },
  "a delete can be noted of a key that nobody knows": async ({ state: { holdings } }) => {
    await holdings.noteDelete(BUCKET, "a", 0);
    assert.deepEqual(await holdings.known(BUCKET, "a"), { ...NOTHING, revision: 1, deletedAt: 0 });
    assert.deepEqual(await holdings.known(BUCKET, "b"), NOTHING);
    assert.deepEqual(await holdings.known(ELSEWHERE, "a"), NOTHING);
    assert.equal(await holdings.observe([holdingOf("a")]), false);
    assert.equal(await holdings.observe([holdingOf("a", { revision: 1 })]), true);
    assert.deepEqual(await holdings.known(BUCKET, "a"), { ...NOTHING, holding: holdingOf("a", { revision: 2 }), revision: 2 });
  },
  "of deletes noted in any order the latest is known, and each raises the revision (invariant 2)": async ({ state: { holdings } }) => {
    for (const at of [500, 700, 600]) await holdings.noteDelete(BUCKET, "a", at);
    assert.deepEqual(await holdings.known(BUCKET, "a"), { ...NOTHING, revision: 3, deletedAt: 700 });
  },
};

const racing: StateCases = {
  "of observers that start from one revision one wins": async ({ state: { holdings } }) => {
    for (let revision = 0; revision < 3; revision++) {
      const made = Array.from({ length: 20 }, (_, index) => holdingOf("a", { revision, content: { ...CONTENT, origin: `${index}` } }));
      const answers = await Promise.all(made.map((one) => holdings.observe([one])));
      assert.equal(answers.filter(Boolean).length, 1);
      const { holding: stored } = await holdings.known(BUCKET, "a");
      assert.deepEqual(stored, { ...made[answers.indexOf(true)], revision: revision + 1 });
    }
  },
  "of writers that announce at the same time one may write": async ({ state: { holdings } }) => {
    const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => holdings.announce(intentOf(`i${index}`, "a"), 0, 1)));
    assert.equal(answers.filter(Boolean).length, 1);
    assert.deepEqual(await openIntents(holdings, "a"), [`i${answers.indexOf(true)}`]);
  },
  "of an observer, an announcer and a note of a delete that start from one revision the first wins": async ({ state: { holdings } }) => {
    const at = (revision: number) => ({
      observe: [holdingOf("a", { revision })],
      intent: intentOf(`i${revision}`, "a", { expiresAt: 100 }),
    });
    const observed = await Promise.all([holdings.observe(at(0).observe), holdings.announce(at(0).intent, 0, 1)]);
    assert.deepEqual(observed, [true, false]);
    const announced = await Promise.all([holdings.announce(at(1).intent, 1, 1), holdings.observe(at(1).observe)]);
    assert.deepEqual(announced, [true, false]);
    const [, ...noted] = await Promise.all([
      holdings.noteDelete(BUCKET, "a", 500),
      holdings.observe(at(2).observe),
      holdings.announce(at(2).intent, 2, 100),
    ]);
    assert.deepEqual(noted, [false, false]);
    assert.equal((await holdings.known(BUCKET, "a")).deletedAt, 500);
  },
  "a key is free the moment its intent is withdrawn": async ({ state: { holdings } }) => {
    await holdings.announce(intentOf("i", "a"), 0, 1);
    const [, announced] = await Promise.all([holdings.withdraw("i"), holdings.announce(intentOf("j", "a"), 1, 1)]);
    assert.equal(announced, true);
  },
};

/** A copy into an interior bucket, announced and done, as its outcome is recorded. */
async function writtenOutcome({ state: { holdings }, now }: StateHarness, task: LeasedTask): Promise<Outcome> {
  assert.equal(await holdings.announce(intentOf(`i ${task.key}`, task.key), 0, now()), true);
  return {
    ...completed(task),
    holdings: [holdingOf(task.key, { revision: 1 }), holdingOf(task.key, { bucket: ELSEWHERE })],
    closes: `i ${task.key}`,
    versions: [entryOf(PHOTOS, task.key, { versionId: "v1" })],
    wants: [wantOf(`after ${task.key}`, { changes: { deleted: true } })],
  };
}

/** Whether each part of {@link writtenOutcome} has happened: the row, both holdings, the closing, the version and the wish. */
async function partsThere({ holdings, ledger }: StateHarness["state"], key: string): Promise<readonly boolean[]> {
  const entries = await ledger.entriesOf(PHOTOS.source, key);
  return [
    entries.some(({ versionId, status }) => versionId === "" && status === "COMPLETED"),
    (await holdings.known(BUCKET, key)).holding?.revision === 2,
    (await holdings.known(ELSEWHERE, key)).holding?.revision === 1,
    (await openIntents(holdings, key)).length === 0,
    entries.some(({ versionId }) => versionId === "v1"),
    (await ledger.get(PHOTOS, `after ${key}`))?.status === "PENDING",
  ];
}

const ALL = [true, true, true, true, true, true];
const NONE = [false, false, false, false, false, false];

const recording: StateCases = {
  "an outcome brings its holdings, its intent's end, its versions and its wishes with it (invariant 1)": async (harness, reopened) => {
    await harness.state.tasks.want([wantOf("a")]);
    const outcome = await writtenOutcome(harness, await claimOne(harness));
    assert.deepEqual(await partsThere(harness.state, "a"), NONE);
    assert.deepEqual(await harness.state.tasks.record([outcome]), [true]);
    assert.deepEqual(await partsThere(harness.state, "a"), ALL);
    const next = await harness.reopen();
    reopened(next);
    assert.deepEqual(await partsThere(next.state, "a"), ALL);
    const after = await claimOne(next);
    assert.deepEqual([after.key, after.changes], ["after a", { deleted: true }]);
  },
  "a worker that lost its lease records nothing of all that (invariant 10)": async (harness) => {
    await harness.state.tasks.want([wantOf("a")]);
    const outcome = await writtenOutcome(harness, await claimOne(harness));
    await harness.advance(60_000);
    const again = await claimOne(harness);
    assert.deepEqual(await harness.state.tasks.record([outcome]), [false]);
    assert.deepEqual(await partsThere(harness.state, "a"), NONE);
    assert.deepEqual(await harness.state.tasks.record([{ ...outcome, task: again }, outcome]), [true, false]);
    assert.deepEqual(await partsThere(harness.state, "a"), ALL);
  },
  "an outcome whose first holding was changed since leaves its intent, expired, and the rest is recorded (invariant 3)": async (
    harness,
  ) => {
    const { holdings, tasks } = harness.state;
    await tasks.want([wantOf("a")]);
    const outcome = await writtenOutcome(harness, await claimOne(harness));
    const changed = holdingOf("a", { object: null, revision: 1 });
    await holdings.observe([changed]);
    assert.deepEqual(await tasks.record([outcome]), [true]);
    assert.deepEqual(await partsThere(harness.state, "a"), [true, true, true, false, true, true]);
    const left = intentOf("i a", "a", { expiresAt: harness.now() });
    assert.deepEqual(await holdings.known(BUCKET, "a"), { ...NOTHING, holding: { ...changed, revision: 2 }, revision: 2, intents: [left] });
    assert.equal(await holdings.announce(intentOf("next", "a"), 2, harness.now()), true);
  },
  "an intent that expired before its outcome was refused is not made to last": async (harness) => {
    const { holdings, tasks } = harness.state;
    await tasks.want([wantOf("a")]);
    const outcome = await writtenOutcome(harness, await claimOne(harness));
    await holdings.abandon("i a", 50);
    await holdings.observe([holdingOf("a", { revision: 1 })]);
    await tasks.record([outcome]);
    assert.deepEqual((await holdings.known(BUCKET, "a")).intents, [intentOf("i a", "a", { expiresAt: 50 })]);
  },
  "an outcome of which only another holding was changed since closes its intent": async (harness) => {
    const { holdings, tasks } = harness.state;
    await tasks.want([wantOf("a")]);
    const outcome = await writtenOutcome(harness, await claimOne(harness));
    const changed = holdingOf("a", { bucket: ELSEWHERE, object: null });
    await holdings.observe([changed]);
    assert.deepEqual(await tasks.record([outcome]), [true]);
    assert.deepEqual(await partsThere(harness.state, "a"), ALL);
    assert.deepEqual((await holdings.known(ELSEWHERE, "a")).holding, { ...changed, revision: 1 });
  },
  "an outcome without holdings closes its intent": async (harness) => {
    const { holdings, tasks } = harness.state;
    await tasks.want([wantOf("a"), wantOf("b")]);
    const [a, b] = (await claimAll(harness)) as [LeasedTask, LeasedTask];
    for (const key of ["a", "b"]) await holdings.announce(intentOf(`i ${key}`, key), 0, harness.now());
    await tasks.record([
      { ...completed(a), closes: "i a" },
      { ...completed(b), holdings: [], closes: "i b" },
    ]);
    assert.deepEqual([await openIntents(holdings, "a"), await openIntents(holdings, "b")], [[], []]);
  },
  "a delete that is noted while its key is written outlives the outcome (invariants 3, 4)": async (harness) => {
    const { holdings, tasks } = harness.state;
    await tasks.want([wantOf("a")]);
    const outcome = await writtenOutcome(harness, await claimOne(harness));
    await holdings.noteDelete(BUCKET, "a", 500);
    assert.deepEqual(await tasks.record([outcome]), [true]);
    const intents = [intentOf("i a", "a", { expiresAt: harness.now() })];
    assert.deepEqual(await holdings.known(BUCKET, "a"), { ...NOTHING, revision: 2, deletedAt: 500, intents });
  },
  "a delete that was noted before its key is written ends with the outcome": async (harness) => {
    const { holdings, tasks } = harness.state;
    await tasks.want([wantOf("a")]);
    const task = await claimOne(harness);
    await holdings.noteDelete(BUCKET, "a", 500);
    await holdings.announce(intentOf("i", "a"), 1, harness.now());
    const written = holdingOf("a", { revision: 2 });
    await tasks.record([{ ...completed(task), holdings: [written], closes: "i" }]);
    assert.deepEqual(await holdings.known(BUCKET, "a"), { ...NOTHING, holding: { ...written, revision: 3 }, revision: 3 });
  },
  "of an outcome and an observer that start from one revision the first wins": async (harness) => {
    const { holdings, tasks } = harness.state;
    await tasks.want([wantOf("a"), wantOf("b")]);
    const [a, b] = (await claimAll(harness)) as [LeasedTask, LeasedTask];
    const [first, second] = [await writtenOutcome(harness, a), await writtenOutcome(harness, b)];
    const found = (key: string) => holdings.observe([holdingOf(key, { object: null, revision: 1 })]);
    assert.deepEqual(await Promise.all([tasks.record([first]), found("a")]), [[true], false]);
    assert.deepEqual(await Promise.all([found("b"), tasks.record([second])]), [true, [true]]);
    assert.notEqual((await holdings.known(BUCKET, "a")).holding?.object, null);
    assert.equal((await holdings.known(BUCKET, "b")).holding?.object, null);
    assert.deepEqual([await openIntents(holdings, "a"), await openIntents(holdings, "b")], [[], ["i b"]]);
  },
  "an outcome may want its own key again, at once or later": async (harness) => {
    const { tasks } = harness.state;
    await tasks.want([wantOf("a"), wantOf("b")]);
    const [a, b] = (await claimAll(harness)) as [LeasedTask, LeasedTask];
    const later = harness.now() + 1_000;
    await tasks.record([
      { ...completed(a), wants: [wantOf("a")] },
      { ...completed(b), wants: [wantOf("b", { notBefore: later })] },
    ]);
    assert.deepEqual(keysOf(await claimAll(harness)), ["a"]);
    assert.equal(await tasks.nextDueAt(), later);
    await harness.advance(1_000);
    assert.deepEqual(keysOf(await claimAll(harness)), ["b"]);
  },
  "what an outcome wants of a key in work is not lost (invariant 1)": async (harness) => {
    const { tasks } = harness.state;
    await tasks.want([wantOf("a"), wantOf("b")]);
    const [a, b] = (await claimAll(harness)) as [LeasedTask, LeasedTask];
    await tasks.record([{ ...completed(a), wants: [wantOf("b")] }, completed(b)]);
    assert.deepEqual(keysOf(await claimAll(harness)), ["b"]);
    assert.equal((await tasks.pending())[0]?.operations, 1);
  },
};
