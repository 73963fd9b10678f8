import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { destinationOf, ruleOf } from "../../test/support/rules.ts";
import { isReplicationError, ReplicationError } from "../domain/error.ts";
import { LeapingClock } from "../testing/leaping-clock.ts";
import { bucketOf, MemoryObjectStore } from "../testing/memory-object-store.ts";
import { MemoryState } from "../testing/memory-state.ts";
import { silentMeter } from "../testing/silent-meter.ts";
import { withFaults } from "../testing/with-faults.ts";
import { backfillRule } from "./backfill.ts";
import { RuleIndex } from "./rule-index.ts";

/** A mesh of three, of which some cannot be listed. */
function scene(...away: readonly string[]) {
  const stores = ["a", "b", "c"].map((name) => new MemoryObjectStore(bucketOf(name)));
  const isAway = ({ bucket }: { readonly bucket: string }) => away.includes(bucket);
  const refusal = ({ name }: { readonly name: string }) => new ReplicationError("StoreUnreachable", `${name} is away`);
  const faulty = stores.map((store) => withFaults(store, () => (isAway(store.bucket) ? refusal(store.bucket) : undefined)));
  const mesh = stores.map(({ bucket }) => bucket.id);
  const legs = stores.map(({ bucket }) => {
    const others = stores.filter((other) => other.bucket !== bucket).map((other) => destinationOf(other.bucket));
    return ruleOf(bucket, others, { id: "mesh", mesh });
  });
  const clock = new LeapingClock();
  const state = new MemoryState({ clock });
  const storeOf = ({ id }: { readonly id: string }) => faulty[mesh.indexOf(id)] as (typeof faulty)[number];
  const rules = new RuleIndex(legs);
  const common = { rules, state, storeOf, clock, meter: silentMeter, room: async () => undefined };
  const compare = async () => {
    const told = await backfillRule({ ...common, rule: legs[0] as (typeof legs)[number] }).catch((error: unknown) => error);
    const tasks = await state.tasks.claim({ max: 100, now: clock.now() + 60_000, leaseMs: 1_000 });
    const ways = tasks.map(({ route, key }) => `${key} ${route.source.at(-1)}→${route.destination.at(-1)}`);
    return { ways: ways.sort(), told: isReplicationError(told) ? `${told.code}: ${told.message}` : "all" };
  };
  const progress = async () => (await state.journal.syncProgress("mesh"))?.finishedAt ?? null;
  const [a, b, c] = stores as [MemoryObjectStore, MemoryObjectStore, MemoryObjectStore];
  return { a, b, c, compare, progress };
}

describe("comparing a mesh some of whose members cannot be listed (invariant 7)", () => {
  it("compares the others with the next member where the first is away, and says so", async () => {
    const { b, c, compare, progress } = scene("a");
    b.plant("only-b");
    c.plant("only-c");
    const { ways, told } = await compare();
    assert.deepEqual(ways, ["only-b b→c", "only-c c→b"]);
    assert.equal(told, "StoreUnreachable: compared without one:a: one:a is away");
    assert.equal(await progress(), null); // not over: it is tried again
  });

  it("names all that were left out, and compares nothing where one alone is left", async () => {
    const { c, compare } = scene("a", "b");
    c.plant("only-c");
    const { ways, told } = await compare();
    assert.deepEqual(ways, []);
    assert.equal(told, "StoreUnreachable: compared without one:a, one:b: one:a is away");
  });

  it("waits for a listing as long as a listing may take, and names what it waited for", async (t) => {
    const { b, compare } = scene();
    const waits = t.mock.method(AbortSignal, "timeout", () => AbortSignal.abort(new DOMException("too late", "TimeoutError")));
    b.list = async ({ signal } = {}) => {
      signal?.throwIfAborted();
      return { objects: [] };
    };
    const { told } = await compare();
    assert.match(told, /^RequestTimeout: compared without one:b: .*not listed one key/);
    // A prefix full of delete markers is listed slowly, and no slower the next time.
    assert.ok(waits.mock.calls.every(({ arguments: [ms] }) => Number(ms) >= 30_000));
  });

  it("compares all with the first where all are there", async () => {
    const { a, compare, progress } = scene();
    a.plant("only-a");
    const { ways, told } = await compare();
    assert.deepEqual([ways, told], [["only-a a→b", "only-a a→c"], "all"]);
    assert.notEqual(await progress(), null);
  });
});
