import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { settingsOf } from "../config/resolved-config.ts";
import { isReplicationError } from "../domain/error.ts";
import { type Deploy, readServiceRules, type ServiceRules } from "./service-rules.ts";

const DEPLOY: Deploy = { service: "shop", stage: "prod", region: "eu-central-1", directory: "/srv/shop", env: {} };
const MESH = { bidirectionalReplicationBuckets: [{ "eu-west-1": "one" }, { "eu-central-1": "two" }, { "us-east-1": "three" }] };
const SINGLE = {
  singleDirectionReplication: [
    { sourceBucket: { "eu-central-1": "two" }, targetBuckets: [{ "eu-west-1": "one" }, { "eu-west-2": "four" }] },
  ],
};

function read(custom: unknown, deploy: Partial<Deploy> = {}): ServiceRules {
  const rules = readServiceRules(custom, { ...DEPLOY, ...deploy });
  assert.ok(rules);
  return rules;
}

function pairs({ config }: ServiceRules): readonly string[] {
  return config.rules
    .flatMap(({ id, source, destinations }) => destinations.map(({ bucket }) => `${id}: ${source.bucket} → ${bucket.bucket}`))
    .sort();
}

function refusal(custom: unknown): string {
  try {
    readServiceRules(custom, DEPLOY);
  } catch (error) {
    if (isReplicationError(error) && error.code === "ConfigInvalid") return error.message;
    throw error;
  }
  return "";
}

describe("the rules of a service", () => {
  it("are none where neither setting is there", () => {
    for (const custom of [undefined, null, {}, { replicast: null, other: 1 }]) assert.equal(readServiceRules(custom, DEPLOY), undefined);
  });

  it("have the service and the stage for a name, and the region of the deploy where none is written", () => {
    const { config } = read(
      { replicast: { rules: [{ id: "photos", source: "photos", destinations: ["copy@us-east-1"] }] } },
      { service: "My_Shop" },
    );
    assert.equal(config.name, "my-shop-prod");
    assert.deepEqual(
      Object.values(config.buckets).map(({ store }) => store.region),
      ["eu-central-1", "us-east-1"],
    );
    assert.equal(read({ replicast: { name: "acme", rules: [] } }).config.name, "acme");
  });

  it("have one rule for a pair that stands in both lists of the other plugin", () => {
    assert.deepEqual(pairs(read({ s3ReplicationPlugin: { ...MESH, ...SINGLE } })), [
      "bidirectional: one → three",
      "bidirectional: one → two",
      "bidirectional: three → one",
      "bidirectional: three → two",
      "bidirectional: two → one",
      "bidirectional: two → three",
      "from-two: two → four",
    ]);
  });

  it("have what custom.replicast says of a pair that stands there too, and all the other pairs", () => {
    const own = { id: "mine", source: "two", destinations: ["one@eu-west-1"], engine: "native", deletes: "none" };
    const rules = read({ replicast: { rules: [own] }, s3ReplicationPlugin: { ...MESH, withReplicationTimeControl: true } });
    assert.deepEqual(pairs(rules), [
      "from-one: one → three",
      "from-one: one → two",
      "from-three: three → one",
      "from-three: three → two",
      "from-two: two → three",
      "mine: two → one",
    ]);
    assert.match(rules.notes.join("\n"), /two → one is in custom\.s3ReplicationPlugin and in custom\.replicast/);
    const others = rules.config.rules.filter(({ id }) => id !== "mine");
    assert.ok(
      others.every(({ deletes, destinations }) => deletes === "markers" && destinations.every(({ replicationTime }) => replicationTime)),
    );
    assert.ok(others.every((rule) => settingsOf(rules.config, rule).engine === "native"));
  });

  it("are the same for the same rules, whichever region is deployed", () => {
    const custom = { s3ReplicationPlugin: { ...MESH, ...SINGLE } };
    assert.deepEqual(read(custom).config.rules, read(custom, { region: "us-east-1" }).config.rules);
  });

  it("let buckets of the other plugin's rules be missing, and those of their own only where that is written", () => {
    const rules = [{ id: "mine", source: "mine", destinations: ["copy"], engine: "native" }];
    const strict = read({ replicast: { rules }, s3ReplicationPlugin: MESH });
    const nameOf = (bucket: string) =>
      Object.values(strict.config.buckets).find((place) => place.bucket.bucket === bucket)?.bucket.name ?? "";
    assert.deepEqual(
      ["mine", "copy", "one"].map((bucket) => strict.mayBeMissing(nameOf(bucket))),
      [false, false, true],
    );
    assert.ok(read({ replicast: { rules, allowMissing: "true" } }).mayBeMissing(nameOf("mine")));
  });

  it("take the prefix of roles from either, their own first", () => {
    const legacy = { ...MESH, replicationRolePrefixOverride: "team" };
    assert.equal(read({ s3ReplicationPlugin: legacy }).config.iam.rolePrefix, "team");
    assert.equal(read({ replicast: { iam: { tags: { a: "b" } } }, s3ReplicationPlugin: legacy }).config.iam.rolePrefix, "team");
    assert.equal(read({ replicast: { iam: { rolePrefix: "own" } }, s3ReplicationPlugin: legacy }).config.iam.rolePrefix, "own");
  });

  const wrong: readonly (readonly [what: string, custom: unknown, said: RegExp])[] = [
    [
      "a daemon's settings",
      { replicast: { state: "sqlite:x.db", listen: {} } },
      /custom\.replicast\.state: [\s\S]*custom\.replicast\.listen: /,
    ],
    ["unknown keys", { replicast: { rulez: [] } }, /custom\.replicast\.rulez: unknown key "rulez"\n\s+did you mean "rules"/],
    ["what is no map", { replicast: [] }, /custom\.replicast: must be a map/],
    ["a switch that is none", { replicast: { allowMissing: "maybe" } }, /custom\.replicast\.allowMissing: must be true or false/],
    [
      "rules that S3 cannot serve",
      { replicast: { rules: [{ id: "a", source: "x", destinations: ["y"], engine: "native", filter: { suffix: ".jpg" } }] } },
      /custom\.replicast\.rules\[0\]/,
    ],
    [
      "an id that the other plugin's rules have",
      { replicast: { rules: [{ id: "bidirectional", source: "x", destinations: ["y"], engine: "native" }] }, s3ReplicationPlugin: MESH },
      /custom\.s3ReplicationPlugin\.bidirectional\.id: a second rule has the id/,
    ],
  ];
  for (const [what, custom, said] of wrong)
    it(`are refused with ${what}, by the place in the file`, () => assert.match(refusal(custom), said));
});
