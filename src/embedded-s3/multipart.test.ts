import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import * as sdk from "@aws-sdk/client-s3";
import { connect, type SdkClient } from "../../test/support/sdk.ts";
import { type RunningEmbeddedS3, startEmbeddedS3 } from "./server.ts";

const credentials = { accessKeyId: "key", secretAccessKey: "secret" };
const bucket = "multipart";
const PART = 1024;

let server: RunningEmbeddedS3;
let client: SdkClient;

before(async () => {
  server = await startEmbeddedS3({ credentials, limits: { minPartBytes: PART } });
  client = connect({ endpoint: server.endpoint, region: "us-east-1", credentials });
  await client.createBucket(bucket);
});

after(async () => {
  client[Symbol.dispose]();
  await server.close();
});

const create = async (Key: string, input: Partial<sdk.CreateMultipartUploadCommandInput> = {}) => {
  const { UploadId } = await client.s3.send(new sdk.CreateMultipartUploadCommand({ Bucket: bucket, Key, ...input }));
  return { Bucket: bucket, Key, UploadId };
};
type Upload = Awaited<ReturnType<typeof create>>;

const upload = async (at: Upload, PartNumber: number, Body: Uint8Array | string): Promise<sdk.CompletedPart> => {
  const { ETag, ChecksumCRC32 } = await client.s3.send(new sdk.UploadPartCommand({ ...at, PartNumber, Body }));
  return { PartNumber, ETag, ChecksumCRC32 };
};
const complete = (at: Upload, Parts: sdk.CompletedPart[], input: Partial<sdk.CompleteMultipartUploadCommandInput> = {}) =>
  client.s3.send(new sdk.CompleteMultipartUploadCommand({ ...at, MultipartUpload: { Parts }, ...input }));

async function code(request: Promise<unknown>): Promise<string> {
  return request.then(
    () => "succeeded",
    (error: Error) => error.name,
  );
}

const md5 = (...pieces: (Uint8Array | string)[]) => {
  const hash = createHash("md5");
  for (const piece of pieces) hash.update(piece);
  return hash.digest();
};

test("the parts make one object with the attributes of the upload and an ETag of their MD5s", async () => {
  const at = await create("whole", { ContentType: "text/x", Metadata: { a: "b" }, Tagging: "t=1", StorageClass: "STANDARD_IA" });
  const first = Buffer.alloc(PART, 1);
  const parts = [await upload(at, 1, first), await upload(at, 2, "tail")];
  const { ETag } = await complete(at, parts);
  assert.equal(ETag, `"${md5(md5(first), md5("tail")).toString("hex")}-2"`);
  const found = await client.s3.send(new sdk.HeadObjectCommand({ Bucket: bucket, Key: "whole" }));
  assert.deepEqual([found.ETag, found.ContentLength, found.ContentType, found.Metadata], [ETag, PART + 4, "text/x", { a: "b" }]);
  assert.deepEqual([found.StorageClass, found.TagCount, found.PartsCount], ["STANDARD_IA", 1, undefined]);
  assert.ok((await client.get(bucket, "whole"))?.body.equals(Buffer.concat([first, Buffer.from("tail")])));
  assert.equal(await code(complete(at, parts)), "NoSuchUpload");
});

test("each part of an object can be asked for by its place, gapped numbers or not", async () => {
  const at = await create("gapped");
  const bodies = [Buffer.alloc(PART, 1), Buffer.alloc(PART + 1, 2), Buffer.from("3")];
  const parts = [await upload(at, 2, bodies[0]!), await upload(at, 7, bodies[1]!), await upload(at, 10_000, bodies[2]!)];
  await complete(at, parts);
  for (const [index, body] of bodies.entries()) {
    const asked = { Bucket: bucket, Key: "gapped", PartNumber: index + 1 };
    const head = await client.s3.send(new sdk.HeadObjectCommand(asked));
    assert.deepEqual([head.$metadata.httpStatusCode, head.PartsCount, head.ContentLength], [206, 3, body.length]);
    const got = await client.s3.send(new sdk.GetObjectCommand(asked));
    const start = bodies.slice(0, index).reduce((sum, { length }) => sum + length, 0);
    assert.equal(got.ContentRange, `bytes ${start}-${start + body.length - 1}/${2 * PART + 2}`);
    assert.ok(Buffer.from((await got.Body?.transformToByteArray()) ?? []).equals(body));
  }
  const fourth = client.s3.send(new sdk.GetObjectCommand({ Bucket: bucket, Key: "gapped", PartNumber: 4 }));
  assert.equal(await code(fourth), "InvalidPartNumber");
  await client.put(bucket, "single", { body: "one" });
  const single = await client.s3.send(new sdk.HeadObjectCommand({ Bucket: bucket, Key: "single", PartNumber: 1 }));
  assert.deepEqual([single.$metadata.httpStatusCode, single.PartsCount, single.ContentLength], [206, undefined, 3]);
});

test("a list of parts that does not fit what was uploaded is refused, and the upload stays", async () => {
  const at = await create("refused");
  const small = await upload(at, 1, "small");
  const second = await upload(at, 2, "second");
  assert.equal(await code(complete(at, [small, second])), "EntityTooSmall");
  assert.equal(await code(complete(at, [second, small])), "InvalidPartOrder");
  assert.equal(await code(complete(at, [small, small])), "InvalidPartOrder");
  assert.equal(await code(complete(at, [{ PartNumber: 1, ETag: '"0"' }])), "InvalidPart");
  assert.equal(await code(complete(at, [{ PartNumber: 3, ETag: second.ETag }])), "InvalidPart");
  assert.equal(await code(complete(at, [])), "MalformedXML");
  assert.equal(await code(complete(at, [second], { MpuObjectSize: 7 })), "InvalidRequest");
  assert.equal(await code(upload(at, 10_001, "x")), "InvalidArgument");
  await complete(at, [second], { MpuObjectSize: 6 });
  assert.equal((await client.get(bucket, "refused"))?.body.toString(), "second");
});

test("an upload completes only where its condition holds", async () => {
  const { etag } = await client.put(bucket, "conditional", { body: "there" });
  const at = await create("conditional");
  const part = await upload(at, 1, "new");
  assert.equal(await code(complete(at, [part], { IfNoneMatch: "*" })), "PreconditionFailed");
  assert.equal(await code(complete(at, [part], { IfMatch: '"0"' })), "PreconditionFailed");
  assert.equal((await client.get(bucket, "conditional"))?.body.toString(), "there");
  await complete(at, [part], { IfMatch: etag });
  assert.equal((await client.get(bucket, "conditional"))?.body.toString(), "new");
});

test("parts are copied whole or by range, and not past the end of their source", async () => {
  const body = Buffer.from(Array.from({ length: 2 * PART }, (_, index) => index % 251));
  await client.put(bucket, "source", { body });
  const at = await create("copied");
  const copyPart = (PartNumber: number, CopySourceRange?: string) =>
    client.s3.send(new sdk.UploadPartCopyCommand({ ...at, PartNumber, CopySource: `${bucket}/source`, CopySourceRange }));
  const first = await copyPart(1, `bytes=0-${PART - 1}`);
  const second = await copyPart(2, `bytes=${PART}-${2 * PART - 1}`);
  const third = await copyPart(3);
  assert.equal(await code(copyPart(4, `bytes=0-${2 * PART}`)), "InvalidArgument");
  assert.equal(await code(copyPart(4, "bytes=5-")), "InvalidArgument");
  const parts = [first, second, third].map(({ CopyPartResult }, index) => ({ PartNumber: index + 1, ETag: CopyPartResult?.ETag }));
  await complete(at, parts);
  assert.ok((await client.get(bucket, "copied"))?.body.equals(Buffer.concat([body, body])));
  const copiedAgain = await client.copy({ bucket, key: "copied" }, { bucket, key: "copied-again" });
  assert.equal(copiedAgain.etag, md5(body, body).toString("hex"));
});

test("an upload keeps the kind of checksum it announced", async () => {
  const composite = await create("composite", { ChecksumAlgorithm: "CRC32" });
  const parts = [await upload(composite, 1, Buffer.alloc(PART, 1)), await upload(composite, 2, "2")];
  const withoutChecksums = parts.map(({ PartNumber, ETag }) => ({ PartNumber, ETag }));
  assert.equal(await code(complete(composite, withoutChecksums)), "InvalidRequest");
  const done = await complete(composite, parts);
  assert.match(done.ChecksumCRC32 ?? "", /-2$/);
  const head = await client.s3.send(new sdk.HeadObjectCommand({ Bucket: bucket, Key: "composite", ChecksumMode: "ENABLED" }));
  assert.deepEqual([head.ChecksumCRC32, head.ChecksumType], [done.ChecksumCRC32, "COMPOSITE"]);

  const full = await create("full", { ChecksumAlgorithm: "CRC32", ChecksumType: "FULL_OBJECT" });
  const fullParts = [await upload(full, 1, Buffer.alloc(PART, 1)), await upload(full, 2, "2")];
  assert.equal(await code(complete(full, fullParts, { ChecksumCRC32: "AAAAAA==" })), "BadDigest");
  const whole = await complete(full, fullParts);
  const single = await client.s3.send(
    new sdk.PutObjectCommand({ Bucket: bucket, Key: "s", Body: Buffer.concat([Buffer.alloc(PART, 1), Buffer.from("2")]) }),
  );
  assert.deepEqual([whole.ChecksumCRC32, whole.ChecksumType], [single.ChecksumCRC32, "FULL_OBJECT"]);
  assert.equal(await code(create("x", { ChecksumAlgorithm: "SHA256", ChecksumType: "FULL_OBJECT" })), "InvalidRequest");
  assert.equal(await code(create("x", { ChecksumAlgorithm: "CRC64NVME", ChecksumType: "COMPOSITE" })), "InvalidRequest");
});

test("uploads and their parts are listed page by page, and an aborted one is gone", async () => {
  await client.createBucket("uploads");
  const begin = async (Key: string) => ({
    Bucket: "uploads",
    Key,
    UploadId: (await client.s3.send(new sdk.CreateMultipartUploadCommand({ Bucket: "uploads", Key }))).UploadId,
  });
  const at = await begin("b/1");
  for (const key of ["a", "a", "b/2", "c"]) await begin(key);
  const listed: (string | undefined)[] = [];
  const markers = { KeyMarker: undefined as string | undefined, UploadIdMarker: undefined as string | undefined };
  for (let more = true; more; ) {
    const page = await client.s3.send(new sdk.ListMultipartUploadsCommand({ Bucket: "uploads", MaxUploads: 2, ...markers }));
    listed.push(...(page.Uploads ?? []).map(({ Key }) => Key));
    more = page.IsTruncated === true;
    markers.KeyMarker = page.NextKeyMarker;
    markers.UploadIdMarker = page.NextUploadIdMarker;
  }
  assert.deepEqual(listed, ["a", "a", "b/1", "b/2", "c"]);
  const folded = await client.s3.send(new sdk.ListMultipartUploadsCommand({ Bucket: "uploads", Delimiter: "/" }));
  assert.deepEqual([folded.Uploads?.map(({ Key }) => Key), folded.CommonPrefixes?.map(({ Prefix }) => Prefix)], [["a", "a", "c"], ["b/"]]);
  for (const PartNumber of [3, 1, 2]) await client.s3.send(new sdk.UploadPartCommand({ ...at, PartNumber, Body: "x" }));
  const first = await client.s3.send(new sdk.ListPartsCommand({ ...at, MaxParts: 2 }));
  assert.deepEqual([first.Parts?.map(({ PartNumber }) => PartNumber), first.IsTruncated], [[1, 2], true]);
  const rest = await client.s3.send(new sdk.ListPartsCommand({ ...at, PartNumberMarker: first.NextPartNumberMarker }));
  assert.deepEqual([rest.Parts?.map(({ PartNumber }) => PartNumber), rest.IsTruncated], [[3], false]);
  await client.s3.send(new sdk.AbortMultipartUploadCommand(at));
  assert.equal(await code(client.s3.send(new sdk.ListPartsCommand(at))), "NoSuchUpload");
  assert.equal(await code(client.s3.send(new sdk.AbortMultipartUploadCommand(at))), "NoSuchUpload");
  assert.equal(await client.head("uploads", "b/1"), undefined);
});
