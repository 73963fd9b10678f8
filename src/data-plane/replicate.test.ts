import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ruleOf as ruleWith } from "../../test/support/rules.ts";
import { ReplicationError } from "../domain/error.ts";
import type { Destination, Filter, Rule } from "../domain/rule.ts";
import { bucketOf, MemoryObjectStore } from "../testing/memory-object-store.ts";
import { MemoryTransfer, type TransferPlan } from "../testing/memory-transfer.ts";
import { type Aim, replicate } from "./replicate.ts";

const source = new MemoryObjectStore(bucketOf("source"));
const replica = new MemoryObjectStore(bucketOf("replica", "two"));

function destination(prefix = ""): Destination {
  const { bucket } = replica;
  return { id: bucket.name, canonicalId: `${bucket.id}/${prefix}`, bucket, prefix, existingObjects: true };
}

function ruleOf(id: string, filter: Filter = {}): Rule {
  return ruleWith(source.bucket, [destination(`${id}/`)], { id, filter });
}

function aimOf(id: string, filter: Filter = {}): Aim {
  const rule = ruleOf(id, filter);
  return { rule, destination: rule.destinations[0]! };
}

const transferOf = (plan?: TransferPlan) => new MemoryTransfer((bucket) => (bucket.id === source.bucket.id ? source : replica), plan);
const reasons = (outcomes: Awaited<ReturnType<typeof replicate>>) =>
  outcomes.map((outcome) => (outcome.kind === "skipped" ? outcome.reason : outcome.kind === "failed" ? outcome.error.code : outcome.kind));

describe("replicate", () => {
  it("reads the source once for all aims and puts each under its own prefix", async () => {
    source.plant("k");
    const transfer = transferOf();
    const outcomes = await replicate(transfer, { key: "k", aims: [aimOf("a"), aimOf("b")] });
    assert.deepEqual(reasons(outcomes), ["copied", "copied"]);
    assert.equal(transfer.requests.length, 1);
    assert.deepEqual(
      ["a/k", "b/k"].filter((key) => !replica.keys().includes(key)),
      [],
    );
    assert.equal(transfer.requests[0]?.accept, undefined, "nothing has to be shown first");
  });

  it("reads a source again that has moved on, without the hint (invariant 2)", async () => {
    source.plant("k");
    const transfer = transferOf();
    const outcomes = await replicate(transfer, { key: "k", aims: [aimOf("a")], hint: { etag: "old", sizeBytes: 1 } });
    assert.deepEqual(reasons(outcomes), ["copied"]);
    assert.deepEqual(
      transfer.requests.map(({ hint }) => hint?.etag),
      ["old", undefined],
    );
  });

  it("leaves a source that changes each time it is read for later", async () => {
    const transfer = transferOf(() => ({ kind: "changed" }));
    assert.deepEqual(reasons(await replicate(transfer, { key: "k", aims: [aimOf("a"), aimOf("b")] })), [
      "PreconditionFailed",
      "PreconditionFailed",
    ]);
    assert.equal(transfer.requests.length, 3);
  });

  it("skips what is gone, and fails all for a source that cannot be read", async () => {
    assert.deepEqual(reasons(await replicate(transferOf(), { key: "never", aims: [aimOf("a"), aimOf("b")] })), [
      "SourceGone",
      "SourceGone",
    ]);
    const error = new ReplicationError("AccessDenied", "no");
    const outcomes = await replicate(
      transferOf(() => ({ kind: "failed", error })),
      { key: "k", aims: [aimOf("a")] },
    );
    assert.deepEqual(outcomes, [{ kind: "failed", error }]);
  });

  it("lets each rule's filter decide on the object as it was read", async () => {
    source.plant("k", { attributes: { systemHeaders: {}, metadata: {}, tags: { env: "prod", team: "blue" } } }, "12345");
    const filters: Readonly<Record<string, readonly [Filter, string]>> = {
      "the tag": [{ tags: { env: "prod" } }, "copied"],
      "both tags": [{ tags: { env: "prod", team: "blue" } }, "copied"],
      "another value": [{ tags: { env: "test" } }, "FilteredOut"],
      "a tag it has not": [{ tags: { env: "prod", x: "y" } }, "FilteredOut"],
      "large enough": [{ minBytes: 5 }, "copied"],
      "too small": [{ minBytes: 6 }, "FilteredOut"],
      "small enough": [{ maxBytes: 5 }, "copied"],
      "too large": [{ maxBytes: 4 }, "FilteredOut"],
      nothing: [{}, "copied"],
    };
    const aims = Object.entries(filters).map(([id, [filter]]) => aimOf(id, filter));
    const transfer = transferOf();
    assert.deepEqual(
      reasons(await replicate(transfer, { key: "k", aims })),
      Object.values(filters).map(([, expected]) => expected),
    );
    assert.equal(transfer.requests[0]?.needTags, true);
  });

  it("asks for tags only where a rule looks at them", async () => {
    source.plant("k");
    const transfer = transferOf();
    await replicate(transfer, { key: "k", aims: [aimOf("a", { minBytes: 1, tags: {} })] });
    assert.equal(transfer.requests[0]?.needTags, false);
  });

  it("does nothing for no aims", async () => {
    const transfer = transferOf();
    assert.deepEqual(await replicate(transfer, { key: "k", aims: [] }), []);
    assert.equal(transfer.requests.length, 0);
  });
});
