import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ReplicationError } from "../../domain/error.ts";
import type { PolicyStatement } from "../../domain/policy-document.ts";
import type { Notifications } from "../../ports/bucket-configuration.ts";
import { LeapingClock } from "../../testing/leaping-clock.ts";
import { MemoryQueues } from "../../testing/memory-queues.ts";
import { planNamedQueue, planReleasedQueue } from "./plan-named-queues.ts";
import type { QueuePlan } from "./plan-queues.ts";

const bucketOf = (bucket: string) => ({ id: `s3://aws/us-east-1/${bucket}`, name: `aws:${bucket}`, store: "aws", bucket });
const SOURCES = ["photos", "videos"].map((bucket) => ({ bucket: bucketOf(bucket), account: undefined }));
const FOREIGN: PolicyStatement = {
  Sid: "Theirs",
  Effect: "Deny",
  Principal: "*",
  Action: "sqs:*",
  Resource: "*",
  Condition: { Bool: { "aws:SecureTransport": "false" } },
};
const NONE: Notifications = { queues: [], others: {} };

function placeOf(queues: MemoryQueues) {
  return { name: "acme", queues, region: "us-east-1", clock: new LeapingClock() };
}

function plan(queues: MemoryQueues, url: string, { notifications = NONE, sources = SOURCES } = {}): Promise<QueuePlan> {
  return planNamedQueue({ place: placeOf(queues), url, sources, notificationsOf: async () => notifications });
}

async function makeAll({ steps }: Pick<QueuePlan, "steps">): Promise<void> {
  for (const step of steps) await step.make();
}

describe("a queue that somebody else made", () => {
  it("invariant 12: gets one statement for all its buckets beside others', and loses it again", async () => {
    const queues = new MemoryQueues();
    const policy = { Version: "2008-10-17", Id: "theirs", Statement: [FOREIGN] };
    const url = queues.addQueue("theirs", { policy });
    const first = await plan(queues, url);
    assert.deepEqual(
      first.steps.flatMap(({ changes }) => changes),
      [
        {
          action: "create",
          type: "policy",
          id: "theirs",
          detail: { queue: "theirs", allows: "s3.amazonaws.com", sources: ["aws:photos", "aws:videos"] },
        },
      ],
    );
    await makeAll(first);
    const stored = queues.queues.get("theirs")?.policy;
    assert.deepEqual({ ...stored, Statement: stored?.Statement.slice(0, 1) }, policy);
    assert.deepEqual(stored?.Statement[1]?.Condition?.["ArnEquals"], { "aws:SourceArn": ["arn:aws:s3:::photos", "arn:aws:s3:::videos"] });
    assert.deepEqual((await plan(queues, url)).steps, []);
    await makeAll(await planReleasedQueue(placeOf(queues), url));
    assert.deepEqual(queues.queues.get("theirs")?.policy, policy);
    assert.deepEqual((await planReleasedQueue(placeOf(queues), url)).steps, []);
  });

  it("has its statement follow the buckets that name it", async () => {
    const queues = new MemoryQueues();
    const url = queues.addQueue("theirs");
    await makeAll(await plan(queues, url, { sources: SOURCES.slice(0, 1) }));
    const more = await plan(queues, url);
    assert.deepEqual(
      more.steps.flatMap(({ changes }) => changes.map(({ action }) => action)),
      ["update"],
    );
    await makeAll(more);
    assert.equal(queues.queues.get("theirs")?.policy?.Statement.length, 1);
    await makeAll(await planReleasedQueue(placeOf(queues), url));
    assert.equal(queues.queues.get("theirs")?.policy, undefined, "where nothing else was in it the policy goes");
  });

  it("is left as it is where its policy lets S3 send already", async () => {
    const queues = new MemoryQueues();
    const theirs: PolicyStatement = {
      Effect: "Allow",
      Principal: { Service: "s3.amazonaws.com" },
      Action: "sqs:SendMessage",
      Resource: "*",
    };
    const url = queues.addQueue("theirs", { policy: { Version: "2012-10-17", Statement: [theirs] } });
    assert.deepEqual((await plan(queues, url)).steps, []);
  });

  it("is left as it is where a topic of the bucket feeds it", async () => {
    const queues = new MemoryQueues();
    const topic = "arn:aws:sns:us-east-1:111111111111:photos";
    const Condition = { ArnLike: { "aws:SourceArn": topic } };
    const theirs: PolicyStatement = {
      Effect: "Allow",
      Principal: { Service: "sns.amazonaws.com" },
      Action: "sqs:SendMessage",
      Resource: "*",
      Condition,
    };
    const url = queues.addQueue("theirs", { policy: { Version: "2012-10-17", Statement: [theirs] } });
    const fed = await plan(queues, url, {
      notifications: { queues: [], others: { TopicConfigurations: [{ TopicArn: topic, Events: ["s3:ObjectCreated:*"] }] } },
    });
    assert.deepEqual([fed.steps, [...fed.fed]], [[], SOURCES.map(({ bucket }) => bucket.id)]);
    const other = await plan(queues, url, { notifications: { queues: [], others: { TopicConfigurations: [{ TopicArn: `${topic}2` }] } } });
    assert.deepEqual([other.steps.length, other.fed.size], [1, 0], "another topic does not feed it");
  });

  it("is a problem by its URL where it is not there", async () => {
    const url = "https://sqs.us-east-1.amazonaws.com/111111111111/gone";
    const { problems, steps } = await plan(new MemoryQueues(), url);
    assert.deepEqual([problems.map(({ code, subject }) => [code, subject]), steps], [[["QueueMissing", url]], []]);
    assert.deepEqual(await planReleasedQueue(placeOf(new MemoryQueues()), url), { steps: [], notes: [] });
  });

  it("is told with the statement that it needs where its policy may not be read, or not be written", async () => {
    const queues = new MemoryQueues();
    const url = queues.addQueue("theirs");
    const deny = (name: string) => (call: string) =>
      call.startsWith(name) ? new ReplicationError("AccessDenied", `${name}: no`) : undefined;
    queues.refuse = deny("GetQueueAttributes");
    const unread = await plan(queues, url);
    assert.equal(unread.target?.queueArn, queues.arnOf("theirs"));
    assert.match(unread.notes.join(), /"Principal":\{"Service":"s3.amazonaws.com"\}.*"aws:SourceArn":\["arn:aws:s3:::photos"/);
    assert.equal((await planReleasedQueue(placeOf(queues), url)).notes.length, 1);
    queues.refuse = deny("SetQueueAttributes");
    const { steps } = await plan(queues, url);
    await assert.rejects(async () => steps[0]?.make(), {
      code: "AccessDenied",
      hint: /sqs:SetQueueAttributes.*"Action":"sqs:SendMessage"/,
    });
  });
});
