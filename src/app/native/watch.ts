import { comparable } from "../../data-plane/comparable.ts";
import type { Applied } from "../../data-plane/native/applied.ts";
import { type Healed, heal, readReport } from "../../data-plane/native/heal.ts";
import { NativeNotices } from "../../data-plane/native/notices.ts";
import { type Candidate, type WatchSummary, watchDirection } from "../../data-plane/native/watch.ts";
import { RuleIndex } from "../../data-plane/rule-index.ts";
import { toReplicationError } from "../../domain/error.ts";
import type { Destination, Rule } from "../../domain/rule.ts";
import type { BatchJob } from "../../ports/batch-replication.ts";
import type { Logger } from "../../ports/logger.ts";
import type { State } from "../../ports/state.ts";
import { isUnderWay } from "../../provisioning/existing-objects/batch-job.ts";
import type { Stores } from "../stores.ts";
import { systemClock } from "../system-clock.ts";
import { NativeFacts, type NativeFactsRun } from "./facts.ts";
import { pairFacts } from "./looks.ts";

export interface NativeWatchRun extends NativeFactsRun {
  /** Every direction that S3 serves. */
  readonly rules: readonly Rule[];
  readonly state: Pick<State, "ledger" | "journal">;
  readonly stores: Pick<Stores, "storeOf" | "transfer">;
  readonly logger: Pick<Logger, "debug" | "info" | "warn" | "error">;
}

/** A pair that S3 does not replicate although the config says so. */
export interface NotApplied {
  readonly rule: string;
  readonly source: string;
  readonly destination: string;
  readonly state: "Disabled" | "Missing";
}

/** What a comparison of a rule came to. */
export interface RuleWatched extends WatchSummary {
  /** Objects that were copied because S3 gave them up. */
  readonly healed: number;
}

interface Direction {
  readonly summary: WatchSummary;
  readonly healed: Healed;
  /** Why some of it could not be compared. */
  readonly trouble: unknown;
}

/** What is known of a direction since it was compared last. */
interface Known {
  readonly applied: Applied | undefined;
  readonly isRepaired: boolean;
}

const NOTHING_KNOWN: Known = { applied: undefined, isRepaired: false };
const NOTHING_SEEN: WatchSummary = { compared: 0, adopted: 0, pending: 0, failed: 0 };
const NOT_HEALED: Healed = { copied: 0, job: null };

/** Watches what S3 replicates by itself: whether its rules stand, what became of every object, and what it gave up, which is healed once. */
export class NativeWatch {
  readonly notices: NativeNotices;
  readonly #run: NativeWatchRun;
  readonly #facts: NativeFacts;
  readonly #all: RuleIndex;
  readonly #known = new Map<string, Known>();
  readonly #notApplied = new Map<string, readonly NotApplied[]>();
  readonly #readReports = new Set<string>();

  constructor(run: NativeWatchRun) {
    const { state, stores, rules } = run;
    this.#run = run;
    this.#facts = new NativeFacts(run);
    this.#all = new RuleIndex(run.config.rules);
    this.notices = new NativeNotices({
      rules: new RuleIndex(rules),
      ruleIdOf: this.#facts.ruleIdOf,
      factsOf: (rule, destination) => this.#factsOf(rule, destination),
      ledger: state.ledger,
      storeOf: stores.storeOf,
      clock: systemClock,
    });
  }

  /** Pairs whose rule does not stand, or is disabled, at the bucket; as they were seen last. */
  get notApplied(): readonly NotApplied[] {
    return [...this.#notApplied.values()].flat();
  }

  /**
   * Compares all directions of a rule, writes down what became of every object, and has healed what S3 gave up.
   *
   * @throws where a bucket does not answer, once everything else has been compared
   */
  async sync(rule: Rule, signal: AbortSignal): Promise<RuleWatched> {
    const { journal } = this.#run.state;
    const startedAt = systemClock.now();
    // That it was compared must not be taken for copy's beginning, should the config say less one day.
    if ((await journal.engine(rule.id)) === undefined) await journal.saveEngine(rule.id, "native");
    const before = (await journal.syncProgress(rule.id))?.finishedAt ?? null;
    await journal.saveSyncProgress(rule.id, { startedAt, after: null, finishedAt: before });
    const directions: Direction[] = [];
    for (const leg of this.#run.rules.filter(({ id }) => id === rule.id)) {
      const failed = (trouble: unknown): Direction => ({ summary: NOTHING_SEEN, healed: NOT_HEALED, trouble });
      directions.push(await this.#direction(leg, signal).catch(failed));
    }
    const troubled = directions.find(({ trouble }) => trouble !== undefined);
    if (troubled !== undefined) throw troubled.trouble;
    await journal.saveSyncProgress(rule.id, { startedAt, after: null, finishedAt: systemClock.now() });
    return together(directions);
  }

  async #direction(rule: Rule, signal: AbortSignal): Promise<Direction> {
    const { state, stores } = this.#run;
    const { storeOf } = stores;
    const [applied, job] = await Promise.all([this.#facts.applied(rule), this.#facts.latestJob(rule)]);
    const isRepaired = job !== undefined && isUnderWay(job);
    this.#known.set(directionOf(rule), { applied, isRepaired });
    this.#tellNotApplied(rule, applied);
    // Of a mesh every direction is compared by itself: S3's rules stand at each source.
    const { destinations, trouble } = await comparable({ rule: { ...rule, mesh: undefined }, rules: this.#all, storeOf, signal });
    if (destinations.length === 0) return { summary: NOTHING_SEEN, healed: NOT_HEALED, trouble };
    const { summary, candidates } = await watchDirection({
      rule: { ...rule, destinations },
      ledger: state.ledger,
      journal: state.journal,
      storeOf,
      clock: systemClock,
      factsOf: (destination) => this.#factsOf(rule, destination),
      signal,
    });
    if (job !== undefined && !isRepaired) await this.#readReport(rule, job);
    const healed = isRepaired || candidates.length === 0 ? NOT_HEALED : await this.#heal(rule, candidates, signal);
    return { summary, healed, trouble };
  }

  async #heal(rule: Rule, candidates: readonly Candidate[], signal: AbortSignal): Promise<Healed> {
    const { state, stores, logger } = this.#run;
    const at = { rule: rule.id, source: rule.source.name };
    try {
      const healed = await heal(candidates, {
        rule,
        ledger: state.ledger,
        transfer: stores.transfer,
        clock: systemClock,
        isLeaf: ({ bucket }) => !this.#all.isInterior(bucket.id),
        jobs: this.#facts.jobs(rule),
        signal,
      });
      if (healed.copied > 0 || healed.job !== null) logger.info("what S3 gave up is replicated again", { ...at, ...healed });
      return healed;
    } catch (error) {
      const { code, message, hint } = toReplicationError(error);
      logger.error("what S3 gave up cannot be replicated again", { ...at, code, error: message, hint });
      return NOT_HEALED;
    }
  }

  /** Once for each process and direction: what it says is written down. */
  async #readReport(rule: Rule, job: BatchJob): Promise<void> {
    const report = `${directionOf(rule)} ${job.id}`;
    if (this.#readReports.has(report)) return;
    const { state, logger } = this.#run;
    const { id, status, total, succeeded, failed, failureReasons } = job;
    try {
      const told = await readReport(job, { rule, ledger: state.ledger, clock: systemClock, jobs: this.#facts.jobs(rule) });
      this.#readReports.add(report);
      logger.info("a batch job has ended", { rule: rule.id, job: id, status, total, succeeded, failed, told, failureReasons });
    } catch (error) {
      this.#facts.note("the report of a batch job cannot be read", rule, error);
    }
  }

  #tellNotApplied(rule: Rule, applied: Applied | undefined): void {
    const missing: NotApplied[] = [];
    for (const destination of applied === undefined || !rule.enabled ? [] : rule.destinations) {
      const state = applied?.stateOf(destination);
      if (state !== "Disabled" && state !== "Missing") continue;
      missing.push({ rule: rule.id, source: rule.source.name, destination: destination.id, state });
    }
    this.#notApplied.set(directionOf(rule), missing);
    for (const pair of missing)
      this.#run.logger.warn("S3 does not replicate this: its rule is not applied", { ...pair, hint: "replicast apply" });
  }

  #factsOf(rule: Rule, destination: Destination) {
    const known = this.#known.get(directionOf(rule)) ?? NOTHING_KNOWN;
    return pairFacts({ rule, destination }, { ...known, rules: this.#all });
  }
}

function together(directions: readonly Direction[]): RuleWatched {
  const sum = (of: (direction: Direction) => number) => directions.reduce((total, direction) => total + of(direction), 0);
  return {
    compared: sum(({ summary }) => summary.compared),
    adopted: sum(({ summary }) => summary.adopted),
    pending: sum(({ summary }) => summary.pending),
    failed: sum(({ summary }) => summary.failed),
    healed: sum(({ healed }) => healed.copied),
  };
}

function directionOf({ id, source }: Rule): string {
  return `${id} ${source.id}`;
}
