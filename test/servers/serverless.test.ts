import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import * as iam from "@aws-sdk/client-iam";
import * as s3 from "@aws-sdk/client-s3";
import type { AwsProvider, Framework, FrameworkUtils } from "../../src/serverless/framework.ts";
import { ReplicastPlugin } from "../../src/serverless/plugin.ts";
import { type MotoServer, motoAccountId, startMoto } from "../support/moto.ts";
import {
  type BuiltPackage,
  buildPackage,
  olderNode,
  openFront,
  openService,
  type Service,
  type ServiceOptions,
} from "../support/serverless.ts";

const LEFTOVER_TAG = "SLS-S3-REPLICATION-PLUGIN";
/** Emulators do not spread what they were told. */
const AT_ONCE = { propagation: "10ms" };

let moto: MotoServer;
let replicast: BuiltPackage;
let node: string;
let buckets: s3.S3Client;
let roles: iam.IAMClient;

before(async () => {
  [moto, replicast, node] = await Promise.all([startMoto(), buildPackage(), olderNode()]);
  const settings = { endpoint: moto.endpoint, region: "us-east-1", credentials: moto.credentials };
  buckets = new s3.S3Client({ ...settings, forcePathStyle: true });
  roles = new iam.IAMClient(settings);
});
after(async () => {
  buckets.destroy();
  roles.destroy();
  await Promise.all([moto[Symbol.asyncDispose](), replicast[Symbol.asyncDispose]()]);
});

function open(options: Omit<ServiceOptions, "replicast" | "node"> & { readonly node?: string }): Promise<Service> {
  return openService({ replicast, node, ...options });
}

async function make(region: string, ...names: readonly string[]): Promise<void> {
  for (const Bucket of names) {
    const place = { LocationConstraint: region as s3.BucketLocationConstraint };
    await buckets.send(new s3.CreateBucketCommand({ Bucket, ...(region === "us-east-1" ? {} : { CreateBucketConfiguration: place }) }));
    await buckets.send(new s3.PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: "Enabled" } }));
  }
}

async function rulesOf(Bucket: string): Promise<readonly s3.ReplicationRule[]> {
  try {
    return (await buckets.send(new s3.GetBucketReplicationCommand({ Bucket }))).ReplicationConfiguration?.Rules ?? [];
  } catch (error) {
    if (error instanceof s3.S3ServiceException && /ReplicationConfigurationNotFound|NoSuchBucket/.test(error.name)) return [];
    throw error;
  }
}

/** Every source → destination pair that stands, each as often as it stands. */
async function pairsOf(...sources: readonly string[]): Promise<readonly string[]> {
  const found = await Promise.all(
    sources.map(async (source) =>
      (await rulesOf(source)).map(({ Destination }) => `${source} → ${Destination?.Bucket?.split(":").at(-1)}`),
    ),
  );
  return found.flat().sort();
}

/** Names of the roles whose name begins so. */
async function rolesOf(start: string): Promise<readonly string[]> {
  const { Roles = [] } = await roles.send(new iam.ListRolesCommand({ MaxItems: 1000 }));
  return Roles.map(({ RoleName = "" }) => RoleName).filter((name) => name.startsWith(start));
}

async function expectRun(service: Service, code: number, ...args: readonly string[]): Promise<string> {
  const run = await service.run(...args);
  assert.equal(run.code, code, `serverless ${args.join(" ")}\n${run.output}`);
  return run.output;
}

/** The other plugin's configuration of one source, with its role, as it leaves them. */
async function leaveBehind(role: string, source: string, targets: readonly string[]): Promise<void> {
  const Trust = {
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal: { Service: "s3.amazonaws.com" }, Action: "sts:AssumeRole" }],
  };
  const Tags = [{ Key: LEFTOVER_TAG, Value: role }];
  await roles.send(new iam.CreateRoleCommand({ RoleName: role, AssumeRolePolicyDocument: JSON.stringify(Trust), Tags }));
  const allow = (Action: readonly string[], Resource: readonly string[]) => ({ Effect: "Allow", Action, Resource });
  const Statement = [
    allow(["s3:GetReplicationConfiguration", "s3:ListBucket"], [`arn:aws:s3:::${source}`]),
    allow(["s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"], [`arn:aws:s3:::${source}/*`]),
    allow(
      ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"],
      targets.map((target) => `arn:aws:s3:::${target}/*`),
    ),
  ];
  const PolicyDocument = JSON.stringify({ Version: "2012-10-17", Statement });
  await roles.send(new iam.PutRolePolicyCommand({ RoleName: role, PolicyName: "s3-replication-policy", PolicyDocument }));
  const Rules = targets.map((target, Priority) => ({
    // The plugin gives none; S3 makes them up.
    ID: Buffer.from(`${source} ${target} ${Priority}`).toString("base64"),
    Destination: { Bucket: `arn:aws:s3:::${target}` },
    Status: "Enabled" as const,
    Priority,
    Filter: { Prefix: "" },
    DeleteMarkerReplication: { Status: "Enabled" as const },
  }));
  const ReplicationConfiguration = { Role: `arn:aws:iam::${motoAccountId}:role/${role}`, Rules };
  await buckets.send(new s3.PutBucketReplicationCommand({ Bucket: source, ReplicationConfiguration }));
}

describe("the Serverless plugin", { concurrency: true }, () => {
  test("in osls 4: a deploy sets up, a second one changes nothing, remove leaves nothing", async () => {
    const rules = [{ id: "photos", source: "one-src", destinations: ["one-dst"], engine: "native" }];
    const custom = { replicast: { rules, iam: AT_ONCE } };
    await using front = await openFront(moto.endpoint);
    await using service = await open({
      front,
      framework: "osls",
      service: "one",
      region: "us-east-1",
      buckets: ["one-src", "one-dst"],
      custom,
    });
    assert.match(await expectRun(service, 0, "deploy"), /\+ replication-rule .*one-test\/photos\/.* → one-dst/);
    assert.deepEqual(await pairsOf("one-src"), ["one-src → one-dst"]);
    assert.notDeepEqual(front.takeChanges(), []);
    assert.match(await expectRun(service, 0, "deploy"), /nothing had to change/);
    assert.deepEqual(front.takeChanges(), [], "a second deploy makes no call that changes anything");

    assert.match(await expectRun(service, 0, "replicast", "status"), /one-test\/photos\/\S+ {2}\S*one-src → one-dst {2}applied\n/);
    await buckets.send(new s3.DeleteBucketReplicationCommand({ Bucket: "one-src" }));
    assert.match(await expectRun(service, 0, "replicast", "plan"), /^\+ replication-rule /m);
    assert.match(await expectRun(service, 0, "replicast", "status"), /one-src → one-dst {2}not applied\n/);
    assert.deepEqual(front.takeChanges(), [], "to look changes nothing");
    await expectRun(service, 0, "replicast", "apply");
    assert.deepEqual(await pairsOf("one-src"), ["one-src → one-dst"], "what was taken away is put back");

    await expectRun(service, 0, "remove");
    assert.deepEqual(await rolesOf("one-test"), []);
    await assert.rejects(buckets.send(new s3.HeadBucketCommand({ Bucket: "one-src" })), { name: "NotFound" });
  });

  test("in osls 3: settings of serverless-s3-replication-plugin as they were, with what it left behind adopted", async () => {
    await make("eu-west-1", "two-ireland");
    await make("us-east-1", "two-virginia");
    await make("eu-west-2", "two-london");
    await make("eu-central-1", "two-frankfurt", "two-sec");
    const targets = ["two-ireland", "two-virginia", "two-ireland", "two-london", "two-sec"];
    await leaveBehind("two-eu-central-1-two-frankfurt-s3-rep-role", "two-frankfurt", targets);
    const s3ReplicationPlugin = {
      singleDirectionReplication: [
        {
          sourceBucket: { "eu-central-1": "two-frankfurt" },
          targetBuckets: [{ "eu-west-1": "two-ireland" }, { "eu-west-2": "two-london" }, { "eu-central-1": "two-sec" }],
        },
      ],
      bidirectionalReplicationBuckets: [
        { "eu-west-1": "two-ireland" },
        { "eu-central-1": "two-frankfurt" },
        { "us-east-1": "two-virginia" },
      ],
    };
    const custom = { s3ReplicationPlugin, replicast: { iam: AT_ONCE } };
    await using front = await openFront(moto.endpoint);
    await using service = await open({
      front,
      framework: "osls-3",
      node: process.execPath,
      service: "two",
      region: "eu-central-1",
      buckets: ["two-other"],
      custom,
    });
    await expectRun(service, 0, "deploy");
    const mesh = ["two-frankfurt", "two-ireland", "two-virginia"];
    const expected = mesh.flatMap((source) => mesh.filter((other) => other !== source).map((other) => `${source} → ${other}`));
    const all = [...expected, "two-frankfurt → two-london", "two-frankfurt → two-sec"].sort();
    assert.deepEqual(await pairsOf(...mesh), all, "8 rules: each pair once");
    assert.deepEqual(await rolesOf("two-eu-central-1"), [], "the role that was left behind is gone");
    assert.equal((await rolesOf("two-test")).length, 3, "one role for each source");
    for (const rule of await rulesOf("two-frankfurt")) {
      assert.match(rule.ID ?? "", /^two-test\//);
      assert.equal(rule.DeleteMarkerReplication?.Status, "Enabled");
    }

    await expectRun(service, 0, "remove");
    assert.deepEqual(
      await pairsOf(...mesh),
      all.filter((pair) => !pair.startsWith("two-frankfurt")),
      "rules that begin in other regions stay",
    );
    assert.equal((await rolesOf("two-test")).length, 2);
  });

  test("region by region: the first deploy waits for the second, which sets both up; each takes its own away", async () => {
    const s3ReplicationPlugin = { bidirectionalReplicationBuckets: [{ "us-east-1": "three-a" }, { "eu-west-1": "three-b" }] };
    const custom = { s3ReplicationPlugin, replicast: { iam: AT_ONCE } };
    await using front = await openFront(moto.endpoint);
    const common = { front, framework: "osls", service: "three", custom } as const;
    await using first = await open({ ...common, region: "us-east-1", buckets: ["three-a"] });
    await using second = await open({ ...common, region: "eu-west-1", buckets: ["three-b"] });
    assert.match(await expectRun(first, 0, "deploy"), /replicast changed nothing: \S*three-b does not exist yet/);
    assert.deepEqual(front.takeChanges(), [], "nothing is changed as long as a bucket is missing");
    await expectRun(second, 0, "deploy");
    assert.deepEqual(await pairsOf("three-a", "three-b"), ["three-a → three-b", "three-b → three-a"]);
    front.takeChanges();
    assert.match(await expectRun(first, 0, "replicast", "apply"), /nothing had to change/);
    assert.deepEqual(front.takeChanges(), []);
    await expectRun(second, 0, "remove");
    assert.deepEqual(await pairsOf("three-a"), ["three-a → three-b"], "the first region's rule is not the second's to take");
    await expectRun(first, 0, "replicast", "destroy");
    assert.deepEqual(await pairsOf("three-a"), []);
    assert.deepEqual(await rolesOf("three-test"), []);
  });

  test("a missing bucket of rules of one's own fails the command, by its name, and nothing is changed", async () => {
    await make("us-east-1", "four-src");
    const rules = [{ id: "photos", source: "four-src", destinations: ["four-dst"], engine: "native" }];
    const custom = { replicast: { rules, iam: AT_ONCE } };
    await using front = await openFront(moto.endpoint);
    await using service = await open({ front, framework: "osls", service: "four", region: "us-east-1", buckets: ["four-other"], custom });
    const output = await expectRun(service, 1, "replicast", "apply");
    assert.match(output, /replicast changed nothing:\n\s+\S*four-dst: does not exist\n\s+try: /);
    assert.doesNotMatch(output, /at .*\.js:\d+/, "an error of the service is printed without a stack");
    assert.match(await expectRun(service, 0, "replicast", "apply", "--allow-missing"), /four-dst does not exist yet/);
    assert.deepEqual(front.takeChanges(), []);
    assert.deepEqual(await rolesOf("four-test"), []);
  });
});

/** Serverless 4 cannot run here: it wants a login. This is the part of it that a plugin sees. */
class Serverless4 implements Framework {
  readonly service: Framework["service"];
  readonly #printed: string[] = [];

  constructor(service: string, custom: object) {
    this.service = { service, custom };
  }

  getProvider(): AwsProvider {
    const pair = { accessKeyId: "testing", secretAccessKey: "testing", sessionToken: undefined };
    const resolveCredentials = async () => pair;
    return {
      getRegion: () => "us-east-1",
      getStage: () => "test",
      async getCredentials() {
        return { ...(await resolveCredentials()), accountId: motoAccountId, callerUserId: "AIDA", callerArn: "arn" };
      },
    };
  }

  /** Runs one hook, and returns what was printed. */
  async run(hook: string): Promise<string> {
    const plugin = new ReplicastPlugin(this, {}, this.#utils());
    await plugin.hooks[hook]?.();
    return this.#printed.splice(0).join("\n");
  }

  #utils(): FrameworkUtils {
    const print = (text: string) => void this.#printed.push(text);
    /** There is one for all plugins, which makes no others. */
    const progress = {
      message: "",
      create({ message }: { readonly message: string }) {
        this.update(message);
        return this;
      },
      update(message: string) {
        this.message = message;
      },
      remove() {
        this.message = "";
      },
    };
    return { log: { notice: print, warning: print }, progress, writeText: print };
  }
}

describe("the Serverless plugin with Serverless 4's provider", () => {
  before(() => {
    process.env.AWS_ENDPOINT_URL = moto.endpoint;
  });
  after(() => {
    delete process.env.AWS_ENDPOINT_URL;
  });

  test("two sources of one region keep their permissions under one prefix of roles, and a pair in both settings is one rule", async () => {
    await make("us-east-1", "five-a", "five-b", "five-c");
    const single = (source: string, target: string) => ({
      sourceBucket: { "us-east-1": source },
      targetBuckets: [{ "us-east-1": target }],
    });
    const framework = new Serverless4("five", {
      s3ReplicationPlugin: {
        singleDirectionReplication: [single("five-a", "five-c"), single("five-b", "five-c")],
        replicationRolePrefixOverride: "five-team",
      },
      replicast: {
        rules: [{ id: "mine", source: "five-a", destinations: ["five-c"], engine: "native", deletes: "markers" }],
        iam: AT_ONCE,
      },
    });
    await framework.run("after:deploy:deploy");
    assert.deepEqual(await pairsOf("five-a", "five-b"), ["five-a → five-c", "five-b → five-c"]);
    const names = await rolesOf("five-team");
    assert.equal(names.length, 2);
    for (const name of names) {
      const { PolicyDocument = "" } = await roles.send(
        new iam.GetRolePolicyCommand({ RoleName: name, PolicyName: "replicast-replication" }),
      );
      const source = name.includes("five-a") ? "five-a" : "five-b";
      assert.match(decodeURIComponent(PolicyDocument), new RegExp(`arn:aws:s3:::${source}/\\*`));
    }
    await framework.run("before:remove:remove");
    assert.deepEqual(await pairsOf("five-a", "five-b"), []);
    assert.deepEqual(await rolesOf("five-team"), []);
  });

  test("a source that the rules name no more is cleaned up by a deploy to its region", async () => {
    await make("us-east-1", "six-a", "six-b", "six-c");
    const rule = (source: string) => ({ id: source, source, destinations: ["six-c"], engine: "native" });
    const deploy = (...sources: readonly string[]) =>
      new Serverless4("six", { replicast: { rules: sources.map(rule), iam: AT_ONCE } }).run("after:deploy:deploy");
    await deploy("six-a", "six-b");
    assert.deepEqual(await pairsOf("six-a", "six-b"), ["six-a → six-c", "six-b → six-c"]);
    await deploy("six-b");
    assert.deepEqual(await pairsOf("six-a", "six-b"), ["six-b → six-c"]);
    assert.equal((await rolesOf("six-test")).length, 1);
  });

  test("a rule that S3 cannot serve is told of and left", async () => {
    await make("us-east-1", "seven-a", "seven-b");
    const rules = [{ id: "jpegs", source: "seven-a", destinations: ["seven-b"], filter: { suffix: ".jpg" } }];
    const framework = new Serverless4("seven", { replicast: { rules, iam: AT_ONCE } });
    assert.match(await framework.run("after:deploy:deploy"), /rule jpegs is left to replicast run/);
    assert.deepEqual(await pairsOf("seven-a"), []);
  });

  test("rules that cannot be read do not keep a service from being removed", async () => {
    const framework = new Serverless4("eight", { replicast: { rulez: [] } });
    await assert.rejects(framework.run("after:deploy:deploy"), /custom\.replicast\.rulez/);
    assert.match(await framework.run("before:remove:remove"), /custom\.replicast\.rulez[\s\S]*serverless replicast destroy/);
  });

  test("a service without rules is deployed as ever", async () => {
    assert.equal(await new Serverless4("nine", {}).run("after:deploy:deploy"), "");
  });
});
