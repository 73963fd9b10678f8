import assert from "node:assert/strict";
import { test } from "node:test";
import { S3ControlClient } from "@aws-sdk/client-s3-control";
import { accountsInHeaders } from "./endpoint.ts";

test("the account begins the name of AWS's own hosts, and of no other", () => {
  const client = new S3ControlClient({ region: "eu-west-1" });
  const provider = accountsInHeaders(client.config.endpointProvider);
  const hosts = {
    "111111111111.s3-control.eu-west-1.amazonaws.com": {},
    "111111111111.s3-control.cn-north-1.amazonaws.com.cn": { Region: "cn-north-1" },
    "111111111111.control.vpce-1.s3.eu-west-1.vpce.amazonaws.com": { Endpoint: "https://control.vpce-1.s3.eu-west-1.vpce.amazonaws.com" },
    "127.0.0.1:4566": { Endpoint: "http://127.0.0.1:4566" },
    "localhost:4566": { Endpoint: "http://localhost:4566" },
    "aws.example:4566": { Endpoint: "https://aws.example:4566" },
  };
  for (const [host, params] of Object.entries(hosts)) {
    const { url } = provider(
      { Region: "eu-west-1", UseFIPS: false, UseDualStack: false, RequiresAccountId: true, AccountId: "111111111111", ...params },
      {},
    );
    assert.equal(url.host, host);
  }
  client.destroy();
});
