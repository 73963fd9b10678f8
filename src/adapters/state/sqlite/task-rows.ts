import type { DatabaseSync, StatementSync } from "node:sqlite";
import { LIVE, Query, TASK_COLUMNS, type TaskCells } from "./cells.ts";
import { coalesced } from "./change-bits.ts";
import type { Tally } from "./tally.ts";
import type { RecordOp, WantOp } from "./wire.ts";

type WaitingRow = readonly [wantedSince: number, ...TaskCells];

/** The writing side of the task table; every call runs within the transaction of a batch. */
export class TaskRows {
  readonly #tally: Tally;
  readonly #insert: StatementSync;
  readonly #select: Query<WaitingRow>;
  readonly #update: StatementSync;
  readonly #delete: Query<readonly [sizeBytes: number | null]>;
  readonly #postpone: StatementSync;
  readonly #exists: Query<readonly [1]>;

  constructor(db: DatabaseSync, tally: Tally) {
    this.#tally = tally;
    this.#insert = db.prepare(`INSERT INTO task (route_id, key, wanted_since, ${TASK_COLUMNS})
      VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, NULL, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`);
    this.#select = new Query(db, `SELECT wanted_since, ${TASK_COLUMNS} FROM task WHERE route_id = ? AND key = ?`);
    this.#update = db.prepare(`UPDATE task SET (wanted_since, ${TASK_COLUMNS}) = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      WHERE route_id = ? AND key = ?`);
    this.#delete = new Query(db, "DELETE FROM task WHERE route_id = ? AND key = ? AND wanted = ? RETURNING size_bytes");
    this.#postpone = db.prepare(`UPDATE task SET seq = ?, not_before = ?, attempts = ?, first_failed_at = ?
      WHERE route_id = ? AND key = ? AND wanted = ?`);
    this.#exists = new Query(db, "SELECT 1 FROM task WHERE route_id = ? AND key = ?");
  }

  has(route: number, key: string): boolean {
    return this.#exists.get(route, key) !== undefined;
  }

  /** Returns the row where the key waited already; undefined where the wish made a new one. */
  want(op: WantOp): TaskCells | undefined {
    const [, route, key, generation, lane, eventTime, wantedAt, , changes, deletedAt, notBefore, hint] = op;
    const since = eventTime ?? wantedAt;
    const made = this.#insert.run(route, key, since, generation, lane, generation, notBefore, eventTime, changes, deletedAt, ...hint);
    if (Number(made.changes) === 0) return this.#wantAgain(op);
    this.#tally.add(route, "TASK", { operations: 1, bytes: hint[0] ?? 0 });
    return undefined;
  }

  #wantAgain([, route, key, generation, lane, eventTime, wantedAt, inWork, changes, deletedAt, notBefore, hint]: WantOp): TaskCells {
    const [oldSince, ...old] = this.#select.one(route, key);
    const [, oldLane, oldSeq, oldAttempts, oldNotBefore, oldEventTime, oldFirstFailedAt, oldChanges, oldDeletedAt, oldSize] = old;
    const since = eventTime ?? wantedAt;
    const lifted = lane < oldLane;
    // A live event may be the cure, so it does not wait out the pause of the failure before it, nor inherit its attempts.
    const dueAt = oldNotBefore <= wantedAt ? 0 : Math.min(notBefore, oldNotBefore);
    const woken = dueAt < oldNotBefore && lane === LIVE;
    const row: TaskCells = [
      generation,
      lifted ? lane : oldLane,
      lifted || woken ? generation : oldSeq,
      woken ? 0 : oldAttempts,
      woken ? dueAt : oldNotBefore,
      inWork === 1 ? eventTime : earlier(oldEventTime, eventTime),
      woken ? null : oldFirstFailedAt,
      ...coalesced([oldChanges, oldDeletedAt], [changes, deletedAt]),
      ...hint,
    ];
    this.#update.run(inWork === 1 ? since : Math.min(oldSince, since), ...row, route, key);
    this.#tally.add(route, "TASK", { operations: 0, bytes: (hint[0] ?? 0) - (oldSize ?? 0) });
    return row;
  }

  /** Ends or postpones the task; returns the row where it was wanted again meanwhile and so stays, due at once. */
  record([, route, key, wanted, generation, postponed]: RecordOp): TaskCells | undefined {
    const ended = postponed === null ? this.#end(route, key, wanted) : this.#postponed([generation, ...postponed, route, key, wanted]);
    return ended ? undefined : this.#again(route, key, generation);
  }

  #end(route: number, key: string, wanted: number): boolean {
    const gone = this.#delete.get(route, key, wanted);
    if (gone === undefined) return false;
    this.#tally.add(route, "TASK", { operations: -1, bytes: -(gone[0] ?? 0) });
    return true;
  }

  #postponed(parameters: readonly (number | string | null)[]): boolean {
    return Number(this.#postpone.run(...parameters).changes) === 1;
  }

  #again(route: number, key: string, generation: number): TaskCells | undefined {
    const found = this.#select.get(route, key);
    if (found === undefined) return undefined;
    const [since, wanted, lane, , , , eventTime, , ...said] = found;
    const row: TaskCells = [wanted, lane, generation, 0, 0, eventTime, null, ...said];
    this.#update.run(since, ...row, route, key);
    return row;
  }
}

function earlier(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}
