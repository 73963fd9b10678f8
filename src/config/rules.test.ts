import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Destination, Rule } from "../domain/rule.ts";
import { checkConfig, loadConfig } from "./load.ts";
import { pairNotes } from "./pair-notes.ts";
import { type ResolvedConfig, settingsOf } from "./resolved-config.ts";

let directory = "";
before(() => {
  directory = mkdtempSync(join(tmpdir(), "replicast-rules-"));
});
after(() => rmSync(directory, { recursive: true, force: true }));

const STORES = `name: acme
stores:
  a: { endpoint: "http://127.0.0.1:9101", events: { type: webhook, arn: "arn:minio:sqs::a:webhook" } }
  b: { endpoint: "http://127.0.0.1:9102" }
  c: { endpoint: "http://127.0.0.1:9103" }
`;

function write(rules: readonly string[], rest = "") {
  const list = rules.map((rule, index) => `  - { ${/\bid:/.test(rule) ? "" : `id: r${index}, `}${rule} }\n`).join("");
  writeFileSync(join(directory, "replicast.yaml"), `${STORES}rules:\n${list}${rest}`);
  return { env: {}, cwd: directory };
}

function load(rules: readonly string[], rest?: string): ResolvedConfig {
  return loadConfig(write(rules, rest));
}

function said(rules: readonly string[]): readonly string[] {
  return checkConfig(write(rules)).problems.map(({ path, message, hint }) => `${path}: ${message}; ${hint}`);
}

function only(config: ResolvedConfig): Rule {
  assert.equal(config.rules.length, 1);
  return config.rules[0]!;
}

describe("a rule", () => {
  it("asks for copies of current objects unless it says more", () => {
    const { id, source, destinations, filter, ...rest } = only(load(["source: a:x, destinations: [b:x]"]));
    assert.deepEqual(rest, {
      preserve: { tags: true, storageClass: true, acl: false, objectLock: true, encryption: true },
      enabled: true,
      mesh: undefined,
      conflict: "newest",
      deletes: "none",
      expirations: false,
      versions: "current",
      transit: false,
      stamp: "interior",
      unsafeDeletes: false,
    });
  });

  it("has every setting as written", () => {
    const preserve = "preserve: { acl: true, objectLock: false, encryption: false }";
    const settings = `deletes: propagate, expirations: true, versions: all, transit: "true", stamp: never, unsafe: [unconditional-deletes]`;
    const destination = '{ bucket: b:x, encryption: { type: "aws:kms", keyId: k } }';
    const config = load([`source: a:x, destinations: [${destination}], renamedFrom: old, ${settings}, ${preserve}`]);
    const rule = only(config);
    const { deletes, expirations, versions, transit, stamp, unsafeDeletes } = rule;
    assert.deepEqual([deletes, expirations, versions, transit, stamp, unsafeDeletes], ["propagate", true, "all", true, "never", true]);
    assert.deepEqual(rule.preserve, { tags: true, storageClass: true, acl: true, objectLock: false, encryption: false });
    assert.deepEqual(rule.destinations[0]?.encryption, { type: "aws:kms", keyId: "k" });
    assert.equal(settingsOf(config, rule).renamedFrom, "old");
    assert.deepEqual(settingsOf(config, rule).events, { type: "webhook", arn: "arn:minio:sqs::a:webhook" });
  });

  it("asks archives for nothing unless it says for how long", () => {
    const restored = (restore: string) => only(load([`source: a:x, destinations: [b:x], restore: ${restore}`])).restore;
    assert.deepEqual(restored("{}"), { days: 3, tier: "Standard" });
    assert.deepEqual(restored('{ days: "10", tier: Bulk }'), { days: 10, tier: "Bulk" });
    const tier = "restore: { tier: Slow }";
    assert.equal(said([`source: a:x, destinations: [b:x], ${tier}`]).length, 1);
    const [refused] = said(["source: a:x, destinations: [b:x], versions: all, restore: {}"]);
    assert.match(refused ?? "", /^rules\[0\]\.restore: .*versions: all/);
  });

  it("is under a delete gate with the documented limits, or the given ones", () => {
    assert.deepEqual(load([]).deleteGate, { max: 1000, percent: 10, windowMs: 600_000 });
    assert.deepEqual(load([], "deleteGate: { max: 5, percent: 1, window: 30s }\n").deleteGate, { max: 5, percent: 1, windowMs: 30_000 });
  });
});

describe("a mesh", () => {
  const mesh = "id: team, mesh: [a:t, { bucket: b:t, storageClass: GLACIER, events: { type: poll, every: 5s } }, { bucket: t, store: c }]";

  it("is one rule for every member, to all others, with its own events", () => {
    const config = load([mesh]);
    const ids = ["s3://127.0.0.1:9101/t", "s3://127.0.0.1:9102/t", "s3://127.0.0.1:9103/t"];
    assert.deepEqual(
      config.rules.map(({ id, source, destinations }) => [id, source.name, destinations.map((destination) => destination.id)]),
      [
        ["team", "a:t", ["b:t", "c:t"]],
        ["team", "b:t", ["a:t", "c:t"]],
        ["team", "c:t", ["a:t", "b:t"]],
      ],
    );
    for (const rule of config.rules) assert.deepEqual(rule.mesh, ids);
    assert.deepEqual(
      config.rules.map((rule) => settingsOf(config, rule).events.type),
      ["webhook", "poll", "none"],
    );
    assert.deepEqual(
      config.rules[0]?.destinations.map(({ storageClass, canonicalId, prefix }) => [storageClass, canonicalId, prefix]),
      [
        ["GLACIER", ids[1], ""],
        [undefined, ids[2], ""],
      ],
    );
    assert.deepEqual(Object.keys(config.buckets), ids);
  });

  it("may be spelled by regions, with the name of the config", () => {
    const config = load(['mesh: [{ bucket: "{name}-toast-{region}", regions: [us-east-1, eu-west-2] }, { eu-west-1: plain }]']);
    assert.deepEqual(config.rules[0]?.mesh, [
      "s3://aws/us-east-1/acme-toast-us-east-1",
      "s3://aws/eu-west-2/acme-toast-eu-west-2",
      "s3://aws/eu-west-1/plain",
    ]);
  });

  it("of one bucket in several regions needs no list", () => {
    const text = '{ bucket: "{name}-toast-{region}", regions: [us-east-1, eu-west-2] }';
    assert.deepEqual(load([`mesh: ${text}`]).rules, load([`mesh: [${text}]`]).rules);
  });

  const refused: readonly (readonly [mesh: string, said: RegExp])[] = [
    ["{ bucket: 't-{region}', regions: [eu-west-1] }", /^rules\[0\]\.mesh: needs two members at least/],
    ["[]", /^rules\[0\]\.mesh: needs two members at least; .*replicated to all others/],
    ["[a:t]", /^rules\[0\]\.mesh: needs two members at least/],
    ["[{ bucket: 't-{region}', regions: [eu-west-1] }]", /^rules\[0\]\.mesh: needs two members at least/],
    ["[a:t, b:t, { bucket: t, store: a }]", /^rules\[0\]\.mesh\[2\]: a:t is a member twice/],
    ["[a:t, b:t, 'http://localhost:9101/t']", /^rules\[0\]\.mesh\[2\]: .* is a member twice/],
    ["[t@eu-west-1, t@us-east-1]", /^rules\[0\]\.mesh\[1\]: aws:t is a member twice/],
    ["[a:t, { bucket: b:t, prefix: p/ }]", /^rules\[0\]\.mesh\[1\]\.prefix: a member of a mesh has no prefix; .*filter\.prefix/],
    ["[a:t, { bucket: b:t, name: x }]", /^rules\[0\]\.mesh\[1\]\.name: unknown key "name"/],
    ["[a:t, b:t/k]", /^rules\[0\]\.mesh\[1\]: "b:t\/k" names a key/],
    ["[a:t, d:t]", /^rules\[0\]\.mesh\[1\]: no store is named "d"/],
    ["[a:t, { bucket: 'b:t-{region}' }]", /has a placeholder and no regions/],
    ["[a:t, { bucket: b:t, regions: [x, y] }]", /"b:t" would be in several regions; .*\{region\}/],
    ["[a:t, { bucket: 'b:{region}', region: x, regions: [x, y] }]", /region stands beside regions/],
  ];
  for (const [members, expected] of refused) {
    it(`is refused as ${members}, with one problem`, () => {
      const problems = said([`mesh: ${members}`]);
      assert.equal(problems.length, 1, problems.join("\n"));
      assert.match(problems[0] ?? "", expected);
    });
  }
});

describe("rules together", () => {
  const accepted: Readonly<Record<string, readonly string[]>> = {
    "a rule into a member of a mesh": ["source: a:x, destinations: [b:y], conflict: hold", "mesh: [b:y, c:z]"],
    "two rules into a bucket that is a source": [
      "source: a:x, destinations: [c:z]",
      "source: b:y, destinations: [c:z]",
      "source: c:z, destinations: [b:w]",
    ],
    "both directions as two rules": ["source: a:x, destinations: [b:y]", "source: b:y, destinations: [a:x], transit: true"],
    "meshes that share a member": ["mesh: [a:x, b:y]", "mesh: [b:y, c:z]"],
    "transit where nothing arrives": ["source: a:x, destinations: [b:y], transit: true"],
    "a stamp on the way to a leaf": ["source: a:x, destinations: [b:y], stamp: always"],
    "all versions beside a mesh": ["mesh: [a:x, b:y]", "source: a:q, destinations: [b:q], versions: all"],
    "two rules between members that no object passes both of": [
      "mesh: [a:x, b:y], filter: { suffix: .jpg }",
      "source: a:x, destinations: [b:y], filter: { suffix: .png }",
    ],
    "deletes by tags": ["source: a:x, destinations: [b:y], deletes: propagate, filter: { tags: { t: x } }"],
  };
  for (const [what, rules] of Object.entries(accepted)) {
    it(`may be ${what}`, () => assert.deepEqual(said(rules), []));
  }

  const refused: Readonly<Record<string, readonly [rules: readonly string[], said: RegExp]>> = {
    "a rule that goes the way of a mesh": [
      ["mesh: [a:x, b:y]", "source: a:x, destinations: [b:y]"],
      /^rules\[1\]\.destinations\[0\]: rule r0 writes the same keys of b:y/,
    ],
    "two rules into one leaf beside a mesh": [
      ["mesh: [a:x, b:y]", "source: a:x, destinations: [c:z]", "source: b:y, destinations: [c:z]"],
      /^rules\[2\]\.destinations\[0\]: rule r1 writes the same keys of c:z/,
    ],
    "a conflict policy where nothing can meet": [
      ["source: a:x, destinations: [b:y], conflict: newest"],
      /^rules\[0\]\.conflict: there is no conflict to decide/,
    ],
    "a conflict policy on the way out of a mesh": [
      ["mesh: [a:x, b:y]", "source: a:x, destinations: [c:z], conflict: hold"],
      /^rules\[1\]\.conflict: /,
    ],
    "all versions of a mesh": [["mesh: [a:x, b:y], versions: all"], /^rules\[0\]\.versions: versions: all is for one-way rules/],
    "all versions into a mesh": [
      ["mesh: [a:x, b:y]", "source: c:z, destinations: [a:x], versions: all"],
      /^rules\[1\]\.versions: versions: all cannot be with a:x/,
    ],
    "all versions out of a mesh": [
      ["mesh: [a:x, b:y]", "source: a:x, destinations: [c:z], versions: all"],
      /^rules\[1\]\.versions: versions: all cannot be with a:x/,
    ],
    "expirations without deletes": [["source: a:x, destinations: [b:y], expirations: true"], /^rules\[0\]\.expirations: has no effect/],
    "replicas under replicast's own prefix": [
      ["source: a:x, destinations: [{ bucket: b:y, prefix: .replicast/x/ }]"],
      /^rules\[0\]\.destinations\[0\]: keys under \.replicast\/ are replicast's own/,
    ],
    "a second rule with the id of a mesh": [
      ["id: t, mesh: [a:x, b:y]", "id: t, source: a:z, destinations: [b:z]"],
      /^rules\[1\]\.id: a second rule has the id "t"/,
    ],
    "a former id that is in use": [
      ["id: t, mesh: [a:x, b:y]", "source: a:z, destinations: [b:z], renamedFrom: t"],
      /^rules\[1\]\.renamedFrom: "t" is the id of a rule that is there/,
    ],
    "one former id of two rules": [
      ["source: a:x, destinations: [b:x], renamedFrom: t", "source: a:z, destinations: [b:z], renamedFrom: t"],
      /^rules\[1\]\.renamedFrom: "t" .*has another name already/,
    ],
  };
  for (const [what, [rules, expected]] of Object.entries(refused)) {
    it(`may not be ${what}`, () => {
      const problems = said(rules);
      assert.equal(problems.length, 1, problems.join("\n"));
      assert.match(problems[0] ?? "", expected);
    });
  }

  it("are not held to lack what a rule that cannot be read may be", () => {
    const problems = said(["source: a:x, destinations: [b:y], conflict: hold", "source: b:y, destinations: [d:z]"]);
    assert.equal(problems.length, 1, problems.join("\n"));
    assert.match(problems[0] ?? "", /no store is named "d"/);
  });
});

describe("invariant 5: keys that would grow without end", () => {
  const there = "source: a:x, destinations: [{ bucket: b:y, prefix: p/ }]";
  const back = "source: b:y, destinations: [a:x]";
  const table: readonly (readonly [what: string, rules: readonly string[], endless: boolean])[] = [
    ["there with transit, and back", [`${there}, transit: true`, back], true],
    ["there, and back with transit", [there, `${back}, transit: true`], true],
    ["there and back without transit", [there, back], false],
    [
      "round three buckets, one of them without transit",
      [`${there}, transit: true`, "mesh: [b:y, c:z], transit: true", "source: c:z, destinations: [a:x]"],
      true,
    ],
    [
      "round three buckets, two of them without transit",
      [`${there}, transit: true`, "source: b:y, destinations: [c:z]", "source: c:z, destinations: [a:x]"],
      false,
    ],
    [
      "round by a mesh that the source is in, without its transit",
      [there, "source: b:y, destinations: [c:z], transit: true", "mesh: [c:z, a:x]"],
      true,
    ],
    [
      "round by a mesh without transit, for what its last member was given",
      [`${there}, transit: true`, "mesh: [b:y, c:z]", "source: c:z, destinations: [a:x]"],
      true,
    ],
    [
      "there and back by a prefix that replicas do not have",
      [`${there}, transit: true`, `${back}, filter: { prefix: q/ }, transit: true`],
      false,
    ],
    [
      "there and back by a prefix that all replicas have",
      [`${there}, transit: true`, `${back}, filter: { prefix: p/p }, transit: true`],
      true,
    ],
    [
      "there and back by different suffixes",
      [`${there}, filter: { suffix: .jpg }, transit: true`, `${back}, filter: { suffix: .png }`],
      false,
    ],
    ["there only, beside a mesh of others", [`${there}, transit: true`, "mesh: [b:y, c:z], transit: true"], false],
  ];
  for (const [what, rules, endless] of table) {
    it(`${endless ? "refuses" : "lets"} ${what}`, () => {
      const problems = said(rules);
      assert.equal(problems.length, endless ? 1 : 0, problems.join("\n"));
      if (endless)
        assert.match(problems[0] ?? "", /^rules\[0\]\.destinations\[0\]: "p\/" would be put .* without end: a:x → b:y → .*a:x; /);
    });
  }
});

describe("pairNotes", () => {
  function notes(rules: readonly string[], index = 0): string {
    const config = load(rules);
    const rule = config.rules[index];
    assert.ok(rule);
    return pairNotes(rule, rule.destinations[0] as Destination, config).join("; ");
  }

  it("says nothing of a plain copy", () => assert.equal(notes(["source: a:x, destinations: [b:x]"]), ""));

  it("tells a mesh, an interior destination, deletes, versions and transit", () => {
    const mesh = "id: m, mesh: [b:y, c:z], deletes: propagate, conflict: priority";
    const feed = "id: feed, source: a:x, destinations: [b:y], deletes: markers, expirations: true, unsafe: [unconditional-deletes]";
    assert.match(notes([mesh, feed]), /^mesh of 2, conflict: priority; deletes are replicated .*; what feed brought to b:y stays there/);
    assert.match(notes([`${mesh}, transit: true`, feed]), /what feed brought to b:y is carried on/);
    assert.doesNotMatch(notes([mesh, feed], 1), /brought/);
    assert.match(notes([mesh, feed], 2), /^b:y is interior.*; delete markers are replicated .* expirations too; .*unsafe/);
    assert.equal(notes(["source: a:x, destinations: [b:x], versions: all"]), "every version is copied (versions: all)");
  });
});
