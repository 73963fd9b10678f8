import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { guardAgainstLeaks } from "../../../test/support/leak-guard.ts";
import { type CannedAnswer, type RecordedRequest, startRecorder } from "../../../test/support/recorder.ts";
import type { BatchFailure, BatchReplication } from "../../ports/batch-replication.ts";
import { openBatchReplication } from "./s3-control.ts";

const ACCOUNT = "111111111111";
const MADE = "2026-11-21T17:00:00Z";

async function withBatch(
  answer: (request: RecordedRequest) => CannedAnswer,
  use: (batch: BatchReplication, requests: readonly RecordedRequest[]) => Promise<void>,
): Promise<void> {
  await using recorder = await startRecorder(answer);
  const credentials = () => ({ accessKeyId: "a", secretAccessKey: "b" });
  const { endpoint, requests } = recorder;
  const batch = await openBatchReplication({ endpoint, region: "eu-west-1", forcePathStyle: true, credentials });
  try {
    await use(batch, requests);
  } finally {
    batch.close();
  }
}

function described(xml: string): CannedAnswer {
  return { body: `<DescribeJobResult><Job><JobId>job-1</JobId><CreationTime>${MADE}</CreationTime>${xml}</Job></DescribeJobResult>` };
}

function refused(status: number, code: string): CannedAnswer {
  return { status, body: `<ErrorResponse><Error><Code>${code}</Code><Message>no</Message></Error></ErrorResponse>` };
}

describe("batch replication jobs", () => {
  guardAgainstLeaks();

  test("a job's progress is S3's own, and null until S3 has counted", async () => {
    const progress =
      "<ProgressSummary><TotalNumberOfTasks>7</TotalNumberOfTasks><NumberOfTasksSucceeded>4</NumberOfTasksSucceeded><NumberOfTasksFailed>3</NumberOfTasksFailed></ProgressSummary>";
    const reasons = "<FailureReasons><member><FailureCode>E1</FailureCode><FailureReason>too bad</FailureReason></member></FailureReasons>";
    const ended = `<Status>Failed</Status><Description>d</Description><TerminationDate>2026-11-21T18:00:00Z</TerminationDate>${progress}${reasons}`;
    const job = { id: "job-1", createdAt: Date.parse(MADE) };
    await withBatch(
      () => described(ended),
      async (batch) =>
        assert.deepEqual(await batch.job(ACCOUNT, "job-1"), {
          ...job,
          description: "d",
          status: "FAILED",
          total: 7,
          succeeded: 4,
          failed: 3,
          endedAt: Date.parse("2026-11-21T18:00:00Z"),
          failureReasons: ["E1: too bad"],
        }),
    );
    for (const [status, xml] of [
      ["Preparing", progress],
      ["Ready", ""],
    ])
      await withBatch(
        () => described(`<Status>${status}</Status>${xml}`),
        async (batch) =>
          assert.deepEqual(await batch.job(ACCOUNT, "job-1"), {
            ...job,
            description: "",
            status: "WAITING",
            total: null,
            succeeded: null,
            failed: null,
            endedAt: null,
            failureReasons: [],
          }),
      );
  });

  test("a job that nobody knows is undefined; one that may not be seen is no such job's proof", async () => {
    for (const code of ["NotFoundException", "NoSuchJob"])
      await withBatch(
        () => refused(404, code),
        async (batch) => assert.equal(await batch.job(ACCOUNT, "job-1"), undefined),
      );
    await withBatch(
      () => refused(403, "AccessDenied"),
      (batch) => assert.rejects(batch.job(ACCOUNT, "job-1"), { code: "AccessDenied", hint: "allow s3:DescribeJob on the job" }),
    );
  });

  test("jobs are told apart by how their descriptions begin, newest first, over all pages", async () => {
    const member = (id: string, day: number, description: string) =>
      `<member><JobId>${id}</JobId><Status>Active</Status><CreationTime>2026-11-0${day}T00:00:00Z</CreationTime><Description>${description}</Description></member>`;
    const pages = [
      `<ListJobsResult><NextToken>t+1</NextToken><Jobs>${member("a", 1, "app photos")}${member("x", 2, "another")}</Jobs></ListJobsResult>`,
      `<ListJobsResult><Jobs>${member("b", 3, "app docs")}${member("y", 4, "my app")}</Jobs></ListJobsResult>`,
    ];
    await withBatch(
      ({ url }) => ({ body: pages[url.includes("nextToken=t%2B1") ? 1 : 0] ?? "" }),
      async (batch, requests) => {
        const jobs = await batch.jobs(ACCOUNT, "app ");
        assert.deepEqual(
          jobs.map(({ id, status }) => [id, status]),
          [
            ["b", "RUNNING"],
            ["a", "RUNNING"],
          ],
        );
        assert.equal(requests.length, 2);
      },
    );
  });

  test("to cancel a job that has ended is fine, and one that is not there is not", async () => {
    await withBatch(
      () => refused(400, "JobStatusException"),
      (batch) => batch.cancel(ACCOUNT, "job-1"),
    );
    await withBatch(
      () => refused(404, "NotFoundException"),
      (batch) => assert.rejects(batch.cancel(ACCOUNT, "job-1"), { code: "InvalidRequest" }),
    );
  });
});

describe("the report of a batch replication job", () => {
  guardAgainstLeaks();
  const enabled = (prefix: string) =>
    described(`<Report><Enabled>true</Enabled><Bucket>arn:aws:s3:::reports</Bucket><Format>Report_CSV_20180820</Format>${prefix}</Report>`);
  const SCHEMA = "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage";

  async function failuresOf(files: Readonly<Record<string, string>>, prefix = "<Prefix>a/b</Prefix>"): Promise<readonly BatchFailure[]> {
    const failures: BatchFailure[] = [];
    const answer = ({ url }: RecordedRequest) => {
      if (url.startsWith("/v20180820/")) return enabled(prefix);
      const body = files[url.split("?")[0] ?? ""];
      return body === undefined ? { status: 404, body: "<Error><Code>NoSuchKey</Code></Error>" } : { body };
    };
    await withBatch(answer, async (batch) => {
      for await (const failure of batch.failures(ACCOUNT, "job-1")) failures.push(failure);
    });
    return failures;
  }

  function manifest(...parts: readonly (readonly [string, string])[]): string {
    const Results = parts.map(([TaskExecutionStatus, Key]) => ({ TaskExecutionStatus, Bucket: "reports", MD5Checksum: "x", Key }));
    return JSON.stringify({ Format: "Report_CSV_20180820", ReportCreationDate: MADE, Results, ReportSchema: SCHEMA });
  }

  test("tells each failed object, of all its parts, and none of those that were replicated", async () => {
    const rows =
      'src,photos/%C3%BC+a%2Bb%2Cc,v1,failed,AccessDenied,403,"Not allowed, says ""S3""\nreally"\r\nsrc,plain,,failed,500,InternalError,\n';
    const found = await failuresOf({
      "/reports/a/b/job-job-1/manifest.json": manifest(["succeeded", "a/ok.csv"], ["failed", "a/1.csv"], ["failed", "a/2.csv"]),
      "/reports/a/1.csv": rows,
      "/reports/a/2.csv": "src,100%,v2,failed,SrcObjectNotEligible,,x",
      "/reports/a/ok.csv": "src,fine,v1,succeeded,,200,Successful",
    });
    assert.deepEqual(found, [
      { bucket: "src", key: "photos/ü a+b,c", versionId: "v1", code: "AccessDenied", message: 'Not allowed, says "S3"\nreally' },
      { bucket: "src", key: "plain", versionId: null, code: "InternalError", message: "" },
      { bucket: "src", key: "100%", versionId: "v2", code: "SrcObjectNotEligible", message: "x" },
    ]);
  });

  test("is empty where S3 wrote none", async () => {
    assert.deepEqual(await failuresOf({}), []);
    assert.deepEqual(await failuresOf({ "/reports/job-job-1/manifest.json": manifest() }, ""), []);
  });

  test("that cannot be read is an error, and not an empty one", async () => {
    await assert.rejects(failuresOf({ "/reports/job-job-1/manifest.json": "<html>" }, ""), { code: "MalformedResponse" });
    await assert.rejects(failuresOf({ "/reports/job-job-1/manifest.json": manifest(["failed", "gone.csv"]) }, ""), {
      code: "MalformedResponse",
    });
  });
});
