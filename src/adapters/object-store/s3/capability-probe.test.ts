import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { beforeEach, describe, it } from "node:test";
import { useInterceptedBucket } from "../../../../test/support/intercepted.ts";
import type { Capabilities } from "../../../ports/object-store.ts";

const ALL: Capabilities = { conditionalPut: true, conditionalCopy: true, conditionalComplete: true, conditionalDelete: true };
const NONE: Capabilities = { conditionalPut: false, conditionalCopy: false, conditionalComplete: false, conditionalDelete: false };
const s3 = useInterceptedBucket();

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
  assert.deepEqual(await s3.store.listVersions(), { versions: [] });
  assert.deepEqual(s3.server.model.listUploads(s3.store.bucket.bucket, {}).uploads, []);
}

for (const versioning of ["Unversioned", "Enabled", "Suspended"] as const) {
  describe(`capabilities of a bucket that is ${versioning}`, () => {
    beforeEach(() => {
      if (versioning !== "Unversioned") s3.server.model.setVersioning(s3.store.bucket.bucket, versioning);
    });

    it("are those of a store that honours every condition, and nothing stays", async () => {
      assert.deepEqual(await s3.store.capabilities(), ALL);
      await assertNothingStays();
    });

    for (const capability of CAPABILITIES) {
      it(`lack ${capability} where the store ignores the condition, and nothing stays`, async () => {
        s3.front.intercept = (request) => (KINDS[capability](request) ? forget(request) : undefined);
        assert.deepEqual(await s3.store.capabilities(), { ...ALL, [capability]: false });
        await assertNothingStays();
      });

      for (const [status, code] of [
        [501, "NotImplemented"],
        [400, "InvalidArgument"],
      ] as const) {
        it(`lack ${capability} where the store refuses the header as ${code}, and nothing stays`, async () => {
          const body = `<Error><Code>${code}</Code></Error>`;
          s3.front.intercept = (request) => (KINDS[capability](request) && isConditional(request) ? { status, body } : undefined);
          assert.deepEqual(await s3.store.capabilities(), { ...ALL, [capability]: false });
          await assertNothingStays();
        });
      }
    }
  });
}

describe("the probe of capabilities", () => {
  it("does not count a condition that is never met as honoured", async () => {
    s3.front.intercept = (request) => {
      const isMatch = KINDS.conditionalPut(request) && request.headers["if-match"] !== undefined;
      return isMatch ? { status: 412, body: "<Error><Code>PreconditionFailed</Code></Error>" } : undefined;
    };
    assert.deepEqual(await s3.store.capabilities(), { ...ALL, conditionalPut: false });
  });

  it("runs once for all who ask", async () => {
    await Promise.all([s3.store.capabilities(), s3.store.capabilities()]);
    const { length } = s3.adapted.requests;
    await s3.store.capabilities();
    assert.equal(s3.adapted.requests.length, length);
    assert.equal(s3.adapted.requests.filter((operation) => operation === "GetBucketVersioning").length, 1);
  });

  it("is not remembered where it failed, and cleans up all the same", async () => {
    s3.front.intercept = (request) =>
      KINDS.conditionalCopy(request) ? { status: 503, body: "<Error><Code>SlowDown</Code></Error>" } : undefined;
    await assert.rejects(s3.store.capabilities(), { code: "SlowDown" });
    await assertNothingStays();
    s3.front.intercept = () => undefined;
    assert.deepEqual(await s3.store.capabilities(), ALL);
  });

  it("is a refusal where the bucket may not be written", async () => {
    s3.front.intercept = ({ method }) => (method === "PUT" ? { status: 403, body: "<Error><Code>AccessDenied</Code></Error>" } : undefined);
    await assert.rejects(s3.store.capabilities(), { code: "AccessDenied" });
  });

  it("writes nothing to a bucket with object lock", async () => {
    s3.front.intercept = ({ method, url }) =>
      method === "GET" && url?.includes("object-lock") ? { status: 200, body: "<ObjectLockConfiguration/>" } : undefined;
    assert.deepEqual(await s3.store.capabilities(), NONE);
    assert.ok(!s3.adapted.requests.some((operation) => operation.startsWith("Put") || operation.startsWith("Create")));
  });

  it("is not begun for a caller that has given up, and not ended by one", async () => {
    await assert.rejects(s3.store.capabilities(AbortSignal.abort()), { code: "Aborted" });
    assert.deepEqual(s3.adapted.requests, []);
    const abort = new AbortController();
    const asked = s3.store.capabilities(abort.signal);
    abort.abort();
    assert.deepEqual(await asked, ALL);
  });
});
