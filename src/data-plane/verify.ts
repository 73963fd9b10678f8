import { createHash } from "node:crypto";
import { isReplicationError, type ReplicationError } from "../domain/error.ts";
import { type Destination, destinationKey } from "../domain/rule.ts";
import type { LedgerEntry } from "../domain/status.ts";
import type { Clock } from "../ports/clock.ts";
import { attributeDifferences } from "./attribute-differences.ts";
import { type DiffOptions, type DiffRow, diffRule, type Resolved, resolveRow, toRoute, type Verdict } from "./diff.ts";
import { type Losable, LostDestinations } from "./lost-destinations.ts";
import type { Place } from "./place.ts";
import { WorkPool } from "./work-pool.ts";

export interface VerifyOptions extends DiffOptions {
  readonly clock: Clock;
  readonly concurrency: number;
  /** Also compare headers, metadata, tags, ACL and lock of what is equal, as far as the rule carries them. */
  readonly attributes: boolean;
  /** Also read and hash the bytes of both sides of what is equal. */
  readonly checksum: boolean;
  /** Whether the rule explains what only the destination has: then it is counted and not told. */
  readonly extrasExpected: boolean;
  /** Leaves out objects written more recently; milliseconds. */
  readonly minAgeMs: number;
  readonly onDifference: (difference: Difference) => void | Promise<void>;
  /** Asked where an object cannot be read: true goes on without it, as if it were equal. Absent: the comparison ends with the error. */
  readonly mayLeaveOut?: ((error: ReplicationError) => boolean) | undefined;
  /**
   * Whether a destination that fails costs itself alone, and a source its destinations: their summaries carry the error. Absent: the comparison
   * ends with it.
   */
  readonly goesOn?: boolean | undefined;
  /** Told each time an object is done with at a destination. */
  readonly onCompared?: (() => void) | undefined;
  /** Told of bytes that were read. */
  readonly onRead?: ((bytes: number) => void) | undefined;
}

export interface Difference {
  readonly kind: Exclude<Verdict, "EQUAL" | "EXCLUDED">;
  readonly destination: Destination;
  readonly key: string;
  readonly differs: readonly string[];
}

/** What a comparison of one destination came to. Every key that was looked at is counted once. */
export interface VerifySummary extends Losable {
  readonly destination: Destination;
  compared: number;
  equal: number;
  missing: number;
  different: number;
  extra: number;
  hidden: number;
  unproven: number;
  /** Extra, and explained: the rule removes nothing. */
  expected: number;
  excluded: number;
  /** Differs, and a task that waits, or a person who is asked, will see to it. */
  pending: number;
  bytesRead: number;
}

/** Compares a rule's destinations with its source and tells every difference. Changes nothing. */
export async function verifyRule(options: VerifyOptions): Promise<readonly VerifySummary[]> {
  const run = new VerifyRun(options);
  try {
    await diffRule({ ...options, onLost: run.onLost }, run).finally(() => run.finish());
  } catch (error) {
    run.lost.loseRest(error);
  }
  return run.summaries;
}

class VerifyRun {
  readonly summaries: readonly VerifySummary[];
  readonly lost: LostDestinations;
  readonly #options: VerifyOptions;
  readonly #pool: WorkPool;
  readonly #newest: number;
  readonly #locking: (Promise<boolean> | undefined)[] = [];

  constructor(options: VerifyOptions) {
    this.#options = options;
    this.#pool = new WorkPool(options.concurrency);
    this.#newest = options.minAgeMs === 0 ? Number.POSITIVE_INFINITY : options.clock.now() - options.minAgeMs;
    this.summaries = options.destinations.map(emptySummary);
    this.lost = new LostDestinations(this.summaries, { goesOn: options.goesOn === true, signal: options.signal });
  }

  get onLost(): DiffOptions["onLost"] {
    return this.#options.goesOn === true ? (index, error) => this.lost.lose(index, error) : undefined;
  }

  visit(rows: readonly DiffRow[]): void | Promise<void> {
    const deep = this.#options.attributes || this.#options.checksum;
    const open: DiffRow[] = [];
    for (const row of rows) {
      if ((row.source === undefined && row.replica === undefined) || this.lost.has(row.index)) continue;
      const summary = this.#summary(row);
      if ((row.source ?? row.replica)?.lastModified !== undefined && this.#isTooNew(row)) summary.excluded++;
      else if (row.finding === "EQUAL" && !deep) {
        summary.compared++;
        summary.equal++;
        this.#options.onCompared?.();
      } else open.push(row);
    }
    return open.length === 0 ? undefined : this.#pool.add(() => this.#settle(open));
  }

  finish(): Promise<void> {
    return this.#pool.idle();
  }

  #isTooNew(row: DiffRow): boolean {
    return Math.max(row.source?.lastModified ?? 0, row.source === undefined ? (row.replica?.lastModified ?? 0) : 0) > this.#newest;
  }

  async #settle(rows: readonly DiffRow[]): Promise<void> {
    for (const row of rows) {
      const resolved = await this.#resolve(row).catch((error: unknown) => this.#leftOut(row, error));
      if (resolved !== undefined) await this.#count(row, resolved);
      this.#options.onCompared?.();
    }
  }

  #leftOut(row: DiffRow, error: unknown): Resolved | undefined {
    if (isReplicationError(error) && this.#options.mayLeaveOut?.(error) === true) return { verdict: "EQUAL", differs: [] };
    this.lost.lose(row.index, error);
    return undefined;
  }

  async #resolve(row: DiffRow): Promise<Resolved> {
    const resolved = await resolveRow(row, this.#options);
    const deep = this.#options.attributes || this.#options.checksum;
    if (!deep || (resolved.verdict !== "EQUAL" && resolved.verdict !== "UNPROVEN")) return resolved;
    const differs = [...(this.#options.attributes ? await this.#attributeDifferences(row) : [])];
    const content = this.#options.checksum ? await this.#contentEqual(row) : undefined;
    if (content === false) differs.push("content");
    if (differs.length > 0) return { verdict: "DIFFERENT", differs };
    return content === true ? { verdict: "EQUAL", differs: [] } : resolved;
  }

  #attributeDifferences(row: DiffRow): Promise<readonly string[]> {
    const { rule, clock, signal } = this.#options;
    const canLock = () => this.#canLock(row.index);
    return attributeDifferences({ ...this.#sides(row), preserve: rule.preserve, canLock, now: clock.now(), signal });
  }

  /** Whether objects of a destination can be locked; asked for once. */
  #canLock(index: number): Promise<boolean> {
    const { destinations, storeOf, signal } = this.#options;
    const { bucket } = destinations[index] as Destination;
    this.#locking[index] ??= storeOf(bucket)
      .describe(signal)
      .then(({ objectLock }) => objectLock);
    return this.#locking[index];
  }

  /** Reads both sides in ranges, so that memory stays bounded whatever the size. */
  async #contentEqual(row: DiffRow): Promise<boolean> {
    const { source, replica } = this.#sides(row);
    const [a, b] = await Promise.all([this.#hash(source, row), this.#hash(replica, row)]);
    return a === b;
  }

  async #hash({ store, key }: Place, row: DiffRow): Promise<string> {
    const digest = createHash("sha256");
    const size = row.source?.sizeBytes ?? 0;
    const summary = this.#summary(row);
    for (let start = 0; start < size; start += READ_BYTES) {
      const bytes = await store.read(key, { start, endExclusive: Math.min(size, start + READ_BYTES) }, this.#options.signal);
      summary.bytesRead += bytes.byteLength;
      this.#options.onRead?.(bytes.byteLength);
      digest.update(bytes);
    }
    return digest.digest("hex");
  }

  #sides(row: DiffRow): { source: Place; replica: Place } {
    const { rule, storeOf } = this.#options;
    const { destination } = this.#summary(row);
    return {
      source: { store: storeOf(rule.source), key: row.key },
      replica: { store: storeOf(destination.bucket), key: destinationKey(destination, row.key) },
    };
  }

  async #count(row: DiffRow, { verdict, differs }: Resolved): Promise<void> {
    const summary = this.#summary(row);
    if (verdict === "EXCLUDED") {
      summary.excluded++;
      return;
    }
    if (row.source !== undefined) summary.compared++;
    if (verdict === "EQUAL") summary.equal++;
    else if (verdict === "EXTRA" && this.#options.extrasExpected) summary.expected++;
    else await this.#countDifference(row, { verdict, differs });
  }

  async #countDifference(row: DiffRow, { verdict, differs }: Resolved & { readonly verdict: Difference["kind"] }): Promise<void> {
    const summary = this.#summary(row);
    const entry = await this.#entry(row);
    if (entry?.status === "PENDING" || entry?.status === "HELD") summary.pending++;
    else if (entry?.status === "REPLICA" && entry.reason === "NoTransit") summary.excluded++;
    else if (verdict === "EXTRA" && entry?.reason === "DeletesNotReplicated") summary.expected++;
    else {
      if (verdict === "MISSING") summary.missing++;
      else if (verdict === "DIFFERENT") summary.different++;
      else if (verdict === "HIDDEN") summary.hidden++;
      else if (verdict === "EXTRA") summary.extra++;
      else summary.unproven++;
      await this.#options.onDifference({ kind: verdict, destination: summary.destination, key: row.key, differs });
    }
  }

  /** What the ledger says of the key; asked for differences only, which are few. */
  async #entry(row: DiffRow): Promise<LedgerEntry | undefined> {
    const { ledger, rule } = this.#options;
    return ledger?.get(toRoute(rule, this.#summary(row).destination), row.key);
  }

  #summary(row: DiffRow): VerifySummary {
    return this.summaries[row.index] as VerifySummary;
  }
}

/** Read at a time from each side of a comparison of bytes. */
const READ_BYTES = 4 * 1024 * 1024;

function emptySummary(destination: Destination): VerifySummary {
  const zero = { compared: 0, equal: 0, missing: 0, different: 0, extra: 0, hidden: 0, unproven: 0 };
  return { destination, ...zero, expected: 0, excluded: 0, pending: 0, bytesRead: 0 };
}
