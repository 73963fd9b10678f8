import type { Destination, Rule } from "../domain/rule.ts";
import { identity } from "./interior.ts";
import type { PlacedRule } from "./placed-rule.ts";
import type { Finding, Path } from "./problem.ts";

/** One rule's way to one of its destinations. */
interface Leg {
  readonly rule: Rule;
  readonly destination: Destination;
  readonly path: Path;
}

/**
 * Finds ways round through several buckets that put a prefix before the keys each time: there an object would come back under a new key, look
 * like one of the bucket's own, and go round again without end.
 */
export function checkCycles(rules: readonly PlacedRule[]): readonly Finding[] {
  const legs = rules.flatMap(legsOf);
  const starts = legs.filter(({ destination }) => destination.prefix !== "");
  return starts.flatMap((start) => {
    const cycle = endlessCycle([start], legs);
    return cycle === undefined ? [] : [finding(start, cycle)];
  });
}

function legsOf({ rule, destinationPaths, path }: PlacedRule): readonly Leg[] {
  return rule.destinations.map((destination, index) => ({ rule, destination, path: destinationPaths[index] ?? path }));
}

/** Walks on from the last leg, through every rule once: between members of one mesh there is always a direct way. */
function endlessCycle(walked: readonly [Leg, ...Leg[]], legs: readonly Leg[]): readonly Leg[] | undefined {
  if (!carriesOn(walked)) return undefined;
  const here = identity((walked.at(-1) ?? walked[0]).destination.bucket);
  if (here === identity(walked[0].rule.source)) return keysGrow(walked) ? walked : undefined;
  for (const next of legs) {
    if (identity(next.rule.source) !== here || walked.some(({ rule }) => rule.id === next.rule.id)) continue;
    const cycle = endlessCycle([...walked, next], legs);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

/** Is true where every leg carries what was written at some bucket: without `transit` it must be the leg's source, or in its mesh. */
function carriesOn(legs: readonly Leg[]): boolean {
  const bound = legs.filter(({ rule }) => !rule.transit).map(({ rule }) => rule.mesh ?? [rule.source.id]);
  return bound[0]?.some((origin) => bound.every((origins) => origins.includes(origin))) ?? true;
}

/** Is true where a key that has gone round often passes all filters once more. */
function keysGrow(cycle: readonly Leg[]): boolean {
  const suffixes = cycle.map(({ rule }) => rule.filter.suffix ?? "").toSorted((a, b) => b.length - a.length);
  if (!suffixes.every((suffix) => suffixes[0]?.endsWith(suffix))) return false;
  const round = cycle.map(({ destination }) => destination.prefix).reduceRight((before, prefix) => before + prefix, "");
  let added = "";
  for (const { rule, destination } of cycle) {
    const wanted = rule.filter.prefix ?? "";
    if (!(added + round.repeat(wanted.length)).startsWith(wanted)) return false;
    added = destination.prefix + added;
  }
  return true;
}

function finding({ rule, destination, path }: Leg, cycle: readonly Leg[]): Finding {
  const way = [rule.source, ...cycle.map((leg) => leg.destination.bucket)].map(({ name }) => name).join(" → ");
  const message = `"${destination.prefix}" would be put before the same keys without end: ${way}`;
  return { path, message, hint: "leave out the prefix, or transit: true, or filter by a prefix that the replicas do not have" };
}
