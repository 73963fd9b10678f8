import type { Conflict, ConflictSide } from "../domain/conflict.ts";
import type { RecordedError } from "../domain/error.ts";
import type { Destination, Engine, Rule } from "../domain/rule.ts";
import type { LedgerEntry } from "../domain/status.ts";
import type { BatchJob } from "../ports/batch-replication.ts";
import type { Distrust, IntakeCounts, PendingSummary, Route, RouteSummary } from "../ports/state.ts";
import {
  type BatchJobStatus,
  type ConflictItem,
  type ConflictSideItem,
  type DestinationStatus,
  type ErrorDocument,
  type FailureItem,
  type HeldDeleteItem,
  type IntakeStatus,
  type ListDocument,
  type ObjectDocument,
  type ObjectEntry,
  type ObjectListItem,
  type RuleStatus,
  SCHEMA_VERSION,
  type StatusDocument,
} from "./contract.ts";
import type { NativePairFacts } from "./native.ts";
import { type Row, rowId } from "./rows.ts";

/** The engine that serves a rule, by its id. */
export type EngineLookup = (rule: string) => Engine;

/** What the state knows, as one moment's reading. */
export interface StatusFacts {
  readonly summaries: readonly RouteSummary[];
  readonly pending: readonly PendingSummary[];
  readonly intake: readonly IntakeCounts[];
  /** When the last complete sync of each rule ended, by rule id; milliseconds since the epoch. */
  readonly lastSyncAt: ReadonlyMap<string, number | null>;
  /** Ids of rules. */
  readonly paused: ReadonlySet<string>;
  readonly engineOf: EngineLookup;
  /** What S3 tells of the rules that it serves, by rule id. */
  readonly native?: ReadonlyMap<string, NativeRuleStatus> | undefined;
  /** Null: the state can be believed. */
  readonly distrust: Distrust | null;
}

/**
 * The document of `status`: every rule given with every destination of it, whether anything is known of them or not. The directions of a
 * mesh are one rule, and each of its members is a destination of all the others.
 */
export function toStatusDocument(name: string, rules: readonly Rule[], facts: StatusFacts): StatusDocument {
  const summaries = byRoute(facts.summaries);
  const pending = byRoute(facts.pending);
  const toRule = (legs: readonly [Rule, ...Rule[]]): RuleStatus => {
    const { id } = legs[0];
    const engine = facts.engineOf(id);
    const lastSyncAt = toTime(facts.lastSyncAt.get(id));
    const rule = { id, engine, state: stateOf(legs[0], facts.paused), direction: "forward", lastSyncAt } as const;
    const known = (destination: Destination) => summaries.get(routeKey(id, destination.canonicalId)) ?? [];
    if (engine === "native") {
      const native = facts.native?.get(id) ?? NOTHING_ASKED;
      const isWatched = lastSyncAt !== null;
      const destinations = destinationsOf(legs).map((one) =>
        toNativeDestination(one, { pairs: native.pairs, summaries: known(one), isWatched }),
      );
      return { ...rule, destinations, batchJob: toJob(native.job) };
    }
    const waiting = (destination: Destination) => pending.get(routeKey(id, destination.canonicalId)) ?? [];
    return { ...rule, destinations: destinationsOf(legs).map((one) => toDestination(one, known(one), waiting(one))) };
  };
  return {
    schemaVersion: SCHEMA_VERSION,
    name,
    rules: byId(rules).map(toRule),
    intake: facts.intake.map(toIntake),
    ledger: toLedger(facts.distrust),
  };
}

/** What S3 tells of one rule that it serves. */
export interface NativeRuleStatus {
  readonly pairs: readonly (NativePairFacts & { readonly source: string; readonly destination: Destination })[];
  readonly job: BatchJob | undefined;
}

const NOTHING_ASKED: NativeRuleStatus = { pairs: [], job: undefined };

function toLedger(distrust: Distrust | null): StatusDocument["ledger"] {
  return distrust === null ? "TRUSTED" : (distrust.toUpperCase() as Uppercase<Distrust>);
}

/** What a rule does at the moment. */
export function stateOf(rule: Rule, paused: ReadonlySet<string>): RuleStatus["state"] {
  if (!rule.enabled) return "DISABLED";
  return paused.has(rule.id) ? "PAUSED" : "ACTIVE";
}

/** The document of one object: an entry per row, in the order of the rules and their destinations. */
export function toObjectDocument(
  names: Names,
  object: { readonly bucket: { readonly id: string; readonly name: string }; readonly key: string },
  entries: readonly LedgerEntry[],
): ObjectDocument {
  const ordered = entries.toSorted((a, b) => names.order(a) - names.order(b));
  const { bucket, key } = object;
  return {
    schemaVersion: SCHEMA_VERSION,
    bucket: bucket.name,
    key,
    entries: ordered.map((entry) => toEntry({ entry, route: routeFrom(bucket.id, entry) }, names)),
  };
}

/** The document of `objects list`, in the order of the rows given. */
export function toObjectList(names: Names, rows: readonly Row[], nextToken: string | null): ListDocument<ObjectListItem> {
  return { schemaVersion: SCHEMA_VERSION, items: rows.map((row) => toObjectListItem(row, names)), nextToken };
}

export function toObjectListItem(row: Row, names: Names): ObjectListItem {
  return { bucket: names.source(row), key: row.entry.key, ...toEntry(row, names) };
}

/** The document of `failures list`, in the order of the rows given. */
export function toFailureList(rules: readonly Rule[], rows: readonly Row[], nextToken: string | null): ListDocument<FailureItem> {
  const names = new Names(rules);
  return { schemaVersion: SCHEMA_VERSION, items: rows.map((row) => toFailure(row, names)), nextToken };
}

/** The document of `deletes list`, in the order of the rows given. */
export function toHeldDeleteList(rules: readonly Rule[], rows: readonly Row[], nextToken: string | null): ListDocument<HeldDeleteItem> {
  const names = new Names(rules);
  return { schemaVersion: SCHEMA_VERSION, items: rows.map((row) => toHeldDelete(row, names)), nextToken };
}

/** The document of `conflicts list`, in the order of the conflicts given. */
export function toConflictList(
  rules: readonly Rule[],
  conflicts: readonly Conflict[],
  nextToken: string | null,
): ListDocument<ConflictItem> {
  const names = new Names(rules);
  return { schemaVersion: SCHEMA_VERSION, items: conflicts.map((conflict) => toConflict(conflict, names)), nextToken };
}

/** Milliseconds since the epoch as ISO 8601 in UTC. */
export function toTime(ms: number | null | undefined): string | null {
  return ms === null || ms === undefined ? null : new Date(ms).toISOString();
}

/** A member of a mesh is a destination of every other one, under one id. */
function destinationsOf(legs: readonly [Rule, ...Rule[]]): readonly Destination[] {
  const found = new Map<string, Destination>();
  for (const { destinations } of legs) for (const destination of destinations) found.set(destination.canonicalId, destination);
  const { mesh } = legs[0];
  if (mesh === undefined) return [...found.values()];
  return [...found.values()].sort((a, b) => mesh.indexOf(a.bucket.id) - mesh.indexOf(b.bucket.id));
}

function toDestination(
  destination: Destination,
  summaries: readonly RouteSummary[],
  pending: readonly PendingSummary[],
): DestinationStatus {
  // A route that the state has no row of is known to have none: that is 0, not null.
  return {
    id: destination.id,
    bucket: destination.bucket.name,
    operationsPending: sum(pending, ({ operations }) => operations),
    bytesPending: sum(pending, ({ bytes }) => bytes),
    operationsCompleted: sum(summaries, ({ completed }) => completed.operations),
    bytesCompleted: sum(summaries, ({ completed }) => completed.bytes),
    operationsFailed: sum(summaries, ({ failed }) => failed),
    operationsHeld: sum(summaries, ({ held }) => held),
    oldestPendingAt: toTime(oldest(pending)),
    replicationLatencyMs: slowest(summaries),
  };
}

/** Of what S3 does: what it measures, and what a watch has counted. What neither knows is null, never 0. */
function toNativeDestination(
  destination: Destination,
  known: { readonly pairs: NativeRuleStatus["pairs"]; readonly summaries: readonly RouteSummary[]; readonly isWatched: boolean },
): DestinationStatus {
  const pairs = known.pairs.filter((pair) => pair.destination.canonicalId === destination.canonicalId);
  const counted = (of: (summary: RouteSummary) => number) => (known.isWatched ? sum(known.summaries, of) : null);
  const latencies = pairs.map(({ metrics }) => metrics?.latencyMs ?? null);
  const latency = latencies.some((one) => one !== null) ? Math.max(...latencies.map((one) => one ?? 0)) : null;
  return {
    id: destination.id,
    bucket: destination.bucket.name,
    operationsPending: sumKnown(pairs.map(({ metrics }) => metrics?.operationsPending ?? null)),
    bytesPending: sumKnown(pairs.map(({ metrics }) => metrics?.bytesPending ?? null)),
    operationsCompleted: counted(({ completed }) => completed.operations),
    bytesCompleted: counted(({ completed }) => completed.bytes),
    operationsFailed: counted(({ failed }) => failed),
    operationsHeld: null,
    oldestPendingAt: null,
    replicationLatencyMs: latency === null ? null : { p50: null, p95: null, p99: null, max: latency },
    s3Rules: pairs.map(({ source, rule }) => ({ source, id: rule.id, status: rule.status })),
  };
}

/** Null where a part is not known, and where there is none. */
function sumKnown(parts: readonly (number | null)[]): number | null {
  return parts.length === 0 ? null : parts.reduce((total, part) => (total === null || part === null ? null : total + part));
}

function toJob(job: BatchJob | undefined): BatchJobStatus | null {
  if (job === undefined) return null;
  const { id, status, total, succeeded, failed } = job;
  return { id, status, total, succeeded, failed };
}

function oldest(pending: readonly PendingSummary[]): number | null {
  const times = pending.flatMap(({ oldestAt }) => oldestAt ?? []);
  return times.length === 0 ? null : Math.min(...times);
}

/** Percentiles of several sources cannot be put together; the worst of each promises nothing that is not so. */
function slowest(summaries: readonly RouteSummary[]): RouteSummary["latencyMs"] {
  const known = summaries.flatMap(({ latencyMs }) => latencyMs ?? []);
  if (known.length === 0) return null;
  const worst = (of: (latency: (typeof known)[number]) => number) => Math.max(...known.map(of));
  return { p50: worst(({ p50 }) => p50), p95: worst(({ p95 }) => p95), p99: worst(({ p99 }) => p99), max: worst(({ max }) => max) };
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

function toIntake(counts: IntakeCounts): IntakeStatus {
  const { store, received, ignored, malformed, lastMalformed } = counts;
  const last = lastMalformed === null ? null : { reason: lastMalformed.reason, at: new Date(lastMalformed.at).toISOString() };
  return { store, received, ignored, malformed, lastMalformed: last };
}

/** One row as `status BUCKET/KEY` shows it. */
export function toEntry(row: Row, names: Names): ObjectEntry {
  const { entry } = row;
  const { replica } = entry;
  return {
    rule: entry.rule,
    destination: names.destination(entry),
    engine: names.engine(entry.rule),
    operation: entry.operation,
    status: entry.status,
    reason: entry.reason,
    notes: entry.notes,
    versionId: versionOf(entry),
    etag: replica?.etag ?? null,
    bytes: replica?.bytes ?? null,
    proof: replica?.proof ?? null,
    destinationEtag: replica?.destinationEtag ?? null,
    destinationVersionId: replica?.destinationVersionId ?? null,
    origin: names.origin(row),
    attempts: entry.attempts,
    eventTime: toTime(entry.eventTime),
    startedAt: toTime(entry.startedAt),
    finishedAt: toTime(entry.finishedAt),
    nextAttemptAt: toTime(entry.nextAttemptAt),
    replicationLatencyMs: entry.replicationLatencyMs,
    error: toError(entry.error),
  };
}

function toFailure(row: Row, names: Names): FailureItem {
  const { entry } = row;
  return {
    id: rowId(row),
    rule: entry.rule,
    destination: names.destination(entry),
    bucket: names.source(row),
    key: entry.key,
    versionId: versionOf(entry),
    attempts: entry.attempts,
    firstFailedAt: toTime(entry.firstFailedAt),
    lastFailedAt: toTime(entry.finishedAt),
    error: toError(entry.error),
  };
}

function toHeldDelete(row: Row, names: Names): HeldDeleteItem {
  const { entry } = row;
  return {
    id: rowId(row),
    rule: entry.rule,
    destination: names.destination(entry),
    bucket: names.source(row),
    key: entry.key,
    versionId: versionOf(entry),
    eventTime: toTime(entry.eventTime),
    heldAt: toTime(entry.finishedAt),
    bytes: entry.replica?.bytes ?? null,
    destinationEtag: entry.replica?.destinationEtag ?? null,
  };
}

export function toConflict(conflict: Conflict, names: Names): ConflictItem {
  const { id, rule, key, sides, winner, resolvedBy, detectedAt, resolvedAt } = conflict;
  return {
    id,
    rule,
    key,
    state: resolvedAt === null ? "OPEN" : "RESOLVED",
    sides: sides.map((side) => toConflictSide(side, names)),
    winner: winner === null ? null : names.bucket(winner),
    resolvedBy,
    detectedAt: new Date(detectedAt).toISOString(),
    resolvedAt: toTime(resolvedAt),
  };
}

function toConflictSide({ bucket, key, object, origin, originTime }: ConflictSide, names: Names): ConflictSideItem {
  const held = object && {
    etag: object.etag,
    versionId: object.versionId,
    bytes: object.sizeBytes,
    lastModified: toTime(object.lastModified),
  };
  return { bucket: names.bucket(bucket), key, object: held, origin: names.bucket(origin), originTime: new Date(originTime).toISOString() };
}

function versionOf({ versionId, replica }: LedgerEntry): string | null {
  return versionId === "" ? (replica?.versionId ?? null) : versionId;
}

function toError(error: RecordedError | null): ErrorDocument | null {
  if (error === null) return null;
  return { code: error.code, message: error.message, hint: error.hint, operation: error.operation };
}

/** Where nobody said otherwise. */
export const COPY_ALONE: EngineLookup = () => "copy";

/** How canonical ids are called in the rules; what is no longer there keeps its canonical id. */
export class Names {
  readonly #routes = new Map<string, { readonly id: string; readonly order: number }>();
  readonly #buckets = new Map<string, string>();
  readonly #meshes = new Set<string>();
  /** Rows of a rule that is gone were of the copy engine, which alone keeps rows of its own. */
  readonly engine: EngineLookup;

  constructor(rules: readonly Rule[], engineOf: EngineLookup = COPY_ALONE) {
    this.engine = engineOf;
    for (const rule of rules) {
      if (rule.mesh !== undefined) this.#meshes.add(rule.id);
      this.#buckets.set(rule.source.id, rule.source.name);
      for (const { id, canonicalId, bucket } of rule.destinations) {
        this.#buckets.set(bucket.id, bucket.name);
        const route = routeKey(rule.id, canonicalId);
        if (!this.#routes.has(route)) this.#routes.set(route, { id, order: this.#routes.size });
      }
    }
  }

  bucket(canonicalId: string): string {
    return this.#buckets.get(canonicalId) ?? canonicalId;
  }

  destination(entry: LedgerEntry): string {
    return this.#routes.get(routeKey(entry.rule, entry.destination))?.id ?? entry.destination;
  }

  /** The printed source bucket; null where nobody knows it any more. */
  source({ route }: Row): string | null {
    return route === undefined ? null : this.bucket(route.source);
  }

  /** Where a client wrote the content. Where nobody asked it is the source's, but at a member of a mesh it may be another's. */
  origin(row: Row): string | null {
    const { origin, rule } = row.entry;
    if (origin !== null) return this.bucket(origin);
    return this.#meshes.has(rule) ? null : this.source(row);
  }

  order(entry: LedgerEntry): number {
    return this.#routes.get(routeKey(entry.rule, entry.destination))?.order ?? this.#routes.size;
  }
}

function routeFrom(source: string, { rule, destination }: LedgerEntry): Route {
  return { rule, source, destination };
}

/** The rules of one id together, in the order of the first of each. */
function byId(rules: readonly Rule[]): readonly (readonly [Rule, ...Rule[]])[] {
  const groups = new Map<string, [Rule, ...Rule[]]>();
  for (const rule of rules) {
    const group = groups.get(rule.id);
    if (group === undefined) groups.set(rule.id, [rule]);
    else group.push(rule);
  }
  return [...groups.values()];
}

/** Of one destination of a rule: an item for each source. */
function byRoute<T extends { readonly route: Route }>(summaries: readonly T[]): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const summary of summaries) {
    const key = routeKey(summary.route.rule, summary.route.destination);
    groups.set(key, [...(groups.get(key) ?? []), summary]);
  }
  return groups;
}

/** Neither a rule id nor a canonical id contains a line break. */
function routeKey(rule: string, destination: string): string {
  return `${rule}\n${destination}`;
}
