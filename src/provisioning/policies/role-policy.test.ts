import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { assertGrants, type IamRequest } from "../../../test/support/iam-simulation.ts";
import { keyArn, nativeBucket, nativePair, OTHER_ACCOUNT, objectArn, roleArn } from "../../../test/support/native-pairs.ts";
import type { PolicyDocument } from "../../domain/policy-document.ts";
import type { ReplicationRule } from "../../ports/replication-configuration.ts";
import { wantedRule } from "../native/replication-rules.ts";
import { bucketArn, type NativeBucket } from "../native-pair.ts";
import { batchPolicy, batchTrust, isSamePolicy, type ReplicationPermissions, replicationPolicy, replicationTrust } from "./role-policy.ts";

const PARTITIONS = [
  { partition: "aws", near: "eu-west-1", far: "us-east-1", services: ["amazonaws.com"] },
  { partition: "aws-cn", near: "cn-north-1", far: "cn-northwest-1", services: ["amazonaws.com", "amazonaws.com.cn"] },
  { partition: "aws-us-gov", near: "us-gov-west-1", far: "us-gov-east-1", services: ["amazonaws.com"] },
] as const;
type Partition = (typeof PARTITIONS)[number];

const BUCKET_ACTIONS = ["s3:GetReplicationConfiguration", "s3:ListBucket"];
const SOURCE_ACTIONS = ["s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"];
const LOCK_ACTIONS = ["s3:GetObjectRetention", "s3:GetObjectLegalHold"];
const DESTINATION_ACTIONS = ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"];
const OWNER_ACTION = "s3:ObjectOwnerOverrideToBucketOwner";
/** What nobody who replicates by S3's own means ever has to do. */
const NEVER_ON_BUCKETS = ["s3:PutReplicationConfiguration", "s3:PutBucketPolicy", "s3:DeleteBucket", "s3:PutBucketVersioning"];
const NEVER_ON_OBJECTS = [
  "s3:GetObject",
  "s3:GetObjectVersion",
  "s3:PutObject",
  "s3:PutObjectAcl",
  "s3:DeleteObject",
  "s3:DeleteObjectVersion",
];
const NEVER_ON_KEYS = ["kms:CreateGrant", "kms:ReEncryptFrom", "kms:DescribeKey", "kms:PutKeyPolicy"];

interface World {
  readonly source: NativeBucket;
  readonly one: NativeBucket;
  readonly two: NativeBucket;
  /** In no rule. */
  readonly stranger: NativeBucket;
}

function worldOf({ partition, near, far }: Partition): World {
  return {
    source: nativeBucket("photos", { partition, region: near }),
    one: nativeBucket("photos-one", { partition, region: far }),
    two: nativeBucket("photos-two", { partition, region: near }),
    stranger: nativeBucket("photos-on", { partition, region: far }),
  };
}

function onBucket(actions: readonly string[], bucket: NativeBucket, by: NativeBucket): IamRequest[] {
  return actions.map((action) => ({ principal: roleArn(by), action, resource: bucketArn(bucket), account: bucket.account }));
}

function onObjects(actions: readonly string[], bucket: NativeBucket, by: NativeBucket): IamRequest[] {
  return actions.map((action) => ({ principal: roleArn(by), action, resource: objectArn(bucket), account: bucket.account }));
}

/** Everything that a role without KMS has to be able to do, and what lies beside it. */
function plainly({ source, one, stranger }: World, destinations: readonly NativeBucket[] = [one]) {
  return {
    allowed: [
      ...onBucket(BUCKET_ACTIONS, source, source),
      ...onObjects(SOURCE_ACTIONS, source, source),
      ...destinations.flatMap((destination) => onObjects(DESTINATION_ACTIONS, destination, source)),
    ],
    denied: [
      ...[...destinations, stranger].flatMap((bucket) => onBucket(BUCKET_ACTIONS, bucket, source)),
      ...[...destinations, stranger].flatMap((bucket) => onObjects(SOURCE_ACTIONS, bucket, source)),
      ...[source, stranger].flatMap((bucket) => onObjects(DESTINATION_ACTIONS, bucket, source)),
      ...[source, stranger, ...destinations].flatMap((bucket) => onBucket(NEVER_ON_BUCKETS, bucket, source)),
      ...[source, stranger, ...destinations].flatMap((bucket) => onObjects(NEVER_ON_OBJECTS, bucket, source)),
    ],
  };
}

interface Key {
  readonly arn: string;
  /** Whose objects are read or written. */
  readonly bucket: NativeBucket;
  readonly by: NativeBucket;
  readonly service: string;
}

function onKey(actions: readonly string[], { arn, bucket, by, service }: Key, context: string = objectArn(bucket)): IamRequest[] {
  return actions.map((action) => ({
    principal: roleArn(by),
    action,
    resource: arn,
    account: bucket.account,
    context: { "kms:ViaService": `s3.${bucket.region}.${service}`, "kms:EncryptionContext:aws:s3:arn": context },
  }));
}

/** The same requests as S3 never makes them for these buckets. */
function elsewhere(requests: readonly IamRequest[], { bucket, stranger }: { bucket: NativeBucket; stranger: NativeBucket }): IamRequest[] {
  return requests.flatMap((request) => {
    const { "kms:ViaService": via = "", "kms:EncryptionContext:aws:s3:arn": arn = "" } = request.context ?? {};
    const withContext = (context: Record<string, string | string[]>) => ({ ...request, context });
    return [
      withContext({}),
      withContext({ "kms:ViaService": via }),
      withContext({ "kms:EncryptionContext:aws:s3:arn": arn }),
      withContext({ "kms:ViaService": via, "kms:EncryptionContext:aws:s3:arn": objectArn(stranger) }),
      withContext({ "kms:ViaService": via, "kms:EncryptionContext:aws:s3:arn": `${bucketArn(bucket)}-other/a` }),
      withContext({ "kms:ViaService": "s3.ap-south-1.amazonaws.com", "kms:EncryptionContext:aws:s3:arn": arn }),
      withContext({ "kms:ViaService": String(via).replace(/^s3/, "ec2"), "kms:EncryptionContext:aws:s3:arn": arn }),
    ];
  });
}

/** The policy that every key has unless its owner takes it away: the account's IAM decides. */
function keyPolicy({ partition, account }: NativeBucket): PolicyDocument {
  return {
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal: { AWS: `arn:${partition}:iam::${account}:root` }, Action: "kms:*", Resource: "*" }],
  };
}

function policyFor(world: World, more: Partial<ReplicationPermissions> = {}): PolicyDocument {
  const { source, one } = world;
  return replicationPolicy({ source, pairs: [nativePair(source, one)], foreign: [], sourceKeyArns: [], objectLock: false, ...more });
}

function foreignRule(id: string, destination: NativeBucket, more: Partial<ReplicationRule> = {}): ReplicationRule {
  return { ...wantedRule("x", nativePair(destination, destination)), id, priority: 7, ...more };
}

for (const place of PARTITIONS) {
  const world = worldOf(place);
  const { source, one, two, stranger } = world;
  const ours = { by: source, service: place.services[0] };

  test(`${place.partition}: a role may replicate its source to its destination, and nothing beside it`, async () => {
    const { allowed, denied } = plainly(world);
    const optional = [...onObjects(LOCK_ACTIONS, source, source), ...onObjects([OWNER_ACTION], one, source)];
    await assertGrants({ role: policyFor(world) }, { allowed, denied: [...denied, ...optional] });
  });

  test(`${place.partition}: locks are read where the source has object lock`, async () => {
    const { allowed, denied } = plainly(world);
    await assertGrants(
      { role: policyFor(world, { objectLock: true }) },
      {
        allowed: [...allowed, ...onObjects(LOCK_ACTIONS, source, source)],
        denied: [...denied, ...onObjects(LOCK_ACTIONS, one, source), ...onObjects(["s3:PutObjectRetention"], source, source)],
      },
    );
  });

  test(`${place.partition}: several pairs share a role, which reaches each destination and no other`, async () => {
    const pairs = [nativePair(source, one), nativePair(source, two), nativePair(source, one, { prefix: "raw/", destinationId: "again" })];
    await assertGrants({ role: policyFor(world, { pairs }) }, plainly(world, [one, two]));
  });

  test(`${place.partition}: rules of others in the same document keep what they need`, async () => {
    const theirs = nativeBucket("theirs", { partition: place.partition, region: place.far });
    const key = keyArn(theirs, "7");
    const rule = foreignRule("theirs", theirs, { kmsEncryptedObjects: true });
    const foreign = [{ ...rule, destination: { ...rule.destination, ownerOverride: true, account: OTHER_ACCOUNT, replicaKmsKeyId: key } }];
    const sourceKey = keyArn(source, "5");
    const role = policyFor(world, { foreign, sourceKeyArns: [sourceKey] });
    const { allowed, denied } = plainly(world, [one, theirs]);
    await assertGrants(
      { role },
      {
        allowed: [...allowed, ...onObjects([OWNER_ACTION], theirs, source)],
        denied: [...denied, ...onObjects([OWNER_ACTION], one, source)],
      },
    );
    await assertGrants(
      { role, resource: keyPolicy(source) },
      {
        allowed: [
          ...onKey(["kms:Encrypt", "kms:GenerateDataKey"], { arn: key, bucket: theirs, ...ours }),
          ...onKey(["kms:Decrypt"], { arn: sourceKey, bucket: source, ...ours }),
        ],
        denied: onKey(["kms:Encrypt"], { arn: key, bucket: one, ...ours }),
      },
    );
  });

  for (const service of place.services) {
    test(`${place.partition}: keys are used by S3 for these buckets alone (${service})`, async () => {
      const [sourceKey, oneKey, twoKey] = [keyArn(source, "5"), keyArn(one, "6"), keyArn(two, "7")];
      const pairs = [nativePair(source, one, { replicaKmsKeyId: oneKey }), nativePair(source, two, { replicaKmsKeyId: twoKey })];
      const role = policyFor(world, { pairs, sourceKeyArns: [sourceKey] });
      const by = { by: source, service };
      const [atSource, atOne, atTwo] = [
        { arn: sourceKey, bucket: source, ...by },
        { arn: oneKey, bucket: one, ...by },
        { arn: twoKey, bucket: two, ...by },
      ];
      const writes = ["kms:Encrypt", "kms:GenerateDataKey"];
      const reads = [...onKey(["kms:Decrypt"], atSource), ...onKey(["kms:Decrypt"], atSource, bucketArn(source))];
      const written = [atOne, atTwo].flatMap((key) => [
        ...onKey(writes, key),
        ...onKey(writes, key, bucketArn(key.bucket)),
        ...onKey(["kms:Decrypt"], key, bucketArn(key.bucket)),
      ]);
      await assertGrants(
        { role, resource: keyPolicy(source) },
        {
          allowed: [...reads, ...written],
          denied: [
            // Other actions: a key that is read is not written with, and replicas are not read back.
            ...onKey([...writes, ...NEVER_ON_KEYS], atSource),
            ...onKey(["kms:Decrypt", ...NEVER_ON_KEYS], atOne),
            // Other keys: another one beside it, the same one in another region, and one destination's for the other.
            ...onKey(["kms:Decrypt"], { ...atSource, arn: keyArn(source, "9") }),
            ...onKey(writes, { ...atOne, arn: keyArn(one, "9") }),
            ...onKey(writes, { ...atOne, arn: oneKey.replace(one.region, two.region) }),
            ...onKey(writes, { ...atTwo, arn: oneKey }),
            ...onKey(writes, { ...atOne, arn: twoKey }),
            ...elsewhere(reads, { bucket: source, stranger }),
            ...elsewhere(written, { bucket: one, stranger }),
          ],
        },
      );
      await assertGrants({ role }, plainly(world, [one, two]));
    });
  }

  test(`${place.partition}: replicas of objects without KMS may be encrypted as their bucket wishes`, async () => {
    const key = keyArn(one, "6");
    const role = policyFor(world, { defaultKeyArns: { [bucketArn(one)]: key, [bucketArn(stranger)]: keyArn(stranger, "9") } });
    const at = { arn: key, bucket: one, ...ours };
    await assertGrants(
      { role, resource: keyPolicy(one) },
      {
        allowed: [...onKey(["kms:GenerateDataKey"], at), ...onKey(["kms:Decrypt"], at, bucketArn(one))],
        denied: [
          ...onKey(["kms:Decrypt"], at),
          ...onKey(["kms:GenerateDataKey"], { arn: keyArn(stranger, "9"), bucket: stranger, ...ours }),
        ],
      },
    );
  });

  test(`${place.partition}: a batch job's role starts replication and writes its report, and nothing beside it`, async () => {
    const role = batchPolicy({ source, report: { bucketArn: bucketArn(source), prefix: ".replicast/batch/" } });
    const put = (resource: string): IamRequest => ({
      principal: roleArn(source),
      action: "s3:PutObject",
      resource,
      account: source.account,
    });
    const starts = ["s3:GetReplicationConfiguration", "s3:PutInventoryConfiguration"];
    await assertGrants(
      { role },
      {
        allowed: [
          ...onBucket(starts, source, source),
          ...onObjects(["s3:InitiateReplication"], source, source),
          put(`${bucketArn(source)}/.replicast/batch/job-1/report.csv`),
        ],
        denied: [
          ...onBucket(starts, one, source),
          ...onObjects(["s3:InitiateReplication"], one, source),
          ...onObjects(["s3:GetObject", "s3:DeleteObject", ...SOURCE_ACTIONS, ...DESTINATION_ACTIONS], source, source),
          put(objectArn(source)),
          put(`${bucketArn(source)}/.replicast/batches`),
          put(`${bucketArn(one)}/.replicast/batch/job-1/report.csv`),
        ],
      },
    );
  });

  for (const [what, trust, service, other] of [
    ["replication", replicationTrust(), "s3.amazonaws.com", "batchoperations.s3.amazonaws.com"],
    ["batch jobs", batchTrust(), "batchoperations.s3.amazonaws.com", "s3.amazonaws.com"],
  ] as const) {
    test(`${place.partition}: the role of ${what} is taken on by S3 alone`, async () => {
      const assume = (principal: string): IamRequest => ({
        principal,
        action: "sts:AssumeRole",
        resource: roleArn(source),
        account: source.account,
      });
      await assertGrants(
        { resource: trust },
        {
          allowed: [assume(service)],
          denied: [
            assume(other),
            assume("ec2.amazonaws.com"),
            assume(roleArn(source, "admin")),
            assume(roleArn({ ...source, account: OTHER_ACCOUNT })),
          ],
        },
      );
    });
  }
}

test("replication time control needs no permission", () => {
  const world = worldOf(PARTITIONS[0]);
  const pairs = [nativePair(world.source, world.one, { replicationTime: true })];
  assert.deepEqual(policyFor(world, { pairs }), policyFor(world));
});

test("source keys are granted only where a rule replicates what is under KMS", () => {
  const world = worldOf(PARTITIONS[0]);
  assert.deepEqual(policyFor(world, { sourceKeyArns: [keyArn(world.source)] }), policyFor(world));
});

test("an owner is overridden only into another account", () => {
  const world = worldOf(PARTITIONS[0]);
  const pairs = [nativePair(world.source, world.one, { ownerOverride: true })];
  assert.deepEqual(policyFor(world, { pairs }), policyFor(world));
});

test("a foreign rule may name its key by an alias, or by its id alone", async () => {
  const world = worldOf(PARTITIONS[0]);
  const { source, one } = world;
  const [byAlias, byId] = [keyArn(one, "6"), keyArn(one, "7")];
  const named = (id: string, replicaKmsKeyId: string) => {
    const rule = foreignRule(id, one, { kmsEncryptedObjects: true });
    return { ...rule, destination: { ...rule.destination, replicaKmsKeyId } };
  };
  const foreign = [named("a", `arn:aws:kms:us-east-1:${one.account}:alias/photos`), named("b", byId.split("/")[1] ?? "")];
  const policies = { role: policyFor(world, { foreign }), resource: keyPolicy(one) };
  const write = (arn: string, alias?: string) =>
    onKey(["kms:Encrypt"], { arn, bucket: one, by: source, service: "amazonaws.com" }).map((request) =>
      alias === undefined ? request : { ...request, context: { ...request.context, "kms:ResourceAliases": [alias] } },
    );
  await assertGrants(policies, {
    allowed: [...write(byAlias, "alias/photos"), ...write(byId)],
    denied: [...write(byAlias), ...write(byAlias, "alias/other")],
  });
});

test("neither the order of rules nor a rule said twice changes a policy", () => {
  const world = worldOf(PARTITIONS[0]);
  const { source, one, two } = world;
  const pairs = [
    nativePair(source, one, { replicaKmsKeyId: keyArn(one, "6") }),
    nativePair(source, two, { replicaKmsKeyId: keyArn(two, "7") }),
  ];
  const policy = policyFor(world, { pairs });
  assert.ok(isSamePolicy(policyFor(world, { pairs: pairs.toReversed() }), policy));
  assert.ok(isSamePolicy(policyFor(world, { pairs: [...pairs, ...pairs] }), policy));
});

test("Sids of a role are letters and digits, each once, and no statement is about nothing", () => {
  const world = worldOf(PARTITIONS[0]);
  const { source, one, two } = world;
  const pairs = [
    nativePair(source, { ...one, account: OTHER_ACCOUNT }, { replicaKmsKeyId: keyArn(one, "6"), ownerOverride: true }),
    nativePair(source, two, { replicaKmsKeyId: keyArn(two, "7") }),
  ];
  const { Statement } = policyFor(world, { pairs, sourceKeyArns: [keyArn(source)], objectLock: true });
  const sids = Statement.map(({ Sid }) => Sid ?? "");
  assert.equal(new Set(sids).size, Statement.length);
  for (const sid of sids) assert.match(sid, /^[A-Za-z0-9]+$/);
  for (const { Action = [], Resource = [] } of [...Statement, ...policyFor(world, { pairs: [] }).Statement])
    assert.ok([Action].flat().length > 0 && [Resource].flat().length > 0);
});

const FIXTURES = join(import.meta.dirname, "..", "..", "..", "test", "fixtures", "policies");
const { source: SOURCE, one: ONE, two: TWO } = worldOf(PARTITIONS[0]);
const REVIEWED: Readonly<Record<string, PolicyDocument>> = {
  "replication-trust": replicationTrust(),
  "replication-plain": policyFor(worldOf(PARTITIONS[0])),
  "replication-china": policyFor(worldOf(PARTITIONS[1])),
  "replication-full": policyFor(worldOf(PARTITIONS[0]), {
    pairs: [
      nativePair(SOURCE, ONE, { replicaKmsKeyId: keyArn(ONE, "6") }),
      nativePair(SOURCE, { ...TWO, account: OTHER_ACCOUNT }, { ownerOverride: true }),
    ],
    sourceKeyArns: [keyArn(SOURCE, "5")],
    objectLock: true,
  }),
  "batch-trust": batchTrust(),
  "batch-job": batchPolicy({ source: SOURCE, report: { bucketArn: bucketArn(SOURCE), prefix: ".replicast/batch" } }),
};

for (const [name, policy] of Object.entries(REVIEWED)) {
  test(`the policy ${name} is the one that was reviewed`, () => {
    assert.deepEqual(policy, JSON.parse(readFileSync(join(FIXTURES, `${name}.json`), "utf8")));
  });
}
