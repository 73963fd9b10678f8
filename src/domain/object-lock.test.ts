import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ObjectLock } from "./object.ts";
import { missingLock } from "./object-lock.ts";

const NOW = 1_000_000;
const until = (retainUntil: number, mode = "GOVERNANCE"): ObjectLock => ({ retention: { mode, retainUntil }, legalHold: false });
const HELD: ObjectLock = { legalHold: true };

describe("missingLock", () => {
  it("is nothing where both are held alike, or the replica more", () => {
    const pairs: readonly (readonly [ObjectLock | undefined, ObjectLock | undefined])[] = [
      [undefined, undefined],
      [undefined, HELD],
      [HELD, HELD],
      [until(NOW + 60_000), until(NOW + 60_000)],
      [until(NOW + 60_400), until(NOW + 60_000)],
      [until(NOW + 60_000), until(NOW + 90_000)],
      [until(NOW + 60_000), until(NOW + 60_000, "COMPLIANCE")],
      // What a person may still lift is never made what nobody can; stores change no mode without a bypass.
      [until(NOW + 90_000), until(NOW + 60_000, "COMPLIANCE")],
      [until(NOW + 60_000, "COMPLIANCE"), until(NOW + 90_000)],
      [until(NOW + 1_000), undefined],
      [until(NOW - 1_000), undefined],
    ];
    for (const [source, replica] of pairs) assert.equal(missingLock(source, replica, NOW), undefined, JSON.stringify([source, replica]));
  });

  it("is what the source has more: a hold, a longer retention", () => {
    assert.deepEqual(missingLock(HELD, undefined, NOW), { retention: undefined, legalHold: true });
    assert.deepEqual(missingLock(until(NOW + 90_000), until(NOW + 60_000), NOW), until(NOW + 90_000));
    assert.deepEqual(missingLock(until(NOW + 60_000), until(NOW - 1), NOW), until(NOW + 60_000));
    assert.deepEqual(missingLock(until(NOW + 90_000, "COMPLIANCE"), until(NOW + 60_000), NOW), until(NOW + 90_000));
    assert.deepEqual(missingLock(until(NOW + 90_000), until(NOW - 1, "COMPLIANCE"), NOW), until(NOW + 90_000));
    const both: ObjectLock = { ...until(NOW + 60_000), legalHold: true };
    assert.deepEqual(missingLock(both, HELD, NOW), until(NOW + 60_000));
  });

  it("never asks for what the other side would then lack: laid upon each other both end alike (invariant 5)", () => {
    const strict = [until(NOW + 30_000, "COMPLIANCE"), until(NOW + 90_000, "COMPLIANCE")];
    const locks = [undefined, HELD, until(NOW + 60_000), ...strict, { ...until(NOW + 90_000), legalHold: true }];
    const lay = (lock: ObjectLock | undefined, more: ObjectLock | undefined): ObjectLock | undefined =>
      more && { retention: more.retention ?? lock?.retention, legalHold: more.legalHold || lock?.legalHold === true };
    for (const a of locks) {
      for (const b of locks) {
        const nextB = lay(b, missingLock(a, b, NOW)) ?? b;
        const nextA = lay(a, missingLock(nextB, a, NOW)) ?? a;
        assert.equal(missingLock(nextA, nextB, NOW), undefined);
        assert.equal(missingLock(nextB, nextA, NOW), undefined);
      }
    }
  });
});
