import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  ACCOUNT,
  applyTo,
  FOREIGN,
  nativeBucket,
  OTHER_ACCOUNT,
  pairOf,
  planOf,
  settleTo,
  wishOf,
} from "../../../test/support/native-plane.ts";
import type { ReplicationRule } from "../../ports/replication-configuration.ts";
import { MemoryAws } from "../../testing/memory-aws.ts";

const A = nativeBucket("a");
const B = nativeBucket("b");
const FAR = nativeBucket("far", { account: OTHER_ACCOUNT });

/** Somebody replicates `a` into a bucket without saying whose that is: an account is named only where replicas are handed over. */
function replicatedTo(bucket: string): MemoryAws {
  const aws = new MemoryAws();
  for (const name of ["a", "b", "c"]) aws.addBucket(name, { versioning: "Enabled" });
  aws.addBucket("far", { account: OTHER_ACCOUNT, versioning: "Enabled" });
  const a = aws.buckets.get("a");
  assert.ok(a !== undefined);
  const rule: ReplicationRule = { ...FOREIGN, destination: { ...FOREIGN.destination, bucketArn: `arn:aws:s3:::${bucket}` } };
  a.document = { role: aws.addRole(ACCOUNT, { name: "their-role" }).arn, rules: [rule] };
  return aws;
}

describe("others' rule into a bucket of an account that it does not name", () => {
  for (const [what, wish] of [
    ["that the config does not name either", wishOf([pairOf(A, B)])],
    ["that the config names", wishOf([pairOf(A, B), pairOf(B, FAR)])],
  ] as const)
    it(`is not left with a role that nobody lets in there: ${what}`, async () => {
      const aws = replicatedTo("far");
      const { plan } = await applyTo(aws, wish);
      assert.deepEqual(
        plan.problems.map(({ code, subject }) => `${code} ${subject}`),
        ["ForeignCrossAccount aws:a"],
      );
      assert.match(plan.problems[0]?.message ?? "", /rule "theirs".*far/);
      assert.deepEqual(aws.mutations, []);
    });

  it("stays as it is beside ours where the role of the document is the one to be used", async () => {
    const aws = replicatedTo("far");
    const roleArn = aws.buckets.get("a")?.document?.role;
    await settleTo(aws, wishOf([pairOf(A, B)], { owner: { name: "acme", path: "/replicast/acme/", tags: {}, roleArn } }));
    assert.equal(aws.buckets.get("a")?.document?.rules.length, 2);
  });

  for (const [what, defaultKeyId] of [
    ["a key of one's own", "arn:aws:kms:eu-west-1:111111111111:key/default"],
    ["a key by its id", "default"],
  ] as const)
    it(`into a bucket that encrypts with KMS by itself goes on: our role may use its key, also when it may not be looked at any more (${what})`, async () => {
      const aws = replicatedTo("c");
      const c = aws.buckets.get("c");
      assert.ok(c !== undefined);
      c.facts = { ...c.facts, region: "eu-west-1", defaultKeyId };
      const arn = "arn:aws:kms:eu-west-1:111111111111:key/default";
      const key = { arn, account: ACCOUNT, region: "eu-west-1", isEnabled: true, isAwsManaged: false };
      aws.keys.set(arn, { key, policy: { Version: "2012-10-17", Statement: [] } });
      const wish = wishOf([pairOf(A, B)]);
      await settleTo(aws, wish);
      const role = () => JSON.stringify([...aws.roles.values()].find(({ path }) => path === "/replicast/acme/")?.policies);
      assert.ok(role().includes(arn));
      aws.buckets.set("c", { ...c, account: OTHER_ACCOUNT });
      await settleTo(aws, wish);
      assert.ok(role().includes(arn));
    });

  it("goes where it is to be replaced", async () => {
    await settleTo(replicatedTo("far"), wishOf([pairOf(A, B)], { replace: true }));
  });

  for (const [what, bucket] of [
    ["of the same account", "c"],
    ["that is gone", "gone"],
  ] as const)
    it(`is no other account's: a bucket ${what}`, async () => {
      const aws = replicatedTo(bucket);
      assert.deepEqual((await planOf(aws, wishOf([pairOf(A, B)]))).problems, []);
    });
});
