import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { encodeKey, encodeQuery, encodeTags, encodeUri } from "./uri.ts";

const anything = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: "binary" }).map((text) => text.toWellFormed()),
);

describe("encodeUri", () => {
  it("leaves the unreserved characters alone and nothing else", () => {
    assert.equal(encodeUri("AZaz09-._~"), "AZaz09-._~");
    assert.equal(encodeUri("!'()* +/%"), "%21%27%28%29%2A%20%2B%2F%25");
    fc.assert(
      fc.property(anything, (text) => {
        assert.match(encodeUri(text), /^(?:[A-Za-z0-9\-._~]|%[0-9A-F]{2})*$/);
        assert.equal(decodeURIComponent(encodeUri(text)), text);
      }),
    );
  });

  it("writes half a character as the one that stands for what is broken", () => assert.equal(encodeUri("\ud800"), "%EF%BF%BD"));
});

describe("encodeKey", () => {
  it("keeps every slash and dot where it is", () => {
    assert.equal(encodeKey("/a//../b/./ c/"), "/a//../b/./%20c/");
    fc.assert(fc.property(anything, (key) => assert.equal(decodeURIComponent(encodeKey(key)), key)));
  });
});

describe("encodeQuery", () => {
  it("sorts by the names as they are sent, so that the query is canonical", () => {
    assert.equal(encodeQuery({ b: "2", a: "1 +", "a-b": "", "\u00e9": "x", Z: "=" }), "%C3%A9=x&Z=%3D&a=1%20%2B&a-b=&b=2");
  });
});

describe("encodeTags", () => {
  it("survives being parsed as a query string", () => {
    fc.assert(
      fc.property(fc.dictionary(anything, anything), (tags) => {
        assert.deepEqual([...new URLSearchParams(encodeTags(tags))], Object.entries(tags));
      }),
    );
  });
});
