import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type BucketReference, parseBucketReference } from "./bucket-reference.ts";
import { isReplicationError } from "./error.ts";

const named = (parts: object): object => ({ kind: "named", store: undefined, region: undefined, key: undefined, ...parts });

const READINGS: Readonly<Record<string, object>> = {
  photos: named({ bucket: "photos" }),
  "photos/": named({ bucket: "photos" }),
  "photos@eu-west-1": named({ bucket: "photos", region: "eu-west-1" }),
  "minio-a:photos": named({ store: "minio-a", bucket: "photos" }),
  "minio-a:photos@eu-west-1/k": named({ store: "minio-a", bucket: "photos", region: "eu-west-1", key: "k" }),
  "minio-a:photos/2024/a b.jpg": named({ store: "minio-a", bucket: "photos", key: "2024/a b.jpg" }),
  "a:photos//lead": named({ store: "a", bucket: "photos", key: "/lead" }),
  "a:photos/../x/./y": named({ store: "a", bucket: "photos", key: "../x/./y" }),
  "photos/a@b:c%2F?d#e": named({ bucket: "photos", key: "a@b:c%2F?d#e" }),
  "photos/http://x": named({ bucket: "photos", key: "http://x" }),
  "s3://photos/a/b": named({ bucket: "photos", key: "a/b" }),
  "s3://photos": named({ bucket: "photos" }),
  "http://127.0.0.1:9101/photos": { kind: "url", origin: "http://127.0.0.1:9101", bucket: "photos", key: undefined },
  "http://127.0.0.1:9101/photos//a%20b/../%2e%2e": { kind: "url", origin: "http://127.0.0.1:9101", bucket: "photos", key: "/a b/../.." },
  "HTTPS://S3.Example.com:443/photos/x": { kind: "url", origin: "https://s3.example.com", bucket: "photos", key: "x" },
  "http://[::1]:9000/photos": { kind: "url", origin: "http://[::1]:9000", bucket: "photos", key: undefined },
};

const NONSENSE: readonly string[] = [
  "",
  "/",
  "/photos",
  ":photos",
  "a:",
  "a:b:c",
  "a b",
  "photos@",
  "photos@EU west",
  "@eu-west-1",
  "gs://photos/x",
  "http://",
  "http:///photos",
  "http://127.0.0.1:9101",
  "http://127.0.0.1:9101/",
  "http://127.0.0.1:9101//photos",
  "http://127.0.0.1:99999/photos",
  "http://host?x/photos",
  "http://127.0.0.1:9101/photos/%zz",
  "http://127.0.0.1:9101/photos/%ff",
  "http://photos.s3.eu-west-1.amazonaws.com/key",
  "arn:aws:s3:::photos",
  "s3://",
  "..",
];

describe("parseBucketReference", () => {
  for (const [text, expected] of Object.entries(READINGS)) {
    it(`reads ${text}`, () => assert.deepEqual(parseBucketReference(text), expected));
  }

  for (const text of NONSENSE) {
    it(`refuses "${text}" with a hint`, () => {
      assert.throws(() => parseBucketReference(text), isRefusal);
    });
  }

  it("does not repeat a password", () => {
    const isSafe = (error: unknown) => isReplicationError(error) && !`${error.message}${error.hint}`.includes("hunter22");
    assert.throws(() => parseBucketReference("http://user:hunter22@host/photos"), isSafe);
  });

  it("hints at the region in a virtual host and at the bucket of an ARN", () => {
    assert.equal(hintOf("https://my.photos.s3.eu-west-1.amazonaws.com/k"), "write my.photos@eu-west-1");
    assert.equal(hintOf("arn:aws:s3:::photos"), "write photos");
  });

  const bucket = fc.stringMatching(/^[a-z0-9][a-z0-9.-]{2,20}$/);
  const alias = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,9}$/).filter((text) => text !== "arn");
  const store = fc.option(alias, { nil: undefined });
  const region = fc.option(fc.constantFrom("eu-west-1", "us-gov-east-1", "garage"), { nil: undefined });
  const key = fc.string({ unit: "grapheme", minLength: 1 });

  it("gives back the key byte for byte, whatever is in it", () => {
    fc.assert(
      fc.property(fc.tuple(store, bucket, region), key, ([prefix, name, area], rawKey) => {
        const text = `${prefix === undefined ? "" : `${prefix}:`}${name}${area === undefined ? "" : `@${area}`}/${rawKey}`;
        assert.deepEqual(parseBucketReference(text), { kind: "named", store: prefix, bucket: name, region: area, key: rawKey });
      }),
    );
  });

  it("gives back a percent-encoded key of a URL, dots and slashes included", () => {
    fc.assert(
      fc.property(bucket, key, (name, rawKey) => {
        const text = `http://127.0.0.1:9101/${name}/${rawKey.split("/").map(encodeURIComponent).join("/")}`;
        assert.deepEqual(parseBucketReference(text), { kind: "url", origin: "http://127.0.0.1:9101", bucket: name, key: rawKey });
      }),
    );
  });

  it("either reads a text or refuses it as ConfigInvalid", () => {
    const piece = fc.constantFrom("s3:", "http:", "/", "//", "@", ":", "a", "eu-1", "%2F", "%", "?", "[::1]", "..", " ", "é");
    const text = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(""));
    fc.assert(fc.property(fc.oneof(text, fc.string({ unit: "binary" })), isReadOrRefused), { numRuns: 500 });
  });
});

function isRefusal(error: unknown): boolean {
  return isReplicationError(error) && error.code === "ConfigInvalid" && error.hint !== undefined;
}

function hintOf(text: string): string | undefined {
  try {
    parseBucketReference(text);
  } catch (error) {
    if (isReplicationError(error)) return error.hint;
  }
  return undefined;
}

function isReadOrRefused(text: string): boolean {
  let reference: BucketReference;
  try {
    reference = parseBucketReference(text);
  } catch (error) {
    return isRefusal(error);
  }
  return reference.bucket !== "" && reference.key !== "";
}
