import { createHash } from "node:crypto";
import type { BatchJob, NewBatchJob } from "../../ports/batch-replication.ts";
import { NAME_TAG } from "../names.ts";
import { bucketArn, type NativeBucket } from "../native-pair.ts";

/** Reports are kept under it, in a place that copy never replicates. */
const REPORTS = ".replicast/batch";
const PURPOSE_TAG = "replicast:purpose";

/** Jobs of an account run in the order of this, the highest first. https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-job-priority.html */
const PRIORITY = 10;

/** Longest description of a job. https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_CreateJob.html */
const MAX_DESCRIPTION = 256;

/** Where a job writes what it could not replicate: into its source. */
export function batchReport(source: NativeBucket): NewBatchJob["report"] {
  return { bucketArn: bucketArn(source), prefix: REPORTS };
}

/** How the descriptions of all jobs of a source begin, and of no other's: S3 replicates by all rules of a bucket, whatever a job is for. */
export function batchJobsOf(name: string, { bucket }: NativeBucket): string {
  return `replicast ${name}/${bucket} `;
}

/** The description of jobs for what S3 gave up under one rule. */
export function batchDescription(name: string, rule: string, source: NativeBucket): string {
  return `${batchJobsOf(name, source)}failed ${rule}`.slice(0, MAX_DESCRIPTION);
}

/** What every job is told beside what it is for. */
type Common = Pick<NewBatchJob, "roleArn" | "statuses" | "createdBefore" | "token"> & {
  readonly name: string;
  readonly source: NativeBucket;
};

/** A job for the objects of one rule at one source; S3 lists them by itself. */
export function newBatchJob({ rule, prefix, ...common }: Common & { readonly rule: string; readonly prefix: string }): NewBatchJob {
  return jobOf(common, { description: batchDescription(common.name, rule, common.source), prefixes: [prefix], purpose: "failed" });
}

/** The rules whose existing objects are to be replicated by one job: all of one source. */
export interface BackfillWork {
  /** `name` of the config. */
  readonly name: string;
  readonly source: NativeBucket;
  /** S3's ids of the rules, in any order. */
  readonly ruleIds: readonly string[];
}

/** A job for what was there before the rules; keys of all their prefixes, '' for all keys. */
export function newBackfillJob(work: BackfillWork, options: Omit<Common, "name" | "source"> & Pick<Told, "prefixes">): NewBatchJob {
  const { prefixes, ...common } = options;
  const { name, source } = work;
  return jobOf({ ...common, name, source }, { description: backfillDescription(work), prefixes: outermost(prefixes), purpose: "existing" });
}

/** Two backfills of the same description are for the same rules. */
export function backfillDescription({ name, source, ruleIds }: BackfillWork): string {
  return `${batchJobsOf(name, source)}existing ${hashOf([...ruleIds].sort()).slice(0, 12)}`;
}

/** The same as long as no backfill for these rules has ended: whoever starts it a second time gets the first one. */
export function backfillToken(work: BackfillWork, known: readonly BatchJob[]): string {
  const description = backfillDescription(work);
  const ended = known.filter((job) => job.description === description && !isUnderWay(job)).map(({ id }) => id);
  return hashOf([bucketArn(work.source), description, ...ended.sort()]);
}

export function isUnderWay({ status }: BatchJob): boolean {
  return status === "WAITING" || status === "RUNNING";
}

/** Without those that lie within another. */
export function outermost(prefixes: readonly string[]): readonly string[] {
  const distinct = [...new Set(prefixes)].sort();
  return distinct.filter((prefix) => !distinct.some((other) => other !== prefix && prefix.startsWith(other)));
}

interface Told {
  readonly description: string;
  readonly prefixes: readonly string[];
  readonly purpose: "existing" | "failed";
}

function jobOf({ name, source, ...common }: Common, { description, prefixes, purpose }: Told): NewBatchJob {
  return {
    ...common,
    account: source.account,
    sourceBucketArn: bucketArn(source),
    description,
    prefixes: prefixes.includes("") ? undefined : prefixes,
    report: batchReport(source),
    priority: PRIORITY,
    tags: { [NAME_TAG]: name, [PURPOSE_TAG]: purpose },
  };
}

/** At most 64 characters, as S3 wants a token. */
function hashOf(parts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}
