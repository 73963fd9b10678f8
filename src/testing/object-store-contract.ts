import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { type ErrorCode, isReplicationError } from "../domain/error.ts";
import { compareKeys } from "../domain/object.ts";
import type { ObjectStore, VersionPage } from "../ports/object-store.ts";
import { describePort, type PortCases, type PortContract } from "./port-contract.ts";

/** What an object store under test comes with. */
export interface ObjectStoreHarness {
  /** Over an empty, unversioned bucket. */
  readonly store: ObjectStore;
  /** The same server's store over a bucket that does not exist. */
  readonly missing: ObjectStore;
  /** The same bucket, by credentials that the server does not know. */
  readonly stranger: ObjectStore;
  /** The same bucket, with versioning switched on by this call; undefined where the server has none. */
  readonly enableVersioning?: (() => Promise<void>) | undefined;
  /** Writes with a digest that is not the body's. */
  readonly putSpoilt: (key: string) => Promise<unknown>;
  close(): Promise<void>;
}

/** Holds an adapter to the promises of `ObjectStore`. */
export function describeObjectStore(contract: PortContract<ObjectStoreHarness>): void {
  describePort("ObjectStore", contract, {
    ...keys,
    ...bodies,
    ...listing,
    ...absence,
    ...conditions,
    ...attributes,
    ...buckets,
    ...versions,
  });
}

const bytes = (text: string) => Buffer.from(text);
const md5 = (text: string) => createHash("md5").update(text).digest("hex");

async function assertFails(work: Promise<unknown>, ...codes: readonly ErrorCode[]): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(isReplicationError(error), String(error));
    assert.ok(codes.includes(error.code), `${error.code} is none of ${codes.join(", ")}: ${error.message}`);
    return true;
  });
}

async function textOf(store: ObjectStore, key: string): Promise<string | undefined> {
  const found = await store.get(key);
  return found === undefined ? undefined : Buffer.from(found.body).toString();
}

async function allKeys(store: ObjectStore, options: { readonly prefix?: string; readonly maxKeys?: number } = {}): Promise<string[]> {
  const found: string[] = [];
  for (let token: string | undefined, first = true; first || token !== undefined; first = false) {
    const page = await store.list({ ...options, continuationToken: token });
    found.push(...page.objects.map((object) => object.key));
    token = page.nextContinuationToken;
  }
  return found;
}

/** Writes, lists, reads and removes one key, and requires it to be the same everywhere. */
function keeps(...odd: readonly string[]): (harness: ObjectStoreHarness) => Promise<void> {
  return async ({ store }) => {
    for (const key of odd) {
      await store.put(key, bytes(key));
      assert.equal(await textOf(store, key), key);
      assert.equal((await store.head(key))?.key, key);
      assert.deepEqual(await allKeys(store), [key]);
      await store.delete(key);
      assert.equal(await store.head(key), undefined);
    }
  };
}

const keys: PortCases<ObjectStoreHarness> = {
  "a key with characters that URLs, XML or shells read otherwise is kept": keeps(
    " lead and trail ",
    "100%25 %2F",
    "a+b c",
    "<&>\"'",
    "a?b#c=d&e",
    "!'()*",
    "a:b|c*",
    "~a",
  ),
  "a key beyond ASCII is kept as it was composed": keeps("\u00e9", "e\u0301", "\u65e5\u672c/\u{1f600}", "\uffee\u{10ffff}"),
  "a key that ends in a slash is a key": async ({ store }) => {
    await store.put("dir/", new Uint8Array(0));
    assert.equal((await store.head("dir/"))?.sizeBytes, 0);
    assert.deepEqual(await allKeys(store), ["dir/"]);
  },
  "a key that ends in a slash can have a body": keeps("dir/"),
  "a key with '.' or '..' segments is kept": keeps("../up", "a/./b", "a/../b", "."),
  "a key with empty segments is kept": keeps("/lead", "a//b", "//"),
  "a key with control characters is kept": keeps("a\u0001b", "tab\tline\r\n", "\u007f"),
  "a key with a backslash is kept": keeps("a\\b"),
  "a key of 1,024 bytes in one segment is kept": keeps("k".repeat(1_024)),
  "a key of 1,000 bytes in several segments is kept": keeps(Array.from({ length: 5 }, () => "\u00fc".repeat(99)).join("/")),
  "a key and another below it live side by side": async ({ store }) => {
    await store.put("a", bytes("1"));
    await store.put("a/b", bytes("2"));
    assert.deepEqual([await textOf(store, "a"), await textOf(store, "a/b")], ["1", "2"]);
  },
};

const bodies: PortCases<ObjectStoreHarness> = {
  "an object of no bytes is an object": async ({ store }) => {
    const { etag } = await store.put("empty", new Uint8Array(0));
    const state = await store.head("empty");
    assert.deepEqual([state?.sizeBytes, state?.etag, etag], [0, md5(""), md5("")]);
    assert.equal((await store.get("empty"))?.body.byteLength, 0);
    assert.equal((await store.read("empty", { start: 0, endExclusive: 0 })).byteLength, 0);
  },
  "the state tells size, ETag and time in whole seconds": async ({ store }) => {
    const before = Math.floor(Date.now() / 1000) * 1000 - 1000;
    await store.put("a", bytes("body"));
    const state = await store.head("a");
    assert.deepEqual([state?.sizeBytes, state?.etag, state?.etagMayBeMd5, state?.tagCount], [4, md5("body"), true, 0]);
    assert.equal((state?.lastModified ?? 1) % 1000, 0);
    assert.ok((state?.lastModified ?? 0) >= before && (state?.lastModified ?? 0) <= Date.now() + 1000);
    const [listed] = (await store.list()).objects;
    assert.deepEqual([listed?.sizeBytes, listed?.etag, listed?.lastModified], [4, state?.etag, state?.lastModified]);
    assert.equal(listed?.storageClass, undefined);
  },
  "a range is exactly the bytes asked for": async ({ store }) => {
    await store.put("a", bytes("0123456789"));
    const read = async (start: number, endExclusive: number) => Buffer.from(await store.read("a", { start, endExclusive })).toString();
    assert.deepEqual([await read(0, 1), await read(3, 7), await read(9, 10), await read(4, 4)], ["0", "3456", "9", ""]);
    await assertFails(store.read("a", { start: 8, endExclusive: 12 }), "MalformedResponse");
    await assertFails(store.read("absent", { start: 0, endExclusive: 1 }), "NoSuchKey");
  },
  "a body that is not what its digest says is refused and leaves nothing": async ({ store, putSpoilt }) => {
    await assertFails(putSpoilt("a"), "BadDigest");
    assert.equal(await store.head("a"), undefined);
  },
  "a write that is aborted is an Aborted error": async ({ store }) => {
    await assertFails(store.put("a", bytes("x"), { signal: AbortSignal.abort() }), "Aborted");
  },
};

const listing: PortCases<ObjectStoreHarness> = {
  "pages join to all keys, however small they are": async ({ store }) => {
    const names = Array.from({ length: 7 }, (_, i) => `p/${i}`);
    for (const name of names) await store.put(name, bytes(name));
    assert.deepEqual(await allKeys(store, { maxKeys: 2 }), names);
    assert.equal((await store.list({ maxKeys: 3 })).objects.length, 3);
  },
  "more than 1,000 keys come in the order of their UTF-8 bytes, none missing": async ({ store }) => {
    const names = Array.from({ length: 1_050 }, (_, i) => `k${(i * 7919) % 1_050}`);
    const odd = ["A", "_", "a", "a!", "a0", "z", "\u00e9", "\uff5e", "\u{1f389}"];
    for (let i = 0; i < names.length; i += 50) await Promise.all(names.slice(i, i + 50).map((name) => store.put(name, bytes("x"))));
    for (const name of odd) await store.put(name, bytes("x"));
    assert.deepEqual(await allKeys(store), [...names, ...odd].sort(compareKeys));
  },
  "a listing can begin after a key and be kept to a prefix": async ({ store }) => {
    for (const key of ["a 1", "a 2", "a+2", "b"]) await store.put(key, bytes("x"));
    assert.deepEqual(await allKeys(store, { prefix: "a " }), ["a 1", "a 2"]);
    const page = await store.list({ startAfter: "a 2" });
    assert.deepEqual(
      page.objects.map((object) => object.key),
      ["a+2", "b"],
    );
    assert.equal(page.nextContinuationToken, undefined);
  },
  "keys that read like others when encoded are told apart, whatever page they are on": async ({ store }) => {
    const names = ["a b", "a%20b", "a+b", "a%2Bb"].sort(compareKeys);
    for (const key of names) await store.put(key, bytes("x"));
    assert.deepEqual(await allKeys(store, { maxKeys: 1 }), names);
    const afresh = await Promise.all(names.map((key) => store.list({ prefix: key, maxKeys: 1 })));
    assert.deepEqual(
      afresh.map(({ objects }) => objects[0]?.key),
      names,
    );
  },
  "an empty bucket lists nothing": async ({ store }) =>
    assert.deepEqual(await store.list(), { objects: [], nextContinuationToken: undefined }),
};

const absence: PortCases<ObjectStoreHarness> = {
  "what is absent is undefined": async ({ store }) => {
    assert.equal(await store.head("absent"), undefined);
    assert.equal(await store.get("absent"), undefined);
    assert.deepEqual(await store.observe("absent"), { kind: "absent" });
    await assertFails(store.tags("absent"), "NoSuchKey");
    await assertFails(store.putTags("absent", { k: "v" }), "NoSuchKey");
  },
  "removing what is absent succeeds": async ({ store }) => {
    assert.deepEqual(await store.delete("absent"), { versionId: undefined, deleteMarker: false });
    await store.put("a", bytes("x"));
    assert.deepEqual(await store.delete("a"), { versionId: undefined, deleteMarker: false });
    await store.delete("a");
    assert.equal(await store.head("a"), undefined);
  },
  "a missing bucket is not a missing key": async ({ missing }) => {
    await assertFails(missing.head("a"), "NoSuchBucket");
    await assertFails(missing.observe("a"), "NoSuchBucket");
    await assertFails(missing.listVersions(), "NoSuchBucket");
    await assertFails(missing.putTags("a", {}), "NoSuchBucket");
    await assertFails(missing.capabilities(), "NoSuchBucket");
    await assertFails(missing.get("a"), "NoSuchBucket");
    await assertFails(missing.list(), "NoSuchBucket");
    await assertFails(missing.put("a", bytes("x")), "NoSuchBucket");
    await assertFails(missing.delete("a"), "NoSuchBucket");
    await assertFails(missing.describe(), "NoSuchBucket");
    await assertFails(missing.versioning(), "NoSuchBucket");
  },
  "a refusal is never an absence": async ({ store, stranger }) => {
    await store.put("a", bytes("x"));
    const refusals = ["AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"] as const;
    const calls = [
      () => stranger.head("a"),
      () => stranger.head("absent"),
      () => stranger.observe("absent"),
      () => stranger.listVersions(),
      () => stranger.putTags("a", {}),
      () => stranger.capabilities(),
      () => stranger.get("absent"),
      () => stranger.list(),
      () => stranger.tags("a"),
      () => stranger.put("a", bytes("y")),
      () => stranger.delete("a"),
      () => stranger.describe(),
    ];
    for (const call of calls) await assertFails(call(), ...refusals);
    assert.equal(await textOf(store, "a"), "x");
  },
};

const conditions: PortCases<ObjectStoreHarness> = {
  "a write that must not replace anything does not": async ({ store }) => {
    await store.put("a", bytes("1"), { ifNoneMatch: "*" });
    await assertFails(store.put("a", bytes("2"), { ifNoneMatch: "*" }), "PreconditionFailed");
    assert.equal(await textOf(store, "a"), "1");
  },
  "of writes that must not replace anything, made at once, one wins": async ({ store }) => {
    const writes = Array.from({ length: 8 }, (_, i) => store.put("a", bytes(`${i}`), { ifNoneMatch: "*" }));
    const results = await Promise.allSettled(writes);
    assert.equal(results.filter((result) => result.status === "fulfilled").length, 1);
  },
  "a write that must replace one state replaces no other": async ({ store }) => {
    const first = await store.put("a", bytes("1"));
    const second = await store.put("a", bytes("2"), { ifMatch: first.etag });
    await assertFails(store.put("a", bytes("3"), { ifMatch: first.etag }), "PreconditionFailed");
    assert.equal((await store.head("a"))?.etag, second.etag);
    await assertFails(store.put("absent", bytes("1"), { ifMatch: first.etag }), "PreconditionFailed");
    assert.equal(await store.head("absent"), undefined);
  },
  "a delete of one state removes no other": async ({ store }) => {
    const first = await store.put("a", bytes("1"));
    const second = await store.put("a", bytes("2"));
    await assertFails(store.delete("a", { ifMatch: first.etag }), "PreconditionFailed");
    assert.equal(await textOf(store, "a"), "2");
    await store.delete("a", { ifMatch: second.etag });
    assert.equal(await store.head("a"), undefined);
    await store.delete("a", { ifMatch: second.etag });
  },
  "what a bucket honours is found out, and nothing stays of it": async ({ store, enableVersioning }) => {
    assert.equal((await store.capabilities()).conditionalPut, true);
    assert.deepEqual(await store.listVersions(), { versions: [] });
    if (enableVersioning === undefined) return;
    await enableVersioning();
    assert.deepEqual(await store.capabilities(), await store.capabilities());
    assert.deepEqual(await store.listVersions(), { versions: [] });
  },
};

const attributes: PortCases<ObjectStoreHarness> = {
  "system headers and metadata come back as they were given": async ({ store }) => {
    const given = {
      systemHeaders: {
        "cache-control": "max-age=60",
        "content-disposition": 'attachment; filename="x"',
        "content-encoding": "gzip",
        "content-language": "de",
        "content-type": "text/x-odd",
        expires: "Wed, 21 Oct 2015 07:28:00 GMT",
      },
      metadata: { plain: "text", "two-words": "a  b", empty: "" },
    };
    await store.put("a", bytes("x"), { attributes: given });
    assert.deepEqual((await store.head("a"))?.attributes, given);
    assert.deepEqual((await store.get("a"))?.state.attributes, given);
  },
  "metadata beyond ASCII comes back as it was given": async ({ store }) => {
    const metadata = { german: "gr\u00fc\u00dfe", french: "voil\u00e0", japanese: "\u65e5\u672c", emoji: "\u{1f600}" };
    await store.put("a", bytes("x"), { attributes: { systemHeaders: {}, metadata } });
    assert.deepEqual((await store.head("a"))?.attributes.metadata, metadata);
    assert.deepEqual((await store.get("a"))?.state.attributes.metadata, metadata);
  },
  "tags are counted and come back as they were given": async ({ store }) => {
    const tags = { env: "prod", "two words": "a+b=c" };
    await store.put("a", bytes("x"), { attributes: { systemHeaders: {}, metadata: {}, tags } });
    assert.equal((await store.head("a"))?.tagCount, 2);
    assert.deepEqual(await store.tags("a"), tags);
    await store.put("b", bytes("x"));
    assert.deepEqual(await store.tags("b"), {});
  },
  "tags are replaced as a whole, and neither the ETag nor the rest changes": async ({ store }) => {
    const given = { systemHeaders: { "content-type": "text/x-odd" }, metadata: { name: "x" } };
    const { etag } = await store.put("a b", bytes("x"), { attributes: { ...given, tags: { old: "1", kept: "2" } } });
    const tags = { kept: "3", "two words": "a+b=c:d/e@f" };
    await store.putTags("a b", tags);
    assert.deepEqual(await store.tags("a b"), tags);
    const state = await store.head("a b");
    assert.deepEqual([state?.etag, state?.tagCount, state?.attributes], [etag, 2, given]);
    await store.putTags("a b", {});
    assert.deepEqual(await store.tags("a b"), {});
  },
  "tags beyond ASCII come back as they were given": async ({ store }) => {
    const tags = { "\u00fcber": "gr\u00fc\u00dfe" };
    await store.put("a", bytes("x"), { attributes: { systemHeaders: {}, metadata: {}, tags } });
    assert.deepEqual(await store.tags("a"), tags);
  },
};

const buckets: PortCases<ObjectStoreHarness> = {
  "a plain bucket is described as one": async ({ store }) => {
    assert.deepEqual(await store.describe(), { versioning: "Unversioned", objectLock: false, website: false });
    assert.equal(await store.versioning(), "Unversioned");
  },
  "a versioned bucket keeps versions, removes exactly the one named, and hides behind a delete marker": async ({
    store,
    enableVersioning,
  }) => {
    assert.ok(enableVersioning, "exempt a store without versioning");
    await enableVersioning();
    assert.equal((await store.describe()).versioning, "Enabled");
    assert.equal(await store.versioning(), "Enabled");
    const first = await store.put("a", bytes("1"));
    const second = await store.put("a", bytes("2"));
    assert.ok(first.versionId !== undefined && second.versionId !== undefined && first.versionId !== second.versionId);
    assert.equal((await store.head("a", { versionId: first.versionId }))?.etag, first.etag);
    await store.delete("a");
    assert.equal(await store.head("a"), undefined);
    assert.equal(await store.get("a"), undefined);
    assert.deepEqual((await store.list()).objects, []);
    assert.equal((await store.get("a", { versionId: second.versionId }))?.state.etag, second.etag);
    await store.delete("a", { versionId: second.versionId });
    assert.equal((await store.head("a", { versionId: first.versionId }))?.etag, first.etag);
  },
};

/** Makes versions of a bucket, and returns their ids in the order in which they were made. */
async function versioned({ store, enableVersioning }: ObjectStoreHarness, key: string, ...texts: readonly string[]): Promise<string[]> {
  assert.ok(enableVersioning, "exempt a store without versioning");
  await enableVersioning();
  const ids: string[] = [];
  for (const text of texts) ids.push((await store.put(key, bytes(text))).versionId ?? "");
  assert.equal(new Set(ids).size, texts.length);
  return ids;
}

/** Makes versions and a marker of two keys, and returns what a listing says of them. */
async function history(harness: ObjectStoreHarness): Promise<readonly unknown[]> {
  const [first, second] = await versioned(harness, "a b", "1", "22");
  const { versionId: marker } = await harness.store.delete("a b");
  const [other] = await versioned(harness, "b%20+", "333");
  return [
    ["a b", marker, true, true, 0],
    ["a b", second, false, false, 2],
    ["a b", first, false, false, 1],
    ["b%20+", other, true, false, 3],
  ];
}

const versions: PortCases<ObjectStoreHarness> = {
  "a delete marker is told from an absence, and removing it brings the object back": async (harness) => {
    const { store } = harness;
    const [id] = await versioned(harness, "a+b", "1");
    const observed = await store.observe("a+b");
    assert.ok(observed.kind === "object" && observed.state.versionId === id);
    const made = await store.delete("a+b");
    assert.ok(made.deleteMarker && made.versionId !== undefined && made.versionId !== id);
    const marker = await store.observe("a+b");
    assert.equal(marker.kind, "marker");
    if (marker.kind === "marker" && marker.versionId !== undefined) assert.equal(marker.versionId, made.versionId);
    assert.deepEqual(await store.observe("a"), { kind: "absent" });
    assert.equal((await store.observe("a+b", { versionId: made.versionId })).kind, "marker");
    assert.equal((await store.delete("a+b", { versionId: made.versionId })).deleteMarker, true);
    assert.equal(await textOf(store, "a+b"), "1");
  },
  "all versions are listed by key, of one key the newest first": async (harness) => {
    const { store } = harness;
    const expected = await history(harness);
    const { versions: all, next } = await store.listVersions();
    assert.equal(next, undefined);
    assert.deepEqual(
      all.map((version) => [version.key, version.versionId, version.isLatest, version.isDeleteMarker, version.sizeBytes]),
      expected,
    );
    const { versions: below } = await store.listVersions({ prefix: "b" });
    assert.deepEqual(
      below.map(({ key, etag, lastModified }) => [key, etag, lastModified % 1000]),
      [["b%20+", md5("333"), 0]],
    );
  },
  "versions are listed the same on pages of any length": async (harness) => {
    const { store } = harness;
    const expected = await history(harness);
    for (const maxKeys of [3, 1]) {
      const found: unknown[] = [];
      for (let [next, isFirst]: [VersionPage["next"], boolean] = [undefined, true]; isFirst || next !== undefined; isFirst = false) {
        const page = await store.listVersions({ maxKeys, ...next });
        for (const { key, versionId, isLatest, isDeleteMarker, sizeBytes } of page.versions)
          found.push([key, versionId, isLatest, isDeleteMarker, sizeBytes]);
        next = page.next;
        assert.ok(found.length <= expected.length, "the listing goes on");
      }
      assert.deepEqual(found, expected, `pages of ${maxKeys}`);
    }
  },
  "tags are those of the version that is named": async (harness) => {
    const { store } = harness;
    const [first, second] = await versioned(harness, "a", "1", "2");
    await store.putTags("a", { of: "first" }, { versionId: first });
    await store.putTags("a", { of: "second" });
    assert.deepEqual(await store.tags("a", { versionId: first }), { of: "first" });
    assert.deepEqual(await store.tags("a", { versionId: second }), { of: "second" });
  },
};
