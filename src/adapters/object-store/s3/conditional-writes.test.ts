import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { describe, it } from "node:test";
import type { Interception } from "../../../../test/support/intercept.ts";
import { useInterceptedPair } from "../../../../test/support/intercepted.ts";
import type { Bucket } from "../../../domain/bucket.ts";
import { Body } from "../../../embedded-s3/body.ts";
import type { TransferDestination, TransferOutcome, TransferRequest, TransferResult } from "../../../ports/transfer.ts";

const KIB = 1024;
const LARGE = 64 * KIB;
const KEEP_ALL = { tags: true, storageClass: true, acl: false, objectLock: false, encryption: false };

const pair = useInterceptedPair({ minPartBytes: KIB, limits: { relayFromBytes: LARGE } });

const to = (bucket: Bucket, overrides: Partial<TransferDestination> = {}): TransferDestination => ({
  bucket,
  key: "k",
  preserve: KEEP_ALL,
  ...overrides,
});

type Size = "small" | "large" | "in parts";
const SIZES: readonly Size[] = ["small", "large", "in parts"];

async function put(size: Size = "small"): Promise<NonNullable<TransferRequest["hint"]>> {
  if (size !== "in parts") {
    const body = randomBytes(size === "small" ? 10 : LARGE);
    const { etag } = await pair.over.storeOf(pair.source).put("k", body);
    return { etag, sizeBytes: body.length, storageClass: "STANDARD" };
  }
  const { model } = pair.servers[0];
  const { uploadId } = model.createUpload(pair.source.bucket, "k");
  const bodies = [randomBytes(KIB), randomBytes(3)];
  const parts = bodies.map((body, i) => {
    const { etag } = model.uploadPart(pair.source.bucket, "k", { uploadId, partNumber: i + 1, body: Body.of(body) });
    return { partNumber: i + 1, etag };
  });
  return { etag: model.completeUpload(pair.source.bucket, "k", { uploadId, parts }).etag, sizeBytes: KIB + 3 };
}

async function copy(hint: TransferRequest["hint"], ...destinations: readonly TransferDestination[]): Promise<TransferResult> {
  return pair.over.transfer.copy({ source: pair.source, key: "k", hint, destinations });
}

function outcomes(result: TransferResult): readonly TransferOutcome[] {
  assert.equal(result.kind, "done", result.kind === "failed" ? result.error.message : "");
  return result.kind === "done" ? result.outcomes : [];
}

const codes = (result: TransferResult) =>
  outcomes(result).map((outcome) => (outcome.kind === "failed" ? outcome.error.code : outcome.kind));

/** As a store that has never heard of conditions on writes. */
function ignoreConditions({ method, headers }: IncomingMessage): undefined {
  if (method === "GET" || method === "HEAD") return;
  delete headers["if-match"];
  delete headers["if-none-match"];
}

const xml = (code: string, rest = "") => `<Error><Code>${code}</Code><Message>as planned</Message>${rest}</Error>`;
const isCopy = ({ method, headers }: IncomingMessage) => method === "PUT" && headers["x-amz-copy-source"] !== undefined;
const isReplica = ({ method, url }: IncomingMessage) => (method === "PUT" || method === "POST") && url?.includes("/k") === true;

describe("S3Transfer into a store that ignores conditions on writes", () => {
  for (const size of SIZES) {
    for (const place of ["near", "far"] as const) {
      it(`looks at the destination before it writes (${size}, ${place})`, async () => {
        for (const interceptor of pair.front) interceptor.intercept = ignoreConditions;
        const hint = await put(size);
        const bucket = place === "near" ? pair.near : pair.far;
        const theirs = await pair.over.storeOf(bucket).put("taken", Buffer.from("theirs"));
        const destinations = [
          to(bucket, { key: "free", ifHolds: null }),
          to(bucket, { key: "taken", ifHolds: null }),
          to(bucket, { key: "absent", ifHolds: theirs.etag }),
        ];
        assert.deepEqual(codes(await copy(hint, ...destinations)), ["copied", "moved-on", "moved-on"]);
        assert.equal((await pair.over.storeOf(bucket).head("taken"))?.etag, theirs.etag);
        assert.equal(await pair.over.storeOf(bucket).head("absent"), undefined);
        assert.deepEqual(codes(await copy(hint, to(bucket, { key: "taken", ifHolds: theirs.etag }))), ["copied"]);
        assert.equal((await pair.over.storeOf(bucket).head("taken"))?.etag, hint.etag);
      });
    }
  }

  it("copies within the store all the same where it honours no condition at all", async () => {
    pair.front[0].intercept = ignoreConditions;
    const hint = await put();
    assert.deepEqual(codes(await copy(hint, to(pair.near, { ifHolds: null }))), ["copied"]);
    assert.ok(!pair.stores[0].requests.includes("GetObject"));
  });

  it("sends the body over this machine where a PUT can be conditional and a copy cannot", async () => {
    pair.front[0].intercept = (request) => (isCopy(request) ? ignoreConditions(request) : undefined);
    const hint = await put();
    assert.deepEqual(codes(await copy(hint, to(pair.near, { key: "first", ifHolds: null }))), ["copied"]);
    pair.stores[0].requests.splice(0);
    assert.deepEqual(codes(await copy(hint, to(pair.near, { ifHolds: null }))), ["copied"]);
    assert.deepEqual(codes(await copy(hint, to(pair.near, { ifHolds: null }))), ["moved-on"]);
    assert.deepEqual(pair.stores[0].requests, ["GetObject", "PutObject", "GetObject", "PutObject"]);
  });
});

describe("S3Transfer and conditions that do not hold", () => {
  const refuse = (status: number, body: string) => (request: IncomingMessage) => (isReplica(request) ? { status, body } : undefined);

  it("takes a conflict with another write for a destination that moved on, whatever way the body takes", async () => {
    const conflict = refuse(409, xml("ConditionalRequestConflict"));
    for (const size of ["small", "large"] as const) {
      for (const bucket of [pair.near, pair.far]) {
        const hint = await put(size);
        await pair.over.storeOf(bucket).capabilities();
        for (const interceptor of pair.front)
          interceptor.intercept = (request) => (request.url?.includes("probe-") ? undefined : conflict(request));
        assert.deepEqual(codes(await copy(hint, to(bucket, { ifHolds: null }))), ["moved-on"]);
        for (const interceptor of pair.front) interceptor.intercept = () => undefined;
      }
    }
  });

  it("tells whose condition it was where a refused copy names it, and looks where it does not", async () => {
    const hint = await put();
    assert.deepEqual(codes(await copy(hint, to(pair.near, { key: "first", ifHolds: null }))), ["copied"]);
    const answered = async (status: number, body: string): Promise<readonly string[] | string> => {
      pair.front[0].intercept = refuse(status, body);
      const result = await copy(hint, to(pair.near, { ifHolds: "e" }));
      return result.kind === "done" ? codes(result) : result.kind;
    };
    assert.deepEqual(await answered(412, xml("PreconditionFailed", "<Condition>If-Match</Condition>")), ["moved-on"]);
    assert.equal(await answered(412, xml("PreconditionFailed", "<Condition>x-amz-copy-source-If-Match</Condition>")), "changed");
    assert.deepEqual(await answered(412, xml("PreconditionFailed")), ["moved-on"]);
    assert.deepEqual(await answered(404, xml("NoSuchKey")), ["moved-on"]);
    assert.deepEqual(await answered(404, xml("NoSuchBucket")), ["NoSuchBucket"]);
    pair.front[0].intercept = () => undefined;
    await put();
    assert.equal(await answered(412, xml("PreconditionFailed")), "changed");
    await pair.over.storeOf(pair.source).delete("k");
    assert.equal(await answered(404, xml("NoSuchKey")), "gone");
  });

  it("fails a destination whose capabilities cannot be found out, and no other", async () => {
    const hint = await put();
    pair.front[1].intercept = ({ url }) => (url?.includes("probe-") ? { status: 403, body: xml("AccessDenied") } : undefined);
    assert.deepEqual(
      codes(await copy(hint, to(pair.far, { ifHolds: null }), to(pair.far, { key: "leaf" }), to(pair.near, { ifHolds: null }))),
      ["AccessDenied", "copied", "copied"],
    );
  });
});

describe("S3Transfer and what a destination is asked to add", () => {
  for (const [size, place] of SIZES.flatMap((of) => [[of, "near"] as const, [of, "far"] as const])) {
    it(`fails an encryption that the store refuses or takes no notice of, by name (${size}, ${place})`, async () => {
      const hint = await put(size);
      const encrypted = to(place === "near" ? pair.near : pair.far, { encryption: { type: "aws:kms", keyId: "key-1" } });
      const answers: readonly (() => Interception)[] = [
        () => ({ status: 501, body: xml("NotImplemented") }),
        () => ({ status: 400, body: xml("InvalidArgument") }),
        () => undefined,
      ];
      const asked = new Set<unknown>();
      for (const answer of answers) {
        for (const interceptor of pair.front) {
          interceptor.intercept = (request) => {
            if (!isReplica(request)) return undefined;
            asked.add(
              `${request.headers["x-amz-server-side-encryption"]} ${request.headers["x-amz-server-side-encryption-aws-kms-key-id"]}`,
            );
            return answer();
          };
          interceptor.rewrite = (_, headers) => {
            delete headers["x-amz-server-side-encryption"];
          };
        }
        assert.deepEqual(codes(await copy(hint, encrypted)), ["CapabilityMissing"]);
      }
      assert.deepEqual([...asked], ["aws:kms key-1"]);
      for (const index of [0, 1] as const)
        assert.deepEqual(pair.servers[index].model.listUploads((index === 0 ? pair.near : pair.far).bucket, {}).uploads, []);
    });
  }

  for (const [size, place] of SIZES.flatMap((of) => [[of, "near"] as const, [of, "far"] as const])) {
    it(`does not take the ETag of an encrypted replica for a fault, nor for a reason to copy twice (${size}, ${place})`, async () => {
      const hint = await put(size);
      const bucket = place === "near" ? pair.near : pair.far;
      assert.deepEqual(codes(await copy(hint, to(bucket, { key: "plain" }))), ["copied"]);
      for (const { requests } of pair.stores) requests.splice(0);
      const [outcome] = outcomes(await copy(hint, to(bucket, { encryption: { type: "aws:kms" } })));
      assert.ok(outcome?.kind === "copied", outcome?.kind === "failed" ? outcome.error.message : "");
      assert.notEqual(outcome.etag, hint.etag);
      assert.deepEqual(outcome.notes, size === "in parts" ? ["ETagNotKept"] : []);
      const writes = pair.stores.flatMap(({ requests }) => requests).filter((operation) => /^(Put|Copy|Create)/.test(operation));
      assert.equal(writes.length, 1);
    });
  }

  for (const place of ["near", "far"] as const) {
    it(`leaves a stamp out with a note where the store has no room for it, and only the stamp (${place})`, async () => {
      const bucket = place === "near" ? pair.near : pair.far;
      await pair.over.storeOf(pair.source).put("k", Buffer.from("x"), { attributes: { systemHeaders: {}, metadata: { own: "kept" } } });
      for (const interceptor of pair.front)
        interceptor.intercept = ({ headers }) =>
          headers["x-amz-meta-replicast"] === undefined ? undefined : { status: 400, body: xml("MetadataTooLarge") };
      const [outcome] = outcomes(await copy(undefined, to(bucket, { stamp: "v1;s" })));
      assert.deepEqual(outcome?.kind === "copied" && outcome.notes, ["StampNotKept"]);
      assert.deepEqual((await pair.over.storeOf(bucket).head("k"))?.attributes.metadata, { own: "kept" });
    });
  }
});
