import { decideEngines } from "../config/engines/decide-engines.ts";
import type { Environment, ResolvedBucket, ResolvedConfig } from "../config/resolved-config.ts";
import { type DiffRow, toRoute } from "../data-plane/diff.ts";
import { LostDestinations } from "../data-plane/lost-destinations.ts";
import type { AimOutcome } from "../data-plane/replicate.ts";
import { toReplica } from "../data-plane/replicate.ts";
import { RuleIndex } from "../data-plane/rule-index.ts";
import { emptySummary, type SyncEvent, type SyncSummary, syncRule } from "../data-plane/sync.ts";
import { ReplicationError, toReplicationError } from "../domain/error.ts";
import type { RetryPolicy } from "../domain/retry.ts";
import { type Destination, isFirstDirection, type Rule } from "../domain/rule.ts";
import { blankEntry } from "../domain/status.ts";
import type { Ledger, Outcome, Route, State } from "../ports/state.ts";
import { type SplitRules, splitRules, storedEngines } from "./engines.ts";
import { Sentinel } from "./sentinel.ts";
import { openState, openStateIfThere } from "./state.ts";
import { openStores, type Stores } from "./stores.ts";
import { syncCarefully } from "./sync-carefully.ts";
import { systemClock } from "./system-clock.ts";

export type { SyncEvent, SyncSummary };

export interface SyncRun {
  readonly rules: readonly Rule[];
  readonly buckets: readonly ResolvedBucket[];
  /** Present where the rules are a config's: its state is used, and no daemon may have it. */
  readonly config?: ResolvedConfig | undefined;
  readonly env: Environment;
  readonly concurrency: number;
  readonly dryRun: boolean;
  readonly onEvent: (event: SyncEvent, rule: Rule) => void;
  /** Told of every rule that is left out because S3 replicates it by itself. */
  readonly onLeftToS3?: ((rule: Rule) => void) | undefined;
  readonly signal: AbortSignal;
}

/** A person waits for the end: four tries within some ten seconds, then the object is counted as failed. */
export const SYNC_RETRY: RetryPolicy = { maxAttempts: 4, initialMs: 500, maxMs: 5_000 };

/**
 * Copies what is missing or different at the destinations of rules. Buckets of no config keep no state: what was copied is found equal the
 * next time. A bucket that fails costs what it belongs to: the summaries of that carry the error, and all others are whole (invariant 7).
 *
 * @throws `LedgerLocked` where a daemon works on the config's state
 */
export async function syncBuckets(run: SyncRun): Promise<readonly { readonly rule: Rule; readonly summaries: readonly SyncSummary[] }[]> {
  const state = run.dryRun ? await openStateIfThere(run.config) : run.config && (await openState(run.config, "daemon"));
  const stores = await openStores({ buckets: run.buckets, limits: run.config?.limits, env: run.env });
  try {
    const results = [];
    const split = run.config && splitRules(run.config, state === undefined ? new Map() : await storedEngines(run.config, state.journal));
    const index = new RuleIndex(split?.copyRules ?? run.rules);
    const rules = copiedOf(run.rules, split);
    for (const rule of run.rules.filter(isFirstDirection)) if (!rules.includes(rule)) run.onLeftToS3?.(rule);
    for (const rule of rules.filter(isFirstDirection)) {
      const how = { rule, run, stores, isCareful: isCareful(rule, index) };
      results.push({ rule, summaries: state === undefined ? await compareAndCopy(how) : await syncKept({ ...how, state, split }) });
    }
    return results;
  } finally {
    await stores.close();
    await state?.close();
  }
}

interface RuleSync {
  readonly rule: Rule;
  readonly run: SyncRun;
  readonly stores: Stores;
  readonly isCareful: boolean;
  readonly state?: State | undefined;
}

/** Compares, and copies what differs where that is enough. */
async function compareAndCopy({ rule, run, stores, isCareful, state }: RuleSync): Promise<readonly SyncSummary[]> {
  const { storeOf, transfer } = stores;
  const summaries = await syncRule({
    ...run,
    rule,
    destinations: rule.destinations,
    storeOf,
    transfer,
    ledger: state?.ledger,
    clock: systemClock,
    retry: SYNC_RETRY,
    dryRun: run.dryRun || isCareful,
    goesOn: true,
    onEvent: (event) => run.onEvent(event, rule),
    keep: state && ((row, outcome) => keep(state, { rule, row, outcome })),
  });
  return [...summaries, ...ownSummary(rule, summaries, run)];
}

/** The same with a state, which learns of it. */
async function syncKept(
  sync: RuleSync & { readonly state: State; readonly split: SplitRules | undefined },
): Promise<readonly SyncSummary[]> {
  const { rule, run, stores, state, split } = sync;
  const startedAt = systemClock.now();
  const summaries = await compareAndCopy(sync);
  if (run.dryRun || run.config === undefined || split === undefined) return summaries;
  if (sync.isCareful) await repair({ rule, summaries, run, config: split.copied, state, stores });
  else if (isWhole(summaries, run)) await noteSynced({ rule, startedAt, config: run.config, journal: state.journal });
  return summaries;
}

/**
 * The rules that are copied at all: what S3 replicates by itself is left to it.
 *
 * @throws `ConfigInvalid` where no other rule was asked for
 */
function copiedOf(rules: readonly Rule[], split: SplitRules | undefined): readonly Rule[] {
  const copied = rules.filter(({ id }) => split?.engineOf(id) !== "native");
  const [first] = rules;
  if (first === undefined || copied.length > 0) return copied;
  const hint = "replicast apply --backfill brings over what is there already; replicast verify compares";
  throw new ReplicationError("ConfigInvalid", `rule ${first.id} is replicated by S3 itself: nothing is copied`, { hint });
}

/** Whether copying what differs is not enough: somebody else may write there, or a delete or a version is to be told from a loss. */
function isCareful(rule: Rule, index: RuleIndex): boolean {
  const passesInterior = rule.destinations.some((destination) => index.passesInterior({ rule, destination }));
  return passesInterior || rule.versions === "all" || rule.deletes !== "none" || rule.stamp === "always";
}

/** What is wrong with the ledger stays in the state, and `status` says so. */
const TOLD_BY_STATUS = { warn: () => {}, error: () => {} };

/** A mesh is compared from its first member, which may lack something too. */
function ownSummary({ id, mesh, source }: Rule, compared: readonly SyncSummary[], { config, dryRun }: SyncRun): readonly SyncSummary[] {
  if (mesh === undefined || dryRun) return [];
  const destinations = (config?.rules ?? []).filter((rule) => rule.id === id).flatMap((rule) => rule.destinations);
  const own = destinations.find(({ bucket }) => bucket.id === source.id);
  if (own === undefined) return [];
  const [first] = compared;
  // The same error everywhere is that of the member they were compared with.
  const isItsOwn = first?.error !== undefined && compared.every(({ error }) => error === first.error);
  return [{ ...emptySummary(own), ...(isItsOwn ? { error: first.error } : {}) }];
}

function isWhole(summaries: readonly SyncSummary[], { signal }: SyncRun): boolean {
  return !signal.aborted && summaries.every(({ error, failed }) => error === undefined && failed === 0);
}

interface Synced {
  readonly rule: Rule;
  readonly startedAt: number;
  readonly config: ResolvedConfig;
  readonly journal: State["journal"];
}

/**
 * Writes down that all of a rule was compared and brought in line. Not of an `auto` rule that `apply` may yet leave to S3: what was compared here
 * counts as begun with copy.
 */
async function noteSynced({ rule, startedAt, config, journal }: Synced): Promise<void> {
  const stored = await storedEngines(config, journal);
  const atApply = decideEngines(config, { isVersioned: () => true, stored: (id) => stored.get(id) });
  if (atApply.get(rule.id)?.engine === "native") return;
  await journal.saveSyncProgress(rule.id, { startedAt, after: null, finishedAt: systemClock.now() });
}

interface Repair {
  readonly rule: Rule;
  readonly summaries: readonly SyncSummary[];
  readonly run: SyncRun;
  readonly config: ResolvedConfig;
  readonly state: State;
  readonly stores: Stores;
}

/** Brings the rule in line by tasks, and adds what they did to the summaries. */
async function repair({ rule, summaries, run, config, state, stores }: Repair): Promise<void> {
  const { concurrency, signal } = run;
  const onOutcome = ({ task, entry }: Outcome) => {
    const legs = config.rules.filter(({ id }) => id === rule.id);
    const destination = legs.flatMap((leg) => leg.destinations).find(({ canonicalId }) => canonicalId === task.route.destination);
    if (destination === undefined) return;
    const summary = summaries.find((one) => one.destination.canonicalId === destination.canonicalId);
    if (entry.status === "FAILED" && entry.error !== null) {
      if (summary !== undefined) summary.failed++;
      const { code, message, hint } = entry.error;
      run.onEvent(
        { kind: "failed", key: task.key, destination, error: new ReplicationError(code, message, { hint: hint ?? undefined }) },
        rule,
      );
    } else if (entry.status === "COMPLETED" && entry.operation === "copy" && entry.reason === null && entry.replica !== null) {
      if (summary !== undefined) summary.copied++;
      if (summary !== undefined) summary.bytesCopied += entry.replica.bytes;
      run.onEvent({ kind: "copied", key: task.key, destination, bytes: entry.replica.bytes }, rule);
    }
  };
  const { isTrusted } = new Sentinel({ config, state, storeOf: stores.storeOf, logger: TOLD_BY_STATUS, signal });
  try {
    await syncCarefully({ rules: [rule], config, state, stores, retry: SYNC_RETRY, concurrency, onOutcome, isTrusted, signal });
  } catch (error) {
    noteTrouble(summaries, error, signal);
  }
}

/** What the repair went without is mostly what the comparison went without, and is told once. @throws the error where no bucket is its reason */
function noteTrouble(summaries: readonly SyncSummary[], thrown: unknown, signal: AbortSignal): void {
  const { code, at } = toReplicationError(thrown);
  if (summaries.some(({ error }) => error?.code === code && error.at.bucket === at.bucket)) return;
  new LostDestinations(summaries, { goesOn: true, signal }).loseRest(thrown);
}

/** Writes a copy into the ledger; what failed becomes a task, which the next run tries again and keeps account of. */
async function keep(state: State, { rule, row, outcome }: { rule: Rule; row: DiffRow; outcome: AimOutcome }): Promise<void> {
  const route = toRoute(rule, rule.destinations[row.index] as Destination);
  if (outcome.kind === "failed") return state.tasks.want([{ route, key: row.key, lane: "backfill", eventTime: null }]);
  if (outcome.kind === "copied") await recordCopy(state.ledger, { route, key: row.key, outcome });
}

export interface MadeCopy {
  readonly route: Route;
  readonly key: string;
  readonly outcome: AimOutcome & { readonly kind: "copied" };
}

/** Writes a copy that was made at once, without any task, into the ledger. */
export async function recordCopy(ledger: Ledger, { route, key, outcome }: MadeCopy): Promise<void> {
  await ledger.adopt([
    {
      route,
      entry: {
        ...blankEntry({ ...route, key }),
        status: "COMPLETED",
        notes: outcome.notes,
        replica: toReplica(outcome),
        attempts: 1,
        finishedAt: systemClock.now(),
      },
    },
  ]);
}
