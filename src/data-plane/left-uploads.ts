import type { Rule } from "../domain/rule.ts";
import type { Ledger } from "../ports/state.ts";
import type { Transfer } from "../ports/transfer.ts";

export interface SweepParts {
  readonly transfer: Transfer;
  readonly ledger: Ledger;
  /** An upload into a bucket that none of them names stays until one does. */
  readonly rules: readonly Rule[];
}

/**
 * Aborts what broken-off copies have left of objects that no task is about any more: they were deleted, given up, or no rule wants them. Returns
 * how many uploads are gone.
 */
export async function sweepLeftUploads({ transfer, ledger, rules }: SweepParts): Promise<number> {
  const buckets = rules.flatMap(({ destinations }) => destinations.map(({ bucket }) => bucket));
  const isWanted = async ({ source, key }: { readonly source: string; readonly key: string }): Promise<boolean> =>
    (await ledger.entriesOf(source, key)).some(({ status }) => status === "PENDING");
  return (await transfer.sweep?.({ buckets, isWanted })) ?? 0;
}
