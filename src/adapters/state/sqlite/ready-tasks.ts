import { randomUUID } from "node:crypto";
import type { ClaimOptions, LeasedTask, Route } from "../../../ports/state.ts";
import { BACKFILL, type LaneNumber, LIVE, laneName, type TaskCells } from "./cells.ts";
import { LaneQueue } from "./lane-queue.ts";
import type { Routes } from "./routes.ts";
import type { TaskPages } from "./task-pages.ts";
import type { WaitingTask } from "./waiting-task.ts";

/** Of so many tasks handed out one is from the backfill lane, if one is ready there. */
const BACKFILL_SHARE = 8;
/** Ready tasks in memory over all queues; about 300 bytes each. */
const MAX_IN_MEMORY = 40_000;
const MIN_WINDOW = 256;
const MAX_WINDOW = 8_192;

interface RouteTasks {
  readonly id: number;
  readonly route: Route;
  readonly tasks: Map<string, WaitingTask>;
  readonly lanes: readonly [live: LaneQueue, backfill: LaneQueue];
}

/**
 * What can be claimed, and who holds what.
 *
 * One process works on a state, so leases live here and nowhere else: after a crash nobody holds any. A task in memory is *ready*, *leased*
 * or, once its outcome is on the way to the disk, *recording*:
 * ```
 * ready ──claim──▶ leased ──beginRecord──▶ recording ──finish / again / postpone──▶ gone, or ready, or waiting on the disk
 *   ▲                │  ▲                      │
 *   └─release/expiry─┘  └──────failRecord──────┘
 * ```
 */
export class ReadyTasks {
  readonly #routes: Routes;
  readonly #pages: TaskPages;
  readonly #byId = new Map<number, RouteTasks>();
  readonly #bySource = new Map<string, RouteTasks[]>();
  readonly #leased = new Set<WaitingTask>();
  readonly #process = randomUUID();
  #lastLease = 0;
  /** Never later than the first lease to end. */
  #nextExpiryAt = Number.POSITIVE_INFINITY;
  #sinceBackfill = 0;
  #window = MAX_WINDOW;

  constructor(routes: Routes, pages: TaskPages) {
    this.#routes = routes;
    this.#pages = pages;
  }

  /** Makes the stored tasks of these routes available; they are read when their turn comes. */
  load(window?: number): void {
    const routes = this.#routes.entries();
    this.#window = window ?? Math.max(MIN_WINDOW, Math.min(MAX_WINDOW, Math.floor(MAX_IN_MEMORY / (2 * routes.length + 1))));
    for (const [id, route] of routes) this.#open(id, route, true);
  }

  isInWork(route: number, key: string): boolean {
    return this.#byId.get(route)?.tasks.get(key)?.lease !== undefined;
  }

  /** Takes in the row that a committed wish left. */
  wanted(routeId: number, key: string, cells: TaskCells): void {
    const route = this.#of(routeId);
    const task = route.tasks.get(key);
    if (task?.lease !== undefined) task.latest = cells;
    else if (task?.standsAt(cells)) task.update(cells);
    else putInto(route, key, cells);
  }

  claim({ max, now, leaseMs, skip = [] }: ClaimOptions): readonly LeasedTask[] {
    this.expire(now);
    const skipped = new Set(skip.map((route) => this.#routes.find(route)));
    const open = [...this.#byId.values()].filter((route) => !skipped.has(route.id));
    const until = now + leaseMs;
    const taken: LeasedTask[] = [];
    while (taken.length < max) {
      const group = this.#nextGroup(open, now).slice(0, max - taken.length);
      if (group.length === 0) break;
      for (const task of group) taken.push(this.#lease(task, until));
    }
    return taken;
  }

  /** Takes back the tasks whose lease has ended; returns whether there were any. */
  expire(now: number): boolean {
    if (now < this.#nextExpiryAt) return false;
    let ended = false;
    this.#nextExpiryAt = Number.POSITIVE_INFINITY;
    for (const task of this.#leased) {
      if (task.lease === undefined || task.lease.recording) continue;
      if (task.lease.until > now) this.#nextExpiryAt = Math.min(this.#nextExpiryAt, task.lease.until);
      else {
        this.#giveBack(task);
        ended = true;
      }
    }
    return ended;
  }

  /** Returns the task if its lease still holds, which then cannot end before the outcome is written. */
  beginRecord(leased: LeasedTask, now: number): WaitingTask | undefined {
    const task = this.#held(leased);
    if (task?.lease === undefined || task.lease.until <= now) return undefined;
    task.lease.recording = true;
    return task;
  }

  /** The outcome could not be written: the lease is as it was. */
  failRecord(task: WaitingTask): void {
    if (task.lease === undefined) return;
    task.lease.recording = false;
    this.#nextExpiryAt = Math.min(this.#nextExpiryAt, task.lease.until);
  }

  finish(task: WaitingTask): void {
    this.#leased.delete(task);
    this.#of(task.route).tasks.delete(task.key);
  }

  /** The task was wanted again while it was worked on. */
  again(task: WaitingTask, cells: TaskCells): void {
    this.#leased.delete(task);
    this.#of(task.route).lanes[cells[1]].place(task.key, cells);
  }

  postpone(task: WaitingTask, notBefore: number): void {
    this.#leased.delete(task);
    this.#of(task.route).lanes[task.lane].postpone(task.key, notBefore);
  }

  release(leased: LeasedTask): void {
    const task = this.#held(leased);
    if (task !== undefined) this.#giveBack(task);
  }

  /** When the first task that waits becomes due; undefined where none waits. */
  nextDueAt(now: number): number | undefined {
    this.expire(now);
    return smallest([...this.#byId.values()].flatMap(({ lanes }) => lanes.map((lane) => lane.nextDueAt(now))));
  }

  /** When something may become due by itself. */
  nextChangeAt(): number {
    let at = this.#nextExpiryAt;
    for (const { lanes } of this.#byId.values()) {
      for (const lane of lanes) at = Math.min(at, lane.nextPostponedAt ?? at);
    }
    return at;
  }

  /** The oldest task of the lane whose turn it is, with the due tasks of the same source object behind it. */
  #nextGroup(open: readonly RouteTasks[], now: number): readonly WaitingTask[] {
    const first = this.#sinceBackfill >= BACKFILL_SHARE - 1 ? BACKFILL : LIVE;
    const task = oldest(open, first, now) ?? oldest(open, first === LIVE ? BACKFILL : LIVE, now);
    if (task === undefined) return [];
    const siblings = (this.#bySource.get(this.#of(task.route).route.source) ?? []).filter((route) => route.id !== task.route);
    if (siblings.length === 0) return [task];
    return [task, ...siblings.filter((route) => open.includes(route)).flatMap((route) => dueOf(route, task.key, now))];
  }

  #lease(task: WaitingTask, until: number): LeasedTask {
    this.#sinceBackfill = task.lane === BACKFILL ? 0 : this.#sinceBackfill + 1;
    const token = `${this.#process}:${++this.#lastLease}`;
    task.lease = { token, until, recording: false };
    this.#leased.add(task);
    this.#nextExpiryAt = Math.min(this.#nextExpiryAt, until);
    return {
      route: this.#of(task.route).route,
      key: task.key,
      lane: laneName(task.lane),
      eventTime: task.eventTime,
      changes: task.changes,
      deletedAt: task.deletedAt ?? undefined,
      hint: task.hint,
      wanted: task.wanted,
      attempts: task.attempts,
      firstFailedAt: task.firstFailedAt,
      lease: token,
    };
  }

  /** Undefined where the lease has passed to somebody else, has ended, or is being used up by an earlier call. */
  #held(leased: LeasedTask): WaitingTask | undefined {
    const id = this.#routes.find(leased.route);
    const task = id === undefined ? undefined : this.#byId.get(id)?.tasks.get(leased.key);
    return task?.lease?.token === leased.lease && !task.lease.recording ? task : undefined;
  }

  #giveBack(task: WaitingTask): void {
    this.#leased.delete(task);
    const route = this.#of(task.route);
    const latest = task.latest;
    task.lease = undefined;
    task.latest = undefined;
    if (latest !== undefined && !task.standsAt(latest)) {
      putInto(route, task.key, latest);
      return;
    }
    if (latest !== undefined) task.update(latest);
    route.lanes[task.lane].giveBack(task);
  }

  #of(id: number): RouteTasks {
    const known = this.#byId.get(id);
    if (known !== undefined) return known;
    const route = this.#routes.get(id);
    if (route === undefined) throw new RangeError(`no route has the number ${id}`);
    return this.#open(id, route, false);
  }

  #open(id: number, route: Route, stored: boolean): RouteTasks {
    const tasks = new Map<string, WaitingTask>();
    const queue = (lane: LaneNumber): LaneQueue =>
      new LaneQueue({ route: id, lane }, { pages: this.#pages, tasks }, { window: this.#window, stored });
    const opened: RouteTasks = { id, route, tasks, lanes: [queue(LIVE), queue(BACKFILL)] };
    this.#byId.set(id, opened);
    this.#bySource.set(route.source, [...(this.#bySource.get(route.source) ?? []), opened]);
    return opened;
  }
}

/** Hands a row to the lane it stands in, wherever it stood before. */
function putInto({ lanes }: RouteTasks, key: string, cells: TaskCells): void {
  const [, lane, , , notBefore] = cells;
  if (notBefore === 0) lanes[lane].place(key, cells);
  else lanes[lane].postpone(key, notBefore);
}

function oldest(routes: readonly RouteTasks[], lane: LaneNumber, now: number): WaitingTask | undefined {
  let first: WaitingTask | undefined;
  for (const route of routes) {
    const head = route.lanes[lane].head(now);
    if (head !== undefined && (first === undefined || head.seq < first.seq)) first = head;
  }
  return first;
}

/** The ready task of a route under this key, if it has one. */
function dueOf(route: RouteTasks, key: string, now: number): readonly WaitingTask[] {
  const task = route.tasks.get(key) ?? route.lanes[LIVE].fetch(key, now) ?? route.lanes[BACKFILL].fetch(key, now);
  return task === undefined || task.lease !== undefined ? [] : [task];
}

function smallest(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}
