import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  ACCOUNT,
  applyTo,
  nativeBucket,
  nothingOf,
  OTHER_ACCOUNT,
  pairOf,
  planOf,
  settleTo,
  wishOf,
} from "../../../test/support/native-plane.ts";
import { MemoryAws } from "../../testing/memory-aws.ts";

const A = nativeBucket("a");
const FAR = nativeBucket("far", { account: OTHER_ACCOUNT });
const C = nativeBucket("c");

function worldWith(account: string, options: { readonly isAwsManaged?: boolean; readonly delegates?: boolean } = {}): MemoryAws {
  const { isAwsManaged = false, delegates = false } = options;
  const aws = new MemoryAws();
  const arn = keyArn(account);
  aws.addBucket("a");
  aws.addBucket("c", { defaultKeyId: arn });
  aws.addBucket("far", { account: OTHER_ACCOUNT, defaultKeyId: arn });
  const admin = delegates ? `arn:aws:iam::${account}:root` : `arn:aws:iam::${account}:role/admin`;
  const statement = { Sid: "Admin", Effect: "Allow" as const, Principal: { AWS: admin }, Action: "kms:*", Resource: "*" };
  const key = { arn, account, region: "us-east-1", isEnabled: true, isAwsManaged };
  aws.keys.set(arn, { key, policy: { Version: "2012-10-17", Statement: [statement] } });
  return aws;
}

function keyArn(account: string): string {
  return `arn:aws:kms:us-east-1:${account}:key/default`;
}

function sids(aws: MemoryAws, account: string): readonly (string | undefined)[] {
  return (aws.keys.get(keyArn(account))?.policy.Statement ?? []).map(({ Sid }) => Sid);
}

describe("a destination whose bucket encrypts with KMS by itself", () => {
  for (const [what, account, destination] of [
    ["of another account", OTHER_ACCOUNT, FAR],
    ["that does not leave it to IAM", ACCOUNT, C],
  ] as const)
    it(`has its key let the role write replicas, and no more when the rule is gone: a key ${what}`, async () => {
      const aws = worldWith(account);
      const wish = wishOf([pairOf(A, destination)]);
      await settleTo(aws, wish);
      assert.equal(sids(aws, account).length, 3);
      assert.match(JSON.stringify(aws.keys.get(keyArn(account))?.policy), /kms:GenerateDataKey/);
      await settleTo(aws, nothingOf(wish));
      assert.deepEqual(sids(aws, account), ["Admin"]);
    });

  it("has a key left alone that leaves it to IAM", async () => {
    const aws = worldWith(ACCOUNT, { delegates: true });
    await settleTo(aws, wishOf([pairOf(A, C)]));
    assert.deepEqual(sids(aws, ACCOUNT), ["Admin"]);
  });

  it("is refused where that is AWS's own key and the bucket another account's: S3 would give every object up", async () => {
    const aws = worldWith(OTHER_ACCOUNT, { isAwsManaged: true });
    const { plan } = await applyTo(aws, wishOf([pairOf(A, FAR)]));
    assert.deepEqual(
      plan.problems.map(({ code, subject }) => `${code} ${subject}`),
      ["KeyNotShared aws:far"],
    );
    assert.deepEqual(aws.mutations, []);
    const within = worldWith(ACCOUNT, { isAwsManaged: true });
    assert.deepEqual((await planOf(within, wishOf([pairOf(A, C)]))).problems, []);
  });
});
