import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readStamp, stampOf, withoutStamp } from "./stamp.ts";

const CONTENT = { origin: "s3://a.test:9000/pho;tos", originTime: 1_700_000_000_000, originEtag: "0a", dot: 1_700_000_000, history: {} };

describe("the stamp of a replica", () => {
  it("tells where and when its content was written", () => {
    const read = readStamp(stampOf(CONTENT, { place: "p", sourceEtag: "0a" }), "p");
    assert.deepEqual(read, { content: { ...CONTENT, history: { [CONTENT.origin]: 1_700_000_000 } }, sourceEtag: "0a" });
  });

  it("tells nothing at another place: a client that copies an object copies its stamp too (invariant 6)", () => {
    assert.equal(readStamp(stampOf(CONTENT, { place: "p", sourceEtag: "0a" }), "q"), undefined);
  });

  it("is nothing where it is not one of ours", () => {
    for (const text of [undefined, "", "v1", "v2;a;1;p;e", "v1;a;x;p;e", "v1;%E0%A4;1;p;e", "v1;a;1;p;"])
      assert.equal(readStamp(text, "p"), undefined);
  });

  it("is no part of the object", () => {
    assert.deepEqual(withoutStamp({ metadata: { replicast: "v1;…", own: "1" } }), { metadata: { own: "1" } });
  });
});
