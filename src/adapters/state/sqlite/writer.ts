import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { TaskCells } from "./cells.ts";
import { openForWriting } from "./database.ts";
import { HoldingRows } from "./holding-rows.ts";
import { LedgerRows } from "./ledger-rows.ts";
import { NOTE_NAMES, NOTES, type NoteName } from "./notes.ts";
import { toErrorCells, toLedgerError } from "./sqlite-error.ts";
import { Tally } from "./tally.ts";
import { TaskRows } from "./task-rows.ts";
import {
  ADOPT,
  type AdoptOp,
  ANNOUNCE,
  type Batch,
  type Committed,
  ENTRY,
  type EntryOp,
  NOTE,
  NOTE_DELETE,
  type NoteOp,
  OBSERVE,
  type Op,
  RECORD,
  type RecordOp,
  type Reply,
  type RouteCells,
  WANT,
} from "./wire.ts";

/** Owns the connection that writes. A batch is one transaction: all of it is durable when {@link apply} returns, or nothing. */
export class Writer {
  readonly #db: DatabaseSync;
  readonly #tally: Tally;
  readonly #tasks: TaskRows;
  readonly #ledger: LedgerRows;
  readonly #holdings: HoldingRows;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #saveGeneration: StatementSync;
  readonly #saveRoute: StatementSync;
  readonly #notes: ReadonlyMap<NoteName, StatementSync>;

  constructor(path: string) {
    this.#db = openForWriting(path);
    this.#tally = new Tally(this.#db);
    this.#tasks = new TaskRows(this.#db, this.#tally);
    this.#ledger = new LedgerRows(this.#db, this.#tally);
    this.#holdings = new HoldingRows(this.#db);
    this.#begin = this.#db.prepare("BEGIN IMMEDIATE");
    this.#commit = this.#db.prepare("COMMIT");
    this.#saveGeneration = this.#db.prepare("UPDATE generation SET last = ?");
    this.#saveRoute = this.#db.prepare("INSERT INTO route VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING");
    this.#notes = new Map(NOTE_NAMES.map((name) => [name, this.#db.prepare(NOTES[name])]));
  }

  apply([generation, routes, ops]: Batch): Reply {
    try {
      this.#begin.run();
      this.#saveGeneration.run(generation);
      for (const route of routes) this.#saveRouteOf(route);
      const committed = this.#applyAll(ops);
      this.#tally.flush();
      this.#commit.run();
      return committed;
    } catch (error) {
      this.#rollBack();
      return { error: toErrorCells(toLedgerError(error, "commit")) };
    }
  }

  /** Folds the log into the file, so that what is left is one file. */
  close(): void {
    try {
      this.#db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    } finally {
      this.#db.close();
    }
  }

  #applyAll(ops: readonly Op[]): Committed {
    const rows: (readonly [number, TaskCells])[] = [];
    const refused: number[] = [];
    for (const [index, op] of ops.entries()) {
      const result = this.#applyOne(op);
      if (result === false) refused.push(index);
      else if (typeof result === "object") rows.push([index, result]);
    }
    return { rows, refused };
  }

  /** The task row that was found or left, or whether what compares before it writes did write. */
  #applyOne(op: Op): TaskCells | boolean | undefined {
    switch (op[0]) {
      case WANT:
        return this.#tasks.want(op);
      case RECORD:
        return this.#record(op);
      case ADOPT:
        return this.#adopt(op);
      case NOTE:
        return this.#note(op);
      case ENTRY:
        return this.#entry(op);
      case OBSERVE:
        return this.#holdings.observe(op);
      case ANNOUNCE:
        return this.#holdings.announce(op);
      case NOTE_DELETE:
        return this.#holdings.noteDelete(op);
      default:
        return op satisfies never;
    }
  }

  #record(op: RecordOp): TaskCells | undefined {
    const [, route, key, , , , versionId, attempt, replica] = op;
    this.#ledger.write({ route, key, versionId, attempt, replica });
    return this.#tasks.record(op);
  }

  #adopt([, route, key, versionId, attempt, replica, over]: AdoptOp): undefined {
    if (this.#tasks.has(route, key) || (over !== null && !this.#ledger.isOf({ route, key, versionId }, over))) return;
    this.#ledger.write({ route, key, versionId, attempt, replica });
  }

  #entry([, route, key, versionId, attempt, replica]: EntryOp): undefined {
    this.#ledger.write({ route, key, versionId, attempt, replica });
  }

  #note([, name, parameters]: NoteOp): undefined {
    this.#notes.get(name)?.run(...parameters);
  }

  #saveRouteOf(route: RouteCells): void {
    this.#saveRoute.run(...route);
  }

  #rollBack(): void {
    this.#tally.discard();
    // SQLite has rolled back by itself where the disk was full or failing.
    if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
  }
}
