import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BinaryHeap } from "./binary-heap.ts";

test("a heap gives its items back the smallest first, whatever the order of pushes and pops", () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.integer())), (steps) => {
      const heap = new BinaryHeap<number>((item) => item);
      const oracle: number[] = [];
      for (const step of steps) {
        if (step === null) assert.equal(heap.pop(), oracle.shift());
        else {
          heap.push(step);
          oracle.push(step);
          oracle.sort((a, b) => a - b);
        }
        assert.equal(heap.peek(), oracle[0]);
        assert.equal(heap.size, oracle.length);
      }
    }),
  );
});
