import type { Bucket } from "../../domain/bucket.ts";
import type { Engine } from "../../domain/rule.ts";
import type { ResolvedConfig } from "../resolved-config.ts";
import { type Candidate, type EngineGroup, engineGroups } from "./engine-groups.ts";
import { legsOf } from "./native-terms.ts";

/** The engine that is to serve a rule, with all its directions and destinations. */
export interface EngineDecision {
  readonly engine: Engine;
  readonly why: string;
  /** Another one was stored: what it left has to be taken care of first. */
  readonly isChange: boolean;
}

/** What the config alone does not tell. */
export interface EngineFacts {
  /** By canonical id; undefined: nobody has looked. */
  readonly isVersioned: (bucketId: string) => boolean | undefined;
  /** What was decided before, by rule id. */
  readonly stored: (ruleId: string) => Engine | undefined;
  /** An `auto` rule may be taken from copy to native. @defaultValue false: it stays with copy once it began with it */
  readonly allowsChange?: boolean | undefined;
}

/**
 * Decides who serves each rule, by rule id. Rules that meet in a bucket get one engine; an `auto` rule keeps the engine that was stored as long
 * as that engine can serve it.
 */
export function decideEngines(config: ResolvedConfig, facts: EngineFacts): ReadonlyMap<string, EngineDecision> {
  const decided = engineGroups(legsOf(config)).flatMap((group) => {
    const auto = forAuto(group, facts);
    return group.candidates.map((candidate) => [candidate.id, decisionOf(candidate, auto, facts)] as const);
  });
  return new Map(decided);
}

interface Choice {
  readonly engine: Engine;
  readonly why: string;
}

function decisionOf({ id, engine, reasons }: Candidate, auto: Choice, facts: EngineFacts): EngineDecision {
  const stored = facts.stored(id);
  const choice = engine === "auto" ? ownReasons(reasons, auto) : { engine, why: "the rule says so" };
  return { ...choice, isChange: stored !== undefined && stored !== choice.engine };
}

function ownReasons(reasons: readonly string[], auto: Choice): Choice {
  return auto.engine === "copy" && reasons.length > 0 ? { engine: "copy", why: `auto: ${reasons.join("; ")}` } : auto;
}

/** What the `auto` rules of a group get. */
function forAuto(group: EngineGroup, facts: EngineFacts): Choice {
  const { copied, native } = group;
  if (copied !== undefined) return { engine: "copy", why: `auto: rule ${copied.id}, which it meets in a bucket, is served by copy` };
  if (native !== undefined) return { engine: "native", why: `auto: rule ${native.id}, which it meets in a bucket, is native` };
  const stored = new Set(group.candidates.flatMap(({ id }) => facts.stored(id) ?? []));
  if (stored.has("native") && !stored.has("copy")) return { engine: "native", why: "auto: S3 can do it, as was decided by apply" };
  const wanted = byVersioning(group, facts);
  if (wanted.engine === "native" && stored.has("copy") && facts.allowsChange !== true)
    return { engine: "copy", why: "auto: it began with copy; apply --allow-engine-change makes it native" };
  return wanted;
}

function byVersioning(group: EngineGroup, facts: EngineFacts): Choice {
  const buckets = group.candidates.flatMap(bucketsOf);
  const off = buckets.find(({ id }) => facts.isVersioned(id) === false);
  if (off !== undefined) return { engine: "copy", why: `auto: ${off.name} is not versioned` };
  if (buckets.every(({ id }) => facts.isVersioned(id) === true))
    return { engine: "native", why: "auto: S3 can do it, and every bucket is versioned" };
  return { engine: "copy", why: "auto: native at apply where both buckets are versioned; copy until then" };
}

function bucketsOf({ legs }: Candidate): readonly Bucket[] {
  return legs.flatMap(({ rule }) => [rule.source, ...rule.destinations.map(({ bucket }) => bucket)]);
}
