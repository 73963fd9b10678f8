import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { after, afterEach, before, beforeEach, describe, it, mock } from "node:test";
import { type Interception, type Interceptor, interceptorBefore } from "../../../../test/support/intercept.ts";
import { type AdaptedStore, adapt, bucketIn, transferOver } from "../../../../test/support/s3-adapter.ts";
import type { Bucket } from "../../../domain/bucket.ts";
import { ReplicationError } from "../../../domain/error.ts";
import { Body } from "../../../embedded-s3/body.ts";
import type { WantedChecksum } from "../../../embedded-s3/checksum.ts";
import { EmbeddedS3Model } from "../../../embedded-s3/model.ts";
import type { UploadedPart } from "../../../embedded-s3/multipart-uploads.ts";
import { type RunningEmbeddedS3, startEmbeddedS3 } from "../../../embedded-s3/server.ts";
import type { TransferDestination, TransferOutcome } from "../../../ports/transfer.ts";
import { MemoryUploads } from "../../../testing/memory-state/uploads.ts";

const KIB = 1024;
const PARTS = 12;
const PART_BYTES = 16 * KIB;
const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" };
const PRESERVE = { tags: true, storageClass: true, acl: false, objectLock: false, encryption: false };

let servers: readonly [RunningEmbeddedS3, RunningEmbeddedS3];
let front: readonly [Interceptor, Interceptor];
let stores: readonly [AdaptedStore, AdaptedStore];
let uploads: MemoryUploads;
let over: ReturnType<typeof transferOver>;
let source: Bucket;
let near: Bucket;
let far: Bucket;
let farther: Bucket;
let body: Buffer;
let etag: string;

before(async () => {
  const limits = { minPartBytes: PART_BYTES };
  const start = () => startEmbeddedS3({ credentials, model: new EmbeddedS3Model({ limits, encrypts: true }) });
  servers = [await start(), await start()];
});
after(() => Promise.all(servers.map((server) => server.close())));

let round = 0;
beforeEach(async () => {
  round++;
  front = [await interceptorBefore(servers[0].endpoint), await interceptorBefore(servers[1].endpoint)];
  stores = [adapt("source", { ...front[0], credentials }), adapt("destination", { ...front[1], credentials })];
  uploads = new MemoryUploads();
  over = transferOver(stores, {}, uploads);
  const bucket = (index: 0 | 1, name: string) => {
    servers[index].model.createBucket(`${name}-${round}`);
    return bucketIn(stores[index], `${name}-${round}`);
  };
  [source, near, far, farther] = [bucket(0, "source"), bucket(0, "near"), bucket(1, "far"), bucket(1, "farther")];
  ({ body, etag } = putSource());
});
afterEach(async () => {
  await over.close();
  await Promise.all(front.map((interceptor) => interceptor[Symbol.asyncDispose]()));
});

const EVEN: readonly number[] = Array.from({ length: PARTS }, () => PART_BYTES);

function putSource(checksum?: WantedChecksum, sizes = EVEN): { readonly body: Buffer; readonly etag: string } {
  const { model } = servers[0];
  const bodies = sizes.map((size) => randomBytes(size));
  const { uploadId } = model.createUpload(source.bucket, "k", { checksumAlgorithm: checksum?.algorithm });
  const parts = bodies.map((part, i) =>
    listed(model.uploadPart(source.bucket, "k", { uploadId, partNumber: i + 1, body: Body.of(part), checksum })),
  );
  return { body: Buffer.concat(bodies), etag: model.completeUpload(source.bucket, "k", { uploadId, parts }).etag };
}

const listed = ({ partNumber, etag: of, checksum }: UploadedPart) => {
  return { partNumber, etag: of, checksums: checksum && { [checksum.algorithm]: checksum.value } };
};
const to = (bucket: Bucket): TransferDestination => ({ bucket, key: "k", preserve: PRESERVE });

/** Copies as a process does that knows nothing but the state. */
async function copy(...buckets: readonly Bucket[]): Promise<readonly TransferOutcome[]> {
  for (const { requests } of stores) requests.splice(0);
  const transfer = over.newTransfer();
  const result = await transfer.copy({ source, key: "k", destinations: buckets.map(to) });
  assert.equal(result.kind, "done", result.kind === "failed" ? result.error.message : "");
  return result.kind === "done" ? result.outcomes : [];
}

const codes = (outcomes: readonly TransferOutcome[]) =>
  outcomes.map((outcome) => (outcome.kind === "failed" ? outcome.error.code : outcome.kind));
/** How often an operation was asked for at both sides since the last copy began; a copied part counts as an uploaded one. */
const count = (operation: string) =>
  stores.flatMap(({ requests }) => requests).filter((name) => name.replace(/^UploadPartCopy$/, "UploadPart") === operation).length;
const modelOf = ({ store }: Bucket) => servers[store === "source" ? 0 : 1].model;

function holds(bucket: Bucket): { readonly etag: string; readonly md5: string } {
  const { version, content } = modelOf(bucket).getObject(bucket.bucket, "k");
  return {
    etag: version.etag,
    md5: createHash("md5")
      .update(Buffer.concat([...content]))
      .digest("hex"),
  };
}

function assertReplica(bucket: Bucket): void {
  assert.deepEqual(holds(bucket), { etag, md5: createHash("md5").update(body).digest("hex") });
}

async function assertNothingLeft(...buckets: readonly Bucket[]): Promise<void> {
  for (const bucket of buckets) assert.deepEqual(modelOf(bucket).listUploads(bucket.bucket).uploads, []);
  assert.deepEqual(await uploads.all(), []);
}

/** The parts that a bucket's one open upload has. */
function partsAt(bucket: Bucket): readonly number[] {
  const [open, ...others] = modelOf(bucket).listUploads(bucket.bucket).uploads;
  assert.ok(open !== undefined && others.length === 0, "one upload is open");
  return [...modelOf(bucket).upload(bucket.bucket, "k", open.uploadId).parts.keys()];
}

const refusal = (status: number, code: string) => ({ status, body: `<Error><Code>${code}</Code><Message>as planned</Message></Error>` });
const partNumberOf = ({ url = "" }: IncomingMessage) => Number(/partNumber=(\d+)/.exec(url)?.[1] ?? 0);

/** Refuses parts with a number above this for now. */
function refuseParts(bucket: Bucket, above: number, answer: Interception = refusal(503, "SlowDown")): void {
  const index = bucket.store === "source" ? 0 : 1;
  const before = front[index].intercept;
  front[index].intercept = (request) => {
    const isOfBucket = request.url?.startsWith(`/${bucket.bucket}/`) === true;
    return request.method === "PUT" && isOfBucket && partNumberOf(request) > above ? answer : before(request);
  };
}

function refuseNothing(): void {
  for (const interceptor of front) interceptor.intercept = () => undefined;
}

/** Breaks a copy off, and returns how many parts are missing. */
async function breakOff(bucket: Bucket): Promise<number> {
  refuseParts(bucket, 4);
  assert.deepEqual(codes(await copy(bucket)), ["SlowDown"]);
  refuseNothing();
  return PARTS - partsAt(bucket).length;
}

describe("an upload that trouble broke off", () => {
  for (const place of ["near", "far"] as const) {
    it(`is gone on with by the next process, which sends what is missing and no more, ${place}`, async () => {
      const bucket = { near, far }[place];
      const missing = await breakOff(bucket);
      assert.equal(missing, PARTS - 4);
      assert.deepEqual(codes(await copy(bucket)), ["copied"]);
      assert.deepEqual([count("UploadPart"), count("ListParts"), count("CreateMultipartUpload")], [missing, 1, 0]);
      assert.equal(count("GetObject"), place === "near" ? 0 : missing, "nor is more than that read");
      assertReplica(bucket);
      await assertNothingLeft(bucket);
    });
  }

  it("goes on for each destination from where that one is, and reads a part once for all (invariant 7)", async () => {
    refuseParts(far, 2);
    refuseParts(farther, 9);
    assert.deepEqual(codes(await copy(far, farther)), ["SlowDown", "SlowDown"]);
    refuseNothing();
    const missing = [far, farther].map((bucket) => PARTS - partsAt(bucket).length);
    assert.notEqual(missing[0], missing[1]);
    assert.deepEqual(codes(await copy(far, farther)), ["copied", "copied"]);
    assert.equal(count("UploadPart"), (missing[0] ?? 0) + (missing[1] ?? 0));
    assert.equal(count("GetObject"), Math.max(...missing));
    assertReplica(far);
    assertReplica(farther);
    await assertNothingLeft(far, farther);
  });

  it("keeps what it has where it had to ask for the size of each part, since they only seemed to be of one", async () => {
    for (const bucket of [near, far]) {
      ({ body, etag } = putSource(undefined, [2 * PART_BYTES, PART_BYTES, ...EVEN.slice(2).map((size) => 2 * size)]));
      let refused = 0;
      const { index, isPart } = { index: bucket === near ? 0 : 1, isPart: new RegExp(`^/${bucket.bucket}/.*partNumber=12&`) } as const;
      front[index].intercept = ({ method, url = "" }) => {
        const isSecond = method === "PUT" && isPart.test(url) && ++refused > 1;
        return isSecond ? refusal(503, "SlowDown") : undefined;
      };
      for (let i = 0; i < 2; i++) {
        assert.deepEqual(codes(await copy(bucket)), ["SlowDown"]);
        assert.equal(partsAt(bucket).length, PARTS - 1);
      }
      assert.equal(count("UploadPart"), 1, "only what is missing");
      refuseNothing();
      assert.deepEqual(codes(await copy(bucket)), ["copied"]);
      assert.equal(count("UploadPart"), 1);
      assertReplica(bucket);
      await assertNothingLeft(bucket);
    }
  });

  it("has only to be completed where all its parts are there", async () => {
    front[1].intercept = ({ method, url }) => (method === "POST" && url?.includes("uploadId=") ? refusal(503, "SlowDown") : undefined);
    assert.deepEqual(codes(await copy(far)), ["SlowDown"]);
    refuseNothing();
    assert.deepEqual(codes(await copy(far)), ["copied"]);
    assert.deepEqual([count("UploadPart"), count("GetObject"), count("CompleteMultipartUpload")], [0, 0, 1]);
    assertReplica(far);
    await assertNothingLeft(far);
  });

  it("is begun anew where it was completed and nobody heard of it", async () => {
    front[1].intercept = ({ method, url }) => (method === "POST" && url?.includes("uploadId=") ? refusal(503, "SlowDown") : undefined);
    assert.deepEqual(codes(await copy(far)), ["SlowDown"]);
    refuseNothing();
    const [open] = servers[1].model.listUploads(far.bucket).uploads;
    const upload = servers[1].model.upload(far.bucket, "k", open?.uploadId ?? "");
    servers[1].model.completeUpload(far.bucket, "k", {
      uploadId: upload.uploadId,
      parts: [...upload.parts.values()].map(listed).sort(byNumber),
    });
    assert.deepEqual(codes(await copy(far)), ["copied"]);
    assertReplica(far);
    await assertNothingLeft(far);
  });

  it("is listed page by page", async () => {
    const missing = await breakOff(far);
    let pages = 0;
    front[1].intercept = (request) => (request.method === "GET" && request.url?.includes("uploadId=") ? page(request, ++pages) : undefined);
    assert.deepEqual(codes(await copy(far)), ["copied"]);
    assert.deepEqual([pages, count("UploadPart")], [4, missing]);
    assertReplica(far);
  });

  it("starts over where the right to list parts is missing", async () => {
    await breakOff(far);
    front[1].intercept = ({ method, url }) => (method === "GET" && url?.includes("uploadId=") ? refusal(403, "AccessDenied") : undefined);
    assert.deepEqual(codes(await copy(far)), ["copied"]);
    assert.equal(count("UploadPart"), PARTS);
    assertReplica(far);
    await assertNothingLeft(far);
  });

  it("waits where its parts cannot be listed for now", async () => {
    const missing = await breakOff(far);
    front[1].intercept = ({ method, url }) => (method === "GET" && url?.includes("uploadId=") ? refusal(503, "SlowDown") : undefined);
    assert.deepEqual(codes(await copy(far)), ["SlowDown"]);
    refuseNothing();
    assert.deepEqual(codes(await copy(far)), ["copied"]);
    assert.equal(count("UploadPart"), missing);
  });
});

const byNumber = (a: { readonly partNumber: number }, b: { readonly partNumber: number }) => a.partNumber - b.partNumber;

/** One part of the answer to ListParts. */
function page({ url = "" }: IncomingMessage, pages: number): Interception {
  const marker = Number(/part-number-marker=(\d+)/.exec(url)?.[1] ?? 0);
  assert.equal(marker, pages - 1);
  const [open] = servers[1].model.listUploads(far.bucket).uploads;
  const part = servers[1].model.upload(far.bucket, "k", open?.uploadId ?? "").parts.get(marker + 1);
  assert.ok(part !== undefined);
  const element = `<Part><PartNumber>${marker + 1}</PartNumber><ETag>&quot;${part.etag}&quot;</ETag><Size>${part.body.sizeBytes}</Size></Part>`;
  const told = `<IsTruncated>${marker < 3}</IsTruncated><NextPartNumberMarker>${marker + 1}</NextPartNumberMarker>${element}`;
  return { status: 200, body: `<ListPartsResult>${told}</ListPartsResult>` };
}

/** Puts other bytes in the place of a part that was uploaded. */
function spoil(bucket: Bucket, partNumber: number, bytes: number): void {
  const [open] = modelOf(bucket).listUploads(bucket.bucket).uploads;
  const part = { uploadId: open?.uploadId ?? "", partNumber, body: Body.of(randomBytes(bytes)) };
  modelOf(bucket).uploadPart(bucket.bucket, "k", part);
}

describe("parts that were found (invariant 8)", () => {
  it("are sent again where their size is another", async () => {
    const missing = await breakOff(far);
    spoil(far, 2, PART_BYTES + 1);
    assert.deepEqual(codes(await copy(far)), ["copied"]);
    assert.equal(count("UploadPart"), missing + 1);
    assertReplica(far);
    await assertNothingLeft(far);
  });

  it("are proven by the source's ETag in the end, and where they are not it all starts over", async () => {
    for (const bucket of [near, far]) {
      await breakOff(bucket);
      spoil(bucket, 2, PART_BYTES);
      assert.deepEqual(codes(await copy(bucket)), ["copied"]);
      assert.equal(count("CreateMultipartUpload"), 1);
      assertReplica(bucket);
      await assertNothingLeft(bucket);
    }
  });

  it("come with the checksums that a composite one is made of", async () => {
    for (const bucket of [near, far]) {
      ({ body, etag } = putSource({ algorithm: "sha256" }));
      const missing = await breakOff(bucket);
      const [outcome] = await copy(bucket);
      assert.deepEqual(outcome?.kind === "copied" && outcome.notes, []);
      assert.equal(count("UploadPart"), missing);
      assertReplica(bucket);
      const { checksum } = modelOf(bucket).headObject(bucket.bucket, "k");
      assert.deepEqual(checksum(), servers[0].model.headObject(source.bucket, "k").checksum());
      assert.equal(checksum()?.type, "COMPOSITE");
    }
  });

  it("are held to a hash of the source's where its ETag says nothing of them", async () => {
    front[0].rewrite = (_, headers) => {
      headers["x-amz-server-side-encryption"] = "aws:kms";
    };
    const missing = await breakOff(far);
    spoil(far, 2, PART_BYTES);
    const [outcome] = await copy(far);
    assert.equal(outcome?.kind === "copied" && outcome.proof, "etag");
    assert.deepEqual([count("UploadPart"), count("CreateMultipartUpload")], [missing + 1, 0]);
    assert.equal(count("GetObject"), PARTS + 1, "each part is read once, to be hashed or to be sent");
    assertReplica(far);
    await assertNothingLeft(far);
  });
});

describe("an upload into a bucket that encrypts by a key of its own accord", () => {
  /** As S3 does what the bucket says and the request does not; the ETags of parts are no hashes then. */
  beforeEach(() => {
    const { model } = servers[1];
    const create = model.createUpload.bind(model);
    const encryption = { type: "aws:kms", keyId: "the bucket's" } as const;
    mock.method(model, "createUpload", (bucket: string, key: string, input = {}) => create(bucket, key, { ...input, encryption }));
  });
  afterEach(() => mock.restoreAll());

  it("is made once: its parts cannot show that they are the source's", async () => {
    const [outcome] = await copy(far);
    assert.ok(outcome?.kind === "copied");
    assert.deepEqual([outcome.proof, outcome.notes], ["provider", ["ETagNotKept"]]);
    assert.deepEqual([count("CreateMultipartUpload"), count("UploadPart"), count("GetObject")], [1, PARTS, PARTS]);
    assert.equal(holds(far).md5, createHash("md5").update(body).digest("hex"));
    await assertNothingLeft(far);
  });

  it("is gone on with, and says that nobody has held what was found to a hash", async () => {
    const missing = await breakOff(far);
    const [outcome] = await copy(far);
    assert.equal(outcome?.kind === "copied" && outcome.proof, "provider");
    assert.deepEqual([count("CreateMultipartUpload"), count("UploadPart")], [0, missing]);
    assert.equal(holds(far).md5, createHash("md5").update(body).digest("hex"));
    await assertNothingLeft(far);
  });
});

describe("an upload that is not gone on with", () => {
  it("is aborted where the error is for good", async () => {
    for (const bucket of [near, far]) {
      refuseParts(bucket, 4, refusal(403, "AccessDenied"));
      assert.deepEqual(codes(await copy(bucket)), ["AccessDenied"]);
      await assertNothingLeft(bucket);
    }
  });

  it("is aborted where the source changes under it, whichever part is refused (invariant 2)", async () => {
    for (const bucket of [near, far]) {
      let parts = 0;
      front[0].intercept = (request) => {
        const isRead = request.headers["if-match"] !== undefined || request.headers["x-amz-copy-source-if-match"] !== undefined;
        return isRead && ++parts === 2 ? refusal(412, "PreconditionFailed") : undefined;
      };
      assert.deepEqual(codes(await copy(bucket)), ["PreconditionFailed"]);
      await assertNothingLeft(bucket);
    }
  });

  it("is aborted where the state does not take it: what is not bound is nobody's", async () => {
    uploads.bind = () => Promise.reject(new ReplicationError("LedgerUnavailable", "the disk is full"));
    assert.deepEqual(codes(await copy(far)), ["LedgerUnavailable"]);
    assert.equal(count("UploadPart"), 0);
    await assertNothingLeft(far);
  });

  it("is no reason to fail a copy that has been made, where the state does not take its end", async () => {
    uploads.release = () => Promise.reject(new ReplicationError("LedgerUnavailable", "the disk is full"));
    assert.deepEqual(codes(await copy(far)), ["copied"]);
    assertReplica(far);
  });
});
