import type { DatabaseSync } from "node:sqlite";
import { compareKeys } from "../../../domain/object.ts";
import type { LedgerEntry, Status } from "../../../domain/status.ts";
import type { PendingSummary, Route, RouteSummary } from "../../../ports/state.ts";
import {
  ATTEMPT_COLUMNS,
  type EntryCells,
  Query,
  REPLICA_COLUMNS,
  type RowPlace,
  TASK_COLUMNS,
  type TaskCells,
  toEntry,
  toPendingEntry,
} from "./cells.ts";
import type { Routes } from "./routes.ts";
import type { RouteCells } from "./wire.ts";

/** Latencies looked at per route, the newest; more would hold up the event loop and change the percentiles little. */
const MAX_LATENCIES = 20_000;
const LATENCY_WINDOW_MS = 3_600_000;

/** Some keys of a route, in their order. */
export interface KeyRange {
  /** Exclusive. S3 knows no empty key, so '' stands before them all. */
  readonly after: string;
  readonly limit: number;
}

/** Where a row stands among those of its route: the one of the current object before those of its versions. */
export interface RowPosition {
  readonly key: string;
  readonly versionId: string;
}

/** Some rows of a route, in their order. */
export interface RowRange {
  /** Exclusive. */
  readonly after: RowPosition;
  readonly limit: number;
}

type PlacedCells = readonly [key: string, versionId: string, ...EntryCells];

/** A route with its number. */
export interface NumberedRoute {
  readonly id: number;
  readonly route: Route;
}

/** Everything the main thread reads but the queue of tasks. Sees what has been committed. */
export class Reader {
  readonly #routes: Routes;
  readonly #routeRows: Query<RouteCells>;
  readonly #entry: Query<EntryCells>;
  readonly #entryPage: Query<readonly [key: string, ...EntryCells]>;
  readonly #versions: Query<readonly [versionId: string, ...EntryCells]>;
  readonly #rowPage: Query<PlacedCells>;
  readonly #statusPage: Query<PlacedCells>;
  readonly #task: Query<TaskCells>;
  readonly #taskPage: Query<readonly [key: string, ...TaskCells]>;
  readonly #tally: Query<readonly [operations: number, bytes: number]>;
  readonly #oldest: Query<readonly [since: number | null]>;
  readonly #latencies: Query<readonly [latencyMs: number]>;

  constructor(db: DatabaseSync, routes: Routes) {
    this.#routes = routes;
    const entry = `${ATTEMPT_COLUMNS}, ${REPLICA_COLUMNS}`;
    this.#routeRows = new Query(db, "SELECT id, rule, source, destination FROM route ORDER BY id");
    this.#entry = new Query(db, `SELECT ${entry} FROM ledger WHERE route_id = ? AND key = ? AND version_id = ''`);
    this.#entryPage = new Query(
      db,
      `SELECT key, ${entry} FROM ledger WHERE route_id = ? AND key > ? AND version_id = '' ORDER BY key LIMIT ?`,
    );
    this.#versions = new Query(
      db,
      `SELECT version_id, ${entry} FROM ledger WHERE route_id = ? AND key = ? AND version_id > '' ORDER BY version_id`,
    );
    const after = "(key, version_id) > (?, ?) ORDER BY key, version_id LIMIT ?";
    this.#rowPage = new Query(db, `SELECT key, version_id, ${entry} FROM ledger WHERE route_id = ? AND ${after}`);
    this.#statusPage = new Query(
      db,
      `SELECT key, version_id, ${entry} FROM ledger INDEXED BY ledger_unfinished
       WHERE route_id = ? AND status = ? AND status <> 'COMPLETED' AND ${after}`,
    );
    this.#task = new Query(db, `SELECT ${TASK_COLUMNS} FROM task WHERE route_id = ? AND key = ?`);
    this.#taskPage = new Query(db, `SELECT key, ${TASK_COLUMNS} FROM task WHERE route_id = ? AND key > ? ORDER BY key LIMIT ?`);
    this.#tally = new Query(db, "SELECT operations, bytes FROM tally WHERE route_id = ? AND name = ?");
    this.#oldest = new Query(db, "SELECT min(wanted_since) FROM task WHERE route_id = ?");
    this.#latencies = new Query(
      db,
      `SELECT latency_ms FROM (SELECT latency_ms FROM ledger INDEXED BY ledger_latency
       WHERE route_id = ? AND finished_at >= ? AND latency_ms IS NOT NULL ORDER BY finished_at DESC LIMIT ${MAX_LATENCIES})
       ORDER BY latency_ms`,
    );
  }

  routes(): readonly NumberedRoute[] {
    return this.#routeRows.all().map(([id, rule, source, destination]) => ({ id, route: { rule, source, destination } }));
  }

  /** Undefined where nothing was ever wanted or adopted for the route. */
  numbered(route: Route): NumberedRoute | undefined {
    if (this.#routes.find(route) === undefined) this.#routes.load(this.#routeRows.all());
    const id = this.#routes.find(route);
    return id === undefined ? undefined : { id, route };
  }

  entry({ id, route }: NumberedRoute, key: string): LedgerEntry | undefined {
    const stored = key.toWellFormed();
    const place = { rule: route.rule, destination: route.destination, key: stored };
    const cells = this.#entry.get(id, stored);
    const recorded = cells === undefined ? undefined : toEntry(place, cells);
    const task = this.#task.get(id, stored);
    return task === undefined ? recorded : toPendingEntry(place, task, recorded);
  }

  /** The rows of one key: of the current object, and of the versions that were recorded beside it. */
  entriesOf(numbered: NumberedRoute, key: string): readonly LedgerEntry[] {
    const { id, route } = numbered;
    const stored = key.toWellFormed();
    const versions = this.#versions.all(id, stored).map(([versionId, ...cells]) => {
      return toEntry({ rule: route.rule, destination: route.destination, key: stored, versionId }, cells);
    });
    const current = this.entry(numbered, stored);
    return current === undefined ? versions : [current, ...versions];
  }

  /** Ledger rows of current objects and waiting tasks merged by key. */
  entries(of: NumberedRoute, { after, limit }: KeyRange): readonly LedgerEntry[] {
    const recorded = this.#entryPage.all(of.id, after, limit);
    const waiting = this.#taskPage.all(of.id, after, limit);
    const keys = new Set([...recorded.map(([key]) => key), ...waiting.map(([key]) => key)]);
    const first = [...keys].sort(compareKeys).slice(0, limit);
    const entryOf = new Map(recorded.map(([key, ...cells]) => [key, cells]));
    const taskOf = new Map(waiting.map(([key, ...cells]) => [key, cells]));
    return first.map((key) => merged({ rule: of.route.rule, destination: of.route.destination, key }, entryOf.get(key), taskOf.get(key)));
  }

  /** All ledger rows and waiting tasks, merged. */
  rows({ id, route }: NumberedRoute, { after, limit }: RowRange): readonly LedgerEntry[] {
    const recorded = this.#rowPage.all(id, after.key, after.versionId, limit);
    const taskOf = new Map(this.#taskPage.all(id, after.key, limit).map(([key, ...cells]) => [key, cells]));
    const rows: Row[] = recorded.map(([key, versionId, ...cells]) => {
      return { key, versionId, cells, task: versionId === "" ? taskOf.get(key) : undefined };
    });
    const current = new Set(rows.flatMap(({ key, versionId }) => (versionId === "" ? [key] : [])));
    for (const [key, task] of taskOf) if (!current.has(key)) rows.push({ key, versionId: "", cells: undefined, task });
    const first = rows.sort(compareRows).slice(0, limit);
    return first.map(({ key, versionId, cells, task }) => {
      return merged({ rule: route.rule, destination: route.destination, key, versionId }, cells, task);
    });
  }

  /** What waits, whether or not it was ever attempted, and what others are at work on: S3 itself, where it replicates. */
  waitingEntries(of: NumberedRoute, range: RowRange): readonly LedgerEntry[] {
    const { id, route } = of;
    const { after, limit } = range;
    const waiting = this.#taskPage.all(id, after.key, limit).map(([key, ...task]) => {
      return merged({ rule: route.rule, destination: route.destination, key }, this.#entry.get(id, key), task);
    });
    const keys = new Set(waiting.map(({ key }) => key));
    const recorded = this.unfinishedEntries(of, "PENDING", range).filter(({ key }) => !keys.has(key));
    return [...waiting, ...recorded].sort(compareRows).slice(0, limit);
  }

  /** Rows that ended in a status other than COMPLETED. */
  unfinishedEntries(of: NumberedRoute, status: Status, { after, limit }: RowRange): readonly LedgerEntry[] {
    const { id, route } = of;
    return this.#statusPage.all(id, status, after.key, after.versionId, limit).map(([key, versionId, ...cells]) => {
      const task = versionId === "" ? this.#task.get(id, key) : undefined;
      return merged({ rule: route.rule, destination: route.destination, key, versionId }, cells, task);
    });
  }

  pending(): readonly PendingSummary[] {
    return this.routes().flatMap(({ id, route }) => {
      const [operations, bytes] = this.#tally.get(id, "TASK") ?? [0, 0];
      return operations === 0 ? [] : [{ route, operations, bytes, oldestAt: this.#oldest.get(id)?.[0] ?? null }];
    });
  }

  summary({ id, route }: NumberedRoute, now: number): RouteSummary {
    const [operations, bytes] = this.#tally.get(id, "COMPLETED") ?? [0, 0];
    const latencies = this.#latencies.all(id, now - LATENCY_WINDOW_MS).map(([latencyMs]) => latencyMs);
    return {
      route,
      completed: { operations, bytes },
      failed: this.#tally.get(id, "FAILED")?.[0] ?? 0,
      held: this.#tally.get(id, "HELD")?.[0] ?? 0,
      latencyMs: percentiles(latencies),
    };
  }
}

/** What a page gives of one row. */
interface Row extends RowPosition {
  readonly cells: EntryCells | undefined;
  readonly task: TaskCells | undefined;
}

function compareRows(a: RowPosition, b: RowPosition): number {
  return compareKeys(a.key, b.key) || compareKeys(a.versionId, b.versionId);
}

/** One of the two is given: the key came from one of them. */
function merged(place: RowPlace, cells: EntryCells | undefined, task: TaskCells | undefined): LedgerEntry {
  const recorded = cells === undefined ? undefined : toEntry(place, cells);
  if (task !== undefined) return toPendingEntry(place, task, recorded);
  if (recorded === undefined) throw new RangeError("neither a row nor a task");
  return recorded;
}

/** By nearest rank, so that every figure is a latency that was measured. */
function percentiles(sorted: readonly number[]): RouteSummary["latencyMs"] {
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return sorted.length === 0 ? null : { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}
