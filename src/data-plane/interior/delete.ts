import type { Side } from "../../domain/decision.ts";
import { isReplicationError, toReplicationError } from "../../domain/error.ts";
import type { Content } from "../../domain/holding.ts";
import type { LedgerEntry } from "../../domain/status.ts";
import type { LeasedTask, Ledger } from "../../ports/state.ts";
import type { DeleteGates } from "../delete-gates.ts";
import { type DeleteEnd, deleteObject } from "../delete-object.ts";
import { toRoute } from "../diff.ts";
import type { RuleIndex } from "../rule-index.ts";
import { isRejected, settled } from "../settlement.ts";
import { type AnnouncedWriteParts, type Written, writeAnnounced } from "./announced-write.ts";
import { type ConflictParts, endConflict } from "./conflict-record.ts";
import { alsoDescending, heldAfter, winning } from "./holdings-after.ts";
import { type End, type ObjectSide, originOf, rowOf, type Situation } from "./situation.ts";
import { wantsOfWinner } from "./wants.ts";

export interface DeleteParts extends AnnouncedWriteParts, ConflictParts {
  readonly ledger: Pick<Ledger, "get">;
  readonly gates: DeleteGates;
  readonly rules: RuleIndex;
}

type DeletedSide = Side & { readonly kind: "deleted" };

/** Removes exactly the object that the delete was decided on, where rule, person and gate allow it (invariant 4). */
export async function deleteReplica(parts: DeleteParts, situation: Situation, isConflict: boolean): Promise<End> {
  const { aim, task, destination } = situation;
  const { content: own } = situation.source.side as DeletedSide;
  const about = { operation: "delete", origin: own.origin } as const;
  const reason = reasonAgainst(situation) ?? ((await isKept(parts, situation)) ? "DeleteRejected" : undefined);
  if (reason !== undefined) return settled("SKIPPED", reason, about);
  const route = toRoute(aim.rule, aim.destination);
  if (!(await parts.gates.passes(route, { approved: task.changes?.approved }))) return settled("HELD", "DeleteGate", about);
  const content = isConflict ? winning(own, destination) : own;
  const write = () => remove(parts, situation, { isConflict, content });
  return writeAnnounced(parts, situation, { content, expected: null, bytes: 0, write });
}

/** What of the rule or of the two sides speaks against it. */
function reasonAgainst({ aim: { rule }, source, destination }: Situation): string | undefined {
  const { content } = source.side as DeletedSide;
  if (rule.deletes === "none") return "DeletesNotReplicated";
  if (content.isExpiration === true && !rule.expirations) return "Expired";
  if (rule.deletes === "markers" && !source.isMarker) return "NoDeleteMarker";
  return destination.holding === undefined || destination.side.kind !== "object" ? "NotOurs" : undefined;
}

/** Whether a person has said that what is there stays; of what the delete reached meanwhile, too. */
async function isKept(parts: DeleteParts, situation: Situation): Promise<boolean> {
  const { task, source } = situation;
  const row = situation.row ?? (await rowOf(parts.ledger, situation));
  // The event of a delete of ours tells of no other delete.
  const told = source.holding?.isReplica === true ? { ...task, changes: undefined } : task;
  return isRejected(row, told) || isRejectedElsewhere(parts, situation, { row, told });
}

interface Said {
  readonly row: LedgerEntry | undefined;
  readonly told: LeasedTask;
}

/** What a person keeps at the destination from one member's delete is kept from all that the delete reached meanwhile. */
async function isRejectedElsewhere({ rules, ledger }: DeleteParts, { aim, task }: Situation, { row, told }: Said): Promise<boolean> {
  const { rule, destination } = aim;
  for (const id of rule.mesh ?? []) {
    const leg = id === rule.source.id ? undefined : rules.legOf(rule.id, id, destination.canonicalId);
    if (leg === undefined) continue;
    const other = await rowOf(ledger, { aim: leg, task, signal: undefined });
    if (isRejected(other, told) && (other?.finishedAt ?? 0) > (row?.finishedAt ?? 0)) return true;
  }
  return false;
}

async function remove(
  parts: DeleteParts,
  situation: Situation,
  { isConflict, content }: { readonly isConflict: boolean; readonly content: Content },
): Promise<Written> {
  const { aim, source } = situation;
  const deleted = await deleteThere(parts, situation).catch(toReplicationError);
  if (isReplicationError(deleted)) return { kind: "broken", error: deleted };
  if (deleted.kind === "moved-on") return { kind: "not-made", end: "look" };
  const { id: sourceId } = aim.rule.source;
  await endConflict(parts, situation, isConflict ? sourceId : null);
  const wants = isConflict ? wantsOfWinner(parts.rules, situation, sourceId) : [];
  const holdings = [heldAfter(situation, null, content), ...(isConflict ? alsoDescending(source, content) : [])];
  const end = settled("COMPLETED", null, { operation: "delete", origin: originOf(source), holdings, wants });
  if (deleted.kind === "absent") return { kind: "made", end };
  return { kind: "made", end, announced: { kind: "deleted", versionId: deleted.versionId ?? undefined } };
}

function deleteThere({ storeOf }: DeleteParts, { aim, key, destination, signal }: Situation): Promise<DeleteEnd> {
  const { etag, versionId } = (destination.side as ObjectSide).object;
  return deleteObject({ store: storeOf(aim.destination.bucket), key, etag, versionId, rule: aim.rule, hasOtherWriters: true, signal });
}
