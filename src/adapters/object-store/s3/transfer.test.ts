import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { type Interception, type Interceptor, interceptorBefore } from "../../../../test/support/intercept.ts";
import { type AdaptedStore, adapt, bucketIn, transferOver } from "../../../../test/support/s3-adapter.ts";
import type { Bucket } from "../../../domain/bucket.ts";
import { type RunningEmbeddedS3, startEmbeddedS3 } from "../../../embedded-s3/server.ts";
import type { TransferDestination, TransferOutcome, TransferRequest, TransferResult } from "../../../ports/transfer.ts";
import type { S3Transfer } from "./transfer.ts";

const KIB = 1024;
const LARGE = 128 * KIB;
const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" };
const KEEP_ALL = { tags: true, storageClass: true, acl: false, objectLock: false, encryption: false };
const md5 = (body: Uint8Array) => createHash("md5").update(body).digest("hex");

let servers: readonly [RunningEmbeddedS3, RunningEmbeddedS3];
let front: readonly [Interceptor, Interceptor];
let stores: readonly [AdaptedStore, AdaptedStore];
let over: ReturnType<typeof transferOver>;
let transfer: S3Transfer;
let source: Bucket;
let near: Bucket;
let far: Bucket;
let farther: Bucket;

before(async () => {
  const limits = { minPartBytes: 16 * KIB };
  servers = [await startEmbeddedS3({ credentials, limits }), await startEmbeddedS3({ credentials, limits })];
});
after(() => Promise.all(servers.map((server) => server.close())));

let round = 0;
beforeEach(async () => {
  round++;
  front = [await interceptorBefore(servers[0].endpoint), await interceptorBefore(servers[1].endpoint)];
  stores = [adapt("source", { ...front[0], credentials }), adapt("destination", { ...front[1], credentials })];
  over = transferOver(stores, { relayFromBytes: LARGE });
  ({ transfer } = over);
  const bucket = (index: 0 | 1, name: string) => {
    servers[index].model.createBucket(`${name}-${round}`);
    return bucketIn(stores[index], `${name}-${round}`);
  };
  [source, near, far, farther] = [bucket(0, "source"), bucket(0, "near"), bucket(1, "far"), bucket(1, "farther")];
});
afterEach(async () => {
  await over.close();
  await Promise.all(front.map((interceptor) => interceptor[Symbol.asyncDispose]()));
});

const to = (bucket: Bucket, overrides: Partial<TransferDestination> = {}) => ({ bucket, key: "k", preserve: KEEP_ALL, ...overrides });

async function put(
  body: Uint8Array,
  tags?: Readonly<Record<string, string>>,
): Promise<{ etag: string; sizeBytes: number; storageClass: string }> {
  const { etag } = await over.storeOf(source).put("k", body, { attributes: { systemHeaders: {}, metadata: {}, tags } });
  for (const { requests } of stores) requests.splice(0);
  return { etag, sizeBytes: body.length, storageClass: "STANDARD" };
}

function copy(hint: TransferRequest["hint"], ...destinations: readonly TransferDestination[]): Promise<TransferResult> {
  return transfer.copy({ source, key: "k", hint, destinations });
}

function outcomes(result: TransferResult): readonly TransferOutcome[] {
  assert.equal(result.kind, "done", result.kind === "failed" ? result.error.message : "");
  return result.kind === "done" ? result.outcomes : [];
}

const codes = (result: TransferResult) =>
  outcomes(result).map((outcome) => (outcome.kind === "failed" ? outcome.error.code : outcome.kind));
const proofs = (result: TransferResult) => outcomes(result).map((outcome) => (outcome.kind === "copied" ? outcome.proof : outcome.kind));
const holds = (index: 0 | 1, bucket: Bucket) => servers[index].model.list(bucket.bucket).objects.length > 0;

/** Answers requests of one kind; the rest pass. */
function on(
  method: string,
  path: (url: string) => boolean,
  act: (count: number) => Interception,
): (request: IncomingMessage) => Interception {
  let count = 0;
  return (request) => (request.method === method && path(request.url ?? "") ? act(++count) : undefined);
}

const xml = (code: string) => `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>as planned</Message></Error>`;
const refusal = (status: number, code: string) => ({ status, body: xml(code) });

describe("S3Transfer and answers that are not what they seem", () => {
  it("takes an error inside a 200 of CopyObject for an error, and one to be tried again (invariant 8)", async () => {
    const hint = await put(Buffer.from("x"));
    front[0].intercept = on(
      "PUT",
      () => true,
      () => ({ status: 200, body: xml("InternalError") }),
    );
    const [outcome] = outcomes(await copy(hint, to(near)));
    assert.ok(outcome?.kind === "failed");
    assert.deepEqual([outcome.error.code, outcome.error.disposition], ["StoreError", "retry"]);
  });

  it("does not believe a 200 of CopyObject without an ETag", async () => {
    const hint = await put(Buffer.from("x"));
    front[0].intercept = on(
      "PUT",
      () => true,
      () => ({ status: 200, body: "<CopyObjectResult/>" }),
    );
    assert.deepEqual(codes(await copy(hint, to(near))), ["MalformedResponse"]);
  });

  it("takes an error inside a 200 of CompleteMultipartUpload for an error, and forgets the parts", async () => {
    const { model } = servers[0];
    const upload = model.createUpload(source.bucket, "k");
    const bodies = [randomBytes(16 * KIB), randomBytes(3)];
    const { Body } = await import("../../../embedded-s3/body.ts");
    const parts = bodies.map((body, i) => {
      const { etag } = model.uploadPart(source.bucket, "k", { uploadId: upload.uploadId, partNumber: i + 1, body: Body.of(body) });
      return { partNumber: i + 1, etag };
    });
    const { etag } = model.completeUpload(source.bucket, "k", { uploadId: upload.uploadId, parts });
    front[1].intercept = on(
      "POST",
      (url) => url.includes("uploadId="),
      () => ({ status: 200, body: xml("InternalError") }),
    );
    assert.deepEqual(codes(await copy({ etag, sizeBytes: 16 * KIB + 3 }, to(far))), ["StoreError"]);
    assert.ok(stores[1].requests.includes("AbortMultipartUpload"));
    assert.deepEqual(servers[1].model.listUploads(far.bucket, {}).uploads, []);
    assert.equal(holds(1, far), false);
  });

  it("fails a destination whose ETag is not the MD5 of what was sent, where its ETags were seen to be MD5s", async () => {
    const hint = await put(Buffer.from("x"));
    assert.deepEqual(proofs(await copy(hint, to(far))), ["etag"]);
    front[1].rewrite = (_, headers) => {
      headers["etag"] = `"${"0".repeat(32)}"`;
    };
    assert.deepEqual(codes(await copy(hint, to(far))), ["ChecksumMismatch"]);
    assert.deepEqual(proofs(await copy(hint, to(farther))), ["checksum"], "elsewhere the digest sent along is all the proof there is");
  });
});

describe("S3Transfer and sources whose ETags are no MD5s", () => {
  for (const size of [10, LARGE]) {
    it(`finds out once, copies all the same, and remembers (${size} bytes)`, async () => {
      const body = randomBytes(size);
      await put(body);
      const etag = "f".repeat(32);
      front[0].intercept = (request) => {
        delete request.headers["if-match"];
        return undefined;
      };
      front[0].rewrite = (_, headers) => {
        headers["etag"] = `"${etag}"`;
      };
      assert.deepEqual(proofs(await copy({ etag, sizeBytes: size }, to(far))), ["checksum"], "by the checksum that the source keeps");
      const first = stores[0].requests.filter((operation) => operation === "GetObject").length;
      assert.equal(first, 2, "read twice to tell a spoilt body from an ETag that is no MD5");
      stores[0].requests.splice(0);
      assert.deepEqual(proofs(await copy({ etag, sizeBytes: size }, to(far, { key: "again" }))), ["checksum"]);
      assert.deepEqual(stores[0].requests, ["GetObject"]);
      assert.equal(servers[1].model.headObject(far.bucket, "again").version.etag, md5(body));
    });
  }
});

describe("S3Transfer and tags", () => {
  it("fails an object whose tags may not be read, also where its head counts none (invariant 9)", async () => {
    const hint = await put(Buffer.from("x"));
    front[0].intercept = on(
      "GET",
      (url) => url.includes("tagging"),
      () => refusal(403, "AccessDenied"),
    );
    for (const request of [copy(hint, to(far)), copy(hint, to(far))]) {
      const result = await request;
      assert.ok(result.kind === "failed");
      assert.equal(result.error.code, "SourceUnreadableTags");
      assert.match(result.error.hint ?? "", /GetObjectTagging/);
    }
    assert.equal(holds(1, far), false);
    front[0].intercept = () => undefined;
    assert.deepEqual(proofs(await copy(hint, to(far))), ["etag"], "a right can be granted while we run");
  });

  it("asks for no tags where none are wanted", async () => {
    const hint = await put(Buffer.from("x"), { k: "v" });
    front[0].intercept = on(
      "GET",
      (url) => url.includes("tagging"),
      () => refusal(403, "AccessDenied"),
    );
    assert.deepEqual(proofs(await copy(hint, to(far, { preserve: { ...KEEP_ALL, tags: false } }))), ["etag"]);
  });

  it("keeps the tags of a store that does not count them", async () => {
    const hint = await put(Buffer.from("x"), { k: "v" });
    front[0].rewrite = (_, headers) => {
      delete headers["x-amz-tagging-count"];
    };
    for (const key of ["first", "second"]) {
      assert.deepEqual(proofs(await copy(hint, to(far, { key }))), ["etag"]);
      assert.deepEqual(servers[1].model.tags(far.bucket, key).tags, { k: "v" });
    }
  });

  it("takes a store without tags for one that has none to lose", async () => {
    const hint = await put(Buffer.from("x"));
    front[0].intercept = on(
      "GET",
      (url) => url.includes("tagging"),
      () => refusal(501, "NotImplemented"),
    );
    assert.deepEqual(proofs(await copy(hint, to(far))), ["etag"]);
  });

  it("leaves tags out with a note where a destination refuses them", async () => {
    const hint = await put(Buffer.from("x"), { "\u00fc": "v" });
    front[1].intercept = (request) => (request.headers["x-amz-tagging"] === undefined ? undefined : refusal(400, "InvalidTag"));
    const [outcome] = outcomes(await copy(hint, to(far)));
    assert.deepEqual(outcome?.kind === "copied" && outcome.notes, ["TagsNotKept"]);
  });
});

describe("S3Transfer and trouble on the way", () => {
  for (const size of [LARGE * 4]) {
    it("leaves no half-written object where a destination breaks in the middle, and completes the others", async () => {
      const hint = await put(randomBytes(size));
      front[1].intercept = (request) => (request.url?.includes("farther") === true ? "cut" : undefined);
      const [good, bad] = outcomes(await copy(hint, to(far), to(farther)));
      assert.equal(good?.kind, "copied");
      assert.deepEqual(bad?.kind === "failed" && [bad.error.code, bad.error.disposition], ["StoreUnreachable", "retry"]);
      assert.equal(holds(1, farther), false);
    });
  }

  it("does not believe a 200 before the whole body was sent", async () => {
    const hint = await put(randomBytes(LARGE * 64));
    front[1].intercept = (request) => {
      request.pause();
      request.socket.write('HTTP/1.1 200 OK\r\nETag: "x"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
      return "cut";
    };
    const [outcome] = outcomes(await copy(hint, to(far)));
    assert.ok(outcome?.kind === "failed");
    assert.equal(outcome.error.disposition, "retry", outcome.error.message);
  });

  it("answers `changed` where the source changes between the hint and the read", async () => {
    for (const size of [10, LARGE]) {
      const hint = await put(randomBytes(size));
      await put(randomBytes(size));
      assert.equal((await copy(hint, to(far))).kind, "changed");
      assert.equal((await copy(hint, to(near))).kind, "changed");
    }
    assert.deepEqual([holds(1, far), holds(0, near)], [false, false]);
  });

  it("leaves a source that is gone for one destination, while another failed for itself, to be read again", async () => {
    const hint = { etag: md5(Buffer.from("x")), sizeBytes: 1, storageClass: "STANDARD" };
    const missing = bucketIn(stores[0], "not-there");
    const result = await copy(hint, to(missing), to(near));
    assert.deepEqual(codes(result), ["NoSuchBucket", "PreconditionFailed"]);
  });

  it("learns of a refused class from one object while another is under way with the same", async () => {
    const hint = await put(Buffer.from("x"));
    const destinations = ["a", "b", "c"].map((key) => to(near, { key, storageClass: "NO_SUCH" }));
    const results = await Promise.all(destinations.map((destination) => copy(hint, destination)));
    for (const result of results) {
      const [outcome] = outcomes(result);
      assert.deepEqual(outcome?.kind === "copied" && outcome.notes, ["StorageClassNotKept"]);
    }
  });

  it("hands on that a store is overloaded", async () => {
    const hint = await put(Buffer.from("x"));
    front[0].intercept = on(
      "GET",
      () => true,
      () => ({ ...refusal(503, "SlowDown"), headers: { "retry-after": "3" } }),
    );
    const result = await copy(hint, to(far));
    assert.ok(result.kind === "failed");
    assert.deepEqual([result.error.code, result.error.retryAfterMs], ["SlowDown", 3_000]);
  });
});

describe("S3Transfer and copies within a store", () => {
  const requestsOfACopy = async (server: string): Promise<readonly string[]> => {
    front[0].rewrite = (_, headers) => {
      headers["server"] = server;
    };
    const hint = await put(Buffer.from("x"));
    assert.deepEqual(codes(await copy(hint, to(near))), ["copied"]); // what is asked once per bucket has been asked
    stores[0].requests.splice(0);
    assert.deepEqual(codes(await copy(hint, to(near))), ["copied"]);
    return stores[0].requests;
  };

  it("reads nothing first that the store keeps by itself", async () => {
    for (const server of ["AmazonS3", "VERSITYGW"]) assert.deepEqual(await requestsOfACopy(server), ["CopyObject"]);
  });

  it("reads first what the store would lose, whatever a listing said (invariant 9)", async () => {
    assert.deepEqual(await requestsOfACopy("MinIO"), ["HeadObject", "CopyObject"]);
  });
});
