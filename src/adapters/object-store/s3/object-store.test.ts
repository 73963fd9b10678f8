import assert from "node:assert/strict";
import { hash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { type Interception, type Interceptor, interceptorBefore } from "../../../../test/support/intercept.ts";
import { type AdaptedStore, adapt, bucketIn } from "../../../../test/support/s3-adapter.ts";
import { type RunningEmbeddedS3, startEmbeddedS3 } from "../../../embedded-s3/server.ts";
import { S3ObjectStore } from "./object-store.ts";
import { encodeXml } from "./xml.ts";

const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" };
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

async function fill(...keys: readonly string[]): Promise<void> {
  for (const key of keys) await store.put(key, Buffer.from("x"));
  adapted.requests.splice(0);
}

/** Lists as servers do that echo `encoding-type=url` and encode nothing. */
function listRaw({ url = "" }: IncomingMessage): Interception {
  const query = new URL(url, "http://x").searchParams;
  if (!query.has("list-type")) return undefined;
  const page = server.model.list(store.bucket.bucket, {
    prefix: query.get("prefix") ?? undefined,
    maxKeys: Number(query.get("max-keys")),
    continuationToken: query.get("continuation-token") ?? undefined,
  });
  const token = page.nextContinuationToken;
  const more = token === undefined ? "" : `<NextContinuationToken>${encodeXml(token)}</NextContinuationToken>`;
  const contents = page.objects.map(
    ({ key, etag }) => `<Contents><Key>${encodeXml(key)}</Key><ETag>${etag}</ETag><Size>1</Size></Contents>`,
  );
  const body = `<ListBucketResult><IsTruncated>${token !== undefined}</IsTruncated>${more}${contents.join("")}</ListBucketResult>`;
  return { status: 200, body };
}

async function listed(maxKeys = 1000): Promise<string[]> {
  const keys: string[] = [];
  for (let token: string | undefined, first = true; first || token !== undefined; first = false) {
    const page = await store.list({ maxKeys, continuationToken: token });
    keys.push(...page.objects.map(({ key }) => key));
    token = page.nextContinuationToken;
  }
  return keys;
}

describe("S3ObjectStore and how servers write keys", () => {
  const keySets: readonly (readonly string[])[] = [
    ["a b", "a%20b", "a+b"],
    ["a+b"],
    ["100%"],
    ["%41", "A"],
    ["a%2Bb"],
    ["plain", "x%20y"],
    ["%E4"],
  ];
  for (const keys of keySets) {
    for (const maxKeys of [1, 1000]) {
      it(`reads ${JSON.stringify(keys)} from one that encodes and one that does not, ${maxKeys} to a page`, async () => {
        await fill(...keys);
        assert.deepEqual(await listed(maxKeys), keys);
        store = new S3ObjectStore(store.bucket, adapted.client);
        front.intercept = listRaw;
        assert.deepEqual(await listed(maxKeys), keys);
      });
    }
  }

  it("learns it once", async () => {
    await fill("a+b", "c+d");
    await store.list();
    assert.deepEqual([...adapted.requests].sort(), ["HeadObject", "HeadObject", "ListObjectsV2", "ListObjectsV2"]);
    adapted.requests.splice(0);
    await store.list();
    assert.deepEqual(adapted.requests, ["ListObjectsV2"]);
  });

  it("learns nothing from keys that went away meanwhile", async () => {
    await fill("a+b");
    front.intercept = (request) => {
      const answer = listRaw(request);
      if (request.url?.includes("max-keys=1000") === true) server.model.deleteObject(store.bucket.bucket, "a+b", {});
      return answer;
    };
    await store.list();
    front.intercept = listRaw;
    await fill("c+d");
    assert.deepEqual(await listed(), ["c+d"]);
  });

  it("asks nothing where no key is in doubt", async () => {
    await fill("a", "b/c.d");
    await store.list();
    assert.deepEqual(adapted.requests, ["ListObjectsV2"]);
  });
});

describe("S3ObjectStore and answers that are not what they seem", () => {
  const status =
    (code: number, body = "") =>
    () => ({ status: code, body });

  it("takes no 404 of another name for an absence", async () => {
    front.intercept = status(404, "<Error><Code>XAdminUserNotFound</Code></Error>");
    await assert.rejects(store.get("k"), { code: "InvalidAccessKeyId" });
    await assert.rejects(store.head("k"));
  });

  it("takes no short or long answer for a range", async () => {
    await fill("k");
    front.intercept = status(200, "the whole object");
    await assert.rejects(store.read("k", { start: 0, endExclusive: 3 }), { code: "MalformedResponse" });
  });

  it("does not take trouble for the absence of a lock or a website", async () => {
    front.intercept = ({ url }) => (url?.includes("website") === true ? { status: 503, body: "" } : undefined);
    await assert.rejects(store.describe(), { code: "SlowDown" });
    front.intercept = ({ url }) => (url?.includes("website") === true ? { status: 403, body: "" } : undefined);
    assert.equal((await store.describe()).website, true, "what may not be asked may be so");
    front.intercept = ({ url }) => (url?.includes("versioning") === true ? { status: 501, body: "" } : undefined);
    assert.equal((await store.describe()).versioning, "Unversioned");
  });

  it("reads metadata that comes as raw UTF-8, or twice", async () => {
    await fill("k");
    front.rewrite = (_, headers) => {
      headers["x-amz-meta-name"] = Buffer.from("voil\u00e0").toString("latin1");
      headers["x-amz-meta-twice"] = ["a", "b"];
    };
    assert.deepEqual((await store.head("k"))?.attributes.metadata, { name: "voil\u00e0", twice: "a, b" });
  });

  it("says that a store cannot be reached, and counts both tries", async () => {
    front.intercept = () => "cut";
    await assert.rejects(store.put("k", Buffer.from("x")), { code: "StoreUnreachable", disposition: "retry" });
    assert.deepEqual(adapted.requests, ["PutObject", "PutObject"]);
  });
});

describe("S3ObjectStore and versions", () => {
  beforeEach(() => server.model.setVersioning(store.bucket.bucket, "Enabled"));

  it("finds the delete marker that a HEAD keeps quiet about, and takes no other key's for it", async () => {
    for (const key of ["a+b", "a+bc"]) await store.put(key, Buffer.from("x"));
    for (const key of ["a+b", "a+bc"]) await store.delete(key);
    front.rewrite = ({ method }, headers) => {
      if (method === "HEAD") delete headers["x-amz-delete-marker"];
    };
    const marker = await store.observe("a+b");
    const [latest] = (await store.listVersions({ prefix: "a+b", maxKeys: 1 })).versions;
    assert.deepEqual(marker, { kind: "marker", versionId: latest?.versionId, lastModified: latest?.lastModified });
    assert.deepEqual(await store.observe("a"), { kind: "absent" });
    assert.deepEqual(await store.observe("a+"), { kind: "absent" });
  });

  it("believes in an absence where versions may not be looked at, and only of a bucket that can be listed", async () => {
    const deny = (part: string) => (request: IncomingMessage) =>
      request.url?.includes(part) ? { status: 403, body: "<Error><Code>AccessDenied</Code></Error>" } : undefined;
    for (const part of ["versioning", "versions"]) {
      front.intercept = deny(part);
      assert.deepEqual(await store.observe("absent"), { kind: "absent" });
    }
    front.intercept = deny("list-type");
    await assert.rejects(store.observe("absent"), { code: "AccessDenied" });
  });

  it("fails where a listing of versions does not go on, instead of going round", async () => {
    for (let i = 0; i < 3; i++) await store.put("a", Buffer.from(`${i}`));
    const { next } = await store.listVersions({ maxKeys: 1 });
    assert.ok(next !== undefined);
    const { keyMarker, versionIdMarker = "" } = next;
    const markers = `<NextKeyMarker>${keyMarker}</NextKeyMarker><NextVersionIdMarker>${versionIdMarker}</NextVersionIdMarker>`;
    front.intercept = () => ({ status: 200, body: `<ListVersionsResult><IsTruncated>true</IsTruncated>${markers}</ListVersionsResult>` });
    await assert.rejects(store.listVersions({ maxKeys: 1, ...next }), { code: "MalformedResponse" });
  });
});

describe("S3ObjectStore and tags", () => {
  it("sends what XML would read otherwise as it is, with a digest", async () => {
    await store.put("a", Buffer.from("x"));
    let [body, digest] = ["", ""];
    front.intercept = (request) => {
      if (request.method !== "PUT") return undefined;
      digest = `${request.headers["content-md5"]}`;
      request.on("data", (chunk: Buffer) => {
        body += chunk.toString();
      });
      return { status: 200 };
    };
    await store.putTags("a", { "<&>": "line\r\nnext" });
    assert.ok(body.includes("<Key>&lt;&amp;&gt;</Key><Value>line&#13;\nnext</Value>"), body);
    assert.equal(digest, hash("md5", body, "base64"));
  });
});
