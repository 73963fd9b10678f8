import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { destinationOf, ruleOf } from "../../test/support/rules.ts";
import { ReplicationError } from "../domain/error.ts";
import { LeapingClock } from "../testing/leaping-clock.ts";
import { bucketOf, MemoryObjectStore } from "../testing/memory-object-store.ts";
import { MemoryState } from "../testing/memory-state.ts";
import { type FaultPlan, withFaults } from "../testing/with-faults.ts";
import { type Difference, type VerifyOptions, verifyRule } from "./verify.ts";

const NAMES = ["source", "one", "two"] as const;
type Name = (typeof NAMES)[number];

const away = new ReplicationError("StoreUnreachable", "away");

/** A source and two destinations, some of which fail by plan. Listings have two objects a page. */
function scene(plans: Partial<Readonly<Record<Name, FaultPlan>>> = {}) {
  const stores = NAMES.map((name) => new MemoryObjectStore(bucketOf(name)));
  const [source, one, two] = stores as [MemoryObjectStore, MemoryObjectStore, MemoryObjectStore];
  for (const store of stores) {
    const list = store.list.bind(store);
    store.list = (options) => list({ ...options, maxKeys: 2 });
  }
  const faulty = NAMES.map((name, i) => withFaults(stores[i] as MemoryObjectStore, plans[name]));
  const storeOf = ({ bucket }: { readonly bucket: string }) => faulty[NAMES.indexOf(bucket as Name)] as (typeof faulty)[number];
  const destinations = [one, two].map(({ bucket }) => destinationOf(bucket));
  const found: string[] = [];
  const onDifference = ({ kind, destination, key }: Difference) => void found.push(`${kind} ${destination.id} ${key}`);
  const how = { attributes: false, checksum: false, extrasExpected: false, minAgeMs: 0, concurrency: 4, goesOn: true };
  const rule = ruleOf(source.bucket, destinations);
  const verify = (overrides: Partial<VerifyOptions> = {}) =>
    verifyRule({ rule, destinations, storeOf, clock: new LeapingClock(), ...how, onDifference, ...overrides });
  return { source, one, two, found, verify };
}

/** Fails the listing from its n-th page on. */
function failingAt(page: number, error: Error = away): FaultPlan {
  let pages = 0;
  return (call) => (call === "list" && ++pages >= page ? error : undefined);
}

describe("verifyRule, where a bucket fails (invariant 7)", () => {
  it("compares the others as if it were not there, and its summary says why it is not whole", async () => {
    for (const page of [1, 2, 3]) {
      const at = scene({ one: failingAt(page) });
      for (const key of ["a", "b", "c", "d", "e"]) at.source.plant(key);
      for (const key of ["a", "b", "c", "d", "e"]) at.one.plant(key);
      for (const key of ["a", "c", "d", "e"]) at.two.plant(key);
      const [one, two] = await at.verify();
      assert.equal(one?.error, away);
      assert.equal(two?.error, undefined);
      assert.deepEqual([two?.compared, two?.equal, two?.missing], [5, 4, 1], `page ${page}`);
      assert.deepEqual(at.found, ["MISSING one:two b"], "what is not known of a bucket is no difference");
    }
  });

  it("concludes nothing more of a destination that does not list in order", async () => {
    const at = scene();
    for (const key of ["a", "b", "c"]) for (const store of [at.source, at.two]) store.plant(key);
    at.one.list = async () => ({
      objects: ["b", "a"].map((key) => ({ key, etag: key, sizeBytes: 1, lastModified: 0 })),
      nextContinuationToken: undefined,
    });
    const [one, two] = await at.verify();
    assert.equal(one?.error?.code, "ListingOutOfOrder");
    assert.deepEqual([two?.compared, two?.equal], [3, 3]);
  });

  it("goes on without a destination that lists and answers nothing else", async () => {
    const refused = new ReplicationError("AccessDenied", "may not read");
    const at = scene({ one: (call) => (call === "list" ? undefined : refused) });
    for (const key of ["a", "b", "c"]) for (const store of [at.source, at.one, at.two]) store.plant(key);
    const [one, two] = await at.verify({ checksum: true });
    assert.equal(one?.error, refused);
    assert.deepEqual([two?.error, two?.compared, two?.equal], [undefined, 3, 3]);
  });

  it("breaks all destinations of a source that cannot be listed to its end, and what was found stays found", async () => {
    const at = scene({ source: failingAt(2) });
    for (const key of ["a", "b", "c"]) at.source.plant(key);
    const summaries = await at.verify();
    assert.deepEqual(
      summaries.map(({ error }) => error),
      [away, away],
    );
    assert.deepEqual(at.found.sort(), ["MISSING one:one a", "MISSING one:one b", "MISSING one:two a", "MISSING one:two b"]);
  });

  it("lists the source no further once no destination is left", async () => {
    const at = scene({ one: failingAt(1), two: failingAt(1) });
    for (let i = 0; i < 50; i++) at.source.plant(`k${i}`);
    let pages = 0;
    const list = at.source.list.bind(at.source);
    at.source.list = (options) => {
      pages++;
      return list(options);
    };
    const summaries = await at.verify();
    assert.ok(summaries.every(({ error }) => error === away));
    assert.ok(pages <= 2, `${pages}`);
  });

  it("ends with the error where it is told to end, where it was interrupted, and where no bucket is the reason", async () => {
    const at = scene({ one: failingAt(1) });
    await assert.rejects(at.verify({ goesOn: false }), away);
    await assert.rejects(at.verify({ signal: AbortSignal.abort() }), away);
    const state = new MemoryState({ clock: new LeapingClock() });
    const corrupt = new ReplicationError("LedgerCorrupt", "no ledger");
    state.ledger.scan = async () => {
      throw corrupt;
    };
    const healthy = scene();
    healthy.source.plant("a");
    await assert.rejects(healthy.verify({ ledger: state.ledger }), corrupt);
  });
});

describe("verifyRule", () => {
  it("tells of every object as it is done with, and of every byte it reads", async () => {
    const at = scene();
    for (const key of ["a", "bb", "ccc"]) for (const store of [at.source, at.one, at.two]) store.plant(key);
    let compared = 0;
    let read = 0;
    const onCompared = () => void compared++;
    const onRead = (bytes: number) => {
      read += bytes;
    };
    await at.verify({ onCompared, onRead });
    assert.deepEqual([compared, read], [6, 0]);
    const summaries = await at.verify({ onCompared, onRead, checksum: true });
    assert.deepEqual([compared, read], [12, 2 * 2 * 6]);
    assert.deepEqual(
      summaries.map(({ bytesRead }) => bytesRead),
      [12, 12],
    );
  });
});
