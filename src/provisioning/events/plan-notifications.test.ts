import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ReplicationError } from "../../domain/error.ts";
import { LeapingClock } from "../../testing/leaping-clock.ts";
import { MemoryBucketConfiguration } from "../../testing/memory-bucket-configuration.ts";
import { planNotification } from "./plan-notifications.ts";

const BUCKET = { id: "s3://aws/us-east-1/photos", name: "aws:photos", store: "aws", bucket: "photos" };
const ARN = "arn:aws:sqs:us-east-1:111111111111:q";
const EVENTS = ["s3:ObjectCreated:*"];

function world() {
  const configuration = new MemoryBucketConfiguration();
  const clock = new LeapingClock();
  const fresh = { queue: "q", arn: async () => ARN, clock };
  const wish = { name: "acme", bucket: BUCKET, configuration, target: { queueArn: undefined, events: EVENTS, fresh } };
  return { configuration, clock, wish };
}

describe("the notification of a bucket", () => {
  it("is made with the ARN of a queue that is made first, and waits until S3 may send to it", async () => {
    const { configuration, clock, wish } = world();
    const bucket = configuration.addBucket("photos");
    const [step] = await planNotification(wish);
    assert.equal(step?.changes[0]?.detail["queue"], "q");
    const refusal = new ReplicationError("InvalidRequest", "InvalidArgument: Unable to validate the following destination configurations");
    configuration.refuse = (call) => (call.startsWith("Put") && clock.slept.length < 5 ? refusal : undefined);
    await step?.make();
    assert.deepEqual(bucket.notifications.queues, [{ id: "acme/events", queueArn: ARN, events: EVENTS }]);
  });

  it("does not wait for what no time will mend", async () => {
    const { configuration, clock, wish } = world();
    configuration.addBucket("photos");
    const [step] = await planNotification(wish);
    configuration.refuse = (call) =>
      call.startsWith("Put") ? new ReplicationError("InvalidRequest", "Configurations overlap") : undefined;
    await assert.rejects(async () => step?.make(), /overlap/);
    assert.deepEqual(clock.slept, []);
  });

  it("is planned for a bucket that is made first, and for no other that is missing", async () => {
    const { configuration, wish } = world();
    await assert.rejects(planNotification(wish), { code: "NoSuchBucket" });
    const [step] = await planNotification({ ...wish, isComing: true });
    const bucket = configuration.addBucket("photos");
    await step?.make();
    assert.equal(bucket.notifications.queues.length, 1);
  });

  it("goes only where it tells the queue that goes", async () => {
    const { configuration, wish } = world();
    configuration.addBucket("photos", { notifications: { queues: [{ id: "acme/events", queueArn: ARN, events: EVENTS }], others: {} } });
    const gone = { ...wish, target: undefined };
    assert.equal((await planNotification({ ...gone, ofQueue: "other" })).length, 0);
    assert.equal((await planNotification({ ...gone, ofQueue: "q" })).length, 1);
  });
});
