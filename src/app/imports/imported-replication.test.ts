import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { importedText, importNotes } from "../../config/imports/imported-config.ts";
import { loadConfig } from "../../config/load.ts";
import type { ReplicationRule, ReplicationRuleDestination } from "../../ports/replication-configuration.ts";
import { type ImportOptions, importReplication, type ReplicatedBucket } from "./imported-replication.ts";

let directory = "";
before(() => {
  directory = mkdtempSync(join(tmpdir(), "replicast-import-"));
});
after(() => rmSync(directory, { recursive: true, force: true }));

const REGIONS: Readonly<Record<string, string>> = { a: "us-east-1", b: "eu-west-1", c: "us-west-2", d: "us-east-1" };
const ROLE = "arn:aws:iam::111111111111:role/theirs";

interface Options extends Partial<Omit<ReplicationRule, "destination">> {
  readonly to?: Partial<ReplicationRuleDestination>;
}

function rule(id: string, destination: string, { to, ...options }: Options = {}): ReplicationRule {
  return {
    id,
    status: "Enabled",
    priority: 1,
    prefix: "",
    tags: {},
    deleteMarkerReplication: false,
    replicaModifications: false,
    kmsEncryptedObjects: false,
    destination: { bucketArn: `arn:aws:s3:::${destination}`, ownerOverride: false, replicationTime: false, ...to },
    ...options,
  };
}

function bucket(name: string, rules: readonly ReplicationRule[], role = ROLE): ReplicatedBucket {
  return { bucket: name, region: REGIONS[name] ?? "", document: { role, rules } };
}

/** What was imported, after it was written and has been read again: it validates. */
function imported(buckets: readonly ReplicatedBucket[], options: Partial<ImportOptions> = {}) {
  const config = importReplication(buckets, { regionOf: (name) => REGIONS[name], ...options });
  const configPath = join(directory, "replicast.yaml");
  writeFileSync(configPath, importedText(config));
  return { config, loaded: loadConfig({ configPath, env: {} }), notes: importNotes(config).join("\n") };
}

function settingsOf({ config }: ReturnType<typeof imported>): readonly unknown[] {
  return config.rules.map(({ settings }) => settings);
}

const COMMON = { engine: "native", existingObjects: false };

describe("what buckets replicate by themselves, in the words of a config", () => {
  it("every setting of a rule that a config has words for is said", () => {
    const to = {
      account: "222222222222",
      ownerOverride: true,
      storageClass: "STANDARD_IA",
      replicaKmsKeyId: "arn:key",
      replicationTime: true,
    };
    const options = { prefix: "raw/", tags: { team: "x" }, status: "Disabled", kmsEncryptedObjects: true, to } as const;
    const found = imported([bucket("a", [rule("to b", "b", options)])]);
    assert.deepEqual(settingsOf(found), [
      {
        ...COMMON,
        id: "to-b",
        enabled: false,
        source: "a@us-east-1",
        destinations: [
          {
            bucket: "b@eu-west-1",
            account: "222222222222",
            owner: "destination",
            storageClass: "STANDARD_IA",
            encryption: { type: "aws:kms", keyId: "arn:key" },
            replicationTime: true,
          },
        ],
        filter: { prefix: "raw/", tags: { team: "x" } },
      },
    ]);
    assert.equal(found.loaded.name, "a");
    assert.match(found.notes, /apply --replace has these here take their place/);
    assert.match(found.notes, /Until now it is arn:aws:iam::111111111111:role\/theirs/);
    assert.match(found.notes, /rule to-b: From "to b" of a\./);
  });

  it("rules that differ in their destination alone are one; others keep the order of their priorities", () => {
    const found = imported([
      bucket("a", [
        rule("second", "d", { priority: 5, prefix: "x/" }),
        rule("first", "b", { priority: 2, deleteMarkerReplication: true }),
        rule("third", "c", { priority: 3, deleteMarkerReplication: true }),
      ]),
    ]);
    const both = { ...COMMON, id: "first", source: "a@us-east-1", destinations: ["b@eu-west-1", "c@us-west-2"], deletes: "markers" };
    const one = { ...COMMON, id: "second", source: "a@us-east-1", destinations: ["d@us-east-1"], filter: { prefix: "x/" } };
    assert.deepEqual(settingsOf(found), [both, one]);
  });

  it("buckets that replicate to each other are a mesh, as many as there are, and what is one way stays so", () => {
    const all = ["a", "b", "c"];
    const mutual = all.map((name) =>
      bucket(
        name,
        all.filter((other) => other !== name).map((other) => rule(`${name}${other}`, other, { replicaModifications: true })),
      ),
    );
    const [a, ...others] = mutual;
    assert.ok(a);
    const alone = bucket("a", [...a.document.rules, rule("out", "d", { to: { storageClass: "GLACIER" } })]);
    const found = imported([alone, ...others]);
    assert.deepEqual(settingsOf(found), [
      { ...COMMON, id: "ab", mesh: ["a@us-east-1", "b@eu-west-1", "c@us-west-2"] },
      { ...COMMON, id: "out", source: "a@us-east-1", destinations: [{ bucket: "d@us-east-1", storageClass: "GLACIER" }] },
    ]);
    assert.equal(found.loaded.rules.length, 4);
    assert.doesNotMatch(found.notes, /Changes of/);
  });

  it("two directions that differ are two rules", () => {
    const found = imported([bucket("a", [rule("ab", "b", { deleteMarkerReplication: true })]), bucket("b", [rule("ba", "a")])]);
    assert.deepEqual(
      found.config.rules.map(({ settings }) => [settings.id, "mesh" in settings]),
      [
        ["ab", false],
        ["ba", false],
      ],
    );
    const silent = imported([bucket("a", [rule("ab", "b")]), bucket("b", [rule("ba", "a")])]);
    assert.match(silent.notes, /rule ab: Changes of replicas' tags, ACL and lock go back too/);
  });

  it("rules that replicast made are those of the config that made them", () => {
    const role = (name: string) => `arn:aws:iam::111111111111:role/replicast/acme/acme-${name}`;
    const found = imported([
      bucket("a", [rule("acme/team/aws:b", "b", { replicaModifications: true }), rule("acme/out/eu", "c")], role("a")),
      bucket("b", [rule("acme/team/aws:a", "a", { replicaModifications: true })], role("b")),
    ]);
    assert.equal(found.loaded.name, "acme");
    assert.deepEqual(settingsOf(found), [
      { ...COMMON, id: "team", mesh: ["a@us-east-1", "b@eu-west-1"] },
      { ...COMMON, id: "out", source: "a@us-east-1", destinations: [{ bucket: "c@us-west-2", id: "eu" }] },
    ]);
    assert.doesNotMatch(found.notes, /--replace/);
  });

  it("whose name may own more than was imported is told: apply removes what a name owns and its config does not say", () => {
    const role = "arn:aws:iam::111111111111:role/replicast/acme/acme-a";
    const whole = /apply removes whatever else "acme" has set up/;
    assert.match(imported([bucket("a", [rule("acme/out/eu", "c")], role)]).notes, whole);
    assert.doesNotMatch(imported([bucket("a", [rule("acme/out/eu", "c")], role)], { name: "other" }).notes, whole);
    assert.doesNotMatch(imported([bucket("a", [rule("theirs", "c")])]).notes, whole);
  });

  it("rules that apply replaces without being told to are named: those that serverless-s3-replication-plugin leaves", () => {
    const left = rule("bWVhbmluZ2xlc3MgYW5kIHZlcnkgbG9uZyE", "b", { deleteMarkerReplication: true });
    const said = /apply removes it without --replace where serverless-s3-replication-plugin made the role/;
    assert.match(imported([bucket("a", [left])]).notes, said);
    assert.doesNotMatch(imported([bucket("a", [{ ...left, prefix: "x/" }])]).notes, said);
  });

  it("a rule that is left out although it is for keys that no other is for is told with what is lost", () => {
    const found = imported([
      bucket("a", [
        rule("x", "b", { priority: 5, tags: { team: "x" } }),
        rule("tagged", "b", { priority: 2, tags: { env: "live" } }),
        rule("logs", "b", { priority: 3, prefix: "logs/" }),
        rule("part", "b", { priority: 4, prefix: "logs/", tags: { team: "x" } }),
      ]),
    ]);
    const lost = (id: string) =>
      new RegExp(`The rule "${id}".*is left out: .* Write a rule that is for both, else apply --replace ends the replication`);
    for (const id of ["tagged", "logs"]) assert.match(found.notes, lost(id));
    assert.doesNotMatch(found.notes, lost("part"));
    assert.match(found.notes, /The rule "part" \(logs\/\) of a is left out: "x" is for the same keys/);
  });

  it("a rule of the older schema replicates delete markers, and what stands in apply's way is told", () => {
    const found = imported([bucket("a", [rule("old", "b", { priority: null, deleteMarkerReplication: true, prefix: "logs/" })])]);
    assert.equal(found.loaded.rules[0]?.deletes, "markers");
    assert.match(found.notes, /Of S3's older schema, .*--convert-v1: "old" of a\./);
  });

  it("what a config has no words for is a note: overlaps, metrics alone, one-sided changes of replicas, unknown places", () => {
    const raw = { Destination: { Metrics: { Status: "Enabled" } } };
    const found = imported(
      [
        bucket("a", [
          rule("wide", "b", { raw, replicaModifications: true }),
          rule("narrow", "b", { priority: 2, prefix: "x/" }),
          rule("off", "b", { priority: 3, status: "Disabled" }),
          rule("bWVhbmluZ2xlc3MgYW5kIHZlcnkgbG9uZyE", "elsewhere", { priority: 4, prefix: "y/" }),
        ]),
      ],
      { name: "given" },
    );
    assert.equal(found.loaded.name, "given");
    assert.deepEqual(
      found.config.rules.map(({ settings }) => settings.id),
      ["wide", "from-a"],
    );
    for (const note of [
      /The rule "narrow" \(x\/\) of a is left out: "wide" is for the same keys/,
      /The rule "off" of a is left out/,
      /rule wide: "wide" has metrics without replication time control/,
      /rule wide: Changes of what others replicated to a went to b too/,
      /Where elsewhere is may not be known/,
    ])
      assert.match(found.notes, note);
  });
});
