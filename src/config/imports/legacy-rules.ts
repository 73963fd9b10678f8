import { groupBy } from "../../lib/group-by.ts";
import type { ResolvedConfig } from "../resolved-config.ts";
import type { LegacyBucket, LegacyRule } from "./legacy-plugin.ts";

interface Pair {
  readonly rule: LegacyRule;
  readonly source: LegacyBucket;
  readonly destination: LegacyBucket;
}

export interface RemainingRules {
  readonly rules: readonly LegacyRule[];
  /** Pairs that were left out, as they are printed. */
  readonly doubled: readonly string[];
}

/** The source → destination pairs of a config on AWS, where the name of a bucket is its alone. */
export function pairsOf(config: ResolvedConfig): ReadonlySet<string> {
  const onAws = (id: string) => config.buckets[id]?.store.isAws === true;
  const pairs = config.rules
    .filter(({ source }) => onAws(source.id))
    .flatMap(({ source, destinations }) =>
      destinations.filter(({ bucket }) => onAws(bucket.id)).map(({ bucket }) => nameOf(source, bucket)),
    );
  return new Set(pairs);
}

/** The rules without the pairs that are taken. What is left of a mesh that lost a pair is one-way rules, since a mesh has all of its pairs. */
export function withoutPairs(rules: readonly LegacyRule[], taken: ReadonlySet<string>): RemainingRules {
  const isTaken = ({ source, destination }: Pair) => taken.has(nameOf(source, destination));
  const whole = rules.filter((rule) => "mesh" in rule && !pairsIn(rule).some(isTaken));
  const pairs = rules.filter((rule) => !whole.includes(rule)).flatMap(pairsIn);
  const doubled = pairs.filter(isTaken).map(({ source, destination }) => nameOf(source, destination));
  return { rules: [...whole, ...oneWay(pairs.filter((pair) => !isTaken(pair)))], doubled };
}

function nameOf(source: { readonly bucket: string }, destination: { readonly bucket: string }): string {
  return `${source.bucket} → ${destination.bucket}`;
}

function pairsIn(rule: LegacyRule): readonly Pair[] {
  if (!("mesh" in rule)) return rule.destinations.map((destination) => ({ rule, source: rule.source, destination }));
  const { mesh } = rule;
  return mesh.flatMap((source) => mesh.filter((other) => other !== source).map((destination) => ({ rule, source, destination })));
}

/** One rule for every source, with the id that a source's rule always has. */
function oneWay(pairs: readonly Pair[]): readonly LegacyRule[] {
  return [...groupBy(pairs, ({ source }) => source.bucket)].flatMap(([bucket, group]) => {
    const [first] = group;
    if (first === undefined) return [];
    const { engine, deletes, existingObjects, replicationTime } = first.rule;
    const common = { engine, deletes, existingObjects, ...(replicationTime === undefined ? {} : { replicationTime }) };
    return [{ id: `from-${bucket}`, source: first.source, destinations: group.map(({ destination }) => destination), ...common }];
  });
}
