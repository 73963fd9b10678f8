import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CloudWatchClient, PutMetricDataCommand } from "@aws-sdk/client-cloudwatch";
import * as iam from "@aws-sdk/client-iam";
import { CreateAliasCommand, CreateKeyCommand, DisableKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import * as s3 from "@aws-sdk/client-s3";
import { openEncryptionKeys } from "../../src/adapters/encryption-keys/kms.ts";
import { openIdentity } from "../../src/adapters/identity/iam.ts";
import { openReplicationConfiguration } from "../../src/adapters/replication-configuration/s3.ts";
import { openReplicationMetrics } from "../../src/adapters/replication-metrics/cloudwatch.ts";
import type { PolicyDocument } from "../../src/domain/policy-document.ts";
import type { EncryptionKeys } from "../../src/ports/encryption-keys.ts";
import type { Identity, NewRole } from "../../src/ports/identity.ts";
import type { ReplicationConfiguration, ReplicationRule } from "../../src/ports/replication-configuration.ts";
import type { ReplicationMetrics } from "../../src/ports/replication-metrics.ts";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { type MotoServer, motoAccountId, startMoto } from "../support/moto.ts";
import type { Credentials } from "../support/server.ts";

const REGION = "eu-west-1";
const ROLE_ARN = `arn:aws:iam::${motoAccountId}:role/replicast/app/app-src`;
const TRUST: PolicyDocument = {
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Principal: { Service: "s3.amazonaws.com" }, Action: "sts:AssumeRole" }],
};
const POLICY: PolicyDocument = {
  Version: "2012-10-17",
  Statement: [{ Sid: "Read100", Effect: "Allow", Action: ["s3:ListBucket"], Resource: "arn:aws:s3:::src+ü %" }],
};
const ROLE: NewRole = {
  name: "app-src",
  path: "/replicast/app/",
  trust: TRUST,
  tags: { "replicast:name": "app", "replicast:source": "s3://aws/eu-west-1/src" },
  description: "S3 replication of src",
};
const RULE: ReplicationRule = {
  id: "app/photos/s3://aws/eu-west-1/dst",
  status: "Enabled",
  priority: 1,
  prefix: "photos/ü &/",
  tags: {},
  deleteMarkerReplication: true,
  replicaModifications: true,
  kmsEncryptedObjects: false,
  destination: {
    bucketArn: "arn:aws:s3:::dst",
    account: undefined,
    ownerOverride: false,
    storageClass: "STANDARD_IA",
    replicaKmsKeyId: undefined,
    replicationTime: true,
  },
};

function clientOptions({ endpoint }: MotoServer, keys: Credentials, region = REGION) {
  return { endpoint, region, forcePathStyle: true, credentials: () => keys };
}

/** Clients of AWS's own for what a test sets up, and for what others do. */
function connectOthers(server: MotoServer, credentials: Credentials) {
  const settings = { endpoint: server.endpoint, region: REGION, credentials };
  const clients = {
    iam: new iam.IAMClient(settings),
    kms: new KMSClient(settings),
    s3: new s3.S3Client({ ...settings, forcePathStyle: true }),
    metrics: new CloudWatchClient(settings),
  };
  const close = (): void => {
    for (const client of Object.values(clients)) client.destroy();
  };
  return { ...clients, close };
}

type Others = ReturnType<typeof connectOthers>;

describe("the native engine's adapters on moto", { concurrency: false }, () => {
  guardAgainstLeaks();
  let server: MotoServer;
  let others: Others;
  let identity: Identity;
  let keys: EncryptionKeys;
  let source: ReplicationConfiguration;
  let destination: ReplicationConfiguration;

  before(async () => {
    server = await startMoto();
    const options = clientOptions(server, server.credentials);
    others = connectOthers(server, server.credentials);
    identity = await openIdentity(options);
    keys = await openEncryptionKeys(options);
    source = await openReplicationConfiguration({ ...options, bucket: "src" });
    destination = await openReplicationConfiguration({ ...options, bucket: "dst", expectedOwner: motoAccountId });
  });
  after(async () => {
    for (const port of [identity, keys, source, destination, others]) port.close();
    await server[Symbol.asyncDispose]();
  });

  test("a bucket that is not there is undefined, and one just made is private, unversioned and where it was asked for", async () => {
    assert.equal(await source.facts(), undefined);
    await source.create({ objectLock: false });
    await source.create({ objectLock: false });
    await destination.create({ objectLock: true });
    const facts = {
      region: REGION,
      versioning: "Unversioned",
      objectLock: false,
      requesterPays: false,
      ownerEnforced: true,
      defaultKeyId: null,
    };
    assert.deepEqual(await source.facts(), facts);
    assert.deepEqual(await destination.facts(), { ...facts, versioning: "Enabled", objectLock: true });
    const closed = await others.s3.send(new s3.GetPublicAccessBlockCommand({ Bucket: "src" }));
    assert.deepEqual(Object.values(closed.PublicAccessBlockConfiguration ?? {}), [true, true, true, true]);
  });

  test("a bucket of us-east-1 is made there", async () => {
    const options = clientOptions(server, server.credentials, "us-east-1");
    const bucket = await openReplicationConfiguration({ ...options, bucket: "oldest" });
    await bucket.create({ objectLock: false });
    assert.equal((await bucket.facts())?.region, "us-east-1");
    bucket.close();
  });

  test("a bucket is found in its own region, whatever the config says", async () => {
    const options = clientOptions(server, server.credentials, "ap-south-1");
    const bucket = await openReplicationConfiguration({ ...options, bucket: "src" });
    assert.equal((await bucket.facts())?.region, REGION);
    bucket.close();
  });

  test("a bucket's default key is told", async () => {
    const byDefault = { SSEAlgorithm: "aws:kms", KMSMasterKeyID: "alias/mine" } as const;
    const configuration = { Rules: [{ ApplyServerSideEncryptionByDefault: byDefault }] };
    await others.s3.send(new s3.PutBucketEncryptionCommand({ Bucket: "src", ServerSideEncryptionConfiguration: configuration }));
    assert.equal((await source.facts())?.defaultKeyId, "alias/mine");
    await others.s3.send(new s3.DeleteBucketEncryptionCommand({ Bucket: "src" }));
  });

  test("replication needs versioning, is read back as it was put, and goes with its last rule", async () => {
    await assert.rejects(source.putReplication({ role: ROLE_ARN, rules: [RULE] }), { code: "InvalidRequest" });
    await source.enableVersioning();
    assert.equal((await source.facts())?.versioning, "Enabled");
    assert.equal(await source.replication(), undefined);

    const tagged = { ...RULE, id: "tagged", priority: 2, tags: { a: "1", b: "" }, deleteMarkerReplication: false };
    await source.putReplication({ role: ROLE_ARN, rules: [RULE, tagged] });
    const found = await source.replication();
    const read = found?.rules.map(({ raw, ...rule }) => rule);
    assert.deepEqual({ ...found, rules: read }, { role: ROLE_ARN, rules: [RULE, tagged] });
    await source.putReplication({ role: ROLE_ARN, rules: found?.rules ?? [] });
    assert.deepEqual(await source.replication(), found);

    await source.putReplication({ role: ROLE_ARN, rules: [] });
    assert.equal(await source.replication(), undefined);
  });

  test("rules of the older schema keep having no priority", async () => {
    const older = { ...RULE, id: "", priority: null, replicaModifications: false };
    await source.putReplication({ role: ROLE_ARN, rules: [older] });
    const [found] = (await source.replication())?.rules ?? [];
    assert.equal(found?.priority, null);
    assert.equal(found?.prefix, RULE.prefix);
    await source.putReplication({ role: ROLE_ARN, rules: [] });
  });

  test("a bucket's policy is kept as JSON, and deleted with its last statement", async () => {
    assert.equal(await source.policy(), undefined);
    const statement = {
      Sid: "A1",
      Effect: "Allow",
      Principal: { AWS: ROLE_ARN },
      Action: "s3:List*",
      Resource: "arn:aws:s3:::src",
    } as const;
    const policy = { Version: "2012-10-17", Statement: [statement] };
    await source.putPolicy(policy);
    assert.deepEqual(await source.policy(), policy);
    await source.putPolicy({ ...policy, Statement: [] });
    assert.equal(await source.policy(), undefined);
    await source.putPolicy(undefined);
  });

  test("the keys of objects are found", async () => {
    const { KeyMetadata } = await others.kms.send(new CreateKeyCommand({}));
    const SSEKMSKeyId = KeyMetadata?.Arn;
    await others.s3.send(new s3.PutObjectCommand({ Bucket: "src", Key: "plain", Body: "1" }));
    assert.deepEqual(await source.sampledKeys(10), []);
    for (const Key of ["a b", "ü"])
      await others.s3.send(new s3.PutObjectCommand({ Bucket: "src", Key, Body: "1", ServerSideEncryption: "aws:kms", SSEKMSKeyId }));
    assert.deepEqual(await source.sampledKeys(10), [SSEKMSKeyId]);
  });

  test("who asks is known", async () => {
    assert.equal((await identity.caller()).account, motoAccountId);
  });

  test("exactly one of several callers makes a role, and it is read back whole", async () => {
    assert.equal(await identity.role(ROLE.name), undefined);
    const made = await Promise.all([1, 2, 3].map(() => identity.createRole(ROLE)));
    assert.deepEqual(made.toSorted(), [ROLE_ARN, false, false]);
    await identity.putRolePolicy(ROLE.name, "replicast-replication", POLICY);
    await identity.putRolePolicy(ROLE.name, "theirs", POLICY);
    await identity.tagRole(ROLE.name, { "replicast:region": REGION });
    const { description, ...role } = ROLE;
    assert.deepEqual(await identity.role(ROLE.name), {
      ...role,
      arn: ROLE_ARN,
      policies: { "replicast-replication": POLICY, theirs: POLICY },
      tags: { ...ROLE.tags, "replicast:region": REGION },
      permissionsBoundary: undefined,
    });
  });

  test("one policy of a role is removed without the others, and its trust is replaced", async () => {
    await identity.putRolePolicy(ROLE.name, "theirs", undefined);
    await identity.putRolePolicy(ROLE.name, "theirs", undefined);
    const trust = { ...TRUST, Statement: [{ ...TRUST.Statement[0], Sid: "B", Effect: "Allow" as const }] };
    await identity.putTrust(ROLE.name, trust);
    const role = await identity.role(ROLE.name);
    assert.deepEqual(role?.policies, { "replicast-replication": POLICY });
    assert.deepEqual(role?.trust, trust);
  });

  test("roles are listed below a path alone, however many there are", async () => {
    const names = Array.from({ length: 120 }, (_, index) => `many-${index}`);
    for (const name of names) await identity.createRole({ ...ROLE, name, path: "/replicast/many/" });
    const listed = await identity.roles("/replicast/many/");
    assert.deepEqual(listed.map(({ name }) => name).toSorted(), names.toSorted());
    assert.deepEqual(listed[0]?.tags, ROLE.tags);
    assert.deepEqual(
      (await identity.roles("/replicast/app/")).map(({ name }) => name),
      [ROLE.name],
    );
  });

  test("a role with a managed policy of others is not touched; without it the role goes, and going twice is fine", async () => {
    const document = { PolicyName: "managed", PolicyDocument: JSON.stringify(POLICY) };
    const { Policy } = await others.iam.send(new iam.CreatePolicyCommand(document));
    const attached = { RoleName: ROLE.name, PolicyArn: Policy?.Arn };
    await others.iam.send(new iam.AttachRolePolicyCommand(attached));
    await assert.rejects(identity.deleteRole(ROLE.name), { code: "InvalidRequest", message: /managed/ });
    assert.deepEqual((await identity.role(ROLE.name))?.policies, { "replicast-replication": POLICY });
    await others.iam.send(new iam.DetachRolePolicyCommand(attached));
    await identity.deleteRole(ROLE.name);
    assert.equal(await identity.role(ROLE.name), undefined);
    await identity.deleteRole(ROLE.name);
  });

  test("rights that the server cannot work out are unknown", async () => {
    assert.equal(await identity.simulate(ROLE_ARN, "s3:ListBucket", "arn:aws:s3:::src"), "unknown");
  });

  test("a key is found by ARN, id and alias, and its policy is replaced", async () => {
    const { KeyMetadata } = await others.kms.send(new CreateKeyCommand({}));
    const { Arn: arn = "", KeyId = "" } = KeyMetadata ?? {};
    await others.kms.send(new CreateAliasCommand({ AliasName: "alias/replicas", TargetKeyId: KeyId }));
    const key = { arn, account: motoAccountId, region: REGION, isEnabled: true, isAwsManaged: false };
    for (const id of [arn, KeyId, "alias/replicas"]) assert.deepEqual(await keys.key(id), key);
    assert.equal(await keys.key("alias/nobody"), undefined);
    assert.equal(await keys.key("00000000-0000-0000-0000-000000000000"), undefined);

    const policy = await keys.policy(arn);
    const wanted = {
      ...policy,
      Statement: [
        ...policy.Statement,
        { Sid: "Replicast1", Effect: "Allow", Action: "kms:Encrypt", Principal: { AWS: "*" }, Resource: "*" } as const,
      ],
    };
    await keys.putPolicy(arn, wanted);
    assert.deepEqual(await keys.policy(arn), wanted);
    await others.kms.send(new DisableKeyCommand({ KeyId }));
    assert.equal((await keys.key(arn))?.isEnabled, false);
  });

  test("metrics are those of one rule, each in the region where S3 tells it, and null where it tells nothing", async () => {
    const rule = { sourceBucket: "src", destinationBucket: "dst", ruleId: RULE.id };
    const metrics = await openReplicationMetrics({ ...clientOptions(server, server.credentials), destinationRegion: "us-west-2" });
    assert.deepEqual(await metrics.latest(rule), { operationsPending: null, bytesPending: null, operationsFailed: null, latencyMs: null });

    const Dimensions = Object.entries({ SourceBucket: "src", DestinationBucket: "dst", RuleId: RULE.id }).map(([Name, Value]) => ({
      Name,
      Value,
    }));
    const put = async (region: string, values: Readonly<Record<string, number>>, minutesAgo: number) => {
      const client = new CloudWatchClient({ endpoint: server.endpoint, region, credentials: server.credentials });
      const Timestamp = new Date(Date.now() - minutesAgo * 60_000);
      const MetricData = Object.entries(values).map(([MetricName, Value]) => ({ MetricName, Value, Timestamp, Dimensions }));
      await client.send(new PutMetricDataCommand({ Namespace: "AWS/S3", MetricData }));
      client.destroy();
    };
    await put("us-west-2", { OperationsPendingReplication: 9, BytesPendingReplication: 999, ReplicationLatency: 99 }, 9);
    await put("us-west-2", { OperationsPendingReplication: 3, BytesPendingReplication: 1000, ReplicationLatency: 12 }, 2);
    await put(REGION, { OperationsFailedReplication: 2 }, 9);
    await put(REGION, { OperationsFailedReplication: 5 }, 2);
    assert.deepEqual(await metrics.latest(rule), { operationsPending: 3, bytesPending: 1000, operationsFailed: 7, latencyMs: 12_000 });
    const { operationsPending } = await metrics.latest({ ...rule, ruleId: "another" });
    assert.equal(operationsPending, null);
    metrics.close();
  });
});

/** Every call with the rights it needs, on what, as docs/ lists them: no more and no fewer. */
interface Need {
  readonly call: string;
  readonly rights: Readonly<Record<string, string>>;
  readonly make: (ports: Ports) => Promise<unknown>;
}

interface Ports {
  readonly bucket: ReplicationConfiguration;
  readonly fresh: ReplicationConfiguration;
  readonly identity: Identity;
  readonly keys: EncryptionKeys;
  readonly keyArn: string;
  readonly metrics: ReplicationMetrics;
}

const SRC = "arn:aws:s3:::src";
const FRESH = "arn:aws:s3:::fresh";
const KEY = "*";
const NEEDS: readonly Need[] = [
  {
    call: "facts",
    rights: {
      "s3:ListBucket": SRC,
      "s3:GetBucketVersioning": SRC,
      "s3:GetBucketObjectLockConfiguration": SRC,
      "s3:GetBucketRequestPayment": SRC,
      "s3:GetBucketOwnershipControls": SRC,
      "s3:GetEncryptionConfiguration": SRC,
    },
    make: ({ bucket }) => bucket.facts(),
  },
  {
    call: "create",
    rights: { "s3:CreateBucket": FRESH, "s3:PutBucketPublicAccessBlock": FRESH },
    make: ({ fresh }) => fresh.create({ objectLock: false }),
  },
  { call: "enableVersioning", rights: { "s3:PutBucketVersioning": SRC }, make: ({ bucket }) => bucket.enableVersioning() },
  { call: "replication", rights: { "s3:GetReplicationConfiguration": SRC }, make: ({ bucket }) => bucket.replication() },
  {
    call: "putReplication",
    rights: { "s3:PutReplicationConfiguration": SRC, "iam:PassRole": ROLE_ARN },
    make: ({ bucket }) => bucket.putReplication({ role: ROLE_ARN, rules: [RULE] }),
  },
  {
    call: "putReplication without rules",
    rights: { "s3:PutReplicationConfiguration": SRC },
    make: ({ bucket }) => bucket.putReplication({ role: ROLE_ARN, rules: [] }),
  },
  { call: "policy", rights: { "s3:GetBucketPolicy": SRC }, make: ({ bucket }) => bucket.policy() },
  {
    call: "putPolicy",
    rights: { "s3:PutBucketPolicy": SRC },
    make: ({ bucket }) => bucket.putPolicy({ ...POLICY, Statement: [BUCKET_STATEMENT] }),
  },
  { call: "putPolicy of none", rights: { "s3:DeleteBucketPolicy": SRC }, make: ({ bucket }) => bucket.putPolicy(undefined) },
  {
    call: "sampledKeys",
    rights: { "s3:ListBucket": SRC, "s3:GetObject": `${SRC}/*` },
    make: ({ bucket }) => bucket.sampledKeys(5),
  },
  {
    call: "createRole",
    rights: { "iam:CreateRole": ROLE_ARN },
    make: ({ identity }) => identity.createRole(ROLE),
  },
  {
    call: "role",
    rights: {
      "iam:GetRole": ROLE_ARN,
      "iam:ListRolePolicies": ROLE_ARN,
      "iam:GetRolePolicy": ROLE_ARN,
      "iam:ListRoleTags": ROLE_ARN,
    },
    make: ({ identity }) => identity.role(ROLE.name),
  },
  {
    call: "roles",
    rights: {
      "iam:ListRoles": "*",
      "iam:GetRole": ROLE_ARN,
      "iam:ListRolePolicies": ROLE_ARN,
      "iam:GetRolePolicy": ROLE_ARN,
      "iam:ListRoleTags": ROLE_ARN,
    },
    make: ({ identity }) => identity.roles(ROLE.path),
  },
  { call: "putTrust", rights: { "iam:UpdateAssumeRolePolicy": ROLE_ARN }, make: ({ identity }) => identity.putTrust(ROLE.name, TRUST) },
  { call: "tagRole", rights: { "iam:TagRole": ROLE_ARN }, make: ({ identity }) => identity.tagRole(ROLE.name, { a: "1" }) },
  {
    call: "putRolePolicy",
    rights: { "iam:PutRolePolicy": ROLE_ARN },
    make: ({ identity }) => identity.putRolePolicy(ROLE.name, "p", POLICY),
  },
  {
    call: "putRolePolicy of none",
    rights: { "iam:DeleteRolePolicy": ROLE_ARN },
    make: ({ identity }) => identity.putRolePolicy(ROLE.name, "q", undefined),
  },
  {
    call: "deleteRole",
    rights: {
      "iam:ListAttachedRolePolicies": ROLE_ARN,
      "iam:ListRolePolicies": ROLE_ARN,
      "iam:DeleteRolePolicy": ROLE_ARN,
      "iam:DeleteRole": ROLE_ARN,
    },
    make: ({ identity }) => identity.deleteRole(ROLE.name),
  },
  { call: "key", rights: { "kms:DescribeKey": KEY }, make: ({ keys }) => keys.key("alias/mine") },
  { call: "a key's policy", rights: { "kms:GetKeyPolicy": KEY }, make: ({ keys, keyArn }) => keys.policy(keyArn) },
  { call: "putPolicy of a key", rights: { "kms:PutKeyPolicy": KEY }, make: ({ keys, keyArn }) => keys.putPolicy(keyArn, POLICY) },
  {
    call: "latest metrics",
    rights: { "cloudwatch:GetMetricData": "*" },
    make: ({ metrics }) => metrics.latest({ sourceBucket: "src", destinationBucket: "dst", ruleId: RULE.id }),
  },
];
const BUCKET_STATEMENT = { Effect: "Allow", Principal: { AWS: ROLE_ARN }, Action: "s3:List*", Resource: SRC } as const;
const USER = "deployer";

describe("rights on moto, which checks them", { concurrency: false }, () => {
  guardAgainstLeaks();
  let server: MotoServer;
  let admin: Others;
  let ports: Ports;

  before(async () => {
    // Free are the calls that make the administrator.
    server = await startMoto({ authAfterCalls: 3 });
    const root = connectOthers(server, server.credentials);
    admin = connectOthers(server, await createUser(root, "admin", { "*": "*" }));
    root.close();
    const options = clientOptions(server, await createUser(admin, USER, { "iam:GetUser": "*" }));
    const { KeyMetadata } = await admin.kms.send(new CreateKeyCommand({}));
    await admin.kms.send(new CreateAliasCommand({ AliasName: "alias/mine", TargetKeyId: KeyMetadata?.KeyId }));
    ports = {
      bucket: await openReplicationConfiguration({ ...options, bucket: "src" }),
      fresh: await openReplicationConfiguration({ ...options, bucket: "fresh" }),
      identity: await openIdentity(options),
      keys: await openEncryptionKeys(options),
      keyArn: KeyMetadata?.Arn ?? "",
      metrics: await openReplicationMetrics(options),
    };
    for (const Bucket of ["src", "dst"]) {
      const place = { LocationConstraint: REGION } as const;
      await admin.s3.send(new s3.CreateBucketCommand({ Bucket, CreateBucketConfiguration: place }));
      await admin.s3.send(new s3.PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: "Enabled" } }));
    }
    await admin.s3.send(new s3.PutObjectCommand({ Bucket: "src", Key: "a", Body: "1" }));
  });
  after(async () => {
    const { keyArn, ...opened } = ports;
    for (const port of [...Object.values(opened), admin]) port.close();
    await server[Symbol.asyncDispose]();
  });

  for (const { call, rights, make } of NEEDS)
    test(`${call} needs ${Object.keys(rights).join(", ")}`, async () => {
      await grant(admin, USER, { "iam:GetUser": "*", ...rights });
      await make(ports);
      for (const right of Object.keys(rights)) {
        await prepare(admin, call);
        const { [right]: _, ...fewer } = rights;
        await grant(admin, USER, { "iam:GetUser": "*", ...fewer });
        await assert.rejects(make(ports), { code: "AccessDenied", hint: new RegExp(right) }, `${call} without ${right}`);
      }
      await prepare(admin, call);
    });

  test("who asks needs no right at all", async () => {
    await grant(admin, USER, { "iam:GetUser": "*" });
    assert.equal((await ports.identity.caller()).arn, `arn:aws:iam::${motoAccountId}:user/${USER}`);
  });

  test("rights that may not be asked for are unknown", async () => {
    assert.equal(await ports.identity.simulate(ROLE_ARN, "s3:ListBucket", SRC), "unknown");
  });

  test("a wrong secret is told as such", async () => {
    const wrong = await openIdentity(clientOptions(server, { accessKeyId: "AKIANOBODY", secretAccessKey: "x" }));
    await assert.rejects(wrong.role("r"), { code: "InvalidAccessKeyId" });
    wrong.close();
  });
});

/** What a call takes away is there again: the role, with a policy. */
async function prepare(admin: Others, call: string): Promise<void> {
  if (call !== "createRole" && call !== "deleteRole") return;
  const AssumeRolePolicyDocument = JSON.stringify(TRUST);
  const make = new iam.CreateRoleCommand({ RoleName: ROLE.name, Path: ROLE.path, AssumeRolePolicyDocument });
  await admin.iam.send(make).catch((error: unknown) => assert.ok(error instanceof iam.EntityAlreadyExistsException, String(error)));
  await admin.iam.send(new iam.PutRolePolicyCommand({ RoleName: ROLE.name, PolicyName: "p", PolicyDocument: JSON.stringify(POLICY) }));
}

async function createUser(as: Others, UserName: string, rights: Readonly<Record<string, string>>): Promise<Credentials> {
  await as.iam.send(new iam.CreateUserCommand({ UserName }));
  await grant(as, UserName, rights);
  const { AccessKey } = await as.iam.send(new iam.CreateAccessKeyCommand({ UserName }));
  return { accessKeyId: AccessKey?.AccessKeyId ?? "", secretAccessKey: AccessKey?.SecretAccessKey ?? "" };
}

async function grant(as: Others, UserName: string, rights: Readonly<Record<string, string>>): Promise<void> {
  const Statement = Object.entries(rights).map(([Action, Resource]) => ({ Effect: "Allow", Action, Resource }));
  const PolicyDocument = JSON.stringify({ Version: "2012-10-17", Statement });
  await as.iam.send(new iam.PutUserPolicyCommand({ UserName, PolicyName: "rights", PolicyDocument }));
}
