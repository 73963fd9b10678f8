import assert from "node:assert/strict";
import { test } from "node:test";
import type { Bucket } from "../../../domain/bucket.ts";
import { type ErrorCode, isReplicationError, ReplicationError } from "../../../domain/error.ts";
import { Body } from "../../../embedded-s3/body.ts";
import { EmbeddedS3Model } from "../../../embedded-s3/model.ts";
import type { TransferDestination, TransferOutcome, TransferRequest } from "../../../ports/transfer.ts";
import { onBucketEvent } from "./bucket-events.ts";
import type { EmbeddedBucketOptions, Step } from "./model-calls.ts";
import { EmbeddedObjectStore } from "./object-store.ts";
import { EmbeddedTransfer } from "./transfer.ts";

const PRESERVE = { tags: true, storageClass: true, acl: false, objectLock: false, encryption: false };
const LOST = new ReplicationError("StoreUnreachable", "the answer was lost");

function bucketIn(store: string): Bucket {
  return { id: `s3://${store}.example/bucket`, name: `${store}:bucket`, store, bucket: "bucket" };
}

function newModel(): EmbeddedS3Model {
  const model = new EmbeddedS3Model({ limits: { minPartBytes: 1 }, encrypts: true });
  model.createBucket("bucket");
  return model;
}

function openStore(options: Partial<EmbeddedBucketOptions> = {}): EmbeddedObjectStore {
  return new EmbeddedObjectStore({ bucket: bucketIn("one"), model: newModel(), ...options });
}

/** Fails the step of this label, every time. */
function failing(label: string): Step {
  return async (step) => {
    if (step === label) throw LOST;
  };
}

const bytes = (text: string) => Buffer.from(text);

async function codeOf(work: Promise<unknown>): Promise<ErrorCode | undefined> {
  return work.then(
    () => undefined,
    (error) => (isReplicationError(error) ? error.code : assert.fail(String(error))),
  );
}

/** A source, and two destinations in models of their own. */
class World {
  readonly stores: Readonly<Record<string, EmbeddedObjectStore>>;
  readonly transfer: EmbeddedTransfer;

  constructor(options: Readonly<Record<string, Partial<EmbeddedBucketOptions>>> = {}, step?: Step) {
    const open = (name: string) => openStore({ bucket: bucketIn(name), ...options[name] });
    this.stores = { source: open("source"), left: open("left"), right: open("right") };
    this.transfer = new EmbeddedTransfer({ storeOf: ({ store }) => this.store(store), step });
  }

  store(name: string): EmbeddedObjectStore {
    return this.stores[name]!;
  }

  async copy(destinations: readonly TransferDestination[], overrides: Partial<TransferRequest> = {}): Promise<readonly TransferOutcome[]> {
    const result = await this.transfer.copy({ source: this.store("source").bucket, key: "a", destinations, ...overrides });
    assert.ok(result.kind === "done", result.kind === "failed" ? result.error.message : result.kind);
    return result.outcomes;
  }

  to(name: string, overrides: Partial<TransferDestination> = {}): TransferDestination {
    return { bucket: this.store(name).bucket, key: "a", preserve: PRESERVE, ...overrides };
  }

  putParts(text: string): void {
    const { model } = this.store("source").calls;
    const { uploadId } = model.createUpload("bucket", "a");
    const parts = [...text].map((letter, i) => model.uploadPart("bucket", "a", { uploadId, partNumber: i + 1, body: Body.of(letter) }));
    model.completeUpload("bucket", "a", { uploadId, parts });
  }
}

test("a fault before a step leaves no effect, a fault after it leaves the effect and an error", async () => {
  const model = newModel();
  const plain = openStore({ model });
  assert.equal(await codeOf(openStore({ model, step: failing("put:before") }).put("a", bytes("x"))), "StoreUnreachable");
  assert.equal(await plain.head("a"), undefined);
  assert.equal(await codeOf(openStore({ model, step: failing("put:after") }).put("a", bytes("x"))), "StoreUnreachable");
  assert.equal((await plain.head("a"))?.sizeBytes, 1);
});

test("a copy whose answer is lost fails for its destination alone, and its replica is there", async () => {
  const world = new World({ left: { step: failing("put:after") } });
  await world.store("source").put("a", bytes("x"));
  const outcomes = await world.copy([world.to("left"), world.to("right")]);
  assert.deepEqual(
    outcomes.map(({ kind }) => kind),
    ["failed", "copied"],
  );
  assert.equal((await world.store("left").head("a"))?.sizeBytes, 1);
});

test("a source that fails while it is read is a failure of the whole copy, and nothing is written", async () => {
  const world = new World({ source: { step: failing("get:before") } });
  await world.store("source").put("a", bytes("x"));
  const result = await world.transfer.copy({ source: world.store("source").bucket, key: "a", destinations: [world.to("left")] });
  assert.ok(result.kind === "failed" && result.error === LOST);
  assert.equal(await world.store("left").head("a"), undefined);
});

test("destinations wait for their steps beside each other, and each is told of as it ends", async () => {
  const gate = Promise.withResolvers<void>();
  const slow: Step = (label) => (label === "put:before" ? gate.promise : Promise.resolve());
  const world = new World({ left: { step: slow } });
  await world.store("source").put("a", bytes("x"));
  const told: number[] = [];
  const onOutcome = (index: number) => {
    told.push(index);
    gate.resolve(); // the slow one goes on only after the other has ended
  };
  await world.copy([world.to("left"), world.to("right")], { onOutcome });
  assert.deepEqual(told, [1, 0]);
});

test("a copy that is interrupted between two steps is Aborted and writes no more", async () => {
  const interruption = new AbortController();
  const world = new World({}, async (label) => (label === "get:after" ? interruption.abort() : undefined));
  await world.store("source").put("a", bytes("x"));
  const { signal } = interruption;
  const result = await world.transfer.copy({ source: world.store("source").bucket, key: "a", destinations: [world.to("left")], signal });
  assert.equal(result.kind === "failed" && result.error.code, "Aborted");
  assert.equal(await world.store("left").head("a"), undefined);
});

test("an upload that fails is aborted, whatever step it fails at", async () => {
  for (const label of ["create:before", "part:before", "part:after", "complete:before"]) {
    const world = new World({ left: { step: failing(label) } });
    world.putParts("abc");
    const [outcome] = await world.copy([world.to("left")]);
    assert.equal(outcome?.kind, "failed", label);
    assert.deepEqual(world.store("left").calls.model.listUploads("bucket").uploads, [], label);
    assert.equal(await world.store("left").head("a"), undefined, label);
  }
});

test("each part is read once for all destinations, which keep the source's ETag", async () => {
  const labels: string[] = [];
  const world = new World({}, async (label) => void labels.push(label));
  world.putParts("abc");
  const outcomes = await world.copy([world.to("left"), world.to("right"), world.to("source", { key: "near" })]);
  const { etag } = (await world.store("source").head("a"))!;
  for (const outcome of outcomes) assert.ok(outcome.kind === "copied" && outcome.etag === etag && outcome.proof === "etag");
  assert.deepEqual(
    ["get:before", "part:before", "copyPart:before"].map((label) => labels.filter((other) => other === label).length),
    [3, 6, 3],
  );
});

test("a source that changes while its parts are read is a failure, and no destination holds a mixture", async () => {
  let reads = 0;
  const world: World = new World({}, async (label) => {
    if (label === "get:before" && ++reads === 2) world.putParts("xyz");
  });
  world.putParts("abc");
  const [outcome] = await world.copy([world.to("left", { ifHolds: null })]);
  assert.equal(outcome?.kind === "failed" && outcome.error.code, "PreconditionFailed");
  assert.equal(await world.store("left").head("a"), undefined);
});

for (const parts of [false, true]) {
  const kind = parts ? "in parts" : "whole";

  test(`a replica (${kind}) is written only where the destination holds what was expected (invariant 3)`, async () => {
    for (const near of [false, true]) {
      const world = new World();
      const at = (ifHolds: string | null) => [near ? world.to("source", { key: "b", ifHolds }) : world.to("left", { key: "b", ifHolds })];
      if (parts) world.putParts("abc");
      else await world.store("source").put("a", bytes("x"));
      assert.equal((await world.copy(at("0".repeat(32))))[0]?.kind, "moved-on", "nothing there");
      const [first] = await world.copy(at(null));
      assert.equal(first?.kind, "copied");
      assert.equal((await world.copy(at(null)))[0]?.kind, "moved-on");
      assert.equal((await world.copy(at("0".repeat(32))))[0]?.kind, "moved-on", "something else there");
      assert.equal((await world.copy(at(first?.kind === "copied" ? first.etag : null)))[0]?.kind, "copied");
    }
  });

  test(`a replica (${kind}) carries the stamp it is given, or none, or the source's`, async () => {
    const stamped = { systemHeaders: {}, metadata: { replicast: "of the source", other: "kept" } };
    for (const near of [false, true]) {
      const world = new World();
      const { model } = world.store("source").calls;
      if (parts) {
        const { uploadId } = model.createUpload("bucket", "a", { attributes: stamped });
        const part = model.uploadPart("bucket", "a", { uploadId, partNumber: 1, body: Body.of("x") });
        model.completeUpload("bucket", "a", { uploadId, parts: [part] });
      } else await world.store("source").put("a", bytes("x"), { attributes: stamped });
      const to = (key: string, stamp?: string | null) => world.to(near ? "source" : "left", { key, stamp });
      for (const outcome of await world.copy([to("set", "new"), to("none", null), to("left")])) assert.equal(outcome.kind, "copied");
      const metadataOf = async (key: string) => (await world.store(near ? "source" : "left").head(key))?.attributes.metadata;
      assert.deepEqual(await metadataOf("set"), { replicast: "new", other: "kept" });
      assert.deepEqual(await metadataOf("none"), { other: "kept" });
      assert.deepEqual(await metadataOf("left"), stamped.metadata);
    }
  });
}

test("where a bucket ignores the condition of a copy but not of a write, the bytes travel and the condition holds", async () => {
  const labels: string[] = [];
  const world = new World({ source: { conditional: { copy: false }, step: async (label) => void labels.push(label) } });
  await world.store("source").put("a", bytes("x"));
  await world.store("source").put("b", bytes("theirs"));
  labels.length = 0;
  assert.equal((await world.copy([world.to("source", { key: "b", ifHolds: null })]))[0]?.kind, "moved-on");
  assert.equal(labels.includes("copy:before"), false);
  assert.equal(labels.includes("put:before"), true);
});

test("where a bucket honours no condition it is looked at before the write", async () => {
  const conditional = { put: false, copy: false, complete: false };
  for (const parts of [false, true]) {
    const labels: string[] = [];
    const world = new World({ left: { conditional, step: async (label) => void labels.push(label) } });
    if (parts) world.putParts("abc");
    else await world.store("source").put("a", bytes("x"));
    await world.store("left").put("a", bytes("theirs"));
    assert.equal((await world.copy([world.to("left", { ifHolds: null })]))[0]?.kind, "moved-on");
    assert.equal((await world.store("left").head("a"))?.sizeBytes, 6);
    assert.deepEqual(world.store("left").calls.model.listUploads("bucket").uploads, []);
    labels.length = 0;
    assert.equal((await world.copy([world.to("left", { key: "b", ifHolds: null })]))[0]?.kind, "copied");
    assert.deepEqual(labels.slice(-4), [
      "head:before",
      "head:after",
      ...(parts ? ["complete:before", "complete:after"] : ["put:before", "put:after"]),
    ]);
  }
});

test("a stamp that the metadata has no room for is left out with a note", async () => {
  const world = new World();
  const metadata = { large: "x".repeat(2_040) };
  await world.store("source").put("a", bytes("x"), { attributes: { systemHeaders: {}, metadata } });
  const [outcome] = await world.copy([world.to("left", { stamp: "new" })]);
  assert.deepEqual(outcome?.kind === "copied" && outcome.notes, ["StampNotKept"]);
  assert.deepEqual((await world.store("left").head("a"))?.attributes.metadata, metadata);
});

test("an encryption that a destination asks for is given to the replica, whose ETag may then be no MD5", async () => {
  const world = new World();
  await world.store("source").put("a", bytes("x"));
  const encryption = { type: "aws:kms", keyId: "key" } as const;
  for (const place of ["left", "source"]) {
    const [outcome] = await world.copy([world.to(place, { key: "b", encryption })]);
    assert.equal(outcome?.kind, "copied");
    assert.deepEqual(world.store(place).calls.model.guards("bucket", "b").encryption, encryption);
    assert.equal((await world.store(place).head("b"))?.etagMayBeMd5, false);
  }
});

test("a version that is named is copied, whatever is current", async () => {
  for (const parts of [false, true]) {
    const world = new World();
    const source = world.store("source");
    source.calls.model.setVersioning("bucket", "Enabled");
    if (parts) world.putParts("abc");
    else await source.put("a", bytes("abc"));
    const { versionId } = (await source.head("a"))!;
    await source.put("a", bytes("newer"));
    for (const outcome of await world.copy([world.to("left"), world.to("source", { key: "b" })], { versionId })) {
      assert.equal(outcome.kind, "copied");
    }
    for (const [place, key] of [
      ["left", "a"],
      ["source", "b"],
    ] as const) {
      assert.equal((await world.store(place).get(key))?.body.toString(), "abc");
    }
    const marker = await source.delete("a");
    const gone = { source: source.bucket, key: "a", versionId: marker.versionId, destinations: [world.to("left")] };
    assert.equal((await world.transfer.copy(gone)).kind, "gone");
  }
});

test("a bucket whose versioning is suspended replaces its null version and keeps the others", async () => {
  const store = openStore();
  const { model } = store.calls;
  await store.put("a", bytes("1"));
  model.setVersioning("bucket", "Enabled");
  const { versionId } = await store.put("a", bytes("22"));
  model.setVersioning("bucket", "Suspended");
  assert.equal((await store.put("a", bytes("333"))).versionId, undefined);
  const versions = async () => (await store.listVersions()).versions.map((each) => [each.versionId, each.isLatest, each.sizeBytes]);
  assert.deepEqual(await versions(), [
    ["null", true, 3],
    [versionId, false, 2],
  ]);
  assert.deepEqual(await store.delete("a"), { versionId: "null", deleteMarker: true });
  assert.deepEqual(await versions(), [
    ["null", true, 0],
    [versionId, false, 2],
  ]);
  assert.deepEqual(await store.delete("a", { versionId: "null" }), { versionId: "null", deleteMarker: true });
  assert.equal((await store.head("a"))?.versionId, versionId);
});

test("conditions that a bucket does not honour are ignored without a word, and its capabilities say so", async () => {
  const store = openStore({ conditional: { put: false, delete: false } });
  assert.deepEqual(await store.capabilities(), {
    conditionalPut: false,
    conditionalCopy: true,
    conditionalComplete: true,
    conditionalDelete: false,
  });
  await store.put("a", bytes("1"));
  await store.put("a", bytes("2"), { ifNoneMatch: "*" });
  assert.equal((await store.head("a"))?.sizeBytes, 1);
  await store.delete("a", { ifMatch: "0".repeat(32) });
  assert.equal(await store.head("a"), undefined);
});

test("a delete with another ETag removes nothing where conditions are honoured", async () => {
  const store = openStore();
  const { etag } = await store.put("a", bytes("1"));
  assert.equal(await codeOf(store.delete("a", { ifMatch: "0".repeat(32) })), "PreconditionFailed");
  assert.deepEqual(await store.delete("a", { ifMatch: etag }), { versionId: undefined, deleteMarker: false });
  assert.deepEqual(await store.observe("a"), { kind: "absent" });
});

test("a hidden key can be read and is in no listing", async () => {
  const store = openStore({ hidesKey: (key) => key === "b" });
  for (const key of ["a", "b", "c"]) await store.put(key, bytes(key));
  const keys = (await store.list()).objects.map(({ key }) => key);
  const versions = (await store.listVersions()).versions.map(({ key }) => key);
  assert.deepEqual(
    [keys, versions],
    [
      ["a", "c"],
      ["a", "c"],
    ],
  );
  assert.equal((await store.head("b"))?.sizeBytes, 1);
});

test("a listing out of order lacks no key and repeats none", async () => {
  const store = openStore({ listsOutOfOrder: true });
  for (const key of ["a", "b", "c", "d"]) await store.put(key, bytes(key));
  const first = await store.list({ maxKeys: 2 });
  const second = await store.list({ maxKeys: 2, continuationToken: first.nextContinuationToken });
  assert.deepEqual(
    [...first.objects, ...second.objects].map(({ key }) => key),
    ["b", "a", "d", "c"],
  );
});

test("a delete marker is told from nothing at all, with its version and its time", async () => {
  const model = new EmbeddedS3Model({ now: () => 1_700_000_000_999, newId: () => "marker" });
  model.createBucket("bucket");
  model.setVersioning("bucket", "Enabled");
  const store = openStore({ model });
  assert.deepEqual(await store.observe("a"), { kind: "absent" });
  assert.deepEqual(await store.delete("a"), { versionId: "marker", deleteMarker: true });
  assert.deepEqual(await store.observe("a"), { kind: "marker", versionId: "marker", lastModified: 1_700_000_000_000 });
});

test("every change is announced as an S3 notification before the call returns", async () => {
  const store = openStore();
  const names: string[] = [];
  const stop = onBucketEvent(store.calls.model, (text) => {
    const [record] = JSON.parse(text).Records;
    names.push(`${record.eventName} ${record.s3.bucket.name}/${record.s3.object.key}`);
  });
  await store.put("a b", bytes("x"));
  await store.putTags("a b", { k: "v" });
  await store.delete("a b");
  stop();
  await store.put("c", bytes("x"));
  assert.deepEqual(names, ["ObjectCreated:Put bucket/a+b", "ObjectTagging:Put bucket/a+b", "ObjectRemoved:Delete bucket/a+b"]);
});
