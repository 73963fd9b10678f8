import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type GateState, OPEN_GATE, passGate, reopened } from "./delete-gate.ts";

const LIMITS = { max: 50, percent: 10, windowMs: 600_000 };

/** Asks for `deletes` at one moment and returns how many passed. */
function ask(gate: GateState, deletes: number, now: number): { readonly passed: number; readonly gate: GateState } {
  let passed = 0;
  for (let i = 0; i < deletes; i++) {
    const answer = passGate(gate, LIMITS, now);
    gate = answer.gate;
    if (answer.passes) passed++;
  }
  return { passed, gate };
}

describe("the delete gate (invariant 4)", () => {
  it("shuts at the limit and stays shut however long it is", () => {
    const first = ask(OPEN_GATE, 60, 0);
    assert.equal(first.passed, 50);
    assert.equal(first.gate.shutAt, 0);
    assert.equal(ask(first.gate, 1, 10 * LIMITS.windowMs).passed, 0);
  });

  it("opens only for a person, with nothing counted", () => {
    const { gate } = ask(OPEN_GATE, 60, 0);
    assert.equal(ask(reopened(gate), 50, 1).passed, 50);
  });

  it("takes the percent of what the destination held, but lets a few pass wherever they are", () => {
    assert.equal(ask({ ...OPEN_GATE, population: 300 }, 60, 0).passed, 30);
    assert.equal(ask({ ...OPEN_GATE, population: 5 }, 60, 0).passed, 20);
    assert.equal(ask({ ...OPEN_GATE, population: 1_000_000 }, 60, 0).passed, 50);
  });

  it("never lets more pass in any window, however they are spread over hours", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1_000, max: 30_000 }), { minLength: 60, maxLength: 400 }), (pauses) => {
        let gate: GateState = { ...OPEN_GATE, population: 1_000_000 };
        let now = 0;
        const passedAt: number[] = [];
        for (const pause of pauses) {
          now += pause;
          const answer = passGate(gate, LIMITS, now);
          gate = answer.passes ? answer.gate : reopenedWithItsCount(answer.gate);
          if (answer.passes) passedAt.push(now);
          assert.ok(gate.passed.length <= 62, "what is counted stays small");
        }
        for (const from of passedAt) {
          const inWindow = passedAt.filter((at) => at >= from && at < from + LIMITS.windowMs).length;
          assert.ok(inWindow <= LIMITS.max, `${inWindow} in one window`);
        }
      }),
    );
  });

  it("lets pass for ever what stays under the limit", () => {
    let gate: GateState = { ...OPEN_GATE, population: 1_000_000 };
    for (let now = 0; now < 6 * 3_600_000; now += 13_000) {
      const answer = passGate(gate, LIMITS, now);
      assert.ok(answer.passes, `at ${now} ms`);
      gate = answer.gate;
    }
  });
});

/** To go on asking where the latch would end it. */
function reopenedWithItsCount(gate: GateState): GateState {
  return { ...gate, shutAt: null };
}
