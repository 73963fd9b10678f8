import { BinaryHeap } from "../../../lib/binary-heap.ts";
import type { TaskCells } from "./cells.ts";
import type { KeyedTask, LanePlace, PostponedCursor, TaskPages } from "./task-pages.ts";
import { WaitingTask } from "./waiting-task.ts";

/** Rows read from the disk at a time: about 3 ms of the event loop. */
const MAX_PAGE = 512;
const START: PostponedCursor = { notBefore: 0, key: "" };

export interface LaneQueueOptions {
  /** How many ready tasks are kept in memory at most, give or take a page. */
  readonly window: number;
  /** Is true where rows of an earlier process may wait on the disk. */
  readonly stored: boolean;
}

/**
 * The ready tasks of one lane of one route: the oldest of them in memory, the rest on the disk.
 *
 * Two streams feed it from the disk, each with a cursor. Every row at or before a cursor is in memory or in work:
 * - fresh rows by `seq`; while none lies behind the cursor, new wishes go straight into memory;
 * - postponed rows by when they become due; they are read only then.
 */
export class LaneQueue {
  readonly #place: LanePlace;
  readonly #pages: TaskPages;
  readonly #window: number;
  readonly #pageRows: number;
  /** All tasks of the route that are in memory, of both lanes, in work or not. */
  readonly #tasks: Map<string, WaitingTask>;
  /** Also holds tasks that have been taken or moved since; they are passed over. */
  readonly #heap = new BinaryHeap<WaitingTask>((task) => task.seq);
  #cursor = 0;
  #moreBehindCursor: boolean;
  #postponedCursor = START;
  /** Never later than the first postponed row behind its cursor; undefined where there is none. */
  #nextPostponedAt: number | undefined;

  constructor(
    place: LanePlace,
    source: { readonly pages: TaskPages; readonly tasks: Map<string, WaitingTask> },
    options: LaneQueueOptions,
  ) {
    this.#place = place;
    this.#pages = source.pages;
    this.#tasks = source.tasks;
    this.#window = options.window;
    this.#pageRows = Math.min(MAX_PAGE, Math.ceil(options.window / 2));
    this.#moreBehindCursor = options.stored;
    if (options.stored) this.#nextPostponedAt = this.#pages.nextPostponedAt(place, START);
  }

  /** When the first row that is not in memory becomes due. */
  get nextPostponedAt(): number | undefined {
    return this.#nextPostponedAt;
  }

  /** Takes in a row that is due at once, or leaves it to be read when its turn comes. */
  place(key: string, cells: TaskCells): void {
    const seq = cells[2];
    this.#tasks.delete(key);
    if (this.#heap.size >= this.#window) this.#moreBehindCursor = true;
    if (this.#moreBehindCursor && seq > this.#cursor) return;
    this.#add(key, cells);
    this.#cursor = Math.max(this.#cursor, seq);
  }

  /** Takes note of a row that is due later. */
  postpone(key: string, notBefore: number): void {
    this.#tasks.delete(key);
    this.#nextPostponedAt = Math.min(this.#nextPostponedAt ?? notBefore, notBefore);
    // Behind the cursor again, as after a clock was set back: what is read twice is passed over.
    if (notBefore <= this.#postponedCursor.notBefore) this.#postponedCursor = { notBefore: notBefore - 1, key: "" };
  }

  /** Puts a task back that was taken. */
  giveBack(task: WaitingTask): void {
    this.#heap.push(task);
  }

  /** The oldest ready task, left where it is. */
  head(now: number): WaitingTask | undefined {
    this.#refill(now);
    for (;;) {
      const task = this.#heap.peek();
      if (task === undefined) return undefined;
      if (this.#isReady(task)) return task;
      this.#heap.pop();
      this.#refill(now);
    }
  }

  /** Takes the row of this key out of the disk's part of the queue if it is due. */
  fetch(key: string, now: number): WaitingTask | undefined {
    if (!this.#moreBehindCursor && !this.#hasDue(now)) return undefined;
    const cells = this.#pages.one(this.#place.route, key);
    if (cells === undefined || cells[1] !== this.#place.lane || cells[4] > now) return undefined;
    return this.#add(key, cells);
  }

  /** When the first task becomes due: `now` if one is. Exact, at the price of a read. */
  nextDueAt(now: number): number | undefined {
    if (this.head(now) !== undefined) return now;
    this.#nextPostponedAt = this.#pages.nextPostponedAt(this.#place, this.#postponedCursor);
    return this.#nextPostponedAt;
  }

  #isReady(task: WaitingTask): boolean {
    return task.lease === undefined && this.#tasks.get(task.key) === task;
  }

  #add(key: string, cells: TaskCells): WaitingTask {
    const task = new WaitingTask(this.#place.route, key, cells);
    this.#tasks.set(key, task);
    this.#heap.push(task);
    return task;
  }

  /** Reads on past pages of which every row is in work already: they say nothing about what lies behind them. */
  #refill(now: number): void {
    while (this.#moreBehindCursor && this.#heap.size < this.#pageRows) this.#readFresh();
    while (this.#hasDue(now) && this.#heap.size < 2 * this.#pageRows) this.#readPostponed(now);
  }

  #hasDue(now: number): boolean {
    return this.#nextPostponedAt !== undefined && this.#nextPostponedAt <= now;
  }

  #readFresh(): void {
    const rows = this.#pages.fresh(this.#place, this.#cursor, this.#pageRows);
    this.#addNew(rows);
    this.#cursor = rows.at(-1)?.[3] ?? this.#cursor;
    this.#moreBehindCursor = rows.length === this.#pageRows;
  }

  #readPostponed(now: number): void {
    const rows = this.#pages.postponed(this.#place, this.#postponedCursor, { now, limit: this.#pageRows });
    this.#addNew(rows);
    const last = rows.at(-1);
    if (last !== undefined) this.#postponedCursor = { notBefore: last[5], key: last[0] };
    this.#nextPostponedAt = this.#pages.nextPostponedAt(this.#place, this.#postponedCursor);
  }

  /** A row whose commit has been seen here before its reply was, or that is in work, is in memory already. */
  #addNew(rows: readonly KeyedTask[]): void {
    for (const [key, ...cells] of rows) {
      if (!this.#tasks.has(key)) this.#add(key, cells);
    }
  }
}
