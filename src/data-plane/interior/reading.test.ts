import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { clientContent, type HeldObject, type Holding, type Intent } from "../../domain/holding.ts";
import type { ObjectState } from "../../domain/object.ts";
import type { Known } from "../../ports/state.ts";
import { bucketOf } from "../../testing/memory-object-store.ts";
import { toHeld } from "./held-object.ts";
import { type FoundAbsence, readingOfAbsence, readingOfObject } from "./reading.ts";

const BUCKET = bucketOf("here");
const T = Date.UTC(2026, 0, 1);
const OURS = clientContent({ bucket: "elsewhere", at: T, etag: "ours" });

function stateOf(etag: string, lastModified = T): ObjectState {
  return {
    key: "k",
    etag,
    sizeBytes: 1,
    lastModified,
    attributes: { systemHeaders: {}, metadata: {} },
    lock: { legalHold: false },
    tagCount: 0,
    etagMayBeMd5: true,
    storageClass: "STANDARD",
  };
}

function holdingOf(object: HeldObject | null): Holding {
  const content = clientContent({ bucket: BUCKET.id, at: T, etag: object?.etag ?? null });
  return { bucket: BUCKET.id, key: "k", object, content, isReplica: false, revision: 3 };
}

function intentOf(expected: Intent["expected"], expiresAt = 0): Intent {
  return { id: "i", bucket: BUCKET.id, key: "k", expected, content: OURS, expiresAt };
}

const known = (what: Partial<Known> = {}): Known => ({ holding: undefined, revision: 3, deletedAt: null, intents: [], ...what });
interface Look {
  readonly isRetagged?: boolean;
  readonly tagsHash?: string;
}

const read = (state: ObjectState, of: Known, { isRetagged = false, tagsHash }: Look = {}) =>
  readingOfObject(BUCKET, of, { state, object: toHeld(state, tagsHash ?? null), isRetagged, under: [] });

describe("what an object that was read is", () => {
  it("a find, where nothing is known: nobody can say what it was written over (invariant 11)", () => {
    const { side, holding, changed } = read(stateOf("x"), known());
    assert.ok(side.kind === "object");
    assert.deepEqual([side.content.isFound, side.content.origin, holding?.isReplica, changed], [true, BUCKET.id, false, true]);
  });

  it("ours, where a write was announced, also one that nobody waits for any more (invariant 10)", () => {
    const intents = [intentOf({ etag: "ours", sizeBytes: 1, stamp: null })];
    const { holding, closes } = read(stateOf("ours"), known({ intents }));
    assert.deepEqual([holding?.isReplica, holding?.content.origin, closes], [true, "elsewhere", ["i"]]);
  });

  it("a client's, where the announced write would carry a stamp and this has none", () => {
    const intents = [intentOf({ etag: "ours", sizeBytes: 1, stamp: "stamp" })];
    assert.equal(read(stateOf("ours"), known({ intents })).holding?.isReplica, false);
  });

  it("a client's, over what was held", () => {
    const holding = holdingOf(toHeld(stateOf("before"), null));
    const { side } = read(stateOf("x", T + 5_000), known({ holding }));
    assert.ok(side.kind === "object");
    assert.deepEqual([side.content.isFound, side.content.dot], [undefined, holding.content.dot + 5]);
  });

  it("the one that is held, unchanged, and no news", () => {
    const holding = holdingOf(toHeld(stateOf("x"), null));
    assert.deepEqual(read(stateOf("x"), known({ holding })).changed, false);
  });

  it("the one that is held with other tags, where they differ or were announced and never read before", () => {
    const unread = holdingOf(toHeld(stateOf("x"), null));
    const retags = (holding: Holding, isRetagged: boolean) =>
      read(stateOf("x"), known({ holding }), { isRetagged, tagsHash: "red" }).holding?.content.retagged;
    assert.deepEqual([retags(unread, true), retags(unread, false)], [1, undefined]);
    assert.equal(retags(holdingOf(toHeld(stateOf("x"), "blue")), false), 1);
    assert.equal(retags(holdingOf(toHeld(stateOf("x"), "red")), true), undefined);
  });
});

describe("what it means that nothing is there (invariant 4)", () => {
  const HELD = holdingOf(toHeld(stateOf("x"), null));
  const absent = (of: Known, found: Partial<FoundAbsence> = {}) =>
    readingOfAbsence(BUCKET, of, { key: "k", observation: { kind: "absent" }, evidence: { announced: false, at: T }, ...found });

  it("nothing, without evidence", () => {
    assert.deepEqual([absent(known()).side.kind, absent(known({ holding: HELD })).side.kind], ["absent", "absent"]);
  });

  it("a delete, where one was announced that may be of what was there", () => {
    const told = (deletedAt: number) => absent(known({ holding: HELD }), { evidence: { announced: true, deletedAt, at: T } }).side.kind;
    assert.deepEqual([told(T + 1_000), told(T - 60_000)], ["deleted", "absent"]);
    assert.equal(absent(known({ holding: HELD, deletedAt: T })).side.kind, "deleted");
  });

  it("no delete of ours or a client's, where nothing was ever known to be there", () => {
    assert.equal(absent(known(), { evidence: { announced: true, at: T } }).side.kind, "absent");
  });

  it("our own delete, where one was announced by us, and a client's where an old one is overtaken", () => {
    const { holding, closes } = absent(known({ intents: [intentOf(null)] }));
    assert.deepEqual([holding?.isReplica, holding?.content, closes], [true, OURS, ["i"]]);
    const over = { ...HELD, content: { ...HELD.content, history: { ...HELD.content.history, ...OURS.history } } };
    assert.equal(absent(known({ holding: over, intents: [intentOf(null)] })).side.kind, "absent");
  });

  it("a lifecycle's delete, where the event says so", () => {
    const { side } = absent(known({ holding: HELD }), { evidence: { announced: true, expired: true, at: T } });
    assert.ok(side.kind === "deleted");
    assert.equal(side.content.isExpiration, true);
  });
});
