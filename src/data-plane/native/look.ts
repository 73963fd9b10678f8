import type { Bucket } from "../../domain/bucket.ts";
import { judgeNative, type NativeVerdict } from "../../domain/native-verdict.ts";
import type { ObjectState } from "../../domain/object.ts";
import { destinationKey } from "../../domain/rule.ts";
import type { LedgerEntry } from "../../domain/status.ts";
import type { ObjectStore } from "../../ports/object-store.ts";
import { filterVerdict } from "../filter-verdict.ts";
import type { Aim } from "../replicate.ts";
import { type RowPlace, rowOfExcluded, rowOfFailedDelete, rowOfGone, rowOfVerdict, toldReason } from "./rows.ts";

/** What is known of S3's own rule behind one pair. */
export interface PairFacts {
  /** No other rule stands at the source. */
  readonly isSole: boolean;
  /** The destination is a source too. */
  readonly isInterior: boolean;
  /** Undefined: nobody may look. */
  readonly isApplied: boolean | undefined;
  /** A batch job is at work. */
  readonly isRepaired: boolean;
}

/** What S3 said of one version at one destination. */
export interface FailureEvidence {
  /** Undefined: of whatever version is current. */
  readonly versionId: string | undefined;
  readonly reason: string;
}

export interface Look {
  readonly aim: Aim;
  readonly key: string;
  readonly facts: PairFacts;
  readonly storeOf: (bucket: Bucket) => ObjectStore;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** The row as it stands: what S3 said then of the version that is still current holds. */
  readonly previous: LedgerEntry | undefined;
  readonly evidence?: FailureEvidence | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One object as both its buckets show it. */
export type Sight =
  | {
      readonly kind: "seen";
      readonly source: ObjectState;
      readonly replica: ObjectState | undefined;
      readonly verdict: NativeVerdict;
    }
  | { readonly kind: "gone"; readonly isMarker: boolean; readonly replica: ObjectState | undefined }
  | { readonly kind: "excluded" };

/** Asks both buckets for one object. Whatever a listing or an event said, what they hold now is what counts (invariant 2). */
export async function lookAt({ aim, key, facts, storeOf, now, previous, evidence, signal }: Look): Promise<Sight> {
  const { rule, destination } = aim;
  const from = storeOf(rule.source);
  const [observed, replica] = await Promise.all([
    from.observe(key, { signal }),
    storeOf(destination.bucket).head(destinationKey(destination, key), { signal }),
  ]);
  if (observed.kind !== "object") return { kind: "gone", isMarker: observed.kind === "marker", replica };
  const source = observed.state;
  if (!(await filterVerdict(rule, source, { store: from, signal }))) return { kind: "excluded" };
  const isOfIt = evidence !== undefined && (evidence.versionId ?? source.versionId) === source.versionId;
  const failureReason = isOfIt ? evidence.reason : facts.isRepaired ? undefined : toldReason(previous, source);
  return { kind: "seen", source, replica, verdict: judgeNative({ ...facts, source, replica, now, failureReason }) };
}

/** The row that a sight leaves; undefined: the one that is there stays, or none is needed. */
export function rowOfSight(sight: Sight, place: RowPlace, { aim, evidence }: Pick<Look, "aim" | "evidence">): LedgerEntry | undefined {
  if (sight.kind === "seen") return rowOfVerdict(place, sight, sight.verdict);
  if (sight.kind === "excluded") return rowOfExcluded(place);
  const { previous } = place;
  const standing = previous?.status === "FAILED" && previous.operation === "delete" ? previous.reason : undefined;
  const reason = evidence?.reason ?? standing ?? undefined;
  const isUndone = sight.isMarker && sight.replica !== undefined && aim.rule.deletes === "markers";
  return isUndone && reason !== undefined ? rowOfFailedDelete(place, reason) : rowOfGone(place);
}
