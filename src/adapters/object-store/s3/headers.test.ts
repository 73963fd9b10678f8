import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { decodeMetadata, encodeMetadata, etagMayBeMd5, toObjectState, toRequestHeaders, unquoteEtag } from "./headers.ts";

const wire = (text: string) => Buffer.from(text).toString("latin1");
const base64 = (text: string) => Buffer.from(text).toString("base64");

const DECODED: Readonly<Record<string, readonly [wire: string, text: string]>> = {
  "plain ASCII": ["max-age", "max-age"],
  "UTF-8 bytes": [wire("gr\u00fc\u00dfe-\u65e5\u672c"), "gr\u00fc\u00dfe-\u65e5\u672c"],
  "latin1 bytes that are no UTF-8": ["gr\xfc\xdfe", "gr\u00fc\u00dfe"],
  "an encoded word in base64": ["=?UTF-8?B?Z3LDvMOfZQ==?=", "gr\u00fc\u00dfe"],
  "an encoded word in quoted-printable, lower case": ["=?utf-8?q?gr=C3=BC=C3=9Fe_x?=", "gr\u00fc\u00dfe x"],
  "adjacent encoded words, whose gap is none of the text": ["=?UTF-8?B?Z3LDvA==?= =?UTF-8?Q?=C3=9Fe?=", "gr\u00fc\u00dfe"],
  "three adjacent words": ["=?UTF-8?Q?a?=  =?UTF-8?Q?b?=\t=?UTF-8?Q?c?=", "abc"],
  "words among plain text": ["a =?UTF-8?Q?=C3=BC?= z", "a \u00fc z"],
  "a word whose bytes are no UTF-8": ["=?UTF-8?Q?=FF?=", "=?UTF-8?Q?=FF?="],
  "a word of another character set": ["=?ISO-8859-1?Q?=FC?=", "=?ISO-8859-1?Q?=FC?="],
  "what only looks like a word": ["=?x", "=?x"],
};

describe("decodeMetadata", () => {
  for (const [what, [sent, text]] of Object.entries(DECODED)) it(`reads ${what}`, () => assert.equal(decodeMetadata(sent), text));
});

describe("encodeMetadata", () => {
  it("writes what decodeMetadata reads back, in bytes that a header line can carry", () => {
    const value = fc.oneof(fc.string({ unit: "grapheme" }), fc.string({ unit: "binary" })).map((text) => text.toWellFormed());
    fc.assert(
      fc.property(
        value.filter((text) => !text.includes("=?")),
        (text) => {
          const sent = encodeMetadata(text);
          assert.match(sent, /^[\t\x20-\x7e\x80-\xff]*$/);
          assert.equal(sent, sent.replace(/^[ \t]+|[ \t]+$/g, ""), "blanks at the ends would be lost on the way");
          assert.equal(decodeMetadata(sent), text);
        },
      ),
    );
  });

  it("never lets a value end its header line", () => {
    const evil = decodeMetadata(`=?UTF-8?B?${base64("x\r\nx-amz-acl: public-read")}?=`);
    assert.equal(evil, "x\r\nx-amz-acl: public-read");
    assert.doesNotMatch(toRequestHeaders({ systemHeaders: {}, metadata: { a: evil } })["x-amz-meta-a"] ?? "", /[\r\n]/);
  });
});

describe("toObjectState", () => {
  it("reads everything that a head tells", () => {
    const state = toObjectState("k", {
      etag: 'W/"d41d8cd98f00b204e9800998ecf8427e"',
      "content-length": "12",
      "last-modified": "Sat, 21 Nov 2026 00:45:03 GMT",
      "x-amz-version-id": "v1",
      "x-amz-storage-class": "STANDARD_IA",
      "x-amz-tagging-count": "2",
      "x-amz-mp-parts-count": "3",
      "x-amz-replication-status": "PENDING",
      "content-type": "text/plain",
      "content-encoding": "aws-chunked",
      "x-amz-meta-name": "=?UTF-8?B?w7w=?=",
      "x-amz-checksum-crc64nvme": "AAAA",
      "x-amz-checksum-type": "FULL_OBJECT",
      connection: "close",
    });
    assert.deepEqual(state, {
      key: "k",
      etag: "d41d8cd98f00b204e9800998ecf8427e",
      sizeBytes: 12,
      lastModified: Date.UTC(2026, 10, 21, 0, 45, 3),
      versionId: "v1",
      storageClass: "STANDARD_IA",
      attributes: { systemHeaders: { "content-type": "text/plain" }, metadata: { name: "\u00fc" } },
      tagCount: 2,
      etagMayBeMd5: true,
      checksums: { crc64nvme: "AAAA" },
      storedChecksum: { algorithm: "crc64nvme", type: "FULL_OBJECT", value: "AAAA" },
      lock: undefined,
      encryption: undefined,
      archived: undefined,
      restoring: undefined,
      partsCount: 3,
      replicationStatus: "PENDING",
    });
  });

  const statuses = {
    COMPLETE: "COMPLETED",
    COMPLETED: "COMPLETED",
    FAILED: "FAILED",
    REPLICA: "REPLICA",
    "": undefined,
    "by-vendor": undefined,
  };
  for (const [sent, status] of Object.entries(statuses)) {
    it(`takes x-amz-replication-status "${sent}" for ${status ?? "none"}`, () => {
      assert.equal(toObjectState("k", { "x-amz-replication-status": sent }).replicationStatus, status);
    });
  }

  const encodings: Readonly<Record<string, string | undefined>> = {
    "aws-chunked": undefined,
    "aws-chunked,gzip": "gzip",
    "gzip, aws-chunked": "gzip",
    "aws-chunked, gzip, br": "gzip,br",
    "gzip, br": "gzip, br",
  };
  for (const [sent, kept] of Object.entries(encodings)) {
    it(`takes Content-Encoding "${sent}" for ${kept ?? "none"}`, () => {
      assert.equal(toObjectState("k", { "content-encoding": sent }).attributes.systemHeaders["content-encoding"], kept);
    });
  }

  it("takes the version `null` and the class STANDARD for none", () => {
    const state = toObjectState("k", { "x-amz-version-id": "null", "x-amz-storage-class": "STANDARD" });
    assert.deepEqual([state.versionId, state.storageClass], [undefined, undefined]);
  });

  it("does not take a checksum of parts for one of the object", () => {
    assert.equal(toObjectState("k", { "x-amz-checksum-crc32": "AAAA-2" }).checksums, undefined);
    assert.equal(toObjectState("k", { "x-amz-checksum-crc32": "AAAA", "x-amz-checksum-type": "COMPOSITE" }).checksums, undefined);
  });
});

describe("etagMayBeMd5", () => {
  const md5 = "d41d8cd98f00b204e9800998ecf8427e";
  const cases: readonly (readonly [etag: string, headers: Record<string, string>, expected: boolean])[] = [
    [md5, {}, true],
    [md5, { "x-amz-server-side-encryption": "AES256" }, true],
    [md5, { "x-amz-server-side-encryption": "aws:kms" }, false],
    [md5, { "x-amz-server-side-encryption": "aws:kms:dsse" }, false],
    [md5, { "x-amz-server-side-encryption-customer-algorithm": "AES256" }, false],
    [`${md5}-3`, {}, false],
    ["z".repeat(32), {}, false],
    ["", {}, false],
  ];
  for (const [etag, headers, expected] of cases) {
    it(`is ${expected} for ${etag} with ${JSON.stringify(headers)}`, () => assert.equal(etagMayBeMd5(etag, headers), expected));
  }
});

describe("toRequestHeaders", () => {
  it("gives back the attributes that toObjectState read", () => {
    const attributes = {
      systemHeaders: { "content-type": "text/x", "cache-control": "max-age=1", "x-amz-website-redirect-location": "/x" },
      metadata: { name: "gr\u00fc\u00dfe \u00e0", empty: "" },
    };
    assert.deepEqual(toObjectState("k", toRequestHeaders(attributes)).attributes, attributes);
  });

  it("sends tags as a query string, and no header for none", () => {
    assert.equal(toRequestHeaders({ systemHeaders: {}, metadata: {}, tags: { "a b": "\u00fc&" } })["x-amz-tagging"], "a%20b=%C3%BC%26");
    assert.deepEqual(toRequestHeaders({ systemHeaders: {}, metadata: {}, tags: {} }), {});
  });
});

describe("unquoteEtag", () => {
  for (const [sent, etag] of Object.entries({ '"a"': "a", a: "a", 'W/"a-1"': "a-1", "": "" })) {
    it(`reads ${sent}`, () => assert.equal(unquoteEtag(sent), etag));
  }
});

describe("an archived object's state", () => {
  const archived = (restore: Readonly<Record<string, string>>) =>
    toObjectState("k", { etag: '"e"', "x-amz-storage-class": "GLACIER", date: "Mon, 02 Mar 2026 00:00:00 GMT", ...restore }).archived;

  it("is archived until its restored copy is there, and again once that is over by the store's own clock", () => {
    const until = (date: string) => ({ "x-amz-restore": `ongoing-request="false", expiry-date="${date}"` });
    assert.equal(archived({}), true);
    assert.equal(archived({ "x-amz-restore": 'ongoing-request="true"' }), true);
    assert.equal(archived(until("Tue, 03 Mar 2026 00:00:00 GMT")), undefined);
    assert.equal(archived(until("Sun, 01 Mar 2026 00:00:00 GMT")), true);
    assert.equal(archived({ "x-amz-restore": 'ongoing-request="false"' }), undefined);
  });
});
