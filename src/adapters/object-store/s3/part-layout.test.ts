import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import { exactLayout, MAX_PARTS, multipartEtag, ownLayout, type Part, uniformLayout } from "./part-layout.ts";

const MIB = 1024 ** 2;
const TIB = 1024 ** 4;

function assertCovers(parts: readonly Part[], totalBytes: number): void {
  let at = 0;
  for (const [i, part] of parts.entries()) {
    assert.deepEqual([part.number, part.start], [i + 1, at]);
    at += part.sizeBytes;
  }
  assert.equal(at, totalBytes);
}

describe("uniformLayout", () => {
  it("covers the object with equal parts, the last what remains", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10_000 }), fc.integer({ min: 1, max: 3_000 }), (total, size) => {
        const parts = uniformLayout(total, size);
        assertCovers(parts, total);
        assert.ok(parts.slice(0, -1).every((part) => part.sizeBytes === size));
        assert.ok(total === 0 || parts.every((part) => part.sizeBytes > 0 && part.sizeBytes <= size));
      }),
    );
  });

  it("has one empty part for an empty object", () => assert.deepEqual(uniformLayout(0, 5), [{ number: 1, start: 0, sizeBytes: 0 }]));
});

describe("exactLayout", () => {
  it("has the parts it is told", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1_000)), (sizes) => {
        const parts = exactLayout(sizes);
        assertCovers(
          parts,
          sizes.reduce((sum, size) => sum + size, 0),
        );
        assert.deepEqual(
          parts.map((part) => part.sizeBytes),
          sizes,
        );
      }),
    );
  });
});

describe("ownLayout", () => {
  for (const total of [0, 1, 64 * MIB, 64 * MIB + 1, 640_000 * MIB - 1, 640_000 * MIB + 1, TIB, 5 * TIB, 48 * TIB]) {
    it(`keeps ${total} bytes within S3's number and sizes of parts`, () => {
      const parts = ownLayout(total);
      assertCovers(parts, total);
      assert.ok(parts.length <= MAX_PARTS);
      assert.ok(parts.every((part, i) => part.sizeBytes <= 5 * 1024 * MIB && (i === parts.length - 1 || part.sizeBytes >= 5 * MIB)));
    });
  }
});

describe("multipartEtag", () => {
  it("is the MD5 of the parts' MD5s and their number", () => {
    const md5 = (bytes: Uint8Array) => createHash("md5").update(bytes).digest();
    const parts = [Buffer.alloc(5 * MIB, "a"), Buffer.from("b")];
    const expected = `${md5(Buffer.concat(parts.map(md5))).toString("hex")}-2`;
    assert.equal(multipartEtag(parts.map((part) => md5(part).toString("hex"))), expected);
  });

  it("is that of a known upload", () => {
    // One empty part, as stores make of an empty multipart upload.
    assert.equal(multipartEtag(["d41d8cd98f00b204e9800998ecf8427e"]), "59adb24ef3cdbe0297f05b395827453f-1");
  });
});
