import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import type { Bucket } from "../domain/bucket.ts";
import type { ObjectAttributes, ObjectLock } from "../domain/object.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import type { Transfer, TransferDestination, TransferOutcome, TransferRequest, TransferResult } from "../ports/transfer.ts";
import type { Uploads } from "../ports/uploads.ts";
import { describePort, type PortCases, type PortContract } from "./port-contract.ts";

/** What a transfer under test comes with: two stores, told apart by their credentials or their place. */
export interface TransferHarness {
  readonly transfer: Transfer;
  readonly source: Bucket;
  /** Another bucket of the source's store. */
  readonly near: Bucket;
  /** Buckets of another store. */
  readonly far: Bucket;
  readonly farther: Bucket;
  /** A bucket of the other store that does not exist. */
  readonly missing: Bucket;
  readonly storeOf: (bucket: Bucket) => ObjectStore;
  /** Bodies of this size and more are large to the transfer. */
  readonly largeBytes: number;
  /** The least that a part of an upload may have, but the last. */
  readonly partBytes: number;
  /** Uploads an object in parts, under these numbers; returns its ETag. */
  readonly putParts: (bucket: Bucket, key: string, upload: PartsToPut) => Promise<string>;
  /** What was asked of a bucket's store since the last call, by S3's names of the operations, in order of the alphabet. */
  readonly takeRequests: (bucket: Bucket) => readonly string[];
  /** Where the transfer's uploads are bound. */
  readonly uploads: Uploads;
  /** Breaks off the next copy once so many parts have been answered for by the bucket's store. */
  readonly breakOffAfter: (bucket: Bucket, parts: number) => AbortSignal;
  /** Uploads begun in a bucket and neither completed nor aborted. */
  readonly openUploads: (bucket: Bucket) => Promise<number>;
  /** Switches versioning on; undefined where a server has none. */
  readonly enableVersioning?: ((bucket: Bucket) => Promise<void>) | undefined;
  /** How an object is encrypted, by S3's name; undefined where no server of the harness encrypts. */
  readonly encryptionOf?: ((bucket: Bucket, key: string) => Promise<string | undefined>) | undefined;
  /** Makes a bucket of a place's store whose objects can be locked and, where the server knows them, have ACLs. */
  readonly guardedBucket: (place: Place) => Promise<Bucket>;
  /** Writes an object whole, with guards. */
  readonly putGuarded: (bucket: Bucket, key: string, object: GuardedObject) => Promise<void>;
  /** What others than the owner may do with an object: `AllUsers READ`, …, in order of the alphabet. */
  readonly grantsOf: (bucket: Bucket, key: string) => Promise<readonly string[]>;
  close(): Promise<void>;
}

export interface PartsToPut extends GuardsToPut {
  readonly parts: readonly NumberedPart[];
  readonly attributes: ObjectAttributes;
}

export interface GuardedObject extends GuardsToPut {
  readonly body: Uint8Array;
  readonly storageClass?: string | undefined;
}

/** What an object is written with, by S3's names. */
export interface GuardsToPut {
  readonly lock?: ObjectLock | undefined;
  readonly encryption?: "AES256" | "aws:kms" | undefined;
  readonly acl?: "public-read" | undefined;
  /** Of an object in parts: composite. */
  readonly checksum?: "CRC32" | "SHA256" | undefined;
}

export interface NumberedPart {
  readonly number: number;
  readonly body: Uint8Array;
}

/** Holds an adapter to the promises of `Transfer`. */
export function describeTransfer(contract: PortContract<TransferHarness>): void {
  describePort("Transfer", contract, {
    ...whole,
    ...inParts,
    ...attributes,
    ...changes,
    ...isolation,
    ...conditions,
    ...stamps,
    ...versions,
    ...encryption,
  });
}

export const KEEP_ALL: TransferDestination["preserve"] = {
  tags: true,
  storageClass: true,
  acl: false,
  objectLock: false,
  encryption: false,
};
const md5 = (body: Uint8Array) => createHash("md5").update(body).digest("hex");
const ATTRIBUTES: ObjectAttributes = {
  systemHeaders: { "cache-control": "max-age=5", "content-type": "text/x-odd" },
  metadata: { name: "gr\u00fc\u00dfe voil\u00e0" },
};

export function to(bucket: Bucket, overrides: Partial<TransferDestination> = {}): TransferDestination {
  return { bucket, key: "copy/a", preserve: KEEP_ALL, ...overrides };
}

/** Copies the source's `a`, with what a listing would have said of it. */
export async function copy(
  harness: TransferHarness,
  destinations: readonly TransferDestination[],
  overrides: Partial<TransferRequest> = {},
): Promise<TransferResult> {
  const [listed] = (await harness.storeOf(harness.source).list({ prefix: "a" })).objects;
  const hint = listed && { ...listed, storageClass: listed.storageClass ?? "STANDARD" };
  takeAll(harness);
  return harness.transfer.copy({ source: harness.source, key: "a", hint, destinations, ...overrides });
}

function takeAll({ takeRequests, source, far }: TransferHarness): void {
  takeRequests(source);
  takeRequests(far);
}

export function outcomesOf(result: TransferResult): readonly TransferOutcome[] {
  assert.equal(result.kind, "done", result.kind === "failed" ? result.error.message : result.kind);
  return result.kind === "done" ? result.outcomes : [];
}

export function copied(outcome: TransferOutcome | undefined): TransferOutcome & { readonly kind: "copied" } {
  assert.ok(outcome?.kind === "copied", outcome?.kind === "failed" ? outcome.error.message : outcome?.kind);
  return outcome;
}

export function codeOf(outcome: TransferOutcome | TransferResult | undefined): string | undefined {
  return outcome?.kind === "failed" ? outcome.error.code : outcome?.kind;
}

export async function assertReplica(harness: TransferHarness, { bucket, key }: TransferDestination, body: Uint8Array): Promise<void> {
  const found = await harness.storeOf(bucket).get(key);
  assert.ok(found !== undefined, `${bucket.name} holds ${key}`);
  assert.equal(md5(found.body), md5(body));
}

export type Place = "near" | "far";

/** A case that holds within a store and across stores alike. */
export function bothWays(title: string, run: (harness: TransferHarness, place: Place) => Promise<void>): PortCases<TransferHarness> {
  return {
    [`${title}, within a store`]: (harness) => run(harness, "near"),
    [`${title}, across stores`]: (harness) => run(harness, "far"),
  };
}

const whole: PortCases<TransferHarness> = {
  ...bothWays("a small object is copied with all it has, and its ETag proves it", async (harness, place) => {
    const body = Buffer.from("small");
    await harness.storeOf(harness.source).put("a", body, { attributes: ATTRIBUTES });
    const result = await copy(harness, [to(harness[place])]);
    const outcome = copied(outcomesOf(result)[0]);
    assert.deepEqual([outcome.etag, outcome.proof, outcome.notes], [md5(body), "etag", []]);
    await assertReplica(harness, to(harness[place]), body);
    assert.deepEqual((await harness.storeOf(harness[place]).head("copy/a"))?.attributes, ATTRIBUTES);
  }),
  ...bothWays("an object of no bytes is copied", async (harness, place) => {
    await harness.storeOf(harness.source).put("a", new Uint8Array(0));
    assert.equal(copied(outcomesOf(await copy(harness, [to(harness[place])]))[0]).proof, "etag");
    await assertReplica(harness, to(harness[place]), new Uint8Array(0));
  }),
  ...bothWays("a large object is copied whole, and its ETag proves it", async (harness, place) => {
    const body = randomBytes(harness.largeBytes + 3);
    await harness.storeOf(harness.source).put("a", body, { attributes: ATTRIBUTES });
    const outcome = copied(outcomesOf(await copy(harness, [to(harness[place])]))[0]);
    assert.deepEqual([outcome.etag, outcome.proof, outcome.notes], [md5(body), "etag", []]);
    await assertReplica(harness, to(harness[place]), body);
    assert.deepEqual((await harness.storeOf(harness[place]).head("copy/a"))?.attributes, ATTRIBUTES);
  }),
  ...bothWays("keys with odd characters arrive under their own name", async (harness, place) => {
    const key = "a \u00fc+%2F?&\u{1f600}";
    await harness.storeOf(harness.source).put(key, Buffer.from("x"));
    const result = await harness.transfer.copy({ source: harness.source, key, destinations: [to(harness[place], { key })] });
    copied(outcomesOf(result)[0]);
    await assertReplica(harness, to(harness[place], { key }), Buffer.from("x"));
  }),
  "within a store a copy is one request, after one HEAD where the store's own copies lose something": async (harness) => {
    await harness.storeOf(harness.source).put("a", Buffer.from("x"));
    await copy(harness, [to(harness.near)]); // what is asked once per bucket has been asked
    copied(outcomesOf(await copy(harness, [to(harness.near)]))[0]);
    const requests = harness.takeRequests(harness.source);
    assert.ok(["CopyObject", "CopyObject,HeadObject"].includes(requests.join()), requests.join());
  },
  "across stores a copy is one read and one write, and tags are read only where there are any": async (harness) => {
    await harness.storeOf(harness.source).put("a", Buffer.from("x"));
    copied(outcomesOf(await copy(harness, [to(harness.far)]))[0]);
    assert.deepEqual(harness.takeRequests(harness.source), ["GetObject", "GetObjectTagging"], "the right to read tags is proven once");
    copied(outcomesOf(await copy(harness, [to(harness.far)]))[0]);
    assert.deepEqual([harness.takeRequests(harness.source), harness.takeRequests(harness.far)], [["GetObject"], ["PutObject"]]);
    await harness.storeOf(harness.source).put("a", Buffer.from("x"), { attributes: { ...ATTRIBUTES, tags: { k: "v" } } });
    copied(outcomesOf(await copy(harness, [to(harness.far)]))[0]);
    assert.deepEqual(harness.takeRequests(harness.source), ["GetObject", "GetObjectTagging"]);
  },
  "many destinations cost one read": async (harness) => {
    for (const size of [10, harness.largeBytes]) {
      const body = randomBytes(size);
      await harness.storeOf(harness.source).put("a", body);
      const result = await copy(harness, [to(harness.far), to(harness.near), to(harness.farther), to(harness.far, { key: "second" })]);
      for (const outcome of outcomesOf(result)) assert.equal(copied(outcome).etag, md5(body));
      const requests = harness.takeRequests(harness.source);
      assert.equal(requests.filter((operation) => operation === "GetObject").length, 1);
      for (const bucket of [harness.far, harness.near, harness.farther]) await assertReplica(harness, to(bucket), body);
      await assertReplica(harness, to(harness.far, { key: "second" }), body);
    }
  },
};

/** Uploads the source's `a` in parts of these sizes, copies it, and requires the replica to have its ETag. */
function keepsEtag(sizes: (harness: TransferHarness) => readonly (readonly [number: number, sizeBytes: number])[]) {
  return async (harness: TransferHarness, place: Place): Promise<void> => {
    const parts = sizes(harness).map(([number, sizeBytes]) => ({ number, body: randomBytes(sizeBytes) }));
    const etag = await harness.putParts(harness.source, "a", { parts, attributes: ATTRIBUTES });
    const outcome = copied(outcomesOf(await copy(harness, [to(harness[place])]))[0]);
    assert.deepEqual([outcome.etag, outcome.proof, outcome.notes], [etag, "etag", []]);
    await assertReplica(harness, to(harness[place]), Buffer.concat(parts.map(({ body }) => body)));
    assert.deepEqual((await harness.storeOf(harness[place]).head("copy/a"))?.attributes, ATTRIBUTES);
    assert.equal(await harness.openUploads(harness[place]), 0);
  };
}

const inParts: PortCases<TransferHarness> = {
  ...bothWays(
    "an object of equal parts keeps its ETag",
    keepsEtag(({ partBytes }) => [
      [1, partBytes],
      [2, partBytes],
      [3, 7],
    ]),
  ),
  ...bothWays(
    "an object of unequal parts keeps its ETag",
    keepsEtag(({ partBytes }) => [
      [1, partBytes + 5],
      [2, partBytes],
      [3, partBytes + 1],
      [4, 1],
    ]),
  ),
  ...bothWays(
    "an object whose part numbers have gaps keeps its ETag",
    keepsEtag(({ partBytes }) => [
      [2, partBytes],
      [5, partBytes],
      [9, 3],
    ]),
  ),
  ...bothWays(
    "an object of a single part keeps its ETag",
    keepsEtag(() => [[1, 11]]),
  ),
  ...bothWays(
    "an object in parts whose last is the largest keeps its ETag",
    keepsEtag(({ partBytes }) => [
      [1, partBytes],
      [2, 2 * partBytes],
    ]),
  ),
  "an object in parts goes near and far at once": async (harness) => {
    const { partBytes } = harness;
    const parts = [1, 2].map((number) => ({ number, body: randomBytes(partBytes) }));
    const etag = await harness.putParts(harness.source, "a", { parts, attributes: { ...ATTRIBUTES, tags: { k: "v" } } });
    const result = await copy(harness, [to(harness.near), to(harness.far), to(harness.missing), to(harness.farther)]);
    const outcomes = outcomesOf(result);
    assert.deepEqual(outcomes.map(codeOf), ["copied", "copied", "NoSuchBucket", "copied"]);
    for (const bucket of [harness.near, harness.far, harness.farther]) {
      assert.equal((await harness.storeOf(bucket).head("copy/a"))?.etag, etag);
      assert.deepEqual(await harness.storeOf(bucket).tags("copy/a"), { k: "v" });
      assert.equal(await harness.openUploads(bucket), 0);
    }
  },
};

const attributes: PortCases<TransferHarness> = {
  ...bothWays("tags are kept where they are wanted, and left where not", async (harness, place) => {
    const tags = { env: "prod", team: "blue one" };
    await harness.storeOf(harness.source).put("a", Buffer.from("x"), { attributes: { ...ATTRIBUTES, tags } });
    const plain = to(harness[place], { key: "plain", preserve: { ...KEEP_ALL, tags: false } });
    for (const outcome of outcomesOf(await copy(harness, [to(harness[place]), plain]))) copied(outcome);
    assert.deepEqual(await harness.storeOf(harness[place]).tags("copy/a"), tags);
    assert.deepEqual(await harness.storeOf(harness[place]).tags("plain"), {});
  }),
  ...bothWays("an Expires header is kept, also where a listing's hint is all that is known (invariant 9)", async (harness, place) => {
    const systemHeaders = { ...ATTRIBUTES.systemHeaders, expires: "Wed, 21 Oct 2037 07:28:00 GMT" };
    await harness.storeOf(harness.source).put("a", Buffer.from("x"), { attributes: { ...ATTRIBUTES, systemHeaders } });
    copied(outcomesOf(await copy(harness, [to(harness[place])]))[0]);
    assert.deepEqual((await harness.storeOf(harness[place]).head("copy/a"))?.attributes, { ...ATTRIBUTES, systemHeaders });
  }),
  ...bothWays("a storage class is given where one is asked for", async (harness, place) => {
    await harness.storeOf(harness.source).put("a", Buffer.from("x"));
    copied(outcomesOf(await copy(harness, [to(harness[place], { storageClass: "STANDARD_IA" })]))[0]);
    assert.equal((await harness.storeOf(harness[place]).head("copy/a"))?.storageClass, "STANDARD_IA");
  }),
  ...bothWays("a storage class that is kept stays what it is", async (harness, place) => {
    await harness.storeOf(harness.source).put("seed", Buffer.from("x"));
    const seed = { source: harness.source, key: "seed", destinations: [to(harness.source, { key: "a", storageClass: "STANDARD_IA" })] };
    copied(outcomesOf(await harness.transfer.copy(seed))[0]);
    const plain = to(harness[place], { key: "plain", preserve: { ...KEEP_ALL, storageClass: false } });
    for (const outcome of outcomesOf(await copy(harness, [to(harness[place]), plain]))) copied(outcome);
    assert.equal((await harness.storeOf(harness[place]).head("copy/a"))?.storageClass, "STANDARD_IA");
    assert.equal((await harness.storeOf(harness[place]).head("plain"))?.storageClass, undefined);
  }),
  ...bothWays("a storage class that a destination refuses is left out with a note, for every object at once", async (harness, place) => {
    await harness.storeOf(harness.source).put("a", Buffer.from("x"));
    const destinations = ["1", "2", "3"].map((key) => to(harness[place], { key, storageClass: "NO_SUCH_CLASS" }));
    for (const outcome of outcomesOf(await copy(harness, destinations))) assert.deepEqual(copied(outcome).notes, ["StorageClassNotKept"]);
    const later = outcomesOf(await copy(harness, destinations.slice(0, 1)));
    assert.deepEqual(copied(later[0]).notes, ["StorageClassNotKept"]);
  }),
};

const changes: PortCases<TransferHarness> = {
  ...bothWays("a source that is not what the hint says is `changed`, and nothing is written", async (harness, place) => {
    for (const size of [5, harness.largeBytes]) {
      await harness.storeOf(harness.source).put("a", randomBytes(size));
      const hint = { etag: md5(Buffer.from("other")), sizeBytes: size, storageClass: "STANDARD" };
      const result = await harness.transfer.copy({ source: harness.source, key: "a", hint, destinations: [to(harness[place])] });
      assert.equal(result.kind, "changed");
    }
    assert.equal(await harness.storeOf(harness[place]).head("copy/a"), undefined);
  }),
  ...bothWays("a source that is not there is `gone`, with and without a hint", async (harness, place) => {
    for (const hint of [undefined, { etag: md5(Buffer.from("x")), sizeBytes: 1 }, { etag: md5(Buffer.from("x")), sizeBytes: 10_000_000 }]) {
      const result = await harness.transfer.copy({ source: harness.source, key: "a", hint, destinations: [to(harness[place])] });
      assert.equal(result.kind, "gone");
    }
  }),
  ...bothWays("a source that is to be read first is copied as it is, whatever the hint says", async (harness, place) => {
    await harness.storeOf(harness.source).put("a", Buffer.from("now"));
    const hint = { etag: md5(Buffer.from("before")), sizeBytes: 6, storageClass: "STANDARD" };
    const request = { source: harness.source, key: "a", hint, destinations: [to(harness[place])], readFirst: true };
    copied(outcomesOf(await harness.transfer.copy(request))[0]);
    await assertReplica(harness, to(harness[place]), Buffer.from("now"));
  }),
  ...bothWays("a hint with a size that cannot be is not believed", async (harness, place) => {
    const body = randomBytes(harness.largeBytes);
    const { etag } = await harness.storeOf(harness.source).put("a", body);
    const hint = { etag, sizeBytes: 0, storageClass: "STANDARD" };
    const result = await harness.transfer.copy({ source: harness.source, key: "a", hint, destinations: [to(harness[place])] });
    copied(outcomesOf(result)[0]);
    assert.equal(result.kind === "done" && result.source.sizeBytes, body.length);
  }),
  ...bothWays(
    "the source is shown before anything is written, once, and only where it is accepted a replica is made",
    async (harness, place) => {
      await harness.storeOf(harness.source).put("a", Buffer.from("x"), { attributes: { ...ATTRIBUTES, tags: { k: "v" } } });
      const shown: unknown[] = [];
      const accept: TransferRequest["accept"] = (source) => {
        shown.push([source.sizeBytes, source.attributes.tags]);
        return [false, true];
      };
      const request = { accept, needTags: true };
      const result = await copy(harness, [to(harness[place], { key: "refused" }), to(harness[place])], request);
      assert.deepEqual(outcomesOf(result).map(codeOf), ["not-accepted", "copied"]);
      assert.deepEqual(shown, [[1, { k: "v" }]]);
      assert.equal(await harness.storeOf(harness[place]).head("refused"), undefined);
    },
  ),
};

const isolation: PortCases<TransferHarness> = {
  "a destination without its bucket fails alone": async (harness) => {
    for (const size of [5, harness.largeBytes]) {
      const body = randomBytes(size);
      await harness.storeOf(harness.source).put("a", body);
      const result = await copy(harness, [to(harness.missing), to(harness.near), to(harness.far)]);
      assert.deepEqual(outcomesOf(result).map(codeOf), ["NoSuchBucket", "copied", "copied"]);
      await assertReplica(harness, to(harness.far), body);
    }
  },
  "a destination without its bucket fails alone whatever the key": async (harness) => {
    await harness.storeOf(harness.source).put("a", Buffer.from("x"));
    const result = await copy(harness, [to(harness.missing, { key: "odd\\key" }), to(harness.far)]);
    assert.deepEqual(outcomesOf(result).map(codeOf), ["NoSuchBucket", "copied"]);
  },
  "a source without its bucket is an error, not an absence": async (harness) => {
    const result = await harness.transfer.copy({ source: harness.missing, key: "a", destinations: [to(harness.near)] });
    assert.equal(codeOf(result), "NoSuchBucket");
  },
  ...bothWays("a copy that is interrupted is Aborted and leaves nothing", async (harness, place) => {
    for (const size of [5, harness.largeBytes]) {
      await harness.storeOf(harness.source).put("a", randomBytes(size));
      const result = await copy(harness, [to(harness[place])], { signal: AbortSignal.abort() });
      assert.equal(codeOf(result.kind === "done" ? result.outcomes[0] : result), "Aborted");
      assert.equal(await harness.storeOf(harness[place]).head("copy/a"), undefined);
    }
  }),
};

/** The ways a body travels: in memory, from socket to socket, in parts. */
export type Size = "small" | "large" | "in parts";
export const SIZES: readonly Size[] = ["small", "large", "in parts"];

/** Puts the source's `a` so that it travels this way, and returns its bytes. */
async function putToTravel(harness: TransferHarness, size: Size, given = ATTRIBUTES): Promise<Buffer> {
  if (size !== "in parts") {
    const body = randomBytes(size === "small" ? 10 : harness.largeBytes + 1);
    await harness.storeOf(harness.source).put("a", body, { attributes: given });
    return body;
  }
  const parts = [1, 2].map((number) => ({ number, body: randomBytes(number === 1 ? harness.partBytes : 5) }));
  await harness.putParts(harness.source, "a", { parts, attributes: given });
  return Buffer.concat(parts.map(({ body }) => body));
}

/** A case for each way a body travels, within a store and across stores. */
export function everyWay(
  title: string,
  run: (harness: TransferHarness, place: Place, size: Size) => Promise<void>,
): PortCases<TransferHarness> {
  return Object.assign(
    {},
    ...SIZES.map((size) => bothWays(`${title}: ${size}`, (harness, place) => run(harness, place, size))),
  ) as PortCases<TransferHarness>;
}

const conditions: PortCases<TransferHarness> = {
  ...everyWay(
    "what must not replace anything is written where nothing is, and nowhere else (invariant 3)",
    async (harness, place, size) => {
      const body = await putToTravel(harness, size);
      const free = to(harness[place], { key: "free", ifHolds: null });
      const taken = to(harness[place], { key: "taken", ifHolds: null });
      const held = await harness.storeOf(harness[place]).put("taken", Buffer.from("theirs"));
      assert.deepEqual(outcomesOf(await copy(harness, [free, taken])).map(codeOf), ["copied", "moved-on"]);
      await assertReplica(harness, free, body);
      assert.equal((await harness.storeOf(harness[place]).head("taken"))?.etag, held.etag);
      assert.equal(await harness.openUploads(harness[place]), 0);
    },
  ),
  ...everyWay("what must replace one state replaces no other, and no absence (invariant 3)", async (harness, place, size) => {
    const body = await putToTravel(harness, size);
    const store = harness.storeOf(harness[place]);
    const before = await store.put("expected", Buffer.from("before"));
    const theirs = await store.put("other", Buffer.from("theirs"));
    const destinations = ["expected", "other", "absent"].map((key) => to(harness[place], { key, ifHolds: before.etag }));
    assert.deepEqual(outcomesOf(await copy(harness, destinations)).map(codeOf), ["copied", "moved-on", "moved-on"]);
    await assertReplica(harness, to(harness[place], { key: "expected" }), body);
    assert.equal((await store.head("other"))?.etag, theirs.etag);
    assert.equal(await store.head("absent"), undefined);
    assert.equal(await harness.openUploads(harness[place]), 0);
  }),
  ...bothWays("of copies that must not replace anything, made at once, one wins (invariant 3)", async (harness, place) => {
    await putToTravel(harness, "small");
    const results = await Promise.all(Array.from({ length: 6 }, () => copy(harness, [to(harness[place], { ifHolds: null })])));
    const codes = results.map((result) => codeOf(outcomesOf(result)[0])).sort();
    assert.deepEqual(codes, ["copied", ...Array.from({ length: 5 }, () => "moved-on")]);
  }),
  ...bothWays("a source that is not what the hint says is `changed` under a condition too", async (harness, place) => {
    await putToTravel(harness, "small");
    const held = await harness.storeOf(harness[place]).put("copy/a", Buffer.from("before"));
    const hint = { etag: md5(Buffer.from("other")), sizeBytes: 10, storageClass: "STANDARD" };
    for (const stamp of [undefined, "v1;s"]) {
      const destinations = [to(harness[place], { ifHolds: held.etag, stamp })];
      assert.equal((await harness.transfer.copy({ source: harness.source, key: "a", hint, destinations })).kind, "changed");
    }
    assert.equal((await harness.storeOf(harness[place]).head("copy/a"))?.etag, held.etag);
  }),
  "across stores a condition costs no request": async (harness) => {
    await putToTravel(harness, "small");
    const { etag } = copied(outcomesOf(await copy(harness, [to(harness.far, { ifHolds: null })]))[0]);
    copied(outcomesOf(await copy(harness, [to(harness.far, { ifHolds: etag, stamp: "v1;s" })]))[0]);
    assert.deepEqual([harness.takeRequests(harness.source), harness.takeRequests(harness.far)], [["GetObject"], ["PutObject"]]);
  },
};

const STAMPED: ObjectAttributes = { ...ATTRIBUTES, metadata: { ...ATTRIBUTES.metadata, replicast: "of the source" } };

const stamps: PortCases<TransferHarness> = {
  ...everyWay("a stamp is set, removed or left as the source has it, and is told of as no attribute", async (harness, place, size) => {
    await putToTravel(harness, size, STAMPED);
    const stampOf = { set: "v1;of the replica", stripped: null, left: undefined };
    const destinations = Object.entries(stampOf).map(([key, stamp]) => to(harness[place], { key, stamp }));
    const result = await copy(harness, destinations);
    for (const outcome of outcomesOf(result)) assert.deepEqual(copied(outcome).notes, []);
    const found = async (key: string) => (await harness.storeOf(harness[place]).head(key))?.attributes;
    const withStamp = (stamp: string) => ({ ...ATTRIBUTES, metadata: { ...ATTRIBUTES.metadata, replicast: stamp } });
    assert.deepEqual(await found("set"), withStamp("v1;of the replica"));
    assert.deepEqual(await found("stripped"), ATTRIBUTES);
    assert.deepEqual(await found("left"), withStamp("of the source"));
    assert.ok(result.kind === "done");
    if (result.source.attributes !== null) assert.deepEqual(result.source.attributes.metadata, ATTRIBUTES.metadata);
  }),
  ...bothWays("tags are kept beside a stamp", async (harness, place) => {
    await putToTravel(harness, "small", { ...STAMPED, tags: { k: "v" } });
    copied(outcomesOf(await copy(harness, [to(harness[place], { stamp: "v1;s" })]))[0]);
    assert.deepEqual(await harness.storeOf(harness[place]).tags("copy/a"), { k: "v" });
  }),
  ...bothWays("a stamp for which the metadata leaves no room is left out with a note", async (harness, place) => {
    const metadata = { much: "x".repeat(1_980) };
    await putToTravel(harness, "small", { systemHeaders: {}, metadata });
    const outcome = copied(outcomesOf(await copy(harness, [to(harness[place], { stamp: `v1;${"s".repeat(60)}` })]))[0]);
    assert.deepEqual(outcome.notes, ["StampNotKept"]);
    assert.deepEqual((await harness.storeOf(harness[place]).head("copy/a"))?.attributes.metadata, metadata);
  }),
};

const versions: PortCases<TransferHarness> = {
  ...everyWay("a version that is named is copied, whatever is current", async (harness, place, size) => {
    assert.ok(harness.enableVersioning, "exempt a store without versioning");
    await harness.enableVersioning(harness.source);
    const store = harness.storeOf(harness.source);
    const body = await putToTravel(harness, size, { ...ATTRIBUTES, tags: { of: "first" } });
    const first = await store.head("a");
    const versionId = first?.versionId ?? "";
    await store.put("a", Buffer.from("second"), { attributes: { ...ATTRIBUTES, tags: { of: "second" } } });
    const request = { source: harness.source, key: "a", versionId };
    const hint = first && { etag: first.etag, sizeBytes: first.sizeBytes, storageClass: "STANDARD" };
    const copies = [{ hint }, { readFirst: true, needTags: true, accept: () => [true] }, { hint }];
    for (const [i, how] of copies.entries()) {
      if (i === 2) await store.delete("a");
      const destination = to(harness[place], { key: `copy/${i}` });
      const result = await harness.transfer.copy({ ...request, ...how, destinations: [destination] });
      assert.equal(copied(outcomesOf(result)[0]).etag, first?.etag);
      await assertReplica(harness, destination, body);
      assert.deepEqual(await harness.storeOf(harness[place]).tags(destination.key), { of: "first" });
    }
  }),
  ...bothWays("a version that is not there any more is `gone`", async (harness, place) => {
    const { versionId, etag } = await pastVersions(harness);
    await harness.storeOf(harness.source).delete("a", { versionId });
    await assertGone(harness, { place, versionId, etag });
  }),
  ...bothWays("a version that is a delete marker is `gone`", async (harness, place) => {
    const { markerId, etag } = await pastVersions(harness);
    await assertGone(harness, { place, versionId: markerId, etag });
  }),
};

/** Makes a version of the source's `a`, a marker and another version on top. */
async function pastVersions(
  harness: TransferHarness,
): Promise<{ etag: string; versionId: string | undefined; markerId: string | undefined }> {
  assert.ok(harness.enableVersioning, "exempt a store without versioning");
  await harness.enableVersioning(harness.source);
  const store = harness.storeOf(harness.source);
  const { etag, versionId } = await store.put("a", Buffer.from("1"));
  const marker = await store.delete("a");
  await store.put("a", Buffer.from("2"));
  return { etag, versionId, markerId: marker.versionId };
}

async function assertGone(
  harness: TransferHarness,
  { place, versionId, etag }: { readonly place: Place; readonly versionId: string | undefined; readonly etag: string },
): Promise<void> {
  assert.ok(versionId !== undefined);
  for (const hint of [undefined, { etag, sizeBytes: 1, storageClass: "STANDARD" }]) {
    const result = await harness.transfer.copy({ source: harness.source, key: "a", versionId, hint, destinations: [to(harness[place])] });
    assert.equal(result.kind, "gone", result.kind === "failed" ? result.error.message : JSON.stringify(result));
  }
  assert.equal(await harness.storeOf(harness[place]).head("copy/a"), undefined);
}

const encryption: PortCases<TransferHarness> = {
  ...everyWay("an encryption that is asked for is given, or fails the copy by name", async (harness, place, size) => {
    const body = await putToTravel(harness, size);
    for (const type of ["AES256", "aws:kms"] as const) {
      const destination = to(harness[place], { key: type, encryption: { type } });
      const [outcome] = outcomesOf(await copy(harness, [destination]));
      if (outcome?.kind === "failed") {
        assert.equal(outcome.error.code, "CapabilityMissing", outcome.error.message);
        assert.match(outcome.error.hint ?? "", /encryption/);
        continue;
      }
      copied(outcome);
      await assertReplica(harness, destination, body);
      assert.ok(harness.encryptionOf, "a harness over a store that encrypts tells of it");
      assert.equal(await harness.encryptionOf(harness[place], type), type);
    }
    assert.equal(await harness.openUploads(harness[place]), 0);
  }),
};
