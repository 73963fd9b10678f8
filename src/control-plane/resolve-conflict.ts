import type { Conflict, ConflictSide } from "../domain/conflict.ts";
import { ReplicationError } from "../domain/error.ts";
import { clientContent, type Holding, isSameObject, prevailing } from "../domain/holding.ts";
import type { Changes, Route, Want } from "../ports/state.ts";
import { type ConflictItem, SCHEMA_VERSION, type Versioned } from "./contract.ts";
import type { OperationScope } from "./operations.ts";
import { notFoundError } from "./problem.ts";
import { findBucket } from "./queries.ts";
import { routesOf } from "./rows.ts";
import { Names, toConflict } from "./status.ts";

/** Another process may store a holding between the reading and the storing; more often than this something else is wrong. */
const TRIES = 3;

/**
 * Says whose side of a conflict stays: what it holds descends from both from now on, and is brought to all other members of the rule.
 *
 * Saying the same again changes nothing. What a client wrote since the conflict was found has not been decided on: then nothing is changed.
 *
 * @throws ReplicationError not found; `InvalidRequest` where `winner` is none of the two; `PreconditionFailed` where it was decided
 * otherwise before, or a side is no longer what the conflict says
 */
export async function resolveConflict(scope: OperationScope, id: string, winner: string): Promise<ConflictItem & Versioned> {
  const { holdings, safeguards, tasks } = scope.state;
  const conflict = await safeguards.conflict(id);
  if (conflict === undefined) throw notFoundError(`no conflict has the id "${id}"`, "replicast conflicts list shows those that are open");
  const names = new Names(scope.rules);
  const verdict = verdictOf(conflict, winner, scope);
  const { chosen } = verdict;
  if (conflict.resolvedAt !== null) {
    if (conflict.winner === chosen.bucket) return { schemaVersion: SCHEMA_VERSION, ...toConflict(conflict, names) };
    throw new ReplicationError("PreconditionFailed", `the conflict was resolved before${wonBy(conflict, names)}`, {
      hint: "write the object again at the bucket that has what you want",
    });
  }
  await prevail(holdings, verdict);
  await tasks.want(wantsOf(scope, conflict, verdict));
  // Last, so that whoever was interrupted finds it open, and says so again.
  const resolved: Conflict = { ...conflict, winner: chosen.bucket, resolvedBy: "person", resolvedAt: scope.now() };
  await safeguards.saveConflict(resolved);
  return { schemaVersion: SCHEMA_VERSION, ...toConflict(resolved, names) };
}

interface Verdict {
  readonly chosen: ConflictSide;
  readonly other: ConflictSide;
}

function verdictOf({ sides }: Conflict, winner: string, { rules }: OperationScope): Verdict {
  const bucket = findBucket(rules, winner)?.id ?? winner;
  const [one, two] = sides;
  if (one.bucket === bucket) return { chosen: one, other: two };
  if (two.bucket === bucket) return { chosen: two, other: one };
  const names = new Names(rules);
  throw new ReplicationError("InvalidRequest", `"${winner}" is no side of this conflict`, {
    hint: `name the bucket whose object stays: ${names.bucket(one.bucket)} or ${names.bucket(two.bucket)}`,
  });
}

function wonBy({ winner }: Conflict, names: Names): string {
  return winner === null ? ": the sides became one" : `: ${names.bucket(winner)} won`;
}

async function prevail(holdings: OperationScope["state"]["holdings"], { chosen, other }: Verdict): Promise<void> {
  for (let tries = 0; tries < TRIES; tries++) {
    const kept = await holdingOf(holdings, chosen);
    const lost = await holdingOf(holdings, other);
    if (await holdings.observe([prevailing(kept, lost.content)])) return;
  }
  throw new ReplicationError("PreconditionFailed", `${chosen.key} is being changed at ${chosen.bucket}`, { hint: "try again in a moment" });
}

/** What is known of a side, as long as it is what a person was shown. */
async function holdingOf(holdings: OperationScope["state"]["holdings"], side: ConflictSide): Promise<Holding> {
  const { holding, revision, deletedAt } = await holdings.known(side.bucket, side.key);
  // To store a holding would end the note of the delete, which nobody has looked after yet; of what is deleted anyway it tells nothing.
  const isDeletedSince = side.object !== null && deletedAt !== null;
  if (!isDeletedSince && isAsShown(side, holding)) return holding ?? shownHolding(side, revision);
  throw new ReplicationError("PreconditionFailed", `${side.key} was changed at ${side.bucket} since the conflict was found`, {
    hint: "replicast conflicts show tells what is there once it has been compared again",
  });
}

function isAsShown(side: ConflictSide, holding: Holding | undefined): boolean {
  if (holding === undefined) return true;
  const { object } = holding;
  return object === null || side.object === null ? object === side.object : isSameObject(side.object, object);
}

/** Of a side that nothing is stored of the conflict is all that is known. */
function shownHolding({ bucket, key, object, origin, originTime }: ConflictSide, revision: number): Holding {
  const content = clientContent({ bucket: origin, at: originTime, etag: object?.etag ?? null });
  return { bucket, key, object, content, isReplica: origin !== bucket, revision };
}

/** From the winner to everybody else; and the way from the other side, whose row is held until it has been decided again. */
function wantsOf({ rules }: OperationScope, conflict: Conflict, { chosen, other }: Verdict): readonly Want[] {
  // A person who lets a deletion win has approved of what it removes.
  const evidence: Changes = chosen.object === null ? { deleted: true, approved: true } : { written: true };
  const destinations = new Map(
    rules
      .filter(({ id }) => id === conflict.rule)
      .flatMap(({ destinations }) => destinations.map(({ canonicalId, bucket }) => [canonicalId, bucket.id] as const)),
  );
  const want = (route: Route, changes: Changes): Want => ({ route, key: conflict.key, lane: "live", eventTime: null, changes });
  return routesOf(rules, conflict.rule).flatMap((route) => {
    if (route.source === chosen.bucket) return [want(route, evidence)];
    const isBack = route.source === other.bucket && destinations.get(route.destination) === chosen.bucket;
    return isBack ? [want(route, { written: true })] : [];
  });
}
