import type { Environment, ResolvedBucket, ResolvedConfig } from "../config/resolved-config.ts";
import { type Difference, type VerifySummary, verifyRule } from "../data-plane/verify.ts";
import type { Rule } from "../domain/rule.ts";
import { openStateIfThere } from "./state.ts";
import { openStores } from "./stores.ts";
import { systemClock } from "./system-clock.ts";

export type { Difference, VerifySummary };

export interface VerifyRun {
  readonly rules: readonly Rule[];
  readonly buckets: readonly ResolvedBucket[];
  readonly env: Environment;
  /** Present where the rules are a config's: what its state knows counts too. */
  readonly config?: ResolvedConfig | undefined;
  readonly attributes: boolean;
  readonly checksum: boolean;
  readonly minAgeMs: number;
  readonly concurrency: number;
  readonly onDifference: (rule: Rule, difference: Difference) => void | Promise<void>;
  /** See {@link verifyRule}. */
  readonly onCompared?: (() => void) | undefined;
  readonly onRead?: ((bytes: number) => void) | undefined;
  readonly signal: AbortSignal;
}

/**
 * Compares the destinations of rules with their sources. Writes nothing anywhere. A bucket that fails costs what it belongs to: the summaries of
 * that carry the error, and all others are whole (invariant 7).
 */
export async function verify(run: VerifyRun): Promise<readonly { readonly rule: Rule; readonly summaries: readonly VerifySummary[] }[]> {
  const stores = await openStores({ buckets: run.buckets, limits: run.config?.limits, env: run.env });
  const state = await openStateIfThere(run.config);
  try {
    const results = [];
    for (const rule of run.rules) {
      const summaries = await verifyRule({
        ...run,
        goesOn: true,
        rule,
        destinations: rule.destinations,
        storeOf: stores.storeOf,
        ledger: state?.ledger,
        extrasExpected: run.config !== undefined && rule.deletes === "none" && rule.mesh === undefined,
        clock: systemClock,
        onDifference: (difference) => run.onDifference(rule, difference),
      });
      results.push({ rule, summaries });
    }
    return results;
  } finally {
    await stores.close();
    await state?.close();
  }
}
