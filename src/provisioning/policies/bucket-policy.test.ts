import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { assertGrants, type IamRequest } from "../../../test/support/iam-simulation.ts";
import { nativeBucket, nativePair, OTHER_ACCOUNT, objectArn, roleArn } from "../../../test/support/native-pairs.ts";
import type { PolicyDocument, PolicyStatement } from "../../domain/policy-document.ts";
import { isOwnedSid } from "../names.ts";
import { bucketArn, type NativeBucket } from "../native-pair.ts";
import { destinationStatements, mergeStatements } from "./bucket-policy.ts";
import { replicationPolicy } from "./role-policy.ts";

const OBJECT_ACTIONS = ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"];
const OWNER_ACTION = "s3:ObjectOwnerOverrideToBucketOwner";
const BUCKET_ACTIONS = ["s3:ListBucket", "s3:ListBucketVersions", "s3:GetBucketVersioning", "s3:PutBucketVersioning"];
const NAME = "acme";

for (const [partition, region] of [
  ["aws", "us-east-1"],
  ["aws-cn", "cn-northwest-1"],
  ["aws-us-gov", "us-gov-east-1"],
] as const) {
  const source = nativeBucket("photos", { partition, region });
  const destination = nativeBucket("photos-copy", { partition, region, account: OTHER_ACCOUNT });
  const stranger = nativeBucket("photos-cop", { partition, region, account: OTHER_ACCOUNT });
  const owner = nativePair(source, destination, { ownerOverride: true });
  const plain = nativePair(source, destination);
  const of = (actions: readonly string[], resource: string, principal = roleArn(source)): IamRequest[] =>
    actions.map((action) => ({ principal, action, resource, account: OTHER_ACCOUNT }));
  const policyOf = (pair = plain): PolicyDocument => ({
    Version: "2012-10-17",
    Statement: destinationStatements(NAME, pair, roleArn(source)),
  });
  const roleFor = (pair = plain, bucket: NativeBucket = destination) =>
    replicationPolicy({ source, pairs: [{ ...pair, destination: bucket }], foreign: [], sourceKeyArns: [], objectLock: false });

  test(`${partition}: another account's bucket takes replicas from the source's role alone`, async () => {
    const [role, resource] = [roleFor(), policyOf()];
    const anyone = { Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: "s3:*", Resource: "*" }] } as const;
    await assertGrants(
      { role, resource },
      { allowed: of(OBJECT_ACTIONS, objectArn(destination)), denied: of([OWNER_ACTION], objectArn(destination)) },
    );
    // Even with all rights at home, no other principal gets in, and this one does nothing else and nothing elsewhere.
    await assertGrants(
      { role: anyone, resource },
      {
        allowed: [...of(OBJECT_ACTIONS, objectArn(destination)), ...of(BUCKET_ACTIONS, bucketArn(destination))],
        denied: [
          ...of([...OBJECT_ACTIONS, OWNER_ACTION], objectArn(stranger)),
          ...of(BUCKET_ACTIONS, bucketArn(stranger)),
          ...of(["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion", OWNER_ACTION], objectArn(destination)),
          ...of(["s3:PutBucketPolicy", "s3:DeleteBucket", "s3:GetBucketPolicy"], bucketArn(destination)),
          ...of(OBJECT_ACTIONS, objectArn(destination), roleArn(source, "admin")),
          ...of(OBJECT_ACTIONS, objectArn(destination), roleArn({ ...source, account: "333333333333" })),
          ...of(BUCKET_ACTIONS, bucketArn(destination), roleArn(source, "admin")),
        ],
      },
    );
  });

  test(`${partition}: across accounts both sides have to agree`, async () => {
    const denied = of(OBJECT_ACTIONS, objectArn(destination));
    await assertGrants({ role: roleFor() }, { allowed: [], denied });
    await assertGrants({ role: roleFor(plain, stranger), resource: policyOf() }, { allowed: [], denied });
  });

  test(`${partition}: replicas are handed over where that was asked for`, async () => {
    await assertGrants(
      { role: roleFor(owner), resource: policyOf(owner) },
      { allowed: of([...OBJECT_ACTIONS, OWNER_ACTION], objectArn(destination)), denied: of([OWNER_ACTION], objectArn(stranger)) },
    );
    await assertGrants({ role: roleFor(owner), resource: policyOf() }, { allowed: [], denied: of([OWNER_ACTION], objectArn(destination)) });
    await assertGrants({ role: roleFor(), resource: policyOf(owner) }, { allowed: [], denied: of([OWNER_ACTION], objectArn(destination)) });
  });
}

const SOURCE = nativeBucket("photos");
const OTHER_SOURCE = nativeBucket("videos");
const DESTINATION = nativeBucket("photos-copy", { account: OTHER_ACCOUNT });
const OURS = destinationStatements(NAME, nativePair(SOURCE, DESTINATION, { ownerOverride: true }), roleArn(SOURCE));
const OTHERS = destinationStatements(NAME, nativePair(OTHER_SOURCE, DESTINATION), roleArn(OTHER_SOURCE, "acme-videos"));
const owned = (sid: string) => isOwnedSid(NAME, sid);

test("the bucket policy is the one that was reviewed", () => {
  const file = join(import.meta.dirname, "..", "..", "..", "test", "fixtures", "policies", "destination-bucket.json");
  assert.deepEqual({ Version: "2012-10-17", Statement: OURS }, JSON.parse(readFileSync(file, "utf8")));
});

test("Sids are letters and digits, and tell whose and of which source a statement is", () => {
  for (const [statements, source, other] of [
    [OURS, SOURCE, OTHER_SOURCE],
    [OTHERS, OTHER_SOURCE, SOURCE],
  ] as const) {
    for (const { Sid = "" } of statements) {
      assert.match(Sid, /^Replicast[A-Za-z0-9]+$/);
      assert.ok(isOwnedSid(NAME, Sid) && isOwnedSid(NAME, Sid, source));
      assert.ok(!isOwnedSid("acme2", Sid) && !isOwnedSid(NAME, Sid, other));
    }
  }
  assert.equal(new Set([...OURS, ...OTHERS].map(({ Sid }) => Sid)).size, OURS.length + OTHERS.length);
});

test("pairs of the same two buckets share their statements", () => {
  const again = destinationStatements(NAME, nativePair(SOURCE, DESTINATION, { rule: "other", prefix: "raw/" }), roleArn(SOURCE));
  const { policy } = mergeStatements(undefined, { owned, wanted: [...OURS, ...again] });
  assert.deepEqual(policy?.Statement, OURS);
});

/** Statements of others, some without a Sid, some of another replicast name. */
const foreignStatement: fc.Arbitrary<PolicyStatement> = fc.record(
  {
    Sid: fc.oneof(
      fc.constantFrom("Mine", "ReplicastByHand"),
      fc.constantFrom("a", "b").map((name) => `${name}${OURS[0]?.Sid ?? ""}`),
    ),
    Effect: fc.constantFrom("Allow" as const, "Deny" as const),
    Principal: fc.constantFrom("*", { AWS: "*" }),
    NotAction: fc.constantFrom("s3:GetObject", "s3:*"),
    Resource: fc.constantFrom("arn:aws:s3:::photos-copy", ["arn:aws:s3:::photos-copy/*"]),
  },
  { requiredKeys: ["Effect", "Principal", "Resource"] },
);
const someOf = <T>(items: readonly T[]) => fc.subarray([...items], { minLength: 0 });

test("others' statements stay as and where they are; ours become what is wanted; a second merge changes nothing", () => {
  fc.assert(
    fc.property(
      fc.array(foreignStatement, { maxLength: 4 }),
      fc.record({ before: someOf([...OURS, ...OTHERS]), isPresent: fc.boolean() }),
      someOf([...OURS, ...OTHERS]),
      (foreign, { before, isPresent }, wanted) => {
        const found =
          isPresent || foreign.length + before.length > 0
            ? { Version: "2008-10-17", Id: "by hand", Statement: [...before, ...foreign] }
            : undefined;
        const merged = mergeStatements(found, { owned, wanted });
        const statements = merged.policy?.Statement ?? [];
        const kept = statements.filter((statement) => foreign.includes(statement));
        assert.deepEqual(kept, foreign);
        assert.ok(kept.every((statement, index) => statement === foreign[index]));
        assert.deepEqual(new Set(statements.filter(({ Sid }) => Sid !== undefined && owned(Sid))), new Set(wanted));
        assert.equal(statements.length, foreign.length + wanted.length);
        if (found !== undefined && merged.policy !== undefined)
          assert.deepEqual([merged.policy.Version, merged.policy.Id], ["2008-10-17", "by hand"]);
        if (merged.isSame) assert.equal(merged.policy, found);
        assert.ok(mergeStatements(merged.policy, { owned, wanted }).isSame);
      },
    ),
  );
});

test("a policy in which nothing is left is none", () => {
  assert.deepEqual(mergeStatements({ Version: "2012-10-17", Statement: OURS }, { owned, wanted: [] }), {
    policy: undefined,
    isSame: false,
  });
  assert.deepEqual(mergeStatements(undefined, { owned, wanted: [] }), { policy: undefined, isSame: true });
});

test("a statement that someone changed is put right", () => {
  const [first, ...rest] = OURS;
  assert.ok(first);
  const found = { Version: "2012-10-17", Statement: [{ ...first, Principal: { AWS: "AROAEXAMPLE" } }, ...rest] };
  assert.deepEqual(mergeStatements(found, { owned, wanted: OURS }), { policy: { Version: "2012-10-17", Statement: OURS }, isSame: false });
});

test("a source that goes takes its own statements along, and no other source's", () => {
  const found = { Version: "2012-10-17", Statement: [...OURS, ...OTHERS] };
  const merged = mergeStatements(found, { owned: (sid) => isOwnedSid(NAME, sid, SOURCE), wanted: [] });
  assert.deepEqual(merged.policy?.Statement, OTHERS);
});
