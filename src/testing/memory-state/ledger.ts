import { ReplicationError } from "../../domain/error.ts";
import { compareKeys } from "../../domain/object.ts";
import type { LedgerEntry } from "../../domain/status.ts";
import type { Adoption, EntryFilter, Ledger, Route, RouteSummary } from "../../ports/state.ts";
import { type Memory, routeText, shownEntries, shownEntry, taskPlace, writeEntry } from "./rows.ts";

const LATENCY_WINDOW_MS = 3_600_000;

type Position = readonly [route: number, key: string, versionId: string];

export class MemoryLedger implements Ledger {
  readonly #memory: Memory;

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  async get(route: Route, key: string): Promise<LedgerEntry | undefined> {
    return shownEntry(this.#memory.rows, route, key);
  }

  async entriesOf(sourceBucketId: string, key: string): Promise<readonly LedgerEntry[]> {
    const routes = [...this.#memory.rows.routes.values()].filter(({ source }) => source === sourceBucketId);
    return routes.flatMap((route) => shownEntries(this.#memory.rows, route, key));
  }

  async scan(route: Route, after: string | undefined, limit: number): Promise<readonly LedgerEntry[]> {
    const keys = this.#keysOf(route).filter((key) => compareKeys(key, after ?? "") > 0);
    return keys.flatMap((key) => shownEntry(this.#memory.rows, route, key) ?? []).slice(0, limit);
  }

  async list({ limit, nextToken, ...filter }: EntryFilter): Promise<{ entries: readonly LedgerEntry[]; nextToken: string | null }> {
    const after = parseToken(nextToken);
    const rows = [...this.#memory.rows.routes.values()].flatMap((route, index) => {
      return this.#keysOf(route).flatMap((key) => {
        return shownEntries(this.#memory.rows, route, key).map((entry) => ({ entry, at: [index, key, entry.versionId] as const }));
      });
    });
    const matching = rows.filter(({ entry, at }) => matches(entry, filter) && comparePositions(at, after) > 0);
    const entries = matching.slice(0, limit).map(({ entry }) => entry);
    const last = matching.length > limit ? matching[limit - 1] : undefined;
    return { entries, nextToken: last === undefined ? null : JSON.stringify(last.at) };
  }

  async adopt(entries: readonly Adoption[]): Promise<void> {
    const { rows } = this.#memory;
    for (const { route, entry, over } of entries) {
      const place = taskPlace(route, entry.key);
      const before = rows.entries.get(place)?.entries.find(({ versionId }) => versionId === entry.versionId);
      const isOf =
        over === undefined || (over.startedAt === (before?.startedAt ?? null) && over.finishedAt === (before?.finishedAt ?? null));
      if (isOf && !rows.tasks.has(place)) writeEntry(rows, route, entry);
    }
  }

  async summaries(now: number): Promise<readonly RouteSummary[]> {
    const byRoute = Map.groupBy(this.#memory.rows.entries.values(), ({ route }) => routeText(route));
    return [...this.#memory.rows.routes].map(([text, route]) => {
      return summaryOf(
        route,
        (byRoute.get(text) ?? []).flatMap(({ entries }) => entries),
        now,
      );
    });
  }

  /** In the order of their bytes. */
  #keysOf(route: Route): readonly string[] {
    const { tasks, entries } = this.#memory.rows;
    const text = routeText(route);
    const keys = new Set<string>();
    for (const row of [...tasks.values(), ...entries.values()]) if (routeText(row.route) === text) keys.add(row.key);
    return [...keys].sort(compareKeys);
  }
}

function summaryOf(route: Route, entries: readonly LedgerEntry[], now: number): RouteSummary {
  const completed = entries.filter(({ status }) => status === "COMPLETED");
  const recent = entries.filter(({ finishedAt }) => finishedAt !== null && finishedAt >= now - LATENCY_WINDOW_MS);
  return {
    route,
    completed: { operations: completed.length, bytes: completed.reduce((sum, { replica }) => sum + (replica?.bytes ?? 0), 0) },
    failed: entries.filter(({ status }) => status === "FAILED").length,
    held: entries.filter(({ status }) => status === "HELD").length,
    latencyMs: percentiles(recent.flatMap(({ replicationLatencyMs }) => replicationLatencyMs ?? []).sort((a, b) => a - b)),
  };
}

/** By nearest rank. */
function percentiles(sorted: readonly number[]): RouteSummary["latencyMs"] {
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return sorted.length === 0 ? null : { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}

function matches(entry: LedgerEntry, { rule, destination, status, since }: Omit<EntryFilter, "limit">): boolean {
  if ((rule ?? entry.rule) !== entry.rule || (destination ?? entry.destination) !== entry.destination) return false;
  if ((status ?? entry.status) !== entry.status) return false;
  return since === undefined || (entry.finishedAt !== null && entry.finishedAt >= since);
}

function comparePositions(a: Position, b: Position): number {
  return a[0] - b[0] || compareKeys(a[1], b[1]) || compareKeys(a[2], b[2]);
}

/** @throws `InvalidRequest` for what no page ended with */
function parseToken(token: string | undefined): Position {
  if (token === undefined) return [0, "", ""];
  try {
    const [route, key, versionId]: unknown[] = JSON.parse(token);
    if (typeof route === "number" && typeof key === "string" && typeof versionId === "string") return [route, key, versionId];
  } catch {
    // Falls through to the one answer for every kind of nonsense.
  }
  throw new ReplicationError("InvalidRequest", "the token of the next page is not one that a list gave");
}
