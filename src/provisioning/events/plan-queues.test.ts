import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ReplicationError } from "../../domain/error.ts";
import type { PolicyStatement } from "../../domain/policy-document.ts";
import { LeapingClock } from "../../testing/leaping-clock.ts";
import { MemoryQueues } from "../../testing/memory-queues.ts";
import type { Step } from "../change.ts";
import { sendStatement } from "../policies/queue-policy.ts";
import { findUnwantedQueues, planOwnQueue } from "./plan-queues.ts";
import type { QueuePlace } from "./queue-grant.ts";
import { queueNameOf, queueTagsOf } from "./queue-names.ts";

const BUCKET = { id: "s3://aws/us-east-1/photos", name: "aws:photos", store: "aws", bucket: "photos" };
const SOURCE = { bucket: BUCKET, account: undefined };
const QUEUE = queueNameOf("acme", BUCKET);
const FOREIGN: PolicyStatement = { Sid: "Theirs", Effect: "Allow", Principal: "*", Action: "sqs:ReceiveMessage", Resource: "*" };

function placeOf(queues: MemoryQueues, clock = new LeapingClock()): QueuePlace {
  return { name: "acme", queues, region: "us-east-1", clock };
}

const changesOf = (steps: readonly Step[]) =>
  steps.flatMap(({ changes }) => changes.map(({ action, type, id }) => `${action} ${type} ${id}`));

async function makeAll(steps: readonly Step[]): Promise<void> {
  for (const step of steps) await step.make();
}

describe("a queue of our own", () => {
  it("is made, tagged, and lets S3 send for its bucket alone; then nothing has to change", async () => {
    const queues = new MemoryQueues();
    const first = await planOwnQueue(placeOf(queues), SOURCE);
    assert.deepEqual(changesOf(first.steps), [`create queue ${QUEUE}`, `create policy ${QUEUE}`]);
    assert.deepEqual(queues.mutations, [], "a plan changes nothing");
    await makeAll(first.steps);
    const arn = queues.arnOf(QUEUE);
    assert.equal(await first.target?.arn(), arn);
    const { tags, policy } = queues.queues.get(QUEUE) ?? {};
    assert.deepEqual(tags, { "replicast:name": "acme", "replicast:source": BUCKET.id });
    assert.deepEqual(policy?.Statement, [sendStatement("acme", arn, [{ bucketArn: "arn:aws:s3:::photos", account: "111111111111" }])]);
    assert.deepEqual((await planOwnQueue(placeOf(queues), SOURCE)).steps, []);
    await makeAll(first.steps);
    assert.equal(queues.mutations.length, 2, "made again, a step changes nothing");
  });

  it("asks for the account of its bucket where that is another's", async () => {
    const queues = new MemoryQueues();
    await makeAll((await planOwnQueue(placeOf(queues), { ...SOURCE, account: "222222222222" })).steps);
    const condition = queues.queues.get(QUEUE)?.policy?.Statement[0]?.Condition;
    assert.deepEqual(condition?.["StringEquals"], { "aws:SourceAccount": "222222222222" });
  });

  it("invariant 12: has its own statement put right, and keeps those of others, also such as come between plan and step", async () => {
    const queues = new MemoryQueues();
    await makeAll((await planOwnQueue(placeOf(queues), SOURCE)).steps);
    const queue = queues.queues.get(QUEUE);
    const [ours] = queue?.policy?.Statement ?? [];
    assert.ok(queue && ours);
    queue.policy = { Version: "2012-10-17", Statement: [{ ...ours, Principal: "*" }] };
    const { steps } = await planOwnQueue(placeOf(queues), SOURCE);
    assert.deepEqual(changesOf(steps), [`update policy ${QUEUE}`]);
    queue.policy = { ...queue.policy, Statement: [FOREIGN, ...queue.policy.Statement] };
    await makeAll(steps);
    assert.deepEqual(queue.policy.Statement, [FOREIGN, ours]);
  });

  it("is waited for where it is not seen at once, and where its name is not free yet", async () => {
    const queues = new MemoryQueues();
    const clock = new LeapingClock();
    const { steps } = await planOwnQueue(placeOf(queues, clock), SOURCE);
    let refusals = 20;
    queues.refuse = (call) =>
      call.startsWith("CreateQueue") && refusals-- > 0 ? new ReplicationError("SlowDown", "QueueDeletedRecently") : undefined;
    await steps[0]?.make();
    assert.ok(clock.slept.length === 20);
    const made = queues.queues.get(QUEUE);
    assert.ok(made);
    queues.queues.delete(QUEUE);
    queues.refuse = () => {
      if (clock.slept.length === 22) queues.queues.set(QUEUE, made);
      return undefined;
    };
    await steps[1]?.make();
    assert.equal(made.policy?.Statement.length, 1);
  });

  it("is given up where it is never seen", async () => {
    const queues = new MemoryQueues();
    const clock = new LeapingClock();
    const { steps } = await planOwnQueue(placeOf(queues, clock), SOURCE);
    await assert.rejects(async () => steps[1]?.make(), { code: "InvalidRequest", message: /there is no queue acme-photos-/ });
    assert.ok(clock.slept.length > 20);
  });
});

it("invariant 12: only queues with our tag go, and of these only those that nobody wants", async () => {
  const queues = new MemoryQueues();
  queues.addQueue("acme-old-1", { tags: queueTagsOf("acme", { ...BUCKET, id: "s3://aws/us-east-1/old" }) });
  queues.addQueue("acme-wanted-1", { tags: queueTagsOf("acme", BUCKET) });
  queues.addQueue("acme-2-photos", { tags: queueTagsOf("acme-2", BUCKET) });
  queues.addQueue("acme-foreign");
  const unwanted = await findUnwantedQueues(placeOf(queues), (queue) => queue === "acme-wanted-1");
  assert.deepEqual(
    unwanted.map(({ queue, sourceId }) => [queue, sourceId]),
    [["acme-old-1", "s3://aws/us-east-1/old"]],
  );
  await makeAll(unwanted.map(({ step }) => step));
  assert.deepEqual([...queues.queues.keys()], ["acme-wanted-1", "acme-2-photos", "acme-foreign"]);
});
