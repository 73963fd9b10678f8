import assert from "node:assert/strict";
import { test } from "node:test";
import { toRefusal } from "./aws-refusal.ts";

const answer = (name: string, status: number) => Object.assign(new Error("no"), { name, $metadata: { httpStatusCode: status } });

test("what AWS says no with is one code, under whichever name the service has for it", () => {
  const cases: readonly (readonly [unknown, string])[] = [
    [answer("AccessDeniedException", 400), "AccessDenied"],
    [answer("Forbidden", 403), "AccessDenied"],
    [answer("InvalidClientTokenId", 403), "InvalidAccessKeyId"],
    [answer("ExpiredToken", 400), "InvalidAccessKeyId"],
    [answer("ThrottlingException", 400), "SlowDown"],
    [answer("MalformedPolicyDocument", 400), "InvalidRequest"],
    [answer("NotFound", 404), "InvalidRequest"],
    [answer("InternalFailure", 500), "StoreError"],
    [answer("Anything", 501), "NotImplemented"],
    [Object.assign(answer("NoSuchEntityException", 404), { Code: "NoSuchEntity" }), "InvalidRequest"],
  ];
  for (const [cause, code] of cases) assert.equal(toRefusal(cause).code, code, String(cause));
});

test("without an answer it is the way there, or a fault of our own", () => {
  for (const code of ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "CERT_HAS_EXPIRED", "DEPTH_ZERO_SELF_SIGNED_CERT"])
    assert.equal(toRefusal(Object.assign(new Error("no"), { code })).code, "StoreUnreachable", code);
  assert.equal(toRefusal(Object.assign(new Error("no"), { name: "TimeoutError" })).code, "StoreUnreachable");
  assert.equal(toRefusal(Object.assign(new TypeError("Invalid URL"), { code: "ERR_INVALID_URL" })).code, "Internal");
  assert.equal(toRefusal(undefined).code, "Internal");
});

test("S3's word on where a bucket is, is kept", () => {
  const cause = Object.assign(answer("PermanentRedirect", 301), { $response: { headers: { "x-amz-bucket-region": "eu-west-3" } } });
  const { bucketRegion, status, name } = toRefusal(cause);
  assert.deepEqual({ bucketRegion, status, name }, { bucketRegion: "eu-west-3", status: 301, name: "PermanentRedirect" });
});
