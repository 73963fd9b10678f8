import { type Content, compareContents, compareForNewest, descendingFrom, type HeldObject, type Holding } from "../../domain/holding.ts";
import type { ReplicaRecord } from "../../domain/status.ts";
import type { Reading } from "./reading.ts";
import type { Situation } from "./situation.ts";

/** What is at the destination after a write of ours, whose announcement raised the revision. */
export function heldAfter({ aim, key, destination }: Situation, object: HeldObject | null, content: Content): Holding {
  return { bucket: aim.destination.bucket.id, key, object, content, isReplica: true, revision: destination.revision + 1 };
}

/** The content of a conflict's winner descends from both from now on, at every member that has it. */
export function winning(content: Content, { side }: Reading): Content {
  return side.kind === "absent" ? content : descendingFrom(content, side.content);
}

/** A side that was not written to, and whose content is known to descend from the other's from now on. */
export function alsoDescending({ holding }: Reading, content: Content): readonly Holding[] {
  return holding === undefined ? [] : [{ ...holding, content }];
}

/** The tags that were copied are the source's: only then is a later change of them seen as one. */
export function withTags({ holding }: Reading, tagsHash: string | null): readonly Holding[] {
  const object = holding?.object ?? null;
  if (holding === undefined || object === null || tagsHash === null || object.tagsHash === tagsHash) return [];
  return [{ ...holding, object: { ...object, tagsHash } }];
}

/** Of two names for one content the one that every machine would take, descending from both. */
export function commonContent(a: Content, b: Content, members: readonly string[]): Content {
  const order = compareContents(a, b);
  const chosen = order === "newer" || (order !== "older" && compareForNewest(a, b, members) >= 0) ? a : b;
  return descendingFrom(chosen, chosen === a ? b : a);
}

/** The row of a replica that was not written just now. */
export function adoptedReplica(source: HeldObject, replica: HeldObject): ReplicaRecord {
  return {
    etag: source.etag,
    versionId: source.versionId,
    lastModified: source.lastModified ?? 0,
    attributeHash: null,
    bytes: source.sizeBytes,
    proof: source.etag === replica.etag ? "etag" : null,
    destinationEtag: replica.etag,
    destinationVersionId: replica.versionId,
  };
}
