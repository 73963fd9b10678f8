import type { Destination, Rule } from "../domain/rule.ts";
import type { LedgerEntry } from "../domain/status.ts";
import type { BatchJob } from "../ports/batch-replication.ts";
import type { RuleMetrics } from "../ports/replication-metrics.ts";

/** S3's own rule behind one source → destination pair. */
export interface NativeRuleFact {
  /** As it stands at the source bucket. */
  readonly id: string;
  /** Null where nobody may look. */
  readonly status: "Enabled" | "Disabled" | "Missing" | null;
}

export interface NativePairFacts {
  readonly rule: NativeRuleFact;
  /** Null where S3 measures nothing: only rules with replication time control have metrics. */
  readonly metrics: RuleMetrics | null;
}

/** One object as S3 shows it at both ends. */
export interface NativeObjectFacts {
  readonly rule: NativeRuleFact;
  /** `x-amz-replication-status` of the source's object; null where it has none. */
  readonly replicationStatus: string | null;
  /** That of the destination's. */
  readonly replicaStatus: string | null;
  /** The row that this sight makes; undefined where there is nothing to tell. */
  readonly entry: LedgerEntry | undefined;
}

/** Asks S3 about rules that it serves itself. Throws nothing for the state of the world: what cannot be known is null, or undefined. */
export interface NativeLook {
  pair(rule: Rule, destination: Destination): Promise<NativePairFacts>;
  /** Undefined where a bucket does not answer; then only the ledger knows anything. */
  object(rule: Rule, destination: Destination, key: string): Promise<NativeObjectFacts | undefined>;
  /** The latest batch job of one direction. */
  job(rule: Rule): Promise<BatchJob | undefined>;
}
