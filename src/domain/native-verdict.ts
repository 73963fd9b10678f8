import type { ObjectState } from "./object.ts";

/** Both sides of a pair that S3 replicates by itself, as they were read, and what is known of its rule. */
export interface NativeSides {
  readonly source: ObjectState;
  readonly replica: ObjectState | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** What the source says is about this destination alone: no second rule stands at it. */
  readonly isSole: boolean;
  /** The destination is a source too: clients write there, and what they write comes the other way. */
  readonly isInterior: boolean;
  /** S3's rule for the pair stands and is enabled; undefined where nobody may look. */
  readonly isApplied?: boolean | undefined;
  /** S3's word for why it gave this very version up at this very destination, where it has said so. */
  readonly failureReason?: string | undefined;
  /** A batch job is at work on what the rule did not replicate. */
  readonly isRepaired?: boolean | undefined;
}

/** Why an object is not where it should be, where S3 has not said it better. */
export const NATIVE_FAULTS = {
  /** S3 tried, and never tries again. */
  failed: "ReplicationFailed",
  /** S3 says that it is there, and it is not. */
  lost: "LostTrack",
  /** S3 never looked at it: it was there before the rule. */
  none: "NONE",
  notApplied: "NotApplied",
} as const;

/** Note of a row whose object was replicated again once because S3 had given it up: that is done once for each version. */
export const HEALED = "healed";

export type NativeVerdict =
  /** `provider`: S3 gave the replica the source's own version id, and the sizes agree. */
  | { readonly kind: "equal"; readonly proof: "etag" | "provider" }
  | { readonly kind: "pending" }
  /** What the source holds is itself a replica, which S3 does not carry on. */
  | { readonly kind: "replica" }
  /** A client wrote the destination later: the other direction brings it here. */
  | { readonly kind: "superseded" }
  | { readonly kind: "failed"; readonly reason: string };

/** S3 replicates most objects within this; until then an absence says nothing. https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-time-control.html */
const GRACE_MS = 15 * 60_000;

/** What has become of an object at one destination. What the destination holds decides; the source's header only tells why it lacks something. */
export function judgeNative(sides: NativeSides): NativeVerdict {
  const { source, replica, now, isSole, failureReason } = sides;
  const proof = replica === undefined ? undefined : proofOf(source, replica);
  if (proof !== undefined) return { kind: "equal", proof };
  const { replicationStatus: status } = source;
  if (status === "REPLICA") return { kind: "replica" };
  if (sides.isInterior && replica !== undefined && isNewerClients(replica, source)) return { kind: "superseded" };
  if (failureReason !== undefined) return { kind: "failed", reason: failureReason };
  if (sides.isRepaired === true) return { kind: "pending" };
  if (status === "PENDING") return { kind: "pending" };
  if (status === "FAILED" && isSole) return { kind: "failed", reason: NATIVE_FAULTS.failed };
  if (now - source.lastModified < GRACE_MS) return { kind: "pending" };
  return { kind: "failed", reason: faultOf(sides) };
}

function faultOf({ source, isApplied }: NativeSides): string {
  if (source.replicationStatus === "FAILED") return NATIVE_FAULTS.failed;
  if (source.replicationStatus === "COMPLETED") return NATIVE_FAULTS.lost;
  return isApplied === false ? NATIVE_FAULTS.notApplied : NATIVE_FAULTS.none;
}

/** S3 keeps the version id; under KMS it does not keep the ETag. */
function proofOf(source: ObjectState, replica: ObjectState): "etag" | "provider" | undefined {
  if (source.sizeBytes !== replica.sizeBytes) return undefined;
  if (source.etag === replica.etag) return "etag";
  return source.versionId !== undefined && source.versionId === replica.versionId ? "provider" : undefined;
}

function isNewerClients(replica: ObjectState, source: ObjectState): boolean {
  return replica.replicationStatus !== "REPLICA" && replica.lastModified >= source.lastModified;
}
