import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import { openBatchReplication } from "../../src/adapters/batch-replication/s3-control.ts";
import { openEncryptionKeys } from "../../src/adapters/encryption-keys/kms.ts";
import { openIdentity } from "../../src/adapters/identity/iam.ts";
import { openReplicationConfiguration } from "../../src/adapters/replication-configuration/s3.ts";
import { openReplicationMetrics } from "../../src/adapters/replication-metrics/cloudwatch.ts";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { startRecorder } from "../support/recorder.ts";

const options = {
  region: "eu-west-1",
  forcePathStyle: true,
  credentials: () => ({ accessKeyId: "a", secretAccessKey: "b" }),
};
const rule = { sourceBucket: "src", destinationBucket: "dst", ruleId: "r" };

/** One call of each service, by the name that it has in the environment. */
const CALLS: Readonly<Record<string, () => Promise<unknown>>> = {
  S3: async () => asked(await openReplicationConfiguration({ ...options, bucket: "src" }), (bucket) => bucket.facts()),
  IAM: async () => asked(await openIdentity(options), (identity) => identity.role("r")),
  STS: async () => asked(await openIdentity(options), (identity) => identity.caller()),
  KMS: async () => asked(await openEncryptionKeys(options), (keys) => keys.key("k")),
  S3_CONTROL: async () => asked(await openBatchReplication(options), (batch) => batch.job("111111111111", "job-1")),
  CLOUDWATCH: async () => asked(await openReplicationMetrics(options), (metrics) => metrics.latest(rule)),
};

async function asked<P extends { close(): void }>(port: P, ask: (port: P) => Promise<unknown>): Promise<unknown> {
  return ask(port).finally(() => port.close());
}

describe("AWS is asked where the environment says", () => {
  guardAgainstLeaks();
  afterEach(() => {
    for (const name of Object.keys(process.env)) if (name.startsWith("AWS_ENDPOINT_URL")) delete process.env[name];
  });

  for (const [service, call] of Object.entries(CALLS))
    for (const name of ["AWS_ENDPOINT_URL", `AWS_ENDPOINT_URL_${service}`])
      test(`${service} at ${name}`, async () => {
        await using recorder = await startRecorder(() => ({ status: 403 }));
        process.env[name] = recorder.endpoint;
        await assert.rejects(call(), { code: "AccessDenied" });
        assert.ok(recorder.requests.length > 0);
      });
});
