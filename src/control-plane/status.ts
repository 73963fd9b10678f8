import type { RecordedError } from "../domain/error.ts";
import type { Destination, Rule } from "../domain/rule.ts";
import type { LedgerEntry } from "../domain/status.ts";
import type { IntakeCounts, PendingSummary, Route, RouteSummary } from "../ports/state.ts";
import {
  type DestinationStatus,
  type ErrorDocument,
  type FailureItem,
  type IntakeStatus,
  type ListDocument,
  type ObjectDocument,
  type ObjectEntry,
  type ObjectListItem,
  type RuleStatus,
  SCHEMA_VERSION,
  type StatusDocument,
} from "./contract.ts";

/** What the state knows, as one moment's reading. */
export interface StatusFacts {
  readonly summaries: readonly RouteSummary[];
  readonly pending: readonly PendingSummary[];
  readonly intake: readonly IntakeCounts[];
  /** When the last complete sync of each rule ended, by rule id; milliseconds since the epoch. */
  readonly lastSyncAt: ReadonlyMap<string, number | null>;
}

/** The document of `status`: every rule given with every destination of it, whether anything is known of them or not. */
export function toStatusDocument(name: string, rules: readonly Rule[], facts: StatusFacts): StatusDocument {
  const summaries = byRoute(facts.summaries);
  const pending = byRoute(facts.pending);
  const toRule = (rule: Rule): RuleStatus => ({
    id: rule.id,
    engine: "copy",
    state: rule.enabled ? "ACTIVE" : "DISABLED",
    direction: "forward",
    lastSyncAt: toTime(facts.lastSyncAt.get(rule.id)),
    destinations: rule.destinations.map((destination) => {
      const route = routeKey(rule.id, destination.canonicalId);
      return toDestination(destination, summaries.get(route), pending.get(route));
    }),
  });
  return { schemaVersion: SCHEMA_VERSION, name, rules: rules.map(toRule), intake: facts.intake.map(toIntake) };
}

/** The document of one object: an entry per row, in the order of the rules and their destinations. */
export function toObjectDocument(
  rules: readonly Rule[],
  object: { readonly bucket: string; readonly key: string },
  entries: readonly LedgerEntry[],
): ObjectDocument {
  const names = new RouteNames(rules);
  const ordered = entries.toSorted((a, b) => names.order(a) - names.order(b));
  return { schemaVersion: SCHEMA_VERSION, ...object, entries: ordered.map((entry) => toEntry(entry, names)) };
}

/** The document of `objects list`, in the order of the rows given. */
export function toObjectList(
  rules: readonly Rule[],
  entries: readonly LedgerEntry[],
  nextToken: string | null,
): ListDocument<ObjectListItem> {
  const names = new RouteNames(rules);
  const items = entries.map((entry) => ({ bucket: names.source(entry), key: entry.key, ...toEntry(entry, names) }));
  return { schemaVersion: SCHEMA_VERSION, items, nextToken };
}

/** The document of `failures list`, in the order of the rows given. */
export function toFailureList(
  rules: readonly Rule[],
  entries: readonly LedgerEntry[],
  nextToken: string | null,
): ListDocument<FailureItem> {
  const names = new RouteNames(rules);
  return { schemaVersion: SCHEMA_VERSION, items: entries.map((entry) => toFailure(entry, names)), nextToken };
}

/** Milliseconds since the epoch as ISO 8601 in UTC. */
export function toTime(ms: number | null | undefined): string | null {
  return ms === null || ms === undefined ? null : new Date(ms).toISOString();
}

function toDestination(
  destination: Destination,
  summary: RouteSummary | undefined,
  pending: PendingSummary | undefined,
): DestinationStatus {
  // A route that the state has no row of is known to have none: that is 0, not null.
  return {
    id: destination.id,
    bucket: destination.bucket.name,
    operationsPending: pending?.operations ?? 0,
    bytesPending: pending?.bytes ?? 0,
    operationsCompleted: summary?.completed.operations ?? 0,
    bytesCompleted: summary?.completed.bytes ?? 0,
    operationsFailed: summary?.failed ?? 0,
    operationsHeld: summary?.held ?? 0,
    oldestPendingAt: toTime(pending?.oldestAt),
    replicationLatencyMs: summary?.latencyMs ?? null,
  };
}

function toIntake(counts: IntakeCounts): IntakeStatus {
  const { store, received, ignored, malformed, lastMalformed } = counts;
  const last = lastMalformed === null ? null : { reason: lastMalformed.reason, at: new Date(lastMalformed.at).toISOString() };
  return { store, received, ignored, malformed, lastMalformed: last };
}

function toEntry(entry: LedgerEntry, names: RouteNames): ObjectEntry {
  const { replica } = entry;
  return {
    rule: entry.rule,
    destination: names.destination(entry),
    engine: "copy",
    operation: entry.operation,
    status: entry.status,
    reason: entry.reason,
    notes: entry.notes,
    versionId: replica?.versionId ?? null,
    etag: replica?.etag ?? null,
    bytes: replica?.bytes ?? null,
    proof: replica?.proof ?? null,
    destinationEtag: replica?.destinationEtag ?? null,
    destinationVersionId: replica?.destinationVersionId ?? null,
    origin: names.source(entry),
    attempts: entry.attempts,
    eventTime: toTime(entry.eventTime),
    startedAt: toTime(entry.startedAt),
    finishedAt: toTime(entry.finishedAt),
    nextAttemptAt: toTime(entry.nextAttemptAt),
    replicationLatencyMs: entry.replicationLatencyMs,
    error: toError(entry.error),
  };
}

function toFailure(entry: LedgerEntry, names: RouteNames): FailureItem {
  const destination = names.destination(entry);
  return {
    id: failureId(entry.rule, destination, entry.key),
    rule: entry.rule,
    destination,
    bucket: names.source(entry),
    key: entry.key,
    versionId: entry.replica?.versionId ?? null,
    attempts: entry.attempts,
    firstFailedAt: toTime(entry.firstFailedAt),
    lastFailedAt: toTime(entry.finishedAt),
    error: toError(entry.error),
  };
}

/** Names a failed row in one word that a shell takes as it is and that can be read back: its rule, destination and key. */
function failureId(rule: string, destination: string, key: string): string {
  return Buffer.from(JSON.stringify([rule, destination, key])).toString("base64url");
}

function toError(error: RecordedError | null): ErrorDocument | null {
  if (error === null) return null;
  return { code: error.code, message: error.message, hint: error.hint, operation: error.operation };
}

/** How the rows of canonical ids are called in the rules; rows of a rule or destination that is no longer there keep their canonical id. */
class RouteNames {
  readonly #routes = new Map<string, { readonly id: string; readonly order: number }>();
  readonly #sources = new Map<string, string>();

  constructor(rules: readonly Rule[]) {
    for (const rule of rules) {
      this.#sources.set(rule.id, rule.source.name);
      for (const { id, canonicalId } of rule.destinations)
        this.#routes.set(routeKey(rule.id, canonicalId), { id, order: this.#routes.size });
    }
  }

  destination(entry: LedgerEntry): string {
    return this.#routes.get(routeKey(entry.rule, entry.destination))?.id ?? entry.destination;
  }

  /** The printed source bucket; null where the rule is no longer there. */
  source(entry: LedgerEntry): string | null {
    return this.#sources.get(entry.rule) ?? null;
  }

  order(entry: LedgerEntry): number {
    return this.#routes.get(routeKey(entry.rule, entry.destination))?.order ?? this.#routes.size;
  }
}

function byRoute<T extends { readonly route: Route }>(summaries: readonly T[]): ReadonlyMap<string, T> {
  return new Map(summaries.map((summary) => [routeKey(summary.route.rule, summary.route.destination), summary]));
}

/** Neither a rule id nor a canonical id contains a line break. */
function routeKey(rule: string, destination: string): string {
  return `${rule}\n${destination}`;
}
