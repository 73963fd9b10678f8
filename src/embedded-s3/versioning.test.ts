import assert from "node:assert/strict";
import { test } from "node:test";
import * as sdk from "@aws-sdk/client-s3";
import { guardAgainstLeaks } from "../../test/support/leak-guard.ts";
import { connect, type SdkClient } from "../../test/support/sdk.ts";
import { startEmbeddedS3 } from "./server.ts";

guardAgainstLeaks();

const credentials = { accessKeyId: "key", secretAccessKey: "secret" };
const bucket = "versions";

async function withBucket(run: (client: SdkClient) => Promise<void>): Promise<void> {
  await using server = await startEmbeddedS3({ credentials });
  using client = connect({ endpoint: server.endpoint, region: "us-east-1", credentials });
  await client.createBucket(bucket);
  await run(client);
}

function setVersioning(client: SdkClient, Status: "Enabled" | "Suspended"): Promise<unknown> {
  return client.s3.send(new sdk.PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status } }));
}

async function failure(request: Promise<unknown>): Promise<sdk.S3ServiceException> {
  return request.then(
    () => assert.fail("the request succeeded"),
    (error) => error,
  );
}

test("every write to a versioned bucket keeps the versions before it", async () => {
  await withBucket(async (client) => {
    await setVersioning(client, "Enabled");
    const one = await client.put(bucket, "k", { body: "one" });
    const two = await client.put(bucket, "k", { body: "two" });
    assert.notEqual(one.versionId, two.versionId);
    assert.equal((await client.get(bucket, "k"))?.body.toString(), "two");
    assert.equal((await client.get(bucket, "k", one.versionId))?.body.toString(), "one");
    assert.equal((await client.head(bucket, "k"))?.versionId, two.versionId);
    assert.deepEqual(
      (await client.versions(bucket)).map(({ versionId, isLatest }) => [versionId, isLatest]),
      [
        [two.versionId, true],
        [one.versionId, false],
      ],
    );
    await client.copy({ bucket, key: "k", versionId: one.versionId! }, { bucket, key: "k" });
    assert.equal((await client.get(bucket, "k"))?.body.toString(), "one");
  });
});

test("a delete makes a delete marker, also for a key that never was, and removing the marker brings the object back", async () => {
  await withBucket(async (client) => {
    await setVersioning(client, "Enabled");
    const { versionId } = await client.put(bucket, "k", { body: "one" });
    const deleted = await client.s3.send(new sdk.DeleteObjectCommand({ Bucket: bucket, Key: "k" }));
    assert.equal(deleted.DeleteMarker, true);
    const gone = await failure(client.s3.send(new sdk.GetObjectCommand({ Bucket: bucket, Key: "k" })));
    assert.equal(gone.name, "NoSuchKey");
    assert.equal(gone.$response?.headers["x-amz-delete-marker"], "true");
    const marker = { Bucket: bucket, Key: "k", VersionId: deleted.VersionId };
    const named = await failure(client.s3.send(new sdk.GetObjectCommand(marker)));
    assert.equal(named.name, "MethodNotAllowed");
    assert.equal(named.$metadata.httpStatusCode, 405);
    assert.ok(named.$response?.headers["last-modified"]);
    assert.deepEqual(await client.list(bucket), []);
    const undeleted = await client.s3.send(new sdk.DeleteObjectCommand(marker));
    assert.equal(undeleted.DeleteMarker, true);
    assert.equal((await client.head(bucket, "k"))?.versionId, versionId);
    await client.delete(bucket, "never");
    assert.equal((await client.versions(bucket, "never")).length, 1);
  });
});

test("a conditional write takes a delete marker for nothing", async () => {
  await withBucket(async (client) => {
    await setVersioning(client, "Enabled");
    const { etag } = await client.put(bucket, "k", { body: "one" });
    await client.delete(bucket, "k");
    const put = (input: Partial<sdk.PutObjectCommandInput>) =>
      client.s3.send(new sdk.PutObjectCommand({ Bucket: bucket, Key: "k", Body: "", ...input }));
    assert.equal((await failure(put({ IfMatch: etag }))).name, "NoSuchKey");
    await put({ IfNoneMatch: "*" });
  });
});

test("while versioning is suspended a write replaces the null version only", async () => {
  await withBucket(async (client) => {
    await client.put(bucket, "k", { body: "before" });
    await setVersioning(client, "Enabled");
    const { versionId } = await client.put(bucket, "k", { body: "kept" });
    await setVersioning(client, "Suspended");
    assert.equal((await client.put(bucket, "k", { body: "null one" })).versionId, undefined);
    assert.deepEqual(
      (await client.versions(bucket)).map((version) => version.versionId),
      ["null", versionId],
    );
    await client.delete(bucket, "k");
    const versions = await client.versions(bucket);
    assert.equal(versions.length, 2);
    assert.ok(versions.some((version) => version.deleteMarker && version.versionId === "null" && version.isLatest));
    await client.delete(bucket, "k", "null");
    assert.equal((await client.get(bucket, "k"))?.body.toString(), "kept");
  });
});

test("tags belong to a version", async () => {
  await withBucket(async (client) => {
    await setVersioning(client, "Enabled");
    const one = await client.put(bucket, "k", { body: "one", tags: { v: "1" } });
    await client.put(bucket, "k", { body: "two", tags: { v: "2" } });
    const Tagging = { TagSet: [{ Key: "v", Value: "1b" }] };
    await client.s3.send(new sdk.PutObjectTaggingCommand({ Bucket: bucket, Key: "k", VersionId: one.versionId, Tagging }));
    assert.deepEqual(await client.tags(bucket, "k", one.versionId), { v: "1b" });
    assert.deepEqual(await client.tags(bucket, "k"), { v: "2" });
    assert.equal((await client.versions(bucket)).length, 2);
  });
});

test("a version that is not there is told from a malformed one", async () => {
  await withBucket(async (client) => {
    await setVersioning(client, "Enabled");
    await client.put(bucket, "k", { body: "one" });
    const get = (VersionId: string) => client.s3.send(new sdk.GetObjectCommand({ Bucket: bucket, Key: "k", VersionId }));
    assert.equal((await failure(get("0".repeat(32)))).name, "NoSuchVersion");
    assert.equal((await failure(get("no version/id"))).name, "InvalidArgument");
  });
});

test("paging by versions lists every version once, whatever the page size", async () => {
  await withBucket(async (client) => {
    await setVersioning(client, "Enabled");
    for (const key of ["a", "b/1", "b/2", "c"]) for (const body of ["1", "2", "3"]) await client.put(bucket, key, { body });
    await client.delete(bucket, "b/1");
    const all = (await client.versions(bucket)).length;
    assert.equal(all, 13);
    for (const MaxKeys of [1, 2, 3, 5]) {
      const seen = new Set<string>();
      let count = 0;
      const page = { KeyMarker: undefined as string | undefined, VersionIdMarker: undefined as string | undefined };
      for (let more = true; more; ) {
        const answer = await client.s3.send(new sdk.ListObjectVersionsCommand({ Bucket: bucket, MaxKeys, ...page }));
        const entries = [...(answer.Versions ?? []), ...(answer.DeleteMarkers ?? [])];
        assert.ok(entries.length <= MaxKeys);
        for (const { Key, VersionId } of entries) seen.add(`${Key} ${VersionId}`);
        count += entries.length;
        more = answer.IsTruncated === true;
        page.KeyMarker = answer.NextKeyMarker;
        page.VersionIdMarker = answer.NextVersionIdMarker;
      }
      assert.deepEqual([count, seen.size], [all, all]);
    }
  });
});
