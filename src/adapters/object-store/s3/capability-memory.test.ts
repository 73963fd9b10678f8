import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type AdaptedStore, adapt, bucketIn } from "../../../../test/support/s3-adapter.ts";
import { type RunningEmbeddedS3, startEmbeddedS3 } from "../../../embedded-s3/server.ts";
import type { Capabilities } from "../../../ports/object-store.ts";
import { surveyBucket } from "./bucket-survey.ts";
import { type CapabilityMemory, S3ObjectStore } from "./object-store.ts";

const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" };
const REMEMBERED: Capabilities = { conditionalPut: false, conditionalCopy: true, conditionalComplete: false, conditionalDelete: true };
const WRITES: ReadonlySet<string> = new Set(["PutObject", "CopyObject", "CompleteMultipartUpload", "DeleteObject"]);

let server: RunningEmbeddedS3;
let adapted: AdaptedStore;

before(async () => {
  server = await startEmbeddedS3({ credentials });
  server.model.createBucket("one");
  adapted = adapt("a", { endpoint: server.endpoint, credentials });
});
after(async () => {
  await adapted.client.close();
  await server.close();
});

function open(memory: CapabilityMemory): S3ObjectStore {
  return new S3ObjectStore(bucketIn(adapted, "one"), adapted.client, memory);
}

describe("what a bucket honours", () => {
  it("is taken from memory, and nothing is written to find it out", async () => {
    adapted.requests.length = 0;
    const store = open({ recall: async () => REMEMBERED, keep: async () => assert.fail("nothing was learned") });
    assert.deepEqual(await store.capabilities(), REMEMBERED);
    assert.deepEqual(
      adapted.requests.filter((operation) => WRITES.has(operation)),
      [],
    );
  });

  it("is found out where nothing is remembered of a server of this name, once, and remembered", async () => {
    const asked: string[] = [];
    const kept: (readonly [string, Capabilities])[] = [];
    const store = open({
      recall: async (name) => {
        asked.push(name);
        return undefined;
      },
      keep: async (name, capabilities) => void kept.push([name, capabilities]),
    });
    const [found] = await Promise.all([store.capabilities(), store.capabilities()]);
    assert.deepEqual(asked, [adapted.client.serverName]);
    assert.deepEqual(kept, [[adapted.client.serverName, found]]);
    assert.equal(found.conditionalPut, true);
  });
});

describe("a survey", () => {
  it("writes nothing to a bucket with object lock, and reads what is there", async () => {
    server.model.createBucket("locked", { objectLock: true });
    const store = new S3ObjectStore(bucketIn(adapted, "locked"), adapted.client);
    await store.put("k", Buffer.from("v"));
    adapted.requests.length = 0;
    const survey = await surveyBucket(store, { isDestination: true });
    assert.deepEqual(
      adapted.requests.filter((operation) => WRITES.has(operation)),
      [],
    );
    assert.deepEqual([survey.objectLock, survey.honours, survey.rights.put, survey.rights.get], [true, null, "untried", "granted"]);
  });

  it("tries at a source what reading needs, and no more", async () => {
    adapted.requests.length = 0;
    const survey = await surveyBucket(open({ recall: async () => undefined, keep: async () => {} }), { isDestination: false });
    assert.deepEqual(
      [survey.honours, survey.traits.refusedKeys, survey.traits.listsInOrder, survey.rights.readTags],
      [null, null, true, "granted"],
    );
    assert.ok(!adapted.requests.includes("CopyObject"));
    assert.equal(server.model.listVersions("one").versions.length, 0);
  });

  it("tells how far the store's clock is off", async () => {
    const { clockSkewMs } = await surveyBucket(open({ recall: async () => undefined, keep: async () => {} }), { isDestination: false });
    assert.ok(clockSkewMs !== null && Math.abs(clockSkewMs) < 2_000, String(clockSkewMs));
  });
});
