import assert from "node:assert/strict";
import { test } from "node:test";
import { startRecorder } from "../../../test/support/recorder.ts";
import { openEncryptionKeys } from "./kms.ts";

test("a key's policy of one statement may be written without a list", async () => {
  const statement = { Effect: "Allow", Principal: { AWS: "arn:aws:iam::111111111111:root" }, Action: "kms:*", Resource: "*" };
  const Policy = JSON.stringify({ Version: "2012-10-17", Statement: statement });
  await using recorder = await startRecorder(() => ({ body: JSON.stringify({ Policy }) }));
  const credentials = () => ({ accessKeyId: "a", secretAccessKey: "b" });
  const keys = await openEncryptionKeys({ endpoint: recorder.endpoint, region: "eu-west-1", credentials });
  try {
    assert.deepEqual(await keys.policy("arn:aws:kms:eu-west-1:111111111111:key/k"), { Version: "2012-10-17", Statement: [statement] });
  } finally {
    keys.close();
  }
});
