import type { Bucket } from "../domain/bucket.ts";
import type { Hint, ListedObject } from "../domain/object.ts";
import { type Destination, needsTags, type Rule, sizeMatches } from "../domain/rule.ts";
import type { LedgerEntry } from "../domain/status.ts";
import type { Clock } from "../ports/clock.ts";
import type { Meter } from "../ports/meter.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import type { Route, State, Want } from "../ports/state.ts";
import { type DiffRow, diffRule, resolveRow, toRoute } from "./diff.ts";

export interface BackfillOptions {
  readonly rule: Rule;
  readonly state: State;
  readonly storeOf: (bucket: Bucket) => ObjectStore;
  readonly clock: Clock;
  readonly meter: Meter;
  /** Resolves when the backlog is short enough for more: what a listing finds must not fill memory or disk. */
  readonly room: () => Promise<void>;
  readonly signal?: AbortSignal | undefined;
}

export interface BackfillSummary {
  readonly compared: number;
  readonly wanted: number;
  readonly adopted: number;
}

/** A bucket that does not list one key within this is not compared this time. */
const PROBE_TIMEOUT_MS = 5_000;
/** Rows made durable in one go. */
const BATCH = 500;

/**
 * Compares a rule's buckets by listing and wishes for what differs. Backfill, the scheduled sync and polling are this one mechanism.
 *
 * On return every difference is a durable task, and sides found equal without a row have one.
 */
export async function backfillRule(options: BackfillOptions): Promise<BackfillSummary> {
  const { rule, state, clock } = options;
  const { journal } = state;
  const since = await journal.ruleSince(rule.id, clock.now());
  const startedAt = clock.now();
  await journal.saveSyncProgress(rule.id, { startedAt, after: null, finishedAt: null });
  const { destinations, trouble } = await reachable(options);
  const run = new BackfillRun({ ...options, destinations }, since);
  if (destinations.length > 0) await diffRule({ ...options, destinations, ledger: state.ledger }, run);
  await run.flush();
  if (trouble !== undefined) throw trouble;
  const finishedAt = clock.now();
  await journal.saveSyncProgress(rule.id, { startedAt, after: null, finishedAt });
  for (const { id } of destinations) options.meter.verified(rule.id, id, finishedAt);
  return run.summary;
}

/** The destinations that can be listed: one that cannot keeps nothing from the others (invariant 7), but its trouble is told at the end. */
async function reachable({ rule, storeOf, signal }: BackfillOptions): Promise<{ destinations: readonly Destination[]; trouble: unknown }> {
  const tried = await Promise.allSettled(
    rule.destinations.map((destination) => {
      const soon = AbortSignal.timeout(PROBE_TIMEOUT_MS);
      const limit = signal === undefined ? soon : AbortSignal.any([signal, soon]);
      return storeOf(destination.bucket).list({ prefix: destination.prefix, maxKeys: 1, signal: limit });
    }),
  );
  const destinations = rule.destinations.filter((_, i) => tried[i]?.status === "fulfilled");
  return { destinations, trouble: tried.find((result) => result.status === "rejected")?.reason };
}

class BackfillRun {
  readonly #options: BackfillOptions & { readonly destinations: readonly Destination[] };
  /** Objects older than the rule are left alone at destinations without `existingObjects`. */
  readonly #since: number;
  #wants: Want[] = [];
  #adopted: { route: Route; entry: LedgerEntry }[] = [];
  #summary = { compared: 0, wanted: 0, adopted: 0 };

  constructor(options: BackfillOptions & { readonly destinations: readonly Destination[] }, since: number) {
    this.#options = options;
    this.#since = since;
  }

  get summary(): BackfillSummary {
    return this.#summary;
  }

  visit(rows: readonly DiffRow[]): void | Promise<void> {
    let pending: Promise<void> | undefined;
    for (const row of rows) {
      if (row.source === undefined || !sizeMatches(this.#options.rule.filter, row.source.sizeBytes)) continue;
      this.#summary.compared++;
      if (row.finding === "EQUAL") this.#adopt(row, row.source);
      else if (this.#isOurs(row, row.source)) pending = chain(pending, () => this.#want(row, row.source as ListedObject));
    }
    const full = this.#wants.length + this.#adopted.length >= BATCH;
    return full ? chain(pending, () => this.flush()) : pending;
  }

  async flush(): Promise<void> {
    const wants = this.#wants;
    const adopted = this.#adopted;
    this.#wants = [];
    this.#adopted = [];
    const { tasks, ledger } = this.#options.state;
    await Promise.all([wants.length > 0 ? tasks.want(wants) : undefined, adopted.length > 0 ? ledger.adopt(adopted) : undefined]);
    this.#summary.wanted += wants.length;
    this.#summary.adopted += adopted.length;
    await this.#options.room();
  }

  #isOurs(row: DiffRow, source: ListedObject): boolean {
    return this.#destination(row).existingObjects || row.entry !== undefined || source.lastModified >= this.#since;
  }

  /** What a listing leaves open is settled first, so that nothing is copied again and again for an ETag that cannot match. */
  #want(row: DiffRow, source: ListedObject): void | Promise<void> {
    const open =
      row.finding === "UNCLEAR" ||
      row.finding === "ABSENT_BUT_RECORDED" ||
      (needsTags(this.#options.rule.filter) && row.finding === "MISSING");
    if (!open) return this.#push(row, source);
    return resolveRow(row, this.#options).then(({ verdict }) => {
      if (verdict === "EQUAL" || verdict === "HIDDEN") this.#adopt(row, source);
      else if (verdict !== "EXCLUDED") this.#push(row, source);
    });
  }

  #push(row: DiffRow, source: ListedObject): void {
    const { etag, sizeBytes, lastModified, storageClass = "STANDARD" } = source;
    const hint: Hint = { etag, sizeBytes, lastModified, storageClass };
    this.#wants.push({ route: this.#route(row), key: row.key, lane: "backfill", eventTime: null, hint });
  }

  #adopt(row: DiffRow, source: ListedObject): void {
    const known = row.entry?.replica ?? null;
    const complete = row.entry?.status === "COMPLETED" && known?.lastModified !== 0;
    if (complete || row.replica === undefined) return;
    const route = this.#route(row);
    const adopted = adoptedEntry({ route, row, source, replica: row.replica, now: this.#options.clock.now() });
    const entry = row.entry?.status === "COMPLETED" ? row.entry : adopted;
    const replica = known?.etag === source.etag ? { ...known, lastModified: source.lastModified } : adopted.replica;
    this.#adopted.push({ route, entry: { ...entry, replica } });
  }

  #destination(row: DiffRow): Destination {
    return this.#options.destinations[row.index] as Destination;
  }

  #route(row: DiffRow): Route {
    return toRoute(this.#options.rule, this.#destination(row));
  }
}

function chain(first: Promise<void> | undefined, next: () => void | Promise<void>): Promise<void> | undefined {
  if (first !== undefined) return first.then(next);
  const result = next();
  return result instanceof Promise ? result : undefined;
}

interface Adopted {
  readonly route: Route;
  readonly row: DiffRow;
  readonly source: ListedObject;
  readonly replica: ListedObject;
  readonly now: number;
}

function adoptedEntry({ route, row, source, replica, now }: Adopted): LedgerEntry {
  return {
    rule: route.rule,
    destination: route.destination,
    key: row.key,
    status: "COMPLETED",
    operation: "copy",
    reason: "Adopted",
    notes: [],
    replica: {
      etag: source.etag,
      versionId: null,
      lastModified: source.lastModified,
      attributeHash: null,
      bytes: source.sizeBytes,
      proof: "etag",
      destinationEtag: replica.etag,
      destinationVersionId: null,
    },
    attempts: 0,
    eventTime: null,
    startedAt: null,
    finishedAt: now,
    nextAttemptAt: null,
    firstFailedAt: null,
    replicationLatencyMs: null,
    error: null,
  };
}
