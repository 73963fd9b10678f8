import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { GetBucketNotificationConfigurationCommand, PutBucketNotificationConfigurationCommand } from "@aws-sdk/client-s3";
import * as sqs from "@aws-sdk/client-sqs";
import type { StatusDocument } from "../../src/control-plane/contract.ts";
import { aws } from "../support/clients.ts";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { motoAccountId, startMoto } from "../support/moto.ts";
import { openWorld, toWorldStore } from "../support/real-world.ts";
import { askJson, expectExit, startDaemon } from "../support/replicast.ts";
import { ask } from "../support/scenarios/doctor.ts";
import { connect } from "../support/sdk.ts";
import { waitFor } from "../support/wait-for.ts";
import { breakGround, configure, type World } from "../support/world.ts";

interface Plan {
  readonly changes: readonly {
    readonly action: string;
    readonly type: string;
    readonly id: string;
    readonly detail: Readonly<Record<string, unknown>>;
  }[];
  readonly problems: readonly { readonly code: string; readonly subject: string }[];
  readonly notes: readonly string[];
}

const RULES = [
  { id: "photos", source: "a:photos", destinations: ["b:far"] },
  { id: "raw", source: { bucket: "a:photos", prefix: "raw/" }, destinations: ["b:archive"] },
];

/** moto as the one store, whose queues answer where its buckets do. */
function openMotoWorld(): Promise<World & { readonly queues: sqs.SQSClient }> {
  let queues: sqs.SQSClient | undefined;
  const opened = openWorld(async ({ stack }) => {
    const moto = stack.use(await startMoto());
    const { endpoint, region, credentials } = moto;
    const client = new sqs.SQSClient({ endpoint, region, credentials, useQueueUrlAsEndpoint: false });
    stack.defer(() => client.destroy());
    queues = client;
    const store = await toWorldStore(moto, stack);
    return { a: store, b: store, events: { type: "sqs" }, wire: async () => {} };
  });
  return opened.then((world) => {
    assert.ok(queues);
    return { ...world, queues };
  });
}

type QueueWorld = Awaited<ReturnType<typeof openMotoWorld>>;

async function prepare(world: World): Promise<void> {
  await world.a.client.createBucket("photos");
  for (const bucket of ["far", "archive"]) await world.b.client.createBucket(bucket);
  await configure(world, { rules: RULES });
}

async function changes(world: World, command: string): Promise<readonly string[]> {
  const told = await askJson<Plan>(world, command);
  return told.changes.map(({ action, type, id }) => `${action} ${type} ${id}`);
}

async function queueNames({ queues }: QueueWorld): Promise<readonly string[]> {
  const { QueueUrls = [] } = await queues.send(new sqs.ListQueuesCommand({}));
  return QueueUrls.map((url) => url.slice(url.lastIndexOf("/") + 1)).sort();
}

async function attributes({ queues }: QueueWorld, QueueName: string): Promise<Readonly<Record<string, string>>> {
  const { QueueUrl } = await queues.send(new sqs.GetQueueUrlCommand({ QueueName }));
  const { Attributes = {} } = await queues.send(new sqs.GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] }));
  return Attributes;
}

async function setPolicy({ queues }: QueueWorld, QueueName: string, policy: object): Promise<void> {
  const { QueueUrl } = await queues.send(new sqs.GetQueueUrlCommand({ QueueName }));
  await queues.send(new sqs.SetQueueAttributesCommand({ QueueUrl, Attributes: { Policy: JSON.stringify(policy) } }));
}

/** The queues that the bucket's notifications name, by their ids. */
async function told({ a }: World): Promise<Readonly<Record<string, string | undefined>>> {
  using client = connect(a);
  const { QueueConfigurations = [] } = await client.s3.send(new GetBucketNotificationConfigurationCommand({ Bucket: "photos" }));
  return Object.fromEntries(QueueConfigurations.map(({ Id, QueueArn }) => [Id, QueueArn?.split(":").at(-1)]));
}

const FOREIGN_STATEMENT = {
  Sid: "Theirs",
  Effect: "Allow",
  Principal: { AWS: `arn:aws:iam::${motoAccountId}:root` },
  Action: "sqs:ReceiveMessage",
  Resource: `arn:aws:sqs:us-east-1:${motoAccountId}:acme-theirs`,
};

describe("queues", () => {
  guardAgainstLeaks();

  test("one is made for a source that names none, its events are replicated, and it goes again", async () => {
    await using world = await openMotoWorld();
    await prepare(world);
    await world.queues.send(new sqs.CreateQueueCommand({ QueueName: "acme-theirs" }));
    const planned = await changes(world, "plan");
    const queue = planned[0]?.split(" ")[2] ?? "";
    assert.match(queue, /^acme-photos-[0-9a-f]{10}$/);
    assert.deepEqual(planned, [`create queue ${queue}`, `create policy ${queue}`, "create notification a:photos:acme/events"]);
    assert.deepEqual(await queueNames(world), ["acme-theirs"], "a plan changes nothing");
    const { findings } = await ask(world, 1, "--events");
    assert.ok(findings.some(({ bucket, hint }) => bucket === "a:photos" && hint?.startsWith("run replicast apply")));

    assert.deepEqual(await changes(world, "apply"), planned);
    assert.deepEqual(await queueNames(world), [queue, "acme-theirs"].sort());
    assert.deepEqual(await told(world), { "acme/events": queue });
    const { MessageRetentionPeriod, VisibilityTimeout, ReceiveMessageWaitTimeSeconds, RedrivePolicy } = await attributes(world, queue);
    assert.deepEqual(
      [MessageRetentionPeriod, VisibilityTimeout, ReceiveMessageWaitTimeSeconds, RedrivePolicy],
      ["1209600", "60", "20", undefined],
    );
    assert.deepEqual(await changes(world, "apply"), []);
    await expectExit(0, world, ["plan", "--exit-code"]);

    await using daemon = await startDaemon(world, world.port);
    const isCompared = async () => (await askJson<StatusDocument>(world, "status")).rules.every(({ lastSyncAt }) => lastSyncAt !== null);
    await waitFor("both rules' first comparison", isCompared);
    await world.a.client.put("photos", "raw/x", { body: "x" });
    const has = async (bucket: string) => (await world.b.client.list(bucket)).some(({ key }) => key === "raw/x");
    await waitFor("the replicas that the event asks for", async () => (await has("far")) && (await has("archive")));
    await daemon.stop();

    assert.deepEqual(await changes(world, "destroy"), ["delete notification a:photos:acme/events", `delete queue ${queue}`]);
    assert.deepEqual(await queueNames(world), ["acme-theirs"]);
    assert.deepEqual(await told(world), {});
    assert.deepEqual(await changes(world, "destroy"), []);
  });

  test("what others change of it is put right, what others add stays, and queues that no rule needs any more go with their notification", async () => {
    await using world = await openMotoWorld();
    await prepare(world);
    await world.a.client.createBucket("videos");
    const videos = { id: "videos", source: "a:videos", destinations: ["b:videos-copy"] };
    await configure(world, { rules: [...RULES, videos] });
    await changes(world, "apply");
    const [photosQueue = "", videosQueue = ""] = await queueNames(world);
    await setPolicy(world, photosQueue, { Version: "2012-10-17", Statement: [FOREIGN_STATEMENT] });
    assert.deepEqual(await changes(world, "plan"), [`create policy ${photosQueue}`]);
    await changes(world, "apply");
    const policy = JSON.parse((await attributes(world, photosQueue))["Policy"] ?? "") as {
      readonly Statement: readonly { readonly Sid: string }[];
    };
    assert.equal(policy.Statement.length, 2);
    assert.deepEqual(policy.Statement[0], FOREIGN_STATEMENT);
    assert.deepEqual(await changes(world, "apply"), []);

    await configure(world, { rules: [videos] });
    assert.deepEqual(await changes(world, "apply"), ["delete notification a:photos:acme/events", `delete queue ${photosQueue}`]);
    assert.deepEqual(await queueNames(world), [videosQueue]);
    assert.deepEqual(await told(world), {});
  });

  test("invariant 12: the policy of a queue that somebody else made gets one statement and loses it again", async () => {
    await using world = await openMotoWorld();
    await prepare(world);
    const { QueueUrl: queueUrl } = await world.queues.send(new sqs.CreateQueueCommand({ QueueName: "acme-theirs" }));
    const before = { Version: "2012-10-17", Statement: [FOREIGN_STATEMENT] };
    await setPolicy(world, "acme-theirs", before);
    await configure(world, { rules: [{ ...RULES[0], source: { bucket: "a:photos", events: { type: "sqs", queueUrl } } }] });
    assert.deepEqual(await changes(world, "apply"), ["create policy acme-theirs", "create notification a:photos:acme/events"]);
    assert.deepEqual(await changes(world, "apply"), []);
    assert.equal(JSON.parse((await attributes(world, "acme-theirs"))["Policy"] ?? "").Statement.length, 2);
    assert.deepEqual(await changes(world, "destroy"), ["delete notification a:photos:acme/events", "delete policy acme-theirs"]);
    assert.deepEqual(JSON.parse((await attributes(world, "acme-theirs"))["Policy"] ?? ""), before);
    assert.deepEqual(await queueNames(world), ["acme-theirs"]);
  });

  test("a bucket that tells the queue by a topic is left alone", async () => {
    await using world = await openMotoWorld();
    await prepare(world);
    const { QueueUrl: queueUrl } = await world.queues.send(new sqs.CreateQueueCommand({ QueueName: "theirs" }));
    const TopicArn = `arn:aws:sns:us-east-1:${motoAccountId}:photos`;
    await aws(world.a, "sns", "create-topic", "--name", "photos");
    await setPolicy(world, "theirs", {
      Version: "2012-10-17",
      Statement: [
        {
          Effect: "Allow",
          Principal: { Service: "sns.amazonaws.com" },
          Action: "sqs:SendMessage",
          Resource: `arn:aws:sqs:us-east-1:${motoAccountId}:theirs`,
          Condition: { ArnEquals: { "aws:SourceArn": TopicArn } },
        },
      ],
    });
    using client = connect(world.a);
    const TopicConfigurations = [{ TopicArn, Events: ["s3:ObjectCreated:*" as const] }];
    const NotificationConfiguration = { TopicConfigurations };
    await client.s3.send(new PutBucketNotificationConfigurationCommand({ Bucket: "photos", NotificationConfiguration }));
    await configure(world, { rules: [{ ...RULES[0], source: { bucket: "a:photos", events: { type: "sqs", queueUrl } } }] });
    const { changes: planned, notes } = await askJson<Plan>(world, "plan");
    assert.deepEqual(planned, []);
    assert.match(notes.join("\n"), /a:photos tells theirs by the topic arn:aws:sns:/);
  });

  test("a queue that is not there, and a source that is not there, are told by name, and nothing is changed", async () => {
    await using world = await openMotoWorld();
    await prepare(world);
    const queueUrl = `${world.a.endpoint}/${motoAccountId}/gone`;
    const rules = [
      { ...RULES[0], source: { bucket: "a:photos", events: { type: "sqs", queueUrl } } },
      { id: "gone", source: "a:gone", destinations: ["b:gone-copy"] },
    ];
    await configure(world, { rules });
    const { stdout } = await expectExit(1, world, ["apply", "--json"]);
    const problems = (JSON.parse(stdout) as Plan).problems.map(({ code, subject }) => `${code} ${subject}`);
    assert.deepEqual(problems.sort(), ["BucketMissing a:gone", `QueueMissing ${queueUrl}`]);
    assert.deepEqual(await queueNames(world), []);
  });

  test("on AWS a queue is made in its bucket's region, by whoever may do what the documentation says and no more", async () => {
    // Both buckets, and the user with a policy and a key.
    await using stack = new AsyncDisposableStack();
    const ground = stack.use(await breakGround());
    const moto = stack.use(await startMoto({ authAfterCalls: 5 }));
    await aws(moto, "s3api", "create-bucket", "--bucket", "far");
    const place = ["--region", "eu-west-1", "--create-bucket-configuration", "LocationConstraint=eu-west-1"];
    await aws(moto, "s3api", "create-bucket", "--bucket", "photos", ...place);
    const user = ["--user-name", "operator"];
    const PolicyDocument = { Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: operatorRights(), Resource: "*" }] };
    await aws(moto, "iam", "create-user", ...user);
    await aws(moto, "iam", "put-user-policy", ...user, "--policy-name", "p", "--policy-document", JSON.stringify(PolicyDocument));
    const { AccessKey } = JSON.parse(await aws(moto, "iam", "create-access-key", ...user)) as {
      readonly AccessKey: { readonly AccessKeyId: string; readonly SecretAccessKey: string };
    };
    const env = {
      AWS_ENDPOINT_URL: moto.endpoint,
      AWS_REGION: "us-east-1",
      AWS_ACCESS_KEY_ID: AccessKey.AccessKeyId,
      AWS_SECRET_ACCESS_KEY: AccessKey.SecretAccessKey,
    };
    const workplace = { ...ground, env, secrets: [AccessKey.SecretAccessKey] };
    const source = { bucket: "photos@eu-west-1", events: { type: "sqs" } };
    const rules = [{ id: "photos", engine: "copy", source, destinations: ["far"] }];
    await writeFile(join(ground.directory, "replicast.yaml"), JSON.stringify({ version: 1, name: "acme", rules }));
    const { changes: made } = await askJson<Plan>(workplace, "apply");
    assert.deepEqual(
      made.map(({ type, detail }) => [type, detail["region"] ?? null]),
      [
        ["queue", "eu-west-1"],
        ["policy", null],
        ["notification", null],
      ],
    );
    assert.deepEqual((await askJson<Plan>(workplace, "apply")).changes, []);
    const { changes: gone, notes } = await askJson<Plan>(workplace, "destroy");
    assert.deepEqual(
      gone.map(({ action, type }) => `${action} ${type}`),
      ["delete notification", "delete queue"],
    );
    assert.deepEqual(
      notes.filter((note) => note.includes("queue")),
      [],
    );
  });
});

/** What SECURITY.md says that whoever plans, applies and destroys has to be allowed. */
function operatorRights(): readonly string[] {
  const text = readFileSync(new URL("../../SECURITY.md", import.meta.url), "utf8");
  const section = text.split("### Queue")[1]?.split("\n### ")[0]?.split("needs more")[1] ?? "";
  const actions = [...section.matchAll(/`(sqs:\w+)`/g)].map(([, action = ""]) => action);
  assert.ok(actions.length > 6);
  return [...actions, "s3:GetBucketNotification", "s3:PutBucketNotification"];
}
