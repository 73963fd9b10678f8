import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parse } from "yaml";
import { isReplicationError } from "../../domain/error.ts";
import { decideEngines } from "../engines/decide-engines.ts";
import { loadConfig } from "../load.ts";
import type { ResolvedConfig } from "../resolved-config.ts";
import { fromS3ReplicationPlugin, type LegacyReplication } from "./legacy-plugin.ts";

let directory = "";
before(() => {
  directory = mkdtempSync(join(tmpdir(), "replicast-legacy-"));
});
after(() => rmSync(directory, { recursive: true, force: true }));

const DEPLOY = { service: "shop", stage: "prod", region: "eu-west-1" };

function read(yaml: string): LegacyReplication {
  return fromS3ReplicationPlugin(parse(yaml), DEPLOY);
}

/** The config that comes of it by the way of every other config. */
function load({ name, rules, iam }: LegacyReplication): ResolvedConfig {
  writeFileSync(join(directory, "replicast.yaml"), JSON.stringify({ name, rules, iam }));
  return loadConfig({ env: {}, cwd: directory });
}

function pairs(config: ResolvedConfig): readonly string[] {
  return config.rules.flatMap(({ id, source, destinations }) =>
    destinations.map(({ bucket }) => `${id}: ${source.bucket} → ${bucket.bucket}`),
  );
}

function refused(yaml: string): string {
  try {
    read(yaml);
  } catch (error) {
    if (isReplicationError(error) && error.code === "ConfigInvalid") return error.message;
    throw error;
  }
  return "";
}

const ONE_WAY = `
s3ReplicationPlugin:
  singleDirectionReplication:
    - sourceBucket:
        eu-west-1: shop-eu-west-1
      targetBuckets:
        - eu-west-2: shop-eu-west-2
        - eu-central-1: shop-eu-central-1
`;
const TWO_WAY = `
s3ReplicationPlugin:
  bidirectionalReplicationBuckets:
    - eu-west-1: shop-eu-west-1
    - eu-central-1: shop-eu-central-1
    - us-east-1: shop-us-east-1
`;
const HYBRID = `
s3ReplicationPlugin:
  singleDirectionReplication:
    - sourceBucket: { eu-central-1: shop-eu-central-1 }
      targetBuckets:
        - eu-west-1: shop-eu-west-1
        - eu-west-2: shop-eu-west-2
        - eu-central-1: shop-sec
  bidirectionalReplicationBuckets:
    - eu-west-1: shop-eu-west-1
    - eu-central-1: shop-eu-central-1
    - us-east-1: shop-us-east-1
`;
const MESH = [
  "bidirectional: shop-eu-west-1 → shop-eu-central-1",
  "bidirectional: shop-eu-west-1 → shop-us-east-1",
  "bidirectional: shop-eu-central-1 → shop-eu-west-1",
  "bidirectional: shop-eu-central-1 → shop-us-east-1",
  "bidirectional: shop-us-east-1 → shop-eu-west-1",
  "bidirectional: shop-us-east-1 → shop-eu-central-1",
];

describe("custom.s3ReplicationPlugin", () => {
  const examples: readonly (readonly [what: string, yaml: string, expected: readonly string[]])[] = [
    [
      "one way",
      ONE_WAY,
      ["from-shop-eu-west-1: shop-eu-west-1 → shop-eu-west-2", "from-shop-eu-west-1: shop-eu-west-1 → shop-eu-central-1"],
    ],
    ["two-way", TWO_WAY, MESH],
    [
      "both, with a pair in both lists",
      HYBRID,
      [...MESH, "from-shop-eu-central-1: shop-eu-central-1 → shop-eu-west-2", "from-shop-eu-central-1: shop-eu-central-1 → shop-sec"],
    ],
  ];
  for (const [what, yaml, expected] of examples) {
    it(`becomes one native rule for every pair: ${what}`, () => {
      const legacy = read(yaml);
      const config = load(legacy);
      assert.equal(config.name, "shop-prod");
      assert.deepEqual(pairs(config), expected);
      assert.deepEqual(legacy.notes, []);
      const decided = [...decideEngines(config, { isVersioned: () => false, stored: () => undefined }).values()];
      assert.deepEqual(new Set(decided.map(({ engine }) => engine)), new Set(["native"]));
    });
  }

  it("means what it meant: delete markers, nothing that was there before, no conflict policy", () => {
    for (const rule of load(read(HYBRID)).rules) {
      assert.equal(rule.deletes, "markers");
      assert.ok(rule.destinations.every(({ existingObjects, replicationTime }) => !existingObjects && replicationTime === false));
    }
  });

  it("keeps its two options", () => {
    const config = load(read(`${TWO_WAY}  replicationRolePrefixOverride: team\n  withReplicationTimeControl: true\n`));
    assert.equal(config.iam.rolePrefix, "team");
    assert.ok(config.rules.flatMap(({ destinations }) => destinations).every(({ replicationTime }) => replicationTime === true));
  });

  it("keeps as much of a prefix of roles as a config takes, and says so", () => {
    const legacy = read(`${TWO_WAY}  replicationRolePrefixOverride: ${"p".repeat(42)}\n`);
    assert.equal(load(legacy).iam.rolePrefix, "p".repeat(40));
    assert.match(legacy.notes.join(), /replicationRolePrefixOverride is cut to 40 characters/);
  });

  it("has ids that do not depend on the order, with one rule for a source that stands in several items", () => {
    const item = (source: string, target: string) =>
      `    - { sourceBucket: { eu-west-1: ${source} }, targetBuckets: [{ eu-west-2: ${target} }] }\n`;
    const single = (...items: readonly string[]) => read(`s3ReplicationPlugin:\n  singleDirectionReplication:\n${items.join("")}`);
    const ids = ({ rules }: LegacyReplication) => rules.map(({ id }) => id).sort();
    const [one, two, three] = [item("src-a", "dst-a"), item("src-b", "dst-a"), item("src-a", "dst-b")];
    const config = load(single(one, two, three, one));
    assert.deepEqual(pairs(config), ["from-src-a: src-a → dst-a", "from-src-a: src-a → dst-b", "from-src-b: src-b → dst-a"]);
    assert.deepEqual(ids(single(three, two, one)), ids(single(one, two, three)));
  });

  it("reads every bucket of a region map, and one that is listed twice once", () => {
    const legacy = read(
      "s3ReplicationPlugin: { bidirectionalReplicationBuckets: [{ eu-west-1: one, eu-west-2: two }, { eu-west-1: one }] }",
    );
    assert.deepEqual(pairs(load(legacy)), ["bidirectional: one → two", "bidirectional: two → one"]);
    assert.match(legacy.notes.join("\n"), /bidirectionalReplicationBuckets\[0\]: all 2 buckets are read, where the plugin took the first/);
  });

  it("tells of what has no effect", () => {
    const { rules, notes } = read("s3ReplicationPlugin: { bidirectionalReplicationBuckets: [{ eu-west-1: one }], retries: 3 }");
    assert.deepEqual(rules, []);
    assert.match(notes.join("\n"), /retries is no setting[\s\S]*one bucket alone/);
    assert.deepEqual(fromS3ReplicationPlugin(undefined, DEPLOY).rules, []);
  });

  it("gives a name that a config may have, apart from others that begin the same", () => {
    const named = (service: string) => fromS3ReplicationPlugin({}, { ...DEPLOY, service }).name;
    assert.equal(named("My_Shop"), "my-shop-prod");
    const [one, two] = [named("x".repeat(80)), named("x".repeat(81))];
    assert.notEqual(one, two);
    assert.ok(one.length <= 63);
  });

  const wrong: readonly (readonly [yaml: string, said: RegExp])[] = [
    ["s3ReplicationPlugin: yes please", /custom\.s3ReplicationPlugin: must be a map/],
    ["s3ReplicationPlugin: { singleDirectionReplication: { a: b } }", /singleDirectionReplication: must be a list/],
    ["s3ReplicationPlugin: { singleDirectionReplication: [{ sourceBucket: { eu-west-1: src } }] }", /\[0\]\.targetBuckets: is missing/],
    [
      "s3ReplicationPlugin: { singleDirectionReplication: [{ sourceBucket: { eu-west-1: one, eu-west-2: two }, targetBuckets: [{ eu-west-3: dst }] }] }",
      /\[0\]\.sourceBucket: names several buckets/,
    ],
    [
      "s3ReplicationPlugin: { singleDirectionReplication: [{ sourceBucket: { eu-west-1: src }, targetBuckets: [{ eu-west-1: src }] }] }",
      /targetBuckets\[0\]: src is the source itself/,
    ],
    [
      "s3ReplicationPlugin: { bidirectionalReplicationBuckets: [{ eu-west-1: one }, { eu-west-2: 'two.' }] }",
      /\[1\]\.eu-west-2: "two\." is no name/,
    ],
    ["s3ReplicationPlugin: { bidirectionalReplicationBuckets: [{ mars: one }] }", /\[0\]\.mars: "mars" is no region/],
    ["s3ReplicationPlugin: { bidirectionalReplicationBuckets: [{ eu-west-1: one }, { eu-west-2: one }] }", /one is named in two regions/],
    ["s3ReplicationPlugin: { replicationRolePrefixOverride: 7 }", /replicationRolePrefixOverride: must be a text/],
    [
      "s3ReplicationPlugin: { replicationRolePrefixOverride: a b }",
      /custom\.s3ReplicationPlugin\.replicationRolePrefixOverride: may hold letters/,
    ],
    ["s3ReplicationPlugin: { withReplicationTimeControl: maybe }", /withReplicationTimeControl: must be true or false/],
  ];
  for (const [yaml, said] of wrong) it(`is refused, by its path, as ${yaml}`, () => assert.match(refused(yaml), said));

  it("is refused with all that is wrong at once", () => {
    assert.match(refused("s3ReplicationPlugin: { bidirectionalReplicationBuckets: [{ x: one }, {}] }"), /has 2 problems/);
  });
});
