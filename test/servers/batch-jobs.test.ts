import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { openBatchReplication } from "../../src/adapters/batch-replication/s3-control.ts";
import type { BatchReplication, NewBatchJob } from "../../src/ports/batch-replication.ts";
import { readByModel } from "../support/aws-model.ts";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { startMoto } from "../support/moto.ts";
import { type RecordedRequest, startRecorder } from "../support/recorder.ts";

const ACCOUNT = "111111111111";
const JOB: NewBatchJob = {
  account: ACCOUNT,
  sourceBucketArn: "arn:aws:s3:::src",
  roleArn: `arn:aws:iam::${ACCOUNT}:role/replicast/app/app-batch-src`,
  description: "replicast app photos <ü> & co",
  token: "0123456789abcdef",
  statuses: ["NONE", "FAILED"],
  createdBefore: Date.parse("2026-11-21T17:00:00Z"),
  prefixes: ["photos/ü &", "b/"],
  report: { bucketArn: "arn:aws:s3:::reports", prefix: ".replicast/reports" },
  priority: 10,
  tags: { "replicast:name": "app", "replicast:rule": "photos" },
};
const INPUT = {
  AccountId: ACCOUNT,
  ConfirmationRequired: false,
  Operation: { S3ReplicateObject: {} },
  Report: {
    Bucket: "arn:aws:s3:::reports",
    Format: "Report_CSV_20180820",
    Enabled: true,
    Prefix: ".replicast/reports",
    ReportScope: "FailedTasksOnly",
  },
  ClientRequestToken: JOB.token,
  Description: JOB.description,
  Priority: 10,
  RoleArn: JOB.roleArn,
  Tags: [
    { Key: "replicast:name", Value: "app" },
    { Key: "replicast:rule", Value: "photos" },
  ],
  ManifestGenerator: {
    S3JobManifestGenerator: {
      ExpectedBucketOwner: ACCOUNT,
      SourceBucket: "arn:aws:s3:::src",
      EnableManifestOutput: false,
      Filter: {
        EligibleForReplication: true,
        ObjectReplicationStatuses: ["NONE", "FAILED"],
        CreatedBefore: "2026-11-21T17:00:00+00:00",
        KeyNameConstraint: { MatchAnyPrefix: ["photos/ü &", "b/"] },
      },
    },
  },
};

const ANSWERS: Readonly<Record<string, string>> = {
  "POST /v20180820/jobs": "<CreateJobResult><JobId>job-1</JobId></CreateJobResult>",
  "GET /v20180820/jobs/job-1": "<DescribeJobResult><Job><JobId>job-1</JobId></Job></DescribeJobResult>",
  "GET /v20180820/jobs": "<ListJobsResult/>",
  "POST /v20180820/jobs/job-1/status": "<UpdateJobStatusResult/>",
};

function answerTo({ method, url }: RecordedRequest) {
  return { body: ANSWERS[`${method} ${url.split("?")[0]}`] ?? "" };
}

/** What S3 Control is asked while the work goes on. */
async function requestsOf(work: (batch: BatchReplication) => Promise<unknown>): Promise<readonly RecordedRequest[]> {
  await using recorder = await startRecorder(answerTo);
  const credentials = () => ({ accessKeyId: "a", secretAccessKey: "b", sessionToken: undefined });
  const batch = await openBatchReplication({ endpoint: recorder.endpoint, region: "eu-west-1", credentials });
  try {
    await work(batch);
  } finally {
    batch.close();
  }
  for (const { headers } of recorder.requests) {
    assert.match(
      headers.authorization ?? "",
      /^AWS4-HMAC-SHA256 Credential=a\/\d+\/eu-west-1\/s3\/aws4_request, SignedHeaders=\S*x-amz-account-id/,
    );
    assert.equal(headers["x-amz-account-id"], ACCOUNT);
  }
  return recorder.requests;
}

describe("what S3 Control is asked is what AWS's model of it allows", () => {
  guardAgainstLeaks();

  test("a job is made with all it needs", async () => {
    const requests = await requestsOf((batch) => batch.start(JOB));
    assert.deepEqual(await readByModel("s3control", requests), [{ operation: "CreateJob", input: INPUT }]);
  });

  test("a job for the whole bucket has no constraint of keys, and one without an end no time", async () => {
    const { createdBefore, prefixes, ...job } = JOB;
    const filter = { EligibleForReplication: true, ObjectReplicationStatuses: ["COMPLETED"] };
    for (const narrowing of [{}, { prefixes: [] }, { prefixes: ["a/", ""] }]) {
      const requests = await requestsOf((batch) =>
        batch.start({ ...job, ...narrowing, statuses: ["COMPLETED"], report: { ...job.report, prefix: "" } }),
      );
      const [read] = await readByModel("s3control", requests);
      const { Prefix, ...Report } = INPUT.Report;
      const generator = { ...INPUT.ManifestGenerator.S3JobManifestGenerator, Filter: filter };
      assert.deepEqual(read?.input, { ...INPUT, Report, ManifestGenerator: { S3JobManifestGenerator: generator } });
    }
  });

  test("jobs are looked up, listed and cancelled by their own operations", async () => {
    const requests = await requestsOf(async (batch) => {
      await batch.job(ACCOUNT, "job-1");
      await batch.jobs(ACCOUNT, "replicast");
      await batch.cancel(ACCOUNT, "job-1");
    });
    assert.deepEqual(await readByModel("s3control", requests), [
      { operation: "DescribeJob", input: { AccountId: ACCOUNT, JobId: "job-1" } },
      { operation: "ListJobs", input: { AccountId: ACCOUNT, MaxResults: 1000 } },
      { operation: "UpdateJobStatus", input: { AccountId: ACCOUNT, JobId: "job-1", RequestedJobStatus: "Cancelled" } },
    ]);
  });

  test("the model refuses what is wrong, so that what it takes is right", async () => {
    const [good] = await requestsOf((batch) => batch.start(JOB));
    assert.ok(good);
    const spoilt: Readonly<Record<string, readonly [RegExp, string]>> = {
      "has no Filters": [/Filter>/g, "Filters>"],
      "is none of": [/FailedTasksOnly/, "FailedTasks"],
      'Missing required parameter in input: "Priority"': [/<Priority>10<\/Priority>/, ""],
      "is no boolean": [/<Enabled>true/, "<Enabled>yes"],
      "does not match": [/arn:aws:iam::/, "arn:aws:iam:"],
      "elements other than member": [/<Tags><member>(.*?)<\/member>/, "<Tags><Tag>$1</Tag>"],
    };
    const requests = Object.values(spoilt).map(([pattern, by]) => ({ ...good, body: good.body.replace(pattern, by) }));
    requests.push({ ...good, body: good.body.replace("CreateJobRequest", "CreateJob").replace("</CreateJobRequest", "</CreateJob") });
    const refused = await readByModel("s3control", requests);
    for (const [index, part] of [...Object.keys(spoilt), "the document is a"].entries())
      assert.ok(refused[index]?.error?.includes(part), `${part}: ${JSON.stringify(refused[index])}`);
  });

  test("a server without S3 Control is told as such", async () => {
    await using server = await startMoto();
    const batch = await openBatchReplication({ endpoint: server.endpoint, region: "eu-west-1", credentials: () => server.credentials });
    for (const ask of [() => batch.start(JOB), () => batch.jobs(ACCOUNT, ""), () => batch.job(ACCOUNT, "job-1")])
      await assert.rejects(ask, { code: "NotImplemented" });
    batch.close();
  });
});
