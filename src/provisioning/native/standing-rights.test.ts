import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ACCOUNT, applyTo, nativeBucket, OTHER_ACCOUNT, pairOf, settleTo, wishOf } from "../../../test/support/native-plane.ts";
import { MemoryAws } from "../../testing/memory-aws.ts";
import { ROLE_POLICY } from "../names.ts";

/** What S3 is refused once it never tries again: until the last moment the rules that stand can do what they do. */
const A = nativeBucket("a");
const C = nativeBucket("c");
const FAR = nativeBucket("far", { account: OTHER_ACCOUNT });

function keyArn(id: string, account = ACCOUNT): string {
  return `arn:aws:kms:us-east-1:${account}:key/${id}`;
}

function world(): MemoryAws {
  const aws = new MemoryAws();
  aws.addBucket("a", { keys: [keyArn("source")] });
  aws.addBucket("c");
  aws.addBucket("far", { account: OTHER_ACCOUNT });
  for (const [id, account] of [
    ["source", ACCOUNT],
    ["one", ACCOUNT],
    ["two", ACCOUNT],
    ["far", OTHER_ACCOUNT],
  ] as const) {
    const arn = keyArn(id, account);
    const statement = { Effect: "Allow" as const, Principal: { AWS: `arn:aws:iam::${account}:root` }, Action: "kms:*", Resource: "*" };
    const key = { arn, account, region: "us-east-1", isEnabled: true, isAwsManaged: false };
    aws.keys.set(arn, { key, policy: { Version: "2012-10-17", Statement: [statement] } });
  }
  return aws;
}

/** The policy of the role that the document of `a` names. */
function rolePolicy(aws: MemoryAws): string {
  const named = aws.buckets.get("a")?.document?.role;
  const role = [...aws.roles.values()].find(({ arn }) => arn === named);
  return JSON.stringify(role?.policies[ROLE_POLICY] ?? {});
}

/** Looks at the world at every change until the document of `a` is written. */
function beforeRulesChange(aws: MemoryAws, look: (call: string) => void): void {
  let isOver = false;
  aws.faults = {
    before: (call) => {
      if (!isOver) look(call);
      isOver ||= call === "PutBucketReplication a";
    },
  };
}

describe("while rules change, those that stand keep their rights:", () => {
  it("the key of the replicas, until the rule names another", async () => {
    const aws = world();
    await settleTo(aws, wishOf([pairOf(A, C, { replicaKmsKeyId: keyArn("one") })]));
    beforeRulesChange(aws, (call) => assert.match(rolePolicy(aws), /key\/one/, `gone at ${call}`));
    await settleTo(aws, wishOf([pairOf(A, C, { replicaKmsKeyId: keyArn("two") })]));
    assert.match(rolePolicy(aws), /key\/two/);
    assert.doesNotMatch(rolePolicy(aws), /key\/one/, "then they go");
  });

  it("handing replicas over, until the rule does not ask for it", async () => {
    const aws = world();
    await settleTo(aws, wishOf([pairOf(A, FAR, { ownerOverride: true })]));
    const far = () => JSON.stringify(aws.buckets.get("far")?.policy);
    beforeRulesChange(aws, (call) => {
      assert.match(rolePolicy(aws), /ObjectOwnerOverrideToBucketOwner/, `gone at ${call}`);
      assert.match(far(), /ObjectOwnerOverrideToBucketOwner/, `gone at ${call}`);
    });
    await settleTo(aws, wishOf([pairOf(A, FAR), pairOf(nativeBucket("c"), FAR)]));
    assert.doesNotMatch(rolePolicy(aws), /ObjectOwnerOverrideToBucketOwner/);
    assert.doesNotMatch(far(), /ObjectOwnerOverrideToBucketOwner/);
  });

  it("the old role at another account's bucket and key, until the document names the new one", async () => {
    const aws = world();
    const pairs = [pairOf(A, FAR, { ownerOverride: true, replicaKmsKeyId: keyArn("far", OTHER_ACCOUNT) })];
    await settleTo(aws, wishOf(pairs));
    const old = aws.buckets.get("a")?.document?.role ?? "";
    const bucketPolicy = () => JSON.stringify(aws.buckets.get("far")?.policy);
    const keyPolicy = () => JSON.stringify(aws.keys.get(keyArn("far", OTHER_ACCOUNT))?.policy);
    beforeRulesChange(aws, (call) => {
      assert.ok(bucketPolicy().includes(old), `gone from the bucket at ${call}`);
      assert.ok(keyPolicy().includes(old), `gone from the key at ${call}`);
    });
    await settleTo(aws, wishOf(pairs, { owner: { name: "acme", path: "/replicast/acme/", rolePrefix: "other", tags: {} } }));
    assert.notEqual(aws.buckets.get("a")?.document?.role, old);
    assert.ok(!bucketPolicy().includes(old) && !keyPolicy().includes(old), "then it goes");
  });

  it("but no principal that is gone: S3 refuses a policy that names one", async () => {
    const aws = world();
    const pairs = [pairOf(A, FAR)];
    await settleTo(aws, wishOf(pairs));
    const far = aws.buckets.get("far");
    assert.ok(far?.policy !== undefined);
    // As S3 tells of a role that was deleted.
    const policy = JSON.parse(JSON.stringify(far.policy).replaceAll(/arn:aws:iam::[^"]+/g, "AROAEXAMPLEID"));
    far.policy = policy;
    aws.roles.clear();
    aws.faults = {
      before: (call) => {
        if (call === "PutBucketPolicy far") assert.ok(!JSON.stringify(far.policy).includes("arn:aws:iam"));
      },
      after: (call) => {
        if (call === "PutBucketPolicy far") assert.ok(!JSON.stringify(far.policy).includes("AROA"));
      },
    };
    await settleTo(aws, wishOf(pairs, { owner: { name: "acme", path: "/replicast/acme/", rolePrefix: "other", tags: {} } }));
  });

  it("the rule that stays, where another goes and the role changes too: the new one has its rights before it is named", async () => {
    const aws = world();
    const stays = pairOf(A, C);
    await settleTo(aws, wishOf([stays, pairOf(A, FAR)]));
    let isNamed = false;
    aws.faults = {
      after: (call) => {
        if (call !== "PutBucketReplication a") return;
        isNamed = true;
        assert.match(rolePolicy(aws), /arn:aws:s3:::c\/\*/);
      },
    };
    await settleTo(aws, wishOf([stays], { owner: { name: "acme", path: "/replicast/acme/", rolePrefix: "other", tags: {} } }));
    assert.ok(isNamed);
  });

  it("and an apply that is broken off at any of its changes is completed by the next", async () => {
    const first = wishOf([pairOf(A, FAR, { ownerOverride: true, replicaKmsKeyId: keyArn("far", OTHER_ACCOUNT) })]);
    const second = wishOf([pairOf(A, C, { replicaKmsKeyId: keyArn("two") }), pairOf(A, FAR, { rule: "renamed" })], {
      owner: { name: "acme", path: "/replicast/acme/", rolePrefix: "other", tags: {} },
    });
    const expected = world();
    await settleTo(expected, first);
    const before = expected.mutations.length;
    await settleTo(expected, second);
    const changes = expected.mutations.length - before;
    assert.ok(changes > 8);
    for (let at = 1; at < changes; at++) {
      const aws = world();
      await settleTo(aws, first);
      let left = at;
      aws.faults = {
        after: () => {
          if (--left === 0) throw new Error("the power is out");
        },
      };
      await assert.rejects(applyTo(aws, second));
      aws.faults = {};
      await settleTo(aws, second, { timeoutMs: 3_600_000 });
      assert.deepEqual(aws.snapshot(), expected.snapshot(), `broken off after change ${at}`);
    }
  });
});
