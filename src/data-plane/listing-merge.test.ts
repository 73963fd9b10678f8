import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { isReplicationError, ReplicationError } from "../domain/error.ts";
import { compareKeys } from "../domain/object.ts";
import type { ListOptions, ListPage } from "../ports/object-store.ts";
import { bucketOf } from "../testing/memory-object-store.ts";
import { type MergeSide, mergeListings } from "./listing-merge.ts";

/** A side that lists these keys in the order given, in pages of these sizes (0: an empty page that is not the last), then one page with the rest. */
function sideOf(
  keys: readonly string[],
  pages: readonly number[],
  options: { readonly prefix?: string; readonly failOnPage?: number } = {},
) {
  const { prefix = "", failOnPage } = options;
  const asked: ListOptions[] = [];
  const list = async (request: ListOptions = {}): Promise<ListPage> => {
    asked.push(request);
    const page = Number(request.continuationToken ?? 0);
    if (page === failOnPage) throw new ReplicationError("StoreUnreachable", "reset");
    const start = pages.slice(0, page).reduce((sum, size) => sum + size, 0);
    const size = pages[page];
    const some = keys.slice(start, size === undefined ? undefined : start + size);
    const objects = some.map((key) => ({ key: prefix + key, etag: key, sizeBytes: 1, lastModified: 0 }));
    return { objects, nextContinuationToken: size === undefined ? undefined : String(page + 1) };
  };
  const side: MergeSide = { store: { bucket: bucketOf("b"), list }, prefix, stripPrefix: prefix };
  return Object.assign(side, { asked });
}

const keySet = fc
  .uniqueArray(
    fc
      .oneof(
        fc.string({ unit: fc.constantFrom("a", "b", "/", "\uffff", "\u{1f600}"), minLength: 1, maxLength: 4 }),
        fc.string({ unit: "binary", minLength: 1 }),
      )
      .map((key) => key.toWellFormed()),
    { maxLength: 30 },
  )
  .map((keys) => keys.sort(compareKeys));
const pageSizes = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 8 });
const anySide = fc.record({ keys: keySet, pages: pageSizes, prefix: fc.constantFrom("", "backup/", "\u{1f600}") });

describe("mergeListings", () => {
  it("visits the union of all keys once, in the order of their bytes, with what each side has", async () => {
    await fc.assert(
      fc.asyncProperty(fc.record({ keys: keySet, pages: pageSizes }), fc.array(anySide, { maxLength: 3 }), async (source, others) => {
        const seen: unknown[] = [];
        const sides = {
          source: sideOf(source.keys, source.pages),
          destinations: others.map(({ keys, pages, prefix }) => sideOf(keys, pages, { prefix })),
        };
        await mergeListings(sides, ({ key, source: found, replicas }) => {
          seen.push([key, found?.key, replicas.map((replica) => replica?.key)]);
        });
        const union = [...new Set([source.keys, ...others.map(({ keys }) => keys)].flat())].sort(compareKeys);
        const expected = union.map((key) => [
          key,
          source.keys.includes(key) ? key : undefined,
          others.map(({ keys, prefix }) => (keys.includes(key) ? prefix + key : undefined)),
        ]);
        assert.deepEqual(seen, expected);
      }),
      { numRuns: 200 },
    );
  });

  it("concludes nothing from a side that does not list in order", async () => {
    for (const keys of [
      ["b", "a"],
      ["a", "a"],
      ["\u{1f600}", "\uffff"],
    ]) {
      for (const pages of [[], [1]]) {
        const work = mergeListings({ source: sideOf(["z"], []), destinations: [sideOf(keys, pages)] }, () => undefined);
        await assert.rejects(work, (error) => isReplicationError(error) && error.code === "ListingOutOfOrder");
      }
    }
  });

  it("fails with the side that fails, and leaves no rejection to nobody", async () => {
    const unhandled: unknown[] = [];
    const listener = (reason: unknown) => unhandled.push(reason);
    process.on("unhandledRejection", listener);
    try {
      for (const failOnPage of [0, 1, 2]) {
        const sides = {
          source: sideOf(["a", "b", "c"], [1, 1], { failOnPage }),
          destinations: [sideOf(["a"], [0, 1], { failOnPage: 1 }), sideOf([], [], { failOnPage: 0 })],
        };
        await assert.rejects(
          mergeListings(sides, () => undefined),
          { code: "StoreUnreachable" },
        );
        await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      process.off("unhandledRejection", listener);
    }
    assert.deepEqual(unhandled, []);
  });

  it("goes on without a side that fails where somebody is told of it, with what the side listed before", async () => {
    const seen: unknown[] = [];
    const lost: unknown[] = [];
    const broken = { ...sideOf(["a", "c", "e"], [1, 1], { failOnPage: 2 }), onLost: (error: unknown) => void lost.push(error) };
    const sides = { source: sideOf(["a", "b", "c", "d"], [1]), destinations: [broken, sideOf(["d", "e"], [])] };
    await mergeListings(sides, ({ key, replicas }) => {
      seen.push([key, lost.length, ...replicas.map((replica) => replica?.key)]);
    });
    assert.deepEqual(seen, [
      ["a", 0, "a", undefined],
      ["b", 0, undefined, undefined],
      ["c", 0, "c", undefined],
      ["d", 1, undefined, "d"],
      ["e", 1, undefined, "e"],
    ]);
    assert.deepEqual(
      lost.map((error) => isReplicationError(error) && error.code),
      ["StoreUnreachable"],
    );
  });

  it("waits for a visitor that asks it to, and ends with its error", async () => {
    const order: string[] = [];
    const sides = { source: sideOf(["a", "b", "c"], [1]), destinations: [] };
    const work = mergeListings(sides, async ({ key }) => {
      order.push(`${key} begins`);
      await new Promise((resolve) => setImmediate(resolve));
      order.push(`${key} ends`);
      if (key === "b") throw new Error("enough");
    });
    await assert.rejects(work, /enough/);
    assert.deepEqual(order, ["a begins", "a ends", "b begins", "b ends"]);
  });

  it("asks for one page ahead and no further", async () => {
    const side = sideOf(["a", "b", "c", "d"], [1, 1, 1]);
    const work = mergeListings({ source: side, destinations: [] }, () => {
      throw new Error("enough");
    });
    await assert.rejects(work, /enough/);
    assert.equal(side.asked.length, 2);
  });

  it("asks for keys under the prefix only", async () => {
    const side = sideOf(["a"], [], { prefix: "p/" });
    await mergeListings({ source: side, destinations: [] }, () => undefined);
    assert.deepEqual(
      side.asked.map(({ prefix }) => prefix),
      ["p/"],
    );
  });
});
