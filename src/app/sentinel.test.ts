import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import type { ResolvedConfig } from "../config/resolved-config.ts";
import type { Bucket } from "../domain/bucket.ts";
import { ReplicationError } from "../domain/error.ts";
import { PLAIN_COPY, type Rule } from "../domain/rule.ts";
import type { ObjectStore, PutOptions } from "../ports/object-store.ts";
import type { State } from "../ports/state.ts";
import { MemoryState } from "../testing/memory-state.ts";
import { guardedBuckets, Sentinel } from "./sentinel.ts";
import { systemClock } from "./system-clock.ts";

const A = bucketOf("a");
const B = bucketOf("b");
const LEAF = bucketOf("leaf");

function bucketOf(name: string): Bucket {
  return { id: `s3://${name}.example/${name}`, name: `${name}:${name}`, store: name, bucket: name };
}

function ruleOf(source: Bucket, to: Bucket, settings: Partial<Rule> = {}): Rule {
  const destination = { id: to.name, canonicalId: to.id, bucket: to, prefix: "", existingObjects: true };
  const preserve = { tags: true, storageClass: true, acl: false, objectLock: false, encryption: false };
  return {
    ...PLAIN_COPY,
    id: `${source.bucket}-${to.bucket}`,
    source,
    destinations: [destination],
    filter: {},
    preserve,
    enabled: true,
    ...settings,
  };
}

/** Objects by key; a code instead of them: whoever asks is refused with it. */
class Bucketful {
  readonly bucket: Bucket;
  readonly objects = new Map<string, Buffer>();
  readonly removed: (string | undefined)[] = [];
  versionId: string | undefined;
  refuses: { read?: "StoreUnreachable"; write?: "AccessDenied" } = {};

  constructor(bucket: Bucket) {
    this.bucket = bucket;
  }

  async get(key: string): Promise<{ state: { versionId: string | undefined }; body: Buffer } | undefined> {
    if (this.refuses.read !== undefined) throw new ReplicationError(this.refuses.read, "away");
    const body = this.objects.get(key);
    return body && { state: { versionId: this.versionId }, body };
  }

  async delete(_key: string, { versionId }: { versionId?: string }): Promise<void> {
    this.removed.push(versionId);
  }

  async put(key: string, body: Buffer, _options?: PutOptions): Promise<void> {
    if (this.refuses.write !== undefined) throw new ReplicationError(this.refuses.write, "no");
    this.objects.set(key, body);
  }

  async describe(): Promise<{ objectLock: boolean }> {
    return { objectLock: false };
  }

  get mark(): unknown {
    const body = this.objects.get(".replicast/acme/epoch");
    return body && JSON.parse(body.toString());
  }
}

const config = { name: "acme", rules: [ruleOf(A, B), ruleOf(B, A), ruleOf(A, LEAF)] } as unknown as ResolvedConfig;

let state: MemoryState;
let stores: ReadonlyMap<string, Bucketful>;
let told: string[];
const storeOf = ({ id }: Bucket) => stores.get(id) as unknown as ObjectStore;
const start = (of: State = state) => {
  const logger = { warn: (text: string) => told.push(`warn ${text}`), error: (text: string) => told.push(`error ${text}`) };
  return new Sentinel({ config, state: of, storeOf, logger });
};
const storeAt = ({ id }: Bucket) => stores.get(id) as Bucketful;

describe("Sentinel (invariant 4)", () => {
  beforeEach(() => {
    state = new MemoryState({ clock: systemClock });
    stores = new Map([A, B, LEAF].map((bucket) => [bucket.id, new Bucketful(bucket)]));
    told = [];
  });

  it("guards interior buckets and the sources of deletes, and no leaf", () => {
    const names = (...rules: readonly Rule[]) => guardedBuckets({ ...config, rules }).map(({ bucket }) => bucket);
    assert.deepEqual(names(...config.rules), ["a", "b"]);
    assert.deepEqual(names(ruleOf(A, LEAF)), []);
    assert.deepEqual(names(ruleOf(A, LEAF, { deletes: "markers" })), ["a"]);
  });

  it("tells the buckets of a new state, and of each start", async () => {
    for (const generation of [1, 2, 3]) {
      assert.equal(await start().isTrusted(), true);
      const own = await state.journal.epoch();
      assert.equal(own?.generation, generation);
      for (const bucket of [A, B]) assert.deepEqual(storeAt(bucket).mark, { epoch: own?.epoch, generation });
    }
    assert.equal(storeAt(LEAF).mark, undefined);
    assert.deepEqual(told, []);
  });

  it("asks once, whoever asks how often", async () => {
    const sentinel = start();
    await Promise.all([sentinel.isTrusted(), sentinel.isTrusted()]);
    await sentinel.isTrusted();
    assert.equal((await state.journal.epoch())?.generation, 1);
  });

  it("distrusts a state that was lost, and one that is older or other than its buckets know, until it is renewed", async () => {
    await start().isTrusted();
    const kept = state.snapshot();
    await start().isTrusted();
    const other = new MemoryState({ clock: systemClock });
    await other.journal.saveEpoch({ epoch: "other", generation: 9, distrust: null });
    const cases: readonly (readonly [string, MemoryState, () => void])[] = [
      ["lost", state, () => state.lose()],
      ["old", state, () => state.restore(kept)],
      ["foreign", other, () => {}],
    ];
    for (const [distrust, distrusted, happen] of cases) {
      happen();
      const before = storeAt(A).mark;
      for (let again = 0; again < 2; again++) assert.equal(await start(distrusted).isTrusted(), false, distrust);
      assert.equal((await distrusted.journal.epoch())?.distrust, distrust);
      assert.deepEqual(storeAt(A).mark, before, "no bucket is told of a state that is not believed");
    }
    await start(state).renew();
    assert.equal(await start(state).isTrusted(), true);
    assert.equal(await start(other).isTrusted(), false);
  });

  it("takes one bucket's word where others are away, but not where none can tell", async () => {
    storeAt(B).refuses.read = "StoreUnreachable";
    const sentinel = start();
    await assert.rejects(sentinel.isTrusted(), { code: "StoreUnreachable" });
    storeAt(B).refuses = {};
    assert.equal(await sentinel.isTrusted(), true, "it is asked again");
    storeAt(B).refuses.read = "StoreUnreachable";
    assert.equal(await start().isTrusted(), true);
    await assert.rejects(start().renew(), { code: "StoreUnreachable" });
  });

  it("leaves one version of itself where versions are kept, and that one", async () => {
    await start().isTrusted();
    storeAt(A).versionId = "v1";
    storeAt(B).versionId = "null";
    await start().isTrusted();
    assert.deepEqual([storeAt(A).removed, storeAt(B).removed], [["v1"], []]);
  });

  it("is content with a bucket that may only be read, and says so", async () => {
    storeAt(B).refuses.write = "AccessDenied";
    assert.equal(await start().isTrusted(), true);
    assert.equal(storeAt(B).mark, undefined);
    assert.deepEqual(told, ["warn a bucket cannot be told which ledger works on it"]);
  });

  it("distrusts what nobody can read", async () => {
    await start().isTrusted();
    storeAt(A).objects.set(".replicast/acme/epoch", Buffer.from("{"));
    assert.equal(await start().isTrusted(), false);
  });
});
