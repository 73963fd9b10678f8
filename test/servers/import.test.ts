import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import * as iam from "@aws-sdk/client-iam";
import * as s3 from "@aws-sdk/client-s3";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { startMoto } from "../support/moto.ts";
import { askJson, expectExit, type Workplace } from "../support/replicast.ts";
import { breakGround } from "../support/world.ts";

interface Imported {
  readonly file: string | null;
  readonly rules: readonly { readonly id: string; readonly mesh?: readonly string[] }[];
  readonly notes: readonly string[];
}

interface Planned {
  readonly changes: readonly { readonly action: string; readonly type: string }[];
  readonly problems: readonly unknown[];
}

interface ImportWorld extends Workplace, AsyncDisposable {
  readonly s3: s3.S3Client;
  bucket(name: string, region: string): Promise<void>;
  replicate(bucket: string, rules: readonly s3.ReplicationRule[]): Promise<void>;
}

async function openWorld(): Promise<ImportWorld> {
  await using stack = new AsyncDisposableStack();
  const ground = stack.use(await breakGround());
  const moto = stack.use(await startMoto());
  const common = { endpoint: moto.endpoint, region: "us-east-1", credentials: moto.credentials };
  const client = new s3.S3Client({ ...common, forcePathStyle: true });
  stack.defer(() => client.destroy());
  const roles = new iam.IAMClient(common);
  stack.defer(() => roles.destroy());
  const trust = {
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal: { Service: "s3.amazonaws.com" }, Action: "sts:AssumeRole" }],
  };
  const made = await roles.send(new iam.CreateRoleCommand({ RoleName: "theirs", AssumeRolePolicyDocument: JSON.stringify(trust) }));
  const env = {
    AWS_ENDPOINT_URL: moto.endpoint,
    AWS_ACCESS_KEY_ID: moto.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: moto.credentials.secretAccessKey,
    AWS_REGION: "us-east-1",
    REPLICAST_CONFIG: "imported.yaml",
  };
  const kept = stack.move();
  return {
    ...ground,
    env,
    s3: client,
    bucket: async (Bucket, region) => {
      const place =
        region === "us-east-1" ? {} : { CreateBucketConfiguration: { LocationConstraint: region as s3.BucketLocationConstraint } };
      await client.send(new s3.CreateBucketCommand({ Bucket, ...place }));
      await client.send(new s3.PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: "Enabled" } }));
    },
    replicate: async (Bucket, Rules) => {
      const ReplicationConfiguration = { Role: made.Role?.Arn ?? "", Rules: [...Rules] };
      await client.send(new s3.PutBucketReplicationCommand({ Bucket, ReplicationConfiguration }));
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

function rule(ID: string, destination: string, more: Partial<s3.ReplicationRule> = {}): s3.ReplicationRule {
  return {
    ID,
    Status: "Enabled",
    Priority: 1,
    Filter: { Prefix: "" },
    DeleteMarkerReplication: { Status: "Enabled" },
    Destination: { Bucket: `arn:aws:s3:::${destination}` },
    ...more,
  };
}

describe("import aws", () => {
  guardAgainstLeaks();

  test("what buckets replicate becomes a config that validates, whose rules take the place of theirs with --replace", async () => {
    await using world = await openWorld();
    for (const [name, region] of [
      ["team", "us-east-1"],
      ["team-eu", "eu-west-1"],
      ["archive", "us-west-2"],
    ] as const)
      await world.bucket(name, region);
    const cold = { Destination: { Bucket: "arn:aws:s3:::archive", StorageClass: "GLACIER" as const }, Priority: 2 };
    const filter = { Filter: { Prefix: "old/" }, DeleteMarkerReplication: { Status: "Disabled" as const } };
    await world.replicate("team", [rule("there", "team-eu"), rule("cold", "archive", { ...cold, ...filter })]);
    await world.replicate("team-eu", [rule("back", "team")]);

    const told = await askJson<Imported>(world, "import", "aws", "team", "--follow");
    assert.equal(told.file, "imported.yaml");
    assert.deepEqual(told.rules, [
      {
        id: "there",
        engine: "native",
        mesh: ["team@us-east-1", "team-eu@eu-west-1"],
        deletes: "markers",
        existingObjects: false,
      },
      {
        id: "cold",
        engine: "native",
        source: "team@us-east-1",
        destinations: [{ bucket: "archive@us-west-2", storageClass: "GLACIER" }],
        filter: { prefix: "old/" },
        existingObjects: false,
      },
    ]);
    assert.match(
      await readFile(join(world.directory, "imported.yaml"), "utf8"),
      /^# Made by replicast import aws of team@us-east-1, team-eu@eu-west-1\./,
    );
    await expectExit(0, world, ["validate"]);

    const config = JSON.stringify({ name: "team", iam: { propagation: "10ms" }, rules: told.rules });
    await writeFile(join(world.directory, "imported.yaml"), config);
    const taken = await askJson<Planned>(world, "apply", "--replace");
    assert.deepEqual(taken.problems, []);
    const { ReplicationConfiguration } = await world.s3.send(new s3.GetBucketReplicationCommand({ Bucket: "team" }));
    assert.deepEqual(
      ReplicationConfiguration?.Rules?.map(({ ID }) => ID),
      ["team/there/aws:team-eu", "team/cold/aws:archive"],
    );

    const again = await askJson<Imported>(world, "import", "aws", "team", "team-eu", "--force");
    assert.deepEqual(again.rules, told.rules, "the rules that were made of them say the same");
    assert.deepEqual((await askJson<Planned>(world, "plan")).changes, []);
  });

  test("it writes over nothing, changes nothing, and says where there is nothing to import", async () => {
    await using world = await openWorld();
    await world.bucket("alone", "us-east-1");
    await writeFile(join(world.directory, "imported.yaml"), "mine");
    const none = await expectExit(2, world, ["import", "aws", "alone"]);
    assert.match(none.stderr, /nothing is replicated from alone/);
    await expectExit(1, world, ["import", "aws", "nowhere"]);
    assert.match((await expectExit(2, world, ["import", "aws", "http://127.0.0.1:1/x"])).stderr, /is not on AWS/);
    assert.match((await expectExit(2, world, ["import", "aws", "alone/key"])).stderr, /names a key/);
    await world.bucket("somewhere-else", "us-west-1");
    await world.replicate("alone", [rule("out", "somewhere-else")]);
    await world.s3.send(new s3.DeleteBucketCommand({ Bucket: "somewhere-else" }));
    assert.match((await expectExit(2, world, ["import", "aws", "alone"])).stderr, /is there already\ntry: replicast import --force/);
    const { stdout } = await expectExit(0, world, ["import", "aws", "alone", "--stdout"]);
    assert.match(stdout, /- id: out\n/);
    assert.match(stdout, /# Where somewhere-else is may not be known/);
    assert.equal(await readFile(join(world.directory, "imported.yaml"), "utf8"), "mine");
  });
});

describe("import serverless", () => {
  guardAgainstLeaks();

  test("a serverless.yml becomes a config that validates", async () => {
    await using ground = await breakGround();
    const text = `service: shop
provider: { name: aws, region: "\${opt:region, 'eu-west-1'}" }
custom:
  s3ReplicationPlugin:
    singleDirectionReplication: [ { sourceBucket: photos, targetBuckets: [ { us-east-1: photos-copy } ] } ]
`;
    await writeFile(join(ground.directory, "serverless.yml"), text);
    const told = await askJson<Imported>(ground, "import", "serverless", "serverless.yml", "--stage", "prod");
    assert.equal(told.file, "replicast.yaml");
    assert.deepEqual(
      told.rules.map(({ id }) => id),
      ["from-photos"],
    );
    const { stdout } = await expectExit(0, ground, ["validate"]);
    assert.match(stdout, /^from-photos: aws:photos.* → aws:photos-copy.* engine native/);
    assert.match((await expectExit(2, ground, ["import", "serverless", "nowhere.yml"])).stderr, /nowhere\.yml cannot be read \(ENOENT\)/);
    assert.match((await expectExit(2, ground, ["import", "terraform", "main.tf"])).stderr, /"terraform" cannot be imported/);
  });
});
