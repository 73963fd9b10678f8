/** Replicates what the rules of a bucket did not: S3 Batch Replication. https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-batch-replication-batch.html */
export interface NewBatchJob {
  readonly account: string;
  readonly sourceBucketArn: string;
  readonly roleArn: string;
  /** Tells whose job it is: {@link BatchReplication.jobs} finds it by this. At most 256 characters. */
  readonly description: string;
  /** The same token twice is one job. */
  readonly token: string;
  /** Which objects: never replicated, or those that S3 gave up. */
  readonly statuses: readonly ("NONE" | "FAILED" | "COMPLETED")[];
  /** Only objects made before; milliseconds since the epoch. */
  readonly createdBefore?: number | undefined;
  readonly prefixes?: readonly string[] | undefined;
  readonly report: { readonly bucketArn: string; readonly prefix: string };
  readonly priority: number;
  readonly tags: Readonly<Record<string, string>>;
}

export const BATCH_STATUSES = ["WAITING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"] as const;
export type BatchStatus = (typeof BATCH_STATUSES)[number];

export interface BatchJob {
  readonly id: string;
  readonly description: string;
  readonly status: BatchStatus;
  /** Null until S3 has counted them. */
  readonly total: number | null;
  readonly succeeded: number | null;
  readonly failed: number | null;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly endedAt: number | null;
  readonly failureReasons: readonly string[];
}

/** One object of a job's report. */
export interface BatchFailure {
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string | null;
  readonly code: string;
  readonly message: string;
}

/** Jobs of one account in the region of a source bucket. */
export interface BatchReplication {
  /** Its id. */
  start(job: NewBatchJob): Promise<string>;
  job(account: string, id: string): Promise<BatchJob | undefined>;
  /** Newest first, at most the last hundred whose description begins with `description`. */
  jobs(account: string, description: string): Promise<readonly BatchJob[]>;
  cancel(account: string, id: string): Promise<void>;
  /** What a finished job could not replicate, out of its report; empty where the report says so or there is none. */
  failures(account: string, id: string): AsyncIterable<BatchFailure>;
  close(): void;
}
