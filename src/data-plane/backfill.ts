import type { Bucket } from "../domain/bucket.ts";
import type { Holding } from "../domain/holding.ts";
import type { Hint, ListedObject } from "../domain/object.ts";
import { type Destination, needsTags, type Rule, sizeMatches } from "../domain/rule.ts";
import { blankEntry, type LedgerEntry } from "../domain/status.ts";
import type { Clock } from "../ports/clock.ts";
import type { ComparisonMeter } from "../ports/meter.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import type { Adoption, Route, State, Want } from "../ports/state.ts";
import { comparable } from "./comparable.ts";
import { type DiffRow, diffRule, resolveRow, toRoute } from "./diff.ts";
import { askedAgain } from "./interior/asked-again.ts";
import { interiorFindings } from "./interior/findings.ts";
import type { RuleIndex } from "./rule-index.ts";
import { historyWants } from "./versions/backfill-versions.ts";

export interface BackfillOptions {
  readonly rule: Rule;
  readonly state: State;
  readonly storeOf: (bucket: Bucket) => ObjectStore;
  readonly clock: Clock;
  readonly meter: Pick<ComparisonMeter, "verified" | "drift">;
  /** Resolves when the backlog is short enough for more: what a listing finds must not fill memory or disk. */
  readonly room: () => Promise<void>;
  readonly rules: RuleIndex;
  /** Told how many objects each destination has, once all have been listed. */
  readonly onCounted?: ((route: Route, objects: number) => Promise<void>) | undefined;
  /** Learns anew what interior buckets hold, also of objects that have a row. */
  readonly relearn?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface BackfillSummary {
  readonly compared: number;
  readonly wanted: number;
  readonly adopted: number;
}

/** Rows made durable in one go. */
const BATCH = 500;

/**
 * Compares a rule's buckets by listing and wishes for what differs. Backfill, the scheduled sync and polling are this one mechanism.
 *
 * On return every difference is a durable task, and sides found equal without a row have one.
 */
export async function backfillRule(given: BackfillOptions): Promise<BackfillSummary> {
  const { state, clock } = given;
  const { journal } = state;
  const { id: name } = given.rule;
  const since = await journal.ruleSince(name, clock.now());
  const startedAt = clock.now();
  const before = (await journal.syncProgress(name))?.finishedAt ?? null;
  await journal.saveSyncProgress(name, { startedAt, after: null, finishedAt: before });
  const { rule, destinations, trouble } = await comparable(given);
  const options = { ...given, rule };
  const run = new BackfillRun({ ...options, destinations, wasCompared: before !== null }, since);
  if (destinations.length > 0) await diffRule({ ...options, destinations, ledger: state.ledger }, run);
  if (rule.versions === "all" && destinations.length > 0) {
    await run.flush(); // what waits already is not looked at twice
    for await (const wants of historyWants({ ...options, destinations, since })) await run.want(wants);
  }
  if (destinations.some(({ bucket }) => given.rules.isInterior(bucket.id))) {
    const asked = { rule, rules: given.rules, safeguards: state.safeguards, wasCompared: before !== null };
    for await (const wants of askedAgain(asked)) await run.want(wants);
  }
  await run.flush();
  await run.tellCounts();
  const finishedAt = clock.now();
  run.meterComparison(finishedAt);
  if (trouble !== undefined) throw trouble;
  await journal.saveSyncProgress(name, { startedAt, after: null, finishedAt });
  return run.summary;
}

interface RunOptions extends BackfillOptions {
  readonly destinations: readonly Destination[];
  readonly wasCompared: boolean;
}

interface DriftCount {
  MISSING: number;
  DIFFERENT: number;
  EXTRA: number;
}

class BackfillRun {
  readonly #options: RunOptions;
  /** Objects older than the rule are left alone at destinations without `existingObjects`. */
  readonly #since: number;
  #wants: Want[] = [];
  #adopted: Adoption[] = [];
  #summary = { compared: 0, wanted: 0, adopted: 0 };

  /** Objects at each destination. */
  readonly #counts: number[];
  /** What differs at each destination. */
  readonly #drift: readonly DriftCount[];
  readonly #isInterior: readonly boolean[];
  #holdings: Holding[][] = [];

  constructor(options: RunOptions, since: number) {
    this.#options = options;
    this.#counts = options.destinations.map(() => 0);
    this.#drift = options.destinations.map(() => ({ MISSING: 0, DIFFERENT: 0, EXTRA: 0 }));
    this.#isInterior = options.destinations.map(({ bucket }) => options.rules.isInterior(bucket.id));
    this.#since = since;
  }

  get summary(): BackfillSummary {
    return this.#summary;
  }

  visit(rows: readonly DiffRow[]): void | Promise<void> {
    let pending: Promise<void> | undefined;
    this.#visitInterior(rows.filter(({ index }) => this.#isInterior[index]));
    for (const row of rows) {
      if (row.replica !== undefined) this.#counts[row.index] = (this.#counts[row.index] ?? 0) + 1;
      if (row.source === undefined && row.replica !== undefined) this.#countDrift(row, "EXTRA");
      if (this.#isInterior[row.index]) continue;
      if (row.source === undefined && this.#mayBeDelete(row)) this.#wantDelete(row);
      if (row.source === undefined || !sizeMatches(this.#options.rule.filter, row.source.sizeBytes)) continue;
      this.#summary.compared++;
      if (row.finding === "EQUAL") this.#adopt(row, row.source);
      else if (this.#isOurs(row, row.source)) pending = chain(pending, () => this.#want(row, row.source as ListedObject));
    }
    const full = this.#wants.length + this.#adopted.length + this.#holdings.length >= BATCH;
    return full ? chain(pending, () => this.flush()) : pending;
  }

  async flush(): Promise<void> {
    const wants = this.#wants;
    const adopted = this.#adopted;
    this.#wants = [];
    this.#adopted = [];
    const adoptions = this.#holdings;
    this.#holdings = [];
    const { tasks, ledger, holdings } = this.#options.state;
    await Promise.all([
      wants.length > 0 ? tasks.want(wants) : undefined,
      adopted.length > 0 ? ledger.adopt(adopted) : undefined,
      // Where something is known of one of them already, a task sorts it out when one of them changes.
      ...adoptions.map((adoption) => holdings.observe(adoption)),
    ]);
    this.#summary.wanted += wants.length;
    this.#summary.adopted += adopted.length;
    await this.#options.room();
  }

  async want(wants: readonly Want[]): Promise<void> {
    this.#wants.push(...wants);
    if (this.#wants.length >= BATCH) await this.flush();
  }

  /** What is there besides is drift only where the rule would remove it, or bring it to the others. */
  meterComparison(at: number): void {
    const { rule, destinations, meter } = this.#options;
    const isExtraDrift = rule.deletes !== "none" || rule.mesh !== undefined;
    for (const [index, { id }] of destinations.entries()) {
      const { EXTRA, ...found } = this.#drift[index] as DriftCount;
      meter.verified(rule.id, id, at);
      meter.drift(rule.id, id, isExtraDrift ? { ...found, EXTRA } : found);
    }
  }

  async tellCounts(): Promise<void> {
    const { rule, destinations, onCounted } = this.#options;
    if (onCounted === undefined) return;
    for (const [index, destination] of destinations.entries()) await onCounted(toRoute(rule, destination), this.#counts[index] ?? 0);
  }

  #visitInterior(rows: readonly DiffRow[]): void {
    if (rows.length === 0) return;
    const { rule, rules, destinations, wasCompared, relearn = false, clock } = this.#options;
    const { wants, holdings } = interiorFindings(rows, destinations, { rule, rules, wasCompared, relearn, now: () => clock.now() });
    this.#wants.push(...wants);
    if (holdings.length > 0) this.#holdings.push([...holdings]);
    for (const row of rows) {
      if (row.source === undefined) continue;
      this.#summary.compared++;
      if (row.finding === "EQUAL") this.#adopt(row, row.source);
      else if (row.replica === undefined) this.#countDrift(row, "MISSING");
      else if (row.finding === "DIFFERENT") this.#countDrift(row, "DIFFERENT");
    }
  }

  /** Only the destination lists it, and replicast put it there: the source is asked whether it was deleted. */
  #mayBeDelete(row: DiffRow): boolean {
    return this.#options.rule.deletes !== "none" && row.replica !== undefined && row.entry?.replica != null;
  }

  #wantDelete(row: DiffRow): void {
    // A delete that was decided on and not made has its evidence in its row.
    const { status, operation, reason } = row.entry ?? {};
    if (reason === "DeleteRejected") return;
    const deleted = operation === "delete" && (status === "FAILED" || status === "HELD");
    this.#wants.push({ route: this.#route(row), key: row.key, lane: "backfill", eventTime: null, changes: { missed: true, deleted } });
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

  /** What the rule explains is none: another rule's replica at a source that passes none on, and what is kept on purpose. */
  #countDrift(row: DiffRow, kind: keyof DriftCount): void {
    const { reason } = row.entry ?? {};
    const drift = this.#drift[row.index];
    if (drift !== undefined && reason !== "NoTransit" && reason !== "DeletesNotReplicated") drift[kind]++;
  }

  #push(row: DiffRow, source: ListedObject): void {
    if (row.finding !== "SUSPECT") this.#countDrift(row, row.replica === undefined ? "MISSING" : "DIFFERENT");
    const { etag, sizeBytes, lastModified, storageClass = "STANDARD" } = source;
    const hint: Hint = { etag, sizeBytes, lastModified, storageClass };
    this.#wants.push({ route: this.#route(row), key: row.key, lane: "backfill", eventTime: null, hint });
  }

  #adopt(row: DiffRow, source: ListedObject): void {
    if (this.#options.rule.versions === "all") return; // rows are of versions, and a listing of current objects names none
    const known = row.entry?.replica ?? null;
    const complete = row.entry?.status === "COMPLETED" && known?.lastModified !== 0;
    if (complete || row.replica === undefined) return;
    const route = this.#route(row);
    const adopted = adoptedEntry({ route, row, source, replica: row.replica, now: this.#options.clock.now() });
    const entry = row.entry?.status === "COMPLETED" ? row.entry : adopted;
    const replica = known?.etag === source.etag ? { ...known, lastModified: source.lastModified } : adopted.replica;
    const { startedAt = null, finishedAt = null } = row.entry ?? {};
    this.#adopted.push({ route, entry: { ...entry, replica }, over: { startedAt, finishedAt } });
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
    ...blankEntry({ ...route, key: row.key }),
    status: "COMPLETED",
    reason: "Adopted",
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
    finishedAt: now,
  };
}
