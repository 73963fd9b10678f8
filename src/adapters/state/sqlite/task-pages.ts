import type { DatabaseSync } from "node:sqlite";
import { type LaneNumber, Query, TASK_COLUMNS, type TaskCells } from "./cells.ts";

export type KeyedTask = readonly [key: string, ...TaskCells];

/** A place in the order of the postponed rows of a lane. */
export interface PostponedCursor {
  readonly notBefore: number;
  readonly key: string;
}

/** One lane of one route. */
export interface LanePlace {
  readonly route: number;
  readonly lane: LaneNumber;
}

/** Reads waiting tasks from the disk in the order in which they are to be done. */
export class TaskPages {
  readonly #fresh: Query<KeyedTask>;
  readonly #postponed: Query<KeyedTask>;
  readonly #nextPostponed: Query<readonly [notBefore: number]>;
  readonly #one: Query<TaskCells>;

  constructor(db: DatabaseSync) {
    const columns = `key, ${TASK_COLUMNS}`;
    this.#fresh = new Query(
      db,
      `SELECT ${columns} FROM task INDEXED BY task_fresh WHERE route_id = ? AND lane = ? AND not_before = 0 AND seq > ? ORDER BY seq LIMIT ?`,
    );
    const after = "FROM task INDEXED BY task_postponed WHERE route_id = ? AND lane = ? AND not_before > 0 AND (not_before, key) > (?, ?)";
    this.#postponed = new Query(db, `SELECT ${columns} ${after} AND not_before <= ? ORDER BY not_before, key LIMIT ?`);
    this.#nextPostponed = new Query(db, `SELECT not_before ${after} ORDER BY not_before, key LIMIT 1`);
    this.#one = new Query(db, `SELECT ${TASK_COLUMNS} FROM task WHERE route_id = ? AND key = ?`);
  }

  /** Tasks that do not pause, after the given place in the queue. */
  fresh({ route, lane }: LanePlace, afterSeq: number, limit: number): readonly KeyedTask[] {
    return this.#fresh.all(route, lane, afterSeq, limit);
  }

  /** Tasks whose pause is over. */
  postponed({ route, lane }: LanePlace, after: PostponedCursor, { now, limit }: { now: number; limit: number }): readonly KeyedTask[] {
    return this.#postponed.all(route, lane, after.notBefore, after.key, now, limit);
  }

  nextPostponedAt({ route, lane }: LanePlace, after: PostponedCursor): number | undefined {
    return this.#nextPostponed.get(route, lane, after.notBefore, after.key)?.[0];
  }

  one(route: number, key: string): TaskCells | undefined {
    return this.#one.get(route, key);
  }
}
