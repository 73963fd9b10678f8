import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { OPEN_GATE } from "../../../domain/delete-gate.ts";
import { type ErrorCode, isReplicationError } from "../../../domain/error.ts";
import type { Holding, Intent } from "../../../domain/holding.ts";
import type { State } from "../../../ports/state.ts";
import { completed, entryOf, PHOTOS, REPLICA, wantOf } from "../../../testing/state-contract.ts";
import { openSqliteState } from "./open.ts";
import { migrate, NEWEST_MIGRATION } from "./schema.ts";

const scratch = mkdtempSync(join(tmpdir(), "replicast-open-"));
after(() => rmSync(scratch, { recursive: true }));
let files = 0;

function newPath(): string {
  return join(scratch, `${++files}.db`);
}

const HOLDING: Holding = {
  bucket: PHOTOS.destination,
  key: "held",
  object: null,
  content: { origin: PHOTOS.source, originTime: 1_000, originEtag: null, dot: 1, history: { [PHOTOS.source]: 1 } },
  isReplica: true,
  revision: 0,
};
const INTENT: Intent = {
  id: "i",
  bucket: HOLDING.bucket,
  key: HOLDING.key,
  expected: null,
  content: HOLDING.content,
  expiresAt: Number.MAX_SAFE_INTEGER,
};

/** Opens a state for the length of one test. */
async function withState<T>(
  path: string,
  use: (state: State) => Promise<T>,
  options: { readonly maxWaitingWrites?: number } = {},
): Promise<T> {
  const state = await openSqliteState({ path, mode: "daemon", ...options });
  try {
    return await use(state);
  } finally {
    await state.close();
  }
}

async function refused(promise: Promise<unknown>, code: ErrorCode, message: RegExp): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(isReplicationError(error), String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    assert.ok((error.hint ?? "").length > 10, "there is a hint");
    return true;
  });
}

function inDatabase<T>(path: string, use: (db: DatabaseSync) => T): T {
  const db = new DatabaseSync(path);
  try {
    return use(db);
  } finally {
    db.close();
  }
}

test("a state that nobody ran yet cannot be read, and reading makes no file", async () => {
  const path = newPath();
  await refused(openSqliteState({ path, mode: "reader" }), "LedgerUnavailable", /no state at/);
  assert.equal(existsSync(path), false);
});

test("a place that cannot hold a state is named", async () => {
  for (const mode of ["daemon", "reader"] as const) {
    await refused(openSqliteState({ path: scratch, mode }), "LedgerUnavailable", /is a folder/);
    await refused(
      openSqliteState({ path: join(scratch, "missing", "x.db"), mode }),
      "LedgerUnavailable",
      /missing of the state does not exist/,
    );
  }
  const file = newPath();
  writeFileSync(file, "");
  await refused(openSqliteState({ path: join(file, "x.db"), mode: "daemon" }), "LedgerUnavailable", /cannot be reached|does not exist/);
});

test("a folder that may not be written is refused", { skip: process.getuid?.() === 0 && "root may write anywhere" }, async () => {
  const folder = join(scratch, "read-only");
  mkdirSync(folder);
  chmodSync(folder, 0o500);
  await refused(openSqliteState({ path: join(folder, "x.db"), mode: "daemon" }), "LedgerUnavailable", /could not be used/);
});

test("a file that is no database is refused and stays as it is", async () => {
  const path = newPath();
  const content = "not a database, but somebody's diary\n".repeat(100);
  writeFileSync(path, content);
  for (const mode of ["daemon", "reader"] as const) {
    await refused(openSqliteState({ path, mode }), "LedgerCorrupt", /not a database/);
  }
  assert.equal(readFileSync(path, "utf8"), content);
});

test("a database of another program is refused and stays as it is", async () => {
  const path = newPath();
  inDatabase(path, (db) => db.exec("CREATE TABLE diary (day TEXT)"));
  const content = readFileSync(path);
  for (const mode of ["daemon", "reader"] as const) {
    await refused(openSqliteState({ path, mode }), "LedgerCorrupt", /another program/);
  }
  assert.deepEqual(readFileSync(path), content);
});

test("a damaged state is refused, not repaired into something else", async () => {
  const path = newPath();
  await withState(path, (state) => state.tasks.want(Array.from({ length: 2_000 }, (_, index) => wantOf(`key ${index}`))));
  const content = readFileSync(path);
  content.fill(0x5a, 100);
  writeFileSync(path, content);
  for (const mode of ["daemon", "reader"] as const) await refused(openSqliteState({ path, mode }), "LedgerCorrupt", /malformed|corrupt/);
  assert.deepEqual(readFileSync(path), content);
});

test("a refused file is not left locked", async () => {
  const path = newPath();
  writeFileSync(path, "x".repeat(5_000));
  await refused(openSqliteState({ path, mode: "daemon" }), "LedgerCorrupt", /not a database/);
  rmSync(path);
  await withState(path, async (state) => assert.deepEqual(await state.tasks.pending(), []));
});

test("an empty file becomes a state", async () => {
  const path = newPath();
  writeFileSync(path, "");
  await withState(path, (state) => state.tasks.want([wantOf("a")]));
  await withState(path, async (state) => assert.equal((await state.tasks.pending())[0]?.operations, 1));
});

test("migrations are applied once, by number", async () => {
  const path = newPath();
  for (let i = 0; i < 3; i++) await withState(path, (state) => state.tasks.want([wantOf(`${i}`)]));
  const numbers = inDatabase(path, (db) => db.prepare("SELECT number FROM migration ORDER BY number").all());
  assert.deepEqual(
    numbers.map(({ number }) => number),
    Array.from({ length: NEWEST_MIGRATION }, (_, index) => index + 1),
  );
});

test("a state of the first form keeps its tasks and its rows through the migration (invariant 1)", async () => {
  const path = newPath();
  inDatabase(path, (db) => {
    migrate(db, 1);
    db.exec(`INSERT INTO route VALUES (1, '${PHOTOS.rule}', '${PHOTOS.source}', '${PHOTOS.destination}')`);
    db.exec(
      `INSERT INTO task (route_id, key, wanted, lane, seq, attempts, not_before, wanted_since) VALUES (1, 'waits', 5, 0, 5, 2, 0, 7)`,
    );
    db.exec(`INSERT INTO ledger (route_id, key, status, operation, attempts, replica_etag, replica_last_modified, bytes, proof, destination_etag)
      VALUES (1, 'done', 'COMPLETED', 'copy', 1, '${REPLICA.etag}', ${REPLICA.lastModified}, 10, 'etag', '${REPLICA.destinationEtag}')`);
    db.exec("INSERT INTO tally VALUES (1, 'TASK', 1, 0), (1, 'COMPLETED', 1, 10)");
    db.exec("UPDATE generation SET last = 5");
  });
  await refused(openSqliteState({ path, mode: "reader" }), "LedgerUnavailable", /has not been brought to the form/);
  await withState(path, async (state) => {
    assert.deepEqual(await state.ledger.get(PHOTOS, "done"), entryOf(PHOTOS, "done"));
    const [task] = await state.tasks.claim({ max: 2, now: Date.now(), leaseMs: 60_000 });
    assert.deepEqual([task?.key, task?.attempts, task?.changes], ["waits", 2, { written: true }]);
    assert.deepEqual(await state.tasks.record([{ ...completed(task!), holdings: [HOLDING] }]), [true]);
    assert.equal((await state.ledger.summaries(Date.now()))[0]?.completed.operations, 2);
    assert.equal((await state.holdings.known(HOLDING.bucket, HOLDING.key)).holding?.revision, 1);
  });
});

test("a state of a newer version is refused, by daemon and reader", async () => {
  const path = newPath();
  await withState(path, (state) => state.tasks.want([wantOf("a")]));
  inDatabase(path, (db) => db.exec(`INSERT INTO migration VALUES (${NEWEST_MIGRATION + 1})`));
  for (const mode of ["daemon", "reader"] as const) {
    await refused(openSqliteState({ path, mode }), "LedgerUnavailable", /newer replicast/);
  }
});

test("a state of an older version is not read before it is migrated", async () => {
  const path = newPath();
  await withState(path, (state) => state.tasks.want([wantOf("a")]));
  inDatabase(path, (db) => db.exec(`DELETE FROM migration WHERE number = ${NEWEST_MIGRATION}`));
  await refused(openSqliteState({ path, mode: "reader" }), "LedgerUnavailable", /has not been brought to the form/);
});

test("a second daemon in the same process is refused as well", async () => {
  const path = newPath();
  await withState(path, async () => {
    await refused(openSqliteState({ path, mode: "daemon" }), "LedgerLocked", new RegExp(`process ${process.pid}`));
  });
});

test("a second daemon that comes by a link to the file is refused as well", async () => {
  const path = newPath();
  const link = newPath();
  await withState(path, async () => {
    symlinkSync(path, link);
    await refused(openSqliteState({ path: link, mode: "daemon" }), "LedgerLocked", new RegExp(`process ${process.pid}`));
  });
});

test("a lock of an unknown holder is still a lock", async () => {
  const path = newPath();
  await withState(path, async () => {
    writeFileSync(`${path}.lock-holder`, "?");
    await refused(openSqliteState({ path, mode: "daemon" }), "LedgerLocked", /another process/);
  });
});

test("a reader sees what a running daemon commits, and changes nothing", async () => {
  const path = newPath();
  await withState(path, async (daemon) => {
    const reader = await openSqliteState({ path, mode: "reader" });
    await daemon.tasks.want([wantOf("a"), wantOf("b")]);
    const [task] = await daemon.tasks.claim({ max: 1, now: Date.now(), leaseMs: 1_000 });
    await daemon.tasks.record([completed(task!)]);
    await daemon.journal.markOutage("store");
    await daemon.holdings.observe([HOLDING]);
    await daemon.holdings.announce(INTENT, 1, 1);
    await daemon.holdings.noteDelete(HOLDING.bucket, HOLDING.key, 500);
    await daemon.safeguards.setPaused("photos", true);
    await daemon.safeguards.saveGate(PHOTOS, OPEN_GATE);
    assert.equal((await reader.ledger.get(PHOTOS, "a"))?.status, "COMPLETED");
    assert.equal((await reader.ledger.get(PHOTOS, "b"))?.status, "PENDING");
    assert.equal((await reader.ledger.entriesOf(PHOTOS.source, "a")).length, 1);
    assert.equal((await reader.tasks.pending())[0]?.operations, 1);
    assert.equal((await reader.ledger.summaries(Date.now()))[0]?.completed.operations, 1);
    assert.deepEqual(await reader.journal.outages(), ["store"]);
    const known = { holding: { ...HOLDING, revision: 3 }, revision: 3, deletedAt: 500, intents: [INTENT] };
    assert.deepEqual(await reader.holdings.known(HOLDING.bucket, HOLDING.key), known);
    assert.deepEqual(await reader.safeguards.pausedRules(), ["photos"]);
    assert.deepEqual(await reader.safeguards.gates(), [{ route: PHOTOS, gate: OPEN_GATE }]);
    assert.deepEqual((await reader.safeguards.conflicts({ limit: 1 })).conflicts, []);
    for (const write of [
      reader.tasks.want([wantOf("c")]),
      reader.tasks.claim({ max: 1, now: Date.now(), leaseMs: 1 }),
      reader.tasks.record([completed(task!)]),
      reader.ledger.adopt([{ route: PHOTOS, entry: entryOf(PHOTOS, "c") }]),
      reader.journal.markOutage("other"),
      reader.holdings.observe([{ ...HOLDING, revision: 3 }]),
      reader.holdings.announce({ ...INTENT, id: "j" }, 3, 1),
      reader.holdings.withdraw("i"),
      reader.holdings.abandon("i", 1),
      reader.holdings.noteDelete(HOLDING.bucket, HOLDING.key, 600),
      reader.holdings.forgetBucket(HOLDING.bucket),
      reader.safeguards.setPaused("photos", false),
      reader.safeguards.saveGate(PHOTOS, { ...OPEN_GATE, shutAt: 1 }),
    ]) {
      await refused(write, "LedgerUnavailable", /for reading only/);
    }
    await reader.close();
    assert.deepEqual(await daemon.holdings.known(HOLDING.bucket, HOLDING.key), known);
    assert.equal((await daemon.tasks.pending())[0]?.operations, 1);
  });
});

test("closing waits for what is being written, can be repeated, and leaves one file", async () => {
  const path = newPath();
  const state = await openSqliteState({ path, mode: "daemon" });
  const wishes = Array.from({ length: 100 }, (_, index) => state.tasks.want([wantOf(`${index}`)]));
  await Promise.all([state.close(), state.close()]);
  await Promise.all(wishes);
  await state.close();
  assert.deepEqual([existsSync(`${path}-wal`), existsSync(`${path}.lock-holder`)], [false, false]);
  await refused(state.tasks.want([wantOf("late")]), "Draining", /closed/);
  await refused(state.tasks.claim({ max: 1, now: Date.now(), leaseMs: 1 }), "Draining", /closed/);
  await withState(path, async (again) => assert.equal((await again.tasks.pending())[0]?.operations, 100));
});

test("a commit that fails fails all of its callers, and the state goes on (invariant 1)", async () => {
  const path = newPath();
  await withState(path, async (state) => {
    await state.tasks.want([wantOf("held")]);
    const [held] = await state.tasks.claim({ max: 1, now: Date.now(), leaseMs: 60_000 });
    inDatabase(path, (db) =>
      db.exec("CREATE TRIGGER refuse BEFORE INSERT ON task WHEN NEW.key = 'poison' BEGIN SELECT RAISE(ABORT, 'the disk says no'); END"),
    );
    const batch = [state.tasks.want([wantOf("before")]), state.tasks.want([wantOf("poison")]), state.tasks.record([completed(held!)])];
    for (const promise of batch) await refused(promise, "LedgerUnavailable", /the disk says no/);
    assert.equal((await state.tasks.pending())[0]?.operations, 1);
    assert.equal(await state.ledger.get(PHOTOS, "before"), undefined);
    await state.tasks.want([wantOf("after")]);
    assert.deepEqual(await state.tasks.record([completed(held!)]), [true]);
    assert.equal((await state.ledger.get(PHOTOS, "held"))?.status, "COMPLETED");
    assert.equal((await state.tasks.pending())[0]?.operations, 1);
  });
});

test("an outcome whose holding cannot be written is recorded in no part, and may be recorded later (invariant 1)", async () => {
  const path = newPath();
  await withState(path, async (state) => {
    await state.tasks.want([wantOf("held")]);
    const [task] = await state.tasks.claim({ max: 1, now: Date.now(), leaseMs: 60_000 });
    await state.holdings.announce(INTENT, 0, Date.now());
    const outcome = { ...completed(task!), holdings: [{ ...HOLDING, revision: 1 }], closes: INTENT.id, wants: [wantOf("after")] };
    inDatabase(path, (db) => db.exec("CREATE TRIGGER refuse BEFORE INSERT ON holding BEGIN SELECT RAISE(ABORT, 'the disk says no'); END"));
    await refused(state.tasks.record([outcome]), "LedgerUnavailable", /the disk says no/);
    const before = { holding: undefined, revision: 1, deletedAt: null, intents: [INTENT] };
    assert.deepEqual(await state.holdings.known(HOLDING.bucket, HOLDING.key), before);
    assert.equal((await state.ledger.get(PHOTOS, "held"))?.status, "PENDING");
    assert.equal(await state.ledger.get(PHOTOS, "after"), undefined);
    inDatabase(path, (db) => db.exec("DROP TRIGGER refuse"));
    assert.deepEqual(await state.tasks.record([outcome]), [true]);
    const known = { holding: { ...HOLDING, revision: 2 }, revision: 2, deletedAt: null, intents: [] };
    assert.deepEqual(await state.holdings.known(HOLDING.bucket, HOLDING.key), known);
    assert.equal((await state.ledger.get(PHOTOS, "after"))?.status, "PENDING");
  });
});

test("wishes beyond the bound are refused as Overloaded while outcomes are still recorded, and taken again later", async () => {
  await withState(
    newPath(),
    async (state) => {
      await state.tasks.want([wantOf("a")]);
      const tasks = await state.tasks.claim({ max: 1, now: Date.now(), leaseMs: 60_000 });
      const taken = Array.from({ length: 10 }, (_, index) => state.tasks.want([wantOf(`k${index}`)]));
      await refused(state.tasks.want([wantOf("too much")]), "Overloaded", /10 changes wait/);
      assert.deepEqual(await state.tasks.record(tasks.map((task) => completed(task))), [true]);
      await Promise.all(taken);
      await state.tasks.want([wantOf("in time")]);
      assert.equal((await state.tasks.pending())[0]?.operations, 11);
    },
    { maxWaitingWrites: 10 },
  );
});

test("a write that a dead process announced is waited for no longer than it can take to land, and stays known (invariant 10)", async () => {
  const path = newPath();
  const now = 1_000_000;
  const clock = { now: () => now, sleep: async () => {} };
  const soon = { ...INTENT, id: "soon", key: "soon", expiresAt: now + 5_000 };
  const open = () => openSqliteState({ path, mode: "daemon", clock });
  const first = await open();
  await first.holdings.announce(INTENT, 0, now);
  await first.holdings.announce(soon, 0, now);
  await first.close();
  const again = await open();
  try {
    const intentsOf = async (key: string) => (await again.holdings.known(INTENT.bucket, key)).intents;
    assert.deepEqual(await intentsOf(INTENT.key), [{ ...INTENT, expiresAt: now + 20_000 }]);
    assert.deepEqual(await intentsOf("soon"), [soon]);
    const next = { ...INTENT, id: "next" };
    assert.equal(await again.holdings.announce(next, 1, now + 19_999), false);
    assert.equal(await again.holdings.announce(next, 1, now + 20_000), true);
  } finally {
    await again.close();
  }
});
