/**
 * What an estimate assumes, in US dollars, for us-east-1; noted on 2026-11-21. Prices differ by region and change:
 * https://aws.amazon.com/s3/pricing/ is what holds.
 */
export const PRICES = {
  /** Each Batch Operations job. */
  job: 0.25,
  /** A million objects of a job. */
  millionObjects: 1,
  /** A thousand writes of replicas, as STANDARD. */
  thousandPuts: 0.005,
  /** A thousand looks at objects. */
  thousandHeads: 0.0004,
  /** A GB (10⁹ bytes) that leaves its region for another one. */
  transferredGb: 0.02,
} as const;

export interface Backfill {
  /** Copies by replicast need no job, but both sides are asked for each object. @defaultValue "job" */
  readonly way?: "job" | "copy" | undefined;
  readonly objects: number;
  readonly bytes: number;
  /** The replicas are in another region than their source. */
  readonly crossRegion: boolean;
}

/**
 * US dollars that the replication of existing objects to one destination is likely to cost, once. An estimate: it knows neither discounts, nor
 * the destination's storage, nor KMS, nor replication time control. Nothing to replicate costs nothing, because no job is started.
 */
export function estimateBackfill({ way = "job", objects, bytes, crossRegion }: Backfill): number {
  if (objects === 0) return 0;
  const puts = (objects / 1000) * PRICES.thousandPuts;
  const transfer = crossRegion ? (bytes / 1e9) * PRICES.transferredGb : 0;
  const asked = way === "job" ? PRICES.job + (objects / 1_000_000) * PRICES.millionObjects : ((2 * objects) / 1000) * PRICES.thousandHeads;
  return asked + puts + transfer;
}
