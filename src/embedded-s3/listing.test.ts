import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Body } from "./body.ts";
import { EmbeddedS3Model } from "./model.ts";
import { SortedKeys } from "./sorted-keys.ts";

const bucket = "listed";

function modelWith(keys: Iterable<string>): EmbeddedS3Model {
  const model = new EmbeddedS3Model();
  model.createBucket(bucket);
  for (const key of keys) model.putObject(bucket, key, { body: Body.EMPTY });
  return model;
}

const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** Few characters, so that prefixes and delimiters meet; some that UTF-16 orders otherwise. */
const key = fc.string({ unit: fc.constantFrom("a", "b", "/", "é", "～", "\uffff", "🎉", "\u0001"), minLength: 1, maxLength: 8 });
const text = fc.string({ unit: fc.constantFrom("a", "b", "/", "🎉"), maxLength: 3 });

interface Query {
  readonly prefix: string;
  readonly delimiter: string;
  readonly startAfter: string;
}

/** What S3 documents, without an index: sort, filter, fold. */
function naiveListing(keys: readonly string[], { prefix, delimiter, startAfter }: Query): { keys: string[]; prefixes: string[] } {
  const listed: string[] = [];
  const prefixes = new Set<string>();
  for (const candidate of [...keys].sort(byBytes)) {
    if (!candidate.startsWith(prefix) || byBytes(candidate, startAfter) <= 0) continue;
    const end = delimiter === "" ? -1 : candidate.indexOf(delimiter, prefix.length);
    if (end < 0) listed.push(candidate);
    else prefixes.add(candidate.slice(0, end + delimiter.length));
  }
  return { keys: listed, prefixes: [...prefixes] };
}

test("a listing is every key once, folded by the delimiter, in the order of UTF-8 bytes, whatever the page size", () => {
  const query = fc.record({ prefix: text, delimiter: text, startAfter: text });
  fc.assert(
    fc.property(fc.uniqueArray(key, { maxLength: 40 }), query, fc.integer({ min: 1, max: 7 }), (keys, scope, maxKeys) => {
      const model = modelWith(keys);
      const listed: string[] = [];
      const prefixes: string[] = [];
      let continuationToken: string | undefined;
      do {
        const page = model.list(bucket, { ...scope, maxKeys, continuationToken });
        assert.ok(page.objects.length + page.commonPrefixes.length <= maxKeys);
        listed.push(...page.objects.map((object) => object.key));
        prefixes.push(...page.commonPrefixes);
        continuationToken = page.nextContinuationToken;
      } while (continuationToken !== undefined);
      assert.deepEqual({ keys: listed, prefixes }, naiveListing(keys, scope));
    }),
  );
});

test("an older listing goes on after its marker, be it a key or a common prefix", () => {
  fc.assert(
    fc.property(fc.uniqueArray(key, { maxLength: 30 }), fc.integer({ min: 1, max: 4 }), (keys, maxKeys) => {
      const model = modelWith(keys);
      const found: string[] = [];
      let marker: string | undefined;
      do {
        const page = model.list(bucket, { delimiter: "/", maxKeys, marker });
        found.push(...page.objects.map((object) => object.key), ...page.commonPrefixes);
        marker = page.nextMarker;
      } while (marker !== undefined);
      const naive = naiveListing(keys, { prefix: "", delimiter: "/", startAfter: "" });
      assert.deepEqual(found.sort(byBytes), [...naive.keys, ...naive.prefixes].sort(byBytes));
    }),
  );
});

test("a listing goes on where it was although keys come and go between its pages", () => {
  const model = modelWith(["a", "b", "c", "d", "e"]);
  const first = model.list(bucket, { maxKeys: 2 });
  model.deleteObject(bucket, "b");
  model.deleteObject(bucket, "d");
  model.putObject(bucket, "aa", { body: Body.EMPTY });
  model.putObject(bucket, "cc", { body: Body.EMPTY });
  const rest = model.list(bucket, { continuationToken: first.nextContinuationToken });
  assert.deepEqual(
    rest.objects.map((object) => object.key),
    ["c", "cc", "e"],
  );
});

test("keys whose current version is a delete marker are neither listed nor folded", () => {
  const model = modelWith(["gone/1", "kept/1", "x"]);
  model.setVersioning(bucket, "Enabled");
  model.deleteObject(bucket, "gone/1");
  model.deleteObject(bucket, "x");
  const page = model.list(bucket, { delimiter: "/" });
  assert.deepEqual([page.objects, page.commonPrefixes], [[], ["kept/"]]);
});

test("a page of nothing is the last one", () => {
  assert.deepEqual(modelWith(["a"]).list(bucket, { maxKeys: 0 }), { objects: [], commonPrefixes: [] });
});

test("a token that no listing gave is refused", () => {
  assert.throws(() => modelWith([]).list(bucket, { continuationToken: "AAAA" }), { code: "InvalidArgument" });
});

test("sorted keys stay a sorted set whatever is added and removed, in whatever order", () => {
  const steps = fc.array(fc.record({ key, add: fc.boolean() }), { maxLength: 200 });
  fc.assert(
    fc.property(steps, key, (changes, from) => {
      const keys = new SortedKeys();
      const oracle = new Set<string>();
      for (const change of changes) {
        keys[change.add ? "add" : "delete"](change.key);
        oracle[change.add ? "add" : "delete"](change.key);
      }
      const sorted = [...oracle].sort(byBytes);
      assert.equal(keys.size, oracle.size);
      assert.deepEqual([...keys.from(() => false)], sorted);
      const expected = sorted.filter((candidate) => byBytes(candidate, from) >= 0);
      assert.deepEqual([...keys.from((candidate) => byBytes(candidate, from) < 0)], expected);
    }),
  );
});

test("sorted keys stay sorted over many blocks", () => {
  const keys = new SortedKeys();
  const all = Array.from({ length: 5000 }, (_, index) => `k${(index * 7919) % 5000}`);
  for (const added of all) keys.add(added);
  for (const removed of all.slice(0, 2500)) keys.delete(removed);
  assert.deepEqual([...keys.from(() => false)], all.slice(2500).sort(byBytes));
});
