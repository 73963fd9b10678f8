import { type Content, compareContents, type HeldObject } from "../../domain/holding.ts";
import { stampOf } from "../../domain/stamp.ts";
import type { Want } from "../../ports/state.ts";
import type { Transfer, TransferDestination, TransferOutcome, TransferRequest, TransferredSource } from "../../ports/transfer.ts";
import { toRoute } from "../diff.ts";
import { placeOf } from "../place.ts";
import { toReplica } from "../replicate.ts";
import type { RuleIndex } from "../rule-index.ts";
import { type Settled, settled } from "../settlement.ts";
import { type AnnouncedWriteParts, type Written, writeAnnounced } from "./announced-write.ts";
import { type ConflictParts, endConflict } from "./conflict-record.ts";
import { RESTORE_AFTER_MS } from "./findings.ts";
import { hashTags } from "./held-object.ts";
import { alsoDescending, heldAfter, winning, withTags } from "./holdings-after.ts";
import type { End, ObjectSide, Situation } from "./situation.ts";
import { unreadSource, wantsOfWinner } from "./wants.ts";

export interface CopyParts extends AnnouncedWriteParts, ConflictParts {
  readonly transfer: Transfer;
  readonly rules: RuleIndex;
}

interface Plan {
  readonly isConflict: boolean;
  readonly content: Content;
  readonly stamp: string | null;
}

interface Copied {
  readonly read: TransferredSource;
  readonly outcome: TransferOutcome & { readonly kind: "copied" };
}

/** Writes the source's object to the destination, on condition that it holds what was decided from (invariant 3). */
export async function copyObject(parts: CopyParts, situation: Situation, isConflict: boolean): Promise<End> {
  const { object, content: own } = situation.source.side as ObjectSide;
  const early = tooEarly(situation, own, parts.clock.now());
  if (early !== undefined) return early;
  const content = isConflict ? winning(own, situation.destination) : own;
  const { etag, sizeBytes } = object;
  const stamp = stampFor(situation, content, etag);
  const write = () => transfer(parts, situation, { isConflict, content, stamp });
  return writeAnnounced(parts, situation, { content, expected: { etag, sizeBytes, stamp }, bytes: sizeBytes, write });
}

/** What went without a word may have been deleted, and the event be on its way: it is put back a while later (invariant 4). */
function tooEarly({ aim, task, destination }: Situation, content: Content, now: number): Settled | undefined {
  const { side, holding } = destination;
  if (side.kind !== "absent" || holding === undefined || task.lane === "backfill") return undefined;
  if (compareContents(content, holding.content) === "newer") return undefined;
  const route = toRoute(aim.rule, aim.destination);
  const want: Want = { route, key: task.key, lane: "backfill", eventTime: null, notBefore: now + RESTORE_AFTER_MS };
  return settled("SKIPPED", "LostAtDestination", { origin: content.origin, wants: [want] });
}

function stampFor({ aim: { rule, destination }, key }: Situation, content: Content, sourceEtag: string): string | null {
  return rule.stamp === "never" ? null : stampOf(content, { place: placeOf(destination.bucket.id, key), sourceEtag });
}

async function transfer(parts: CopyParts, situation: Situation, plan: Plan): Promise<Written> {
  const result = await parts.transfer.copy(toRequest(situation, plan.stamp));
  if (result.kind === "failed") return { kind: "not-made", end: unreadSource(parts.rules, situation, result.error) };
  const outcome = result.kind === "done" ? result.outcomes[0] : undefined;
  if (outcome?.kind === "failed") return { kind: "broken", error: outcome.error };
  if (outcome?.kind !== "copied" || result.kind !== "done") return { kind: "not-made", end: "look" };
  const { id: sourceId } = situation.aim.rule.source;
  await endConflict(parts, situation, plan.isConflict ? sourceId : null);
  const wants = plan.isConflict ? wantsOfWinner(parts.rules, situation, sourceId) : [];
  const end = { ...copied(situation, plan, { read: result.source, outcome }), wants };
  return { kind: "made", end, announced: { kind: "created", etag: outcome.etag, versionId: outcome.versionId } };
}

function toRequest(situation: Situation, stamp: string | null): TransferRequest {
  const { aim, task, source, signal } = situation;
  const { etag, sizeBytes } = (source.side as ObjectSide).object;
  const { lastModified, storageClass = "STANDARD" } = source.state ?? {};
  const hint = { etag, sizeBytes, lastModified, storageClass };
  return { source: aim.rule.source, key: task.key, hint, destinations: [toDestination(situation, stamp)], signal };
}

function toDestination({ aim, key, destination, wasRefused }: Situation, stamp: string | null): TransferDestination {
  const { bucket, storageClass, encryption } = aim.destination;
  const held = destination.side.kind === "object" ? destination.side.object.etag : null;
  // Some stores take a delete marker for an object when asked for "nothing there": after one refusal it is written over what was seen.
  const ifHolds = destination.isMarker && wasRefused ? undefined : held;
  return { bucket, key, storageClass, encryption, preserve: aim.rule.preserve, ifHolds, stamp };
}

function copied(situation: Situation, { isConflict, content, stamp }: Plan, { read, outcome }: Copied): Settled {
  const { source } = situation;
  const { etag, versionId = null } = outcome;
  const tags = read.attributes?.tags;
  const object: HeldObject = {
    etag,
    versionId,
    sizeBytes: read.sizeBytes,
    lastModified: null,
    tagsHash: tags === undefined ? null : hashTags(tags),
    attributesHash: (source.side as ObjectSide).object.attributesHash,
    isStamped: stamp !== null && !outcome.notes.includes("StampNotKept"),
  };
  const atSource = isConflict ? alsoDescending(source, content) : withTags(source, object.tagsHash);
  return settled("COMPLETED", null, {
    notes: outcome.notes,
    replica: toReplica({ ...outcome, versionId, source: read }),
    origin: content.origin,
    holdings: [heldAfter(situation, object, content), ...atSource],
  });
}
