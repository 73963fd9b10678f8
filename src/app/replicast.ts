import { randomUUID } from "node:crypto";
import { parseMessage } from "../adapters/event-source/s3-notification.ts";
import { type Environment, type ResolvedConfig, settingsOf } from "../config/resolved-config.ts";
import { createHandler, type Handler } from "../control-plane/handler.ts";
import type { OutcomeFeed } from "../control-plane/outcome-stream.ts";
import { AttributeSchedule, attributePass } from "../data-plane/attribute-pass.ts";
import { backfillRule } from "../data-plane/backfill.ts";
import { CarefulWays } from "../data-plane/careful-ways.ts";
import { EventIntake } from "../data-plane/event-intake.ts";
import { OwnWrites } from "../data-plane/interior/own-writes.ts";
import { sweepLeftUploads } from "../data-plane/left-uploads.ts";
import { OverwriteWatch } from "../data-plane/overwrite-watch.ts";
import { RuleIndex } from "../data-plane/rule-index.ts";
import { type ScheduledRule, SyncSchedule } from "../data-plane/sync-schedule.ts";
import { Worker } from "../data-plane/worker.ts";
import { isFirstDirection, type Rule } from "../domain/rule.ts";
import { aborted } from "../lib/aborted.ts";
import type { EventSource } from "../ports/event-source.ts";
import type { Logger } from "../ports/logger.ts";
import type { Route, State } from "../ports/state.ts";
import { type SplitRules, settleEngines } from "./engines.ts";
import { openEventSources } from "./event-sources.ts";
import { rememberIn } from "./fingerprints.ts";
import type { NativeSide, NativeSideRun } from "./native/side.ts";
import type { NotApplied } from "./native/watch.ts";
import { Sentinel } from "./sentinel.ts";
import { openState } from "./state.ts";
import { openStores, type Stores } from "./stores.ts";
import { systemClock } from "./system-clock.ts";
import { openTelemetry, type Telemetry } from "./telemetry.ts";

export interface ReplicastOptions {
  readonly config: ResolvedConfig;
  readonly env: Environment;
  readonly version: string;
  readonly logger: Logger;
}

/** A backlog beyond this holds syncs back: what they find stays where it is, in the listings. */
const MAX_BACKLOG = 5_000;
const BACKLOG_CHECK_MS = 50;
const IDLE_CHECK_MS = 20;

/** Replication as a whole: state, stores, intake, worker and syncs of one config, wired and running. What is left to S3 gets no tasks: it is watched. */
export class Replicast {
  readonly handler: Handler;
  readonly #options: ReplicastOptions;
  readonly #state: State;
  readonly #stores: Stores;
  readonly #split: SplitRules;
  /** Undefined where S3 serves no rule. */
  readonly #native: NativeSide | undefined;
  readonly #rules: RuleIndex;
  readonly #sentinel: Sentinel;
  readonly #careful: CarefulWays;
  readonly #worker: Worker;
  readonly #intake: EventIntake;
  readonly #schedule: SyncSchedule;
  readonly #attributes: AttributeSchedule | undefined;
  readonly #sources: readonly EventSource[];
  readonly #telemetry: Telemetry;
  readonly #listeners = new Set<Parameters<OutcomeFeed>[0]>();
  readonly #closing = new AbortController();
  #greeting: Promise<void> = Promise.resolve();
  #accepting = true;

  private constructor(
    options: ReplicastOptions,
    parts: {
      state: State;
      stores: Stores;
      telemetry: Telemetry;
      sources: readonly EventSource[];
      split: SplitRules;
      native: NativeSide | undefined;
    },
  ) {
    const { config, logger } = options;
    const { state, stores, telemetry, split, native } = parts;
    const { copied } = split;
    const rules = new RuleIndex(split.copyRules);
    this.#split = split;
    const { meter } = telemetry;
    this.#options = options;
    this.#state = state;
    this.#stores = stores;
    this.#sources = parts.sources;
    this.#telemetry = telemetry;
    const { retry, limits, deleteGate } = config;
    const ownWrites = new OwnWrites(systemClock);
    const { storeOf, transfer } = stores;
    this.#native = native;
    this.#sentinel = new Sentinel({ config: copied, state, storeOf, logger, signal: this.#closing.signal });
    this.#rules = rules;
    this.#careful = new CarefulWays({
      transfer,
      storeOf,
      state,
      rules,
      clock: systemClock,
      ownWrites,
      deleteGate,
      isTrusted: this.#sentinel.isTrusted,
      newId: randomUUID,
    });
    this.#worker = new Worker({
      tasks: state.tasks,
      transfer,
      careful: this.#careful,
      rules,
      clock: systemClock,
      logger,
      meter,
      retry,
      concurrency: limits.concurrency,
      watch: new OverwriteWatch({ ledger: state.ledger, safeguards: state.safeguards, limits: deleteGate, clock: systemClock, logger }),
      onOutcome: ({ entry, task }) => {
        for (const listener of this.#listeners) listener({ entry, route: task.route });
      },
    });
    const { tasks, journal, holdings } = state;
    this.#intake = new EventIntake({
      tasks,
      journal,
      holdings,
      rules,
      storeOf,
      clock: systemClock,
      ownWrites,
      onNotices: native && ((store, notices) => native.watch.notices.accept(store, notices)),
    });
    this.#schedule = new SyncSchedule({
      rules: [
        ...split.copyRules.filter(isFirstDirection).map((rule) => scheduled(copied, rule)),
        ...split.nativeRules.filter(isFirstDirection).map((rule) => ({ ...scheduled(config, rule), eventsAreQueued: false })),
      ],
      sync: (rule, signal) =>
        native !== undefined && split.engineOf(rule.id) === "native" ? native.watch.sync(rule, signal) : this.#sync(rule, signal),
      journal: state.journal,
      clock: systemClock,
      logger,
    });
    this.#attributes = this.#attributeSchedule();
    this.handler = this.#createHandler();
  }

  /**
   * Opens state and stores and begins to work on what waits. Events are taken in from now on; call {@link startSyncs} once they can arrive.
   *
   * @throws `LedgerLocked` where another daemon has the state, `LedgerCorrupt`, `LedgerUnavailable`
   */
  static async open(options: ReplicastOptions): Promise<Replicast> {
    const { config, env, logger } = options;
    const state = await openState(config, "daemon");
    try {
      const telemetry = await openTelemetry(config, state);
      const onRequest = telemetry.meter.request.bind(telemetry.meter);
      const stores = await openStores({
        buckets: Object.values(config.buckets),
        limits: config.limits,
        env,
        onRequest,
        memoryOf: rememberIn(state.safeguards),
        uploads: state.uploads,
      });
      const sources = await openEventSources(options);
      const split = await settleEngines(config, state.journal, logger);
      const native = await openNative(split, { config, env, state, stores, logger });
      const replicast = new Replicast(options, { state, stores, telemetry, sources, split, native });
      replicast.#worker.setPaused(await state.safeguards.pausedRules());
      replicast.#greeting = replicast.#sentinel.greet();
      replicast.#worker.start();
      return replicast;
    } catch (error) {
      await state.close();
      throw error;
    }
  }

  /** Fetches events and compares buckets; what was missed while nobody listened is found now. */
  async startSyncs(): Promise<void> {
    await this.#schedule.start();
    this.#attributes?.start();
    for (const source of this.#sources) await source.start(this.#intake);
  }

  /**
   * Resolves when the first comparison of every rule is done and no task waits; `failed` rows are what a person has to look at. Where a rule
   * could not be compared what can be done is done first, then its trouble is thrown. `notApplied`: what S3 was to replicate and does not.
   */
  async untilIdle(signal: AbortSignal): Promise<{ readonly failed: number; readonly notApplied: readonly NotApplied[] }> {
    const compared = this.#schedule.firstSyncs().then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    const trouble = await Promise.race([compared, aborted(signal)]);
    while (!signal.aborted && !(await this.#isIdle(trouble !== undefined))) await systemClock.sleep(IDLE_CHECK_MS, signal);
    if (trouble !== undefined) throw trouble.error;
    const summaries = await this.#state.ledger.summaries(systemClock.now());
    const rules = new Set(this.#options.config.rules.map((rule) => rule.id));
    const failed = summaries.reduce((sum, { route, failed }) => sum + (rules.has(route.rule) ? failed : 0), 0);
    return { failed, notApplied: this.#native?.watch.notApplied ?? [] };
  }

  /** Beside a destination that is away only what can be done now is waited for: its own tasks may take hours. */
  async #isIdle(troubled: boolean): Promise<boolean> {
    return this.#worker.isIdle && (troubled || (await this.#backlog()) === 0);
  }

  /** Takes nothing more in, finishes what is under way within `graceMs`, writes everything down and lets go. */
  async drain(graceMs: number): Promise<void> {
    this.#accepting = false;
    this.#closing.abort();
    await Promise.all(this.#sources.map((source) => source.stop()));
    await Promise.all([this.#schedule.stop(), this.#attributes?.stop()]);
    await this.#worker.drain(graceMs);
    await this.#intake.flush();
    await this.#greeting;
    await this.#native?.close();
    await this.#stores.close();
    await this.#state.close();
  }

  #attributeSchedule(): AttributeSchedule | undefined {
    const { config, logger } = this.#options;
    const everyMs = config.schedule.attributesMs;
    if (everyMs === null) return undefined;
    const rules = this.#split.copyRules.filter((rule) => rule.enabled && isFirstDirection(rule));
    const state = this.#state;
    const { storeOf } = this.#stores;
    const pass = (rule: Rule, signal: AbortSignal) =>
      attributePass({ rule, destinations: rule.destinations, state, storeOf, clock: systemClock, signal });
    return new AttributeSchedule({ rules, everyMs, pass, journal: state.journal, clock: systemClock, logger });
  }

  async #sync(rule: Rule, signal: AbortSignal) {
    const { storeOf, transfer } = this.#stores;
    const room = () => this.#room(rule, signal);
    const onCounted = (route: Route, objects: number) => this.#careful.gates.counted(route, objects);
    const { meter } = this.#telemetry;
    const rules = this.#rules;
    const compared = await backfillRule({ rule, rules, state: this.#state, storeOf, clock: systemClock, meter, room, onCounted, signal });
    await sweepLeftUploads({ transfer, ledger: this.#state.ledger, rules: this.#options.config.rules });
    return compared;
  }

  /** Holds a rule's comparison back while all its destinations have enough to do; one that is away must not hold back the others. */
  async #room(rule: Rule, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && (await this.#shortestBacklog(rule)) > MAX_BACKLOG) await systemClock.sleep(BACKLOG_CHECK_MS, signal);
  }

  async #shortestBacklog(rule: Rule): Promise<number> {
    const pending = await this.#state.tasks.pending();
    const waiting = new Map(
      pending.filter(({ route }) => route.rule === rule.id).map(({ route, operations }) => [route.destination, operations]),
    );
    return Math.min(...rule.destinations.map(({ canonicalId }) => waiting.get(canonicalId) ?? 0));
  }

  async #backlog(): Promise<number> {
    const pending = await this.#state.tasks.pending();
    const disabled = new Set(this.#options.config.rules.filter((rule) => !rule.enabled).map((rule) => rule.id));
    return pending.reduce((sum, { route, operations }) => sum + (disabled.has(route.rule) ? 0 : operations), 0);
  }

  #createHandler(): Handler {
    const { metrics, isUp } = this.#telemetry;
    const { config, logger, version } = this.#options;
    return createHandler({
      name: config.name,
      rules: config.rules,
      engineOf: this.#split.engineOf,
      native: this.#native?.looks,
      state: this.#state,
      intake: this.#intake,
      parse: (body) => parseMessage(body),
      onRefused: (store) => {
        this.#schedule
          .noteOutage(store)
          .catch((error: unknown) => logger.error("an outage could not be noted", { store, error: String(error) }));
      },
      stores: () =>
        Object.values(config.stores).map(({ alias, endpoint, region, events }) => ({
          name: alias,
          endpoint: endpoint ?? null,
          region,
          events: events.type,
          up: isUp(alias),
        })),
      metrics,
      onPaused: (paused) => this.#worker.setPaused(paused),
      reopenGate: (route) => this.#careful.gates.reopen(route),
      events: (listener) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
      closing: this.#closing.signal,
      ready: () => this.#ready(),
      tokens: config.listen.tokens.map(({ token, scope }) => ({ token: token.reveal(), scope })),
      version,
      logger,
    });
  }

  async #ready(): Promise<{ ready: boolean; reason?: string }> {
    if (!this.#accepting) return { ready: false, reason: "draining" };
    try {
      await this.#state.tasks.nextDueAt();
      return { ready: true };
    } catch (error) {
      return { ready: false, reason: error instanceof Error ? error.message : String(error) };
    }
  }
}

async function openNative({ nativeRules }: SplitRules, run: Omit<NativeSideRun, "rules">): Promise<NativeSide | undefined> {
  if (nativeRules.length === 0) return undefined;
  const { openNativeSide } = await import("./native/side.ts");
  return openNativeSide({ ...run, rules: nativeRules });
}

/** When the buckets of a rule are compared: of a mesh as often as any of its members needs it. */
function scheduled(config: ResolvedConfig, rule: Rule): ScheduledRule {
  const legs = rule.mesh === undefined ? [rule] : config.rules.filter(({ id }) => id === rule.id);
  const settings = legs.map((leg) => settingsOf(config, leg));
  const periods = settings.map(({ events, syncMs }) => (events.type === "poll" ? events.everyMs : syncMs)).filter((ms) => ms !== null);
  return {
    rule,
    everyMs: periods.length === 0 ? null : Math.min(...periods),
    stores: [...new Set(legs.map(({ source }) => source.store))],
    eventsAreQueued: settings.every(({ events }) => events.type === "sqs"),
  };
}
