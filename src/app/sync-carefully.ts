import { randomUUID } from "node:crypto";
import type { ResolvedConfig } from "../config/resolved-config.ts";
import { type BackfillSummary, backfillRule } from "../data-plane/backfill.ts";
import { CarefulWays } from "../data-plane/careful-ways.ts";
import { OwnWrites } from "../data-plane/own-writes.ts";
import { RuleIndex } from "../data-plane/rule-index.ts";
import { Worker } from "../data-plane/worker.ts";
import { type ErrorCode, ReplicationError } from "../domain/error.ts";
import type { RetryPolicy } from "../domain/retry.ts";
import type { Rule } from "../domain/rule.ts";
import type { LogFields, Logger } from "../ports/logger.ts";
import type { Meter } from "../ports/meter.ts";
import type { Outcome, State, TaskStore } from "../ports/state.ts";
import type { Stores } from "./stores.ts";
import { systemClock } from "./system-clock.ts";

export interface CarefulSync {
  /** Those to be brought in line; of a mesh its first direction. */
  readonly rules: readonly Rule[];
  readonly config: ResolvedConfig;
  readonly state: State;
  readonly stores: Stores;
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
  readonly signal: AbortSignal;
}

const IDLE_CHECK_MS = 20;
/** Longer than any pause that this sync makes by itself. */
const SOON_MS = 30_000;
const MAX_BACKLOG = 5_000;
/** For what is in flight when a person breaks off. */
const DRAIN_MS = 30_000;

/**
 * Brings rules in line whose objects may meet another writer's, by the daemon's own way: what a comparison finds becomes tasks, and each is
 * decided on what both sides descend from. Returns when none of their tasks waits any more.
 */
export async function syncCarefully(sync: CarefulSync): Promise<void> {
  const { config, state, stores, signal, retry, concurrency } = sync;
  const { storeOf, transfer } = stores;
  const chosen = new Set(sync.rules.map(({ id }) => id));
  // Who names a rule that is disabled wants it done once.
  const rules = new RuleIndex(config.rules.map((rule) => (chosen.has(rule.id) ? { ...rule, enabled: true } : rule)));
  const clock = systemClock;
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
    newId: randomUUID,
  });
  const { tasks } = state;
  const { onOutcome } = sync;
  const trouble = new StateTrouble();
  const worker = new Worker({ tasks, transfer, rules, clock, logger: trouble, meter, retry, concurrency, careful, onOutcome });
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
    for (const rule of sync.rules) {
      const summary = await backfillRule({ rule, rules, state, storeOf, clock, meter, room, relearn: sync.relearn, signal });
      sync.onCompared?.(rule, summary);
    }
    while (!signal.aborted && (!worker.isIdle || ((await waiting()) > 0 && (await isDueSoon(tasks))))) {
      trouble.check();
      await clock.sleep(IDLE_CHECK_MS, signal);
    }
  } finally {
    await worker.drain(DRAIN_MS);
  }
}

/** What an earlier run put off for long is not waited for: a person waits for this one. */
async function isDueSoon(tasks: TaskStore): Promise<boolean> {
  const next = await tasks.nextDueAt();
  return next === undefined || next < systemClock.now() + SOON_MS;
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

const meter: Meter = { request: () => {}, completed: () => {}, failed: () => {}, storeUp: () => {}, verified: () => {} };
