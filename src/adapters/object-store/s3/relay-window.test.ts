import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { BodyWindow, SlabPool } from "./relay-window.ts";

/** What happens next: bytes arrive, a taker takes a run, or it finishes with what it took. */
const step = fc.oneof(
  fc.record({ kind: fc.constant("arrive" as const), size: fc.integer({ min: 1, max: 80 }) }),
  fc.record({ kind: fc.constant("take" as const), taker: fc.nat(2) }),
  fc.record({ kind: fc.constant("finish" as const), taker: fc.nat(2) }),
  fc.constant({ kind: "flush" as const }),
);

interface Taker {
  at: number;
  held: Buffer;
}

describe("BodyWindow", () => {
  it("shows every taker the same bytes in order, and keeps them as they are until released", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 0, max: 2000 }), (steps, lengthBytes) => {
        const slabs = new SlabPool(64, 4);
        const window = new BodyWindow(lengthBytes, { slabs, maxSlabs: 2, batchBytes: 24 });
        const takers: Taker[] = [0, 1, 2].map(() => ({ at: 0, held: Buffer.alloc(0) }));
        for (const one of steps) {
          if (one.kind === "arrive") arrive(window, one.size);
          else if (one.kind === "flush") window.flush();
          else if (one.kind === "take") take(window, takers[one.taker]!);
          else finish(window, takers, takers[one.taker]!);
          for (const { at, held } of takers) assert.deepEqual([...held], expected(at, held.length));
        }
      }),
      { numRuns: 500 },
    );
  });

  it("says when it is full, and still has room for what TLS has already decrypted", () => {
    const window = new BodyWindow(1000, { slabs: new SlabPool(64, 4), maxSlabs: 2, batchBytes: 64 });
    for (let i = 0; i < 3; i++) {
      assert.equal(window.full, i > 1);
      window.fill(64);
      assert.ok(window.room().length > 0);
    }
    window.release(192);
    assert.equal(window.full, false);
  });

  it("does not give back the slab that a destroyed connection may still write to", () => {
    for (const [isDetached, isSame] of [
      [true, true],
      [false, false],
    ] as const) {
      const slabs = new SlabPool(64, 4);
      const window = new BodyWindow(1000, { slabs, maxSlabs: 2, batchBytes: 64 });
      const slab = window.room();
      window.dispose(isDetached);
      assert.equal(slabs.take() === slab, isSame);
    }
  });
});

function byteAt(offset: number): number {
  return (offset * 7 + (offset >> 8)) & 255;
}

function expected(from: number, length: number): number[] {
  return Array.from({ length }, (_, i) => byteAt(from + i));
}

function arrive(window: BodyWindow, size: number): void {
  if (window.full) return;
  const room = window.room();
  const from = window.receivedBytes;
  const arrived = Math.min(size, room.length);
  // Bytes beyond the end of the body, as a faulty server sends them, must not count.
  for (let i = 0; i < arrived; i++) room[i] = byteAt(from + i);
  assert.equal(window.fill(arrived), Math.min(arrived, window.lengthBytes - from));
}

function take(window: BodyWindow, taker: Taker): void {
  if (taker.held.length === 0) taker.held = window.at(taker.at) ?? taker.held;
}

function finish(window: BodyWindow, takers: readonly Taker[], taker: Taker): void {
  taker.at += taker.held.length;
  taker.held = Buffer.alloc(0);
  window.release(Math.min(...takers.map(({ at }) => at)));
}
