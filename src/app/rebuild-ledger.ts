import { identity, interiorBuckets } from "../config/interior.ts";
import type { Environment, ResolvedConfig } from "../config/resolved-config.ts";
import type { BackfillSummary } from "../data-plane/backfill.ts";
import type { Bucket } from "../domain/bucket.ts";
import { isFirstDirection, type Rule } from "../domain/rule.ts";
import type { Logger } from "../ports/logger.ts";
import type { Outcome, State } from "../ports/state.ts";
import { settleEngines } from "./engines.ts";
import { Sentinel } from "./sentinel.ts";
import { openState } from "./state.ts";
import { openStores, type Stores } from "./stores.ts";
import { type Machine, syncCarefully, THIS_MACHINE } from "./sync-carefully.ts";

export interface LedgerRebuild {
  readonly config: ResolvedConfig;
  readonly env: Environment;
  readonly logger: Pick<Logger, "warn" | "error">;
  readonly onOutcome: (outcome: Outcome) => void;
  readonly signal: AbortSignal;
}

/** What became of the objects of one rule. */
export interface RebuiltRule {
  readonly rule: string;
  readonly compared: number;
  /** Found equal without a row, and written down as replicated. */
  readonly adopted: number;
  readonly copied: number;
  /** What a person has to decide. */
  readonly held: number;
  readonly failed: number;
}

export interface RebuildReport {
  /** Is false where it was interrupted: deletes stay off. */
  readonly finished: boolean;
  readonly rules: readonly RebuiltRule[];
}

/** Which engine serves a rule is told by `status`. */
const SILENT = { info: () => {}, warn: () => {} };

type Counts = { compared: number; adopted: number; copied: number; held: number; failed: number };

/** As {@link rebuildState}. @throws `LedgerLocked` where a daemon works on the state */
export async function rebuildLedger(rebuild: LedgerRebuild): Promise<RebuildReport> {
  const { env, logger, signal } = rebuild;
  const state = await openState(rebuild.config, "daemon");
  const { buckets, limits } = rebuild.config;
  const stores = await openStores({ buckets: Object.values(buckets), limits, env });
  try {
    const { copied: config } = await settleEngines(rebuild.config, state.journal, SILENT);
    const sentinel = new Sentinel({ config, state, storeOf: stores.storeOf, logger });
    return await rebuildState({
      config,
      buckets: Object.values(config.buckets).map(({ bucket }) => bucket),
      state,
      stores,
      machine: THIS_MACHINE,
      renew: () => sentinel.renew(),
      onOutcome: rebuild.onOutcome,
      signal,
    });
  } finally {
    await stores.close();
    await state.close();
  }
}

export interface StateRebuild {
  readonly config: Pick<ResolvedConfig, "rules" | "deleteGate" | "retry" | "limits">;
  readonly buckets: readonly Bucket[];
  readonly state: State;
  readonly stores: Pick<Stores, "storeOf" | "transfer">;
  readonly machine: Machine;
  /** Makes the state the one that its buckets know. */
  readonly renew: () => Promise<unknown>;
  readonly onOutcome: (outcome: Outcome) => void;
  readonly signal: AbortSignal;
}

/**
 * Puts a ledger that was lost, or is older than its buckets, together again from listings and stamps: equal sides are adopted, what one side
 * lacks is copied, what nobody can tell is held. Nothing is deleted by it; deletes are let pass again once every rule has been compared.
 */
export async function rebuildState(rebuild: StateRebuild): Promise<RebuildReport> {
  const { config, state, stores, machine, signal } = rebuild;
  await forget(rebuild);
  const tally = new Tally(rebuild.onOutcome);
  await syncCarefully({
    rules: config.rules.filter((rule) => rule.enabled && isFirstDirection(rule)),
    config,
    state,
    stores,
    retry: config.retry,
    concurrency: config.limits.concurrency,
    isTrusted: async () => false,
    isCompared: async () => false,
    relearn: true,
    onCompared: (rule, summary) => tally.compared(rule, summary),
    onOutcome: (outcome) => tally.ended(outcome),
    machine,
    signal,
  });
  if (!signal.aborted) await rebuild.renew();
  return { finished: !signal.aborted, rules: tally.rules };
}

/** What is believed of buckets that others write to is believed no more; from now on until the end the state counts as unfinished. */
async function forget({ config, buckets, state, machine }: StateRebuild): Promise<void> {
  const { journal, holdings } = state;
  const own = await journal.epoch();
  await journal.saveEpoch({ epoch: own?.epoch ?? machine.newId(), generation: own?.generation ?? 0, distrust: "rebuilding" });
  const interior = interiorBuckets(config.rules);
  for (const bucket of buckets) if (interior.has(identity(bucket))) await holdings.forgetBucket(bucket.id);
  const startedAt = machine.clock.now();
  for (const { id } of config.rules) await journal.saveSyncProgress(id, { startedAt, after: null, finishedAt: null });
}

class Tally {
  readonly #onOutcome: (outcome: Outcome) => void;
  readonly #counts = new Map<string, Counts>();

  constructor(onOutcome: (outcome: Outcome) => void) {
    this.#onOutcome = onOutcome;
  }

  get rules(): readonly RebuiltRule[] {
    return [...this.#counts].map(([rule, counts]) => ({ rule, ...counts }));
  }

  compared({ id }: Rule, { compared, adopted }: BackfillSummary): void {
    const counts = this.#of(id);
    counts.compared += compared;
    counts.adopted += adopted;
  }

  ended(outcome: Outcome): void {
    const { entry, task, retryAt } = outcome;
    const counts = this.#of(task.route.rule);
    const isCopy = entry.operation === "copy" && entry.reason === null && entry.replica !== null;
    if (entry.status === "COMPLETED" && isCopy) counts.copied++;
    else if (entry.status === "HELD") counts.held++;
    else if (entry.status === "FAILED" && retryAt === undefined) counts.failed++;
    this.#onOutcome(outcome);
  }

  #of(rule: string): Counts {
    const counts = this.#counts.get(rule) ?? { compared: 0, adopted: 0, copied: 0, held: 0, failed: 0 };
    this.#counts.set(rule, counts);
    return counts;
  }
}
