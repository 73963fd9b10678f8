import { attributeText, isMultipartEtag, type ObjectState } from "../domain/object.ts";
import { withoutStamp } from "../domain/stamp.ts";
import type { LedgerEntry, ReplicaRecord } from "../domain/status.ts";
import type { LeasedTask } from "../ports/state.ts";

type Recorded = LedgerEntry & { readonly replica: ReplicaRecord };

/**
 * Whether a task may have been wished for once more while its copy was under way: by a comparison, to which that copy does not show, or by an
 * event that came after one. Only of objects in parts is it worth to look before bytes move.
 */
export function mayBeThere({ hint, changes }: LeasedTask): boolean {
  if (hint?.etag === undefined || !isMultipartEtag(hint.etag)) return false;
  return changes?.deleted !== true && changes?.attributes !== true;
}

/** Whether what was named is what was replicated last, and nothing went wrong since. */
export function isRecorded({ hint }: LeasedTask, row: LedgerEntry | undefined): row is Recorded {
  return row != null && row.replica !== null && row.replica.etag === hint?.etag && row.error === null;
}

/**
 * Whether both sides, as they were just read, are what the row tells of: the source was not written since (invariant 2), and the replica is
 * there with all that it was given. Of tags only the number is told; a change of them alone has an event of its own.
 */
export function isAsRecorded({ replica }: Recorded, source: ObjectState, there: ObjectState | undefined): boolean {
  const { etag, lastModified, versionId, destinationEtag, bytes } = replica;
  if (source.etag !== etag || (lastModified !== 0 && source.lastModified !== lastModified)) return false;
  if (versionId !== null && source.versionId !== undefined && source.versionId !== versionId) return false;
  if (there?.etag !== destinationEtag || there.sizeBytes !== bytes) return false;
  if (source.tagCount !== there.tagCount) return false;
  return attributeText(withoutStamp(source.attributes)) === attributeText(withoutStamp(there.attributes));
}
