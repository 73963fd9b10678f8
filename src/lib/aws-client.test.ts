import assert from "node:assert/strict";
import { test } from "node:test";
import { STSClient } from "@aws-sdk/client-sts";
import { clientSettings } from "./aws-client.ts";

test("credentials are asked for anew each time, so that temporary ones may be replaced while a client lives", async () => {
  let asked = 0;
  const credentials = () => ({ accessKeyId: `key-${++asked}`, secretAccessKey: "s", sessionToken: undefined });
  const client = new STSClient(clientSettings({ region: "eu-west-1", credentials }));
  const { accessKeyId } = await client.config.credentials();
  assert.notEqual((await client.config.credentials()).accessKeyId, accessKeyId);
  client.destroy();
});
