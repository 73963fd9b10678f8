import assert from "node:assert/strict";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, test } from "node:test";
import { type BotoClient, startBoto } from "./boto.ts";
import { aws, rclone } from "./clients.ts";
import { guardAgainstLeaks } from "./leak-guard.ts";
import { startMinio } from "./minio.ts";
import { startMoto } from "./moto.ts";
import type { ObjectClient } from "./object-client.ts";
import { connect, type SdkClient } from "./sdk.ts";
import type { RealServer, S3Endpoint } from "./server.ts";
import { startVersitygw } from "./versitygw.ts";
import { waitFor } from "./wait-for.ts";

const servers: Record<string, () => Promise<RealServer>> = {
  minio: startMinio,
  "minio over TLS": () => startMinio({ tls: true }),
  versitygw: startVersitygw,
  moto: startMoto,
};
const clients: Record<string, (server: S3Endpoint) => Promise<SdkClient | BotoClient>> = {
  "the AWS SDK": async (server) => connect(server),
  boto3: startBoto,
};
const content = {
  body: "body",
  contentType: "text/x-odd",
  cacheControl: "max-age=61",
  metadata: { origin: "seed" },
  tags: { env: "prod", team: "blue one" },
};

describe("real servers", { concurrency: false }, () => {
  guardAgainstLeaks();
  for (const [serverName, start] of Object.entries(servers)) {
    test(`${serverName} serves every client`, async () => {
      await using server = await start();
      for (const [clientName, open] of Object.entries(clients)) {
        await using stack = new AsyncDisposableStack();
        const client = await open(server);
        stack.use(client);
        await exercise(client, clientName.replaceAll(" ", "-").toLowerCase());
      }
    });
  }

  test("the AWS CLI and rclone work from MinIO to the versity gateway", async () => {
    await using source = await startMinio();
    await using destination = await startVersitygw();
    await aws(source, "s3api", "create-bucket", "--bucket", "src");
    await aws(source, "s3api", "put-object", "--bucket", "src", "--key", "a b");
    await aws(destination, "s3", "mb", "s3://dst");
    await rclone({ a: source, b: destination }, "sync", "a:src", "b:dst");
    assert.match(await aws(destination, "s3", "ls", "s3://dst"), /0 a b\n$/);
  });

  test("MinIO sends the events of a bucket, and comes back with its data after a kill", async () => {
    await using hook = await startHook();
    await using server = await startMinio({ webhook: { id: "HOOK", endpoint: `${hook.url}/events`, token: "secret", queue: false } });
    using client = connect(server);
    await client.createBucket("src");
    await server.addEvents("src");
    await client.put("src", "a b", content);
    await waitFor("the event", () => hook.bodies.some((body) => body.includes('"s3:ObjectCreated:Put"')));
    assert.equal(hook.headers[0]?.authorization, "Bearer secret");
    await server.kill();
    await assert.rejects(client.head("src", "a b"));
    await server.start();
    assert.equal((await client.head("src", "a b"))?.metadata["origin"], "seed");
  });

  test("the versity gateway sends the events of all buckets, each of what happened, however busy it is", async () => {
    await using hook = await startHook();
    await using server = await startVersitygw({ webhookUrl: hook.url });
    using client = connect(server);
    const buckets = ["first-bucket", "second-bucket", "bucket-3"];
    for (const bucket of buckets) await client.createBucket(bucket);
    const written = buckets.flatMap((bucket) => Array.from({ length: 200 }, (_, i) => ({ bucket, key: `${bucket.at(-1)}-${i}` })));
    for (const { bucket, key } of written) {
      const noise = buckets.map((other) => client.head(other, "something else"));
      await client.put(bucket, key, content);
      await Promise.all(noise);
    }
    await waitFor("as many events", () => writesIn(hook.bodies).length === written.length);
    assert.deepEqual(writesIn(hook.bodies).sort(), written.map(({ bucket, key }) => `${bucket}/${key}`).sort());
  });

  test("a server whose process is held answers again when it is let go", async () => {
    await using server = await startVersitygw();
    using client = connect(server);
    server.suspend();
    const created = client.createBucket("held");
    server.resume();
    await created;
  });
});

async function exercise(client: ObjectClient, bucket: string): Promise<void> {
  await client.createBucket(bucket, { versioning: true });
  const key = "dir/ä b+c%20.txt";
  const first = await client.put(bucket, key, content);
  const second = await client.put(bucket, key, { ...content, body: "two" });
  assert.equal((await client.get(bucket, key))?.body.toString(), "two");
  const old = await client.get(bucket, key, first.versionId);
  assert.deepEqual(
    [old?.body.toString(), old?.contentType, old?.cacheControl, old?.metadata],
    ["body", "text/x-odd", "max-age=61", { origin: "seed" }],
  );
  assert.deepEqual(await client.tags(bucket, key), content.tags);
  await client.setTags(bucket, key, { x: "y" });
  assert.deepEqual(await client.tags(bucket, key, second.versionId), { x: "y" });

  const parts = [Buffer.alloc(5 << 20, 1), Buffer.alloc(3, 2)];
  const { body: _, ...attributes } = content;
  assert.match((await client.putMultipart(bucket, "multi", { ...attributes, parts })).etag, /-2$/);
  await client.copy({ bucket, key: "multi" }, { bucket, key: "copy" });
  assert.equal((await client.head(bucket, "copy"))?.sizeBytes, (5 << 20) + 3);

  await client.delete(bucket, key);
  assert.equal(await client.head(bucket, key), undefined);
  assert.deepEqual(
    (await client.list(bucket)).map((entry) => entry.key),
    ["copy", "multi"],
  );
  const versions = (await client.versions(bucket, "dir/")).toSorted((a, b) => Number(b.isLatest) - Number(a.isLatest));
  assert.deepEqual(
    versions.map((entry) => entry.deleteMarker),
    [true, false, false],
  );
  assert.equal(await client.get(bucket, "none"), undefined);
  await assert.rejects(client.head("no-such-bucket-here", "k").then((found) => assert.ok(found)));
}

interface EventBody {
  readonly Records?: readonly { readonly s3: { readonly bucket: { readonly name: string }; readonly object: { readonly key: string } } }[];
}

/** What was written, as the gateway tells it; its test event has no records. */
function writesIn(bodies: readonly string[]): string[] {
  const records = bodies.flatMap((body) => (JSON.parse(body) as EventBody).Records ?? []);
  return records.map(({ s3 }) => `${s3.bucket.name}/${s3.object.key}`);
}

interface Hook extends AsyncDisposable {
  readonly url: string;
  readonly bodies: string[];
  readonly headers: IncomingHttpHeaders[];
}

async function startHook(): Promise<Hook> {
  const bodies: string[] = [];
  const headers: IncomingHttpHeaders[] = [];
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString();
    if (body) {
      bodies.push(body);
      headers.push(request.headers);
    }
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await server[Symbol.asyncDispose]();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, bodies, headers, [Symbol.asyncDispose]: close };
}
