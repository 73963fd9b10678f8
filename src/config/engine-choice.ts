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
  const limits = [
    "deletes are not replicated",
    "only current versions are copied",
    "ACLs, object lock and encryption settings are not carried; the destination's defaults apply",
  ];
  if (!rule.preserve.tags) limits.push("tags are not carried (preserve.tags: false)");
  if (!destination.existingObjects) limits.push("what was there before the rule is not copied (existingObjects: false)");
  return limits;
}

function delays(settings: RuleSettings): readonly string[] {
  if (settings.events.type !== "none") return [];
  if (settings.syncMs === null) return ["changes are not noticed: the source has no events and schedule.sync is off"];
  return [`changes are noticed by the sync every ${formatDuration(settings.syncMs)} only: the source has no events`];
}
