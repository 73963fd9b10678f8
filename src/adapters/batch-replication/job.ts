import type * as S3Control from "@aws-sdk/client-s3-control";
import type { BatchJob, BatchStatus, NewBatchJob } from "../../ports/batch-replication.ts";

export const REPORT_FORMAT = "Report_CSV_20180820";

/** A job that S3 makes the list of objects for and starts by itself. */
export function toCreateJob(job: NewBatchJob): S3Control.CreateJobRequest {
  return {
    AccountId: job.account,
    ConfirmationRequired: false,
    Operation: { S3ReplicateObject: {} },
    Report: {
      Enabled: true,
      Bucket: job.report.bucketArn,
      // S3 takes no empty one.
      ...(job.report.prefix === "" ? {} : { Prefix: job.report.prefix }),
      Format: REPORT_FORMAT,
      ReportScope: "FailedTasksOnly",
    },
    ManifestGenerator: { S3JobManifestGenerator: toManifestGenerator(job) },
    ClientRequestToken: job.token,
    Description: job.description,
    Priority: job.priority,
    RoleArn: job.roleArn,
    Tags: Object.entries(job.tags).map(([Key, Value]) => ({ Key, Value })),
  };
}

function toManifestGenerator(job: NewBatchJob): S3Control.S3JobManifestGenerator {
  const prefixes = (job.prefixes ?? []).filter((prefix) => prefix !== "");
  const isNarrowed = prefixes.length > 0 && prefixes.length === job.prefixes?.length;
  return {
    ExpectedBucketOwner: job.account,
    SourceBucket: job.sourceBucketArn,
    EnableManifestOutput: false,
    Filter: {
      EligibleForReplication: true,
      ObjectReplicationStatuses: [...job.statuses],
      ...(job.createdBefore === undefined ? {} : { CreatedBefore: new Date(job.createdBefore) }),
      ...(isNarrowed ? { KeyNameConstraint: { MatchAnyPrefix: prefixes } } : {}),
    },
  };
}

/** What is over only once S3 says so: a job that is failing or being cancelled is still at work. */
const STATUSES: Readonly<Record<S3Control.JobStatus, BatchStatus>> = {
  Active: "RUNNING",
  Cancelled: "CANCELLED",
  Cancelling: "RUNNING",
  Complete: "COMPLETED",
  Completing: "RUNNING",
  Failed: "FAILED",
  Failing: "RUNNING",
  New: "WAITING",
  Paused: "WAITING",
  Pausing: "WAITING",
  Preparing: "WAITING",
  Ready: "WAITING",
  Suspended: "WAITING",
};

/** In these the list of objects is still being made, and its length says nothing yet. */
const UNCOUNTED: ReadonlySet<string | undefined> = new Set(["New", "Preparing"]);

/** What the listing tells of a job, and of one asked for by its id. */
type ToldJob = Pick<
  S3Control.JobDescriptor,
  "JobId" | "Description" | "Status" | "ProgressSummary" | "CreationTime" | "TerminationDate" | "FailureReasons"
>;

export function toBatchJob(job: ToldJob): BatchJob {
  const counted = UNCOUNTED.has(job.Status) ? undefined : job.ProgressSummary;
  return {
    id: job.JobId ?? "",
    description: job.Description ?? "",
    status: STATUSES[job.Status ?? "New"] ?? "WAITING",
    total: counted?.TotalNumberOfTasks ?? null,
    succeeded: counted?.NumberOfTasksSucceeded ?? null,
    failed: counted?.NumberOfTasksFailed ?? null,
    createdAt: job.CreationTime?.getTime() ?? 0,
    endedAt: job.TerminationDate?.getTime() ?? null,
    failureReasons: (job.FailureReasons ?? []).map(({ FailureCode, FailureReason }) =>
      [FailureCode, FailureReason].filter(Boolean).join(": "),
    ),
  };
}
