import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import * as iam from "@aws-sdk/client-iam";
import * as s3 from "@aws-sdk/client-s3";
import * as sts from "@aws-sdk/client-sts";
import { aws } from "../support/clients.ts";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { type MotoOptions, type MotoServer, motoAccountId, startMoto } from "../support/moto.ts";
import { askJson, expectExit, replicast, startCommand, type Workplace } from "../support/replicast.ts";
import { waitFor } from "../support/wait-for.ts";
import { breakGround } from "../support/world.ts";

interface Change {
  readonly action: string;
  readonly type: string;
  readonly id: string;
}

interface Told {
  readonly changes: readonly Change[];
  readonly problems: readonly { readonly code: string; readonly subject: string; readonly message: string }[];
  readonly handOvers: readonly { readonly file: string; readonly account: string }[];
}

const OTHER_ACCOUNT = "222222222222";

/** AWS as moto plays it, a folder in which the product is used, and the SDK as a client that shares no code with it. */
interface AwsWorld extends Workplace, AsyncDisposable {
  readonly moto: MotoServer;
  readonly s3: s3.S3Client;
  readonly iam: iam.IAMClient;
  /** Whoever the other account lets in: its key pair, in the environment under FAR_… */
  readonly far: s3.S3Client;
}

async function openAws(options: MotoOptions = {}): Promise<AwsWorld> {
  await using stack = new AsyncDisposableStack();
  const ground = stack.use(await breakGround());
  const moto = stack.use(await startMoto(options));
  const common = { endpoint: moto.endpoint, region: "us-east-1", credentials: moto.credentials };
  const far = await assumeFar(common);
  const env = {
    AWS_ENDPOINT_URL: moto.endpoint,
    AWS_ACCESS_KEY_ID: moto.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: moto.credentials.secretAccessKey,
    AWS_REGION: "us-east-1",
    FAR_KEY: far.accessKeyId,
    FAR_SECRET: far.secretAccessKey,
    FAR_TOKEN: far.sessionToken,
  };
  const clients = {
    s3: new s3.S3Client({ ...common, forcePathStyle: true }),
    iam: new iam.IAMClient(common),
    far: new s3.S3Client({ ...common, credentials: far, forcePathStyle: true }),
  };
  for (const client of Object.values(clients)) stack.defer(() => client.destroy());
  const kept = stack.move();
  return { ...ground, ...clients, moto, env, secrets: [far.secretAccessKey], [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

async function assumeFar(common: sts.STSClientConfig) {
  const client = new sts.STSClient(common);
  try {
    const command = new sts.AssumeRoleCommand({ RoleArn: `arn:aws:iam::${OTHER_ACCOUNT}:role/operator`, RoleSessionName: "test" });
    const { Credentials } = await client.send(command);
    const { AccessKeyId = "", SecretAccessKey = "", SessionToken = "" } = Credentials ?? {};
    return { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken };
  } finally {
    client.destroy();
  }
}

interface NewBucket {
  readonly region?: string;
  readonly versioned?: boolean;
  readonly lock?: boolean;
  readonly by?: s3.S3Client;
}

async function createBucket(world: AwsWorld, Bucket: string, { region, versioned = false, lock = false, by = world.s3 }: NewBucket = {}) {
  const place = { CreateBucketConfiguration: { LocationConstraint: region as s3.BucketLocationConstraint } };
  await by.send(new s3.CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: lock, ...(region === undefined ? {} : place) }));
  if (!versioned) return;
  await by.send(new s3.PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: "Enabled" } }));
}

/** What a config takes from the environment. */
function variable(name: string): string {
  return `$\{${name}}`;
}

type Rule = Readonly<Record<string, unknown>>;

async function configure(world: AwsWorld, rules: readonly Rule[], more: Readonly<Record<string, unknown>> = {}): Promise<void> {
  const far = {
    region: "us-east-1",
    credentials: { accessKeyId: variable("FAR_KEY"), secretAccessKey: variable("FAR_SECRET"), sessionToken: variable("FAR_TOKEN") },
  };
  const config = { version: 1, name: "acme", stores: { far }, iam: { propagation: "10ms" }, rules, ...more };
  await writeFile(join(world.directory, "replicast.yaml"), JSON.stringify(config));
}

const PHOTOS = { id: "photos", engine: "native", versioning: "enable", source: "photos", destinations: ["photos-eu@eu-west-1"] };

async function buckets(world: AwsWorld): Promise<void> {
  await createBucket(world, "photos");
  await createBucket(world, "photos-eu", { region: "eu-west-1" });
}

async function replicationOf(world: AwsWorld, Bucket: string): Promise<s3.ReplicationConfiguration | undefined> {
  try {
    return (await world.s3.send(new s3.GetBucketReplicationCommand({ Bucket }))).ReplicationConfiguration;
  } catch (error) {
    if (error instanceof Error && error.name === "ReplicationConfigurationNotFoundError") return undefined;
    throw error;
  }
}

/** The world as a user has it who may do only what a policy says. */
async function asUser(world: AwsWorld, statements: readonly object[]): Promise<AwsWorld> {
  const UserName = "operator";
  const PolicyDocument = JSON.stringify({ Version: "2012-10-17", Statement: statements });
  await world.iam.send(new iam.CreateUserCommand({ UserName }));
  await world.iam.send(new iam.PutUserPolicyCommand({ UserName, PolicyName: "p", PolicyDocument }));
  const { AccessKey } = await world.iam.send(new iam.CreateAccessKeyCommand({ UserName }));
  const { AccessKeyId = "", SecretAccessKey = "" } = AccessKey ?? {};
  return {
    ...world,
    env: { ...world.env, AWS_ACCESS_KEY_ID: AccessKeyId, AWS_SECRET_ACCESS_KEY: SecretAccessKey },
    secrets: [SecretAccessKey],
  };
}

/** What docs/native.md says that an operator has to be allowed. */
function operatorRights(): readonly object[] {
  const text = readFileSync(new URL("../../docs/native.md", import.meta.url), "utf8");
  const section = text.split("## What you need to be allowed")[1]?.split("\n## ")[0] ?? "";
  const actions = [...section.matchAll(/`((?:s3|iam|kms):\w+)`/g)].map(([, action]) => action);
  assert.ok(actions.length > 20);
  return [{ Effect: "Allow", Action: actions, Resource: "*" }];
}

async function createKey(world: AwsWorld): Promise<string> {
  return (JSON.parse(await aws(world.moto, "kms", "create-key")) as { KeyMetadata: { KeyId: string } }).KeyMetadata.KeyId;
}

async function ruleIds(world: AwsWorld, bucket: string): Promise<readonly (string | undefined)[]> {
  return ((await replicationOf(world, bucket))?.Rules ?? []).map(({ ID }) => ID);
}

async function roles(world: AwsWorld): Promise<readonly string[]> {
  const { Roles = [] } = await world.iam.send(new iam.ListRolesCommand({}));
  return Roles.map(({ Path, RoleName }) => `${Path}${RoleName}`);
}

async function versioningOf(world: AwsWorld, Bucket: string): Promise<string | undefined> {
  return (await world.s3.send(new s3.GetBucketVersioningCommand({ Bucket }))).Status;
}

/** A role of somebody else's, as it is made by hand. */
async function foreignRole(world: AwsWorld, RoleName: string, tags: readonly iam.Tag[] = []): Promise<string> {
  const trust = {
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal: { Service: "s3.amazonaws.com" }, Action: "sts:AssumeRole" }],
  };
  const command = new iam.CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: JSON.stringify(trust), Tags: [...tags] });
  return (await world.iam.send(command)).Role?.Arn ?? "";
}

const FOREIGN: s3.ReplicationRule = {
  ID: "theirs",
  Status: "Enabled",
  Priority: 7,
  Filter: { Prefix: "logs/" },
  DeleteMarkerReplication: { Status: "Disabled" },
  Destination: { Bucket: "arn:aws:s3:::archive", StorageClass: "STANDARD_IA" },
};

async function replicate(world: AwsWorld, Bucket: string, configuration: s3.ReplicationConfiguration): Promise<void> {
  await world.s3.send(new s3.PutBucketReplicationCommand({ Bucket, ReplicationConfiguration: configuration }));
}

function actions({ changes }: Told): readonly string[] {
  return changes.map(({ action, type }) => `${action} ${type}`);
}

async function problems(world: AwsWorld, command: string): Promise<readonly string[]> {
  const { stdout } = await expectExit(1, world, [command, "--json"]);
  return (JSON.parse(stdout) as Told).problems.map(({ code, subject }) => `${code} ${subject}`).sort();
}

describe("S3's own replication, set up", () => {
  guardAgainstLeaks();

  test("one way is planned, applied, left alone the second time, and destroyed", async () => {
    await using world = await openAws();
    await buckets(world);
    await configure(world, [PHOTOS]);
    await expectExit(3, world, ["plan", "--exit-code"]);
    assert.equal(await replicationOf(world, "photos"), undefined, "a plan changes nothing");
    const planned = actions(await askJson<Told>(world, "plan"));
    assert.deepEqual(planned, ["update versioning", "update versioning", "create role", "create policy", "create replication-rule"]);
    assert.deepEqual(actions(await askJson<Told>(world, "apply")), planned);
    const document = await replicationOf(world, "photos");
    assert.deepEqual(
      document?.Rules?.map(({ ID, Status, Destination }) => [ID, Status, Destination?.Bucket]),
      [["acme/photos/aws:photos-eu", "Enabled", "arn:aws:s3:::photos-eu"]],
    );
    const [role = ""] = await roles(world);
    assert.match(role, /^\/replicast\/acme\/acme-photos-[0-9a-f]{10}$/);
    assert.equal(document?.Role?.endsWith(`:role${role}`), true);
    assert.deepEqual(actions(await askJson<Told>(world, "apply")), []);
    await expectExit(0, world, ["plan", "--exit-code"]);
    assert.deepEqual(await replicationOf(world, "photos"), document);
    assert.deepEqual(actions(await askJson<Told>(world, "destroy")), ["delete replication-rule", "delete role"]);
    assert.equal(await replicationOf(world, "photos"), undefined);
    assert.deepEqual(await roles(world), []);
    assert.deepEqual(actions(await askJson<Told>(world, "destroy")), []);
  });

  test("two ways are set up in one run, both versionings before either rule", async () => {
    await using world = await openAws();
    await buckets(world);
    await configure(world, [{ id: "both", engine: "native", versioning: "enable", mesh: ["photos", "photos-eu@eu-west-1"] }]);
    const made = actions(await askJson<Told>(world, "apply"));
    assert.deepEqual(made.slice(0, 2), ["update versioning", "update versioning"]);
    assert.deepEqual(made.slice(-2), ["create replication-rule", "create replication-rule"]);
    for (const bucket of ["photos", "photos-eu"]) {
      assert.equal(await versioningOf(world, bucket), "Enabled");
      const [rule] = (await replicationOf(world, bucket))?.Rules ?? [];
      assert.equal(rule?.SourceSelectionCriteria?.ReplicaModifications?.Status, "Enabled");
    }
    assert.deepEqual(actions(await askJson<Told>(world, "apply")), []);
  });

  test("a mesh and a hybrid come to one rule for each pair", async () => {
    await using world = await openAws();
    for (const name of ["one", "two", "three", "london", "sec"]) await createBucket(world, name, { versioned: true });
    const hub = { id: "hub", engine: "native", source: "one", destinations: ["london", "sec"] };
    await configure(world, [{ id: "mesh", engine: "native", mesh: ["one", "two", "three"] }, hub]);
    const { changes } = await askJson<Told>(world, "apply");
    const rules = changes.filter(({ type }) => type === "replication-rule").map(({ id }) => id);
    assert.deepEqual(rules.toSorted(), [
      "aws:one:acme/hub/aws:london",
      "aws:one:acme/hub/aws:sec",
      "aws:one:acme/mesh/aws:three",
      "aws:one:acme/mesh/aws:two",
      "aws:three:acme/mesh/aws:one",
      "aws:three:acme/mesh/aws:two",
      "aws:two:acme/mesh/aws:one",
      "aws:two:acme/mesh/aws:three",
    ]);
    const priorities = ((await replicationOf(world, "one"))?.Rules ?? []).map(({ Priority }) => Priority);
    assert.equal(new Set(priorities).size, 4);
  });

  test("a foreign rule survives, and gets its role back when ours goes", async () => {
    await using world = await openAws();
    await buckets(world);
    await createBucket(world, "archive", { versioned: true });
    await world.s3.send(new s3.PutBucketVersioningCommand({ Bucket: "photos", VersioningConfiguration: { Status: "Enabled" } }));
    await replicate(world, "photos", { Role: await foreignRole(world, "theirs"), Rules: [FOREIGN] });
    const before = await replicationOf(world, "photos");
    await configure(world, [PHOTOS]);
    await expectExit(0, world, ["apply"]);
    const [theirs] = (await replicationOf(world, "photos"))?.Rules ?? [];
    assert.deepEqual(theirs, before?.Rules?.[0]);
    assert.deepEqual(await ruleIds(world, "photos"), ["theirs", "acme/photos/aws:photos-eu"]);
    assert.deepEqual(actions(await askJson<Told>(world, "apply")), []);
    await expectExit(0, world, ["destroy"]);
    assert.deepEqual(await replicationOf(world, "photos"), before);
    assert.deepEqual(await roles(world), ["/theirs"]);
  });

  test("a pair that leaves the config loses its rule alone, a source also its role", async () => {
    await using world = await openAws();
    for (const name of ["photos", "films", "near", "far-away"]) await createBucket(world, name, { versioned: true });
    const photos = { id: "photos", engine: "native", source: "photos", destinations: ["near", "far-away"] };
    await configure(world, [photos, { id: "films", engine: "native", source: "films", destinations: ["near"] }]);
    await expectExit(0, world, ["apply"]);
    assert.equal((await roles(world)).length, 2);
    await configure(world, [{ ...photos, destinations: ["near"] }]);
    assert.deepEqual(actions(await askJson<Told>(world, "apply")), [
      "delete replication-rule",
      "delete replication-rule",
      "update policy",
      "delete role",
    ]);
    assert.deepEqual(await ruleIds(world, "photos"), ["acme/photos/aws:near"]);
    assert.equal(await replicationOf(world, "films"), undefined);
    assert.equal((await roles(world)).length, 1);
  });

  test("--replace takes the whole document", async () => {
    await using world = await openAws();
    await buckets(world);
    await createBucket(world, "archive", { versioned: true });
    await world.s3.send(new s3.PutBucketVersioningCommand({ Bucket: "photos", VersioningConfiguration: { Status: "Enabled" } }));
    await replicate(world, "photos", { Role: await foreignRole(world, "theirs"), Rules: [FOREIGN] });
    await configure(world, [PHOTOS]);
    await expectExit(0, world, ["apply", "--replace"]);
    assert.deepEqual(await ruleIds(world, "photos"), ["acme/photos/aws:photos-eu"]);
  });

  test("leftovers of serverless-s3-replication-plugin are adopted: replaced in one step, and their role goes", async () => {
    await using world = await openAws();
    await buckets(world);
    for (const Bucket of ["photos", "photos-eu"])
      await world.s3.send(new s3.PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: "Enabled" } }));
    const Role = await foreignRole(world, "svc-us-east-1-photos-s3-rep-role", [{ Key: "SLS-S3-REPLICATION-PLUGIN", Value: "x" }]);
    // It writes none, and S3 makes up such a one.
    const ID = "N2U4NTM4ZDktYjY0Yy00OTAwLWExYjItMDNkZGI1ZTk3Mjg0";
    const destination = { Bucket: "arn:aws:s3:::photos-eu" };
    const leftover = {
      ...FOREIGN,
      ID,
      Priority: 0,
      Filter: { Prefix: "" },
      DeleteMarkerReplication: { Status: "Enabled" as const },
      Destination: destination,
    };
    await replicate(world, "photos", { Role, Rules: [leftover] });
    await configure(world, [PHOTOS]);
    const { changes } = await askJson<Told>(world, "apply");
    assert.deepEqual(
      changes.filter(({ action }) => action === "delete").map(({ type }) => type),
      ["replication-rule", "role"],
    );
    assert.deepEqual(await ruleIds(world, "photos"), ["acme/photos/aws:photos-eu"]);
    assert.equal((await roles(world)).length, 1);
    assert.deepEqual(actions(await askJson<Told>(world, "apply")), []);
  });

  test("beside a rule of the older schema nothing is changed, unless it is put into the newer one", async () => {
    await using world = await openAws();
    await createBucket(world, "photos", { versioned: true });
    await createBucket(world, "photos-eu", { region: "eu-west-1", versioned: true });
    const older = { ID: "old", Status: "Enabled" as const, Prefix: "logs/", Destination: { Bucket: "arn:aws:s3:::photos-eu" } };
    await replicate(world, "photos", { Role: await foreignRole(world, "theirs"), Rules: [older] });
    await configure(world, [PHOTOS]);
    assert.deepEqual(await problems(world, "apply"), ["OlderSchema aws:photos"]);
    assert.deepEqual(await ruleIds(world, "photos"), ["old"]);
    await expectExit(0, world, ["apply", "--convert-v1"]);
    const [converted] = (await replicationOf(world, "photos"))?.Rules ?? [];
    assert.deepEqual([converted?.ID, converted?.Filter?.Prefix, converted?.DeleteMarkerReplication?.Status], ["old", "logs/", "Enabled"]);
    assert.deepEqual(await ruleIds(world, "photos"), ["old", "acme/photos/aws:photos-eu"]);
    assert.deepEqual(actions(await askJson<Told>(world, "apply")), []);
  });

  test("objects under KMS: the keys of both sides, and a key that is not there is told before anything is changed", async () => {
    await using world = await openAws();
    for (const name of ["photos", "near"]) await createBucket(world, name, { versioned: true });
    const [ours, replicas] = [await createKey(world), await createKey(world)];
    const encrypted = { ServerSideEncryption: "aws:kms", SSEKMSKeyId: ours } as const;
    await world.s3.send(new s3.PutObjectCommand({ Bucket: "photos", Key: "k", Body: "x", ...encrypted }));
    const to = (keyId: string) => [{ ...PHOTOS, destinations: [{ bucket: "near", encryption: { type: "aws:kms", keyId } }] }];
    await configure(world, to("00000000-0000-0000-0000-000000000000"));
    assert.deepEqual(await problems(world, "apply"), ["KeyMissing aws:near"]);
    await configure(world, to(replicas));
    await expectExit(0, world, ["apply"]);
    const [rule] = (await replicationOf(world, "photos"))?.Rules ?? [];
    assert.equal(rule?.SourceSelectionCriteria?.SseKmsEncryptedObjects?.Status, "Enabled");
    assert.equal(rule?.Destination?.EncryptionConfiguration?.ReplicaKmsKeyID?.endsWith(`:key/${replicas}`), true);
    const [role = ""] = await roles(world);
    const asked = { RoleName: role.split("/").at(-1), PolicyName: "replicast-replication" };
    const { PolicyDocument = "" } = await world.iam.send(new iam.GetRolePolicyCommand(asked));
    for (const key of [ours, replicas]) assert.match(decodeURIComponent(PolicyDocument), new RegExp(`:key/${key}`));
    assert.deepEqual(actions(await askJson<Told>(world, "apply")), []);
  });

  test("roles are made as iam says, and one of one's own is used and left alone", async () => {
    await using world = await openAws();
    await buckets(world);
    const boundary = `arn:aws:iam::${motoAccountId}:policy/boundary`;
    const made = { path: "/team/", rolePrefix: "team", tags: { cost: "x" }, permissionsBoundary: boundary, propagation: "10ms" };
    const PolicyDocument = JSON.stringify({ Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: "*", Resource: "*" }] });
    await world.iam.send(new iam.CreatePolicyCommand({ PolicyName: "boundary", PolicyDocument }));
    await configure(world, [PHOTOS], { iam: made });
    await expectExit(0, world, ["apply"]);
    const [name = ""] = await roles(world);
    assert.match(name, /^\/team\/team-photos-/);
    const { Role } = await world.iam.send(new iam.GetRoleCommand({ RoleName: name.split("/").at(-1) }));
    assert.equal(Role?.PermissionsBoundary?.PermissionsBoundaryArn, boundary);
    assert.ok(Role?.Tags?.some(({ Key, Value }) => Key === "cost" && Value === "x"));
    assert.deepEqual(actions(await askJson<Told>(world, "apply")), []);
    await expectExit(0, world, ["destroy"]);
    const roleArn = await foreignRole(world, "own");
    await configure(world, [PHOTOS], { iam: { roleArn } });
    await expectExit(0, world, ["apply"]);
    assert.equal((await replicationOf(world, "photos"))?.Role, roleArn);
    await expectExit(0, world, ["destroy"]);
    assert.deepEqual(await roles(world), ["/own"]);
  });

  test("a native source that tells a queue tells it of replication too", async () => {
    await using world = await openAws();
    await buckets(world);
    await aws(world.moto, "sqs", "create-queue", "--queue-name", "events");
    const events = { type: "sqs", queueUrl: `${world.moto.endpoint}/${motoAccountId}/events` };
    await configure(world, [{ ...PHOTOS, source: { bucket: "photos", events } }]);
    await expectExit(0, world, ["apply"]);
    const { QueueConfigurations = [] } = await world.s3.send(new s3.GetBucketNotificationConfigurationCommand({ Bucket: "photos" }));
    assert.deepEqual(
      QueueConfigurations.map(({ Id, Events = [] }) => [Id, Events.includes("s3:Replication:*")]),
      [["acme/events", true]],
    );
    assert.deepEqual(actions(await askJson<Told>(world, "apply")), []);
  });

  test("an operator who may do what the documentation says, and no more, can plan, apply and destroy", async () => {
    // The other account, two buckets, and the user with a policy and a key.
    await using world = await openAws({ authAfterCalls: 6 });
    await buckets(world);
    const operator = await asUser(world, operatorRights());
    await configure(operator, [{ ...PHOTOS, destinations: [...PHOTOS.destinations, { bucket: "made", createBuckets: true }] }]);
    await expectExit(3, operator, ["plan", "--exit-code"]);
    await expectExit(0, operator, ["apply"]);
    assert.deepEqual(actions(await askJson<Told>(operator, "apply")), []);
    assert.deepEqual(actions(await askJson<Told>(operator, "destroy")), [
      "delete replication-rule",
      "delete replication-rule",
      "delete role",
    ]);
  });

  test("an apply that fails midway lists what it has made, with --json in the one document that also has the error", async () => {
    await using world = await openAws({ authAfterCalls: 6 });
    await buckets(world);
    const refused = { Effect: "Deny", Action: "s3:PutReplicationConfiguration", Resource: "*" };
    const operator = await asUser(world, [...operatorRights(), refused]);
    await configure(operator, [PHOTOS]);
    const { stdout, stderr } = await expectExit(1, operator, ["apply", "--json"]);
    const told = JSON.parse(stdout) as Told & { readonly error: { readonly code: string } };
    assert.deepEqual(actions(told), ["update versioning", "update versioning", "create role", "create policy"]);
    assert.deepEqual([told.problems, told.error.code], [[], "AccessDenied"]);
    assert.match(stderr, /^error: /m);
    await expectExit(0, operator, ["destroy"]);
    const text = await expectExit(1, operator, ["apply"]);
    assert.match(text.stdout, /^roles and policies\n {2}\+ arn:/m, "in words too");
    assert.match(text.stderr, /^warning: stopped after 2 changes[\s\S]*^error: /m);
  });

  test("whoever lets replicast copy needs no rights to roles and replication", async () => {
    await using world = await openAws({ authAfterCalls: 6 });
    await buckets(world);
    const operator = await asUser(world, [{ Effect: "Allow", Action: ["s3:ListBucket"], Resource: "*" }]);
    await configure(operator, [{ id: "photos", engine: "copy", source: "photos", destinations: ["photos-eu@eu-west-1"] }]);
    await expectExit(0, operator, ["plan", "--exit-code"]);
    await configure(operator, [PHOTOS]);
    const { stdout } = await expectExit(1, operator, ["apply", "--json"]);
    assert.deepEqual(
      [...new Set((JSON.parse(stdout) as Told).problems.map(({ code }) => code))].sort(),
      ["BucketForbidden", "NotPermitted"],
      "what may not be looked at is said, never taken for missing",
    );
  });

  test("everything in the way is told at once, by name, and nothing is changed", async () => {
    await using world = await openAws();
    await createBucket(world, "photos", { region: "eu-west-1", lock: true });
    await createBucket(world, "unlocked");
    await configure(world, [{ ...PHOTOS, versioning: "require", destinations: ["gone", "unlocked"] }]);
    const found = ["BucketMissing aws:gone", "ObjectLockMismatch aws:unlocked", "VersioningOff aws:unlocked", "WrongRegion aws:photos"];
    assert.deepEqual(await problems(world, "plan"), found);
    assert.deepEqual(await problems(world, "apply"), found);
    assert.deepEqual(await roles(world), []);
    const { stderr } = await replicast(world, "apply");
    assert.match(stderr, /^error: aws:gone: does not exist\ntry: /m);
    assert.match(stderr, /^try: write photos@eu-west-1$/m);
    assert.doesNotMatch(stderr, /^warning:/m);
    await expectExit(1, world, ["apply", "--allow-missing"]);
  });

  test("a missing bucket alone is let pass by --allow-missing, and waited for by --wait in the same command", async () => {
    await using world = await openAws();
    await createBucket(world, "photos");
    await configure(world, [PHOTOS]);
    assert.deepEqual(await problems(world, "apply"), ["BucketMissing aws:photos-eu"]);
    await expectExit(0, world, ["apply", "--allow-missing"]);
    assert.deepEqual(await roles(world), []);
    await expectExit(1, world, ["apply", "--wait", "10ms"]);
    const waiting = startCommand(world, "apply", "--wait", "5m");
    await waitFor("the notice", () => waiting.stderr.includes("waiting for aws:photos-eu"));
    await createBucket(world, "photos-eu", { region: "eu-west-1" });
    assert.equal((await waiting.finished).code, 0, waiting.stderr);
    assert.deepEqual(await ruleIds(world, "photos"), ["acme/photos/aws:photos-eu"]);
  });

  test("createBuckets makes a missing destination in its own region, versioned and closed", async () => {
    await using world = await openAws();
    await createBucket(world, "photos", { versioned: true });
    await configure(world, [{ ...PHOTOS, versioning: "require", createBuckets: true }]);
    await expectExit(0, world, ["apply"]);
    const { LocationConstraint } = await world.s3.send(new s3.GetBucketLocationCommand({ Bucket: "photos-eu" }));
    assert.deepEqual([LocationConstraint, await versioningOf(world, "photos-eu")], ["eu-west-1", "Enabled"]);
    assert.deepEqual(actions(await askJson<Told>(world, "apply")), []);
  });

  test("an account whose credentials are at hand gets its bucket policy; the others' is written for their admin", async () => {
    await using world = await openAws();
    await createBucket(world, "photos", { versioned: true });
    await createBucket(world, "theirs", { versioned: true, by: world.far });
    const destination = { account: OTHER_ACCOUNT, owner: "destination", replicationTime: true };
    await configure(world, [
      { id: "p", engine: "native", source: "photos", destinations: [{ ...destination, id: "d", bucket: "far:theirs" }] },
    ]);
    assert.deepEqual((await askJson<Told>(world, "apply")).handOvers, []);
    const [rule] = (await replicationOf(world, "photos"))?.Rules ?? [];
    assert.deepEqual(rule?.Destination, {
      Bucket: "arn:aws:s3:::theirs",
      Account: OTHER_ACCOUNT,
      AccessControlTranslation: { Owner: "Destination" },
      ReplicationTime: { Status: "Enabled", Time: { Minutes: 15 } },
      Metrics: { Status: "Enabled", EventThreshold: { Minutes: 15 } },
    });
    const policy = await world.far.send(new s3.GetBucketPolicyCommand({ Bucket: "theirs" }));
    assert.match(policy.Policy ?? "", /s3:ObjectOwnerOverrideToBucketOwner/);
    assert.deepEqual(actions(await askJson<Told>(world, "apply")), []);
    await expectExit(0, world, ["destroy"]);
    await assert.rejects(world.far.send(new s3.GetBucketPolicyCommand({ Bucket: "theirs" })), { name: "NoSuchBucketPolicy" });
    await configure(world, [
      { id: "p", engine: "native", source: "photos", destinations: [{ ...destination, id: "d", bucket: "theirs" }] },
    ]);
    const file = `replicast-${OTHER_ACCOUNT}-theirs-bucket-policy.json`;
    await mkdir(join(world.directory, file));
    const { stderr } = await expectExit(1, world, ["apply"]);
    assert.match(stderr, /^error: a policy for another account's admin cannot be written: .*theirs-bucket-policy/m);
    assert.deepEqual(await roles(world), [], "what cannot be written stops it before the first change");
    await rmdir(join(world.directory, file));
    const { handOvers } = await askJson<Told>(world, "apply");
    assert.deepEqual(
      handOvers.map((handOver) => handOver.file),
      [file],
    );
    const written = join(world.directory, file);
    assert.equal(existsSync(written), true);
    assert.match(readFileSync(written, "utf8"), /s3:ReplicateObject/);
  });

  test("auto is native where both ends are versioned, and what was decided stays; a change needs its switch", async () => {
    await using world = await openAws();
    await buckets(world);
    const auto = { id: "photos", source: "photos", destinations: ["photos-eu@eu-west-1"] };
    await configure(world, [auto]);
    const first = await askJson<Told>(world, "apply");
    assert.deepEqual(
      first.changes.map(({ type, action }) => `${action} ${type}`),
      ["create engine"],
      "copy, as nothing is versioned",
    );
    for (const Bucket of ["photos", "photos-eu"])
      await world.s3.send(new s3.PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: "Enabled" } }));
    assert.deepEqual(actions(await askJson<Told>(world, "apply")), []);
    assert.deepEqual(actions(await askJson<Told>(world, "apply", "--allow-engine-change")).at(-1), "update engine");
    assert.deepEqual(await ruleIds(world, "photos"), ["acme/photos/aws:photos-eu"]);
    assert.deepEqual(actions(await askJson<Told>(world, "apply")), []);
    await configure(world, [{ ...auto, engine: "copy" }]);
    assert.deepEqual(await problems(world, "apply"), ["EngineChange rule photos"]);
    await expectExit(0, world, ["apply", "--allow-engine-change"]);
    assert.equal(await replicationOf(world, "photos"), undefined);
    assert.deepEqual(await roles(world), []);
  });

  test("another machine, without the state, plans nothing and can destroy", async () => {
    await using world = await openAws();
    await createBucket(world, "photos", { versioned: true });
    await createBucket(world, "photos-eu", { region: "eu-west-1", versioned: true });
    const { engine: _, versioning: __, ...auto } = PHOTOS;
    await configure(world, [auto]);
    await expectExit(0, world, ["apply"]);
    await configure(world, [auto], { state: "sqlite:./elsewhere.db" });
    await expectExit(0, world, ["plan", "--exit-code"]);
    await expectExit(0, world, ["destroy"]);
    assert.equal(await replicationOf(world, "photos"), undefined);
    assert.deepEqual(await roles(world), []);
  });

  test("two applies at once come to what one does", async () => {
    await using world = await openAws();
    await buckets(world);
    await configure(world, [PHOTOS]);
    const both = await Promise.all([1, 2].map(() => replicast(world, "apply")));
    assert.deepEqual(
      both.map(({ code }) => code),
      [0, 0],
      both.map(({ stderr }) => stderr).join("\n"),
    );
    assert.deepEqual(await ruleIds(world, "photos"), ["acme/photos/aws:photos-eu"]);
    assert.equal((await roles(world)).length, 1, "no lock stays behind");
  });

  test("Ctrl-C finishes the call under way and gives the lock back", async () => {
    await using world = await openAws();
    await buckets(world);
    await configure(world, [PHOTOS], { iam: { propagation: "10m" } });
    const apply = startCommand(world, "apply");
    await waitFor("the role", async () => (await roles(world)).some((role) => role.startsWith("/replicast/acme/")));
    apply.signal("SIGINT");
    assert.equal((await apply.finished).code, 130, apply.stderr);
    assert.equal(await replicationOf(world, "photos"), undefined);
    assert.equal(
      (await roles(world)).some((role) => role.includes("/lock/")),
      false,
    );
    await configure(world, [PHOTOS]);
    await expectExit(0, world, ["apply"]);
    assert.deepEqual(await ruleIds(world, "photos"), ["acme/photos/aws:photos-eu"]);
  });
});
