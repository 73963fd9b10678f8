import { toReplicationError } from "../domain/error.ts";
import type { Rule } from "../domain/rule.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { Journal } from "../ports/state.ts";
import { Alarm } from "./alarm.ts";

/** A rule and how often its buckets are compared. */
export interface ScheduledRule {
  readonly rule: Rule;
  /** Null: only at start and after an outage. */
  readonly everyMs: number | null;
  /** Aliases of the stores that its events come from. */
  readonly stores: readonly string[];
  /** Events that wait for us while we are away (a queue): then a start is no reason to compare. */
  readonly eventsAreQueued: boolean;
}

export interface SyncScheduleOptions {
  readonly rules: readonly ScheduledRule[];
  /** Resolves with what there is to tell of it. */
  readonly sync: (rule: Rule, signal: AbortSignal) => Promise<object>;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Refused events come in bursts: one sync for a burst. */
const OUTAGE_SETTLES_MS = 2_000;
const RETRY_INITIAL_MS = 1_000;
const RETRY_MAX_MS = 5 * 60_000;

/**
 * Runs the syncs that find what events did not tell: at start for stores whose events are lost while nobody listens, after an outage of the
 * intake, and at the rule's period. One sync of a rule at a time.
 */
export class SyncSchedule {
  readonly #options: SyncScheduleOptions;
  readonly #abort = new AbortController();
  readonly #loops: RuleLoop[];
  readonly #outages = new Map<string, Alarm>();

  constructor(options: SyncScheduleOptions) {
    this.#options = options;
    this.#loops = options.rules.filter(({ rule }) => rule.enabled).map((scheduled) => new RuleLoop(scheduled, options, this.#abort.signal));
  }

  /** Begins. The first sync of each rule starts at once where it is due. */
  async start(): Promise<void> {
    const marked = new Set(await this.#options.journal.outages());
    for (const loop of this.#loops) void loop.run(loop.stores.some((store) => marked.has(store)));
  }

  /** Resolves when the first sync of every rule has ended; rejects where one cannot be made. */
  async firstSyncs(): Promise<void> {
    const ended = await Promise.allSettled(this.#loops.map((loop) => loop.first));
    const failed = ended.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  /** Some events of this store were not taken in: its rules are synced once the trouble has settled, also if we stop before. */
  async noteOutage(store: string): Promise<void> {
    if (this.#outages.has(store)) return;
    const timer = new Alarm(this.#options.clock, () => {
      this.#outages.delete(store);
      for (const loop of this.#loops) if (loop.stores.includes(store)) loop.wake();
    });
    timer.set(OUTAGE_SETTLES_MS);
    this.#outages.set(store, timer);
    await this.#options.journal.markOutage(store);
  }

  /** Breaks off running syncs: what they found so far is durable, and the next start compares again. */
  async stop(): Promise<void> {
    this.#abort.abort();
    for (const timer of this.#outages.values()) timer.clear();
    await Promise.all(this.#loops.map((loop) => loop.ended));
  }
}

class RuleLoop {
  readonly rule: Rule;
  readonly #scheduled: ScheduledRule;
  readonly #options: SyncScheduleOptions;
  readonly #signal: AbortSignal;
  readonly #first = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  #wake = new AbortController();
  #woken = false;
  #running = false;

  constructor(scheduled: ScheduledRule, options: SyncScheduleOptions, signal: AbortSignal) {
    this.rule = scheduled.rule;
    this.#scheduled = scheduled;
    this.#options = options;
    this.#signal = signal;
    this.#first.promise.catch(() => undefined); // told to whoever waits for it, and logged in any case
  }

  get stores(): readonly string[] {
    return this.#scheduled.stores;
  }

  get first(): Promise<void> {
    return this.#first.promise;
  }

  /** Resolves when the loop has ended after a stop, at once where it never ran. */
  get ended(): Promise<void> {
    return this.#running ? this.#ended.promise : Promise.resolve();
  }

  /** Syncs now, or once more after the sync that is running. */
  wake(): void {
    this.#woken = true;
    this.#wake.abort();
  }

  async run(outage: boolean): Promise<void> {
    this.#running = true;
    let delayMs = outage ? 0 : await this.#firstDelay().catch(() => 0); // a state that cannot be read now is tried by the sync, and told of
    if (delayMs > 0) this.#first.resolve();
    for (let failures = 0; !this.#signal.aborted; ) {
      await this.#sleep(delayMs);
      if (this.#signal.aborted) break;
      failures = (await this.#sync()) ? 0 : failures + 1;
      if (failures > 0) delayMs = Math.min(RETRY_MAX_MS, RETRY_INITIAL_MS * 2 ** failures);
      else delayMs = this.#scheduled.everyMs ?? Number.POSITIVE_INFINITY;
    }
    this.#ended.resolve();
  }

  async #firstDelay(): Promise<number> {
    if (!this.#scheduled.eventsAreQueued) return 0;
    const progress = await this.#options.journal.syncProgress(this.rule.id);
    const last = progress?.finishedAt ?? null;
    if (progress === undefined || last === null || progress.startedAt > last) return 0;
    return Math.max(0, last + (this.#scheduled.everyMs ?? Number.POSITIVE_INFINITY) - this.#options.clock.now());
  }

  async #sleep(ms: number): Promise<void> {
    this.#wake = new AbortController();
    if (this.#woken) this.#wake.abort();
    // A timer knows at most 24.8 days; waking early for nothing once in that time is cheap.
    if (ms > 0) await this.#options.clock.sleep(Math.min(ms, 2 ** 31 - 1), AbortSignal.any([this.#signal, this.#wake.signal]));
    this.#woken = false;
  }

  async #sync(): Promise<boolean> {
    const { logger, journal } = this.#options;
    const rule = this.rule.id;
    try {
      const summary = await this.#options.sync(this.rule, this.#signal);
      for (const store of this.stores) await journal.clearOutage(store);
      logger.info("compared by listing", { rule, ...summary });
      this.#first.resolve();
      return true;
    } catch (error) {
      if (this.#signal.aborted) return true;
      const { code, message, hint } = toReplicationError(error);
      logger.error("the buckets of a rule cannot be compared", { rule, code, error: message, hint });
      this.#first.reject(error);
      return false;
    }
  }
}
