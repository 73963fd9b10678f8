import { randomUUID } from "node:crypto";
import type { ResolvedConfig } from "../config/resolved-config.ts";
import { type BackfillSummary, backfillRule } from "../data-plane/backfill.ts";
import { CarefulWays } from "../data-plane/careful-ways.ts";
import { OwnWrites } from "../data-plane/interior/own-writes.ts";
import { RuleIndex } from "../data-plane/rule-index.ts";
import { Worker } from "../data-plane/worker.ts";
import { type ErrorCode, ReplicationError } from "../domain/error.ts";
import type { RetryPolicy } from "../domain/retry.ts";
import type { Rule } from "../domain/rule.ts";
import type { Clock } from "../ports/clock.ts";
import type { LogFields, Logger } from "../ports/logger.ts";
import type { ComparisonMeter } from "../ports/meter.ts";
import type { Outcome, State, TaskStore } from "../ports/state.ts";
import type { Stores } from "./stores.ts";
import { systemClock } from "./system-clock.ts";

export interface CarefulSync {
  /** Those to be brought in line; of a mesh its first direction. */
  readonly rules: readonly Rule[];
  readonly config: Pick<ResolvedConfig, "rules" | "deleteGate">;
  readonly state: State;
  readonly stores: Pick<Stores, "storeOf" | "transfer">;
  readonly retry: RetryPolicy;
  readonly concurrency: number;
  readonly onOutcome: (outcome: Outcome) => void;
  /** Told what the comparison of each rule found. */
  readonly onCompared?: ((rule: Rule, summary: BackfillSummary) => void) | undefined;
  /** What interior buckets hold is learned anew. */
  readonly relearn?: boolean | undefined;
  /** See {@link CarefulWays}. */
  readonly isCompared?: (() => Promise<boolean>) | undefined;
  /** Whether deletes may be made. */
  readonly isTrusted: () => Promise<boolean>;
  /** @defaultValue those of this machine */
  readonly machine?: Machine | undefined;
  readonly signal: AbortSignal;
}

/** What differs each time. */
export interface Machine {
  readonly clock: Clock;
  /** Between 0 and 1. */
  readonly random: () => number;
  /** A new id, unique over all processes and times. */
  readonly newId: () => string;
}

export const THIS_MACHINE: Machine = { clock: systemClock, random: Math.random, newId: randomUUID };

const IDLE_CHECK_MS = 20;
/** Longer than any pause that this sync makes by itself. */
const SOON_MS = 30_000;
const MAX_BACKLOG = 5_000;
/** For what is in flight when a person breaks off. */
const DRAIN_MS = 30_000;

/**
 * Brings rules in line whose objects may meet another writer's, by the daemon's own way: what a comparison finds becomes tasks, and each is
 * decided on what both sides descend from. Returns when none of their tasks waits any more; also where a bucket could not be compared, which keeps
 * nothing from the others (invariant 7).
 *
 * @throws what kept the first rule from being compared as a whole, once everything else is done
 */
export async function syncCarefully(sync: CarefulSync): Promise<void> {
  const { config, state, stores, signal, retry, concurrency, machine = THIS_MACHINE } = sync;
  const { storeOf, transfer } = stores;
  const chosen = new Set(sync.rules.map(({ id }) => id));
  // Who names a rule that is disabled wants it done once.
  const rules = new RuleIndex(config.rules.map((rule) => (chosen.has(rule.id) ? { ...rule, enabled: true } : rule)));
  const { clock, random, newId } = machine;
  const { deleteGate } = config;
  const careful = new CarefulWays({
    transfer,
    storeOf,
    state,
    rules,
    clock,
    ownWrites: new OwnWrites(clock),
    deleteGate,
    isTrusted: sync.isTrusted,
    isCompared: sync.isCompared,
    newId,
  });
  const { tasks } = state;
  const { onOutcome } = sync;
  const trouble = new StateTrouble();
  const worker = new Worker({ tasks, transfer, rules, clock, logger: trouble, meter, retry, concurrency, careful, random, onOutcome });
  worker.setPaused(config.rules.map(({ id }) => id).filter((id) => !chosen.has(id)));
  const waiting = async () => {
    const pending = await tasks.pending();
    return pending.reduce((sum, { route, operations }) => sum + (chosen.has(route.rule) ? operations : 0), 0);
  };
  const room = async () => {
    while (!signal.aborted && (await waiting()) > MAX_BACKLOG) await clock.sleep(IDLE_CHECK_MS, signal);
  };
  worker.start();
  try {
    const troubles: unknown[] = [];
    const how = { rules, state, storeOf, clock, meter, room, relearn: sync.relearn, signal };
    for (const rule of sync.rules) {
      const compared = backfillRule({ ...how, rule }).then((summary) => sync.onCompared?.(rule, summary));
      await compared.catch((error: unknown) => troubles.push(error));
    }
    while (!signal.aborted && (!worker.isIdle || ((await waiting()) > 0 && (await isDueSoon(tasks, clock))))) {
      trouble.check();
      await clock.sleep(IDLE_CHECK_MS, signal);
    }
    if (troubles.length > 0) throw troubles[0];
  } finally {
    await worker.drain(DRAIN_MS);
  }
}

/** What an earlier run put off for long is not waited for: a person waits for this one. */
async function isDueSoon(tasks: TaskStore, clock: Clock): Promise<boolean> {
  const next = await tasks.nextDueAt();
  return next === undefined || next < clock.now() + SOON_MS;
}

/** What went wrong with objects is told by the outcomes; a state that cannot be used ends the sync, for a person waits for it. */
class StateTrouble implements Logger {
  #found: ReplicationError | undefined;

  debug(): void {}
  info(): void {}
  warn(): void {}

  error(_: string, fields: LogFields = {}): void {
    const { code, error, hint } = fields;
    if (typeof code !== "string" || !code.startsWith("Ledger")) return;
    this.#found = new ReplicationError(code as ErrorCode, String(error), { hint: typeof hint === "string" ? hint : undefined });
  }

  check(): void {
    if (this.#found !== undefined) throw this.#found;
  }
}

const meter: ComparisonMeter = { request() {}, completed() {}, failed() {}, storeUp() {}, verified() {}, drift() {} };
