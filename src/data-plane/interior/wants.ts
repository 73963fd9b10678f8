import { toReplicationError } from "../../domain/error.ts";
import type { Want } from "../../ports/state.ts";
import { announcedOperation } from "../delete-evidence.ts";
import { toRoute } from "../diff.ts";
import type { RuleIndex } from "../rule-index.ts";
import { type Assignment, type Failed, failed } from "../settlement.ts";

/** Whoever won a conflict is brought to every other member: what they were told meanwhile may be the loser's. */
export function wantsOfWinner(rules: RuleIndex, assignment: Assignment, winner: string): readonly Want[] {
  const { rule, destination } = assignment.aim;
  const isDone = (id: string) => id === winner || (winner === rule.source.id && id === destination.bucket.id);
  return (rule.mesh ?? []).filter((id) => !isDone(id)).flatMap((id) => wantsOf(rules, assignment, [winner, id]));
}

/** What is at the destination is brought to the source, where there is a way. */
export function wantsBack(rules: RuleIndex, assignment: Assignment): readonly Want[] {
  const { rule, destination } = assignment.aim;
  return rule.mesh === undefined ? [] : wantsOf(rules, assignment, [destination.bucket.id, rule.source.id]);
}

/** The source could not be read: any other member of the mesh may have what the destination lacks. */
export function unreadSource(rules: RuleIndex, assignment: Assignment, error: unknown): Failed {
  const { rule, destination } = assignment.aim;
  const others = (rule.mesh ?? []).filter((id) => id !== rule.source.id && id !== destination.bucket.id);
  const isBrokenOff = toReplicationError(error).code === "Aborted";
  const wants = isBrokenOff ? [] : others.flatMap((id) => wantsOf(rules, assignment, [id, destination.canonicalId]));
  return failed(error, { wants, operation: announcedOperation(assignment.task, rule) });
}

function wantsOf(rules: RuleIndex, { aim, task }: Assignment, [source, destination]: readonly [string, string]): readonly Want[] {
  const leg = rules.legOf(aim.rule.id, source, destination);
  if (leg === undefined || !leg.rule.enabled) return [];
  const { key, lane, eventTime } = task;
  return [{ route: toRoute(leg.rule, leg.destination), key, lane, eventTime }];
}
