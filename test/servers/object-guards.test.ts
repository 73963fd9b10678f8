import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CreateBucketCommand, HeadObjectCommand, PutObjectLegalHoldCommand, PutObjectRetentionCommand } from "@aws-sdk/client-s3";
import { S3ObjectStore } from "../../src/adapters/object-store/s3/object-store.ts";
import type { StatusDocument } from "../../src/control-plane/contract.ts";
import { isReplicationError } from "../../src/domain/error.ts";
import { missingLock } from "../../src/domain/object-lock.ts";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { startMinio } from "../support/minio.ts";
import { startMoto } from "../support/moto.ts";
import { openMinioWorld } from "../support/real-world.ts";
import { askJson, startDaemon } from "../support/replicast.ts";
import { adapt, bucketIn } from "../support/s3-adapter.ts";
import { connect } from "../support/sdk.ts";
import type { RealServer } from "../support/server.ts";
import { startVersitygw } from "../support/versitygw.ts";
import { waitFor } from "../support/wait-for.ts";
import { settle, type World } from "../support/world.ts";

/** A bucket with object lock, and an object in it. */
async function withGuards(server: RealServer, run: (store: S3ObjectStore) => Promise<void>): Promise<void> {
  const own = adapt("own", server);
  using sdk = connect(server);
  await sdk.s3.send(new CreateBucketCommand({ Bucket: "locked", ObjectLockEnabledForBucket: true }));
  try {
    const store = new S3ObjectStore(bucketIn(own, "locked"), own.client);
    await store.put("k", Buffer.from("x"));
    await run(store);
  } finally {
    await own.client.close();
  }
}

/** A retention and a hold are laid on and read back, and a second look finds nothing that lacks. */
async function assertLocks(store: S3ObjectStore): Promise<void> {
  const retainUntil = Math.floor(Date.now() / 1000) * 1000 + 3_600_000;
  const lock = { retention: { mode: "GOVERNANCE", retainUntil }, legalHold: true };
  const versionId = (await store.head("k"))?.versionId;
  await store.guards.putLock("k", lock, { versionId });
  const there = (await store.head("k"))?.lock;
  assert.deepEqual(there, lock);
  assert.equal(missingLock(lock, there, Date.now()), undefined);
}

async function assertWithoutAcls(store: S3ObjectStore): Promise<void> {
  assert.equal(await store.guards.acl("k"), "private");
  await assert.rejects(store.guards.putAcl("k", "public-read"), (error) => isReplicationError(error) && error.code === "NotImplemented");
}

describe("object guards of real servers", () => {
  guardAgainstLeaks();

  test("MinIO takes locks alone, has no ACLs, and says so", async () => {
    await using server = await startMinio();
    await withGuards(server, async (store) => {
      await assertLocks(store);
      await assertWithoutAcls(store);
    });
  });

  test("versitygw takes locks alone, has no ACLs for objects, and says so", async () => {
    await using server = await startVersitygw();
    await withGuards(server, async (store) => {
      await assertLocks(store);
      await assertWithoutAcls(store);
    });
  });

  test("moto takes ACLs and locks, and restores what is archived", async () => {
    await using server = await startMoto();
    await withGuards(server, async (store) => {
      await assertLocks(store);
      await store.guards.putAcl("k", "public-read");
      assert.equal(await store.guards.acl("k"), "public-read");
      const headers = { "content-length": "1", "x-amz-storage-class": "GLACIER" };
      const { bucket } = store.bucket;
      await store.client.expect({ operation: "PutObject", method: "PUT", bucket, key: "cold", headers, body: Buffer.from("x") });
      assert.equal((await store.head("cold"))?.archived, true);
      await store.guards.restore("cold", { days: 1, tier: "Standard" }, { storageClass: "GLACIER" });
      assert.equal((await store.head("cold"))?.archived, undefined);
    });
  });

  test("invariants 3 and 9: a hold and a retention laid on at MinIO reach the replica by their events, without its bytes", async () => {
    await using world = await openMinioWorld()();
    await settle(world, { rules: [{ id: "vault", source: "a:vault", destinations: ["b:vault"] }] });
    using here = connect(world.a);
    using there = connect(world.b);
    for (const { s3 } of [here, there]) await s3.send(new CreateBucketCommand({ Bucket: "vault", ObjectLockEnabledForBucket: true }));
    await world.wire("vault");
    await using daemon = await startDaemon(world, world.port);
    const at = { Bucket: "vault", Key: "k" };
    await world.a.client.put("vault", "k", { body: "x" });
    const seen = () => there.s3.send(new HeadObjectCommand(at));
    await waitFor("the replica", seen);
    // Listed and announced, it may be copied twice: what comes now is counted from when both are over.
    await waitFor("both ways to it", () => hasSettled(world));
    const first = await seen();
    await here.s3.send(new PutObjectLegalHoldCommand({ ...at, LegalHold: { Status: "ON" } }));
    await waitFor("the hold", async () => (await seen()).ObjectLockLegalHoldStatus === "ON");
    const until = new Date(Math.floor(Date.now() / 1000) * 1000 + 3_600_000);
    await here.s3.send(new PutObjectRetentionCommand({ ...at, Retention: { Mode: "GOVERNANCE", RetainUntilDate: until } }));
    await waitFor("the retention", async () => (await seen()).ObjectLockRetainUntilDate?.getTime() === until.getTime());
    assert.equal((await seen()).VersionId, first.VersionId);
    await daemon.stop();
  });
});

async function hasSettled(world: World): Promise<boolean> {
  const { intake, rules } = await askJson<StatusDocument>(world, "status");
  const isCompared = rules.every(({ lastSyncAt }) => lastSyncAt !== null);
  const isDone = rules.every(({ destinations }) => destinations.every(({ operationsPending }) => operationsPending === 0));
  return isCompared && isDone && intake.some(({ received }) => received > 0);
}
