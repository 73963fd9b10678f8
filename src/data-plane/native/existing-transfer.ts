import type { Bucket } from "../../domain/bucket.ts";
import { toReplicationError } from "../../domain/error.ts";
import type { ObjectState } from "../../domain/object.ts";
import type { Destination, Rule } from "../../domain/rule.ts";
import type { LedgerEntry } from "../../domain/status.ts";
import type { ObjectStore, Observation } from "../../ports/object-store.ts";
import type { Ledger } from "../../ports/state.ts";
import type { Transfer, TransferDestination, TransferRequest, TransferResult } from "../../ports/transfer.ts";
import { toRoute } from "../diff.ts";

/**
 * Why an object that the destination lacks, or has otherwise, is not copied in S3's place.
 *
 * `carried`: S3's rule has it to do, or has done it. `replica`: it reached the source by replication, and S3 carries no replica on. `encrypted`: it
 * is under KMS, and the rule names no key of the destination. `kept`: the destination holds what a client wrote, or something newer.
 */
export const LEFT_ALONE = ["carried", "replica", "encrypted", "kept"] as const;
export type LeftAlone = (typeof LEFT_ALONE)[number];

export interface ExistingGuard {
  readonly rule: Rule;
  /** A leaf: nothing is replicated on from it. */
  readonly destination: Destination;
  readonly storeOf: (bucket: Bucket) => ObjectStore;
  readonly ledger: Ledger;
  /** Another rule stands for the same keys: that S3 says COMPLETED of an object does not tell that it was brought to this destination. */
  readonly takesCompleted: boolean;
  readonly onLeft: (why: LeftAlone) => void;
}

/**
 * Lets through only copies that S3's own rule will not make, into places that nobody else has written to: what the destination holds is replaced
 * only where S3 or replicast put it there, and where it is older. Each write is made on condition that the destination still holds what was seen.
 */
export function withExistingGuard(transfer: Transfer, guard: ExistingGuard): Transfer {
  return { copy: (request) => copyGuarded(transfer, request, guard) };
}

async function copyGuarded(transfer: Transfer, request: TransferRequest, guard: ExistingGuard): Promise<TransferResult> {
  const [to] = request.destinations;
  if (to === undefined) return transfer.copy(request);
  const found = await observe(to, guard);
  if (found.kind === "failed") return { kind: "failed", error: toReplicationError(found.error) };
  const replica = found.kind === "object" ? found.state : undefined;
  const entry = replica === undefined ? undefined : await guard.ledger.get(toRoute(guard.rule, guard.destination), request.key);
  let left: LeftAlone | undefined;
  const accept = (source: ObjectState): readonly boolean[] => {
    left = whyLeftAlone({ source, replica, entry, isDeleted: found.kind === "marker" }, guard);
    return left === undefined ? (request.accept?.(source) ?? [true]) : [false];
  };
  const result = await transfer.copy({ ...request, accept, destinations: [{ ...to, ifHolds: replica?.etag ?? null }] });
  // Whoever put something there meanwhile, S3 or a client, knows better.
  const isOvertaken = result.kind === "done" && result.outcomes[0]?.kind === "moved-on";
  if (isOvertaken || left !== undefined) guard.onLeft(left ?? "kept");
  return isOvertaken ? { ...result, outcomes: [{ kind: "not-accepted" }] } : result;
}

/** What is there; or why that is not known, which concerns this object alone (invariant 7). */
async function observe(
  { bucket, key }: TransferDestination,
  { storeOf }: ExistingGuard,
): Promise<Observation | { readonly kind: "failed"; readonly error: unknown }> {
  try {
    return await storeOf(bucket).observe(key);
  } catch (error) {
    return { kind: "failed", error };
  }
}

interface Sides {
  readonly source: ObjectState;
  readonly replica: ObjectState | undefined;
  /** Row of the object, where the destination holds anything. */
  readonly entry: LedgerEntry | undefined;
  /** The destination holds a delete marker. */
  readonly isDeleted: boolean;
}

function whyLeftAlone(sides: Sides, { destination, takesCompleted }: ExistingGuard): LeftAlone | undefined {
  const { source, replica } = sides;
  const { replicationStatus: status } = source;
  if (status === "REPLICA") return "replica";
  if (status === "PENDING" || (status === "COMPLETED" && !takesCompleted)) return "carried";
  // It was brought here, and then deleted by whoever uses the destination.
  if (status === "COMPLETED" && sides.isDeleted) return "kept";
  // S3 itself leaves these out: https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-config-for-kms-objects.html
  if (source.encryption?.startsWith("aws:kms") === true && destination.encryption?.type !== "aws:kms") return "encrypted";
  return replica === undefined || isOurs(sides) ? undefined : "kept";
}

/** Whether S3 or replicast wrote what the destination holds, of an older state of the source. */
function isOurs({ source, replica, entry }: Sides): boolean {
  if (replica === undefined || replica.lastModified > source.lastModified) return false;
  return replica.replicationStatus === "REPLICA" || (entry?.replica ?? null)?.destinationEtag === replica.etag;
}
