import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { type AdaptedStore, adapt, bucketIn } from "../../../../test/support/s3-adapter.ts";
import { isReplicationError } from "../../../domain/error.ts";
import type { ObjectState } from "../../../domain/object.ts";
import { Body } from "../../../embedded-s3/body.ts";
import { EmbeddedS3Model } from "../../../embedded-s3/model.ts";
import { type RunningEmbeddedS3, startEmbeddedS3 } from "../../../embedded-s3/server.ts";
import type { ObjectStore } from "../../../ports/object-store.ts";
import { EmbeddedObjectStore } from "../embedded/object-store.ts";
import { S3ObjectStore } from "./object-store.ts";

const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" };
const RETAINED = { mode: "GOVERNANCE", retainUntil: Math.floor(Date.now() / 1000) * 1000 + 3_600_000 };

let server: RunningEmbeddedS3;
let adapted: AdaptedStore;
before(async () => {
  server = await startEmbeddedS3({ credentials, model: new EmbeddedS3Model() });
  adapted = adapt("one", { endpoint: server.endpoint, credentials });
});
after(async () => {
  await adapted.client.close();
  await server.close();
});

let round = 0;
let guarded: string;
let plain: string;
beforeEach(() => {
  round++;
  [guarded, plain] = [`guarded-${round}`, `plain-${round}`];
  server.model.createBucket(guarded, { objectLock: true, acls: true });
  server.model.createBucket(plain);
  for (const bucket of [guarded, plain]) server.model.putObject(bucket, "k", { body: Body.of("x") });
});

async function fails(promise: Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(promise, (error) => isReplicationError(error) && error.code === code);
}

const OVER: Readonly<Record<string, (bucket: string) => ObjectStore>> = {
  "over HTTP": (bucket) => new S3ObjectStore(bucketIn(adapted, bucket), adapted.client),
  "on the model": (bucket) => new EmbeddedObjectStore({ bucket: bucketIn(adapted, bucket), model: server.model }),
};

for (const [how, open] of Object.entries(OVER)) {
  describe(`object guards ${how}`, () => {
    it("replace an ACL and read it back, and move neither bytes nor dates", async () => {
      const { guards, ...store } = withMethods(open(guarded));
      const before = await store.head("k");
      assert.equal(await guards.acl("k"), "private");
      await guards.putAcl("k", "public-read");
      assert.equal(await guards.acl("k"), "public-read");
      assert.deepEqual(await store.head("k"), before);
      await guards.putAcl("k", "private");
      assert.equal(await guards.acl("k"), "private");
      await fails(guards.putAcl("gone", "private"), "NoSuchKey");
    });

    it("lay a retention and a hold upon an object, each alone or both, and refuse to weaken", async () => {
      const { guards, ...store } = withMethods(open(guarded));
      await guards.putLock("k", { legalHold: true });
      assert.deepEqual((await store.head("k"))?.lock, { retention: undefined, legalHold: true });
      await guards.putLock("k", { retention: RETAINED, legalHold: false });
      assert.deepEqual((await store.head("k"))?.lock, { retention: RETAINED, legalHold: true });
      const sooner = { ...RETAINED, retainUntil: RETAINED.retainUntil - 1_800_000 };
      await fails(guards.putLock("k", { retention: sooner, legalHold: false }), "AccessDenied");
    });

    it("say plainly where a bucket's objects have no ACLs and no locks", async () => {
      const { guards } = withMethods(open(plain));
      assert.equal(await guards.acl("k"), "private");
      await fails(guards.putAcl("k", "public-read"), "NotImplemented");
      await fails(guards.putLock("k", { legalHold: true }), "NotImplemented");
      await fails(guards.putLock("k", { retention: RETAINED, legalHold: false }), "NotImplemented");
    });

    it("ask an archive for an object, again without harm, and tell how far it is", async () => {
      server.model.putObject(plain, "k", { body: Body.of("x"), storageClass: "DEEP_ARCHIVE" });
      const { guards, ...store } = withMethods(open(plain));
      const seen = async () => {
        const { archived, restoring } = (await store.head("k")) as ObjectState;
        return { archived, restoring };
      };
      const ask = () => guards.restore("k", { days: 2, tier: "Bulk" }, { storageClass: "DEEP_ARCHIVE" });
      assert.deepEqual(await seen(), { archived: true, restoring: undefined });
      await ask();
      await ask();
      assert.deepEqual(await seen(), { archived: true, restoring: true });
      server.model.completeRestore(plain, "k");
      assert.deepEqual(await seen(), { archived: undefined, restoring: undefined });
      await ask();
    });
  });
}

/** A store of which only what the tests use is left, and whose guards are there. */
function withMethods(store: ObjectStore) {
  const { guards } = store;
  assert.ok(guards);
  return { guards, head: (key: string) => store.head(key) };
}
