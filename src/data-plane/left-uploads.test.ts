import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { carefulWaysOver } from "../../test/support/careful-ways.ts";
import { destinationOf, ruleOf } from "../../test/support/rules.ts";
import type { StepLabel } from "../adapters/object-store/embedded/model-calls.ts";
import { EmbeddedObjectStore } from "../adapters/object-store/embedded/object-store.ts";
import { EmbeddedTransfer } from "../adapters/object-store/embedded/transfer.ts";
import { systemClock } from "../app/system-clock.ts";
import { ReplicationError } from "../domain/error.ts";
import type { Rule } from "../domain/rule.ts";
import { STAMP_NAME } from "../domain/stamp.ts";
import { Body } from "../embedded-s3/body.ts";
import { EmbeddedS3Model } from "../embedded-s3/model.ts";
import type { Transfer } from "../ports/transfer.ts";
import { bucketOf } from "../testing/memory-object-store.ts";
import { MemoryState } from "../testing/memory-state.ts";
import { silentMeter } from "../testing/silent-meter.ts";
import { toRoute } from "./diff.ts";
import { sweepLeftUploads } from "./left-uploads.ts";
import { RuleIndex } from "./rule-index.ts";
import { Worker } from "./worker.ts";

const PARTS = 6;
const BEFORE_TROUBLE = 3;

/** Two buckets of two stores, an object in parts at the first, and what each part that is uploaded meets. */
class Scene {
  readonly state = new MemoryState({ clock: systemClock });
  readonly models = [newModel(), newModel()] as const;
  readonly stores = this.models.map(
    (model, i) => new EmbeddedObjectStore({ bucket: bucketOf("bucket", `store-${i}`), model, step: (label) => this.#step(label) }),
  );
  readonly rules: readonly Rule[];
  readonly etag: string;
  /** Awaited when a part is about to be uploaded, by how many have been. */
  onPart: (uploaded: number) => Promise<void> = async () => {};
  uploaded = 0;
  /** Of the last copy that was begun. */
  signal: AbortSignal | undefined;

  constructor(isMesh: boolean) {
    const [a, b] = this.stores.map(({ bucket }) => bucket) as [EmbeddedObjectStore["bucket"], EmbeddedObjectStore["bucket"]];
    const mesh = isMesh ? [a.id, b.id] : undefined;
    const overrides: Partial<Rule> = isMesh ? { mesh, deletes: "propagate" } : {};
    const there = ruleOf(a, [destinationOf(b)], overrides);
    this.rules = isMesh ? [there, ruleOf(b, [destinationOf(a)], overrides)] : [there];
    this.etag = this.putSource("a");
  }

  /** Six parts that differ by the seed. */
  putSource(seed: string): string {
    const [model] = this.models;
    const { uploadId } = model.createUpload("bucket", "k");
    const parts = Array.from({ length: PARTS }, (_, i) =>
      model.uploadPart("bucket", "k", { uploadId, partNumber: i + 1, body: Body.of(`${seed}${i}`) }),
    );
    return model.completeUpload("bucket", "k", { uploadId, parts }).etag;
  }

  async #step(label: StepLabel): Promise<void> {
    if (label === "part:before") await this.onPart(this.uploaded);
    if (label === "part:after") this.uploaded++;
  }

  storeOf = ({ id }: { readonly id: string }): EmbeddedObjectStore => {
    const found = this.stores.find(({ bucket }) => bucket.id === id);
    assert.ok(found);
    return found;
  };

  /** As a process has it that has just started. */
  transfer(): Transfer {
    const transfer = new EmbeddedTransfer({ storeOf: this.storeOf, uploads: this.state.uploads });
    return {
      copy: (request) => {
        this.signal = request.signal;
        return transfer.copy(request);
      },
      sweep: (left) => transfer.sweep(left),
    };
  }

  worker(): Worker {
    const { state, storeOf } = this;
    const clock = systemClock;
    const rules = new RuleIndex(this.rules);
    const transfer = this.transfer();
    const careful = carefulWaysOver({ transfer, storeOf, state, rules, clock, isCompared: async () => true });
    const logger = { debug() {}, info() {}, warn() {}, error() {} };
    const retry = { maxAttempts: 3, initialMs: 10, maxMs: 100 };
    return new Worker({ tasks: state.tasks, transfer, careful, rules, clock, logger, meter: silentMeter, retry, concurrency: 2 });
  }

  get route() {
    const [rule] = this.rules;
    const [destination] = rule?.destinations ?? [];
    assert.ok(rule && destination);
    return toRoute(rule, destination);
  }

  async want(): Promise<void> {
    await this.state.tasks.want([{ route: this.route, key: "k", lane: "live", eventTime: systemClock.now(), changes: { written: true } }]);
  }

  /** Resolves when the row of the key has this status. */
  async untilRow(status: string): Promise<void> {
    for (const deadline = performance.now() + 5_000; performance.now() < deadline; ) {
      const row = await this.state.ledger.get(this.route, "k");
      if (row?.status === status) return;
      await new Promise((resolve) => setImmediate(resolve));
    }
    throw new Error(`waited in vain for ${status}: ${JSON.stringify(await this.state.ledger.get(this.route, "k"))}`);
  }

  get open(): number {
    return this.models[1].listUploads("bucket").uploads.length;
  }

  get replica() {
    return this.models[1].headObject("bucket", "k").version;
  }

  sweep(): Promise<number> {
    return sweepLeftUploads({ transfer: this.transfer(), ledger: this.state.ledger, rules: this.rules });
  }
}

function newModel(): EmbeddedS3Model {
  const model = new EmbeddedS3Model({ limits: { minPartBytes: 1 } });
  model.createBucket("bucket");
  return model;
}

const unreachable = () => Promise.reject(new ReplicationError("StoreUnreachable", "the connection broke"));

/** Lets some parts pass; then tells, and lets nothing more pass until the copy is broken off or let go. */
function hangAfter(scene: Scene, parts: number): { readonly hangs: Promise<void>; readonly letGo: () => void } {
  const hangs = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  scene.onPart = async (uploaded) => {
    if (uploaded < parts) return;
    scene.signal?.addEventListener("abort", () => held.resolve());
    hangs.resolve();
    await held.promise;
  };
  return { hangs: hangs.promise, letGo: held.resolve };
}

describe("a large copy that is broken off", () => {
  for (const isMesh of [false, true]) {
    const where = isMesh ? "an interior bucket" : "a leaf";
    it(`is left by a worker that drains and gone on with by the next one, into ${where} (invariant 10)`, async () => {
      const scene = new Scene(isMesh);
      const { hangs } = hangAfter(scene, BEFORE_TROUBLE);
      const first = scene.worker();
      await scene.want();
      first.start();
      await hangs;
      await first.drain(0);
      assert.equal(scene.open, 1, "the upload is left");
      scene.onPart = async () => {};
      const before = scene.uploaded;
      assert.ok(before < PARTS);
      const second = scene.worker();
      second.start();
      await scene.untilRow("COMPLETED");
      await second.drain(1_000);
      assert.equal(scene.uploaded, PARTS, "every part was uploaded once");
      assert.deepEqual([scene.replica.etag, scene.open, await scene.state.uploads.all()], [scene.etag, 0, []]);
      assert.equal(scene.replica.metadata[STAMP_NAME] !== undefined, isMesh, "what goes to an interior bucket keeps its stamp");
    });
  }

  it("is gone on with after a crash, and whoever comes back to it late spoils nothing (invariant 10)", async () => {
    const scene = new Scene(false);
    const { hangs, letGo } = hangAfter(scene, BEFORE_TROUBLE);
    await scene.want();
    const first = scene.worker();
    first.start();
    await hangs;
    scene.state.restore(scene.state.snapshot());
    scene.onPart = async () => {};
    const next = scene.worker();
    next.start();
    await scene.untilRow("COMPLETED");
    await next.drain(1_000);
    assert.equal(scene.uploaded, PARTS);
    assert.deepEqual([scene.replica.etag, scene.open], [scene.etag, 0]);
    letGo();
    await first.drain(1_000);
    assert.deepEqual([scene.replica.etag, scene.open, await scene.state.uploads.all()], [scene.etag, 0, []]);
  });

  for (const isMesh of [false, true]) {
    it(`goes on with the next attempt after trouble that passes, into ${isMesh ? "an interior bucket" : "a leaf"}`, async () => {
      const scene = new Scene(isMesh);
      let troubles = 0;
      scene.onPart = async (uploaded) => {
        if (uploaded === BEFORE_TROUBLE && troubles++ === 0) await unreachable();
      };
      await scene.want();
      const worker = scene.worker();
      worker.start();
      await scene.untilRow("COMPLETED");
      await worker.drain(1_000);
      assert.deepEqual([troubles, scene.uploaded], [2, PARTS]);
      assert.deepEqual([scene.replica.etag, scene.open], [scene.etag, 0]);
    });
  }

  it("uses no part of a source that was overwritten between the attempts (invariant 2)", async () => {
    const scene = new Scene(false);
    let etag = "";
    scene.onPart = async (uploaded) => {
      if (uploaded !== BEFORE_TROUBLE || etag !== "") return;
      etag = scene.putSource("b");
      await unreachable();
    };
    await scene.want();
    const worker = scene.worker();
    worker.start();
    await scene.untilRow("COMPLETED");
    await worker.drain(1_000);
    assert.equal(scene.uploaded, BEFORE_TROUBLE + PARTS);
    assert.deepEqual([scene.replica.etag, scene.open, await scene.state.uploads.all()], [etag, 0, []]);
  });
});

describe("sweepLeftUploads", () => {
  it("leaves what a task may go on with, and aborts what none is about any more (invariant 7)", async () => {
    const scene = new Scene(false);
    await scene.want();
    const { hangs } = hangAfter(scene, BEFORE_TROUBLE);
    const worker = scene.worker();
    worker.start();
    await hangs;
    await worker.drain(0);
    assert.deepEqual([await scene.sweep(), scene.open], [0, 1], "the task waits");
    scene.onPart = unreachable;
    const last = scene.worker();
    last.start();
    await scene.untilRow("FAILED");
    await last.drain(1_000);
    assert.equal(scene.open, 1);
    assert.deepEqual([await scene.sweep(), scene.open, await scene.state.uploads.all()], [1, 0, []]);
  });
});
