import { type Decision, type DecisionInput, decide } from "../../domain/decision.ts";
import { ReplicationError } from "../../domain/error.ts";
import { descendingFrom } from "../../domain/holding.ts";
import { destinationKey, type Rule } from "../../domain/rule.ts";
import type { Operation } from "../../domain/status.ts";
import type { Want } from "../../ports/state.ts";
import { notesAfter } from "../carried-guards.ts";
import { announcedOperation } from "../delete-evidence.ts";
import { type Assignment, type Failed, failed, type Settled, type Settlement, settled, standingReason } from "../settlement.ts";
import { carryLockOver, giveAttributes, isAclRefused, type LockParts } from "./attributes.ts";
import { type BothSidesParts, readBothSides } from "./both-sides.ts";
import { askPerson, endConflict } from "./conflict-record.ts";
import { type CopyParts, copyObject } from "./copy.ts";
import { type DeleteParts, deleteReplica } from "./delete.ts";
import { adoptedReplica, commonContent } from "./holdings-after.ts";
import type { Reading } from "./reading.ts";
import { type Attempt, type End, isBelieved, membersOf, originOf, rowOf, type Situation } from "./situation.ts";
import { wantsBack, wantsOfWinner } from "./wants.ts";

export interface ConvergeParts extends BothSidesParts, CopyParts, DeleteParts, LockParts {
  /** Whether every bucket of the rule has once been compared as a whole: from then on what has no row is new. */
  readonly isCompared: (rule: Rule) => Promise<boolean>;
}

/** How often sides that change under our hands are read again before the task is left for later. */
const ROUNDS = 6;

/**
 * Brings one interior bucket in line with another under one key: reads the source, decides by what both descend from, announces the write,
 * writes on the condition that the destination is as it was decided on, and tells what both are known to hold from then on.
 */
export async function converge(parts: ConvergeParts, assignment: Assignment): Promise<Settlement> {
  let sight: Sight = { mustLook: false, wasRefused: false };
  for (let round = 0; round < ROUNDS; round++) {
    const end = await attempt(parts, assignment, sight).catch((error: unknown) => failed(error));
    if (end !== "again" && end !== "look") return end;
    if (end === "look") sight = { mustLook: true, wasRefused: sight.mustLook };
  }
  return failed(new ReplicationError("PreconditionFailed", `${assignment.task.key} changed each time it was read`));
}

type Sight = Pick<Attempt, "mustLook" | "wasRefused">;

async function attempt(parts: ConvergeParts, assignment: Assignment, sight: Sight): Promise<End> {
  const { task, aim } = assignment;
  const mayTellOfDelete = task.lane === "backfill" || task.attempts > 0 || task.changes?.deleted === true;
  const row = mayTellOfDelete ? await rowOf(parts.ledger, assignment) : undefined;
  const key = destinationKey(aim.destination, task.key);
  const operation = announcedOperation(task, aim.rule);
  const end = await readAndAct(parts, { ...assignment, ...sight, key, row }).catch((error: unknown) => failed(error, { operation }));
  return isFailed(end) ? { ...end, standing: standingReason(row) } : end;
}

async function readAndAct(parts: ConvergeParts, attempt: Attempt): Promise<End> {
  const situation = await readBothSides(parts, attempt);
  if (situation === "again" || "kind" in situation) return situation;
  const decision = decide(await toInput(parts, situation));
  const lock = await carryLockOver(parts, situation);
  const end = await act(parts, situation, decision).catch((error: unknown) => failed(error));
  if (typeof end === "string") return end;
  if (end.kind === "failed") return { ...end, operation: operationOf(decision) };
  const { acl, ...ended } = end;
  const notes = [...(await notesKept(parts, situation, decision)), ...end.notes];
  return { ...ended, notes: notesAfter([...new Set(notes)], { lock, acl }) };
}

async function toInput(parts: ConvergeParts, situation: Situation): Promise<DecisionInput> {
  const { rule } = situation.aim;
  return {
    source: situation.source.side,
    destination: situation.destination.side,
    sourceBucket: rule.source.id,
    policy: rule.conflict,
    members: membersOf(situation),
    isOneWay: rule.mesh === undefined,
    ignoresExpirations: !rule.expirations,
    known: await isKnown(parts, situation),
    carriesAcls: situation.comparesAcls && !(await isAclRefused(parts, situation)),
  };
}

/**
 * Whether a difference is a conflict that a policy may decide. What was there before anybody looked is not: only a person can say which is
 * right, and where one was asked the answer is waited for (invariant 11).
 */
async function isKnown({ isCompared }: ConvergeParts, { conflict, source, destination, task, aim }: Situation): Promise<boolean> {
  if (conflict !== undefined) return false;
  const isFound = ({ side }: Reading) => side.kind !== "absent" && side.content.isFound === true;
  if (!isFound(source) && !isFound(destination)) return true;
  return task.changes?.missed !== true && (await isCompared(aim.rule));
}

function act(parts: ConvergeParts, situation: Situation, decision: Decision): Promise<End> {
  switch (decision.do) {
    case "nothing":
      return nothing(parts, situation, decision.because);
    case "adopt":
      return adopt(parts, situation);
    case "copy":
      return copyObject(parts, situation, decision.conflict);
    case "delete":
      return deleteReplica(parts, situation, decision.conflict);
    case "retag":
      return giveAttributes(parts, situation);
    case "yield":
      return yieldTo(parts, situation, decision.conflict);
    case "hold":
      return hold(parts, situation);
    default:
      return decision satisfies never;
  }
}

/** What cannot be done where an act fails. */
function operationOf({ do: what }: Decision): Operation {
  if (what === "delete") return "delete";
  return what === "retag" ? "attributes" : "copy";
}

type Because = (Decision & { readonly do: "nothing" })["because"];

async function nothing(parts: ConvergeParts, situation: Situation, because: Because): Promise<End> {
  if (because !== "destination-newer") return equal(parts, situation);
  // Said of what is there, as in yieldTo.
  if (isBelieved(situation)) return "look";
  if (situation.destination.side.kind !== "object") await endConflict(parts, situation, null); // nothing at either side is nothing to ask about
  return settled("SKIPPED", "SourceGone", { wants: wantsBack(parts.rules, situation) });
}

async function equal(parts: ConvergeParts, situation: Situation): Promise<Settled> {
  const { source } = situation;
  await endConflict(parts, situation, null);
  const about = { origin: originOf(source), wants: wantsOfAnswered(parts, situation) };
  if (source.side.kind !== "object") return settled("SKIPPED", "SourceGone", about);
  return settled(source.holding?.isReplica ? "REPLICA" : "COMPLETED", null, about);
}

/** Where a person is not asked any more, the row of the other direction, which is held too, is decided again. */
function wantsOfAnswered({ rules }: ConvergeParts, situation: Situation): readonly Want[] {
  return situation.conflict === undefined ? [] : wantsBack(rules, situation);
}

/** Both have it already: from now on both are known to have the same. */
async function adopt(parts: ConvergeParts, situation: Situation): Promise<End> {
  const { source, destination } = situation;
  const [here, there] = [source.side, destination.side];
  if (here.kind === "absent" || there.kind === "absent" || source.holding === undefined || destination.holding === undefined) {
    return equal(parts, situation);
  }
  const content = commonContent(here.content, there.content, membersOf(situation));
  const holdings = [source.holding, destination.holding].map((holding) => ({ ...holding, content }));
  await endConflict(parts, situation, null);
  const replica = here.kind === "object" && there.kind === "object" ? adoptedReplica(here.object, there.object) : null;
  const operation = here.kind === "deleted" ? "delete" : "copy";
  const wants = wantsOfAnswered(parts, situation);
  return settled("COMPLETED", "Adopted", { operation, replica, origin: content.origin, holdings, wants });
}

/** What is there came later, or won: the other direction carries it, where there is one. */
async function yieldTo(parts: ConvergeParts, situation: Situation, isConflict: boolean): Promise<End> {
  // Said of what is there, not of what is believed: two directions that each believe the other to be ahead would call each other for ever.
  if (isBelieved(situation)) return "look";
  const { source, destination, aim } = situation;
  const [here, there] = [source.side, destination.side];
  const status = source.holding?.isReplica ? "REPLICA" : "SKIPPED";
  const end = settled(status, "DestinationNewer", { origin: originOf(source), wants: wantsBack(parts.rules, situation) });
  if (!isConflict || there.kind === "absent" || destination.holding === undefined || here.kind === "absent") return end;
  const winner = aim.destination.bucket.id;
  await endConflict(parts, situation, winner);
  const content = descendingFrom(there.content, here.content);
  return { ...end, holdings: [{ ...destination.holding, content }], wants: wantsOfWinner(parts.rules, situation, winner) };
}

async function hold(parts: ConvergeParts, situation: Situation): Promise<End> {
  if (isBelieved(situation) && !situation.destination.isMarker) return "look";
  await askPerson(parts, situation);
  return settled("HELD", "Conflict", { origin: originOf(situation.source) });
}

/** The notes on a replica that stays as it is. */
async function notesKept({ ledger }: ConvergeParts, situation: Situation, { do: what }: Decision): Promise<readonly string[]> {
  const { source, destination } = situation;
  if (what === "copy" || source.side.kind !== "object" || destination.side.kind !== "object") return [];
  return (await rowOf(ledger, situation))?.notes ?? [];
}

function isFailed(end: End): end is Failed {
  return typeof end !== "string" && end.kind === "failed";
}
