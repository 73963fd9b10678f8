import { ReplicationError, toReplicationError } from "../domain/error.ts";
import type { Rule } from "../domain/rule.ts";
import type { ObjectStore, Observation } from "../ports/object-store.ts";

export interface DeleteRequest {
  readonly store: ObjectStore;
  readonly key: string;
  /** What is to be deleted: nothing else may be. */
  readonly etag: string;
  readonly versionId: string | null;
  readonly rule: Pick<Rule, "deletes" | "unsafeDeletes">;
  /** Whether other clients write there. A leaf is ours, and what is looked at may be deleted. */
  readonly hasOtherWriters: boolean;
  readonly signal?: AbortSignal | undefined;
}

export type DeleteEnd =
  | { readonly kind: "deleted"; readonly versionId: string | null; readonly deleteMarker: boolean }
  /** It was not there any more. */
  | { readonly kind: "absent" }
  /** Something else is there; it was left, or put back. */
  | { readonly kind: "moved-on" };

/**
 * Deletes exactly the object named (invariant 4): by a condition where the store honours one; on a versioned bucket by a marker, which is
 * taken away again where it came to stand on another version; elsewhere only where the rule says that this is safe enough.
 * @throws `CapabilityMissing` where the destination cannot do it safely
 */
export async function deleteObject(request: DeleteRequest): Promise<DeleteEnd> {
  const { store, key, signal } = request;
  const { conditionalDelete } = await store.capabilities(signal);
  const isMarkers = request.rule.deletes === "markers";
  // Asked each time, and only where it decides: a bucket's versioning can be changed while we run.
  const versioned = (isMarkers || !conditionalDelete) && (await store.versioning(signal)) === "Enabled";
  if (isMarkers && !versioned) throw refusal(request, "has no delete markers: it is not versioned");
  const current = await store.observe(key, { signal });
  if (current.kind !== "object") return { kind: "absent" };
  if (!isNamed(request, current)) return { kind: "moved-on" };
  if (conditionalDelete) return deleteOnCondition(request);
  if (versioned) return deleteByMarker(request, current.state.versionId);
  if (request.hasOtherWriters && !request.rule.unsafeDeletes) throw refusal(request, "has neither versions nor conditional deletes");
  const removed = await store.delete(key, { signal });
  return { kind: "deleted", versionId: removed.versionId ?? null, deleteMarker: removed.deleteMarker };
}

async function deleteOnCondition({ store, key, etag, signal }: DeleteRequest): Promise<DeleteEnd> {
  try {
    const removed = await store.delete(key, { ifMatch: etag, signal });
    return { kind: "deleted", versionId: removed.versionId ?? null, deleteMarker: removed.deleteMarker };
  } catch (error) {
    if (error instanceof ReplicationError && error.code === "PreconditionFailed") return { kind: "moved-on" };
    throw error;
  }
}

/** A marker hides whatever is under it: looked at afterwards, since the store could not be told what that must be. */
async function deleteByMarker({ store, key, signal }: DeleteRequest, decidedOn: string | undefined): Promise<DeleteEnd> {
  const { versionId, deleteMarker } = await store.delete(key, { signal });
  if (versionId === undefined || !deleteMarker) return { kind: "deleted", versionId: versionId ?? null, deleteMarker };
  const { versions } = await store.listVersions({ prefix: key, maxKeys: 100, signal }).catch(afterTheFact);
  const history = versions.filter((version) => version.key === key);
  const under = history[history.findIndex((version) => version.versionId === versionId) + 1];
  if (decidedOn === undefined || under === undefined || under.versionId === decidedOn) return { kind: "deleted", versionId, deleteMarker };
  await store.delete(key, { versionId, signal });
  return { kind: "moved-on" };
}

/** The marker is there already, so that whatever went wrong no longer means that nothing was written. */
function afterTheFact(error: unknown): never {
  const { code, message, at, hint } = toReplicationError(error);
  throw new ReplicationError(code, message, { at, hint, disposition: "retry", cause: error });
}

function isNamed({ etag, versionId }: DeleteRequest, { state }: Observation & { kind: "object" }): boolean {
  if (versionId !== null && state.versionId !== undefined) return state.versionId === versionId;
  return state.etag === etag;
}

function refusal({ store, key, rule }: DeleteRequest, why: string): ReplicationError {
  return new ReplicationError("CapabilityMissing", `${store.bucket.name} ${why}: ${key} is not deleted there`, {
    at: { operation: "DeleteObject", bucket: store.bucket.bucket, key },
    hint:
      rule.deletes === "markers"
        ? "turn versioning on at the destination, or write deletes: propagate"
        : "turn versioning on at the destination, or accept the risk with unsafe: [unconditional-deletes]",
  });
}
