import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isAllowed } from "../../../test/support/iam-simulation.ts";
import type { PolicyStatement } from "../../domain/policy-document.ts";
import { letsSend, S3_SERVICE, sendStatement } from "./queue-policy.ts";

const QUEUE = "arn:aws:sqs:us-east-1:111122223333:acme-photos";
const PHOTOS = { bucketArn: "arn:aws:s3:::photos", account: "111122223333" };
const VIDEOS = { bucketArn: "arn:aws:s3:::videos", account: "444455556666" };
const SENDING = { service: S3_SERVICE, queueArn: QUEUE, sourceArn: PHOTOS.bucketArn, account: PHOTOS.account };

const policyOf = (...Statement: readonly PolicyStatement[]) => ({ Version: "2012-10-17", Statement });

describe("the statement that lets S3 send", () => {
  const policy = policyOf(sendStatement("acme", QUEUE, [PHOTOS, VIDEOS]));
  const asked = (changes: { action?: string; service?: string; resource?: string; bucket?: string; account?: string } = {}) => {
    const { action = "sqs:SendMessage", service = S3_SERVICE, resource = QUEUE, bucket = "photos", account = "111122223333" } = changes;
    const context = { "aws:SourceArn": `arn:aws:s3:::${bucket}`, "aws:SourceAccount": account, "aws:PrincipalIsAWSService": "true" };
    return isAllowed({ principal: service, action, resource, account: "111122223333", context }, { resource: policy });
  };

  it("lets it send the events of these buckets", async () => {
    assert.equal(await asked(), true);
    assert.equal(await asked({ bucket: "videos", account: "444455556666" }), true);
  });

  it("lets nobody do anything else", async () => {
    assert.equal(await asked({ bucket: "photos2" }), false, "another bucket");
    assert.equal(await asked({ account: "999999999999" }), false, "a bucket of this name in another account");
    assert.equal(await asked({ service: "sns.amazonaws.com" }), false, "another service");
    assert.equal(await asked({ service: "arn:aws:iam::111122223333:role/other" }), false, "a role");
    for (const action of ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:SetQueueAttributes"])
      assert.equal(await asked({ action }), false, action);
    assert.equal(await asked({ resource: `${QUEUE}2` }), false, "another queue");
  });

  it("is one that is seen to let it send", () => {
    assert.equal(letsSend(policy, SENDING), true);
  });
});

describe("whether a policy lets S3 send", () => {
  const allow: PolicyStatement = { Effect: "Allow", Principal: { Service: S3_SERVICE }, Action: "sqs:SendMessage", Resource: QUEUE };
  const yes: readonly PolicyStatement[] = [
    allow,
    { ...allow, Principal: "*", Condition: { ArnLike: { "aws:SourceArn": "arn:aws:s3:*:*:photos" } } },
    { ...allow, Principal: { AWS: "*" }, Action: ["SQS:*"], Resource: "*" },
    {
      ...allow,
      Condition: { StringEquals: { "aws:SourceAccount": ["1", "111122223333"] }, ArnEquals: { "AWS:sourcearn": "arn:aws:s3:::photos" } },
    },
  ];
  const no: readonly PolicyStatement[] = [
    { ...allow, Effect: "Deny" },
    { ...allow, Principal: { Service: "events.amazonaws.com" } },
    { ...allow, Principal: { AWS: "111122223333" } },
    { ...allow, Action: "sqs:ReceiveMessage" },
    { ...allow, Resource: `${QUEUE}-other` },
    { ...allow, Condition: { ArnLike: { "aws:SourceArn": "arn:aws:s3:*:*:other" } } },
    { ...allow, Condition: { StringEquals: { "aws:SourceAccount": "999999999999" } } },
    { ...allow, Condition: { StringEquals: { "aws:SourceArn": "arn:aws:s3:::phot*" } } },
    { ...allow, Condition: { IpAddress: { "aws:SourceIp": "10.0.0.0/8" } } },
  ];
  for (const statement of yes) it(`yes: ${JSON.stringify(statement)}`, () => assert.equal(letsSend(policyOf(statement), SENDING), true));
  for (const statement of no) it(`no: ${JSON.stringify(statement)}`, () => assert.equal(letsSend(policyOf(statement), SENDING), false));
  it("no: without a policy", () => assert.equal(letsSend(undefined, SENDING), false));
});
