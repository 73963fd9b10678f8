import assert from "node:assert/strict";
import { hash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { beforeEach, describe, it } from "node:test";
import type { Interception } from "../../../../test/support/intercept.ts";
import { useInterceptedBucket } from "../../../../test/support/intercepted.ts";
import { S3ObjectStore } from "./object-store.ts";
import { encodeXml } from "./xml.ts";

const s3 = useInterceptedBucket();

async function fill(...keys: readonly string[]): Promise<void> {
  for (const key of keys) await s3.store.put(key, Buffer.from("x"));
  s3.adapted.requests.splice(0);
}

/** Lists as servers do that echo `encoding-type=url` and encode nothing. */
function listRaw({ url = "" }: IncomingMessage): Interception {
  const query = new URL(url, "http://x").searchParams;
  if (!query.has("list-type")) return undefined;
  const page = s3.server.model.list(s3.store.bucket.bucket, {
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
    const page = await s3.store.list({ maxKeys, continuationToken: token });
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
        s3.store = new S3ObjectStore(s3.store.bucket, s3.adapted.client);
        s3.front.intercept = listRaw;
        assert.deepEqual(await listed(maxKeys), keys);
      });
    }
  }

  it("learns it once", async () => {
    await fill("a+b", "c+d");
    await s3.store.list();
    assert.deepEqual([...s3.adapted.requests].sort(), ["HeadObject", "HeadObject", "ListObjectsV2", "ListObjectsV2"]);
    s3.adapted.requests.splice(0);
    await s3.store.list();
    assert.deepEqual(s3.adapted.requests, ["ListObjectsV2"]);
  });

  it("learns nothing from keys that went away meanwhile", async () => {
    await fill("a+b");
    s3.front.intercept = (request) => {
      const answer = listRaw(request);
      if (request.url?.includes("max-keys=1000") === true) s3.server.model.deleteObject(s3.store.bucket.bucket, "a+b", {});
      return answer;
    };
    await s3.store.list();
    s3.front.intercept = listRaw;
    await fill("c+d");
    assert.deepEqual(await listed(), ["c+d"]);
  });

  it("asks nothing where no key is in doubt", async () => {
    await fill("a", "b/c.d");
    await s3.store.list();
    assert.deepEqual(s3.adapted.requests, ["ListObjectsV2"]);
  });
});

describe("S3ObjectStore and answers that are not what they seem", () => {
  const status =
    (code: number, body = "") =>
    () => ({ status: code, body });

  it("takes no 404 of another name for an absence", async () => {
    s3.front.intercept = status(404, "<Error><Code>XAdminUserNotFound</Code></Error>");
    await assert.rejects(s3.store.get("k"), { code: "InvalidAccessKeyId" });
    await assert.rejects(s3.store.head("k"));
  });

  it("takes no short or long answer for a range", async () => {
    await fill("k");
    s3.front.intercept = status(200, "the whole object");
    await assert.rejects(s3.store.read("k", { start: 0, endExclusive: 3 }), { code: "MalformedResponse" });
  });

  it("does not take trouble for the absence of a lock or a website", async () => {
    s3.front.intercept = ({ url }) => (url?.includes("website") === true ? { status: 503, body: "" } : undefined);
    await assert.rejects(s3.store.describe(), { code: "SlowDown" });
    s3.front.intercept = ({ url }) => (url?.includes("website") === true ? { status: 403, body: "" } : undefined);
    assert.equal((await s3.store.describe()).website, true, "what may not be asked may be so");
    s3.front.intercept = ({ url }) => (url?.includes("versioning") === true ? { status: 501, body: "" } : undefined);
    assert.equal((await s3.store.describe()).versioning, "Unversioned");
  });

  it("reads metadata that comes as raw UTF-8, or twice", async () => {
    await fill("k");
    s3.front.rewrite = (_, headers) => {
      headers["x-amz-meta-name"] = Buffer.from("voil\u00e0").toString("latin1");
      headers["x-amz-meta-twice"] = ["a", "b"];
    };
    assert.deepEqual((await s3.store.head("k"))?.attributes.metadata, { name: "voil\u00e0", twice: "a, b" });
  });

  it("says that a store cannot be reached, and counts both tries", async () => {
    s3.front.intercept = () => "cut";
    await assert.rejects(s3.store.put("k", Buffer.from("x")), { code: "StoreUnreachable", disposition: "retry" });
    assert.deepEqual(s3.adapted.requests, ["PutObject", "PutObject"]);
  });
});

describe("S3ObjectStore and versions", () => {
  beforeEach(() => s3.server.model.setVersioning(s3.store.bucket.bucket, "Enabled"));

  it("finds the delete marker that a HEAD keeps quiet about, and takes no other key's for it", async () => {
    for (const key of ["a+b", "a+bc"]) await s3.store.put(key, Buffer.from("x"));
    for (const key of ["a+b", "a+bc"]) await s3.store.delete(key);
    s3.front.rewrite = ({ method }, headers) => {
      if (method === "HEAD") delete headers["x-amz-delete-marker"];
    };
    const marker = await s3.store.observe("a+b");
    const [latest] = (await s3.store.listVersions({ prefix: "a+b", maxKeys: 1 })).versions;
    assert.deepEqual(marker, { kind: "marker", versionId: latest?.versionId, lastModified: latest?.lastModified });
    assert.deepEqual(await s3.store.observe("a"), { kind: "absent" });
    assert.deepEqual(await s3.store.observe("a+"), { kind: "absent" });
  });

  it("believes in an absence where versions may not be looked at, and only of a bucket that can be listed", async () => {
    const deny = (part: string) => (request: IncomingMessage) =>
      request.url?.includes(part) ? { status: 403, body: "<Error><Code>AccessDenied</Code></Error>" } : undefined;
    for (const part of ["versioning", "versions"]) {
      s3.front.intercept = deny(part);
      assert.deepEqual(await s3.store.observe("absent"), { kind: "absent" });
    }
    s3.front.intercept = deny("list-type");
    await assert.rejects(s3.store.observe("absent"), { code: "AccessDenied" });
  });

  it("fails where a listing of versions does not go on, instead of going round", async () => {
    for (let i = 0; i < 3; i++) await s3.store.put("a", Buffer.from(`${i}`));
    const { next } = await s3.store.listVersions({ maxKeys: 1 });
    assert.ok(next !== undefined);
    const { keyMarker, versionIdMarker = "" } = next;
    const markers = `<NextKeyMarker>${keyMarker}</NextKeyMarker><NextVersionIdMarker>${versionIdMarker}</NextVersionIdMarker>`;
    s3.front.intercept = () => ({
      status: 200,
      body: `<ListVersionsResult><IsTruncated>true</IsTruncated>${markers}</ListVersionsResult>`,
    });
    await assert.rejects(s3.store.listVersions({ maxKeys: 1, ...next }), { code: "MalformedResponse" });
  });
});

describe("S3ObjectStore and tags", () => {
  it("sends what XML would read otherwise as it is, with a digest", async () => {
    await s3.store.put("a", Buffer.from("x"));
    let [body, digest] = ["", ""];
    s3.front.intercept = (request) => {
      if (request.method !== "PUT") return undefined;
      digest = `${request.headers["content-md5"]}`;
      request.on("data", (chunk: Buffer) => {
        body += chunk.toString();
      });
      return { status: 200 };
    };
    await s3.store.putTags("a", { "<&>": "line\r\nnext" });
    assert.ok(body.includes("<Key>&lt;&amp;&gt;</Key><Value>line&#13;\nnext</Value>"), body);
    assert.equal(digest, hash("md5", body, "base64"));
  });
});
