import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ManualClock } from "../../../test/contract/manual-clock.ts";
import { carefulWaysOver } from "../../../test/support/careful-ways.ts";
import { destinationOf, ruleOf } from "../../../test/support/rules.ts";
import type { Step, StepLabel } from "../../adapters/object-store/embedded/model-calls.ts";
import { EmbeddedObjectStore } from "../../adapters/object-store/embedded/object-store.ts";
import { EmbeddedTransfer } from "../../adapters/object-store/embedded/transfer.ts";
import type { Bucket } from "../../domain/bucket.ts";
import type { GateLimits } from "../../domain/delete-gate.ts";
import { ReplicationError } from "../../domain/error.ts";
import type { Destination, Rule } from "../../domain/rule.ts";
import { blankEntry, type LedgerEntry } from "../../domain/status.ts";
import { Body } from "../../embedded-s3/body.ts";
import { EmbeddedS3Model } from "../../embedded-s3/model.ts";
import type { Changes, LeasedTask, Route } from "../../ports/state.ts";
import { bucketOf } from "../../testing/memory-object-store.ts";
import { MemoryState } from "../../testing/memory-state.ts";
import { silentMeter } from "../../testing/silent-meter.ts";
import { type BackfillSummary, backfillRule } from "../backfill.ts";
import type { CarefulWays } from "../careful-ways.ts";
import { toRoute } from "../diff.ts";
import { replicate } from "../replicate.ts";
import { RuleIndex } from "../rule-index.ts";
import type { Settlement } from "../settlement.ts";
import { readHistory } from "./key-history.ts";

const SOURCE = bucketOf("source");
const LEAF = bucketOf("leaf");
const KEY = "k";
const OPEN_GATE: GateLimits = { max: 1_000, percent: 100, windowMs: 600_000 };
const SHUT_GATE: GateLimits = { max: 0, percent: 0, windowMs: 600_000 };

type Fault = (label: StepLabel, bucket: Bucket) => Error | undefined;

interface SceneOptions {
  readonly rule?: Partial<Rule>;
  readonly destination?: Partial<Destination>;
  readonly gate?: GateLimits;
}

/** Two versioned buckets of an embedded store, a state, and the way of `versions: all` between them. */
class Scene {
  readonly clock = new ManualClock();
  readonly model: EmbeddedS3Model;
  readonly state: MemoryState;
  readonly rule: Rule;
  readonly route: Route;
  readonly ways: CarefulWays;
  readonly requests: string[] = [];
  fault: Fault = () => undefined;

  constructor({ rule, destination, gate = OPEN_GATE }: SceneOptions = {}) {
    let last = 0;
    const newId = () => String(++last).padStart(8, "0");
    this.model = new EmbeddedS3Model({ now: () => this.clock.now(), newId });
    for (const { bucket } of [SOURCE, LEAF]) this.model.createBucket(bucket);
    for (const { bucket } of [SOURCE, LEAF]) this.model.setVersioning(bucket, "Enabled");
    this.state = new MemoryState({ clock: this.clock });
    const leaf = destinationOf(LEAF, destination);
    this.rule = ruleOf(SOURCE, [leaf], { versions: "all", deletes: "markers", ...rule });
    this.route = toRoute(this.rule, leaf);
    const storeOf = (bucket: Bucket) => this.storeOf(bucket);
    const transfer = new EmbeddedTransfer({ storeOf: (bucket) => this.storeOf(bucket) });
    const { state, clock } = this;
    this.ways = carefulWaysOver({ transfer, storeOf, state, rules: new RuleIndex([this.rule]), clock, deleteGate: gate });
  }

  storeOf(bucket: Bucket): EmbeddedObjectStore {
    const step: Step = async (label, at) => {
      if (label.endsWith(":before")) this.requests.push(`${at.bucket.bucket} ${label.split(":")[0]}`);
      const error = this.fault(label, at.bucket);
      if (error !== undefined) throw error;
    };
    return new EmbeddedObjectStore({ bucket, model: this.model, step });
  }

  /** Writes to the source, or elsewhere, and returns the version's id. */
  async put(body: string, { bucket = SOURCE, tags = {} }: { bucket?: Bucket; tags?: Record<string, string> } = {}): Promise<string> {
    await this.clock.advance(1_000);
    const { versionId } = this.model.putObject(bucket.bucket, KEY, {
      body: Body.of(body),
      attributes: { systemHeaders: {}, metadata: {}, tags },
    });
    return versionId ?? "null";
  }

  async delete(bucket: Bucket = SOURCE, versionId?: string): Promise<string> {
    await this.clock.advance(1_000);
    return this.model.deleteObject(bucket.bucket, KEY, { versionId }).versionId ?? "null";
  }

  /** Contents of all versions, oldest first; markers as `†`. */
  async history(bucket: Bucket = LEAF, key: string = KEY): Promise<readonly string[]> {
    const store = new EmbeddedObjectStore({ bucket, model: this.model });
    const versions = (await readHistory(store, { key })).toReversed();
    const contents = versions.map(async ({ versionId, isDeleteMarker }) => {
      return isDeleteMarker ? "†" : Buffer.from((await store.get(key, { versionId }))?.body ?? []).toString();
    });
    return Promise.all(contents);
  }

  /** Settles the key as a worker does, and again while it asks for more. Returns each end. */
  async replay(changes: Changes = { written: true }): Promise<readonly Settlement[]> {
    await this.state.tasks.want([{ route: this.route, key: KEY, lane: "live", eventTime: null, changes }]);
    const ends: Settlement[] = [];
    for (let task = await this.#claim(); task !== undefined; task = await this.#claim()) {
      const end = await this.settle(task);
      await this.#record(task, end);
      ends.push(end);
      assert.ok(ends.length < 20, "a replay that does not end");
    }
    return ends;
  }

  /** A worker that dies before it has recorded anything. */
  async replayAndDie(): Promise<void> {
    await this.state.tasks.want([{ route: this.route, key: KEY, lane: "live", eventTime: null }]);
    const task = await this.#claim();
    assert.ok(task !== undefined);
    await this.settle(task);
    await this.state.tasks.release([task]);
  }

  settle(task: LeasedTask): Promise<Settlement> {
    return this.ways.settle({ task, aim: { rule: this.rule, destination: this.rule.destinations[0] as Destination }, signal: undefined });
  }

  async #claim(): Promise<LeasedTask | undefined> {
    return (await this.state.tasks.claim({ max: 1, now: this.clock.now(), leaseMs: 60_000 }))[0];
  }

  async #record(task: LeasedTask, end: Settlement): Promise<void> {
    const blank = { ...blankEntry({ ...task.route, key: task.key }), finishedAt: this.clock.now() };
    const ended = end.kind === "failed" ? { status: "FAILED" as const, reason: end.error.code } : end;
    const { status, reason } = ended;
    const more = end.kind === "failed" ? {} : { operation: end.operation, replica: end.replica, notes: end.notes };
    const { wants } = end;
    const versions = end.kind === "failed" ? undefined : end.versions;
    await this.state.tasks.record([{ task, entry: { ...blank, ...more, status, reason }, versions, wants }]);
  }

  async rows(): Promise<ReadonlyMap<string, LedgerEntry>> {
    const entries = await this.state.ledger.entriesOf(SOURCE.id, KEY);
    return new Map(entries.map((entry) => [entry.versionId, entry]));
  }

  async row(versionId: string): Promise<string> {
    const row = (await this.rows()).get(versionId);
    return [row?.status, row?.operation, row?.reason].filter((text) => text != null).join(" ");
  }

  /** Compares the buckets as a sync does, and returns how it ended and which keys are wanted. */
  async backfill(): Promise<{ readonly summary: BackfillSummary; readonly keys: readonly string[] }> {
    const { rule, state, clock } = this;
    const options = { rule, state, clock, rules: new RuleIndex([rule]), meter: silentMeter, room: async () => undefined };
    const summary = await backfillRule({ ...options, storeOf: (bucket) => this.storeOf(bucket) });
    const claimed = await state.tasks.claim({ max: 100, now: clock.now(), leaseMs: 1 });
    await state.tasks.release(claimed);
    return { summary, keys: claimed.map(({ key, lane }) => `${lane} ${key}`).sort() };
  }
}

const summaryOf = (ends: readonly Settlement[]) =>
  ends.map((end) => (end.kind === "failed" ? `failed ${end.error.code}` : [end.status, end.operation, end.reason].join(" ").trim()));

describe("replaying the history of a key (versions: all)", () => {
  it("brings versions and markers oldest first and keeps the map of their ids", async () => {
    const at = new Scene();
    const ids = [await at.put("one", { tags: { n: "1" } }), await at.put("two"), await at.delete(), await at.put("three")];
    assert.deepEqual(summaryOf(await at.replay()), ["COMPLETED copy"]);
    assert.deepEqual(await at.history(), ["one", "two", "†", "three"]);
    const there = (await readHistory(at.storeOf(LEAF), { key: KEY })).toReversed();
    const rows = await at.rows();
    assert.deepEqual(
      ids.map((id) => [rows.get(id)?.replica?.versionId, rows.get(id)?.replica?.destinationVersionId]),
      ids.map((id, i) => [id, there[i]?.versionId]),
    );
    assert.deepEqual(await at.storeOf(LEAF).tags(KEY, { versionId: there[0]?.versionId }), { n: "1" });
    assert.equal(rows.get("")?.replica?.destinationVersionId, there[3]?.versionId);
  });

  it("invariant 5: does nothing where nothing is missing, whatever events come again", async () => {
    const at = new Scene();
    await at.put("one");
    await at.delete();
    await at.replay();
    at.requests.length = 0;
    assert.deepEqual(summaryOf(await at.replay({ written: true, deleted: true })), ["COMPLETED delete"]);
    assert.deepEqual(await at.history(), ["one", "†"]);
    assert.deepEqual(
      at.requests.filter((request) => /put|copy|delete/.test(request)),
      [],
    );
  });

  it("makes a long history durable in chunks", async () => {
    const at = new Scene();
    const bodies = Array.from({ length: 45 }, (_, i) => `version ${i}`);
    for (const body of bodies) await at.put(body);
    assert.deepEqual(summaryOf(await at.replay()), ["SKIPPED copy ToBeContinued", "SKIPPED copy ToBeContinued", "COMPLETED copy"]);
    assert.deepEqual(await at.history(), bodies);
  });

  it("leaves other keys that begin with this one alone", async () => {
    const at = new Scene();
    await at.put("one");
    for (const key of ["k/", "k2"]) at.model.putObject(SOURCE.bucket, key, { body: Body.of("other") });
    await at.replay();
    assert.deepEqual(await at.history(LEAF, "k2"), []);
    assert.deepEqual(await at.history(), ["one"]);
  });

  for (const moment of ["before", "after"] as const) {
    for (let calls = 1; calls <= 4; calls++) {
      it(`invariants 1 and 5: a writer that dies ${moment} its write ${calls} loses and doubles nothing`, async () => {
        const at = new Scene();
        for (const body of ["one", "two", "three"]) await at.put(body);
        await at.delete();
        let left = calls;
        at.fault = (label, bucket) => {
          const isWrite = bucket === LEAF && [`copy:${moment}`, `delete:${moment}`].includes(label);
          return isWrite && --left <= 0 ? new ReplicationError("StoreUnreachable", "the process died") : undefined;
        };
        await at.replayAndDie();
        at.fault = () => undefined;
        await at.put("four");
        assert.deepEqual(summaryOf(await at.replay()), ["COMPLETED copy"]);
        assert.deepEqual(await at.history(), ["one", "two", "three", "†", "four"]);
      });
    }
  }

  it("keeps what was done when a step fails, and meets the failure in a task of its own", async () => {
    const at = new Scene();
    const first = await at.put("one");
    await at.put("two");
    let copies = 0;
    at.fault = (label) => (label === "copy:before" && ++copies > 1 ? new ReplicationError("SlowDown", "too much") : undefined);
    assert.deepEqual(summaryOf(await at.replay()), ["SKIPPED copy ToBeContinued", "failed SlowDown"]);
    assert.equal(await at.row(first), "COMPLETED copy");
  });
});

describe("what is never put on top", () => {
  it("a version that failed is passed over, and afterwards is OutOfOrder while later ones go on", async () => {
    const at = new Scene();
    const ids = [await at.put("one"), await at.put("two"), await at.put("three")];
    let copies = 0;
    at.fault = (label) => {
      const isSecond = label === "copy:before" && [2, 3].includes(++copies);
      return isSecond ? new ReplicationError("ArchivedObject", "in an archive") : undefined;
    };
    assert.deepEqual(summaryOf(await at.replay()), ["SKIPPED copy ToBeContinued", "COMPLETED copy"]);
    assert.deepEqual(await at.history(), ["one", "three"]);
    assert.equal(await at.row(ids[1] ?? ""), "FAILED copy ArchivedObject");
    at.fault = () => undefined;
    await at.put("four");
    assert.deepEqual(summaryOf(await at.replay()), ["COMPLETED copy"]);
    assert.deepEqual(await at.history(), ["one", "three", "four"]);
    assert.equal(await at.row(ids[1] ?? ""), "FAILED copy OutOfOrder");
    const { error } = (await at.rows()).get(ids[1] ?? "") as LedgerEntry;
    assert.match(error?.message ?? "", /older than one that the destination has already; its copy failed before \(ArchivedObject/);
    assert.deepEqual((await at.backfill()).keys, []);
  });

  it("versions from before the rule replayed them: the current one was replicated already", async () => {
    const at = new Scene();
    const ids = [await at.put("one"), await at.put("two")];
    const { etag, sizeBytes, lastModified } = (await at.storeOf(SOURCE).head(KEY))!;
    at.model.putObject(LEAF.bucket, KEY, { body: Body.of("two") });
    const replica = {
      etag,
      versionId: null,
      lastModified,
      attributeHash: null,
      bytes: sizeBytes,
      proof: "etag",
      destinationEtag: etag,
    } as const;
    const entry = {
      ...blankEntry({ ...at.route, key: KEY }),
      status: "COMPLETED",
      replica: { ...replica, destinationVersionId: null },
    } as const;
    await at.state.ledger.adopt([{ route: at.route, entry }]);
    await at.put("three");
    await at.replay();
    assert.deepEqual(await at.history(), ["two", "three"]);
    assert.equal(await at.row(ids[0] ?? ""), "FAILED copy OutOfOrder");
    assert.equal(await at.row(ids[1] ?? ""), "COMPLETED copy");
  });

  it("invariant 10: a fenced worker's version, once another worker has written a newer one", async () => {
    const at = new Scene();
    await at.put("one");
    await at.replay();
    await at.put("two");
    let interfered = false;
    at.fault = (label) => {
      if (label !== "copy:before" || interfered) return undefined;
      // Between the fenced worker's look and its write another one brings this version and the next.
      at.model.putObject(SOURCE.bucket, KEY, { body: Body.of("three") });
      for (const body of ["two", "three"]) at.model.putObject(LEAF.bucket, KEY, { body: Body.of(body) });
      interfered = true;
      return undefined;
    };
    await at.replay();
    assert.deepEqual(await at.history(), ["one", "two", "three"]);
  });
});

describe("what is in the way at the leaf", () => {
  it("somebody else's object is covered by our newest version, also where nothing is missing", async () => {
    const at = new Scene();
    await at.put("foreign", { bucket: LEAF });
    await at.put("one");
    await at.replay();
    await at.put("foreign again", { bucket: LEAF });
    assert.deepEqual(summaryOf(await at.replay()), ["COMPLETED copy"]);
    assert.deepEqual(await at.history(), ["foreign", "one", "foreign again", "one"]);
    await at.replay();
    assert.equal((await at.history()).length, 4);
  });

  it("a newest version that was removed there is put back", async () => {
    const at = new Scene();
    await at.put("one");
    const last = await at.put("two");
    await at.replay();
    await at.delete(LEAF, (await at.rows()).get(last)?.replica?.destinationVersionId ?? "");
    await at.replay();
    assert.deepEqual(await at.history(), ["one", "two"]);
  });

  it("invariant 4: a marker is never put on somebody else's object", async () => {
    const at = new Scene({ rule: { deletes: "propagate" } });
    await at.put("one");
    await at.replay();
    await at.put("foreign", { bucket: LEAF });
    const marker = await at.delete();
    assert.deepEqual(summaryOf(await at.replay()), ["SKIPPED delete NotOurs"]);
    assert.deepEqual(await at.history(), ["one", "foreign"]);
    assert.equal(await at.row(marker), "SKIPPED delete NotOurs");
  });

  it("a bucket without versioning is refused by name", async () => {
    const at = new Scene();
    await at.put("one");
    at.model.setVersioning(LEAF.bucket, "Suspended");
    const [end] = await at.replay();
    assert.ok(end?.kind === "failed");
    assert.equal(end.error.code, "CapabilityMissing");
    assert.match(end.error.hint ?? "", /turn versioning on at the destination/);
    assert.deepEqual(await at.history(), []);
  });
});

describe("deletes in a history", () => {
  it("stay away where the rule replicates none", async () => {
    const at = new Scene({ rule: { deletes: "none" } });
    await at.put("one");
    const marker = await at.delete();
    await at.put("two");
    await at.delete();
    assert.deepEqual(summaryOf(await at.replay()), ["SKIPPED delete DeletesNotReplicated"]);
    assert.deepEqual(await at.history(), ["one", "two"]);
    assert.equal(await at.row(marker), "SKIPPED delete DeletesNotReplicated");
    assert.deepEqual((await at.backfill()).keys, []);
  });

  it("invariant 4: are held by a shut gate, and pass once approved; markers of the past ask no gate", async () => {
    const at = new Scene({ gate: SHUT_GATE });
    await at.put("one");
    await at.delete();
    await at.put("two");
    await at.replay();
    assert.deepEqual(await at.history(), ["one", "†", "two"]);
    await at.delete();
    assert.deepEqual(summaryOf(await at.replay({ deleted: true })), ["HELD delete DeleteGate"]);
    assert.deepEqual(await at.history(), ["one", "†", "two"]);
    assert.deepEqual(summaryOf(await at.replay({ deleted: true, approved: true })), ["COMPLETED delete"]);
    assert.deepEqual(await at.history(), ["one", "†", "two", "†"]);
  });

  it("of a lifecycle stay away where the rule does not say so, also when a comparison finds their marker (invariant 4)", async () => {
    const at = new Scene({ rule: { deletes: "propagate" } });
    await at.put("one");
    await at.replay();
    at.model.expire(SOURCE.bucket, KEY);
    const expired = { deleted: true, expired: true };
    assert.deepEqual(summaryOf(await at.replay(expired)), ["SKIPPED delete Expired"]);
    assert.deepEqual(summaryOf(await at.replay({ missed: true })), ["SKIPPED delete Expired"]);
    assert.deepEqual(await at.history(), ["one"]);
    await at.put("two");
    await at.replay();
    assert.deepEqual(await at.history(), ["one", "two"]);
    await at.delete();
    await at.replay({ deleted: true });
    assert.deepEqual(await at.history(), ["one", "two", "†"]);
  });

  it("of a lifecycle are deletes where the rule says so", async () => {
    const at = new Scene({ rule: { deletes: "propagate", expirations: true } });
    await at.put("one");
    await at.replay();
    at.model.expire(SOURCE.bucket, KEY);
    assert.deepEqual(summaryOf(await at.replay({ deleted: true, expired: true })), ["COMPLETED delete"]);
    assert.deepEqual(await at.history(), ["one", "†"]);
  });

  it("that a person rejected are not made when their marker is found again, but when another is announced (invariant 4)", async () => {
    const at = new Scene({ gate: SHUT_GATE });
    await at.put("one");
    await at.replay();
    await at.delete();
    assert.deepEqual(summaryOf(await at.replay({ deleted: true })), ["HELD delete DeleteGate"]);
    const held = await at.state.ledger.get(at.route, KEY);
    assert.ok(held);
    await at.state.ledger.adopt([{ route: at.route, entry: { ...held, status: "SKIPPED", reason: "DeleteRejected" } }]);
    assert.deepEqual(summaryOf(await at.replay({ missed: true })), ["SKIPPED delete DeleteRejected"]);
    assert.deepEqual(summaryOf(await at.replay({ deleted: true })), ["HELD delete DeleteGate"]);
    assert.deepEqual(await at.history(), ["one"]);
  });

  it("of single versions are not replicated", async () => {
    const at = new Scene({ rule: { deletes: "propagate" } });
    await at.put("one");
    const last = await at.put("two");
    await at.replay();
    await at.delete(SOURCE, last);
    assert.deepEqual(summaryOf(await at.replay({ deleted: true })), ["COMPLETED copy"]);
    assert.deepEqual(await at.history(), ["one", "two"]);
  });
});

describe("a source without versioning", () => {
  it("has one version, which is replayed each time it was written", async () => {
    const at = new Scene();
    at.model.setVersioning(SOURCE.bucket, "Suspended");
    await at.put("one");
    await at.replay();
    await at.put("two");
    await at.put("three");
    await at.replay();
    assert.deepEqual(await at.history(), ["one", "three"]);
    assert.deepEqual(await at.history(SOURCE), ["three"]);
    assert.equal(await at.row("null"), "COMPLETED copy");
    await at.replay();
    assert.deepEqual(await at.history(), ["one", "three"]);
    await at.delete();
    await at.replay();
    assert.deepEqual(await at.history(), ["one", "three", "†"]);
  });
});

describe("filters and attributes in a history", () => {
  it("versions that the filter does not let in are left out", async () => {
    const at = new Scene({ rule: { filter: { tags: { keep: "yes" }, maxBytes: 10 } } });
    await at.put("one", { tags: { keep: "yes" } });
    await at.put("two", { tags: { keep: "no" } });
    await at.put("more than ten bytes", { tags: { keep: "yes" } });
    await at.put("four", { tags: { keep: "yes" } });
    assert.deepEqual(summaryOf(await at.replay()), ["COMPLETED copy"]);
    assert.deepEqual(await at.history(), ["one", "four"]);
  });

  it("versions older than the rule are left alone where existing objects are not wanted", async () => {
    const at = new Scene({ destination: { existingObjects: false } });
    await at.put("one");
    await at.clock.advance(1_000);
    await at.state.journal.ruleSince(at.rule.id, at.clock.now());
    assert.deepEqual(summaryOf(await at.replay()), ["SKIPPED copy OlderThanRule"]);
    await at.put("two");
    await at.replay();
    assert.deepEqual(await at.history(), ["two"]);
  });

  it("new tags of the current version are written to its replica", async () => {
    const at = new Scene();
    const last = await at.put("one", { tags: { n: "1" } });
    await at.replay();
    at.model.putTags(SOURCE.bucket, KEY, { tags: { n: "2" } });
    assert.deepEqual(summaryOf(await at.replay({ attributes: true })), ["COMPLETED attributes"]);
    assert.deepEqual(await at.storeOf(LEAF).tags(KEY), { n: "2" });
    assert.deepEqual(await at.history(), ["one"]);
    assert.ok((await at.rows()).get(last)?.replica?.destinationVersionId);
  });
});

describe("the comparison of a rule with all versions", () => {
  it("invariant 1: wants every key of which the source has versions or markers that nothing was recorded of", async () => {
    const at = new Scene();
    await at.put("one");
    await at.delete();
    await at.replay();
    at.model.putObject(SOURCE.bucket, "gone", { body: Body.of("x") });
    at.model.deleteObject(SOURCE.bucket, "gone");
    for (const body of ["x", "y"]) at.model.putObject(SOURCE.bucket, "new", { body: Body.of(body) });
    at.model.putObject(SOURCE.bucket, ".replicast/own", { body: Body.of("x") });
    assert.deepEqual((await at.backfill()).keys, ["backfill gone", "backfill new"]);
  });

  it("adopts nothing that is only equal now: the history under it is missing", async () => {
    const at = new Scene();
    for (const body of ["one", "two"]) await at.put(body);
    await at.put("two", { bucket: LEAF });
    const { summary, keys } = await at.backfill();
    assert.deepEqual([summary.adopted, keys], [0, ["backfill k"]]);
    await at.replay();
    assert.deepEqual(await at.history(), ["two", "one", "two"]);
    assert.deepEqual((await at.backfill()).keys, []);
  });

  it("wants a key again whose version failed, and one whose replica is gone", async () => {
    const at = new Scene();
    await at.put("one");
    at.fault = (label) => (label === "copy:before" ? new ReplicationError("ArchivedObject", "in an archive") : undefined);
    assert.deepEqual(summaryOf(await at.replay()), ["failed ArchivedObject"]);
    at.fault = () => undefined;
    assert.deepEqual((await at.backfill()).keys, ["backfill k"]);
    await at.replay();
    assert.deepEqual((await at.backfill()).keys, []);
    await at.delete(LEAF, (await readHistory(at.storeOf(LEAF), { key: KEY }))[0]?.versionId);
    assert.deepEqual((await at.backfill()).keys, ["backfill k"]);
  });
});

describe("versions: current", () => {
  for (const deletes of ["none", "propagate"] as const) {
    it(`invariant 2: a late event of an older version never lets it win, where deletes are ${deletes}`, async () => {
      const at = new Scene({ rule: { versions: "current", deletes } });
      await at.put("old");
      const old = (await at.storeOf(SOURCE).head(KEY))!;
      await at.put("new");
      const { rule, route } = at;
      const hint = { etag: old.etag, sizeBytes: old.sizeBytes };
      const aims = [{ rule, destination: rule.destinations[0] as Destination }];
      const transfer = new EmbeddedTransfer({ storeOf: (bucket) => at.storeOf(bucket) });
      assert.deepEqual(
        (await replicate(transfer, { key: KEY, aims, hint })).map(({ kind }) => kind),
        ["copied"],
      );
      assert.deepEqual(await at.history(), ["new"]);
      await at.state.tasks.want([{ route, key: KEY, lane: "live", eventTime: 0, hint, changes: { written: true, deleted: true } }]);
      await at.replay({ deleted: true });
      assert.deepEqual(new Set(await at.history()), new Set(["new"]));
    });
  }
});
