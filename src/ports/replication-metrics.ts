/** What S3 tells of one rule by CloudWatch; each null where S3 said nothing, which never means 0. */
export interface RuleMetrics {
  readonly operationsPending: number | null;
  readonly bytesPending: number | null;
  /** All of the last quarter of an hour. */
  readonly operationsFailed: number | null;
  readonly latencyMs: number | null;
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/repl-metrics.html */
export interface ReplicationMetrics {
  /** The latest within the last quarter of an hour. Only rules with metrics have any. */
  latest(rule: { readonly sourceBucket: string; readonly destinationBucket: string; readonly ruleId: string }): Promise<RuleMetrics>;
  close(): void;
}
