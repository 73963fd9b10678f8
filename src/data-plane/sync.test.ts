import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { destinationOf, ruleOf } from "../../test/support/rules.ts";
import { ReplicationError } from "../domain/error.ts";
import type { Rule } from "../domain/rule.ts";
import { LeapingClock } from "../testing/leaping-clock.ts";
import { bucketOf, MemoryObjectStore } from "../testing/memory-object-store.ts";
import { MemoryTransfer, type TransferPlan } from "../testing/memory-transfer.ts";
import { type SyncEvent, type SyncOptions, type SyncSummary, syncRule } from "./sync.ts";

interface Scene {
  readonly source: MemoryObjectStore;
  readonly replicas: readonly [MemoryObjectStore, MemoryObjectStore];
  readonly transfer: MemoryTransfer;
  readonly clock: LeapingClock;
  readonly events: SyncEvent[];
  run(overrides?: Partial<SyncOptions>, rule?: Partial<Rule>): Promise<readonly SyncSummary[]>;
}

function sceneOf(plan?: TransferPlan): Scene {
  const source = new MemoryObjectStore(bucketOf("source"));
  const replicas = [new MemoryObjectStore(bucketOf("one")), new MemoryObjectStore(bucketOf("two"))] as const;
  const storeOf = ({ id }: { readonly id: string }) => [source, ...replicas].find(({ bucket }) => bucket.id === id)!;
  const transfer = new MemoryTransfer(storeOf, plan);
  const clock = new LeapingClock();
  const events: SyncEvent[] = [];
  const destinations = replicas.map(({ bucket }) => destinationOf(bucket));
  const retry = { maxAttempts: 3, initialMs: 100, maxMs: 100 };
  const run: Scene["run"] = (overrides, rule) =>
    syncRule({
      rule: ruleOf(source.bucket, destinations, rule),
      destinations,
      storeOf,
      transfer,
      clock,
      concurrency: 4,
      retry,
      dryRun: false,
      onEvent: (event) => events.push(event),
      ...overrides,
    });
  return { source, replicas, transfer, clock, events, run };
}

const pick = <K extends keyof SyncSummary>(summaries: readonly SyncSummary[], ...names: readonly K[]) =>
  summaries.map((summary) => names.map((name) => summary[name]));
const kinds = (events: readonly SyncEvent[]) => events.map(({ kind, key, destination }) => `${kind} ${key} ${destination.id}`).sort();
const failure = (code: ConstructorParameters<typeof ReplicationError>[0]) =>
  ({ kind: "failed", error: new ReplicationError(code, "as planned") }) as const;

describe("syncRule", () => {
  it("copies what is missing or different and removes nothing", async () => {
    const at = sceneOf();
    const [one, two] = at.replicas;
    for (const key of ["equal", "missing", "different"]) at.source.plant(key);
    for (const key of ["equal", "extra"]) one.plant(key);
    one.plant("different", {}, "other bytes");
    for (const key of ["equal", "missing", "different"]) two.plant(key);
    const summaries = await at.run();
    assert.deepEqual(pick(summaries, "compared", "equal", "missing", "different", "extra", "copied", "failed", "bytesCopied"), [
      [3, 1, 1, 1, 1, 2, 0, 16],
      [3, 3, 0, 0, 0, 0, 0, 0],
    ]);
    assert.deepEqual(one.keys(), ["different", "equal", "extra", "missing"]);
    assert.deepEqual(kinds(at.events), [
      "copied different one:one",
      "copied missing one:one",
      "difference different one:one",
      "difference missing one:one",
    ]);
    assert.deepEqual(pick(await at.run(), "equal", "copied"), [
      [3, 0],
      [3, 0],
    ]);
  });

  it("reads an object once that several destinations lack, with the listing as a hint", async () => {
    const at = sceneOf();
    const { etag } = at.source.plant("k");
    await at.run();
    assert.equal(at.transfer.requests.length, 1);
    assert.equal(at.transfer.requests[0]?.destinations.length, 2);
    assert.deepEqual([at.transfer.requests[0]?.hint?.etag, at.transfer.requests[0]?.hint?.storageClass], [etag, "STANDARD"]);
  });

  it("finds and tells, and copies nothing, in a dry run", async () => {
    const at = sceneOf();
    at.source.plant("k");
    const summaries = await at.run({ dryRun: true });
    assert.deepEqual(pick(summaries, "missing", "copied"), [
      [1, 0],
      [1, 0],
    ]);
    assert.deepEqual([at.transfer.requests.length, at.events.length], [0, 2]);
  });

  it("tries again what may pass, without the hint, and counts what does not", async () => {
    const at = sceneOf((_, calls) => (calls < 3 ? failure("StoreError") : undefined));
    at.source.plant("k");
    assert.deepEqual(pick(await at.run(), "copied", "failed"), [
      [1, 0],
      [1, 0],
    ]);
    assert.deepEqual(
      at.transfer.requests.map(({ hint }) => hint !== undefined),
      [true, false, false],
    );
    assert.equal(at.clock.slept.length, 2);
    const worse = sceneOf(() => failure("StoreError"));
    worse.source.plant("k");
    assert.deepEqual(pick(await worse.run(), "copied", "failed"), [
      [0, 1],
      [0, 1],
    ]);
    assert.equal(worse.transfer.requests.length, 3);
  });

  it("does not try again what cannot pass", async () => {
    const at = sceneOf(() => failure("KeyNotRepresentable"));
    at.source.plant("k");
    assert.deepEqual(pick(await at.run(), "failed"), [[1], [1]]);
    assert.equal(at.transfer.requests.length, 1);
  });

  it("gives up where every destination keeps failing for reasons that are no single object's", async () => {
    const at = sceneOf(() => failure("AccessDenied"));
    for (let i = 0; i < 500; i++) at.source.plant(`k${i}`);
    await assert.rejects(at.run(), { code: "AccessDenied" });
    assert.ok(at.transfer.requests.length < 60, `${at.transfer.requests.length}`);
  });

  it("goes on where objects fail for reasons of their own", async () => {
    const at = sceneOf(() => failure("KeyNotRepresentable"));
    for (let i = 0; i < 100; i++) at.source.plant(`k${i}`);
    assert.deepEqual(pick(await at.run(), "failed"), [[100], [100]]);
  });

  it("lets one destination that keeps failing go, and finishes the others (invariant 7)", async () => {
    const at = sceneOf();
    const [one, two] = at.replicas;
    for (let i = 0; i < 200; i++) at.source.plant(`k${i}`);
    one.put = async () => {
      throw new ReplicationError("NoSuchBucket", "as planned");
    };
    const summaries = await at.run();
    assert.equal(two.keys().length, 200);
    const failed = summaries[0]?.failed ?? 0;
    assert.ok(failed >= 32 && failed < 60, `${failed}`);
  });

  it("goes on without a destination that cannot be listed, and its summary says why (invariant 7)", async () => {
    const at = sceneOf();
    const [one, two] = at.replicas;
    for (let i = 0; i < 20; i++) at.source.plant(`k${i}`);
    const away = new ReplicationError("StoreUnreachable", "away");
    one.list = () => Promise.reject(away);
    await assert.rejects(at.run(), away);
    const [first, second] = await at.run({ goesOn: true });
    assert.deepEqual([first?.error, first?.copied, second?.error, second?.copied], [away, 0, undefined, 20]);
    assert.deepEqual([one.keys().length, two.keys().length], [0, 20]);
    assert.ok(at.transfer.requests.every(({ destinations }) => destinations.length === 1));
  });

  it("breaks the destinations of a source that cannot be listed, and ends only once what is under way is done", async () => {
    const at = sceneOf();
    at.source.plant("k");
    const away = new ReplicationError("StoreUnreachable", "away");
    const list = at.source.list.bind(at.source);
    at.source.list = async (options) => {
      if (options?.continuationToken !== undefined) throw away;
      return { ...(await list(options)), nextContinuationToken: "more" };
    };
    const summaries = await at.run({ goesOn: true });
    assert.deepEqual(pick(summaries, "error", "copied"), [
      [away, 1],
      [away, 1],
    ]);
  });

  it("says of a destination that keeps failing that it was given up: what was not tried is not known", async () => {
    const at = sceneOf();
    const [one, two] = at.replicas;
    for (let i = 0; i < 200; i++) at.source.plant(`k${i}`);
    const refusal = new ReplicationError("NoSuchBucket", "as planned");
    one.put = () => Promise.reject(refusal);
    const [first, second] = await at.run({ goesOn: true });
    assert.deepEqual([first?.error, second?.error, two.keys().length], [refusal, undefined, 200]);
  });

  it("tells what differs, as far as it is known", async () => {
    const at = sceneOf();
    const [one, two] = at.replicas;
    for (const key of ["etag", "size", "unproven"]) at.source.plant(key);
    one.plant("etag", {}, "else");
    one.plant("size", {}, "other bytes");
    one.plant("unproven", { etag: `${"0".repeat(32)}-2` });
    for (const key of ["etag", "size", "unproven"]) two.plant(key);
    await at.run({ dryRun: true });
    const told = at.events.flatMap((event) => (event.kind === "difference" ? [[event.verdict, event.key, event.differs]] : []));
    assert.deepEqual(told.sort(), [
      ["DIFFERENT", "etag", ["etag"]],
      ["DIFFERENT", "size", ["size", "etag"]],
      ["UNPROVEN", "unproven", ["etag"]],
    ]);
  });

  it("copies only what the rule's filters let in", async () => {
    const at = sceneOf();
    const tagged = (env: string) => ({ attributes: { systemHeaders: {}, metadata: {}, tags: { env } } });
    at.source.plant("a/yes", tagged("prod"));
    at.source.plant("a/no", tagged("test"));
    at.source.plant("a/large", { ...tagged("prod"), sizeBytes: 1_000 });
    at.source.plant("b/no", tagged("prod"));
    const summaries = await at.run({}, { filter: { prefix: "a/", tags: { env: "prod" }, maxBytes: 100 } });
    assert.deepEqual(at.replicas[0].keys(), ["a/yes"]);
    assert.deepEqual(pick(summaries, "compared", "copied", "excluded"), [
      [3, 1, 2],
      [3, 1, 2],
    ]);
  });

  it("stops trying once interrupted", async () => {
    const abort = new AbortController();
    const at = sceneOf(() => {
      abort.abort();
      return failure("StoreError");
    });
    at.source.plant("k");
    await at.run({ signal: abort.signal });
    assert.equal(at.transfer.requests.length, 1);
  });
});
