import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import * as sdk from "@aws-sdk/client-s3";
import { connect, type SdkClient } from "../../test/support/sdk.ts";
import { type RunningEmbeddedS3, startEmbeddedS3 } from "./server.ts";

const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret/with+odd=characters" };
const bucket = "objects";
const KIB = 1024;

let server: RunningEmbeddedS3;
let client: SdkClient;

before(async () => {
  server = await startEmbeddedS3({ credentials, limits: { maxCopyBytes: 64 * KIB } });
  client = connect({ endpoint: server.endpoint, region: "us-east-1", credentials });
  await client.createBucket(bucket);
});

after(async () => {
  client[Symbol.dispose]();
  await server.close();
});

async function refusal(request: Promise<unknown>): Promise<{ readonly code: string; readonly status: number | undefined }> {
  try {
    await request;
  } catch (error) {
    if (!(error instanceof sdk.S3ServiceException)) throw error;
    return { code: error.name, status: error.$metadata.httpStatusCode };
  }
  throw new Error("the request succeeded");
}

const put = (key: string, input: Partial<sdk.PutObjectCommandInput> = {}) =>
  client.s3.send(new sdk.PutObjectCommand({ Bucket: bucket, Key: key, Body: "body", ...input }));
const head = (key: string, input: Partial<sdk.HeadObjectCommandInput> = {}) =>
  client.s3.send(new sdk.HeadObjectCommand({ Bucket: bucket, Key: key, ...input }));
const get = (key: string, input: Partial<sdk.GetObjectCommandInput> = {}) =>
  client.s3.send(new sdk.GetObjectCommand({ Bucket: bucket, Key: key, ...input }));
const copy = (source: string, key: string, input: Partial<sdk.CopyObjectCommandInput> = {}) =>
  client.s3.send(new sdk.CopyObjectCommand({ Bucket: bucket, Key: key, CopySource: `${bucket}/${source}`, ...input }));

test("a key is kept byte for byte, whatever is in it", async () => {
  const keys = [
    "a//b",
    "/lead",
    "./x",
    "../x",
    "a/../b",
    "a/.",
    "dir/",
    "a",
    "a/b",
    "\u0001\t\n\r\u007f",
    "🎉 + % & <>\"'",
    "～",
    "é",
    "e\u0301",
  ];
  keys.push("x".repeat(1024), "%2F", "a+b", "a b", "?q=1#f", "\\", "*:;,=@$!~()[]{}|^`");
  for (const key of keys) {
    await put(key, { Body: key });
    const copied = `copied/${key.slice(0, 1000)}`;
    await client.copy({ bucket, key }, { bucket, key: copied });
    assert.equal((await client.get(bucket, copied))?.body.toString(), key);
    await client.delete(bucket, copied);
  }
  for (const key of keys) assert.equal((await client.get(bucket, key))?.body.toString(), key);
  assert.deepEqual(new Set((await client.list(bucket)).map((listed) => listed.key)), new Set(keys));
  const Delete = { Objects: keys.map((Key) => ({ Key })) };
  const deleted = await client.s3.send(new sdk.DeleteObjectsCommand({ Bucket: bucket, Delete }));
  assert.equal(deleted.Deleted?.length, keys.length);
  assert.deepEqual(await client.list(bucket), []);
});

test("a key of more than 1,024 bytes is refused, however few characters it has", async () => {
  assert.deepEqual(await refusal(put("é".repeat(513))), { code: "KeyTooLongError", status: 400 });
});

test("everything beside the bytes comes back as it was sent", async () => {
  await put("attributes", {
    Body: "",
    CacheControl: "max-age=1, no-transform",
    ContentDisposition: 'attachment; filename="a b.txt"',
    ContentEncoding: "gzip",
    ContentLanguage: "de, en",
    ContentType: "text/x-odd; charset=utf-8",
    Metadata: { Mixed: "Case kept", empty: "", rfc: "=?UTF-8?B?Z3LDvMOfZQ==?=" },
    StorageClass: "STANDARD_IA",
    Tagging: "a=1&b=%C3%BC%20x",
    WebsiteRedirectLocation: "/elsewhere",
  });
  const found = await head("attributes");
  assert.equal(found.CacheControl, "max-age=1, no-transform");
  assert.equal(found.ContentDisposition, 'attachment; filename="a b.txt"');
  assert.equal(found.ContentEncoding, "gzip");
  assert.equal(found.ContentLanguage, "de, en");
  assert.equal(found.ContentType, "text/x-odd; charset=utf-8");
  assert.deepEqual(found.Metadata, { mixed: "Case kept", empty: "", rfc: "=?UTF-8?B?Z3LDvMOfZQ==?=" });
  assert.equal(found.StorageClass, "STANDARD_IA");
  assert.equal(found.WebsiteRedirectLocation, "/elsewhere");
  assert.equal(found.TagCount, 2);
  assert.equal((await get("attributes")).TagCount, 2);
  assert.deepEqual(await client.tags(bucket, "attributes"), { a: "1", b: "ü x" });
  assert.equal((found.LastModified?.getTime() ?? 1) % 1000, 0);
});

test("an object without attributes has S3's defaults", async () => {
  await put("plain");
  const found = await head("plain");
  assert.equal(found.StorageClass, undefined);
  assert.equal(found.TagCount, undefined);
  assert.equal(found.VersionId, undefined);
  assert.equal(found.ETag, `"${createHash("md5").update("body").digest("hex")}"`);
  const listed = await client.s3.send(new sdk.ListObjectsV2Command({ Bucket: bucket, Prefix: "plain" }));
  assert.equal(listed.Contents?.[0]?.StorageClass, "STANDARD");
});

test("more than 2 KB of user metadata is refused", async () => {
  await put("metadata", { Metadata: { a: "x".repeat(2047) } });
  assert.deepEqual(await refusal(put("metadata", { Metadata: { a: "x".repeat(2048) } })), { code: "MetadataTooLarge", status: 400 });
});

test("a conditional write succeeds only where its condition holds", async () => {
  const first = await put("conditional", { IfNoneMatch: "*" });
  assert.deepEqual(await refusal(put("conditional", { IfNoneMatch: "*" })), { code: "PreconditionFailed", status: 412 });
  assert.deepEqual(await refusal(put("conditional", { IfMatch: '"0"' })), { code: "PreconditionFailed", status: 412 });
  assert.deepEqual(await refusal(put("nothing-here", { IfMatch: first.ETag })), { code: "NoSuchKey", status: 404 });
  assert.deepEqual(await refusal(put("conditional", { IfNoneMatch: first.ETag })), { code: "NotImplemented", status: 501 });
  const second = await put("conditional", { IfMatch: first.ETag, Body: "second" });
  assert.equal((await head("conditional")).ETag, second.ETag);
  assert.deepEqual(await refusal(copy("conditional", "conditional-copy", { IfMatch: second.ETag })), { code: "NoSuchKey", status: 404 });
  await copy("conditional", "conditional-copy", { IfNoneMatch: "*" });
  assert.equal((await refusal(copy("conditional", "conditional-copy", { IfNoneMatch: "*" }))).status, 412);
  assert.equal((await refusal(copy("conditional", "conditional-copy", { IfMatch: '"0"' }))).status, 412);
});

test("of 20 racing writes of a key that must be new exactly one wins", async () => {
  const races = Array.from({ length: 20 }, (_, index) => put("raced", { IfNoneMatch: "*", Body: String(index) }));
  const results = await Promise.allSettled(races);
  assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
});

test("a conditional delete removes only what its writer saw", async () => {
  const { ETag } = await put("deleted");
  const remove = (key: string, IfMatch: string | undefined) =>
    client.s3.send(new sdk.DeleteObjectCommand({ Bucket: bucket, Key: key, IfMatch }));
  assert.equal((await refusal(remove("deleted", '"0"'))).status, 412);
  assert.equal((await refusal(remove("deleted-never-there", ETag))).status, 404);
  await remove("deleted", ETag);
  assert.equal(await client.head(bucket, "deleted"), undefined);
  await put("deleted");
  await remove("deleted", "*");
  await client.delete(bucket, "deleted");
});

test("a conditional read answers 412 or 304 as HTTP wants it", async () => {
  const { ETag } = await put("read");
  const earlier = new Date(Date.now() - 3_600_000);
  const later = new Date(Date.now() + 3_600_000);
  await get("read", { IfMatch: ETag, IfUnmodifiedSince: earlier });
  await get("read", { IfNoneMatch: '"0"', IfModifiedSince: later });
  assert.equal((await refusal(get("read", { IfMatch: '"0"' }))).status, 412);
  assert.equal((await refusal(get("read", { IfUnmodifiedSince: earlier }))).status, 412);
  assert.equal((await refusal(get("read", { IfNoneMatch: ETag }))).status, 304);
  assert.equal((await refusal(head("read", { IfModifiedSince: later }))).status, 304);
});

test("a range is cut out of the object, and one behind its end is refused with 416", async () => {
  await put("range", { Body: "0123456789" });
  const read = async (Range: string) => {
    const answer = await get("range", { Range });
    return [answer.$metadata.httpStatusCode, answer.ContentRange, await answer.Body?.transformToString()];
  };
  assert.deepEqual(await read("bytes=2-4"), [206, "bytes 2-4/10", "234"]);
  assert.deepEqual(await read("bytes=7-"), [206, "bytes 7-9/10", "789"]);
  assert.deepEqual(await read("bytes=7-100"), [206, "bytes 7-9/10", "789"]);
  assert.deepEqual(await read("bytes=-3"), [206, "bytes 7-9/10", "789"]);
  assert.deepEqual(await read("bytes=0-1,3-4"), [200, undefined, "0123456789"]);
  assert.deepEqual(await refusal(get("range", { Range: "bytes=10-" })), { code: "InvalidRange", status: 416 });
  await put("range-empty", { Body: "" });
  assert.equal((await refusal(get("range-empty", { Range: "bytes=0-0" }))).status, 416);
});

test("a copy keeps metadata and tags but neither class nor redirect, unless it replaces them", async () => {
  const source = {
    CacheControl: "no-cache",
    Metadata: { m: "1" },
    StorageClass: "STANDARD_IA",
    Tagging: "t=1",
    WebsiteRedirectLocation: "/w",
  };
  await put("copy-source", source as Partial<sdk.PutObjectCommandInput>);
  await copy("copy-source", "copy-kept");
  const kept = await head("copy-kept");
  assert.deepEqual([kept.CacheControl, kept.Metadata, kept.StorageClass], ["no-cache", { m: "1" }, undefined]);
  assert.equal(kept.WebsiteRedirectLocation, undefined);
  assert.deepEqual(await client.tags(bucket, "copy-kept"), { t: "1" });
  await copy("copy-source", "copy-replaced", {
    MetadataDirective: "REPLACE",
    Metadata: { n: "2" },
    TaggingDirective: "REPLACE",
    Tagging: "u=2",
    StorageClass: "GLACIER_IR",
  });
  const replaced = await head("copy-replaced");
  assert.deepEqual([replaced.CacheControl, replaced.Metadata, replaced.StorageClass], [undefined, { n: "2" }, "GLACIER_IR"]);
  assert.deepEqual(await client.tags(bucket, "copy-replaced"), { u: "2" });
});

test("a copy that would change nothing, is too large, or whose condition does not hold is refused", async () => {
  const { ETag } = await put("copied");
  assert.deepEqual(await refusal(copy("copied", "copied")), { code: "InvalidRequest", status: 400 });
  await copy("copied", "copied", { MetadataDirective: "REPLACE" });
  await copy("copied", "copied", { StorageClass: "STANDARD_IA" });
  assert.equal((await refusal(copy("copied", "c", { CopySourceIfMatch: '"0"' }))).status, 412);
  assert.equal((await refusal(copy("copied", "c", { CopySourceIfNoneMatch: ETag }))).status, 412);
  assert.equal((await refusal(copy("copied", "c", { CopySourceIfUnmodifiedSince: new Date(0) }))).status, 412);
  assert.equal((await refusal(copy("copied", "c", { CopySourceIfModifiedSince: new Date(Date.now() + 60_000) }))).status, 412);
  assert.deepEqual(await refusal(copy("no-such-key", "c")), { code: "NoSuchKey", status: 404 });
  assert.deepEqual(await refusal(copy("x", "c", { CopySource: "no-such-bucket/x" })), { code: "NoSuchBucket", status: 404 });
  await put("large", { Body: Buffer.alloc(64 * KIB + 1) });
  assert.deepEqual(await refusal(copy("large", "c")), { code: "InvalidRequest", status: 400 });
});

test("tags are replaced whole, change neither ETag nor date, and are limited", async () => {
  const { ETag } = await put("tagged", { Tagging: "a=1" });
  await client.setTags(bucket, "tagged", { b: "2", __proto: "3" });
  assert.deepEqual(await client.tags(bucket, "tagged"), { b: "2", __proto: "3" });
  assert.equal((await head("tagged")).ETag, ETag);
  await client.s3.send(new sdk.DeleteObjectTaggingCommand({ Bucket: bucket, Key: "tagged" }));
  assert.deepEqual(await client.tags(bucket, "tagged"), {});
  const eleven = Object.fromEntries(Array.from({ length: 11 }, (_, index) => [`k${index}`, ""]));
  assert.deepEqual(await refusal(client.setTags(bucket, "tagged", eleven)), { code: "BadRequest", status: 400 });
  assert.deepEqual(await refusal(client.setTags(bucket, "tagged", { ["k".repeat(129)]: "" })), { code: "InvalidTag", status: 400 });
  assert.deepEqual(await refusal(client.setTags(bucket, "tagged", { k: "v".repeat(257) })), { code: "InvalidTag", status: 400 });
  assert.deepEqual(await refusal(put("tagged", { Tagging: "a=1&a=2" })), { code: "InvalidArgument", status: 400 });
});

test("a checksum is stored and returned, a wrong one is refused and nothing is stored", async () => {
  for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "SHA1", "SHA256"] as const) {
    const written = await put("checksum", { ChecksumAlgorithm, Body: ChecksumAlgorithm });
    const field = `Checksum${ChecksumAlgorithm}` as const;
    const found = await head("checksum", { ChecksumMode: "ENABLED" });
    assert.ok(written[field]);
    assert.equal(found[field], written[field]);
    assert.equal(found.ChecksumType, "FULL_OBJECT");
    await copy("checksum", "checksum-copy");
    assert.equal((await head("checksum-copy", { ChecksumMode: "ENABLED" }))[field], written[field]);
  }
  assert.deepEqual(await refusal(put("wrong", { ChecksumCRC32: "AAAAAA==" })), { code: "BadDigest", status: 400 });
  assert.deepEqual(await refusal(put("wrong", { ChecksumCRC32: "AAAA" })), { code: "InvalidRequest", status: 400 });
  assert.deepEqual(await refusal(put("wrong", { ContentMD5: createHash("md5").update("other").digest("base64") })), {
    code: "BadDigest",
    status: 400,
  });
  assert.deepEqual(await refusal(put("wrong", { ContentMD5: "AAAA" })), { code: "InvalidDigest", status: 400 });
  assert.equal(await client.head(bucket, "wrong"), undefined);
});

test("an archived object can be seen but neither read nor copied", async () => {
  await put("archived", { StorageClass: "DEEP_ARCHIVE" });
  assert.equal((await head("archived")).StorageClass, "DEEP_ARCHIVE");
  assert.deepEqual(await refusal(get("archived")), { code: "InvalidObjectState", status: 403 });
  assert.equal((await refusal(copy("archived", "c"))).status, 403);
  assert.deepEqual(await refusal(put("class", { StorageClass: "NONSENSE" as sdk.StorageClass })), {
    code: "InvalidStorageClass",
    status: 400,
  });
});

test("what this store does not have is refused, never ignored", async () => {
  assert.equal((await refusal(put("x", { ServerSideEncryption: "aws:kms" }))).code, "NotImplemented");
  assert.equal((await refusal(put("x", { ServerSideEncryption: "aws:kms:dsse" }))).code, "InvalidArgument");
  assert.equal((await refusal(put("x", { ExpectedBucketOwner: "111122223333" }))).code, "AccessDenied");
  assert.equal((await refusal(put("x", { ACL: "public-read" }))).code, "AccessControlListNotSupported");
  assert.equal((await refusal(put("x", { ObjectLockLegalHoldStatus: "ON" }))).code, "InvalidRequest");
  const at = { Bucket: bucket };
  assert.equal((await refusal(client.s3.send(new sdk.GetBucketAclCommand(at)))).code, "NotImplemented");
  assert.equal((await refusal(client.s3.send(new sdk.GetBucketReplicationCommand(at)))).code, "NotImplemented");
  assert.equal((await refusal(client.s3.send(new sdk.GetBucketNotificationConfigurationCommand(at)))).code, "NotImplemented");
  assert.deepEqual(await refusal(client.s3.send(new sdk.GetObjectLockConfigurationCommand(at))), {
    code: "ObjectLockConfigurationNotFoundError",
    status: 404,
  });
  assert.deepEqual(await refusal(client.s3.send(new sdk.GetBucketWebsiteCommand(at))), { code: "NoSuchWebsiteConfiguration", status: 404 });
});

test("buckets are made once, listed by name, and deleted only when empty", async () => {
  await client.createBucket("second");
  assert.deepEqual(await refusal(client.createBucket("second")), { code: "BucketAlreadyOwnedByYou", status: 409 });
  assert.deepEqual(await refusal(client.createBucket("Not_A_Bucket")), { code: "InvalidBucketName", status: 400 });
  await client.put("second", "k", { body: "" });
  const names = (await client.s3.send(new sdk.ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name);
  assert.deepEqual(names, [bucket, "second"]);
  assert.deepEqual(await refusal(client.s3.send(new sdk.DeleteBucketCommand({ Bucket: "second" }))), {
    code: "BucketNotEmpty",
    status: 409,
  });
  await client.delete("second", "k");
  await client.s3.send(new sdk.DeleteBucketCommand({ Bucket: "second" }));
  assert.equal((await refusal(client.s3.send(new sdk.HeadBucketCommand({ Bucket: "second" })))).status, 404);
  assert.deepEqual(await refusal(client.put("second", "k", { body: "" })), { code: "NoSuchBucket", status: 404 });
  const location = await client.s3.send(new sdk.GetBucketLocationCommand({ Bucket: bucket }));
  assert.ok(!location.LocationConstraint);
});

test("a stream of unknown checksum is taken in chunks and stored without them", async () => {
  const body = Buffer.alloc(300 * KIB, "stream");
  const { Readable } = await import("node:stream");
  const pieces = Array.from({ length: 30 }, (_, index) => body.subarray(index * 10 * KIB, (index + 1) * 10 * KIB));
  await put("streamed", { Body: Readable.from(pieces), ContentLength: body.length, ContentEncoding: "gzip" });
  const found = await get("streamed");
  assert.equal(found.ContentEncoding, "gzip");
  assert.ok(Buffer.from((await found.Body?.transformToByteArray()) ?? []).equals(body));
});
