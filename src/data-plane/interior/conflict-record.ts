import type { Conflict, ConflictSide } from "../../domain/conflict.ts";
import type { Side } from "../../domain/decision.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Safeguards } from "../../ports/state.ts";
import { placeOf } from "../place.ts";
import type { Assignment } from "../settlement.ts";
import type { Situation } from "./situation.ts";

export interface ConflictParts {
  readonly safeguards: Pick<Safeguards, "conflict" | "saveConflict">;
  readonly clock: Clock;
}

/** What a person was asked about this key at these two buckets, and has not answered. */
export async function openConflict({ safeguards }: ConflictParts, assignment: Assignment): Promise<Conflict | undefined> {
  const conflict = await safeguards.conflict(idOf(assignment));
  return conflict?.resolvedAt === null ? conflict : undefined;
}

/** Asks a person whose side stays. */
export async function askPerson({ safeguards, clock }: ConflictParts, situation: Situation): Promise<void> {
  await safeguards.saveConflict(toConflict(situation, { winner: null, now: clock.now() }));
}

/** Reports the bucket that the rule's policy lets win; null: nothing is left to decide, whatever a person was asked. */
export async function endConflict({ safeguards, clock }: ConflictParts, situation: Situation, winner: string | null): Promise<void> {
  const now = clock.now();
  const { conflict } = situation;
  if (winner !== null) await safeguards.saveConflict(toConflict(situation, { winner, now }));
  else if (conflict !== undefined) await safeguards.saveConflict({ ...conflict, resolvedAt: now });
}

/** The same for both directions. */
function idOf({ aim: { rule, destination }, task }: Assignment): string {
  const buckets = [rule.source.id, destination.bucket.id].sort();
  return placeOf(rule.id, JSON.stringify([...buckets, task.key]));
}

function toConflict(situation: Situation, { winner, now }: { readonly winner: string | null; readonly now: number }): Conflict {
  const { aim, task, key, source, destination, conflict } = situation;
  const { rule } = aim;
  return {
    id: idOf(situation),
    rule: rule.id,
    key: task.key,
    sides: [toSide(rule.source.id, task.key, source.side), toSide(aim.destination.bucket.id, key, destination.side)],
    winner,
    resolvedBy: winner === null || rule.conflict === "hold" ? null : rule.conflict,
    detectedAt: conflict?.detectedAt ?? now,
    resolvedAt: winner === null ? null : now,
  };
}

function toSide(bucket: string, key: string, side: Side): ConflictSide {
  if (side.kind === "absent") return { bucket, key, object: null, origin: bucket, originTime: 0 };
  const { origin, originTime } = side.content;
  return { bucket, key, object: side.kind === "object" ? side.object : null, origin, originTime };
}
