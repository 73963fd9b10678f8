import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Body } from "./body.ts";
import { CHECKSUM_ALGORITHMS, type ChecksumAlgorithm } from "./checksum.ts";

/** Of `123456789`. https://reveng.sourceforge.io/crc-catalogue/all.htm */
const CHECK_VALUES: Readonly<Record<ChecksumAlgorithm, string>> = {
  crc32: "cbf43926",
  crc32c: "e3069283",
  crc64nvme: "ae8b14860a799888",
  sha1: "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
  sha256: "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
};

test("every checksum has its published check value", () => {
  const hex = (algorithm: ChecksumAlgorithm) => Buffer.from(Body.of("123456789").checksum(algorithm), "base64").toString("hex");
  for (const algorithm of CHECKSUM_ALGORITHMS) assert.equal(hex(algorithm), CHECK_VALUES[algorithm]);
});

test("a checksum does not depend on the pieces that the bytes came in", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.array(fc.nat(100)), (bytes, cuts) => {
      const ends = [...cuts.filter((cut) => cut < bytes.length), bytes.length].sort((a, b) => a - b);
      const pieces = new Body(ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end)));
      for (const algorithm of CHECKSUM_ALGORITHMS) assert.equal(pieces.checksum(algorithm), new Body([bytes]).checksum(algorithm));
      assert.equal(pieces.md5(), new Body([bytes]).md5());
    }),
  );
});

test("a slice has the bytes of its range, whatever the pieces", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 5 })), fc.nat(30), fc.nat(30), (chunks, a, b) => {
      const whole = Buffer.concat(chunks);
      const [start, end] = [Math.min(a, b, whole.length), Math.min(Math.max(a, b), whole.length)];
      assert.deepEqual(Buffer.concat(new Body(chunks).slice(start, end)), whole.subarray(start, end));
    }),
  );
});
