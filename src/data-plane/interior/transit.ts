import type { Holding } from "../../domain/holding.ts";
import type { Rule } from "../../domain/rule.ts";
import { type Settled, settled } from "../settlement.ts";

/**
 * Ends the way of what reached the source by another rule, unless the rule says `transit` (invariant 6). Within a mesh whatever one of its
 * members was given by a client belongs to all of them.
 */
export function transitBars(rule: Rule, holding: Holding | undefined): Settled | undefined {
  if (rule.transit || holding === undefined || !holding.isReplica) return undefined;
  const { origin } = holding.content;
  if ((rule.mesh ?? [rule.source.id]).includes(origin)) return undefined;
  return settled("REPLICA", "NoTransit", { origin });
}
