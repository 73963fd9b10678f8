import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { type Interceptor, interceptorBefore } from "../../../../test/support/intercept.ts";
import { type AdaptedStore, adapt, bucketIn } from "../../../../test/support/s3-adapter.ts";
import { type RunningEmbeddedS3, startEmbeddedS3 } from "../../../embedded-s3/server.ts";
import type { Capabilities } from "../../../ports/object-store.ts";
import { S3ObjectStore } from "./object-store.ts";

const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" };
const ALL: Capabilities = { conditionalPut: true, conditionalCopy: true, conditionalComplete: true, conditionalDelete: true };
const NONE: Capabilities = { conditionalPut: false, conditionalCopy: false, conditionalComplete: false, conditionalDelete: false };
let server: RunningEmbeddedS3;
let front: Interceptor;
let adapted: AdaptedStore;
let store: S3ObjectStore;
let round = 0;

before(async () => {
  server = await startEmbeddedS3({ credentials });
});
after(() => server.close());
beforeEach(async () => {
  front = await interceptorBefore(server.endpoint);
  adapted = adapt("one", { endpoint: front.endpoint, credentials });
  store = new S3ObjectStore(bucketIn(adapted, `probed-${++round}`), adapted.client);
  server.model.createBucket(store.bucket.bucket);
});
afterEach(async () => {
  await adapted.client.close();
  await front[Symbol.asyncDispose]();
});

/** The requests that make an object appear or vanish, by the capability that they ask for. */
const KINDS: Readonly<Record<keyof Capabilities, (request: IncomingMessage) => boolean>> = {
  conditionalPut: ({ method, headers, url }) =>
    method === "PUT" && headers["x-amz-copy-source"] === undefined && url?.includes("uploadId=") === false,
  conditionalCopy: ({ method, headers }) => method === "PUT" && headers["x-amz-copy-source"] !== undefined,
  conditionalComplete: ({ method, url }) => method === "POST" && url?.includes("uploadId=") === true,
  conditionalDelete: ({ method, url }) => method === "DELETE" && url?.includes("uploadId=") === false,
};
const CAPABILITIES = Object.keys(KINDS) as (keyof Capabilities)[];

const isConditional = ({ headers }: IncomingMessage) => headers["if-match"] !== undefined || headers["if-none-match"] !== undefined;

function forget({ headers }: IncomingMessage): undefined {
  delete headers["if-match"];
  delete headers["if-none-match"];
}

async function assertNothingStays(): Promise<void> {
  assert.deepEqual(await store.listVersions(), { versions: [] });
  assert.deepEqual(server.model.listUploads(store.bucket.bucket, {}).uploads, []);
}

for (const versioning of ["Unversioned", "Enabled", "Suspended"] as const) {
  describe(`capabilities of a bucket that is ${versioning}`, () => {
    beforeEach(() => {
      if (versioning !== "Unversioned") server.model.setVersioning(store.bucket.bucket, versioning);
    });

    it("are those of a store that honours every condition, and nothing stays", async () => {
      assert.deepEqual(await store.capabilities(), ALL);
      await assertNothingStays();
    });

    for (const capability of CAPABILITIES) {
      it(`lack ${capability} where the store ignores the condition, and nothing stays`, async () => {
        front.intercept = (request) => (KINDS[capability](request) ? forget(request) : undefined);
        assert.deepEqual(await store.capabilities(), { ...ALL, [capability]: false });
        await assertNothingStays();
      });

      for (const [status, code] of [
        [501, "NotImplemented"],
        [400, "InvalidArgument"],
      ] as const) {
        it(`lack ${capability} where the store refuses the header as ${code}, and nothing stays`, async () => {
          const body = `<Error><Code>${code}</Code></Error>`;
          front.intercept = (request) => (KINDS[capability](request) && isConditional(request) ? { status, body } : undefined);
          assert.deepEqual(await store.capabilities(), { ...ALL, [capability]: false });
          await assertNothingStays();
        });
      }
    }
  });
}

describe("the probe of capabilities", () => {
  it("does not count a condition that is never met as honoured", async () => {
    front.intercept = (request) => {
      const isMatch = KINDS.conditionalPut(request) && request.headers["if-match"] !== undefined;
      return isMatch ? { status: 412, body: "<Error><Code>PreconditionFailed</Code></Error>" } : undefined;
    };
    assert.deepEqual(await store.capabilities(), { ...ALL, conditionalPut: false });
  });

  it("runs once for all who ask", async () => {
    await Promise.all([store.capabilities(), store.capabilities()]);
    const { length } = adapted.requests;
    await store.capabilities();
    assert.equal(adapted.requests.length, length);
    assert.equal(adapted.requests.filter((operation) => operation === "GetBucketVersioning").length, 1);
  });

  it("is not remembered where it failed, and cleans up all the same", async () => {
    front.intercept = (request) =>
      KINDS.conditionalCopy(request) ? { status: 503, body: "<Error><Code>SlowDown</Code></Error>" } : undefined;
    await assert.rejects(store.capabilities(), { code: "SlowDown" });
    await assertNothingStays();
    front.intercept = () => undefined;
    assert.deepEqual(await store.capabilities(), ALL);
  });

  it("is a refusal where the bucket may not be written", async () => {
    front.intercept = ({ method }) => (method === "PUT" ? { status: 403, body: "<Error><Code>AccessDenied</Code></Error>" } : undefined);
    await assert.rejects(store.capabilities(), { code: "AccessDenied" });
  });

  it("writes nothing to a bucket with object lock", async () => {
    front.intercept = ({ method, url }) =>
      method === "GET" && url?.includes("object-lock") ? { status: 200, body: "<ObjectLockConfiguration/>" } : undefined;
    assert.deepEqual(await store.capabilities(), NONE);
    assert.ok(!adapted.requests.some((operation) => operation.startsWith("Put") || operation.startsWith("Create")));
  });

  it("is not begun for a caller that has given up, and not ended by one", async () => {
    await assert.rejects(store.capabilities(AbortSignal.abort()), { code: "Aborted" });
    assert.deepEqual(adapted.requests, []);
    const abort = new AbortController();
    const asked = store.capabilities(abort.signal);
    abort.abort();
    assert.deepEqual(await asked, ALL);
  });
});
