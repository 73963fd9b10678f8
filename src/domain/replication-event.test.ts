import assert from "node:assert/strict";
import { test } from "node:test";
import { isReplicationEvent } from "./replication-event.ts";

function record(principalId: string, userMetadata?: Readonly<Record<string, string>>) {
  return {
    eventVersion: "2.1",
    eventSource: "aws:s3",
    eventName: "ObjectCreated:Put",
    userIdentity: { principalId },
    s3: { bucket: { name: "photos-eu" }, object: { key: "raw/a.jpg", userMetadata } },
  };
}

const REPLICATED = "AWS:AROAEXAMPLEEXAMPLE123:s3-replication";
const WRITTEN = "AWS:AIDAEXAMPLEEXAMPLE123";

test("what S3's own replication wrote is a replica, what a client wrote is not", () => {
  assert.equal(isReplicationEvent(record(REPLICATED)), true);
  assert.equal(isReplicationEvent(record(WRITTEN)), false);
});

test("a role that is only called like it is a client's", () => {
  assert.equal(isReplicationEvent(record("AWS:AROAEXAMPLEEXAMPLE123:not-s3-replication")), false);
  assert.equal(isReplicationEvent(record("s3-replication")), false);
});

test("a notification is a replica's only where all its records are, so that no client's object is passed over", () => {
  assert.equal(isReplicationEvent({ Records: [record(REPLICATED), record(REPLICATED)] }), true);
  assert.equal(isReplicationEvent({ Records: [record(REPLICATED), record(WRITTEN)] }), false);
  assert.equal(isReplicationEvent({ Records: [] }), false);
});

test("what replicast wrote is told by the principal it runs with, whatever the session", () => {
  const principals = ["AROAREPLICAST"];
  assert.equal(isReplicationEvent(record("AWS:AROAREPLICAST:i-0123"), { principals }), true);
  assert.equal(isReplicationEvent(record("AWS:AROAREPLICASTLIKE:i-0123"), { principals }), false);
  assert.equal(isReplicationEvent(record("replicast"), { principals: ["replicast"] }), true);
});

test("what replicast stamped is told by its metadata, where the store repeats it", () => {
  assert.equal(isReplicationEvent(record("rootuser", { "X-Amz-Meta-Replicast": "v1;s3://a/b;1;x;y" })), true);
  assert.equal(isReplicationEvent(record("rootuser", { "X-Amz-Meta-Colour": "red" })), false);
});

test("an event of EventBridge that came by CloudTrail tells its principal; S3's own do not, and count as a client's", () => {
  assert.equal(
    isReplicationEvent({ "detail-type": "AWS API Call via CloudTrail", detail: { userIdentity: { principalId: REPLICATED.slice(4) } } }),
    true,
  );
  assert.equal(isReplicationEvent({ "detail-type": "Object Created", detail: { requester: "123456789012" } }), false);
});

test("an event that was brought into a form of one's own says it itself", () => {
  assert.equal(isReplicationEvent({ origin: "replication", key: "raw/a.jpg" }), true);
  assert.equal(isReplicationEvent({ origin: "client", key: "raw/a.jpg" }), false);
});

test("anything else is no replica's", () => {
  for (const value of [undefined, null, 7, "x", [], {}, { Records: [null] }, { Event: "s3:TestEvent" }])
    assert.equal(isReplicationEvent(value), false);
});
