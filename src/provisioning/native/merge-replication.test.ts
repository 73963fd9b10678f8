import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { nativeBucket, nativePair, OTHER_ACCOUNT, roleArn } from "../../../test/support/native-pairs.ts";
import type { ReplicationDocument, ReplicationRule } from "../../ports/replication-configuration.ts";
import { isOwnedId } from "../names.ts";
import { MAX_RULES, type MergedReplication, mergeReplication, type ReplicationMerge } from "./merge-replication.ts";
import { wantedRule } from "./replication-rules.ts";
import { isSameRule } from "./same-rule.ts";

const NAME = "acme";
const SOURCE = nativeBucket("photos");
const ROLE = roleArn(SOURCE);
const THEIR_ROLE = "arn:aws:iam::111111111111:role/by-hand";
const TOP_PRIORITY = 2 ** 31 - 1;

function ours(destination: string, more: Partial<ReplicationRule> = {}): ReplicationRule {
  return { ...wantedRule(NAME, nativePair(SOURCE, nativeBucket(destination))), ...more };
}

/** As S3 gives it: with all that replicast has no word for. */
function theirs(id: string, more: Partial<ReplicationRule> = {}): ReplicationRule {
  const rule = { ...ours("theirs"), id, priority: 1, ...more };
  return { ...rule, raw: { ID: id, ExistingObjectReplication: { Status: "Enabled" } } };
}

function older(id: string, prefix: string): ReplicationRule {
  return theirs(id, { priority: null, prefix, deleteMarkerReplication: true });
}

/** Of the shape that serverless-s3-replication-plugin writes. */
function leftover(destination: string, more: Partial<ReplicationRule> = {}): ReplicationRule {
  return { ...ours(destination), id: "", priority: 0, deleteMarkerReplication: true, raw: { Destination: destination }, ...more };
}

function merge(input: Partial<ReplicationMerge>): MergedReplication {
  return mergeReplication({
    found: undefined,
    wanted: [],
    name: NAME,
    role: ROLE,
    adopts: false,
    convertV1: false,
    replace: false,
    subject: SOURCE.name,
    ...input,
  });
}

function codesOf({ problems }: MergedReplication): readonly string[] {
  return problems.map(({ code }) => code);
}

/** The document as it is read back: other objects that say the same. */
function readBack({ role, rules }: ReplicationDocument): ReplicationDocument | undefined {
  return rules.length === 0 ? undefined : { role, rules: rules.map((rule) => ({ ...rule, raw: rule.raw ?? { ID: rule.id } })) };
}

const isOurs = (rule: ReplicationRule) => isOwnedId(NAME, rule.id);
const POOL = ["a", "b", "c", "d", "e"].map((destination) => ours(destination));
const priority = fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 0, max: 8 }) }, fc.constantFrom(TOP_PRIORITY, TOP_PRIORITY - 1));

const foreignRules: fc.Arbitrary<readonly ReplicationRule[]> = fc
  .uniqueArray(fc.record({ id: fc.constantFrom("", "theirs", "acme", "acme2/x/y", "x/acme/y", "raw", "tax"), priority }), {
    maxLength: 5,
    selector: (rule) => rule.priority,
  })
  .map((rules) => rules.map(({ id, priority: at }) => theirs(id, { priority: at })));

/** Of the wanted rules as some earlier apply, or a person, left them. */
const ownedRules: fc.Arbitrary<readonly ReplicationRule[]> = fc
  .array(
    fc.record({ rule: fc.constantFrom(...POOL, ours("gone")), priority, status: fc.constantFrom("Enabled" as const, "Disabled" as const) }),
    { maxLength: 6 },
  )
  .map((rules) => [...new Map(rules.map(({ rule, ...more }) => [rule.id, { ...rule, ...more, raw: { ID: rule.id } }])).values()]);

const foundDocument: fc.Arbitrary<ReplicationDocument | undefined> = fc
  .tuple(foreignRules, ownedRules, fc.constantFrom(ROLE, THEIR_ROLE), fc.infiniteStream(fc.nat()))
  .map(([foreign, owned, role, order]) => {
    const places = new Map([...foreign, ...owned].map((rule) => [rule, order.next().value]));
    const rules = [...places].sort(([, a], [, b]) => a - b).map(([rule]) => rule);
    return rules.length === 0 ? undefined : { role, rules };
  });
const wantedRules = fc.shuffledSubarray(POOL);

test("foreign rules go back as they came, in their order, whatever becomes of ours", () => {
  fc.assert(
    fc.property(foundDocument, wantedRules, fc.boolean(), (found, wanted, convertV1) => {
      const merged = merge({ found, wanted, convertV1 });
      const before = (found?.rules ?? []).filter((rule) => !isOurs(rule));
      const after = merged.document.rules.filter((rule) => !isOurs(rule));
      assert.equal(after.length, before.length);
      assert.ok(after.every((rule, index) => rule === before[index]));
      assert.deepEqual(merged.foreign, before);
      assert.deepEqual([merged.replaced, merged.adopted, merged.converted], [[], [], []]);
    }),
  );
});

test("ours become exactly what the config wants", () => {
  fc.assert(
    fc.property(foundDocument, wantedRules, (found, wanted) => {
      const merged = merge({ found, wanted });
      const owned = new Map(merged.document.rules.filter(isOurs).map((rule) => [rule.id, rule]));
      assert.equal(owned.size, merged.document.rules.filter(isOurs).length);
      assert.deepEqual(new Set(owned.keys()), new Set(wanted.map((rule) => rule.id)));
      for (const rule of wanted)
        assert.ok(isSameRule({ ...rule, priority: owned.get(rule.id)?.priority ?? null }, owned.get(rule.id) ?? rule));
      const before = new Set((found?.rules ?? []).filter(isOurs).map((rule) => rule.id));
      assert.deepEqual(new Set(merged.created), new Set(wanted.map((rule) => rule.id).filter((id) => !before.has(id))));
      assert.deepEqual(new Set(merged.deleted), new Set([...before].filter((id) => !owned.has(id))));
    }),
  );
});

test("priorities are unique, fit into S3, and ours keep theirs where nobody else has it", () => {
  fc.assert(
    fc.property(foundDocument, wantedRules, (found, wanted) => {
      const { rules } = merge({ found, wanted }).document;
      assert.equal(new Set(rules.map((rule) => rule.priority)).size, rules.length);
      for (const { priority: at } of rules) assert.ok(at !== null && Number.isInteger(at) && at >= 0 && at <= TOP_PRIORITY);
      for (const rule of found?.rules ?? []) {
        const isTaken = found?.rules.some((other) => other !== rule && other.priority === rule.priority);
        const kept = rules.find(({ id }) => isOurs(rule) && id === rule.id);
        if (kept !== undefined && !isTaken) assert.equal(kept.priority, rule.priority);
      }
    }),
  );
});

test("new rules get free priorities above all that there are, in the order of the config", () => {
  const found = { role: THEIR_ROLE, rules: [theirs("x", { priority: 7 }), theirs("y", { priority: 3 })] };
  const { rules } = merge({ found, wanted: [ours("b"), ours("a")] }).document;
  assert.deepEqual(
    rules.map((rule) => [rule.id, rule.priority]),
    [
      ["x", 7],
      ["y", 3],
      [ours("b").id, 8],
      [ours("a").id, 9],
    ],
  );
});

test("merging the result again changes nothing, in whatever order the config names it", () => {
  fc.assert(
    fc.property(foundDocument, wantedRules, (found, wanted) => {
      const first = merge({ found, wanted });
      const again = readBack(first.document);
      for (const order of [wanted, wanted.toReversed()]) {
        const second = merge({ found: again, wanted: order });
        assert.ok(second.isSame);
        assert.deepEqual([second.created, second.updated, second.deleted], [[], [], []]);
        assert.deepEqual(second.document.rules, again?.rules ?? []);
        if (again !== undefined) assert.equal(second.document.role, again.role);
      }
    }),
  );
});

test("it says that nothing has to be put exactly where the document is the one that was found", () => {
  fc.assert(
    fc.property(foundDocument, wantedRules, (found, wanted) => {
      const merged = merge({ found, wanted });
      const isUnchanged =
        JSON.stringify(merged.document.rules) === JSON.stringify(found?.rules ?? []) &&
        (found === undefined || merged.document.role === found.role);
      assert.equal(merged.isSame, isUnchanged);
      if (merged.isSame) assert.deepEqual([...merged.created, ...merged.updated, ...merged.deleted], []);
    }),
  );
});

test("a pair that is taken out of the config takes its own rule along, and nothing else changes", () => {
  fc.assert(
    fc.property(foundDocument, fc.shuffledSubarray(POOL, { minLength: 2 }), (found, wanted) => {
      const before = readBack(merge({ found, wanted }).document);
      const [gone, ...rest] = wanted;
      const merged = merge({ found: before, wanted: rest });
      assert.deepEqual(merged.deleted, [gone?.id]);
      assert.deepEqual([merged.created, merged.updated], [[], []]);
      const left = before?.rules.filter((rule) => rule.id !== gone?.id) ?? [];
      assert.equal(merged.document.rules.length, left.length);
      assert.ok(merged.document.rules.every((rule, index) => rule === left[index]));
      assert.equal(merged.document.role, ROLE);
    }),
  );
});

test("with our last rule the foreign rules get their own role back", () => {
  const found = { role: ROLE, rules: [theirs("x"), ours("a", { priority: 2 })] };
  const merged = merge({ found, previousRole: THEIR_ROLE });
  assert.deepEqual(merged.document, { role: THEIR_ROLE, rules: [found.rules[0]] });
  assert.deepEqual([merged.isSame, merged.deleted], [false, [ours("a").id]]);
  // Where nobody knows it the role that works stays.
  assert.equal(merge({ found }).document.role, ROLE);
});

test("where nothing of ours is left or arrives, nothing is touched", () => {
  fc.assert(
    fc.property(foreignRules, fc.record({ convertV1: fc.boolean(), replace: fc.boolean(), adopts: fc.boolean() }), (rules, options) => {
      const found = { role: THEIR_ROLE, rules: [...rules, older("v1", ""), leftover("z")] };
      const merged = merge({ found, ...options, previousRole: "arn:aws:iam::111111111111:role/long-ago" });
      assert.ok(merged.isSame);
      assert.deepEqual([merged.document, merged.problems], [found, []]);
    }),
  );
  assert.deepEqual(merge({}).document.rules, []);
  assert.ok(merge({}).isSame);
});

test("without any rule left the document goes", () => {
  const merged = merge({ found: { role: ROLE, rules: [ours("a", { priority: 1 })] }, previousRole: THEIR_ROLE });
  assert.deepEqual([merged.document.rules, merged.isSame], [[], false]);
});

test("a rule of ours that a person changed is put right and keeps its place", () => {
  const changed = ours("a", { priority: 1, status: "Disabled", raw: {} });
  const found = { role: ROLE, rules: [changed, theirs("x", { priority: 2 })] };
  const merged = merge({ found, wanted: [ours("a")] });
  assert.deepEqual(merged.updated, [changed.id]);
  assert.deepEqual(merged.document.rules, [{ ...ours("a"), priority: 1 }, found.rules[1]]);
});

test("every word of a rule is compared", () => {
  const to = ours("a").destination;
  for (const change of [
    { status: "Disabled" },
    { prefix: "raw/" },
    { tags: { team: "x" } },
    { deleteMarkerReplication: true },
    { replicaModifications: true },
    { kmsEncryptedObjects: true },
    { destination: { ...to, bucketArn: "arn:aws:s3:::other" } },
    { destination: { ...to, account: OTHER_ACCOUNT } },
    { destination: { ...to, ownerOverride: true } },
    { destination: { ...to, storageClass: "STANDARD_IA" } },
    { destination: { ...to, replicaKmsKeyId: "arn:aws:kms:eu-west-1:1:key/k" } },
    { destination: { ...to, replicationTime: true } },
  ] satisfies Partial<ReplicationRule>[]) {
    const found = { role: ROLE, rules: [ours("a", { priority: 1, ...change })] };
    assert.deepEqual(merge({ found, wanted: [ours("a")] }).updated, [ours("a").id], JSON.stringify(change));
  }
});

test("another replicast's rules are not taken over", () => {
  const other = theirs("beta/photos/aws:x");
  const role = "arn:aws:iam::111111111111:role/replicast/beta/beta-photos-0123456789";
  for (const input of [{ found: { role, rules: [other] } }, { found: { role: THEIR_ROLE, rules: [other] }, roleOwner: "beta" }]) {
    const merged = merge({ ...input, wanted: POOL });
    assert.deepEqual(codesOf(merged), ["OtherOwner"]);
    assert.match(merged.problems[0]?.message ?? "", /"beta"/);
    assert.equal(merged.problems[0]?.subject, SOURCE.name);
    assert.ok(merged.document.rules.includes(other));
    assert.deepEqual(codesOf(merge({ ...input })), []);
    assert.deepEqual(merge({ ...input, wanted: POOL, replace: true }).replaced, [other]);
  }
});

test("rules that only look like another replicast's are foreign like any others", () => {
  const rules = [theirs("beta/photos/aws:x")];
  assert.deepEqual(codesOf(merge({ found: { role: THEIR_ROLE, rules }, wanted: POOL })), []);
  assert.deepEqual(codesOf(merge({ found: { role: ROLE, rules }, wanted: POOL, roleOwner: NAME })), []);
  // A path is a person's to choose: our own role is ours wherever it stands.
  const role = "arn:aws:iam::111111111111:role/replicast/beta/acme-photos-0123456789";
  assert.deepEqual(codesOf(merge({ found: { role, rules }, wanted: POOL, role })), []);
  const underPath = "arn:aws:iam::111111111111:role/replicast/shared/role";
  assert.deepEqual(codesOf(merge({ found: { role: underPath, rules: [theirs("by-hand")] }, wanted: POOL })), []);
});

test("foreign rules of the older schema are refused by name, each of them", () => {
  const found = { role: THEIR_ROLE, rules: [older("tax", "tax/"), older("raw", "raw/")] };
  const merged = merge({ found, wanted: POOL });
  assert.deepEqual(codesOf(merged), ["OlderSchema", "OlderSchema"]);
  assert.ok(merged.problems.every(({ message }, index) => message.includes(`"${found.rules[index]?.id}"`)));
});

test("--convert-v1 says the same in the newer schema, with free priorities, below ours", () => {
  const found = { role: THEIR_ROLE, rules: [older("tax", "tax/"), older("raw", "raw/")] };
  const merged = merge({ found, wanted: [ours("a")], convertV1: true });
  assert.deepEqual(merged.problems, []);
  assert.deepEqual(merged.converted, found.rules);
  const newer = (rule: ReplicationRule | undefined, at: number) => {
    const { raw: _, ...fields } = rule ?? ours("a");
    return { ...fields, priority: at, deleteMarkerReplication: true };
  };
  assert.deepEqual(merged.document.rules, [newer(found.rules[0], 1), newer(found.rules[1], 2), { ...ours("a"), priority: 3 }]);
  assert.deepEqual(merged.foreign, merged.document.rules.slice(0, 2));
  assert.ok(!merged.isSame);
  assert.ok(merge({ found: readBack(merged.document), wanted: [ours("a")], convertV1: true }).isSame);
});

test("--replace leaves ours alone in the document", () => {
  fc.assert(
    fc.property(foundDocument, fc.shuffledSubarray(POOL, { minLength: 1 }), (found, wanted) => {
      const merged = merge({ found, wanted, replace: true });
      assert.ok(merged.document.rules.every(isOurs));
      assert.deepEqual(
        merged.replaced,
        (found?.rules ?? []).filter((rule) => !isOurs(rule)),
      );
      assert.deepEqual([merged.foreign, merged.problems], [[], []]);
    }),
  );
  const merged = merge({ found: { role: THEIR_ROLE, rules: [older("tax", "")] }, wanted: POOL, replace: true });
  assert.deepEqual(codesOf(merged), []);
});

test("rules that serverless-s3-replication-plugin left are taken over in one step", () => {
  const made = "MDQzYTk2OWMtYjJkZS00ZDg5LWE1ZTUtYzU3ZDg4MTFmYmE2";
  const timed = leftover("c", { priority: 3, destination: { ...leftover("c").destination, replicationTime: true } });
  const left = [leftover("a"), leftover("b", { id: made, priority: 1 }), leftover("a", { priority: 2 }), timed];
  const byHand = theirs("by-hand", { priority: 9 });
  const found = { role: THEIR_ROLE, rules: [...left, byHand] };
  const merged = merge({ found, wanted: [ours("a"), ours("b")], adopts: true });
  assert.deepEqual(merged.adopted, left);
  assert.deepEqual(merged.foreign, [byHand]);
  assert.deepEqual(merged.document, { role: ROLE, rules: [byHand, ours("a", { priority: 10 }), ours("b", { priority: 11 })] });
  assert.ok(!merged.isSame);
});

test("only the very shape that the plugin wrote is taken over, and only in a document of its role", () => {
  const to = leftover("a").destination;
  const others = [
    leftover("a", { id: "to-ireland" }),
    leftover("a", { status: "Disabled" }),
    leftover("a", { prefix: "raw/" }),
    leftover("a", { tags: { team: "x" } }),
    leftover("a", { deleteMarkerReplication: false }),
    leftover("a", { replicaModifications: true }),
    leftover("a", { kmsEncryptedObjects: true }),
    leftover("a", { priority: null }),
    leftover("a", { destination: { ...to, storageClass: "STANDARD_IA" } }),
    leftover("a", { destination: { ...to, account: OTHER_ACCOUNT, ownerOverride: true } }),
    leftover("a", { destination: { ...to, replicaKmsKeyId: "arn:aws:kms:eu-west-1:1:key/k" } }),
  ];
  assert.deepEqual(merge({ found: { role: THEIR_ROLE, rules: others }, wanted: POOL, adopts: true }).adopted, []);
  assert.deepEqual(merge({ found: { role: THEIR_ROLE, rules: [leftover("a")] }, wanted: POOL, adopts: false }).adopted, []);
});

test("a foreign rule into another account does not lose its role unnoticed", () => {
  const abroad = theirs("abroad", { destination: { ...ours("theirs").destination, account: OTHER_ACCOUNT } });
  const found = { role: THEIR_ROLE, rules: [abroad, theirs("home")] };
  const merged = merge({ found, wanted: POOL });
  assert.deepEqual(codesOf(merged), ["ForeignCrossAccount"]);
  assert.match(merged.problems[0]?.message ?? "", /"abroad".*222222222222/);
  assert.ok(merged.problems[0]?.hint.includes(`iam.roleArn: ${THEIR_ROLE}`));
  assert.deepEqual(codesOf(merge({ found, wanted: POOL, replace: true })), []);
  assert.deepEqual(codesOf(merge({ found, wanted: POOL, role: THEIR_ROLE })), []);
});

test("more rules than S3 takes are refused before anything is put", () => {
  const full = (count: number) => ({
    role: ROLE,
    rules: Array.from({ length: count }, (_, index) => theirs(`rule-${index}`, { priority: index })),
  });
  assert.deepEqual(codesOf(merge({ found: full(MAX_RULES - POOL.length), wanted: POOL })), []);
  const merged = merge({ found: full(MAX_RULES - POOL.length + 1), wanted: POOL });
  assert.deepEqual(codesOf(merged), ["TooManyRules"]);
  assert.match(merged.problems[0]?.message ?? "", /1001 rules/);
});

test("all problems are told at once", () => {
  const abroad = older("abroad", "");
  const rules = [
    { ...abroad, destination: { ...abroad.destination, account: OTHER_ACCOUNT } },
    ...Array.from({ length: MAX_RULES }, (_, at) => theirs("x", { priority: at })),
  ];
  assert.deepEqual(codesOf(merge({ found: { role: THEIR_ROLE, rules }, wanted: POOL })), [
    "ForeignCrossAccount",
    "OlderSchema",
    "TooManyRules",
  ]);
});
