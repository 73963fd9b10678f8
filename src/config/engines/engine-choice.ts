import { ReplicationError } from "../../domain/error.ts";
import type { Destination, Engine, Rule } from "../../domain/rule.ts";
import { type ResolvedConfig, type RuleSettings, settingsOf } from "../resolved-config.ts";
import { formatDuration } from "../units.ts";
import { decideEngines } from "./decide-engines.ts";

/** The engine that serves one source → destination pair, why, and what it does not do there. */
export interface EngineChoice {
  readonly engine: Engine;
  readonly why: string;
  readonly cannot: readonly string[];
}

/** Chooses the engine of one pair of a config. */
export type EngineChooser = (rule: Rule, destination: Destination) => EngineChoice;

/**
 * Chooses the engines of a config, without asking any store. `stored` tells what was decided before, by rule id; where the rule now says something
 * else, that is told too.
 */
export function engineChooser(config: ResolvedConfig, stored: (ruleId: string) => Engine | undefined = () => undefined): EngineChooser {
  const decisions = decideEngines(config, { isVersioned: () => undefined, stored });
  return (rule, destination) => {
    const decision = decisions.get(rule.id);
    if (decision === undefined) throw new ReplicationError("Internal", `rule ${rule.id} is not in the config`);
    const { engine, why, isChange } = decision;
    const told = isChange ? `${why}; so far it is ${stored(rule.id)}, until apply --allow-engine-change` : why;
    const settings = settingsOf(config, rule);
    const cannot =
      engine === "copy" ? [...limitsOfCopy(rule, destination), ...delays(settings)] : limitsOfNative(rule, destination, settings);
    return { engine, why: told, cannot };
  };
}

function limitsOfCopy(rule: Rule, destination: Destination): readonly string[] {
  const { preserve } = rule;
  const limits: string[] = [];
  if (rule.deletes === "none") limits.push("deletes are not replicated");
  if (rule.versions === "current") limits.push("only current versions are copied");
  if (!preserve.acl) limits.push("ACLs are not carried (preserve.acl: false)");
  if (!preserve.tags) limits.push("tags are not carried (preserve.tags: false)");
  if (!preserve.objectLock) limits.push("object lock is not carried (preserve.objectLock: false)");
  if (!preserve.encryption && destination.encryption === undefined)
    limits.push("the destination's default encryption applies (preserve.encryption: false)");
  if (!destination.existingObjects) limits.push(NOT_EXISTING);
  return limits;
}

const NOT_EXISTING = "what was there before the rule is not copied (existingObjects: false)";

function limitsOfNative(rule: Rule, destination: Destination, { saysConflict }: RuleSettings): readonly string[] {
  const limits: string[] = [];
  if (saysConflict) limits.push(`S3 knows no conflict policies: conflict: ${rule.conflict} is not kept`);
  else if (rule.mesh !== undefined) limits.push("S3 knows no conflict policies: buckets written at the same time may stay different");
  if (rule.deletes === "none") limits.push("deletes are not replicated");
  else limits.push("deletes of single versions are not replicated");
  if (destination.encryption === undefined) limits.push("objects under KMS are not replicated (no encryption at the destination)");
  limits.push(destination.existingObjects ? "what was there before the rule is replicated by apply --backfill only" : NOT_EXISTING);
  return limits;
}

function delays(settings: RuleSettings): readonly string[] {
  if (settings.events.type !== "none") return [];
  if (settings.syncMs === null) return ["changes are not noticed: the source has no events and schedule.sync is off"];
  return [`changes are noticed by the sync every ${formatDuration(settings.syncMs)} only: the source has no events`];
}
