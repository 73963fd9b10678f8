import type { Environment, ResolvedConfig } from "../../config/resolved-config.ts";
import { type DiffRow, toRoute } from "../../data-plane/diff.ts";
import { type LeftAlone, withExistingGuard } from "../../data-plane/native/existing-transfer.ts";
import { rowOfTrouble } from "../../data-plane/native/rows.ts";
import type { AimOutcome } from "../../data-plane/replicate.ts";
import { emptySummary, type SyncEvent, type SyncSummary, syncRule } from "../../data-plane/sync.ts";
import type { Destination, Rule } from "../../domain/rule.ts";
import type { State } from "../../ports/state.ts";
import type { ExistingCopy } from "../../provisioning/change.ts";
import { openStores, type Stores } from "../stores.ts";
import { recordCopy, SYNC_RETRY } from "../sync-buckets.ts";
import { systemClock } from "../system-clock.ts";

export interface CopyRun {
  readonly config: ResolvedConfig;
  readonly env: Environment;
  readonly copies: readonly ExistingCopy[];
  /** Held: no daemon has it. */
  readonly state: State;
  readonly onEvent?: ((event: SyncEvent) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What became of the existing objects of one pair. */
export interface CopiedPair {
  readonly rule: Rule;
  readonly summary: SyncSummary;
  /** How many were not copied although the destination lacks them, or has others, by why. */
  readonly left: Readonly<Record<LeftAlone, number>>;
  /** False: it was broken off. The same command again does the rest. */
  readonly isComplete: boolean;
}

/** Replicas under way at a time, as `sync` has it. */
const CONCURRENCY = 64;

/**
 * Copies what was there before native rules, where S3 cannot be asked to: one pair after the other, by the comparison that `sync` makes. Whatever is
 * equal at the destination is not copied again, so that the same once more goes on where it was broken off.
 */
export async function copyExisting(run: CopyRun): Promise<readonly CopiedPair[]> {
  const { config, env, copies, state, signal } = run;
  const { limits } = config;
  const stores = await openStores({ buckets: Object.values(config.buckets), limits, env, uploads: state.uploads });
  try {
    const copied: CopiedPair[] = [];
    for (const copy of copies) if (signal?.aborted !== true) copied.push(await copyPair(aimOf(config, copy), copy, { run, stores }));
    return copied;
  } finally {
    await stores.close();
  }
}

interface PairAim {
  readonly rule: Rule;
  readonly destination: Destination;
}

function aimOf({ rules }: ResolvedConfig, { rule: id, sourceId, destinationId }: ExistingCopy): PairAim {
  const rule = rules.find((one) => one.id === id && one.source.id === sourceId);
  const destination = rule?.destinations.find((one) => one.id === destinationId);
  if (rule === undefined || destination === undefined) throw new Error(`no rule ${id} brings ${sourceId} to ${destinationId}`);
  return { rule, destination };
}

async function copyPair(
  { rule, destination }: PairAim,
  { takesCompleted }: ExistingCopy,
  { run, stores }: { readonly run: CopyRun; readonly stores: Stores },
): Promise<CopiedPair> {
  const { state, signal, onEvent } = run;
  const { storeOf } = stores;
  const { ledger } = state;
  const left: Record<LeftAlone, number> = { carried: 0, replica: 0, encrypted: 0, kept: 0 };
  const onLeft = (why: LeftAlone) => void left[why]++;
  const soFar = emptySummary(destination);
  try {
    const [summary = soFar] = await syncRule({
      // Whoever else is in a mesh is compared by the mesh's other rules.
      rule: { ...rule, mesh: undefined },
      destinations: [destination],
      storeOf,
      transfer: withExistingGuard(stores.transfer, { rule, destination, storeOf, ledger, takesCompleted, onLeft }),
      ledger,
      clock: systemClock,
      concurrency: CONCURRENCY,
      retry: SYNC_RETRY,
      dryRun: false,
      onEvent: (event) => {
        count(soFar, event);
        onEvent?.(event);
      },
      keep: (row, outcome) => keep(state, { rule, destination }, { row, outcome }),
      signal,
    });
    return { rule, summary, left, isComplete: signal?.aborted !== true };
  } catch (error) {
    if (signal?.aborted !== true) throw error;
    return { rule, summary: soFar, left, isComplete: false };
  }
}

/** What is told of a comparison that is broken off. */
function count(summary: SyncSummary, event: SyncEvent): void {
  if (event.kind === "failed") summary.failed++;
  if (event.kind !== "copied") return;
  summary.copied++;
  summary.bytesCopied += event.bytes;
}

/** Nothing becomes a task: copy does not serve the rule. What failed is tried by the next backfill. */
async function keep(
  { ledger }: State,
  { rule, destination }: PairAim,
  { row: { key, entry: previous }, outcome }: { readonly row: DiffRow; readonly outcome: AimOutcome },
): Promise<void> {
  const route = toRoute(rule, destination);
  if (outcome.kind === "copied") return recordCopy(ledger, { route, key, outcome });
  if (outcome.kind !== "failed") return;
  await ledger.adopt([{ route, entry: rowOfTrouble({ route, key, previous, now: systemClock.now() }, outcome.error) }]);
}
