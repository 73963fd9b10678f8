import type { BatchReplication } from "../../ports/batch-replication.ts";
import { ruleIdOf } from "../names.ts";
import type { NativePorts } from "../native/wish.ts";
import type { NativeBucket, NativePair, Owner } from "../native-pair.ts";
import type { CopyPlace } from "./copy-way.ts";
import type { BackfillPair, CountObjects } from "./existing-objects.ts";

export interface BackfillWish {
  readonly owner: Owner;
  /** Of all native rules. */
  readonly pairs: readonly BackfillPair[];
  /** Those whose rule does not stand yet. */
  readonly created: readonly NativePair[];
  /** Canonical ids of all buckets that any rule of the config, whoever serves it, begins at. */
  readonly sources: CopyPlace["sources"];
  /** Existing objects are to be replicated; otherwise it is told what there is, and how it would be done. */
  readonly starts: boolean;
  /** How long IAM is given before a role is used; milliseconds. */
  readonly propagationMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface BackfillPorts extends Pick<NativePorts, "configurationOf" | "identityOf" | "clock"> {
  /** Jobs of the bucket's region. */
  readonly batchOf: (bucket: NativeBucket) => Promise<BatchReplication>;
  readonly count: CountObjects;
  /** Why jobs cannot be used, by the canonical id of the source: what was found out once, also when one was started, holds for all further plans. */
  readonly refusals: Map<string, string>;
}

/** Whether the rule of a pair does not stand yet. */
export function isCreated(pair: NativePair, wish: BackfillWish): boolean {
  return wish.created.some((other) => other.source.id === pair.source.id && idOf(other, wish) === idOf(pair, wish));
}

/** S3's id of the rule for a pair. */
export function idOf({ rule, destinationId }: NativePair, { owner }: BackfillWish): string {
  return ruleIdOf(owner.name, rule, destinationId);
}
