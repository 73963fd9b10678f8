import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { Agent, type IncomingMessage, request } from "node:http";
import { after, before, test } from "node:test";
import { Sha256 } from "@aws-crypto/sha256-js";
import { SignatureV4 } from "@smithy/signature-v4";
import { type RunningEmbeddedS3, startEmbeddedS3 } from "./server.ts";

const credentials = { accessKeyId: "key", secretAccessKey: "secret" };
const bucket = "raw";

let server: RunningEmbeddedS3;
const agent = new Agent({ keepAlive: true });

before(async () => {
  server = await startEmbeddedS3({ credentials });
  server.model.createBucket(bucket);
});

after(async () => {
  agent.destroy();
  await server.close();
});

interface RawRequest {
  readonly method: string;
  /** As it travels. */
  readonly path: string;
  readonly query?: Record<string, string>;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

const EMPTY_HASH = createHash("sha256").digest("hex");

function signer(keys = credentials): SignatureV4 {
  return new SignatureV4({ credentials: keys, region: "us-east-1", service: "s3", sha256: Sha256, uriEscapePath: false });
}

interface Signing {
  readonly at?: Date;
  readonly keys?: typeof credentials;
}

function toSign({ method, path, query = {}, headers = {}, body = "" }: RawRequest) {
  const { hostname, host, port } = new URL(server.endpoint);
  const contentHash = headers["x-amz-content-sha256"] ?? createHash("sha256").update(body).digest("hex");
  const signed = { host, "x-amz-content-sha256": contentHash, ...headers };
  return { method, protocol: "http:", hostname, port: Number(port), path, query, headers: signed, body };
}

async function call(raw: RawRequest, signing: Signing = {}): Promise<RawAnswer> {
  const signed = await signer(signing.keys).sign(toSign(raw), { signingDate: signing.at ?? new Date() });
  return send({ ...raw, headers: signed.headers as Record<string, string> });
}

function send({ method, path, query = {}, headers = {}, body }: RawRequest): Promise<RawAnswer> {
  const search = Object.entries(query).map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`);
  const { hostname, port } = new URL(server.endpoint);
  const target = search.length === 0 ? path : `${path}?${search.join("&")}`;
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, method, path: target, headers, agent });
    sent.on("error", reject);
    sent.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }));
    });
    sent.end(body);
  });
}

function codeOf({ body }: RawAnswer): string | undefined {
  return /<Code>(\w+)<\/Code>/.exec(body.toString())?.[1];
}

const put = (key: string, raw: Partial<RawRequest> = {}) => call({ method: "PUT", path: `/${bucket}/${key}`, ...raw });
const get = (key: string, raw: Partial<RawRequest> = {}) => call({ method: "GET", path: `/${bucket}/${key}`, ...raw });
const head = (key: string, raw: Partial<RawRequest> = {}) => call({ method: "HEAD", path: `/${bucket}/${key}`, ...raw });

test("only requests signed with the right keys, for now and here, are answered", async () => {
  await put("signed", { body: "x" });
  const path = `/${bucket}/signed`;
  const anonymous = await send({ method: "GET", path });
  assert.deepEqual([anonymous.status, codeOf(anonymous)], [403, "AccessDenied"]);
  const unknown = await call({ method: "GET", path }, { keys: { ...credentials, accessKeyId: "other" } });
  assert.deepEqual([unknown.status, codeOf(unknown)], [403, "InvalidAccessKeyId"]);
  const forged = await call({ method: "GET", path }, { keys: { ...credentials, secretAccessKey: "wrong" } });
  assert.deepEqual([forged.status, codeOf(forged)], [403, "SignatureDoesNotMatch"]);
  for (const minutes of [-16, 16]) {
    const skewed = await call({ method: "GET", path }, { at: new Date(Date.now() + minutes * 60_000) });
    assert.deepEqual([skewed.status, codeOf(skewed)], [403, "RequestTimeTooSkewed"]);
  }
  assert.equal((await call({ method: "GET", path }, { at: new Date(Date.now() - 14 * 60_000) })).status, 200);
});

test("what was added or changed after signing is refused", async () => {
  const signed = await signer().sign(toSign({ method: "PUT", path: `/${bucket}/changed`, body: "x" }));
  const headers = signed.headers as Record<string, string>;
  const send2 = (raw: Partial<RawRequest>) => send({ method: "PUT", path: `/${bucket}/changed`, headers, body: "x", ...raw });
  assert.equal(codeOf(await send2({ path: `/${bucket}/other` })), "SignatureDoesNotMatch");
  assert.equal(codeOf(await send2({ query: { versionId: "1" } })), "SignatureDoesNotMatch");
  assert.equal(codeOf(await send2({ headers: { ...headers, "x-amz-meta-a": "1" } })), "AccessDenied");
  assert.equal(codeOf(await send2({ body: "y" })), "XAmzContentSHA256Mismatch");
  assert.equal((await send2({})).status, 200);
});

test("a signature covers the path as strictly encoded, however it was sent, and any query", async () => {
  for (const path of ["a(b)*!'", "a+b", "%2Flead", "%C3%BC%20x", "a//b/../c", "~x", "a=b&c;d@e:$,"]) {
    const strict = `/${bucket}/${path}`.replace(
      /[^A-Za-z0-9%._~/-]/g,
      (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
    );
    const signed = await signer().sign(toSign({ method: "PUT", path: strict, body: path }));
    const headers = signed.headers as Record<string, string>;
    assert.equal((await send({ method: "PUT", path: `/${bucket}/${path}`, headers, body: path })).status, 200, path);
    assert.equal((await send({ method: "PUT", path: strict, headers, body: path })).status, 200, path);
  }
  const query = { "list-type": "2", prefix: "a+b ü", "max-keys": "1", "max-keys-not": "", a: "=&", "a-b": "*" };
  assert.equal((await call({ method: "GET", path: `/${bucket}`, query })).status, 200);
});

test("a presigned URL works until it expires, for what it was signed for", async () => {
  await put("presigned", { body: "pre" });
  const presign = (method: string, at: Date) => {
    const { headers, ...unsigned } = toSign({ method, path: `/${bucket}/presigned` });
    return signer().presign(
      { ...unsigned, headers: { host: headers.host, "X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD" } },
      { expiresIn: 60, signingDate: at },
    );
  };
  const fresh = await presign("GET", new Date());
  const use = (method: string, query: unknown, headers = {}) =>
    send({ method, path: `/${bucket}/presigned`, query: query as Record<string, string>, headers });
  assert.equal((await use("GET", fresh.query)).body.toString(), "pre");
  assert.equal(codeOf(await use("DELETE", fresh.query)), "SignatureDoesNotMatch");
  assert.equal(codeOf(await use("GET", (await presign("GET", new Date(Date.now() - 61_000))).query)), "AccessDenied");
  assert.equal(codeOf(await use("GET", (await presign("GET", new Date(Date.now() + 16 * 60_000))).query)), "AccessDenied");
  const forPut = await presign("PUT", new Date());
  const written = await send({
    method: "PUT",
    path: `/${bucket}/presigned`,
    query: forPut.query as Record<string, string>,
    headers: { "content-length": "3" },
    body: "new",
  });
  assert.equal(written.status, 200);
  assert.equal((await get("presigned")).body.toString(), "new");
});

test("an error is a document with code, message, resource and request id, and without a body for HEAD", async () => {
  const missing = await get("no%26such");
  assert.equal(missing.status, 404);
  assert.equal(missing.headers["content-type"], "application/xml");
  const document = missing.body.toString();
  assert.match(document, /^<\?xml version="1.0" encoding="UTF-8"\?>\n<Error><Code>NoSuchKey<\/Code><Message>[^<]+<\/Message>/);
  assert.match(
    document,
    new RegExp(`<Resource>/${bucket}/no&amp;such</Resource><RequestId>${missing.headers["x-amz-request-id"]}</RequestId>`),
  );
  const headed = await head("no-such");
  assert.deepEqual([headed.status, headed.body.length], [404, 0]);
  assert.equal(codeOf(await call({ method: "GET", path: "/no-such-bucket", query: { "list-type": "2" } })), "NoSuchBucket");
  assert.equal(codeOf(await call({ method: "GET", path: `/${bucket}/%FF` })), "InvalidURI");
  assert.equal(codeOf(await call({ method: "PATCH", path: `/${bucket}/k` })), "MethodNotAllowed");
});

test("raw UTF-8 metadata comes back in RFC 2047, and a raw Expires as it was", async () => {
  const text = "grüße-日本";
  const asBytes = Buffer.from(text).toString("latin1");
  const { method, path } = { method: "PUT", path: `/${bucket}/metadata` };
  // The signer hashes characters, so UTF-8 bytes that travel as Latin-1 are signed under their own text.
  const signed = await signer().sign(toSign({ method, path, headers: { "x-amz-meta-a": text, expires: "never at all" } }));
  const written = await send({ method, path, headers: { ...(signed.headers as Record<string, string>), "x-amz-meta-a": asBytes } });
  assert.equal(written.status, 200);
  const found = await head("metadata");
  assert.equal(found.headers["x-amz-meta-a"], `=?UTF-8?B?${Buffer.from(text).toString("base64")}?=`);
  assert.equal(found.headers["expires"], "never at all");
});

test("an object that was sent without a checksum has a CRC64NVME, and a sent one is verified", async () => {
  await put("bare", { body: "123456789" });
  const asked = { headers: { "x-amz-checksum-mode": "ENABLED" } };
  assert.equal((await head("bare", asked)).headers["x-amz-checksum-crc64nvme"], "rosUhgp5mIg=");
  assert.equal((await head("bare")).headers["x-amz-checksum-crc64nvme"], undefined);
  assert.equal((await put("bare", { body: "123456789", headers: { "x-amz-checksum-crc64nvme": "rosUhgp5mIg=" } })).status, 200);
  assert.equal(codeOf(await put("bare", { body: "12345678", headers: { "x-amz-checksum-crc64nvme": "rosUhgp5mIg=" } })), "BadDigest");
  const two = { "x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-crc32c": "AAAAAA==" };
  assert.equal(codeOf(await put("bare", { body: "", headers: two })), "InvalidRequest");
});

test("a body of unknown length is refused", async () => {
  const { method, path } = { method: "PUT", path: `/${bucket}/unknown-length` };
  const signed = await signer().sign(toSign({ method, path, headers: { "x-amz-content-sha256": "UNSIGNED-PAYLOAD" } }));
  const answer = await send({
    method,
    path,
    headers: { ...(signed.headers as Record<string, string>), "transfer-encoding": "chunked" },
    body: "x",
  });
  assert.deepEqual([answer.status, codeOf(answer)], [411, "MissingContentLength"]);
});

test("an unsigned chunked body is taken apart, its trailer verified, and aws-chunked is not stored", async () => {
  const body = "5\r\n12345\r\n4\r\n6789\r\n0\r\nx-amz-checksum-crc32c:4waSgw==\r\n\r\n";
  const headers = {
    "content-encoding": "gzip,aws-chunked",
    "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "x-amz-decoded-content-length": "9",
    "x-amz-trailer": "x-amz-checksum-crc32c",
  };
  const written = await put("chunked", { headers, body });
  assert.deepEqual([written.status, written.headers["x-amz-checksum-crc32c"]], [200, "4waSgw=="]);
  const found = await get("chunked");
  assert.deepEqual([found.body.toString(), found.headers["content-encoding"]], ["123456789", "gzip"]);
  assert.equal(codeOf(await put("broken", { headers, body: body.replace("4waSgw==", "AAAAAA==") })), "BadDigest");
  assert.equal(codeOf(await put("broken", { headers, body: body.replace("5\r\n", "3\r\n") })), "IncompleteBody");
  assert.equal(codeOf(await put("broken", { headers, body: "5\r\n12345\r\n" })), "IncompleteBody");
  assert.equal(codeOf(await put("broken", { headers: { ...headers, "x-amz-decoded-content-length": "8" }, body })), "IncompleteBody");
  assert.equal(codeOf(await put("broken", { headers, body: "9\r\n123456789\r\n0\r\n\r\n" })), "MalformedTrailerError");
  assert.equal((await get("broken")).status, 404);
});

test("the chained signatures of a signed chunked body are verified", async () => {
  const at = new Date();
  const answer = await call(await signedChunks("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", { at }), { at });
  assert.equal(answer.status, 200);
  assert.equal((await get("signed-chunks")).body.toString(), "first second");
  const forged = await signedChunks("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", { at, tamper: (text) => text.replace("second", "forged") });
  assert.equal(codeOf(await call(forged, { at })), "SignatureDoesNotMatch");
  const trailer = { name: "x-amz-checksum-sha256", value: createHash("sha256").update("first second").digest("base64") };
  const trailed = await call(await signedChunks("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", { at, trailer }), { at });
  assert.deepEqual([trailed.status, trailed.headers["x-amz-checksum-sha256"]], [200, trailer.value]);
});

interface Chunking {
  readonly at: Date;
  readonly tamper?: (body: string) => string;
  readonly trailer?: { readonly name: string; readonly value: string };
}

/** Builds the body of https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html by hand. */
async function signedChunks(packing: string, { at, tamper = (text) => text, trailer }: Chunking): Promise<RawRequest> {
  const headers = {
    "x-amz-content-sha256": packing,
    "x-amz-decoded-content-length": "12",
    ...(trailer && { "x-amz-trailer": trailer.name }),
  };
  const raw = { method: "PUT", path: `/${bucket}/signed-chunks`, headers };
  const signed = await signer().sign(toSign(raw), { signingDate: at });
  const stamp = at.toISOString().slice(0, 19).replace(/[-:]/g, "").concat("Z");
  const date = stamp.slice(0, 8);
  const hmac = (key: string | Buffer, text: string) => createHmac("sha256", key).update(text).digest();
  const key = [date, "us-east-1", "s3", "aws4_request"].reduce<Buffer>(hmac, Buffer.from(`AWS4${credentials.secretAccessKey}`));
  const scope = `${date}/us-east-1/s3/aws4_request`;
  let previous = /Signature=(\w+)/.exec(signed.headers["authorization"] ?? "")?.[1] ?? "";
  const hash = (text: string) => createHash("sha256").update(text).digest("hex");
  let body = "";
  for (const chunk of ["first ", "second", ""]) {
    const text = `AWS4-HMAC-SHA256-PAYLOAD\n${stamp}\n${scope}\n${previous}\n${EMPTY_HASH}\n${hash(chunk)}`;
    previous = hmac(key, text).toString("hex");
    body += `${chunk.length.toString(16)};chunk-signature=${previous}\r\n${chunk === "" ? "" : `${chunk}\r\n`}`;
  }
  if (trailer !== undefined) {
    const line = `${trailer.name}:${trailer.value}`;
    const signature = hmac(key, `AWS4-HMAC-SHA256-TRAILER\n${stamp}\n${scope}\n${previous}\n${hash(`${line}\n`)}`).toString("hex");
    body += `${line}\r\nx-amz-trailer-signature:${signature}\r\n`;
  }
  return { ...raw, body: tamper(`${body}\r\n`) };
}

test("one connection serves request after request, also after a refusal", async () => {
  const single = new Agent({ keepAlive: true, maxSockets: 1 });
  const ports = new Set<number | undefined>();
  const { hostname, port } = new URL(server.endpoint);
  for (let round = 0; round < 3; round++) {
    await new Promise<void>((resolve, reject) => {
      const sent = request({ hostname, port, method: "PUT", path: `/${bucket}/k`, agent: single });
      sent.on("error", reject);
      sent.on("response", (response) => {
        ports.add(sent.socket?.localPort);
        assert.equal(response.statusCode, 403);
        response.resume().on("end", resolve);
      });
      sent.end(Buffer.alloc(500_000));
    });
  }
  assert.equal(ports.size, 1);
  single.destroy();
});

test("closing ends at once although connections are open, and can be repeated", async () => {
  const other = await startEmbeddedS3({ credentials });
  const idle = new Agent({ keepAlive: true });
  const { hostname, port } = new URL(other.endpoint);
  await new Promise<void>((resolve, reject) => {
    const sent = request({ hostname, port, path: "/", agent: idle }, (response) => response.resume().on("end", resolve));
    sent.on("error", reject);
    sent.end();
  });
  await Promise.all([other.close(), other.close()]);
  await assert.rejects(fetch(other.endpoint));
  idle.destroy();
});
