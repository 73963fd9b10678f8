import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Sha256 } from "@aws-crypto/sha256-js";
import { SignatureV4 } from "@smithy/signature-v4";
import fc from "fast-check";
import { EMPTY_PAYLOAD, Signer, type SigningCredentials } from "./signer.ts";
import { encodeKey, encodeQuery } from "./uri.ts";

interface Sample {
  readonly method: string;
  readonly key: string;
  readonly query: Readonly<Record<string, string>>;
  /** As text; what is sent is its UTF-8, one byte per character. */
  readonly headers: Readonly<Record<string, string>>;
}

const REGION = "eu-west-1";
const HOST = "photos.s3.eu-west-1.amazonaws.com";

/** What the other implementation makes of the same request. It hashes text as UTF-8 itself, so it is given text where we are given wire bytes. */
async function oracle(sample: Sample, credentials: SigningCredentials, now: number): Promise<Record<string, string>> {
  const signer = new SignatureV4({
    credentials: { ...credentials, sessionToken: credentials.sessionToken },
    region: REGION,
    service: "s3",
    sha256: Sha256,
    uriEscapePath: false,
    applyChecksum: false,
  } as ConstructorParameters<typeof SignatureV4>[0]);
  const headers = { host: HOST, "x-amz-content-sha256": "UNSIGNED-PAYLOAD", ...sample.headers };
  const request = {
    method: sample.method,
    protocol: "https:",
    hostname: HOST,
    path: `/${encodeKey(sample.key)}`,
    query: sample.query,
    headers,
  };
  const unsignableHeaders = new Set(Object.keys(headers).filter((name) => !isOurs(name)));
  const signed = await signer.sign(request, { signingDate: new Date(now), unsignableHeaders });
  return signed.headers;
}

function isOurs(name: string): boolean {
  return name.startsWith("x-amz-") || ["host", "content-md5", "content-type", "range"].includes(name);
}

function ours(
  sample: Sample,
  signer: Signer,
  at: { readonly credentials: SigningCredentials; readonly now: number },
): Record<string, string> {
  const headers: Record<string, string> = { host: HOST };
  for (const [name, value] of Object.entries(sample.headers)) headers[name] = Buffer.from(value).toString("latin1");
  const request = { method: sample.method, path: `/${encodeKey(sample.key)}`, query: encodeQuery(sample.query), headers };
  signer.sign(request, at.credentials, at.now);
  return headers;
}

// Blanks beyond ASCII are left out: the oracle folds them like spaces, which are other bytes to a server.
const text = fc.string({ unit: "grapheme", maxLength: 30 }).map((value) => value.replace(/[^\S ]/gu, "").replace(/[\x00-\x1f\x7f]/g, ""));
const token = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,12}$/);
const headerName = fc.oneof(
  token.map((name) => `x-amz-meta-${name}`),
  fc.constantFrom("content-type", "content-md5", "range", "if-match", "x-amz-copy-source", "x-amz-storage-class", "cache-control"),
);
const credentialsOf = fc.record({
  accessKeyId: fc.stringMatching(/^[A-Z0-9]{16}$/),
  secretAccessKey: fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 60 }),
  sessionToken: fc.option(fc.stringMatching(/^[A-Za-z0-9+/=]{1,80}$/), { nil: undefined }),
});
const sampleOf = fc.record({
  method: fc.constantFrom("GET", "HEAD", "PUT", "POST", "DELETE"),
  key: fc.oneof(
    fc.string({ unit: "grapheme" }),
    fc.string({ unit: "binary" }),
    fc.constantFrom("../x", "a//b", "/a", "a/./b", "!'()*", "+ %2F"),
  ),
  query: fc.dictionary(
    fc.oneof(
      token,
      text.filter((name) => name !== "" && name !== "__proto__"), // which the oracle loses
    ),
    text,
    { maxKeys: 4 },
  ),
  headers: fc.dictionary(headerName, text, { maxKeys: 5 }),
});
const instant = fc.date({ min: new Date("2000-01-01"), max: new Date("2099-12-31"), noInvalidDate: true }).map(Number);

describe("Signer", () => {
  it("signs what another implementation signs, whatever is in the request", async () => {
    const signer = new Signer(REGION); // one for all: its kept key must never outlive a day or a change of credentials
    await fc.assert(
      fc.asyncProperty(sampleOf, credentialsOf, instant, async (sample, credentials, now) => {
        const expected = await oracle(sample, credentials, now);
        const headers = ours(sample, signer, { credentials, now });
        assert.equal(headers["authorization"], expected["authorization"]);
        assert.equal(headers["x-amz-date"], expected["x-amz-date"]);
        assert.equal(headers["x-amz-security-token"], expected["x-amz-security-token"]);
      }),
      { numRuns: 300 },
    );
  });

  it("signs every byte of a value whose UTF-8 holds what latin1 calls a blank", async () => {
    for (const value of ["voil\u00e0", "\u00e0  la  carte\u00e0", " outer ", "tab\there"]) {
      const sample: Sample = { method: "PUT", key: "k", query: {}, headers: { "x-amz-meta-a": value } };
      const expected = await oracle(sample, EXAMPLE.credentials, EXAMPLE.now);
      assert.equal(ours(sample, new Signer(REGION), EXAMPLE)["authorization"], expected["authorization"], value);
    }
  });

  it("derives its key anew on the next day and for other credentials", async () => {
    const signer = new Signer(REGION);
    const sample: Sample = { method: "GET", key: "k", query: {}, headers: {} };
    const other = { accessKeyId: "OTHER", secretAccessKey: "other", sessionToken: undefined };
    for (const [credentials, now] of [
      [EXAMPLE.credentials, EXAMPLE.now],
      [EXAMPLE.credentials, EXAMPLE.now + 86_400_000],
      [other, EXAMPLE.now + 86_400_000],
      [EXAMPLE.credentials, EXAMPLE.now],
    ] as const) {
      const expected = await oracle(sample, credentials, now);
      assert.equal(ours(sample, signer, { credentials, now })["authorization"], expected["authorization"]);
    }
  });
});

const EXAMPLE = {
  credentials: {
    accessKeyId: "AKIAIOSFODNN7EXAMPLE",
    secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    sessionToken: undefined,
  },
  now: Date.UTC(2013, 4, 24),
};

// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html. Its PUT example signs `date`, which proxies may set and we leave out.
describe("Signer on the documented examples", () => {
  const host = "examplebucket.s3.amazonaws.com";
  const sign = (request: { path: string; query: string; headers: Record<string, string> }) => {
    const headers = { ...request.headers, host, "x-amz-content-sha256": EMPTY_PAYLOAD };
    new Signer("us-east-1").sign({ method: "GET", ...request, headers }, EXAMPLE.credentials, EXAMPLE.now);
    return (headers as Record<string, string>)["authorization"]?.split("Signature=")[1];
  };

  it("GET object with a range", () => {
    const signature = sign({ path: "/test.txt", query: "", headers: { range: "bytes=0-9" } });
    assert.equal(signature, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  });

  it("GET bucket lifecycle", () => {
    const signature = sign({ path: "/", query: "lifecycle=", headers: {} });
    assert.equal(signature, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  });

  it("GET bucket, listing objects", () => {
    const signature = sign({ path: "/", query: encodeQuery({ prefix: "J", "max-keys": "2" }), headers: {} });
    assert.equal(signature, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
  });
});
