import type { Bucket } from "../../domain/bucket.ts";
import { isReplicationError, toReplicationError } from "../../domain/error.ts";
import { descendingFrom, type HeldObject } from "../../domain/holding.ts";
import type { Clock } from "../../ports/clock.ts";
import type { ObjectStore } from "../../ports/object-store.ts";
import type { Ledger } from "../../ports/state.ts";
import { aclAfter, type Carried, carryAcl, carryLock } from "../carried-guards.ts";
import type { RuleIndex } from "../rule-index.ts";
import { type Assignment, settled } from "../settlement.ts";
import { type AnnouncedWriteParts, type Written, writeAnnounced } from "./announced-write.ts";
import { type ConflictParts, endConflict } from "./conflict-record.ts";
import { hashTags } from "./held-object.ts";
import { adoptedReplica, alsoDescending, heldAfter } from "./holdings-after.ts";
import { type End, isOfAttributes, type ObjectSide, rowOf, type Situation } from "./situation.ts";

export interface AclParts {
  readonly ledger: Pick<Ledger, "get">;
  readonly rules: RuleIndex;
}

/** Whether the source's ACL is one that was given to it, so that it is worth comparing. */
export async function comparesAcls(parts: AclParts, assignment: Assignment): Promise<boolean> {
  return assignment.aim.rule.preserve.acl && !(await lacksAcls(parts, assignment));
}

/**
 * Whether the source could not take the ACL of another member's object, by the notes of the ways there: then its own says nothing, and less
 * than anything that the others' is too open.
 */
async function lacksAcls({ rules, ledger }: AclParts, { aim: { rule }, task }: Assignment): Promise<boolean> {
  const ways = (rule.mesh ?? []).flatMap((id) => rules.legOf(rule.id, id, rule.source.id) ?? []);
  const rows = await Promise.all(ways.map((aim) => rowOf(ledger, { aim, task, signal: undefined })));
  return rows.some((row) => row?.notes.includes("AclNotKept"));
}

/** Whether the destination could not take the source's ACL, which has not been changed since. */
export async function isAclRefused({ ledger }: Pick<AclParts, "ledger">, situation: Situation): Promise<boolean> {
  const { side: source } = situation.source;
  const { side: replica } = situation.destination;
  if (situation.aim.rule.mesh === undefined || source.kind !== "object" || replica.kind !== "object") return false;
  if ((source.content.retagged ?? 0) > (replica.content.retagged ?? 0)) return false;
  return (await rowOf(ledger, situation))?.notes.includes("AclNotKept") === true;
}

export interface LockParts {
  readonly storeOf: (bucket: Bucket) => ObjectStore;
  readonly clock: Clock;
}

/** Locks have no history: whichever side holds the same bytes harder, the other is brought up to it, so that there is nothing to decide. */
export async function carryLockOver({ storeOf, clock }: LockParts, situation: Situation): Promise<Carried | undefined> {
  const { aim, source, destination, signal } = situation;
  const { state } = destination;
  if (!isOfAttributes(situation) || !aim.rule.preserve.objectLock || source.state === undefined || state === undefined) return undefined;
  if (source.state.etag !== state.etag || source.state.sizeBytes !== state.sizeBytes) return undefined;
  const replica = { store: storeOf(aim.destination.bucket), state };
  return carryLock({ source: source.state, replica, now: clock.now(), signal });
}

/** Gives the replica the tags and the ACL of its source: no bytes move, and the event that it makes is our own. */
export async function giveAttributes(parts: AnnouncedWriteParts & ConflictParts, situation: Situation): Promise<End> {
  const { preserve } = situation.aim.rule;
  const { content } = situation.source.side as ObjectSide;
  const about = { operation: "attributes", origin: content.origin } as const;
  if (!preserve.tags && !preserve.acl) return settled("SKIPPED", "TagsNotPreserved", about);
  const { etag, sizeBytes } = (situation.destination.side as ObjectSide).object;
  const write = () => give(parts, situation);
  return writeAnnounced(parts, situation, { content, expected: { etag, sizeBytes, stamp: null }, bytes: 0, write });
}

async function give(parts: AnnouncedWriteParts & ConflictParts, situation: Situation): Promise<Written> {
  const { source, destination } = situation;
  const { object, content } = source.side as ObjectSide;
  const { object: replica, content: before } = destination.side as ObjectSide;
  const given = await giveDiffering(parts.storeOf, situation).catch(toReplicationError);
  if (isReplicationError(given)) return { kind: "broken", error: given };
  await endConflict(parts, situation, null);
  const merged = descendingFrom(content, before);
  const end = settled("COMPLETED", null, {
    operation: "attributes",
    replica: adoptedReplica(object, replica),
    origin: content.origin,
    holdings: [heldAfter(situation, given.object, merged), ...alsoDescending(source, merged)],
  });
  return { kind: "made", end: { ...end, acl: given.acl }, announced: given.isWritten ? { kind: "attributes" } : undefined };
}

interface Given {
  readonly object: HeldObject;
  /** What became of the ACL, where it was looked at. */
  readonly acl: Carried | undefined;
  /** Whether anything was written, so that an event comes. */
  readonly isWritten: boolean;
}

/** What differs of tags and ACL, and no more: what changes nothing makes no event that calls the other direction. */
async function giveDiffering(storeOf: AnnouncedWriteParts["storeOf"], situation: Situation): Promise<Given> {
  const { aim, key, source, destination, comparesAcls, signal } = situation;
  const { object } = source.side as ObjectSide;
  const { object: replica } = destination.side as ObjectSide;
  const tags = aim.rule.preserve.tags && object.tagsHash !== replica.tagsHash ? await copyTags(storeOf, situation) : undefined;
  const canCompare = comparesAcls && object.acl !== undefined && replica.acl !== undefined;
  const there = { store: storeOf(aim.destination.bucket), key, acl: replica.acl ?? "private" };
  const acl = canCompare ? await carryAcl({ acl: object.acl ?? "private", replica: there, signal }) : undefined;
  const tagsHash = tags === undefined ? replica.tagsHash : hashTags(tags);
  return {
    object: { ...replica, tagsHash, acl: aclAfter(acl, { acl: object.acl, before: replica.acl }) },
    acl,
    isWritten: tags !== undefined || acl === "changed" || acl === "closed",
  };
}

async function copyTags(
  storeOf: AnnouncedWriteParts["storeOf"],
  { aim, task, key, signal }: Situation,
): Promise<Readonly<Record<string, string>>> {
  const tags = await storeOf(aim.rule.source).tags(task.key, { signal });
  await storeOf(aim.destination.bucket).putTags(key, tags, { signal });
  return tags;
}
