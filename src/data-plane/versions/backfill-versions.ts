import type { Bucket } from "../../domain/bucket.ts";
import type { Destination, Rule } from "../../domain/rule.ts";
import { planHistory } from "../../domain/version-plan.ts";
import type { ObjectStore } from "../../ports/object-store.ts";
import type { Ledger, State, Want } from "../../ports/state.ts";
import { toRoute } from "../diff.ts";
import { histories, isInScope, type KeyHistory, rowsOfRoute } from "./key-history.ts";

export interface HistoryWantsOptions {
  readonly rule: Rule;
  /** Those of the rule's destinations to compare. */
  readonly destinations: readonly Destination[];
  readonly state: Pick<State, "ledger">;
  readonly storeOf: (bucket: Bucket) => ObjectStore;
  /** When the rule was first run. */
  readonly since: number;
  readonly signal?: AbortSignal | undefined;
}

/** Keys looked up in the ledger at a time. */
const LOOK_UPS = 50;

/**
 * Yields, a few keys at a time, wishes for every key of which the source has a version that was not replicated and not given up. Compares the
 * source's listing of versions with the ledger; the destinations are not read.
 */
export async function* historyWants(options: HistoryWantsOptions): AsyncGenerator<readonly Want[]> {
  const { rule, storeOf, signal, state } = options;
  let gathered: KeyHistory[] = [];
  for await (const history of histories(rule, storeOf(rule.source), signal)) {
    gathered.push(history);
    if (gathered.length < LOOK_UPS) continue;
    yield await lookUp(gathered, state.ledger, options);
    gathered = [];
  }
  yield await lookUp(gathered, state.ledger, options);
}

async function lookUp(gathered: readonly KeyHistory[], ledger: Ledger, options: HistoryWantsOptions): Promise<readonly Want[]> {
  const wants = gathered.map(async (history) => {
    const entries = await ledger.entriesOf(options.rule.source.id, history.key);
    return options.destinations.flatMap((destination) => wantOf(history, entries, { ...options, destination }));
  });
  return (await Promise.all(wants)).flat();
}

function wantOf(
  { key, versions }: KeyHistory,
  entries: Awaited<ReturnType<Ledger["entriesOf"]>>,
  { rule, destination, since }: HistoryWantsOptions & { readonly destination: Destination },
): readonly Want[] {
  const route = toRoute(rule, destination);
  const rows = rowsOfRoute(entries, route);
  if (rows.current?.status === "PENDING") return [];
  const inScope = versions.filter((version) => isInScope(version, destination.existingObjects ? undefined : since));
  const isOpen = planHistory(inScope, rows.versions).some(({ version }) => rows.versions.get(version.versionId)?.status !== "SKIPPED");
  return isOpen ? [{ route, key, lane: "backfill", eventTime: null, changes: { written: true } }] : [];
}
