import { partitionOf } from "../../domain/bucket.ts";
import { needsTags, type Preserve, type Rule } from "../../domain/rule.ts";
import { placedBucket, type ResolvedBucket, type ResolvedConfig, type RuleSettings, settingsOf } from "../resolved-config.ts";

/** One direction of a rule with its buckets, as far as it matters who serves it. */
export interface Leg {
  readonly rule: Rule;
  readonly settings: Pick<RuleSettings, "engine" | "saysVersions" | "saysConflict">;
  readonly source: ResolvedBucket;
  /** In the order of the rule's destinations. */
  readonly destinations: readonly ResolvedBucket[];
}

/** Every direction of every rule of a config. */
export function legsOf(config: ResolvedConfig): readonly Leg[] {
  return config.rules.map((rule) => ({
    rule,
    settings: settingsOf(config, rule),
    source: placedBucket(config, rule.source.id),
    destinations: rule.destinations.map(({ bucket }) => placedBucket(config, bucket.id)),
  }));
}

/** S3's own replication carries all of these, or what the destination's settings say, and cannot be told otherwise. */
const PRESERVED: Preserve = { tags: true, storageClass: true, acl: false, objectLock: true, encryption: true };

/** Why S3 cannot serve this rule by its own replication, each as a part of a sentence; none: it can. */
export function notSayable(leg: Leg): readonly string[] {
  return [...places(leg), ...filters(leg.rule), ...deletes(leg.rule), ...contents(leg), ...ways(leg)];
}

function places({ source, destinations }: Leg): readonly string[] {
  const elsewhere = [source, ...destinations].filter(({ store }) => !store.isAws);
  if (elsewhere.length > 0) return elsewhere.map(({ bucket }) => `${bucket.name} is not on AWS`);
  const partition = partitionOf(source.store.region);
  return destinations
    .filter(({ store }) => partitionOf(store.region) !== partition)
    .map(({ bucket }) => `${bucket.name} is in another partition of AWS than ${source.bucket.name}`);
}

function filters({ filter, destinations }: Rule): readonly string[] {
  const reasons: string[] = [];
  if (filter.suffix !== undefined && filter.suffix !== "") reasons.push("S3 filters by no suffix");
  if (filter.minBytes !== undefined || filter.maxBytes !== undefined) reasons.push("S3 filters by no size");
  if (destinations.some(({ prefix }) => prefix !== "")) reasons.push("S3 puts no prefix before the keys");
  return reasons;
}

function deletes(rule: Rule): readonly string[] {
  const reasons: string[] = [];
  if (rule.deletes === "propagate") reasons.push("S3 replicates delete markers only (deletes: propagate)");
  if (rule.deletes === "markers" && needsTags(rule.filter)) reasons.push("S3 replicates no delete markers where it filters by tags");
  if (rule.expirations) reasons.push("S3 does not replicate what a lifecycle deletes (expirations: true)");
  if (rule.unsafeDeletes) reasons.push("S3 makes no unconditional deletes (unsafe)");
  return reasons;
}

function contents({ rule, settings }: Leg): readonly string[] {
  const reasons: string[] = [];
  const changed = Object.entries(rule.preserve).filter(([key, value]) => PRESERVED[key as keyof Preserve] !== value);
  reasons.push(...changed.map(([key, value]) => `S3 cannot be told what to preserve (preserve.${key}: ${value})`));
  if (settings.saysVersions && rule.versions === "current") reasons.push("S3 replicates every version (versions: current)");
  if (rule.destinations.some(({ encryption }) => encryption?.type === "AES256"))
    reasons.push("S3 encrypts replicas anew with KMS only (encryption AES256)");
  if (rule.stamp === "always") reasons.push("S3 stamps no replicas (stamp: always)");
  if (rule.restore !== undefined) reasons.push("S3 does not restore archived objects (restore)");
  return reasons;
}

function ways({ rule, settings }: Leg): readonly string[] {
  const reasons: string[] = [];
  if (rule.transit) reasons.push("S3 does not carry replicas on (transit: true)");
  if (settings.engine === "auto" && settings.saysConflict) reasons.push(`S3 knows no conflict policies (conflict: ${rule.conflict})`);
  return reasons;
}
