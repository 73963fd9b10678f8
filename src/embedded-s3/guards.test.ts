import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import * as sdk from "@aws-sdk/client-s3";
import { rawS3 } from "../../test/support/raw-s3.ts";
import { connect, type SdkClient } from "../../test/support/sdk.ts";
import { Body } from "./body.ts";
import { EmbeddedS3Model } from "./model.ts";
import { type RunningEmbeddedS3, startEmbeddedS3 } from "./server.ts";

const credentials = { accessKeyId: "key", secretAccessKey: "secret" };
const START = Date.UTC(2026, 0, 1);
const DAY_MS = 86_400_000;
const Key = "a";

let nowMs = START;
let server: RunningEmbeddedS3;
let client: SdkClient;

before(async () => {
  const model = new EmbeddedS3Model({ now: () => nowMs, limits: { minPartBytes: 1 }, encrypts: true });
  server = await startEmbeddedS3({ credentials, model });
  client = connect({ endpoint: server.endpoint, region: "us-east-1", credentials });
});
after(async () => {
  client[Symbol.dispose]();
  await server.close();
});

/** Makes a bucket of its own for one test and returns its name. */
async function makeBucket(options: Partial<sdk.CreateBucketCommandInput> = {}): Promise<string> {
  const Bucket = `bucket-${randomBytes(6).toString("hex")}`;
  await client.s3.send(new sdk.CreateBucketCommand({ Bucket, ...options }));
  return Bucket;
}

async function refusal(request: Promise<unknown>): Promise<string> {
  return request.then(
    () => assert.fail("the request succeeded"),
    (error: sdk.S3ServiceException) => `${error.$metadata.httpStatusCode} ${error.name}`,
  );
}

const put = (Bucket: string, input: Partial<sdk.PutObjectCommandInput> = {}) =>
  client.s3.send(new sdk.PutObjectCommand({ Bucket, Key, Body: "x", ChecksumAlgorithm: "CRC32", ...input }));
const head = (Bucket: string, input: Partial<sdk.HeadObjectCommandInput> = {}) =>
  client.s3.send(new sdk.HeadObjectCommand({ Bucket, Key, ...input }));
const remove = (Bucket: string, input: Partial<sdk.DeleteObjectCommandInput> = {}) =>
  client.s3.send(new sdk.DeleteObjectCommand({ Bucket, Key, ...input }));
const retain = (Bucket: string, Retention: sdk.ObjectLockRetention, input: Partial<sdk.PutObjectRetentionCommandInput> = {}) =>
  client.s3.send(new sdk.PutObjectRetentionCommand({ Bucket, Key, Retention, ...input }));
const inDays = (days: number) => new Date(nowMs + days * DAY_MS);
const md5 = (text: string) => createHash("md5").update(text).digest("hex");

test("a version under COMPLIANCE cannot be removed until its time is over, while a delete marker can always be made", async () => {
  const bucket = await makeBucket({ ObjectLockEnabledForBucket: true });
  const until = inDays(1);
  const { VersionId } = await put(bucket, { ObjectLockMode: "COMPLIANCE", ObjectLockRetainUntilDate: until });
  const state = await head(bucket);
  assert.deepEqual([state.ObjectLockMode, state.ObjectLockRetainUntilDate], ["COMPLIANCE", until]);
  assert.equal((await remove(bucket)).DeleteMarker, true);
  assert.equal(await refusal(remove(bucket, { VersionId })), "403 AccessDenied");
  assert.equal(await refusal(remove(bucket, { VersionId, BypassGovernanceRetention: true })), "403 AccessDenied");
  assert.equal(await refusal(retain(bucket, { Mode: "COMPLIANCE", RetainUntilDate: inDays(0.5) }, { VersionId })), "403 AccessDenied");
  await retain(bucket, { Mode: "COMPLIANCE", RetainUntilDate: inDays(2) }, { VersionId });
  nowMs += 2 * DAY_MS;
  await remove(bucket, { VersionId });
  assert.equal(await refusal(head(bucket, { VersionId })), "404 NotFound");
});

test("a version under GOVERNANCE is removed, and its retention lifted, only by who asks for a bypass", async () => {
  const bucket = await makeBucket({ ObjectLockEnabledForBucket: true });
  const { VersionId } = await put(bucket, { ObjectLockMode: "GOVERNANCE", ObjectLockRetainUntilDate: inDays(1) });
  assert.equal(await refusal(remove(bucket, { VersionId })), "403 AccessDenied");
  assert.equal(await refusal(retain(bucket, {})), "403 AccessDenied");
  await retain(bucket, {}, { BypassGovernanceRetention: true });
  const none = client.s3.send(new sdk.GetObjectRetentionCommand({ Bucket: bucket, Key }));
  assert.equal(await refusal(none), "404 NoSuchObjectLockConfiguration");
  await retain(bucket, { Mode: "GOVERNANCE", RetainUntilDate: inDays(1) });
  await retain(bucket, { Mode: "GOVERNANCE", RetainUntilDate: inDays(2) });
  assert.equal(await refusal(retain(bucket, { Mode: "COMPLIANCE", RetainUntilDate: inDays(3) })), "403 AccessDenied");
  await retain(bucket, { Mode: "COMPLIANCE", RetainUntilDate: inDays(1) }, { BypassGovernanceRetention: true });
  const { Retention } = await client.s3.send(new sdk.GetObjectRetentionCommand({ Bucket: bucket, Key }));
  assert.deepEqual(Retention, { Mode: "COMPLIANCE", RetainUntilDate: inDays(1) });
});

test("a legal hold holds until it is lifted, whatever the retention", async () => {
  const bucket = await makeBucket({ ObjectLockEnabledForBucket: true });
  const { VersionId } = await put(bucket, { ObjectLockLegalHoldStatus: "ON" });
  assert.equal((await head(bucket)).ObjectLockLegalHoldStatus, "ON");
  assert.equal(await refusal(remove(bucket, { VersionId, BypassGovernanceRetention: true })), "403 AccessDenied");
  await client.s3.send(new sdk.PutObjectLegalHoldCommand({ Bucket: bucket, Key, LegalHold: { Status: "OFF" } }));
  const { LegalHold } = await client.s3.send(new sdk.GetObjectLegalHoldCommand({ Bucket: bucket, Key }));
  assert.equal(LegalHold?.Status, "OFF");
  await remove(bucket, { VersionId });
});

test("a bucket with a default retention gives it to every object, also to those in parts", async () => {
  const bucket = await makeBucket();
  const lock = { ObjectLockEnabled: "Enabled", Rule: { DefaultRetention: { Mode: "GOVERNANCE", Days: 3 } } } as const;
  const configure = () => client.s3.send(new sdk.PutObjectLockConfigurationCommand({ Bucket: bucket, ObjectLockConfiguration: lock }));
  assert.equal(await refusal(configure()), "409 InvalidBucketState");
  const versioning = (Status: "Enabled" | "Suspended") =>
    client.s3.send(new sdk.PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status } }));
  await versioning("Enabled");
  await configure();
  assert.equal(await refusal(versioning("Suspended")), "409 InvalidBucketState");
  const found = await client.s3.send(new sdk.GetObjectLockConfigurationCommand({ Bucket: bucket }));
  assert.deepEqual(found.ObjectLockConfiguration, lock);
  await put(bucket);
  assert.deepEqual((await head(bucket)).ObjectLockRetainUntilDate, inDays(3));
  const { UploadId } = await client.s3.send(new sdk.CreateMultipartUploadCommand({ Bucket: bucket, Key: "parts" }));
  const part = { Bucket: bucket, Key: "parts", UploadId };
  const { ETag } = await client.s3.send(new sdk.UploadPartCommand({ ...part, PartNumber: 1, Body: "x" }));
  const MultipartUpload = { Parts: [{ ETag, PartNumber: 1 }] };
  await client.s3.send(new sdk.CompleteMultipartUploadCommand({ ...part, MultipartUpload }));
  assert.equal((await head(bucket, { Key: "parts" })).ObjectLockMode, "GOVERNANCE");
});

test("what S3 refuses of locks is refused", async () => {
  const [plain, locked] = [await makeBucket(), await makeBucket({ ObjectLockEnabledForBucket: true })];
  assert.equal(await refusal(put(plain, { ObjectLockLegalHoldStatus: "ON" })), "400 InvalidRequest");
  await put(plain);
  assert.equal(await refusal(retain(plain, { Mode: "GOVERNANCE", RetainUntilDate: inDays(1) })), "400 InvalidRequest");
  assert.equal(await refusal(put(locked, { ObjectLockMode: "GOVERNANCE" })), "400 InvalidArgument");
  const past = { ObjectLockMode: "GOVERNANCE", ObjectLockRetainUntilDate: inDays(-1) } as const;
  assert.equal(await refusal(put(locked, past)), "400 InvalidArgument");
  await put(locked, { ObjectLockLegalHoldStatus: "ON" });
  await client.s3.send(new sdk.CopyObjectCommand({ Bucket: locked, Key: "copy", CopySource: `${locked}/${Key}` }));
  assert.equal((await head(locked, { Key: "copy" })).ObjectLockLegalHoldStatus, undefined, "a copy has no lock of its source");
});

test("a locked bucket takes nothing that is to be kept and that no digest came with", async () => {
  const bucket = await makeBucket({ ObjectLockEnabledForBucket: true });
  const at = { method: "PUT", bucket, key: Key, body: "x" } as const;
  const endpoint = { endpoint: server.endpoint, region: "us-east-1", credentials };
  const held = { "x-amz-object-lock-legal-hold": "ON" };
  assert.equal((await rawS3(endpoint, { ...at, headers: held })).status, 400);
  const digest = createHash("md5").update("x").digest("base64");
  assert.equal((await rawS3(endpoint, { ...at, headers: { ...held, "content-md5": digest } })).status, 200);
  assert.equal((await rawS3(endpoint, at)).status, 200, "nothing is to be kept");
});

test("an ACL is kept and told where the bucket has ACLs, and refused where its owner owns all", async () => {
  const grantsOf = async (Bucket: string) => {
    const { Grants } = await client.s3.send(new sdk.GetObjectAclCommand({ Bucket, Key }));
    return Grants?.map(({ Grantee, Permission }) => [Grantee?.Type, Grantee?.URI?.split("/").at(-1), Permission]);
  };
  const owner = ["CanonicalUser", undefined, "FULL_CONTROL"];
  const setAcl = (Bucket: string, input: Partial<sdk.PutObjectAclCommandInput>) =>
    client.s3.send(new sdk.PutObjectAclCommand({ Bucket, Key, ...input }));

  const open = await makeBucket({ ObjectOwnership: "ObjectWriter" });
  await put(open, { ACL: "public-read" });
  assert.deepEqual(await grantsOf(open), [owner, ["Group", "AllUsers", "READ"]]);
  await setAcl(open, { ACL: "private" });
  assert.deepEqual(await grantsOf(open), [owner]);
  const { Grants, Owner } = await client.s3.send(new sdk.GetObjectAclCommand({ Bucket: open, Key }));
  const everyone = { Grantee: { Type: "Group", URI: "http://acs.amazonaws.com/groups/global/AllUsers" }, Permission: "READ" } as const;
  await setAcl(open, { AccessControlPolicy: { Owner, Grants: [...(Grants ?? []), everyone] } });
  assert.deepEqual(await grantsOf(open), [owner, ["Group", "AllUsers", "READ"]]);

  const enforced = await makeBucket();
  assert.equal(await refusal(put(enforced, { ACL: "public-read" })), "400 AccessControlListNotSupported");
  await put(enforced, { ACL: "bucket-owner-full-control" });
  assert.equal(await refusal(setAcl(enforced, { ACL: "private" })), "400 AccessControlListNotSupported");
  assert.deepEqual(await grantsOf(enforced), [owner]);
  const controls = await client.s3.send(new sdk.GetBucketOwnershipControlsCommand({ Bucket: enforced }));
  assert.equal(controls.OwnershipControls?.Rules?.[0]?.ObjectOwnership, "BucketOwnerEnforced");
});

test("encryption by the store keeps the ETag an MD5, a key of KMS does not, and both are told", async () => {
  const bucket = await makeBucket();
  const plain = await put(bucket, { ServerSideEncryption: "AES256" });
  assert.deepEqual([plain.ETag, plain.ServerSideEncryption], [`"${md5("x")}"`, "AES256"]);
  const kms = await put(bucket, { ServerSideEncryption: "aws:kms", SSEKMSKeyId: "arn:key" });
  assert.notEqual(kms.ETag, plain.ETag);
  const state = await head(bucket);
  assert.deepEqual([state.ServerSideEncryption, state.SSEKMSKeyId, state.ETag], ["aws:kms", "arn:key", kms.ETag]);
  const copied = await client.s3.send(new sdk.CopyObjectCommand({ Bucket: bucket, Key: "copy", CopySource: `${bucket}/${Key}` }));
  assert.equal(copied.CopyObjectResult?.ETag, plain.ETag, "a copy is encrypted as it is asked for");
  assert.equal(copied.ServerSideEncryption, undefined);
});

test("a store without key management refuses encryption, and ignores none of it", () => {
  const model = new EmbeddedS3Model();
  model.createBucket("bucket");
  const asked = { body: Body.of("x"), encryption: { type: "AES256" } } as const;
  assert.throws(() => model.putObject("bucket", Key, asked), { code: "NotImplemented" });
  assert.throws(() => model.createUpload("bucket", Key, asked), { code: "NotImplemented" });
});

test("what a client's key encrypted is told and read only with that key", async () => {
  const bucket = await makeBucket();
  const own = { SSECustomerAlgorithm: "AES256", SSECustomerKey: Buffer.alloc(32, 1).toString("base64") };
  const other = { SSECustomerAlgorithm: "AES256", SSECustomerKey: Buffer.alloc(32, 2).toString("base64") };
  const { ETag } = await put(bucket, own);
  assert.notEqual(ETag, `"${md5("x")}"`);
  assert.equal(await refusal(head(bucket)), "400 Unknown");
  assert.equal(await refusal(client.s3.send(new sdk.GetObjectCommand({ Bucket: bucket, Key }))), "400 InvalidRequest");
  assert.equal(await refusal(client.s3.send(new sdk.GetObjectCommand({ Bucket: bucket, Key, ...other }))), "403 AccessDenied");
  assert.equal((await head(bucket, own)).SSECustomerAlgorithm, "AES256");
  const copy = { Bucket: bucket, Key: "copy", CopySource: `${bucket}/${Key}` };
  assert.equal(await refusal(client.s3.send(new sdk.CopyObjectCommand(copy))), "400 InvalidRequest");
  const key = { CopySourceSSECustomerAlgorithm: "AES256", CopySourceSSECustomerKey: own.SSECustomerKey };
  await client.s3.send(new sdk.CopyObjectCommand({ ...copy, ...key }));
  assert.equal((await head(bucket, { Key: "copy" })).ETag, `"${md5("x")}"`);
});

test("an upload in parts has the guards that it was begun with, and takes no part without the client's key", async () => {
  const bucket = await makeBucket({ ObjectOwnership: "BucketOwnerPreferred" });
  const own = { SSECustomerAlgorithm: "AES256", SSECustomerKey: Buffer.alloc(32, 1).toString("base64") };
  const { UploadId } = await client.s3.send(new sdk.CreateMultipartUploadCommand({ Bucket: bucket, Key, ACL: "public-read", ...own }));
  const part = { Bucket: bucket, Key, UploadId, PartNumber: 1 };
  assert.equal(await refusal(client.s3.send(new sdk.UploadPartCommand({ ...part, Body: "x" }))), "400 InvalidRequest");
  await put(bucket, { Key: "source" });
  const copied = { ...part, CopySource: `${bucket}/source` };
  assert.equal(await refusal(client.s3.send(new sdk.UploadPartCopyCommand(copied))), "400 InvalidRequest");
  const { CopyPartResult } = await client.s3.send(new sdk.UploadPartCopyCommand({ ...copied, ...own }));
  const MultipartUpload = { Parts: [{ PartNumber: 1, ETag: CopyPartResult?.ETag }] };
  await client.s3.send(new sdk.CompleteMultipartUploadCommand({ Bucket: bucket, Key, UploadId, MultipartUpload }));
  assert.equal((await head(bucket, own)).ContentLength, 1);
  assert.equal(server.model.guards(bucket, Key).acl, "public-read");
});

test("an expiration removes as a lifecycle rule does, and is announced as one", () => {
  const model = new EmbeddedS3Model();
  const names: string[] = [];
  model.onEvent(({ eventName }) => names.push(eventName));
  for (const bucket of ["plain", "versioned"]) model.createBucket(bucket);
  model.setVersioning("versioned", "Enabled");
  for (const bucket of ["plain", "versioned"]) {
    model.putObject(bucket, Key, { body: Body.of("x") });
    model.expire(bucket, Key);
    model.expire(bucket, Key); // what is gone or behind a marker does not expire again
  }
  assert.deepEqual(names, [
    "ObjectCreated:Put",
    "LifecycleExpiration:Delete",
    "ObjectCreated:Put",
    "LifecycleExpiration:DeleteMarkerCreated",
  ]);
  assert.equal(model.listVersions("versioned").versions.length, 2);
});
