import assert from "node:assert/strict";
import { test } from "node:test";
import { LeapingClock } from "./leaping-clock.ts";
import { MemoryState } from "./memory-state.ts";
import { completed, PHOTOS, wantOf } from "./state-contract.ts";

const BUCKET = PHOTOS.destination;
const CONTENT = { origin: PHOTOS.source, originTime: 1_000, originEtag: null, dot: 0, history: {} };
const HOLDING = { bucket: BUCKET, key: "a", object: null, content: CONTENT, isReplica: true, revision: 0 };
const INTENT = { id: "i", bucket: BUCKET, key: "a", expected: null, content: CONTENT, expiresAt: Number.MAX_SAFE_INTEGER };
const NOTHING = { holding: undefined, revision: 0, deletedAt: null, intents: [] };

/** One key done and held, another in work under an intent. */
async function busyState() {
  const clock = new LeapingClock();
  const state = new MemoryState({ clock });
  const claim = () => state.tasks.claim({ max: 10, now: clock.now(), leaseMs: 1_000 });
  await state.tasks.want([wantOf("a")]);
  await state.tasks.record((await claim()).map((task) => ({ ...completed(task), holdings: [HOLDING] })));
  await state.tasks.want([wantOf("b")]);
  const [task] = await claim();
  await state.holdings.announce(INTENT, 1, clock.now());
  assert.ok(task);
  return { clock, state, claim, task };
}

test("workers that share a state take different tasks, and a dead one's when its lease ends (invariant 10)", async () => {
  const { clock, state, claim, task } = await busyState();
  await state.close();
  assert.deepEqual(await claim(), []);
  await clock.sleep(1_000);
  const [again] = await claim();
  assert.equal(again?.key, "b");
  assert.deepEqual(await state.tasks.record([completed(task), completed(again)]), [false, true]);
});

test("a restored state is what it was, with nobody at work", async () => {
  const { state, claim, task } = await busyState();
  const snapshot = state.snapshot();
  const before = await state.ledger.list({ limit: 10 });
  await state.tasks.record([completed(task)]);
  assert.equal(await state.holdings.observe([{ ...HOLDING, revision: 2 }], ["i"]), true);
  await state.holdings.noteDelete(BUCKET, "b", 1);
  await state.safeguards.setPaused("photos", true);
  for (let times = 0; times < 2; times++) {
    state.restore(snapshot);
    assert.deepEqual(await state.ledger.list({ limit: 10 }), before);
    const known = { holding: { ...HOLDING, revision: 2 }, revision: 2, deletedAt: null, intents: [INTENT] };
    assert.deepEqual(await state.holdings.known(BUCKET, "a"), known);
    assert.deepEqual(await state.holdings.known(BUCKET, "b"), NOTHING);
    assert.deepEqual(await state.safeguards.pausedRules(), []);
    assert.deepEqual(await state.tasks.record([completed(task)]), [false]);
    const [again] = await claim();
    assert.ok(again !== undefined && again.lease !== task.lease);
    await state.tasks.record([completed(again)]);
  }
});

test("of a lost state nothing is left, and nobody can record into what comes after it (invariant 10)", async () => {
  const { state, claim, task } = await busyState();
  state.lose();
  assert.deepEqual(await state.ledger.list({ limit: 10 }), { entries: [], nextToken: null });
  assert.deepEqual(await state.holdings.known(BUCKET, "a"), NOTHING);
  await state.tasks.want([wantOf("b")]);
  const [again] = await claim();
  assert.equal(again?.key, "b");
  assert.deepEqual(await state.tasks.record([completed(task)]), [false]);
});

test("the same calls give the same answers, lease tokens included", async () => {
  const [one, other] = [await busyState(), await busyState()];
  assert.deepEqual(one.task, other.task);
  assert.deepEqual(one.state.snapshot(), other.state.snapshot());
});
