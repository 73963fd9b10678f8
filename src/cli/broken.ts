import { ReplicationError } from "../domain/error.ts";
import type { Destination, Rule } from "../domain/rule.ts";
import type { Output } from "./output.ts";

/** What a comparison of the destinations of a rule came to. */
export interface Compared {
  readonly rule: Rule;
  readonly summaries: readonly { readonly destination: Destination; readonly error?: ReplicationError | undefined }[];
}

/** Counts of a comparison that was not brought to its end: what is not known is null, never 0. */
export function unknown<T extends object>(counts: T): { readonly [K in keyof T]: null } {
  return Object.fromEntries(Object.keys(counts).map((name) => [name, null])) as { [K in keyof T]: null };
}

/** Prints why destinations could not be compared, each reason once with all that it kept from it. Returns whether there were any. */
export function tellBroken(output: Output, results: readonly Compared[], isConfigured: boolean): boolean {
  const broken = results.flatMap(({ rule, summaries }) => [...byReason(summaries)].map(([error, names]) => ({ rule, error, names })));
  for (const { rule, error, names } of broken) {
    const { code, message, at, hint } = error;
    const what = [...(isConfigured ? [rule.id] : []), names.join(", "), message].join(": ");
    output.error(new ReplicationError(code, what, { at, hint, cause: error }));
  }
  return broken.length > 0;
}

function byReason(summaries: Compared["summaries"]): ReadonlyMap<ReplicationError, readonly string[]> {
  const reasons = new Map<ReplicationError, string[]>();
  for (const { destination, error } of summaries) {
    if (error !== undefined) reasons.set(error, [...(reasons.get(error) ?? []), destination.id]);
  }
  return reasons;
}
