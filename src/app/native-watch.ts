import type { ResolvedConfig } from "../config/resolved-config.ts";
import type { NativeLook, NativeObjectFacts, NativePairFacts, NativeRuleFact } from "../control-plane/native.ts";
import { comparable } from "../data-plane/comparable.ts";
import { toRoute } from "../data-plane/diff.ts";
import { type Applied, appliedOf } from "../data-plane/native-applied.ts";
import { type Healed, heal, readReport } from "../data-plane/native-heal.ts";
import { lookAt, type PairFacts, rowOfSight } from "../data-plane/native-look.ts";
import { NativeNotices } from "../data-plane/native-notices.ts";
import { type WatchSummary, watchDirection } from "../data-plane/native-watch.ts";
import { RuleIndex } from "../data-plane/rule-index.ts";
import { toReplicationError } from "../domain/error.ts";
import type { Destination, Rule } from "../domain/rule.ts";
import type { BatchJob } from "../ports/batch-replication.ts";
import type { Logger } from "../ports/logger.ts";
import type { State } from "../ports/state.ts";
import { isUnderWay } from "../provisioning/batch-job.ts";
import { ruleIdOf } from "../provisioning/names.ts";
import { NativeJobs } from "./native-jobs.ts";
import type { NativeServices } from "./native-services.ts";
import type { Stores } from "./stores.ts";
import { systemClock } from "./system-clock.ts";

export interface NativeWatchRun {
  readonly config: ResolvedConfig;
  /** Every direction that S3 serves. */
  readonly rules: readonly Rule[];
  readonly state: State;
  readonly stores: Pick<Stores, "storeOf" | "transfer">;
  readonly services: NativeServices;
  readonly logger: Pick<Logger, "debug" | "info" | "warn" | "error">;
}

/** A pair that S3 does not replicate although the config says so. */
export interface NotApplied {
  readonly rule: string;
  readonly source: string;
  readonly destination: string;
  readonly state: "Disabled" | "Missing";
}

const NOTHING_KNOWN: Omit<PairFacts, "isInterior"> = { isSole: false, isApplied: undefined, isRepaired: false };
/** What CloudWatch and S3 Control are asked for costs money and changes by the minute. */
const FRESH_MS = 60_000;

/** Watches what S3 replicates by itself: whether its rules stand, what became of every object, and what it gave up, which is healed once. */
export class NativeWatch implements NativeLook {
  readonly notices: NativeNotices;
  readonly #run: NativeWatchRun;
  readonly #all: RuleIndex;
  readonly #known = new Map<string, Omit<PairFacts, "isInterior" | "isApplied"> & { readonly applied: Applied | undefined }>();
  readonly #notApplied = new Map<string, readonly NotApplied[]>();
  readonly #readReports = new Set<string>();
  readonly #fresh = new Map<string, { readonly until: number; readonly value: Promise<unknown> }>();

  constructor(run: NativeWatchRun) {
    const { state, stores, rules } = run;
    this.#run = run;
    this.#all = new RuleIndex(run.config.rules);
    this.notices = new NativeNotices({
      rules: new RuleIndex(rules),
      ruleIdOf: this.#ruleIdOf,
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

  /** Compares all directions of a rule, writes down what became of every object, and has healed what S3 gave up. */
  async sync(rule: Rule, signal: AbortSignal): Promise<WatchSummary & { readonly healed: number }> {
    const { journal } = this.#run.state;
    const startedAt = systemClock.now();
    // That it was compared must not be taken for copy's beginning, should the config say less one day.
    if ((await journal.engine(rule.id)) === undefined) await journal.saveEngine(rule.id, "native");
    const before = (await journal.syncProgress(rule.id))?.finishedAt ?? null;
    await journal.saveSyncProgress(rule.id, { startedAt, after: null, finishedAt: before });
    const sum = { compared: 0, adopted: 0, pending: 0, failed: 0, healed: 0 };
    const troubles: unknown[] = [];
    for (const leg of this.#run.rules.filter(({ id }) => id === rule.id)) {
      // A bucket that does not answer keeps nothing from the others (invariant 7).
      const direction = await this.#direction(leg, signal).catch((trouble: unknown) => ({
        summary: NOTHING_SEEN,
        healed: NOT_HEALED,
        trouble,
      }));
      const { summary, healed, trouble } = direction;
      if (trouble !== undefined) troubles.push(trouble);
      sum.compared += summary.compared;
      sum.adopted += summary.adopted;
      sum.pending += summary.pending;
      sum.failed += summary.failed;
      sum.healed += healed.copied;
    }
    if (troubles.length > 0) throw troubles[0];
    await journal.saveSyncProgress(rule.id, { startedAt, after: null, finishedAt: systemClock.now() });
    return sum;
  }

  pair(rule: Rule, destination: Destination): Promise<NativePairFacts> {
    return this.#freshly(`pair ${rule.id} ${rule.source.id} ${destination.canonicalId}`, async () => ({
      rule: ruleFact(this.#ruleIdOf(rule, destination), await this.#applied(rule), destination),
      metrics: await this.#metrics(rule, destination),
    }));
  }

  job(rule: Rule): Promise<BatchJob | undefined> {
    return this.#freshly(`job ${rule.id} ${rule.source.id}`, () => this.#latestJob(rule));
  }

  async object(rule: Rule, destination: Destination, key: string): Promise<NativeObjectFacts | undefined> {
    const { state, stores } = this.#run;
    const route = toRoute(rule, destination);
    const [applied, previous] = await Promise.all([this.#applied(rule), state.ledger.get(route, key)]);
    const facts = { ...NOTHING_KNOWN, ...this.#pairFacts(rule, destination, applied) };
    const now = systemClock.now();
    const aim = { rule, destination };
    try {
      const sight = await lookAt({ aim, key, facts, storeOf: stores.storeOf, now, previous });
      return {
        rule: ruleFact(this.#ruleIdOf(rule, destination), applied, destination),
        replicationStatus: (sight.kind === "seen" && sight.source.replicationStatus) || null,
        replicaStatus: (sight.kind !== "excluded" && sight.replica?.replicationStatus) || null,
        entry: rowOfSight(sight, { route, key, previous, now }, { aim }) ?? previous,
      };
    } catch (error) {
      this.#note("a bucket cannot be asked for an object", rule, error);
      return undefined;
    }
  }

  async #direction(rule: Rule, signal: AbortSignal): Promise<Direction> {
    const { state, stores } = this.#run;
    const [applied, job] = await Promise.all([this.#applied(rule), this.#latestJob(rule)]);
    const isRepaired = job !== undefined && isUnderWay(job);
    this.#known.set(directionOf(rule), { isSole: applied?.isSole ?? false, isRepaired, applied });
    this.#tellNotApplied(rule, applied);
    // Of a mesh every direction is compared by itself: S3's rules stand at each source.
    const { destinations, trouble } = await comparable({
      rule: { ...rule, mesh: undefined },
      rules: this.#all,
      storeOf: stores.storeOf,
      signal,
    });
    if (destinations.length === 0) return { summary: NOTHING_SEEN, healed: NOT_HEALED, trouble };
    const { summary, candidates } = await watchDirection({
      rule: { ...rule, destinations },
      ledger: state.ledger,
      journal: state.journal,
      storeOf: stores.storeOf,
      clock: systemClock,
      factsOf: (destination) => this.#factsOf(rule, destination),
      signal,
    });
    if (job !== undefined && !isRepaired) await this.#readReport(rule, job);
    const healed = isRepaired || candidates.length === 0 ? NOT_HEALED : await this.#heal(rule, candidates, signal);
    return { summary, healed, trouble };
  }

  async #heal(rule: Rule, candidates: Parameters<typeof heal>[0], signal: AbortSignal): Promise<Healed> {
    const { state, stores, logger } = this.#run;
    try {
      const healed = await heal(candidates, {
        rule,
        ledger: state.ledger,
        transfer: stores.transfer,
        clock: systemClock,
        isLeaf: ({ bucket }) => !this.#all.isInterior(bucket.id),
        jobs: this.#jobs(rule),
        signal,
      });
      logger.info("what S3 gave up was replicated again", { rule: rule.id, source: rule.source.name, ...healed });
      return healed;
    } catch (error) {
      const { code, message, hint } = toReplicationError(error);
      logger.error("what S3 gave up cannot be replicated again", { rule: rule.id, source: rule.source.name, code, error: message, hint });
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
      const told = await readReport(job, { rule, ledger: state.ledger, clock: systemClock, jobs: this.#jobs(rule) });
      this.#readReports.add(report);
      logger.info("a batch job has ended", { rule: rule.id, job: id, status, total, succeeded, failed, told, failureReasons });
    } catch (error) {
      this.#note("the report of a batch job cannot be read", rule, error);
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

  #factsOf(rule: Rule, destination: Destination): PairFacts {
    const known = this.#known.get(directionOf(rule));
    const facts = this.#pairFacts(rule, destination, known?.applied);
    return { ...facts, isRepaired: known?.isRepaired ?? false };
  }

  #pairFacts(rule: Rule, destination: Destination, applied: Applied | undefined): PairFacts {
    const isInterior = this.#all.isInterior(destination.bucket.id);
    if (applied === undefined) return { ...NOTHING_KNOWN, isInterior };
    const isApplied = applied.stateOf(destination) === "Enabled" || !rule.enabled;
    return { isSole: applied.isSole, isInterior, isApplied, isRepaired: false };
  }

  /** Undefined where nobody may look. */
  async #applied(rule: Rule): Promise<Applied | undefined> {
    try {
      const configuration = await this.#run.services.configurationOf(rule.source);
      return appliedOf(rule, await configuration.replication(), this.#ruleIdOf);
    } catch (error) {
      this.#note("it cannot be seen whether S3's rules are applied", rule, error);
      return undefined;
    }
  }

  async #latestJob(rule: Rule): Promise<BatchJob | undefined> {
    try {
      return await this.#jobs(rule).latest();
    } catch (error) {
      this.#note("batch jobs cannot be listed", rule, error);
      return undefined;
    }
  }

  async #metrics(rule: Rule, destination: Destination): Promise<NativePairFacts["metrics"]> {
    if (destination.replicationTime !== true) return null;
    const ruleId = this.#ruleIdOf(rule, destination);
    try {
      const metrics = await this.#run.services.metricsOf(rule, destination);
      return await metrics.latest({ sourceBucket: rule.source.bucket, destinationBucket: destination.bucket.bucket, ruleId });
    } catch (error) {
      this.#note("metrics cannot be read", rule, error);
      return null;
    }
  }

  #jobs(rule: Rule): NativeJobs {
    return new NativeJobs(this.#run.config, this.#run.services, rule);
  }

  readonly #ruleIdOf = (rule: Rule, destination: Destination): string => ruleIdOf(this.#run.config.name, rule.id, destination.id);

  /** What cannot be known now is left out; the next look may find it. */
  #note(message: string, rule: Rule, error: unknown): void {
    const { code, message: why, hint } = toReplicationError(error);
    this.#run.logger.debug(message, { rule: rule.id, source: rule.source.name, code, error: why, hint });
  }

  #freshly<T>(name: string, ask: () => Promise<T>): Promise<T> {
    const now = systemClock.now();
    const known = this.#fresh.get(name);
    if (known !== undefined && known.until > now) return known.value as Promise<T>;
    const value = ask();
    this.#fresh.set(name, { until: now + FRESH_MS, value });
    return value;
  }
}

interface Direction {
  readonly summary: WatchSummary;
  readonly healed: Healed;
  /** Why some of it could not be compared. */
  readonly trouble: unknown;
}

const NOTHING_SEEN: WatchSummary = { compared: 0, adopted: 0, pending: 0, failed: 0 };
const NOT_HEALED: Healed = { copied: 0, job: null };

function ruleFact(id: string, applied: Applied | undefined, destination: Destination): NativeRuleFact {
  return { id, status: applied?.stateOf(destination) ?? null };
}

function directionOf({ id, source }: Rule): string {
  return `${id} ${source.id}`;
}
