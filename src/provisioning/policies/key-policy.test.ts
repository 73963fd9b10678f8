import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { assertGrants, type IamRequest } from "../../../test/support/iam-simulation.ts";
import { ACCOUNT, keyArn, nativeBucket, nativePair, OTHER_ACCOUNT, objectArn, roleArn } from "../../../test/support/native-pairs.ts";
import type { PolicyDocument, PolicyStatement } from "../../domain/policy-document.ts";
import { isOwnedSid } from "../names.ts";
import { bucketArn, type NativeBucket, type NativePair } from "../native-pair.ts";
import { mergeStatements } from "./bucket-policy.ts";
import { delegatesToIam, type KeyUsage, keyStatements } from "./key-policy.ts";
import { replicationPolicy } from "./role-policy.ts";

const NAME = "acme";

function policyOf(pair: NativePair, usage: KeyUsage): PolicyDocument {
  return { Version: "2012-10-17", Statement: keyStatements(NAME, pair, { roleArn: roleArn(pair.source), usage }) };
}

interface Use {
  readonly arn: string;
  readonly bucket: NativeBucket;
  readonly principal: string;
  readonly context?: string;
  readonly via?: string;
}

function using(actions: readonly string[], use: Use): IamRequest[] {
  const { arn, bucket, principal, context = objectArn(bucket), via = `s3.${bucket.region}.amazonaws.com` } = use;
  const account = arn.split(":")[4] ?? "";
  const told = { "kms:ViaService": via, "kms:EncryptionContext:aws:s3:arn": context };
  return actions.map((action) => ({ principal, action, resource: arn, account, context: told }));
}

for (const [partition, near, far] of [
  ["aws", "eu-west-1", "us-east-1"],
  ["aws-cn", "cn-north-1", "cn-northwest-1"],
  ["aws-us-gov", "us-gov-west-1", "us-gov-east-1"],
] as const) {
  const source = nativeBucket("photos", { partition, region: near });
  const destination = nativeBucket("photos-copy", { partition, region: far, account: OTHER_ACCOUNT });
  const stranger = nativeBucket("photos-cop", { partition, region: far, account: OTHER_ACCOUNT });
  const replicaKey = keyArn(destination, "6");
  const sourceKey = keyArn({ ...source, account: OTHER_ACCOUNT }, "5");
  const pair = nativePair(source, destination, { replicaKmsKeyId: replicaKey });
  const principal = roleArn(source);
  const anything = { Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: "kms:*", Resource: "*" }] } as const;
  const role = replicationPolicy({ source, pairs: [pair], foreign: [], sourceKeyArns: [sourceKey], objectLock: false });
  const writes = ["kms:Encrypt", "kms:GenerateDataKey"];

  test(`${partition}: another account's key writes replicas for the source's role, into this bucket, and nothing beside it`, async () => {
    const at = { arn: replicaKey, bucket: destination, principal };
    const allowed = [...using(writes, at), ...using([...writes, "kms:Decrypt"], { ...at, context: bucketArn(destination) })];
    const resource = policyOf(pair, "replica");
    await assertGrants({ role, resource }, { allowed, denied: [] });
    // The key keeps to this even where the role may do anything at home.
    await assertGrants(
      { role: anything, resource },
      {
        allowed,
        denied: [
          ...using(["kms:Decrypt", "kms:CreateGrant", "kms:ScheduleKeyDeletion"], at),
          ...using(writes, { ...at, bucket: stranger }),
          ...using(["kms:Decrypt"], { ...at, context: bucketArn(stranger) }),
          ...using(writes, { ...at, via: `s3.${near}.amazonaws.com` }),
          ...using(writes, { ...at, via: `ec2.${far}.amazonaws.com` }),
          ...using(writes, { ...at, principal: roleArn(source, "admin") }),
          ...using(writes, { ...at, principal: roleArn({ ...source, account: "333333333333" }) }),
          ...using(writes, at).map((request) => ({ ...request, context: { "kms:ViaService": `s3.${far}.amazonaws.com` } })),
          ...using(writes, at).map((request) => ({ ...request, context: {} })),
        ],
      },
    );
  });

  test(`${partition}: across accounts the role has to be allowed too`, async () => {
    const at = { arn: replicaKey, bucket: destination, principal };
    const without = replicationPolicy({
      source,
      pairs: [nativePair(source, destination)],
      foreign: [],
      sourceKeyArns: [],
      objectLock: false,
    });
    await assertGrants({ role: without, resource: policyOf(pair, "replica") }, { allowed: [], denied: using(writes, at) });
    await assertGrants({ role, resource: policyOf(pair, "source") }, { allowed: [], denied: using(writes, at) });
  });

  test(`${partition}: a key of the source's objects reads them for the source's role, and nothing beside it`, async () => {
    const at = { arn: sourceKey, bucket: source, principal };
    const allowed = [...using(["kms:Decrypt"], at), ...using(["kms:Decrypt"], { ...at, context: bucketArn(source) })];
    const resource = policyOf(pair, "source");
    await assertGrants({ role, resource }, { allowed, denied: [] });
    await assertGrants(
      { role: anything, resource },
      {
        allowed,
        denied: [
          ...using([...writes, "kms:ReEncryptFrom"], at),
          ...using(["kms:Decrypt"], { ...at, context: objectArn(destination) }),
          ...using(["kms:Decrypt"], { ...at, via: `s3.${far}.amazonaws.com` }),
          ...using(["kms:Decrypt"], { ...at, principal: roleArn(source, "admin") }),
        ],
      },
    );
  });
}

const SOURCE = nativeBucket("photos");
const DESTINATION = nativeBucket("photos-copy", { region: "us-east-1", account: OTHER_ACCOUNT });
const PAIR = nativePair(SOURCE, DESTINATION, { replicaKmsKeyId: keyArn(DESTINATION) });

test("the key policies are the ones that were reviewed", () => {
  for (const usage of ["source", "replica"] as const) {
    const file = join(import.meta.dirname, "..", "..", "..", "test", "fixtures", "policies", `${usage}-key.json`);
    assert.deepEqual(policyOf(PAIR, usage), JSON.parse(readFileSync(file, "utf8")));
  }
});

test("Sids in a key's policy are letters and digits and differ, also where one key does both", () => {
  const sids = [...policyOf(PAIR, "source").Statement, ...policyOf(PAIR, "replica").Statement].map(({ Sid }) => Sid ?? "");
  assert.equal(new Set(sids).size, sids.length);
  for (const sid of sids) assert.ok(/^Replicast[A-Za-z0-9]+$/.test(sid) && isOwnedSid(NAME, sid, SOURCE));
});

test("the statements of a key's owner survive ours, and ours go without them", () => {
  const theirs: PolicyStatement = { Sid: "Enable IAM", Effect: "Allow", Principal: { AWS: "*" }, Action: "kms:*", Resource: "*" };
  const found = { Version: "2012-10-17", Id: "key-default-1", Statement: [theirs] };
  const owned = (sid: string) => isOwnedSid(NAME, sid);
  const added = mergeStatements(found, { owned, wanted: policyOf(PAIR, "replica").Statement });
  assert.equal(added.policy?.Statement[0], theirs);
  assert.deepEqual(mergeStatements(added.policy, { owned, wanted: [] }).policy, found);
});

const ROOT = { AWS: `arn:aws:iam::${ACCOUNT}:root` };
const DELEGATION: PolicyStatement = { Effect: "Allow", Principal: ROOT, Action: "kms:*", Resource: "*" };

for (const [what, statement, delegates] of [
  ["the default key policy", DELEGATION, true],
  ["lists of one", { ...DELEGATION, Principal: { AWS: [ROOT.AWS] }, Action: ["kms:*"], Resource: ["*"] }, true],
  ["the account by its bare number", { ...DELEGATION, Principal: { AWS: ACCOUNT } }, true],
  ["another account's root", { ...DELEGATION, Principal: { AWS: `arn:aws:iam::${OTHER_ACCOUNT}:root` } }, false],
  ["another partition's root", { ...DELEGATION, Principal: { AWS: `arn:aws-cn:iam::${ACCOUNT}:root` } }, false],
  ["a user of the account", { ...DELEGATION, Principal: { AWS: `arn:aws:iam::${ACCOUNT}:user/root` } }, false],
  ["a service", { ...DELEGATION, Principal: { Service: "s3.amazonaws.com" } }, false],
  ["some actions alone", { ...DELEGATION, Action: ["kms:Describe*", "kms:Get*"] }, false],
  ["a condition", { ...DELEGATION, Condition: { StringEquals: { "kms:CallerAccount": ACCOUNT } } }, false],
  ["a denial", { ...DELEGATION, Effect: "Deny" as const }, false],
] as const) {
  test(`whether a key leaves the decision to IAM: ${what}`, () => {
    const other: PolicyStatement = {
      Effect: "Allow",
      Principal: { AWS: `arn:aws:iam::${ACCOUNT}:role/admin` },
      Action: "kms:*",
      Resource: "*",
    };
    assert.equal(delegatesToIam({ Version: "2012-10-17", Statement: [other, statement] }, ACCOUNT, "aws"), delegates);
  });
}
