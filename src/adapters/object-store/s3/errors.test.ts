import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Disposition, ErrorCode } from "../../../domain/error.ts";
import { toConnectionError, toStoreError } from "./errors.ts";

const at = { operation: "GetObject", bucket: "b", key: "k" };
const answer = (status: number, body = "", headers: Record<string, string> = {}) => ({ status, headers, body: Buffer.from(body) });
const xml = (code: string, message = "") => `<Error><Code>${code}</Code><Message>${message}</Message></Error>`;

type Row = readonly [status: number, code: string | undefined, expected: ErrorCode, disposition: Disposition];

const ROWS: readonly Row[] = [
  [403, "AccessDenied", "AccessDenied", "permanent"],
  [403, "AllAccessDisabled", "AccessDenied", "permanent"],
  [403, undefined, "AccessDenied", "permanent"],
  [403, "SignatureDoesNotMatch", "SignatureDoesNotMatch", "permanent"],
  [403, "InvalidAccessKeyId", "InvalidAccessKeyId", "permanent"],
  [403, "RequestTimeTooSkewed", "RequestTimeTooSkewed", "permanent"],
  [403, "InvalidObjectState", "ArchivedObject", "permanent"],
  [404, "NoSuchKey", "NoSuchKey", "permanent"],
  [404, "NoSuchBucket", "NoSuchBucket", "permanent"],
  [404, "NoSuchUpload", "NoSuchUpload", "retry"],
  [404, "NoSuchVersion", "NoSuchVersion", "permanent"],
  [400, "AuthorizationHeaderMalformed", "SignatureDoesNotMatch", "permanent"],
  [404, "XAdminUserNotFound", "InvalidAccessKeyId", "permanent"],
  [404, "NoSuchSomethingElse", "InvalidRequest", "permanent"],
  [404, undefined, "NoSuchKey", "permanent"],
  [405, undefined, "NoSuchKey", "permanent"],
  [400, "DirectoryObjectContainsData", "KeyNotRepresentable", "permanent"],
  [409, "OperationAborted", "SlowDown", "retry"],
  [409, "ConditionalRequestConflict", "PreconditionFailed", "retry"],
  [409, "ObjectParentIsFile", "KeyNotRepresentable", "permanent"],
  [412, "PreconditionFailed", "PreconditionFailed", "retry"],
  [412, undefined, "PreconditionFailed", "retry"],
  [400, "KeyTooLongError", "KeyNotRepresentable", "permanent"],
  [400, "XMinioInvalidObjectName", "KeyNotRepresentable", "permanent"],
  [400, "XMinioInvalidResourceName", "KeyNotRepresentable", "permanent"],
  [400, "BadDigest", "BadDigest", "retry"],
  [400, "XAmzContentChecksumMismatch", "BadDigest", "retry"],
  [400, "XAmzContentSHA256Mismatch", "BadDigest", "retry"],
  [400, "RequestTimeout", "RequestTimeout", "retry"],
  [400, "InvalidStorageClass", "InvalidStorageClass", "permanent"],
  [400, "InvalidTag", "InvalidTag", "permanent"],
  [400, "MetadataTooLarge", "MetadataTooLarge", "permanent"],
  [400, "EntityTooLarge", "EntityTooLarge", "permanent"],
  [400, "SomethingNew", "InvalidRequest", "permanent"],
  [400, "toString", "InvalidRequest", "permanent"],
  [413, undefined, "EntityTooLarge", "permanent"],
  [416, "InvalidRange", "InvalidRequest", "permanent"],
  [429, "TooManyRequests", "SlowDown", "retry"],
  [500, "InternalError", "StoreError", "retry"],
  [500, undefined, "StoreError", "retry"],
  [500, "SomethingNew", "StoreError", "retry"],
  [501, "NotImplemented", "NotImplemented", "permanent"],
  [501, undefined, "NotImplemented", "permanent"],
  [502, undefined, "StoreError", "retry"],
  [503, "SlowDown", "SlowDown", "retry"],
  [503, "ServiceUnavailable", "SlowDown", "retry"],
  [503, undefined, "SlowDown", "retry"],
  [504, undefined, "StoreError", "retry"],
  [507, "XMinioStorageFull", "StoreError", "retry"],
  [200, undefined, "MalformedResponse", "retry"],
];

describe("toStoreError", () => {
  for (const [status, name, code, disposition] of ROWS) {
    it(`reads ${status} ${name ?? "without a body"} as ${code}`, () => {
      const error = toStoreError(answer(status, name === undefined ? "" : xml(name)), at);
      assert.deepEqual([error.code, error.disposition, error.at], [code, disposition, { ...at, status }]);
    });
  }

  it("says what the store said, and where", () => {
    const error = toStoreError(answer(403, xml("AccessDenied", "not &lt;you&gt;")), at);
    assert.equal(error.message, "GetObject on b/k: AccessDenied: not <you>");
    assert.ok(error.hint);
  });

  it("hands on how long the store wants to be left alone", () => {
    assert.equal(toStoreError(answer(503, "", { "retry-after": "7" }), at).retryAfterMs, 7000);
    assert.equal(toStoreError(answer(503, "", { "retry-after": "soon" }), at).retryAfterMs, undefined);
    const later = new Date(Date.now() + 60_000).toUTCString();
    assert.ok((toStoreError(answer(503, "", { "retry-after": later }), at).retryAfterMs ?? 0) > 50_000);
  });
});

describe("toConnectionError", () => {
  it("names the endpoint and the first of several reasons", () => {
    const error = toConnectionError(new AggregateError([new Error("connect ECONNREFUSED ::1:9"), new Error("other")]), "http://h:9", at);
    assert.deepEqual([error.code, error.disposition], ["StoreUnreachable", "retry"]);
    assert.equal(error.message, "GetObject on b/k: http://h:9 cannot be reached: connect ECONNREFUSED ::1:9");
  });
});
