import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { type Interception, type Interceptor, interceptorBefore } from "../../../../test/support/intercept.ts";
import { type AdaptedStore, adapt, bucketIn } from "../../../../test/support/s3-adapter.ts";
import { Body } from "../../../embedded-s3/body.ts";
import { type RunningEmbeddedS3, startEmbeddedS3 } from "../../../embedded-s3/server.ts";
import { KeyAlphabet } from "./key-alphabet.ts";
import { S3ObjectStore } from "./object-store.ts";

const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" };
const ODD: Readonly<Record<string, string>> = {
  "a leading '/'": "/lead",
  "an empty segment ('//')": "a//b",
  "a '.' segment": "a/./b",
  "a '..' segment": "../b",
  "a segment of more than 255 bytes": "\u00fc".repeat(128),
  "a control character": "a\nb",
  "a backslash": "a\\b",
};
const PLAIN = ["a", "a/b", "dir/", "a..b", ".hidden", "a b", "\u{1f600}", "x".repeat(255), "a+%2F&<>"];

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
  store = new S3ObjectStore(bucketIn(adapted, `bucket-${++round}`), adapted.client);
  server.model.createBucket(store.bucket.bucket);
});
afterEach(async () => {
  await adapted.client.close();
  await front[Symbol.asyncDispose]();
});

const left = () => server.model.listVersions(store.bucket.bucket).versions.length;
const refusedAs = async (alphabet: KeyAlphabet, key: string) => (await alphabet.refusal(key))?.code;

describe("KeyAlphabet", () => {
  it("asks nothing for ordinary keys and answers at once", () => {
    const alphabet = new KeyAlphabet(store);
    for (const key of PLAIN) assert.equal(alphabet.refusal(key), undefined);
    assert.deepEqual(adapted.requests, []);
  });

  for (const [kind, key] of Object.entries(ODD)) {
    it(`finds that a store keeps a key with ${kind}, asks once, and leaves nothing behind`, async () => {
      const alphabet = new KeyAlphabet(store);
      assert.equal(await refusedAs(alphabet, key), undefined);
      const asked = adapted.requests.length;
      assert.equal(await refusedAs(alphabet, key), undefined);
      assert.equal(adapted.requests.length, asked);
      assert.equal(left(), 0);
    });

    it(`finds that a store refuses a key with ${kind}`, async () => {
      front.intercept = ({ method }) => (method === "PUT" ? { status: 400, body: "<Error><Code>Whatever</Code></Error>" } : undefined);
      const error = await new KeyAlphabet(store).refusal(key);
      assert.equal(error?.code, "KeyNotRepresentable");
      assert.ok(error?.message.includes(kind), error?.message);
    });
  }

  it("finds that a store rewrites a key, and removes what came of it", async () => {
    front.intercept = fold;
    for (const key of ["/lead", "a//b"]) assert.equal(await refusedAs(new KeyAlphabet(store), key), "KeyNotRepresentable");
    assert.equal(left(), 0);
  });

  it("finds that a store hides a key from its listings", async () => {
    front.intercept = ({ url }) =>
      url?.includes("list-type") === true ? { status: 200, body: "<ListBucketResult></ListBucketResult>" } : undefined;
    assert.equal(await refusedAs(new KeyAlphabet(store), "a\\b"), "KeyNotRepresentable");
    assert.equal(left(), 0);
  });

  it("removes its probe from a versioned bucket for good", async () => {
    server.model.setVersioning(store.bucket.bucket, "Enabled");
    assert.equal(await refusedAs(new KeyAlphabet(store), "a//b"), undefined);
    assert.equal(left(), 0);
  });

  it("writes no probe into a bucket with object lock, where it might have to stay", async () => {
    front.intercept = ({ url }) =>
      url?.includes("object-lock") === true ? { status: 200, body: "<ObjectLockConfiguration/>" } : undefined;
    assert.equal(await refusedAs(new KeyAlphabet(store), "a//b"), "KeyNotRepresentable");
    assert.equal(adapted.requests.includes("PutObject"), false);
  });

  it("concludes nothing from trouble that is not the key's, and asks again", async () => {
    const alphabet = new KeyAlphabet(store);
    for (const [status, code] of [
      [403, "AccessDenied"],
      [503, "SlowDown"],
      [404, "NoSuchBucket"],
    ] as const) {
      front.intercept = ({ method }) => (method === "PUT" ? { status, body: `<Error><Code>${code}</Code></Error>` } : undefined);
      await assert.rejects(async () => alphabet.refusal("a//b"), { code });
    }
    front.intercept = () => undefined;
    assert.equal(await refusedAs(alphabet, "a//b"), undefined);
  });

  it("asks once where several keys of a kind come at the same time", async () => {
    const alphabet = new KeyAlphabet(store);
    await Promise.all(["a\\1", "a\\2", "a\\3"].map((key) => alphabet.refusal(key)));
    assert.equal(adapted.requests.filter((operation) => operation === "PutObject").length, 1);
  });
});

/** Does to a key what stores on file systems do, and answers as if nothing had happened. */
function fold({ url = "", method }: IncomingMessage): Interception {
  const { bucket } = store.bucket;
  const key = decodeURIComponent(url.split("?")[0] ?? "").slice(bucket.length + 2);
  const folded = key.replaceAll(/\/{2,}/g, "/").replace(/^\//, "");
  if (folded === key) return undefined;
  if (method === "PUT") server.model.putObject(bucket, folded, { body: Body.EMPTY });
  if (method === "DELETE") server.model.deleteObject(bucket, folded, {});
  return { status: method === "PUT" ? 200 : 204, headers: { etag: '"d41d8cd98f00b204e9800998ecf8427e"' } };
}
