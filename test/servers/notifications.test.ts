import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { describe, test } from "node:test";
import {
  type Event,
  GetBucketNotificationConfigurationCommand,
  type NotificationConfiguration,
  PutBucketNotificationConfigurationCommand,
} from "@aws-sdk/client-s3";
import { main } from "../../src/cli/main.ts";
import { aws } from "../support/clients.ts";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { startMinio } from "../support/minio.ts";
import { motoAccountId, startMoto } from "../support/moto.ts";
import { openWorld, toWorldStore } from "../support/real-world.ts";
import { askJson, assertRefused, expectExit, replicast } from "../support/replicast.ts";
import { ask } from "../support/scenarios/doctor.ts";
import { connect } from "../support/sdk.ts";
import { waitFor } from "../support/wait-for.ts";
import { configure, type World } from "../support/world.ts";

interface Plan {
  readonly changes: readonly { readonly action: string; readonly type: string; readonly id: string; readonly detail: object }[];
}

const OURS = "acme/events";
const RULES = [{ id: "photos", source: "a:photos", destinations: ["b:far"] }];
const WEBHOOK_ARN = "arn:minio:sqs::REPLICAST:webhook";

async function notificationsOf({ a }: World): Promise<NotificationConfiguration> {
  using client = connect(a);
  const { $metadata: _, ...found } = await client.s3.send(new GetBucketNotificationConfigurationCommand({ Bucket: "photos" }));
  return found;
}

async function setNotifications({ a }: World, configuration: NotificationConfiguration): Promise<void> {
  using client = connect(a);
  const ask = new PutBucketNotificationConfigurationCommand({ Bucket: "photos", NotificationConfiguration: configuration });
  // MinIO says that it is ready a moment before it knows its targets.
  await waitFor("the targets to be known", async () => (await client.s3.send(ask)) !== undefined);
}

async function prepare(world: World): Promise<void> {
  await world.a.client.createBucket("photos");
  await world.b.client.createBucket("far");
  await configure(world, { rules: RULES });
}

async function actions(world: World, command: string): Promise<readonly (readonly [string, string, string])[]> {
  const { changes } = await askJson<Plan>(world, command);
  return changes.map(({ action, type, id }) => [action, type, id] as const);
}

/**
 * Applies, applies again, and destroys: ours comes and goes, and what was there before stays as it was. `queue`: the name of a queue whose policy
 * has to let S3 send.
 */
async function comeAndGo(world: World, queue?: string): Promise<void> {
  const policy = (action: string) => (queue === undefined ? [] : [[action, "policy", queue]]);
  const before = await notificationsOf(world);
  await expectExit(3, world, ["plan", "--exit-code"]);
  const created = [...policy("create"), ["create", "notification", `a:photos:${OURS}`]];
  assert.deepEqual(await actions(world, "plan"), created);
  assert.deepEqual(await notificationsOf(world), before, "a plan changes nothing");
  assert.deepEqual(await actions(world, "apply"), created);
  const applied = await notificationsOf(world);
  const [others, ours] = [false, true].map((own) => applied.QueueConfigurations?.filter(({ Id }) => (Id === OURS) === own));
  assert.equal(ours?.length, 1);
  assert.deepEqual({ ...applied, QueueConfigurations: others }, { QueueConfigurations: [], ...before }, "what was there stays");
  assert.deepEqual(await actions(world, "apply"), []);
  assert.deepEqual(await notificationsOf(world), applied);
  await expectExit(0, world, ["plan", "--exit-code"]);
  const { findings } = await ask(world, 0, "--events");
  assert.ok(findings.some(({ code, bucket }) => code === "EventArrived" && bucket === "a:photos"));
  assert.deepEqual(await actions(world, "destroy"), [["delete", "notification", `a:photos:${OURS}`], ...policy("delete")]);
  assert.deepEqual({ QueueConfigurations: [], ...(await notificationsOf(world)) }, { QueueConfigurations: [], ...before });
  assert.deepEqual(await actions(world, "destroy"), []);
}

/** Runs `destroy` as at a terminal where this is typed. */
async function typed({ directory, env }: World, answer: string) {
  const [stdout, stdin] = [new PassThrough(), Object.assign(new PassThrough(), { isTTY: true })];
  const stderr = Object.assign(new PassThrough(), { isTTY: true });
  stdin.end(answer);
  const code = await main(["destroy", "--no-color"], env, { stdout, stderr, stdin, cwd: directory });
  return { code, stdout: String(stdout.read()), stderr: String(stderr.read()) };
}

function openMotoSource(): Promise<World> {
  return openWorld(async ({ stack }) => {
    const moto = stack.use(await startMoto());
    for (const name of ["events", "foreign"]) await aws(moto, "sqs", "create-queue", "--queue-name", name);
    await aws(moto, "sns", "create-topic", "--name", "foreign");
    const queueUrl = `${moto.endpoint}/${motoAccountId}/events`;
    const store = await toWorldStore(moto, stack);
    return { a: store, b: store, events: { type: "sqs", queueUrl }, wire: async () => {} };
  });
}

function openMinioSource(arn: string): Promise<World> {
  return openWorld(async ({ ground, stack }) => {
    const webhook = { id: "REPLICAST", endpoint: `http://127.0.0.1:${ground.port}/events/a`, queue: false };
    const minio = stack.use(await startMinio({ webhook }));
    const store = await toWorldStore(minio, stack);
    return { a: store, b: store, events: { type: "webhook", arn }, wire: async () => {} };
  });
}

describe("bucket notifications", () => {
  guardAgainstLeaks();

  test("invariant 12: those of a bucket that tells a queue come and go, and foreign ones stay", async () => {
    await using world = await openMotoSource();
    await prepare(world);
    await setNotifications(world, {
      TopicConfigurations: [
        { Id: "topic", TopicArn: `arn:aws:sns:us-east-1:${motoAccountId}:foreign`, Events: ["s3:ObjectRestore:Completed"] },
      ],
      QueueConfigurations: [
        {
          Id: "queue",
          QueueArn: `arn:aws:sqs:us-east-1:${motoAccountId}:foreign`,
          Events: ["s3:ObjectCreated:Put"],
          Filter: { Key: { FilterRules: [{ Name: "prefix", Value: "theirs/" }] } },
        },
      ],
    });
    await comeAndGo(world, "events");
  });

  test("invariant 12: those of a bucket with a webhook come and go, and foreign ones stay", async () => {
    await using world = await openMinioSource(WEBHOOK_ARN);
    await prepare(world);
    await setNotifications(world, {
      QueueConfigurations: [{ Id: "theirs", QueueArn: WEBHOOK_ARN, Events: ["s3:ObjectAccessed:*" as Event] }],
    });
    await comeAndGo(world);
  });

  test("a notification that somebody set up by hand is as good as ours", async () => {
    await using world = await openMinioSource(WEBHOOK_ARN);
    await prepare(world);
    await setNotifications(world, {
      QueueConfigurations: [{ Id: "by hand", QueueArn: WEBHOOK_ARN, Events: ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"] }],
    });
    assert.deepEqual(await actions(world, "apply"), []);
    assert.deepEqual(await actions(world, "destroy"), []);
  });

  test("destroy on a terminal shows what it would remove, and asks", async () => {
    await using world = await openMinioSource(WEBHOOK_ARN);
    await prepare(world);
    await setNotifications(world, { QueueConfigurations: [{ QueueArn: WEBHOOK_ARN, Events: ["s3:ObjectAccessed:*" as Event] }] });
    await setNotifications(world, {});
    assert.equal((await actions(world, "apply")).length, 1);
    const refused = await typed(world, "n\n");
    assert.equal(refused.code, 1);
    assert.match(refused.stdout, /a:photos:acme\/events/);
    assert.match(refused.stderr, /Remove all of this\? \[y\/N\]\nnothing was removed/);
    assert.equal((await notificationsOf(world)).QueueConfigurations?.length, 1);
    assert.equal((await typed(world, "y\n")).code, 0);
    assert.deepEqual((await notificationsOf(world)).QueueConfigurations ?? [], []);
  });

  test("a target that the store does not know is refused, and nothing is changed", async () => {
    await using world = await openMinioSource("arn:minio:sqs::NOBODY:webhook");
    await prepare(world);
    assertRefused(await replicast(world, "apply"), 1, /PutBucketNotificationConfiguration on photos/);
    assert.deepEqual((await notificationsOf(world)).QueueConfigurations ?? [], []);
  });
});
