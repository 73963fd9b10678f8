import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { describe, it } from "node:test";
import type { Interception } from "../../../../test/support/intercept.ts";
import { useInterceptedBucket } from "../../../../test/support/intercepted.ts";
import { Body } from "../../../embedded-s3/body.ts";
import { KeyAlphabet } from "./key-alphabet.ts";

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

const s3 = useInterceptedBucket();

const left = () => s3.server.model.listVersions(s3.store.bucket.bucket).versions.length;
const refusedAs = async (alphabet: KeyAlphabet, key: string) => (await alphabet.refusal(key))?.code;

describe("KeyAlphabet", () => {
  it("asks nothing for ordinary keys and answers at once", () => {
    const alphabet = new KeyAlphabet(s3.store);
    for (const key of PLAIN) assert.equal(alphabet.refusal(key), undefined);
    assert.deepEqual(s3.adapted.requests, []);
  });

  for (const [kind, key] of Object.entries(ODD)) {
    it(`finds that a store keeps a key with ${kind}, asks once, and leaves nothing behind`, async () => {
      const alphabet = new KeyAlphabet(s3.store);
      assert.equal(await refusedAs(alphabet, key), undefined);
      const asked = s3.adapted.requests.length;
      assert.equal(await refusedAs(alphabet, key), undefined);
      assert.equal(s3.adapted.requests.length, asked);
      assert.equal(left(), 0);
    });

    it(`finds that a store refuses a key with ${kind}`, async () => {
      s3.front.intercept = ({ method }) => (method === "PUT" ? { status: 400, body: "<Error><Code>Whatever</Code></Error>" } : undefined);
      const error = await new KeyAlphabet(s3.store).refusal(key);
      assert.equal(error?.code, "KeyNotRepresentable");
      assert.ok(error?.message.includes(kind), error?.message);
    });
  }

  it("finds that a store rewrites a key, and removes what came of it", async () => {
    s3.front.intercept = fold;
    for (const key of ["/lead", "a//b"]) assert.equal(await refusedAs(new KeyAlphabet(s3.store), key), "KeyNotRepresentable");
    assert.equal(left(), 0);
  });

  it("finds that a store hides a key from its listings", async () => {
    s3.front.intercept = ({ url }) =>
      url?.includes("list-type") === true ? { status: 200, body: "<ListBucketResult></ListBucketResult>" } : undefined;
    assert.equal(await refusedAs(new KeyAlphabet(s3.store), "a\\b"), "KeyNotRepresentable");
    assert.equal(left(), 0);
  });

  it("removes its probe from a versioned bucket for good", async () => {
    s3.server.model.setVersioning(s3.store.bucket.bucket, "Enabled");
    assert.equal(await refusedAs(new KeyAlphabet(s3.store), "a//b"), undefined);
    assert.equal(left(), 0);
  });

  it("writes no probe into a bucket with object lock, where it might have to stay", async () => {
    s3.front.intercept = ({ url }) =>
      url?.includes("object-lock") === true ? { status: 200, body: "<ObjectLockConfiguration/>" } : undefined;
    assert.equal(await refusedAs(new KeyAlphabet(s3.store), "a//b"), "KeyNotRepresentable");
    assert.equal(s3.adapted.requests.includes("PutObject"), false);
  });

  it("concludes nothing from trouble that is not the key's, and asks again", async () => {
    const alphabet = new KeyAlphabet(s3.store);
    for (const [status, code] of [
      [403, "AccessDenied"],
      [503, "SlowDown"],
      [404, "NoSuchBucket"],
    ] as const) {
      s3.front.intercept = ({ method }) => (method === "PUT" ? { status, body: `<Error><Code>${code}</Code></Error>` } : undefined);
      await assert.rejects(async () => alphabet.refusal("a//b"), { code });
    }
    s3.front.intercept = () => undefined;
    assert.equal(await refusedAs(alphabet, "a//b"), undefined);
  });

  it("asks once where several keys of a kind come at the same time", async () => {
    const alphabet = new KeyAlphabet(s3.store);
    await Promise.all(["a\\1", "a\\2", "a\\3"].map((key) => alphabet.refusal(key)));
    assert.equal(s3.adapted.requests.filter((operation) => operation === "PutObject").length, 1);
  });
});

/** Does to a key what stores on file systems do, and answers as if nothing had happened. */
function fold({ url = "", method }: IncomingMessage): Interception {
  const { bucket } = s3.store.bucket;
  const key = decodeURIComponent(url.split("?")[0] ?? "").slice(bucket.length + 2);
  const folded = key.replaceAll(/\/{2,}/g, "/").replace(/^\//, "");
  if (folded === key) return undefined;
  if (method === "PUT") s3.server.model.putObject(bucket, folded, { body: Body.EMPTY });
  if (method === "DELETE") s3.server.model.deleteObject(bucket, folded, {});
  return { status: method === "PUT" ? 200 : 204, headers: { etag: '"d41d8cd98f00b204e9800998ecf8427e"' } };
}
