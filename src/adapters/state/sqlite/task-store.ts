import type { Clock } from "../../../ports/clock.ts";
import type { ClaimOptions, LeasedTask, Outcome, PendingSummary, TaskStore, Want } from "../../../ports/state.ts";
import { laneNumber, type TaskCells, toAttemptCells, toHintCells, toReplicaCells } from "./cells.ts";
import { toChangeBits } from "./change-bits.ts";
import { DueBell } from "./due-bell.ts";
import { closedError, type GroupCommit, type Results } from "./group-commit.ts";
import { toHoldingCells } from "./holding-cells.ts";
import type { Reader } from "./reader.ts";
import type { ReadyTasks } from "./ready-tasks.ts";
import type { Routes } from "./routes.ts";
import { toLedgerError } from "./sqlite-error.ts";
import type { WaitingTask } from "./waiting-task.ts";
import { ENTRY, OBSERVE, type Op, RECORD, type RecordOp, WANT, type WantOp } from "./wire.ts";

/** Generations are given out here and nowhere else; the commit that carries them stores the highest. */
export interface Generations {
  last: number;
}

export interface SqliteTaskStoreParts {
  readonly clock: Clock;
  readonly commits: GroupCommit;
  readonly generations: Generations;
  readonly reader: Reader;
  readonly ready: ReadyTasks;
  readonly routes: Routes;
}

interface Recording {
  readonly outcome: Outcome;
  readonly task: WaitingTask;
}

/** Tasks are rows on the disk, written by the committing thread; what is due and who works on it is known in memory. */
export class SqliteTaskStore implements TaskStore {
  readonly #parts: SqliteTaskStoreParts;
  readonly #bell: DueBell;
  #stopped = false;

  constructor(parts: SqliteTaskStoreParts) {
    this.#parts = parts;
    this.#bell = new DueBell(parts.clock, () => this.#elapsed());
  }

  async want(wants: readonly Want[]): Promise<void> {
    if (wants.length === 0) return;
    this.#parts.commits.refuseIfFull();
    const now = this.#parts.clock.now();
    const ops = wants.map((want) => this.#wantOp(want, now));
    await this.#parts.commits.submit(ops, (results) => this.#wanted(ops, results));
  }

  async claim(options: ClaimOptions): Promise<readonly LeasedTask[]> {
    if (this.#stopped) throw closedError();
    try {
      const tasks = this.#parts.ready.claim(options);
      this.#setBell();
      return tasks;
    } catch (error) {
      throw toLedgerError(error, "claim");
    }
  }

  async record(outcomes: readonly Outcome[]): Promise<readonly boolean[]> {
    const now = this.#parts.clock.now();
    const held = outcomes.map((outcome) => this.#parts.ready.beginRecord(outcome.task, now));
    const recordings = outcomes.flatMap((outcome, index) => {
      const task = held[index];
      return task === undefined ? [] : [{ outcome, task }];
    });
    if (recordings.length > 0) await this.#commit(recordings, now);
    return held.map((task) => task !== undefined);
  }

  async release(tasks: readonly LeasedTask[]): Promise<void> {
    for (const task of tasks) this.#parts.ready.release(task);
    if (tasks.length > 0) this.#bell.ring();
  }

  async nextDueAt(): Promise<number | undefined> {
    try {
      return this.#parts.ready.nextDueAt(this.#parts.clock.now());
    } catch (error) {
      throw toLedgerError(error, "nextDueAt");
    }
  }

  async pending(): Promise<readonly PendingSummary[]> {
    return this.#parts.reader.pending();
  }

  onDue(callback: () => void): () => void {
    return this.#bell.listen(callback);
  }

  /** Hands out nothing and wakes nobody any more. */
  stop(): void {
    this.#stopped = true;
    this.#bell.stop();
  }

  #wantOp({ route, key, lane, eventTime, hint, changes, deletedAt, notBefore }: Want, now: number): WantOp {
    const id = this.#parts.routes.intern(route);
    // What no UTF-8 can say becomes U+FFFD on the disk, and so it must here.
    const stored = key.toWellFormed();
    const inWork = this.#parts.ready.isInWork(id, stored) ? 1 : 0;
    const generation = ++this.#parts.generations.last;
    const dueAt = notBefore === undefined || notBefore <= now ? 0 : pauseEnd(notBefore);
    const told = [toChangeBits(changes), deletedAt ?? null] as const;
    return [WANT, id, stored, generation, laneNumber(lane), eventTime, now, inWork, ...told, dueAt, toHintCells(hint)];
  }

  /** Takes in what became of the wishes among the operations. */
  #wanted(ops: readonly Op[], results: Results): void {
    let anyPostponed = false;
    for (const [index, op] of ops.entries()) {
      if (op[0] !== WANT) continue;
      this.#parts.ready.wanted(op[1], op[2], results.rowOf(index) ?? newRow(op));
      anyPostponed ||= op[10] > 0;
    }
    this.#bell.ring();
    if (anyPostponed) this.#setBell();
  }

  async #commit(recordings: readonly Recording[], now: number): Promise<void> {
    // Every outcome at the index of its recording; what else the outcomes carry stands behind them, in the same transaction.
    const ops: Op[] = recordings.map((recording) => this.#recordOp(recording, now));
    for (const recording of recordings) this.#addConsequences(ops, recording, now);
    try {
      await this.#parts.commits.submit(ops, (results) => this.#recorded(recordings, ops, results));
    } catch (error) {
      for (const { task } of recordings) this.#parts.ready.failRecord(task);
      this.#setBell();
      throw error;
    }
  }

  #recordOp({ outcome: { task, entry, retryAt }, task: { route, key } }: Recording, now: number): RecordOp {
    const failedAt = entry.firstFailedAt ?? task.firstFailedAt ?? entry.finishedAt ?? now;
    return [
      RECORD,
      route,
      key,
      task.wanted,
      ++this.#parts.generations.last,
      retryAt === undefined ? null : [pauseEnd(retryAt), task.attempts + 1, failedAt],
      entry.versionId,
      toAttemptCells(entry),
      toReplicaCells(entry),
    ];
  }

  #addConsequences(ops: Op[], { outcome, task: { route, key } }: Recording, now: number): void {
    const { versions, holdings, closes, wants } = outcome;
    for (const entry of versions ?? []) {
      ops.push([ENTRY, route, key, entry.versionId, toAttemptCells(entry), toReplicaCells(entry)]);
    }
    const [first, ...others] = (holdings ?? []).map(toHoldingCells);
    const closed = closes === undefined ? [] : [closes];
    if (first !== undefined || closed.length > 0) ops.push([OBSERVE, first === undefined ? [] : [first], closed, now]);
    for (const holding of others) ops.push([OBSERVE, [holding], [], null]);
    for (const want of wants ?? []) ops.push(this.#wantOp(want, now));
  }

  #recorded(recordings: readonly Recording[], ops: readonly Op[], results: Results): void {
    let anyAgain = false;
    for (const [index, { outcome, task }] of recordings.entries()) {
      const row = results.rowOf(index);
      if (row !== undefined) this.#parts.ready.again(task, row);
      else if (outcome.retryAt === undefined) this.#parts.ready.finish(task);
      else this.#parts.ready.postpone(task, pauseEnd(outcome.retryAt));
      anyAgain ||= row !== undefined;
    }
    if (ops.length > recordings.length) this.#wanted(ops, results);
    else if (anyAgain) this.#bell.ring();
    this.#setBell();
  }

  #elapsed(): void {
    const { clock, ready } = this.#parts;
    const now = clock.now();
    const expired = ready.expire(now);
    const next = ready.nextChangeAt();
    if (expired || next <= now) this.#bell.ring();
    // What is due already was just announced; the next claim sets the bell for what comes after it.
    if (next > now) this.#setBell();
  }

  #setBell(): void {
    const at = this.#parts.ready.nextChangeAt();
    // What is overdue was announced when it became due; a bell for it would ring without end while its route is left alone.
    if (at > this.#parts.clock.now() && at < Number.POSITIVE_INFINITY) this.#bell.setFor(at);
  }
}

/** 0 is what tells rows that are due at once. */
function pauseEnd(at: number): number {
  return Math.max(1, Math.ceil(at));
}

function newRow([, , , generation, lane, eventTime, , , changes, deletedAt, notBefore, hint]: WantOp): TaskCells {
  return [generation, lane, generation, 0, notBefore, eventTime, null, changes, deletedAt, ...hint];
}
