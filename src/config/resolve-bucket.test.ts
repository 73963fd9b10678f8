import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseBucketReference } from "../domain/bucket-reference.ts";
import { resolveReference, resolveUrlBucket } from "./resolve-bucket.ts";
import { resolveStore } from "./resolve-store.ts";

const minio = resolveStore("minio", { endpoint: "http://Localhost:9000/", maxConnections: 8 }, {});

describe("resolveReference", () => {
  it("makes a one-off store of a URL", () => {
    const reference = parseBucketReference("http://127.0.0.1:9101/photos/k");
    assert.ok(reference.kind === "url");
    const { bucket, store } = resolveUrlBucket(reference, { AWS_REGION: "eu-north-1" });
    const name = "http://127.0.0.1:9101/photos";
    assert.deepEqual(bucket, { id: "s3://127.0.0.1:9101/photos", name, store: "http://127.0.0.1:9101", bucket: "photos" });
    assert.deepEqual([store.region, store.forcePathStyle, store.credentials.kind], ["eu-north-1", true, "default"]);
    assert.equal(resolveUrlBucket(reference, {}).store.region, "us-east-1");
  });

  it("gives one id to every spelling of a bucket", () => {
    const scope = { stores: { minio, aws: resolveStore("aws", { maxConnections: 64 }, {}) }, env: {} };
    const id = (text: string) => resolveReference(text, scope).bucket.id;
    assert.equal(id("minio:photos"), id("http://localhost:9000/photos"));
    assert.equal(id("minio:photos@eu-west-1"), id("minio:photos"));
    assert.equal(id("photos@eu-west-1"), "s3://aws/eu-west-1/photos");
    assert.equal(id("https://s3.eu-west-1.amazonaws.com/photos"), id("s3://photos@eu-west-1"));
    assert.equal(id("photos"), id("aws:photos@us-east-1"));
  });

  it("finds buckets of aws without a config, and says which store is unknown", () => {
    assert.equal(resolveReference("photos/k", { env: {} }).key, "k");
    assert.throws(() => resolveReference("minoi:photos", { stores: { minio }, env: {} }), /no store is named "minoi"/);
  });
});
