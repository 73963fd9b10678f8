import type { Bucket } from "../../domain/bucket.ts";
import { isReplicationError } from "../../domain/error.ts";
import { NATIVE_FAULTS } from "../../domain/native-verdict.ts";
import type { ListedObject, ObjectState } from "../../domain/object.ts";
import type { Destination, Rule } from "../../domain/rule.ts";
import type { LedgerEntry } from "../../domain/status.ts";
import type { Clock } from "../../ports/clock.ts";
import type { ObjectStore } from "../../ports/object-store.ts";
import type { Adoption, Journal, Ledger, Route } from "../../ports/state.ts";
import { type DiffRow, diffRule, toRoute } from "../diff.ts";
import { WorkPool } from "../work-pool.ts";
import { lookAt, type PairFacts, rowOfSight, type Sight } from "./look.ts";
import { isGivenUp, isHealed, isStillUntouched, rowOfListing, rowOfTrouble } from "./rows.ts";

export interface NativeWatchOptions {
  /** One direction. */
  readonly rule: Rule;
  readonly ledger: Ledger;
  readonly journal: Pick<Journal, "ruleSince">;
  readonly storeOf: (bucket: Bucket) => ObjectStore;
  readonly clock: Clock;
  readonly factsOf: (destination: Destination) => PairFacts;
  readonly signal?: AbortSignal | undefined;
}

/** An object that S3 will not bring over by itself, as it was seen. */
export interface Candidate {
  readonly destination: Destination;
  readonly key: string;
  readonly source: ObjectState;
  /** The destination holds nothing under its key. */
  readonly isAbsent: boolean;
  /** S3 says that it is there: no batch job would find it. */
  readonly isLost: boolean;
}

export interface WatchSummary {
  readonly compared: number;
  readonly adopted: number;
  readonly pending: number;
  readonly failed: number;
}

export interface Watched {
  readonly summary: WatchSummary;
  /** What may be replicated a second time: at most {@link MAX_CANDIDATES} of each kind. */
  readonly candidates: readonly Candidate[];
}

/** So many are kept in memory; of what is more, one more than {@link MAX_COPIES} of the heal is enough to know. */
export const MAX_CANDIDATES = 1001;

const CONCURRENCY = 16;
/** Rows made durable in one go. */
const BATCH = 500;

/**
 * Compares the buckets of one direction that S3 replicates by itself. On return every object that the rule is about has a row that says what
 * became of it; nothing was copied.
 */
export async function watchDirection(options: NativeWatchOptions): Promise<Watched> {
  const { rule, journal, clock } = options;
  const since = await journal.ruleSince(rule.id, clock.now());
  const run = new WatchRun(options, since);
  await diffRule({ ...options, destinations: rule.destinations }, run);
  await run.finish();
  return { summary: run.summary, candidates: run.candidates };
}

class WatchRun {
  readonly summary = { compared: 0, adopted: 0, pending: 0, failed: 0 };
  readonly candidates: Candidate[] = [];
  readonly #options: NativeWatchOptions;
  /** Objects older than the rule are left alone at destinations without `existingObjects`. */
  readonly #since: number;
  readonly #startedAt: number;
  readonly #pool = new WorkPool(CONCURRENCY);
  readonly #counts = { lost: 0, givenUp: 0 };
  #rows: Adoption[] = [];

  constructor(options: NativeWatchOptions, since: number) {
    this.#options = options;
    this.#since = since;
    this.#startedAt = options.clock.now();
  }

  visit(rows: readonly DiffRow[]): void | Promise<void> {
    let full: Promise<void> | undefined;
    for (const row of rows) {
      if (row.source === undefined || !this.#isOurs(row, row.source)) continue;
      this.summary.compared++;
      if (row.finding === "EQUAL" && row.replica !== undefined) this.#adopt(row, row.source, row.replica);
      else if (!this.#isUntouched(row, row.source))
        full = this.#pool.add(() => this.#look(this.#destination(row), row.key, row.entry)) ?? full;
    }
    return this.#rows.length >= BATCH ? Promise.all([full, this.#flush()]).then(() => undefined) : full;
  }

  /** Rows of objects that no listing showed any more are looked at too: what was not done of them is ended. */
  async finish(): Promise<void> {
    await this.#pool.idle();
    await this.#flush();
    for (const destination of this.#options.rule.destinations) await this.#sweep(destination);
    await this.#pool.idle();
    await this.#flush();
  }

  async #sweep(destination: Destination): Promise<void> {
    const { rule, ledger } = this.#options;
    for await (const entry of rowsOf(ledger, toRoute(rule, destination))) {
      if (entry.status !== "FAILED" && entry.status !== "PENDING") continue;
      if ((entry.finishedAt ?? 0) < this.#startedAt) await this.#pool.add(() => this.#look(destination, entry.key, entry));
    }
  }

  async #look(destination: Destination, key: string, previous: LedgerEntry | undefined): Promise<void> {
    const { rule, storeOf, clock, signal, factsOf } = this.#options;
    const now = clock.now();
    const aim = { rule, destination };
    const place = { route: toRoute(rule, destination), key, previous, now };
    try {
      const sight = await lookAt({ aim, key, facts: factsOf(destination), storeOf, now, previous, signal });
      const entry = rowOfSight(sight, place, { aim });
      if (entry !== undefined) this.#write(place.route, entry, previous);
      if (sight.kind === "seen" && entry?.status === "FAILED") this.#suggest(destination, entry, sight);
    } catch (error) {
      // One object that may not be looked at keeps nothing from the others (invariant 7).
      if (!isReplicationError(error) || error.disposition !== "permanent") throw error;
      this.#write(place.route, rowOfTrouble(place, error), previous);
    }
    if (this.#rows.length >= BATCH) await this.#flush();
  }

  /** What was there before the rule may be millions of objects: they are not asked for again and again. The row says when it was compared last. */
  #isUntouched(row: DiffRow, source: ListedObject): boolean {
    const { entry } = row;
    const destination = this.#destination(row);
    const { isApplied, isRepaired } = this.#options.factsOf(destination);
    if (isRepaired || isApplied === false || !isStillUntouched(entry, source, row.replica)) return false;
    this.#write(toRoute(this.#options.rule, destination), { ...entry, finishedAt: this.#options.clock.now() }, entry);
    return true;
  }

  #suggest(destination: Destination, entry: LedgerEntry, { source, replica }: Sight & { readonly kind: "seen" }): void {
    const isLost = entry.reason === NATIVE_FAULTS.lost;
    if (isHealed(entry, source) || (!isLost && !isGivenUp(entry))) return;
    const count = isLost ? ++this.#counts.lost : ++this.#counts.givenUp;
    if (count > MAX_CANDIDATES) return;
    this.candidates.push({ destination, key: entry.key, source, isAbsent: replica === undefined, isLost });
  }

  #adopt(row: DiffRow, source: ListedObject, replica: ListedObject): void {
    const { entry } = row;
    if (entry?.status === "COMPLETED" && entry.replica !== null && entry.replica.lastModified === source.lastModified) return;
    const route = toRoute(this.#options.rule, this.#destination(row));
    const place = { route, key: row.key, previous: entry, now: this.#options.clock.now() };
    this.#write(route, rowOfListing(place, source, replica), entry);
  }

  #write(route: Route, entry: LedgerEntry, previous: LedgerEntry | undefined): void {
    if (entry.status === "COMPLETED") this.summary.adopted++;
    else if (entry.status === "PENDING") this.summary.pending++;
    else if (entry.status === "FAILED") this.summary.failed++;
    this.#rows.push(adoption(route, entry, previous));
  }

  async #flush(): Promise<void> {
    const rows = this.#rows;
    this.#rows = [];
    if (rows.length > 0) await this.#options.ledger.adopt(rows);
  }

  #isOurs(row: DiffRow, source: ListedObject): boolean {
    return this.#destination(row).existingObjects || row.entry !== undefined || source.lastModified >= this.#since;
  }

  #destination(row: DiffRow): Destination {
    return this.#options.rule.destinations[row.index] as Destination;
  }
}

/** A row that changed since it was read stays. */
export function adoption(route: Route, entry: LedgerEntry, previous: LedgerEntry | undefined): Adoption {
  const { startedAt = null, finishedAt = null } = previous ?? {};
  return { route, entry, over: { startedAt, finishedAt } };
}

const PAGE = 1000;

/** All rows of a route, in the order of their keys. */
export async function* rowsOf(ledger: Ledger, route: Route): AsyncGenerator<LedgerEntry> {
  for (let after: string | undefined; ; ) {
    const page = await ledger.scan(route, after, PAGE);
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) return;
    after = last.key;
  }
}
