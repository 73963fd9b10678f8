import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compare, compareChecksums, type Finding } from "./comparison.ts";
import type { ListedObject } from "./object.ts";
import type { LedgerEntry, ReplicaRecord } from "./status.ts";

const NOW = 1_700_000_000_000;
const RECORD: ReplicaRecord = {
  etag: "aa",
  versionId: null,
  lastModified: NOW,
  attributeHash: null,
  bytes: 5,
  proof: "etag",
  destinationEtag: "aa",
  destinationVersionId: null,
};

const ledger = {
  nothing: undefined,
  "a row without a replica": null,
  "the same ETag": RECORD,
  "the same ETag, from another time": { ...RECORD, lastModified: NOW - 1000 },
  "the same ETag, from an unknown time": { ...RECORD, lastModified: 0 },
  "another ETag": { ...RECORD, etag: "old" },
  "the same ETag, kept as bb": { ...RECORD, destinationEtag: "bb" },
  "the same ETag, kept as bb, from another time": { ...RECORD, destinationEtag: "bb", lastModified: NOW - 1000 },
} as const;

const replicas = {
  absent: undefined,
  equal: { sizeBytes: 5, etag: "aa" },
  "of another size": { sizeBytes: 6, etag: "aa" },
  "of ETag bb": { sizeBytes: 5, etag: "bb" },
  "of ETag bb-2": { sizeBytes: 5, etag: "bb-2" },
} as const;

/** What is found for a source of five bytes with ETag aa. */
const TABLE: Readonly<Record<keyof typeof replicas, Readonly<Record<keyof typeof ledger, Finding>>>> = {
  absent: {
    nothing: "MISSING",
    "a row without a replica": "MISSING",
    "the same ETag": "ABSENT_BUT_RECORDED",
    "the same ETag, from another time": "ABSENT_BUT_RECORDED",
    "the same ETag, from an unknown time": "ABSENT_BUT_RECORDED",
    "another ETag": "MISSING",
    "the same ETag, kept as bb": "ABSENT_BUT_RECORDED",
    "the same ETag, kept as bb, from another time": "ABSENT_BUT_RECORDED",
  },
  equal: {
    nothing: "EQUAL",
    "a row without a replica": "EQUAL",
    "the same ETag": "EQUAL",
    "the same ETag, from another time": "SUSPECT",
    "the same ETag, from an unknown time": "EQUAL",
    "another ETag": "EQUAL",
    "the same ETag, kept as bb": "EQUAL",
    "the same ETag, kept as bb, from another time": "SUSPECT",
  },
  "of another size": {
    nothing: "DIFFERENT",
    "a row without a replica": "DIFFERENT",
    "the same ETag": "DIFFERENT",
    "the same ETag, from another time": "DIFFERENT",
    "the same ETag, from an unknown time": "DIFFERENT",
    "another ETag": "DIFFERENT",
    "the same ETag, kept as bb": "DIFFERENT",
    "the same ETag, kept as bb, from another time": "DIFFERENT",
  },
  "of ETag bb": {
    nothing: "DIFFERENT",
    "a row without a replica": "DIFFERENT",
    "the same ETag": "DIFFERENT",
    "the same ETag, from another time": "DIFFERENT",
    "the same ETag, from an unknown time": "DIFFERENT",
    "another ETag": "DIFFERENT",
    "the same ETag, kept as bb": "EQUAL",
    "the same ETag, kept as bb, from another time": "SUSPECT",
  },
  "of ETag bb-2": {
    nothing: "UNCLEAR",
    "a row without a replica": "UNCLEAR",
    "the same ETag": "UNCLEAR",
    "the same ETag, from another time": "UNCLEAR",
    "the same ETag, from an unknown time": "UNCLEAR",
    "another ETag": "UNCLEAR",
    "the same ETag, kept as bb": "UNCLEAR",
    "the same ETag, kept as bb, from another time": "UNCLEAR",
  },
};

const listed = (parts: { readonly sizeBytes: number; readonly etag: string }): ListedObject => ({ key: "k", lastModified: NOW, ...parts });
const entryOf = (replica: ReplicaRecord | null | undefined) => (replica === undefined ? undefined : ({ replica } as LedgerEntry));

describe("compare", () => {
  for (const [replica, row] of Object.entries(TABLE)) {
    for (const [known, finding] of Object.entries(row)) {
      it(`finds ${finding}: the replica is ${replica}, the ledger knows ${known}`, () => {
        const found = replicas[replica as keyof typeof replicas];
        const entry = entryOf(ledger[known as keyof typeof ledger]);
        const source = listed({ sizeBytes: 5, etag: "aa" });
        assert.equal(compare({ source, replica: found && listed(found), entry }), finding);
      });
    }
  }

  it("finds EXTRA what only the destination has", () => {
    assert.equal(compare({ source: undefined, replica: listed({ sizeBytes: 5, etag: "aa" }), entry: undefined }), "EXTRA");
  });

  it("changes its mind of a copy kept under another ETag once the source's changes", () => {
    const entry = entryOf({ ...RECORD, etag: "old", destinationEtag: "bb" });
    const source = listed({ sizeBytes: 5, etag: "aa" });
    assert.equal(compare({ source, replica: listed({ sizeBytes: 5, etag: "bb" }), entry }), "DIFFERENT");
  });
});

describe("compareChecksums", () => {
  it("decides by an algorithm that both have, or not at all", () => {
    assert.equal(compareChecksums({ crc32: "a" }, { crc32: "a" }), true);
    assert.equal(compareChecksums({ crc32: "a" }, { crc32: "b" }), false);
    assert.equal(compareChecksums({ sha256: "x", crc32: "a" }, { crc32: "a" }), true);
    assert.equal(compareChecksums({ sha256: "x" }, { crc32: "a" }), undefined);
    assert.equal(compareChecksums(undefined, { crc32: "a" }), undefined);
    assert.equal(compareChecksums({ crc32: "a" }, undefined), undefined);
  });
});
