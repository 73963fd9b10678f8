import type * as S3Control from "@aws-sdk/client-s3-control";
import { type ErrorCode, isReplicationError, ReplicationError } from "../../domain/error.ts";
import { type AwsClientOptions, clientSettings } from "../../lib/aws-client.ts";
import { toRefusal } from "../../lib/aws-refusal.ts";
import type { BatchFailure, BatchJob, BatchReplication, NewBatchJob } from "../../ports/batch-replication.ts";
import { accountsInHeaders } from "./endpoint.ts";
import { REPORT_FORMAT, toBatchJob, toCreateJob } from "./job.ts";
import { readReport } from "./report.ts";

/** How many of an account's jobs one may be interested in. */
const NEWEST_JOBS = 100;
const JOBS_A_PAGE = 1000;

/** Loads the SDKs and builds clients of S3 Control and, for reports, of S3. Sends nothing. */
export async function openBatchReplication(options: AwsClientOptions): Promise<BatchReplication> {
  const [sdk, { S3Client, GetObjectCommand }] = await Promise.all([import("@aws-sdk/client-s3-control"), import("@aws-sdk/client-s3")]);
  const settings = clientSettings(options);
  const control = new sdk.S3ControlClient(settings);
  control.config.endpointProvider = accountsInHeaders(control.config.endpointProvider);
  const { forcePathStyle = false } = options;
  const s3 = new S3Client({ ...settings, forcePathStyle, followRegionRedirects: true, responseChecksumValidation: "WHEN_REQUIRED" });
  const text = async (Bucket: string, Key: string) => {
    const { Body } = await ask("GetObject", `${Bucket}/${Key}`, () => s3.send(new GetObjectCommand({ Bucket, Key })));
    return (await Body?.transformToString()) ?? "";
  };
  return new S3BatchReplication(sdk, control, { text, close: () => s3.destroy() });
}

interface ReportFiles {
  text(bucket: string, key: string): Promise<string>;
  close(): void;
}

class S3BatchReplication implements BatchReplication {
  readonly #sdk: typeof S3Control;
  readonly #control: S3Control.S3ControlClient;
  readonly #reports: ReportFiles;

  constructor(sdk: typeof S3Control, control: S3Control.S3ControlClient, reports: ReportFiles) {
    this.#sdk = sdk;
    this.#control = control;
    this.#reports = reports;
  }

  async start(job: NewBatchJob): Promise<string> {
    const command = new this.#sdk.CreateJobCommand(toCreateJob(job));
    const { JobId = "" } = await ask("CreateJob", job.sourceBucketArn, () => this.#control.send(command));
    return JobId;
  }

  async job(account: string, id: string): Promise<BatchJob | undefined> {
    const found = await this.#describe(account, id);
    return found === undefined ? undefined : toBatchJob(found);
  }

  async jobs(account: string, description: string): Promise<readonly BatchJob[]> {
    const pages = this.#sdk.paginateListJobs({ client: this.#control, pageSize: JOBS_A_PAGE }, { AccountId: account });
    const found = await ask("ListJobs", account, async () => {
      const jobs: BatchJob[] = [];
      for await (const { Jobs = [] } of pages)
        jobs.push(...Jobs.filter((job) => job.Description?.startsWith(description)).map((job) => toBatchJob(job)));
      return jobs;
    });
    return found.toSorted((a, b) => b.createdAt - a.createdAt).slice(0, NEWEST_JOBS);
  }

  /** Fine where it has ended already. */
  async cancel(account: string, id: string): Promise<void> {
    const input = { AccountId: account, JobId: id, RequestedJobStatus: "Cancelled" } as const;
    try {
      await ask("UpdateJobStatus", id, () => this.#control.send(new this.#sdk.UpdateJobStatusCommand(input)));
    } catch (error) {
      if (!refusedAs(error, "JobStatusException")) throw error;
    }
  }

  async *failures(account: string, id: string): AsyncIterable<BatchFailure> {
    const report = (await this.#describe(account, id))?.Report;
    if (report?.Enabled !== true || report.Bucket === undefined) return;
    if (report.Format !== undefined && report.Format !== REPORT_FORMAT) throw unknownFormat(id, report.Format);
    yield* readReport(this.#reportText, { id, bucketArn: report.Bucket, prefix: report.Prefix });
  }

  close(): void {
    this.#control.destroy();
    this.#reports.close();
  }

  async #describe(account: string, id: string): Promise<S3Control.JobDescriptor | undefined> {
    const command = new this.#sdk.DescribeJobCommand({ AccountId: account, JobId: id });
    try {
      return (await ask("DescribeJob", id, () => this.#control.send(command))).Job;
    } catch (error) {
      if (refusedAs(error, "NotFoundException", "NoSuchJob", "NoSuchJobException")) return undefined;
      throw error;
    }
  }

  /** A part of the report; undefined where it is not there: a job that did nothing writes none. */
  readonly #reportText = async (bucket: string, key: string): Promise<string | undefined> => {
    try {
      return await this.#reports.text(bucket, key);
    } catch (error) {
      if (refusedAs(error, "NoSuchKey")) return undefined;
      throw error;
    }
  };
}

function unknownFormat(id: string, format: string): ReplicationError {
  return new ReplicationError("NotImplemented", `the report of job ${id} is in the format ${format}, not ${REPORT_FORMAT}`, {
    at: { operation: "GetObject" },
    hint: "read the report in its bucket",
  });
}

function refusedAs(error: unknown, ...names: readonly string[]): boolean {
  return isReplicationError(error) && names.includes(toRefusal(error.cause).name);
}

/** What IAM has to allow for each call. */
const PERMISSIONS = {
  CreateJob: "s3:CreateJob, with tags s3:PutJobTagging too, and iam:PassRole on the job's role",
  DescribeJob: "s3:DescribeJob on the job",
  GetObject: "s3:GetObject on the report, and s3:ListBucket on its bucket",
  ListJobs: "s3:ListJobs",
  UpdateJobStatus: "s3:UpdateJobStatus on the job",
} as const;

const HINTS: Partial<Record<ErrorCode, string>> = {
  InvalidAccessKeyId: "check accessKeyId; temporary credentials may have expired",
  NoSuchBucket: "the bucket of the report is gone: what failed shows in the source's x-amz-replication-status",
  NotImplemented: "this endpoint has no S3 Batch Operations: use the copy engine's backfill",
  SlowDown: "too many jobs or calls at once: try again",
  StoreUnreachable: "check that this machine can reach AWS",
};

/** Does the work, and tells in our words what S3 says in its own. */
async function ask<T>(operation: keyof typeof PERMISSIONS, subject: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (isReplicationError(cause)) throw cause;
    const { name, message, status, ...refusal } = toRefusal(cause);
    const code = isNoService(status, name) ? "NotImplemented" : refusal.code;
    const hint = code === "AccessDenied" ? `allow ${PERMISSIONS[operation]}` : HINTS[code];
    throw new ReplicationError(code, `${operation} on ${subject}: ${name}: ${message}`, { at: { operation, status }, hint, cause });
  }
}

/** S3 says what it has not found; whoever does not even know the path says nothing that could be read. */
function isNoService(status: number | undefined, name: string): boolean {
  return (status === 404 || status === 405) && !/^(NotFound|NoSuch)/.test(name);
}
