import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { guardAgainstLeaks } from "../../test/support/leak-guard.ts";
import { waitFor } from "../../test/support/wait-for.ts";
import { Body } from "./body.ts";
import { EmbeddedS3Model } from "./model.ts";
import type { NotificationRecord } from "./notification.ts";
import { type RunningEmbeddedS3, startEmbeddedS3 } from "./server.ts";

guardAgainstLeaks();

const credentials = { accessKeyId: "key", secretAccessKey: "secret" };
const bucket = "events";

function recorded(): { readonly model: EmbeddedS3Model; readonly records: NotificationRecord[] } {
  const model = new EmbeddedS3Model({ region: "eu-west-1", limits: { minPartBytes: 1 } });
  model.createBucket(bucket);
  const records: NotificationRecord[] = [];
  model.onEvent((record) => records.push(record));
  return { model, records };
}

test("every change is announced once, by its AWS name and with what AWS tells of it", () => {
  const { model, records } = recorded();
  const body = Body.of("hello");
  model.putObject(bucket, "k", { body });
  model.copyObject(bucket, "c", { source: { bucket, key: "k" } });
  const { uploadId } = model.createUpload(bucket, "m");
  const { etag } = model.uploadPart(bucket, "m", { uploadId, partNumber: 1, body });
  model.completeUpload(bucket, "m", { uploadId, parts: [{ partNumber: 1, etag }] });
  model.putTags(bucket, "k", { tags: { a: "1" } });
  model.deleteTags(bucket, "k");
  model.deleteObject(bucket, "k");
  model.deleteObject(bucket, "never-there");
  assert.deepEqual(
    records.map(({ eventName, s3 }) => [eventName, s3.object.key, s3.object.size, s3.object.versionId]),
    [
      ["ObjectCreated:Put", "k", 5, undefined],
      ["ObjectCreated:Copy", "c", 5, undefined],
      ["ObjectCreated:CompleteMultipartUpload", "m", 5, undefined],
      ["ObjectTagging:Put", "k", undefined, undefined],
      ["ObjectTagging:Delete", "k", undefined, undefined],
      ["ObjectRemoved:Delete", "k", undefined, undefined],
    ],
  );
  const [first] = records;
  assert.deepEqual([first?.eventSource, first?.awsRegion, first?.s3.bucket.name], ["aws:s3", "eu-west-1", bucket]);
  assert.equal(first?.s3.object.eTag, body.md5());
  assert.equal(records[3]?.s3.object.sequencer, undefined);
});

test("a refused change is not announced", () => {
  const { model, records } = recorded();
  assert.throws(() => model.putObject(bucket, "k", { body: Body.EMPTY, contentMd5: "AAAA" }));
  assert.throws(() => model.putObject("nowhere", "k", { body: Body.EMPTY }));
  assert.throws(() => model.putTags(bucket, "k", { tags: {} }));
  assert.deepEqual(records, []);
});

test("events of a versioned bucket name the version, and tell a delete marker from a removal", () => {
  const { model, records } = recorded();
  model.setVersioning(bucket, "Enabled");
  const { versionId } = model.putObject(bucket, "k", { body: Body.EMPTY });
  const marker = model.deleteObject(bucket, "k");
  model.deleteObject(bucket, "k", { versionId });
  assert.deepEqual(
    records.map(({ eventName, s3 }) => [eventName, s3.object.versionId]),
    [
      ["ObjectCreated:Put", versionId],
      ["ObjectRemoved:DeleteMarkerCreated", marker.versionId],
      ["ObjectRemoved:Delete", versionId],
    ],
  );
});

test("sequencers of creations and removals grow, compared as text of one width", () => {
  const { model, records } = recorded();
  for (let index = 0; index < 300; index++) model.putObject(bucket, "k", { body: Body.EMPTY });
  const sequencers = records.map(({ s3 }) => s3.object.sequencer ?? "");
  assert.ok(sequencers.every((sequencer) => /^[0-9A-F]{16}$/.test(sequencer)));
  assert.deepEqual(sequencers, [...new Set(sequencers)].sort());
});

test("keys are form-urlencoded, with the slash left alone", () => {
  const { model, records } = recorded();
  model.putObject(bucket, "dir/red flower+ü%.jpg", { body: Body.EMPTY });
  assert.equal(records[0]?.s3.object.key, "dir/red+flower%2B%C3%BC%25.jpg");
});

test("equal calls after equal starts give equal stores", () => {
  const run = () => {
    let id = 0;
    const model = new EmbeddedS3Model({ now: () => 1_700_000_000_123, newId: () => `id${id++}` });
    const records: NotificationRecord[] = [];
    model.onEvent((record) => records.push(record));
    model.createBucket(bucket);
    model.setVersioning(bucket, "Enabled");
    for (const key of ["b", "a", "b"]) model.putObject(bucket, key, { body: Body.of(key) });
    model.deleteObject(bucket, "a");
    return JSON.stringify([records, model.listVersions(bucket)]);
  };
  assert.equal(run(), run());
});

interface Receiver extends AsyncDisposable {
  readonly url: string;
  readonly received: { readonly record: NotificationRecord; readonly authorization: string | undefined }[];
  readonly mostAtOnce: () => number;
}

/** Answers as `answer` says, in the order that requests come. */
async function startReceiver(answer: (record: NotificationRecord) => number | Promise<number>): Promise<Receiver> {
  const received: { record: NotificationRecord; authorization: string | undefined }[] = [];
  let open = 0;
  let most = 0;
  const handle = async (message: IncomingMessage, response: ServerResponse) => {
    most = Math.max(most, ++open);
    const chunks = await message.toArray();
    const { Records } = JSON.parse(Buffer.concat(chunks).toString()) as { Records: NotificationRecord[] };
    const [record] = Records;
    assert.ok(record);
    const status = await answer(record);
    received.push({ record, authorization: message.headers.authorization });
    open--;
    response.writeHead(status).end();
  };
  const server = createServer((message, response) => void handle(message, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    received,
    mostAtOnce: () => most,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function started(): Promise<RunningEmbeddedS3> {
  const server = await startEmbeddedS3({ credentials });
  server.model.createBucket(bucket);
  return server;
}

test("a webhook gets the events of one key in order and of several keys at once, with its token", async () => {
  const gate = Promise.withResolvers<void>();
  await using receiver = await startReceiver(async () => {
    if (receiver.mostAtOnce() >= 4) gate.resolve();
    await gate.promise;
    return 200;
  });
  await using server = await started();
  server.notify({ url: receiver.url, token: "tok" });
  for (let round = 0; round < 5; round++) {
    for (const key of ["a", "b", "c", "d"]) server.model.putObject(bucket, key, { body: Body.of(String(round)) });
  }
  await waitFor("all events", () => receiver.received.length === 20);
  for (const key of ["a", "b", "c", "d"]) {
    const sequencers = receiver.received
      .filter(({ record }) => record.s3.object.key === key)
      .map(({ record }) => record.s3.object.sequencer);
    assert.deepEqual(sequencers, [...sequencers].sort());
  }
  assert.equal(receiver.mostAtOnce(), 4);
  assert.ok(receiver.received.every(({ authorization }) => authorization === "Bearer tok"));
  assert.equal(server.lostEvents, 0);
});

test("an event that is not taken is lost and counted, and the next one is sent all the same", async () => {
  await using server = await started();
  {
    await using receiver = await startReceiver(() => (receiver.received.length === 0 ? 503 : 200));
    server.notify({ url: receiver.url });
    for (const body of ["1", "2"]) server.model.putObject(bucket, "k", { body: Body.of(body) });
    await waitFor("both events", () => receiver.received.length === 2);
    assert.equal(server.lostEvents, 1);
  }
  server.model.putObject(bucket, "k", { body: Body.of("3") });
  await waitFor("a refused connection to count", () => server.lostEvents === 2);
});

test("with retry an event is sent until it is taken, before the later ones of its key", async () => {
  await using server = await started();
  let refusals = 3;
  await using receiver = await startReceiver(() => (refusals-- > 0 ? 500 : 200));
  server.notify({ url: receiver.url, retry: true, retryDelayMs: 1 });
  const etags = ["1", "2"].map((body) => server.model.putObject(bucket, "k", { body: Body.of(body) }).etag);
  await waitFor("both events to be taken", () => receiver.received.length === 5);
  const seen = receiver.received.map(({ record }) => record.s3.object.eTag);
  assert.deepEqual(seen, [etags[0], etags[0], etags[0], etags[0], etags[1]]);
  assert.equal(server.lostEvents, 0);
});

test("closing gives up what could not be delivered and counts it", async () => {
  const server = await started();
  server.notify({ url: "http://127.0.0.1:9/", retry: true, retryDelayMs: 60_000 });
  server.model.putObject(bucket, "k", { body: Body.EMPTY });
  await server.close();
  assert.equal(server.lostEvents, 1);
});
