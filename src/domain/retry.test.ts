import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ReplicationError } from "./error.ts";
import { retryDelay } from "./retry.ts";

const policy = { maxAttempts: 10, initialMs: 100, maxMs: 1_000 };
const blip = new ReplicationError("StoreUnreachable", "reset");

describe("retryDelay", () => {
  it("doubles its ceiling up to the greatest", () => {
    const ceilings = [1, 2, 3, 4, 5, 9].map((attempts) => retryDelay(policy, { error: blip, attempts }, () => 1));
    assert.deepEqual(ceilings, [100, 200, 400, 800, 1_000, 1_000]);
  });

  it("draws from the whole range below", () => {
    assert.equal(
      retryDelay(policy, { error: blip, attempts: 3 }, () => 0),
      0,
    );
    assert.equal(
      retryDelay(policy, { error: blip, attempts: 3 }, () => 0.5),
      200,
    );
  });

  it("ends with the last attempt, and at once for what is permanent", () => {
    assert.equal(
      retryDelay(policy, { error: blip, attempts: 10 }, () => 1),
      undefined,
    );
    assert.equal(
      retryDelay(policy, { error: new ReplicationError("AccessDenied", "no"), attempts: 1 }, () => 1),
      undefined,
    );
  });

  it("waits at least as long as it was asked to", () => {
    const error = new ReplicationError("SlowDown", "later", { retryAfterMs: 30_000 });
    assert.equal(
      retryDelay(policy, { error, attempts: 1 }, () => 0),
      30_000,
    );
  });

  it("stays a number however many attempts there are", () => {
    const endless = { ...policy, maxAttempts: Number.POSITIVE_INFINITY };
    assert.equal(
      retryDelay(endless, { error: blip, attempts: 100_000 }, () => 1),
      1_000,
    );
  });
});
