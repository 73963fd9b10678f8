import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { openSqliteState } from "../../src/adapters/state/sqlite/open.ts";
import { isReplicationError } from "../../src/domain/error.ts";
import type { State } from "../../src/ports/state.ts";
import { PHOTOS } from "../../src/testing/state-contract.ts";
import { SCRATCH } from "./sqlite-state.ts";

const CHILD = join(import.meta.dirname, "sqlite-child.ts");
const HOUR_MS = 3_600_000;
const folder = mkdtempSync(join(SCRATCH, "replicast-crash-"));
after(() => rmSync(folder, { recursive: true }));

/** Starts a child and gives its lines as they come. */
function start(...args: readonly string[]): { readonly child: ChildProcess; readonly lines: AsyncIterableIterator<string> } {
  const child = spawn(process.execPath, [CHILD, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  return { child, lines: createInterface({ input: child.stdout! })[Symbol.asyncIterator]() };
}

/** What the child said before it was killed, after `count` lines of it. */
async function killAfter(count: number, path: string, { kind, from }: { kind: string; from: number }): Promise<readonly string[]> {
  const { child, lines } = start(kind, path, String(from));
  const exited = once(child, "exit");
  const seen: string[] = [];
  for await (const line of lines) {
    seen.push(line);
    if (seen.length === count) child.kill("SIGKILL");
  }
  const [, signal] = await exited;
  assert.equal(signal, "SIGKILL", "it did not end by itself");
  return seen;
}

test("kill -9 at any moment loses nothing acknowledged and leaves nothing stuck (invariant 1)", async () => {
  const path = join(folder, "killed.db");
  const acknowledged = new Map<string, string>();
  for (const [round, count] of [2, 40, 150, 301, 600, 1_000].entries()) {
    for (const line of await killAfter(count, path, { kind: "work", from: round * 10_000 })) {
      const [what = "", key] = line.split(" ");
      if (key !== undefined) acknowledged.set(key, what);
    }
    const state = await openSqliteState({ path, mode: "daemon" });
    try {
      await assertNothingLost(state, acknowledged);
    } finally {
      await state.close();
    }
  }
});

/** An unacknowledged outcome may have been recorded too: a key is where the last acknowledgement left it, or further on. */
async function assertNothingLost(state: State, acknowledged: ReadonlyMap<string, string>): Promise<void> {
  const allowed: Readonly<Record<string, readonly string[]>> = {
    wanted: ["PENDING", "COMPLETED"],
    postponed: ["PENDING"],
    completed: ["COMPLETED"],
  };
  for (const [key, what] of acknowledged) {
    const status = (await state.ledger.get(PHOTOS, key))?.status ?? "nothing";
    assert.ok(allowed[what]?.includes(status), `${key} was acknowledged as ${what} and is ${status}`);
  }
  const [pending] = await state.tasks.pending();
  const waiting = await state.tasks.claim({ max: 100_000, now: Date.now() + 2 * HOUR_MS, leaseMs: 60_000 });
  assert.equal(waiting.length, pending?.operations, "all that waits can be worked on");
  const [summary] = await state.ledger.summaries(Date.now());
  const { entries } = await state.ledger.list({ status: "COMPLETED", limit: 100_000 });
  assert.equal(entries.length, summary?.completed.operations, "the counts are those of the rows");
  await state.tasks.release(waiting);
}

test("kill -9 at any moment leaves an outcome whole or not at all: row, holding, intent and wish (invariants 1, 3)", async () => {
  const path = join(folder, "careful.db");
  for (const [round, count] of [3, 40, 151, 300].entries()) {
    const lines = await killAfter(count, path, { kind: "work carefully", from: round * 10_000 });
    const state = await openSqliteState({ path, mode: "daemon" });
    try {
      for (const line of lines) await assertWhole(state, line);
    } finally {
      await state.close();
    }
  }
});

/** An outcome that was not acknowledged may have been recorded too, but never in part. */
async function assertWhole({ holdings, ledger }: State, line: string): Promise<void> {
  const [what, key] = line.split(" ");
  if (key === undefined) return;
  const { holding, revision, intents } = await holdings.known(PHOTOS.destination, key);
  const after = await ledger.get(PHOTOS, `after ${key}`);
  const parts = [(await ledger.get(PHOTOS, key))?.status, holding?.revision, intents.length, after?.status];
  const isRecorded = what === "recorded" || holding !== undefined;
  assert.deepEqual(parts, isRecorded ? ["COMPLETED", revision, 0, "PENDING"] : ["PENDING", undefined, 1, undefined], line);
  assert.ok(revision >= (isRecorded ? 2 : 1), `${line}: an announced write raises the revision, its outcome again`);
}

test("a second daemon is refused, naming the first, until the first is gone, however it went", async () => {
  const path = join(folder, "locked.db");
  const { child, lines } = start("work", path);
  await lines.next();
  await assert.rejects(openSqliteState({ path, mode: "daemon" }), (error) => {
    assert.ok(isReplicationError(error));
    assert.equal(error.code, "LedgerLocked");
    assert.match(error.message, new RegExp(`process ${child.pid}, running since \\d{4}-`));
    assert.match(error.hint ?? "", /--server/);
    return true;
  });
  const reader = await openSqliteState({ path, mode: "reader" });
  await reader.ledger.summaries(Date.now());
  await reader.close();
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
  await (await openSqliteState({ path, mode: "daemon" })).close();
});

for (const kind of ["want and close", "want and leave"]) {
  test(`a process that has no more to do ends by itself: ${kind}`, { timeout: 10_000 }, async () => {
    const path = join(folder, `${kind}.db`);
    const { child } = start(kind, path);
    const [code] = await once(child, "exit");
    assert.equal(code, 0);
    assert.equal(existsSync(`${path}-wal`), kind === "want and leave", "closing folds the log into the file");
    const state = await openSqliteState({ path, mode: "daemon" });
    assert.equal((await state.tasks.pending())[0]?.operations, 1);
    await state.close();
  });
}

test("a disk that takes no more refuses new wishes with a hint and keeps what it has", { timeout: 10_000 }, async () => {
  const path = join(folder, "full.db");
  // Stands in for a full disk: no file may grow beyond 4 MB, and the signal that would tell so is ignored.
  const shell = `trap '' XFSZ; ulimit -f 8192; exec '${process.execPath}' '${CHILD}' fill '${path}'`;
  const child = spawn("sh", ["-c", shell], { stdio: ["ignore", "pipe", "inherit"] });
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) lines.push(line);
  const { code, hint } = JSON.parse(lines[1] ?? "{}") as { readonly code?: string; readonly hint?: string };
  assert.equal(code, "LedgerUnavailable");
  assert.match(hint ?? "", /disk/);
  assert.equal(lines[2], "first is PENDING, held true");
});
