import { isReplicationError, type ReplicationError } from "../domain/error.ts";
import { type RetryPolicy, retryDelay } from "../domain/retry.ts";
import type { Destination } from "../domain/rule.ts";
import type { Clock } from "../ports/clock.ts";
import type { Transfer } from "../ports/transfer.ts";
import { type DiffOptions, type DiffRow, differences, diffRule, type Resolved, resolveRow, type Verdict } from "./diff.ts";
import { type Losable, LostDestinations } from "./lost-destinations.ts";
import { type AimOutcome, replicate } from "./replicate.ts";
import { WorkPool } from "./work-pool.ts";

/** What a comparison of one destination came to. */
export interface SyncSummary extends Losable {
  readonly destination: Destination;
  compared: number;
  equal: number;
  missing: number;
  different: number;
  extra: number;
  hidden: number;
  unproven: number;
  excluded: number;
  copied: number;
  failed: number;
  bytesCopied: number;
}

export type SyncEvent =
  | {
      readonly kind: "difference";
      readonly key: string;
      readonly destination: Destination;
      readonly verdict: Verdict;
      /** What of it differs, as far as that is known. */
      readonly differs: readonly string[];
      readonly bytes: number;
    }
  | { readonly kind: "copied"; readonly key: string; readonly destination: Destination; readonly bytes: number }
  | { readonly kind: "failed"; readonly key: string; readonly destination: Destination; readonly error: ReplicationError };

export interface SyncOptions extends DiffOptions {
  readonly transfer: Transfer;
  readonly clock: Clock;
  /** Replicas under way at a time: an object counts once for each destination. */
  readonly concurrency: number;
  readonly retry: RetryPolicy;
  /** Finds and tells, copies nothing. */
  readonly dryRun: boolean;
  /**
   * Whether a destination that fails costs itself alone, and a source its destinations: their summaries carry the error. Absent: the sync ends
   * with it.
   */
  readonly goesOn?: boolean | undefined;
  readonly onEvent?: ((event: SyncEvent) => void) | undefined;
  /** Keeps what became of an object where there is a state to keep it in; the sync ends only after it resolved. */
  readonly keep?: ((row: DiffRow, outcome: AimOutcome) => Promise<void>) | undefined;
}

/** So many failures in a row that are no single object's end a destination: nothing more will succeed there. */
const GIVE_UP_AFTER = 32;
const SYSTEMIC = new Set([
  "AccessDenied",
  "InvalidAccessKeyId",
  "NoSuchBucket",
  "RequestTimeTooSkewed",
  "SignatureDoesNotMatch",
  "StoreUnreachable",
]);

/**
 * Makes every destination of a rule hold what its source holds now, without any state: what listings show to be missing or different is
 * copied while the listings go on. Removes nothing. Resolves when all that was found has been tried; what failed is counted and told.
 */
export async function syncRule(options: SyncOptions): Promise<readonly SyncSummary[]> {
  const run = new SyncRun(options);
  try {
    await diffRule({ ...options, onLost: run.onLost }, run).finally(() => run.finish());
  } catch (error) {
    run.lost.loseRest(error);
  }
  return run.summaries;
}

class SyncRun {
  readonly summaries: readonly SyncSummary[];
  readonly lost: LostDestinations;
  readonly #options: SyncOptions;
  readonly #pool: WorkPool;
  readonly #failuresInARow: number[];

  constructor(options: SyncOptions) {
    this.#options = options;
    this.#pool = new WorkPool(Math.ceil(options.concurrency / Math.max(1, options.destinations.length)));
    this.summaries = options.destinations.map(emptySummary);
    this.lost = new LostDestinations(this.summaries, { goesOn: options.goesOn === true, signal: options.signal });
    this.#failuresInARow = options.destinations.map(() => 0);
  }

  get onLost(): DiffOptions["onLost"] {
    return this.#options.goesOn === true ? (index, error) => this.lost.lose(index, error) : undefined;
  }

  visit(rows: readonly DiffRow[]): void | Promise<void> {
    const open: DiffRow[] = [];
    for (const row of rows) {
      if (this.lost.has(row.index)) continue;
      const summary = this.#summary(row);
      if (row.source === undefined) summary.extra += row.replica === undefined ? 0 : 1;
      else {
        summary.compared++;
        if (row.finding === "EQUAL") summary.equal++;
        else if (!this.#gaveUp(row.index)) open.push(row);
      }
    }
    return open.length === 0 ? undefined : this.#pool.add(() => this.#repair(open));
  }

  finish(): Promise<void> {
    return this.#pool.idle();
  }

  async #repair(rows: readonly DiffRow[]): Promise<void> {
    if (this.#options.signal?.aborted === true) return;
    const wanted: DiffRow[] = [];
    for (const row of rows) {
      const resolved = await this.#resolve(row).catch((error: unknown) => this.lost.lose(row.index, error));
      if (resolved === undefined) continue;
      this.#count(row, resolved);
      const { verdict } = resolved;
      if (verdict === "MISSING" || verdict === "DIFFERENT" || verdict === "UNPROVEN") wanted.push(row);
    }
    if (wanted.length > 0 && !this.#options.dryRun) await this.#copy(wanted);
  }

  /** Asks the stores only where listings leave something open. What is missing by listing is copied without asking. */
  async #resolve(row: DiffRow): Promise<Resolved> {
    const { filter } = this.#options.rule;
    const plain = filter.tags === undefined && filter.minBytes === undefined && filter.maxBytes === undefined;
    if (plain && row.finding === "MISSING") return { verdict: "MISSING", differs: [] };
    if (plain && row.finding === "DIFFERENT") return { verdict: "DIFFERENT", differs: differences(row) };
    return resolveRow(row, this.#options);
  }

  #count(row: DiffRow, { verdict, differs }: Resolved): void {
    const summary = this.#summary(row);
    if (verdict === "EQUAL") summary.equal++;
    else if (verdict === "MISSING") summary.missing++;
    else if (verdict === "DIFFERENT") summary.different++;
    else if (verdict === "HIDDEN") summary.hidden++;
    else if (verdict === "UNPROVEN") summary.unproven++;
    else summary.excluded++;
    if (verdict !== "EQUAL" && verdict !== "EXCLUDED") {
      const { destination } = summary;
      this.#tell({ kind: "difference", key: row.key, destination, verdict, differs, bytes: row.source?.sizeBytes ?? 0 });
    }
  }

  async #copy(rows: readonly DiffRow[]): Promise<void> {
    const { rule, transfer, retry, clock, signal } = this.#options;
    const { key, source: hint } = rows[0] as DiffRow;
    let open = rows;
    for (let attempts = 1; open.length > 0; attempts++) {
      const aims = open.map((row) => ({ rule, destination: this.#summary(row).destination }));
      const outcomes = await replicate(transfer, {
        key,
        aims,
        hint: attempts === 1 && hint !== undefined ? { ...hint, storageClass: hint.storageClass ?? "STANDARD" } : undefined,
        // Without the signal: an interrupt ends the looking, and what is under way is finished.
      });
      const again: DiffRow[] = [];
      let delayMs = 0;
      for (const [i, row] of open.entries()) {
        const outcome = outcomes[i] as AimOutcome;
        const delay = outcome.kind === "failed" ? this.#retryDelay(outcome.error, attempts, retry) : undefined;
        if (delay === undefined) await this.#settle(row, outcome);
        else {
          delayMs = Math.max(delayMs, delay);
          again.push(row);
        }
      }
      open = again;
      if (open.length > 0) await clock.sleep(delayMs, signal);
    }
  }

  #retryDelay(error: ReplicationError, attempts: number, retry: RetryPolicy): number | undefined {
    if (this.#options.signal?.aborted === true) return undefined;
    return retryDelay(retry, { error, attempts }, Math.random);
  }

  async #settle(row: DiffRow, outcome: AimOutcome): Promise<void> {
    await this.#options.keep?.(row, outcome);
    const summary = this.#summary(row);
    const { destination } = summary;
    if (outcome.kind === "copied") {
      this.#failuresInARow[row.index] = 0;
      summary.copied++;
      summary.bytesCopied += outcome.source.sizeBytes;
      this.#tell({ kind: "copied", key: row.key, destination, bytes: outcome.source.sizeBytes });
    } else if (outcome.kind === "failed") {
      summary.failed++;
      this.#tell({ kind: "failed", key: row.key, destination, error: outcome.error });
      this.#noteFailure(row.index, outcome.error);
    }
  }

  #noteFailure(index: number, error: ReplicationError): void {
    const systemic = isReplicationError(error) && SYSTEMIC.has(error.code);
    this.#failuresInARow[index] = systemic ? (this.#failuresInARow[index] ?? 0) + 1 : 0;
    if (this.#options.goesOn === true && this.#gaveUp(index)) this.lost.lose(index, error);
    if (this.summaries.every((_, i) => this.#gaveUp(i))) throw error;
  }

  #gaveUp(index: number): boolean {
    return this.lost.has(index) || (this.#failuresInARow[index] ?? 0) >= GIVE_UP_AFTER;
  }

  #summary(row: DiffRow): SyncSummary {
    return this.summaries[row.index] as SyncSummary;
  }

  #tell(event: SyncEvent): void {
    this.#options.onEvent?.(event);
  }
}

/** A summary with nothing counted yet. */
export function emptySummary(destination: Destination): SyncSummary {
  const zero = { compared: 0, equal: 0, missing: 0, different: 0, extra: 0, hidden: 0, unproven: 0, excluded: 0 };
  return { destination, ...zero, copied: 0, failed: 0, bytesCopied: 0 };
}
