import { openSqliteState } from "../../src/adapters/state/sqlite/open.ts";
import type { LeasedTask, State } from "../../src/ports/state.ts";
import { completed, PHOTOS, postponed, wantOf } from "../../src/testing/state-contract.ts";

/** A process for the tests to end in the ways processes end. Says on stdout, a line at a time, what was acknowledged to it. */
const [kind, path = "", from = "0"] = process.argv.slice(2);

/** Into a pipe, which this platform writes to before it returns. */
function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Wants, works and says so until it is killed. */
async function work(state: State): Promise<never> {
  for (let round = Number(from); ; round++) {
    const keys = Array.from({ length: 16 }, (_, index) => `${round}-${index}`);
    await Promise.all([...keys.map((key) => wanted(state, key)), recorded(state)]);
  }
}

async function wanted(state: State, key: string): Promise<void> {
  await state.tasks.want([wantOf(key)]);
  say(`wanted ${key}`);
}

async function recorded(state: State): Promise<void> {
  const tasks = await state.tasks.claim({ max: 12, now: Date.now(), leaseMs: 60_000 });
  const outcomes = tasks.map((task, index) => (index % 4 === 3 ? postponed(task, Date.now() + 3_600_000) : completed(task)));
  await state.tasks.record(outcomes);
  for (const { task, retryAt } of outcomes) say(`${retryAt === undefined ? "completed" : "postponed"} ${task.key}`);
}

const BUCKET = PHOTOS.destination;

/** Announces, writes and records, as towards an interior bucket, until it is killed. */
async function workCarefully(state: State): Promise<never> {
  for (let round = Number(from); ; round++) {
    const keys = Array.from({ length: 8 }, (_, index) => `${round}-${index}`);
    await state.tasks.want(keys.map((key) => wantOf(key)));
    const tasks = await state.tasks.claim({ max: 8, now: Date.now(), leaseMs: 60_000 });
    await Promise.all(tasks.map((task) => writtenCarefully(state, task)));
  }
}

async function writtenCarefully({ holdings, tasks }: State, task: LeasedTask): Promise<void> {
  const { key } = task;
  if (key.startsWith("after")) return;
  const content = { origin: PHOTOS.source, originTime: 1_000, originEtag: null, dot: 1, history: { [PHOTOS.source]: 1 } };
  const intent = { id: key, bucket: BUCKET, key, expected: null, content, expiresAt: Date.now() + 60_000 };
  // Above 0 where it was announced by a process that was killed.
  const { revision } = await holdings.known(BUCKET, key);
  if (!(await holdings.announce(intent, revision, Date.now()))) throw new Error(`${key} is another's`);
  say(`announced ${key}`);
  const holding = { bucket: BUCKET, key, object: null, content, isReplica: true, revision: revision + 1 };
  const wants = [wantOf(`after ${key}`, { notBefore: Date.now() + 3_600_000 })];
  await tasks.record([{ ...completed(task), holdings: [holding], closes: key, wants }]);
  say(`recorded ${key}`);
}

/** Writes until the disk refuses, then shows that the state is still of use. */
async function fill(state: State): Promise<void> {
  await state.tasks.want([wantOf("first")]);
  const [task] = await state.tasks.claim({ max: 1, now: Date.now(), leaseMs: 60_000 });
  const hint = { etag: "x".repeat(100_000) };
  try {
    for (let round = 0; ; round++) await state.tasks.want([wantOf(`${round}`, { hint })]);
  } catch (error) {
    const { code, hint } = error as { readonly code: string; readonly hint: string };
    say(JSON.stringify({ code, hint }));
  }
  say(`first is ${(await state.ledger.get(PHOTOS, "first"))?.status}, held ${task !== undefined}`);
}

const state = await openSqliteState({ path, mode: "daemon" });
say("open");
if (kind === "work") await work(state);
if (kind === "work carefully") await workCarefully(state);
if (kind === "fill") await fill(state);
if (kind === "want and close") {
  await state.tasks.want([wantOf("a")]);
  await state.close();
}
if (kind === "want and leave") {
  await state.tasks.want([wantOf("a")]);
}
