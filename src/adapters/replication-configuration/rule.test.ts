import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ReplicationRule } from "../../ports/replication-configuration.ts";
import { fromRule, toRule } from "./rule.ts";

const destination = {
  bucketArn: "arn:aws:s3:::dst",
  account: undefined,
  ownerOverride: false,
  storageClass: undefined,
  replicaKmsKeyId: undefined,
  replicationTime: false,
};
const plain: ReplicationRule = {
  id: "app/photos/s3://aws/eu-west-1/dst",
  status: "Enabled",
  priority: 3,
  prefix: "",
  tags: {},
  deleteMarkerReplication: true,
  replicaModifications: false,
  kmsEncryptedObjects: false,
  destination,
};

describe("a replication rule", () => {
  test("of our own is read back as it was written", () => {
    const rules: readonly ReplicationRule[] = [
      plain,
      { ...plain, status: "Disabled", prefix: "a/b ü/", deleteMarkerReplication: false },
      { ...plain, tags: { env: "prod" }, deleteMarkerReplication: false },
      { ...plain, prefix: "a/", tags: { env: "prod" }, deleteMarkerReplication: false },
      { ...plain, tags: { env: "prod", team: "" }, deleteMarkerReplication: false },
      { ...plain, replicaModifications: true },
      {
        ...plain,
        kmsEncryptedObjects: true,
        destination: { ...destination, replicaKmsKeyId: "arn:aws:kms:eu-west-1:111111111111:key/k", storageClass: "GLACIER_IR" },
      },
      { ...plain, destination: { ...destination, account: "222222222222", ownerOverride: true, replicationTime: true } },
      { ...plain, priority: null, prefix: "old/" },
    ];
    for (const rule of rules) {
      const { raw, ...read } = toRule(fromRule(rule));
      assert.deepEqual(read, rule);
    }
  });

  test("without a prefix or tags says so by an empty prefix, and never by an empty filter", () => {
    assert.deepEqual(fromRule(plain).Filter, { Prefix: "" });
  });

  test("with one tag alone is not written as a conjunction, which S3 wants for two conditions and more", () => {
    assert.deepEqual(fromRule({ ...plain, tags: { a: "1" } }).Filter, { Tag: { Key: "a", Value: "1" } });
    assert.deepEqual(fromRule({ ...plain, tags: { a: "1", b: "2" } }).Filter, {
      And: {
        Tags: [
          { Key: "a", Value: "1" },
          { Key: "b", Value: "2" },
        ],
      },
    });
  });

  test("with replication time control has its metrics, both at 15 minutes", () => {
    const { Destination } = fromRule({ ...plain, destination: { ...destination, replicationTime: true } });
    assert.deepEqual(Destination?.ReplicationTime, { Status: "Enabled", Time: { Minutes: 15 } });
    assert.deepEqual(Destination?.Metrics, { Status: "Enabled", EventThreshold: { Minutes: 15 } });
  });

  test("without an id gets none from us", () => {
    assert.equal("ID" in fromRule({ ...plain, id: "" }), false);
  });

  test("of others goes back as it came, whatever is read out of it", () => {
    const raw = { ID: "theirs", Status: "Enabled", Prefix: "logs/", Destination: { Bucket: "arn:aws:s3:::dst" } } as const;
    const read = toRule(raw);
    assert.equal(read.priority, null);
    assert.equal(read.prefix, "logs/");
    assert.equal(read.deleteMarkerReplication, true);
    assert.equal(fromRule({ ...read, prefix: "changed/" }), raw);
  });
});
