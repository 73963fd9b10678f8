import type { ConflictSide } from "../../domain/conflict.ts";
import { destinationKey, type Rule } from "../../domain/rule.ts";
import type { Safeguards, Want } from "../../ports/state.ts";
import { toRoute } from "../diff.ts";
import type { RuleIndex } from "../rule-index.ts";

export interface AskedAgainOptions {
  readonly rule: Rule;
  readonly rules: RuleIndex;
  readonly safeguards: Pick<Safeguards, "conflicts">;
  /** See {@link InteriorRowsOptions}. */
  readonly wasCompared: boolean;
}

const PAGE = 500;

/**
 * Wishes for all that a person was asked about under a rule and has not answered: where both sides have gone meanwhile no listing leads there, and
 * nobody would take the question back.
 */
export async function* askedAgain(options: AskedAgainOptions): AsyncGenerator<readonly Want[]> {
  for (let nextToken: string | undefined; ; ) {
    const page = await options.safeguards.conflicts({ rule: options.rule.id, open: true, limit: PAGE, nextToken });
    yield page.conflicts.flatMap(({ sides: [one, other] }) => [...waysOf(options, one, other), ...waysOf(options, other, one)]);
    if (page.nextToken === null) return;
    nextToken = page.nextToken;
  }
}

function waysOf({ rule, rules, wasCompared }: AskedAgainOptions, from: ConflictSide, to: ConflictSide): readonly Want[] {
  const changes = { written: true, missed: !wasCompared };
  return rules.rules
    .filter((one) => one.id === rule.id && one.enabled && one.source.id === from.bucket)
    .flatMap((one) => one.destinations.map((destination) => ({ rule: one, destination })))
    .filter(({ destination }) => destination.bucket.id === to.bucket && destinationKey(destination, from.key) === to.key)
    .map((way) => ({ route: toRoute(way.rule, way.destination), key: from.key, lane: "backfill", eventTime: null, changes }));
}
