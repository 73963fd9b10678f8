import type { Destination, Rule } from "../domain/rule.ts";
import type { RuleSettings } from "./resolved-config.ts";
import { formatDuration } from "./units.ts";

/** The engine that serves one source → destination pair, why, and what it does not do there. */
export interface EngineChoice {
  readonly engine: "copy";
  readonly why: string;
  readonly cannot: readonly string[];
}

/** Chooses the engine of one pair. A pure function of the config: nothing is asked of any store. */
export function chooseEngine(rule: Rule, destination: Destination, settings: RuleSettings): EngineChoice {
  const why = settings.engine === "copy" ? "the rule says so" : "auto: the only engine of this version";
  return { engine: "copy", why, cannot: [...limitsOf(rule, destination), ...delays(settings)] };
}

function limitsOf(rule: Rule, destination: Destination): readonly string[] {
  const { preserve } = rule;
  const limits: string[] = [];
  if (rule.deletes === "none") limits.push("deletes are not replicated");
  if (rule.versions === "current") limits.push("only current versions are copied");
  if (!preserve.acl) limits.push("ACLs are not carried (preserve.acl: false)");
  if (!preserve.tags) limits.push("tags are not carried (preserve.tags: false)");
  if (!preserve.objectLock) limits.push("object lock is not carried (preserve.objectLock: false)");
  if (!preserve.encryption && destination.encryption === undefined)
    limits.push("the destination's default encryption applies (preserve.encryption: false)");
  if (!destination.existingObjects) limits.push("what was there before the rule is not copied (existingObjects: false)");
  return limits;
}

function delays(settings: RuleSettings): readonly string[] {
  if (settings.events.type !== "none") return [];
  if (settings.syncMs === null) return ["changes are not noticed: the source has no events and schedule.sync is off"];
  return [`changes are noticed by the sync every ${formatDuration(settings.syncMs)} only: the source has no events`];
}
