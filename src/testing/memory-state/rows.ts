import type { Conflict } from "../../domain/conflict.ts";
import type { GateState } from "../../domain/delete-gate.ts";
import type { Fingerprint } from "../../domain/fingerprint.ts";
import type { Holding, Intent } from "../../domain/holding.ts";
import { compareKeys, type Hint } from "../../domain/object.ts";
import type { Engine } from "../../domain/rule.ts";
import { blankEntry, type LedgerEntry, type Operation } from "../../domain/status.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Changes, Epoch, IntakeCounts, Lane, Route, SyncProgress } from "../../ports/state.ts";
import type { BoundUpload } from "../../ports/uploads.ts";

export interface TaskRow {
  readonly route: Route;
  readonly key: string;
  readonly lane: Lane;
  /** Orders the lane. */
  readonly seq: number;
  readonly wanted: number;
  readonly wantedSince: number;
  readonly attempts: number;
  /** 0: at once. */
  readonly notBefore: number;
  readonly eventTime: number | null;
  readonly firstFailedAt: number | null;
  readonly changes: Changes;
  readonly deletedAt: number | undefined;
  readonly hint: Hint | undefined;
}

/** What is known of a key at an interior bucket. */
export interface KnownRow {
  readonly bucket: string;
  readonly holding: Holding | undefined;
  readonly revision: number;
  readonly deletedAt: number | null;
}

/** The rows of one key of one route: of the current object first, then of its versions. */
export interface KeyEntries {
  readonly route: Route;
  readonly key: string;
  readonly entries: readonly LedgerEntry[];
}

export interface RouteGate {
  readonly route: Route;
  readonly gate: GateState;
}

/** Everything that is kept. What stands in the maps is never changed, only replaced, so that copying the maps copies all. */
export interface MemoryRows {
  lastGeneration: number;
  /** In the order in which they were first heard of. */
  readonly routes: Map<string, Route>;
  readonly tasks: Map<string, TaskRow>;
  readonly entries: Map<string, KeyEntries>;
  readonly holdings: Map<string, KnownRow>;
  readonly intents: Map<string, Intent>;
  readonly gates: Map<string, RouteGate>;
  readonly conflicts: Map<string, Conflict>;
  readonly pausedRules: Map<string, true>;
  readonly intake: Map<string, IntakeCounts>;
  readonly outages: Map<string, true>;
  readonly syncProgress: Map<string, SyncProgress>;
  readonly ruleSince: Map<string, number>;
  readonly fingerprints: Map<string, Fingerprint>;
  readonly uploads: Map<string, BoundUpload>;
  readonly engines: Map<string, Engine>;
  /** The one there is, under the one name. */
  readonly epoch: Map<"epoch", Epoch>;
}

export interface Lease {
  readonly token: string;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

/** What the faces of one state share. */
export interface Memory {
  readonly clock: Clock;
  readonly nextLease: () => string;
  rows: MemoryRows;
  /** By the place of the task; ended ones too. */
  readonly leases: Map<string, Lease>;
}

export function emptyRows(): MemoryRows {
  return {
    lastGeneration: 0,
    routes: new Map(),
    tasks: new Map(),
    entries: new Map(),
    holdings: new Map(),
    intents: new Map(),
    gates: new Map(),
    conflicts: new Map(),
    pausedRules: new Map(),
    intake: new Map(),
    outages: new Map(),
    syncProgress: new Map(),
    ruleSince: new Map(),
    fingerprints: new Map(),
    uploads: new Map(),
    engines: new Map(),
    epoch: new Map(),
  };
}

export function copyOfRows(rows: MemoryRows): MemoryRows {
  return {
    lastGeneration: rows.lastGeneration,
    routes: new Map(rows.routes),
    tasks: new Map(rows.tasks),
    entries: new Map(rows.entries),
    holdings: new Map(rows.holdings),
    intents: new Map(rows.intents),
    gates: new Map(rows.gates),
    conflicts: new Map(rows.conflicts),
    pausedRules: new Map(rows.pausedRules),
    intake: new Map(rows.intake),
    outages: new Map(rows.outages),
    syncProgress: new Map(rows.syncProgress),
    ruleSince: new Map(rows.ruleSince),
    fingerprints: new Map(rows.fingerprints),
    uploads: new Map(rows.uploads),
    engines: new Map(rows.engines),
    epoch: new Map(rows.epoch),
  };
}

/** Names of rules and ids of buckets hold no line break, so that no two places have one text. */
export function routeText({ rule, source, destination }: Route): string {
  return `${rule}\n${source}\n${destination}`;
}

/** The place of a task, and of the rows of its key. */
export function taskPlace(route: Route, key: string): string {
  return `${routeText(route)}\n${key}`;
}

export function holdingPlace(bucket: string, key: string): string {
  return `${bucket}\n${key}`;
}

/** Remembers the route where it is new. */
export function meetRoute(rows: MemoryRows, route: Route): void {
  const text = routeText(route);
  if (!rows.routes.has(text)) rows.routes.set(text, route);
}

/** Writes a row; one that tells of no replica keeps what was known of it, but for a tombstone. */
export function writeEntry(rows: MemoryRows, route: Route, entry: LedgerEntry): void {
  meetRoute(rows, route);
  const place = taskPlace(route, entry.key);
  const known = rows.entries.get(place)?.entries ?? [];
  const before = known.find(({ versionId }) => versionId === entry.versionId);
  const isTombstone = entry.status === "COMPLETED" && entry.operation === "delete";
  const written = { ...entry, replica: isTombstone ? null : (entry.replica ?? before?.replica ?? null) };
  const others = known.filter((other) => other !== before);
  rows.entries.set(place, { route, key: entry.key, entries: [...others, written].sort(byVersion) });
}

/** The row of a key's current object as it shows: PENDING where a task waits or is in work. */
export function shownEntry(rows: MemoryRows, route: Route, key: string): LedgerEntry | undefined {
  const place = taskPlace(route, key);
  const recorded = rows.entries.get(place)?.entries.find(({ versionId }) => versionId === "");
  const task = rows.tasks.get(place);
  if (task === undefined) return recorded;
  return {
    ...(recorded ?? blankEntry({ rule: route.rule, destination: route.destination, key })),
    status: "PENDING",
    operation: announcedOperation(task.changes),
    attempts: task.attempts,
    eventTime: task.eventTime,
    nextAttemptAt: task.notBefore === 0 ? null : task.notBefore,
    firstFailedAt: task.firstFailedAt,
    replicationLatencyMs: null,
  };
}

/** All rows of a key as they show. */
export function shownEntries(rows: MemoryRows, route: Route, key: string): readonly LedgerEntry[] {
  const current = shownEntry(rows, route, key);
  const versions = (rows.entries.get(taskPlace(route, key))?.entries ?? []).filter(({ versionId }) => versionId !== "");
  return current === undefined ? versions : [current, ...versions];
}

function announcedOperation({ written, deleted, attributes }: Changes): Operation {
  if (written) return "copy";
  if (deleted) return "delete";
  return attributes ? "attributes" : "copy";
}

function byVersion(a: LedgerEntry, b: LedgerEntry): number {
  return compareKeys(a.versionId, b.versionId);
}
