import type { Destination, Rule } from "../../domain/rule.ts";
import type { ReplicationDocument } from "../../ports/replication-configuration.ts";

/** S3's own rule for one destination, as it stands at the source. */
export type AppliedState = "Enabled" | "Disabled" | "Missing";

/** What stands at the source of one direction. */
export interface Applied {
  /** Only one enabled rule, ours or another's. */
  readonly isSole: boolean;
  readonly stateOf: (destination: Destination) => AppliedState;
}

/** Reads out of a bucket's replication document what is there of a direction; `undefined`: nothing is replicated there. */
export function appliedOf(
  rule: Rule,
  document: ReplicationDocument | undefined,
  ruleIdOf: (rule: Rule, destination: Destination) => string,
): Applied {
  const rules = document?.rules ?? [];
  return {
    isSole: rules.filter(({ status }) => status === "Enabled").length === 1,
    stateOf: (destination) => rules.find(({ id }) => id === ruleIdOf(rule, destination))?.status ?? "Missing",
  };
}
