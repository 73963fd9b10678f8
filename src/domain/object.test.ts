import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { attributeText, compareKeys, isMultipartEtag } from "./object.ts";

const key = fc
  .oneof(
    fc.string({ unit: "binary" }),
    fc.string({ unit: "grapheme" }),
    fc.string({ unit: fc.constantFrom("a", "\ud7ff", "\ue000", "\uffff", "\u{10000}", "\u{10ffff}") }),
  )
  .map((text) => text.toWellFormed());

describe("compareKeys", () => {
  it("orders as the keys' UTF-8 bytes do", () => {
    fc.assert(
      fc.property(key, key, (a, b) => assert.equal(Math.sign(compareKeys(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)))),
      { numRuns: 2_000 },
    );
  });

  it("puts characters beyond U+FFFF last, unlike the language", () => {
    assert.ok(compareKeys("\uffff", "\u{10000}") < 0);
    assert.ok("\uffff" > "\u{10000}");
  });
});

describe("attributeText", () => {
  it("tells everything once, sorted by bytes, whatever the order given", () => {
    const systemHeaders = { Expires: "never", "cache-control": "x" };
    const metadata = { "\uffff": "1", "\u{10000}": "2", B: "gr\u00fc\u00dfe" };
    const text = attributeText({ systemHeaders, metadata, tags: { z: "1", a: "2" } });
    const pairs = [
      ["cache-control", "x"],
      ["expires", "never"],
      ["tag:a", "2"],
      ["tag:z", "1"],
      ["x-amz-meta-b", "gr\u00fc\u00dfe"],
      ["x-amz-meta-\uffff", "1"],
      ["x-amz-meta-\u{10000}", "2"],
    ];
    assert.equal(text, JSON.stringify(pairs));
    const reversed = (record: Record<string, string>) => Object.fromEntries(Object.entries(record).reverse());
    assert.equal(attributeText({ systemHeaders: reversed(systemHeaders), metadata: reversed(metadata), tags: { a: "2", z: "1" } }), text);
  });

  it("is that of nothing for nothing", () => {
    assert.equal(attributeText({ systemHeaders: {}, metadata: {} }), "[]");
    assert.equal(attributeText({ systemHeaders: {}, metadata: {}, tags: {} }), "[]");
  });

  it("differs where names and values are shared out differently", () => {
    const a = attributeText({ systemHeaders: {}, metadata: { a: "1" } });
    for (const tags of [{ a: "1" }, { "x-amz-meta-a": "1" }]) assert.notEqual(attributeText({ systemHeaders: {}, metadata: {}, tags }), a);
  });
});

describe("isMultipartEtag", () => {
  it("knows one by its dash", () => assert.deepEqual(["a-1", "a"].map(isMultipartEtag), [true, false]));
});
