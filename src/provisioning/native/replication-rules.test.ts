import assert from "node:assert/strict";
import { test } from "node:test";
import { keyArn, nativeBucket, nativePair, OTHER_ACCOUNT } from "../../../test/support/native-pairs.ts";
import { wantedRule } from "./replication-rules.ts";

const SOURCE = nativeBucket("photos");
const DESTINATION = nativeBucket("photos-copy", { region: "us-east-1" });

test("a plain pair asks for all new objects and nothing else", () => {
  assert.deepEqual(wantedRule("acme", nativePair(SOURCE, DESTINATION)), {
    id: "acme/photos/aws:photos-copy",
    status: "Enabled",
    priority: 0,
    prefix: "",
    tags: {},
    deleteMarkerReplication: false,
    replicaModifications: false,
    kmsEncryptedObjects: false,
    destination: {
      bucketArn: "arn:aws:s3:::photos-copy",
      ownerOverride: false,
      storageClass: undefined,
      replicaKmsKeyId: undefined,
      replicationTime: false,
    },
  });
});

test("everything that a pair asks for is in its rule", () => {
  const destination = { ...DESTINATION, account: OTHER_ACCOUNT };
  const key = keyArn(destination);
  const pair = nativePair(SOURCE, destination, {
    enabled: false,
    prefix: "raw/",
    tags: { team: "x" },
    deleteMarkers: true,
    isTwoWay: true,
    storageClass: "STANDARD_IA",
    replicaKmsKeyId: key,
    replicationTime: true,
    ownerOverride: true,
  });
  const { destination: to, ...rule } = wantedRule("acme", pair);
  assert.deepEqual(rule, {
    id: "acme/photos/aws:photos-copy",
    status: "Disabled",
    priority: 0,
    prefix: "raw/",
    tags: { team: "x" },
    deleteMarkerReplication: true,
    replicaModifications: true,
    kmsEncryptedObjects: true,
  });
  assert.deepEqual(to, {
    bucketArn: "arn:aws:s3:::photos-copy",
    account: OTHER_ACCOUNT,
    ownerOverride: true,
    storageClass: "STANDARD_IA",
    replicaKmsKeyId: key,
    replicationTime: true,
  });
});

test("within one account no owner is overridden: it would stop the replication of ACLs", () => {
  const { destination } = wantedRule("acme", nativePair(SOURCE, DESTINATION, { ownerOverride: true }));
  assert.deepEqual([destination.ownerOverride, destination.account], [false, undefined]);
});

test("a bucket's ARN is of its partition", () => {
  const china = nativeBucket("photos-copy", { partition: "aws-cn", region: "cn-north-1" });
  assert.equal(wantedRule("acme", nativePair(china, china)).destination.bucketArn, "arn:aws-cn:s3:::photos-copy");
});
