import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { adapt, bucketIn } from "../../test/support/s3-adapter.ts";
import { Body } from "./body.ts";
import { EmbeddedS3Model } from "./model.ts";
import { type RunningEmbeddedS3, startEmbeddedS3 } from "./server.ts";

const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" };
const DAY_MS = 86_400_000;
let now = Date.now();
let server: RunningEmbeddedS3;
const announced: string[] = [];

before(async () => {
  server = await startEmbeddedS3({ credentials, model: new EmbeddedS3Model({ now: () => now }) });
  server.model.createBucket("bucket");
  server.model.putObject("bucket", "k", { body: Body.of("x"), storageClass: "GLACIER" });
  server.model.putObject("bucket", "plain", { body: Body.of("x") });
  server.model.onEvent(({ eventName }) => announced.push(eventName));
});
after(() => server.close());

test("an archived object is restored for some days, once at a time, and says so", async () => {
  const store = adapt("one", { endpoint: server.endpoint, credentials });
  const { client } = store;
  const at = { bucket: bucketIn(store, "bucket").bucket, key: "k" };
  const read = () => client.send({ ...at, operation: "GetObject", method: "GET" });
  const told = async () => (await client.send({ ...at, operation: "HeadObject", method: "HEAD" })).headers["x-amz-restore"];
  const restore = (days: number, key = "k") => {
    const body = Buffer.from(
      `<RestoreRequest><Days>${days}</Days><GlacierJobParameters><Tier>Bulk</Tier></GlacierJobParameters></RestoreRequest>`,
    );
    const headers = { "content-length": String(body.length) };
    return client.send({ ...at, key, operation: "RestoreObject", method: "POST", query: { restore: "" }, headers, body });
  };
  try {
    assert.equal((await restore(1, "plain")).status, 403);
    assert.deepEqual([(await read()).status, await told()], [403, undefined]);
    assert.deepEqual([(await restore(2)).status, (await restore(2)).status], [202, 409]);
    assert.deepEqual([(await read()).status, await told()], [403, 'ongoing-request="true"']);
    server.model.completeRestore("bucket", "k");
    assert.equal((await read()).status, 200);
    assert.equal(await told(), `ongoing-request="false", expiry-date="${new Date(now + 2 * DAY_MS).toUTCString()}"`);
    assert.equal((await restore(3)).status, 200);
    now += 3 * DAY_MS - 1;
    assert.equal((await read()).status, 200);
    now += 1;
    assert.deepEqual([(await read()).status, await told()], [403, undefined]);
    assert.deepEqual(announced, ["ObjectRestore:Post", "ObjectRestore:Completed"]);
  } finally {
    await client.close();
  }
});
