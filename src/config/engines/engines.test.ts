import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Engine } from "../../domain/rule.ts";
import { checkConfig, loadConfig } from "../load.ts";
import { leaveFor, type ResolvedConfig, settingsOf } from "../resolved-config.ts";
import { decideEngines } from "./decide-engines.ts";
import { engineChooser } from "./engine-choice.ts";

let directory = "";
before(() => {
  directory = mkdtempSync(join(tmpdir(), "replicast-engines-"));
});
after(() => rmSync(directory, { recursive: true, force: true }));

const STORES = `stores:
  a: { endpoint: "http://127.0.0.1:9101" }
  eu: { endpoint: "https://s3.eu-west-1.amazonaws.com" }
`;
/** Every test rule is id r0, r1, … in its order. */
function write(rules: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const list = rules.map((rule, index) => `  - { id: r${index}, ${rule} }\n`).join("");
  writeFileSync(join(directory, "replicast.yaml"), `${STORES}rules:\n${list}`);
  return { env, cwd: directory };
}

function load(rules: readonly string[], env?: Readonly<Record<string, string>>): ResolvedConfig {
  return loadConfig(write(rules, env));
}

function said(rules: readonly string[]): readonly string[] {
  return checkConfig(write(rules)).problems.map(({ path, message, hint, line }) => `${line} ${path}: ${message}; ${hint}`);
}

const PLAIN = "source: x@eu-west-1, destinations: [y@us-east-1]";
const MESH = "mesh: [x@eu-west-1, y@us-east-1]";

interface Row {
  readonly what: string;
  readonly rules: readonly string[];
  /** Names of buckets; any other is not versioned. Absent: nobody has looked. */
  readonly versioned?: readonly string[];
  readonly stored?: Readonly<Record<string, Engine>>;
  readonly allowsChange?: boolean;
  /** By rule, with `!` where it is a change. */
  readonly expected: readonly string[];
  readonly why?: RegExp;
}

const ALL = ["x", "y", "z"];

const TABLE: readonly Row[] = [
  {
    what: "an auto rule between versioned buckets of AWS",
    rules: [PLAIN],
    versioned: ALL,
    expected: ["native"],
    why: /every bucket is versioned/,
  },
  {
    what: "an auto rule whose destination is not versioned",
    rules: [PLAIN],
    versioned: ["x"],
    expected: ["copy"],
    why: /aws:y is not versioned/,
  },
  {
    what: "an auto rule before anybody looked",
    rules: [PLAIN],
    expected: ["copy"],
    why: /^auto: native at apply where both buckets are versioned; copy until then$/,
  },
  { what: "a rule that says copy", rules: [`${PLAIN}, engine: copy`], versioned: ALL, expected: ["copy"], why: /the rule says so/ },
  { what: "a rule that says native", rules: [`${PLAIN}, engine: native`], versioned: [], expected: ["native"], why: /the rule says so/ },
  {
    what: "an auto rule that leaves AWS",
    rules: ["source: x, destinations: [a:y]"],
    versioned: ALL,
    expected: ["copy"],
    why: /a:y is not on AWS/,
  },
  { what: "AWS by its own endpoint", rules: ["source: x, destinations: [eu:y]"], versioned: ALL, expected: ["native"] },
  { what: "a mesh", rules: [MESH], versioned: ALL, expected: ["native"] },
  {
    what: "a mesh beside a way out of it that S3 cannot serve",
    rules: [MESH, "source: x@eu-west-1, destinations: [a:z]"],
    versioned: ALL,
    expected: ["copy", "copy"],
    why: /rule r1, which it meets in a bucket, is served by copy/,
  },
  {
    what: "a way out of a mesh under keys that the mesh does not have",
    rules: [`${MESH}, filter: { prefix: in/ }`, "source: x@eu-west-1, destinations: [a:z], filter: { prefix: out/ }"],
    versioned: ALL,
    expected: ["native", "copy"],
  },
  {
    what: "copy that feeds what could be native",
    rules: ["source: a:w, destinations: [x@eu-west-1]", PLAIN],
    versioned: ALL,
    expected: ["copy", "copy"],
  },
  {
    what: "rules that share a source alone",
    rules: [PLAIN, "source: x@eu-west-1, destinations: [a:z]"],
    versioned: ALL,
    expected: ["native", "copy"],
  },
  {
    what: "a chain of three that only its end decides",
    rules: [PLAIN, "source: y@us-east-1, destinations: [z@us-east-1]", "source: z@us-east-1, destinations: [a:q]"],
    versioned: ALL,
    expected: ["copy", "copy", "copy"],
  },
  {
    what: "an auto rule that meets one that says native, versioned or not",
    rules: [`${PLAIN}, engine: native`, "source: y@us-east-1, destinations: [z@us-east-1]"],
    versioned: [],
    expected: ["native", "native"],
    why: /the rule says so/,
  },
  {
    what: "one bucket of a mesh that is not versioned",
    rules: [MESH],
    versioned: ["y"],
    expected: ["copy"],
    why: /aws:x is not versioned/,
  },
  { what: "what was decided to be native, unasked", rules: [PLAIN], stored: { r0: "native" }, expected: ["native"] },
  {
    what: "what began with copy",
    rules: [PLAIN],
    versioned: ALL,
    stored: { r0: "copy" },
    expected: ["copy"],
    why: /--allow-engine-change/,
  },
  {
    what: "what began with copy, where that may change",
    rules: [PLAIN],
    versioned: ALL,
    stored: { r0: "copy" },
    allowsChange: true,
    expected: ["native!"],
  },
  { what: "what began with copy, where nobody looked", rules: [PLAIN], stored: { r0: "copy" }, allowsChange: true, expected: ["copy"] },
  {
    what: "a rule added beside one that is native",
    rules: [PLAIN, "source: y@us-east-1, destinations: [z@us-east-1]"],
    stored: { r0: "native" },
    expected: ["native", "native"],
  },
  {
    what: "what is native and can no longer be",
    rules: ["source: x, destinations: [a:y]"],
    stored: { r0: "native" },
    expected: ["copy!"],
    why: /not on AWS/,
  },
  { what: "a rule that says native by now", rules: [`${PLAIN}, engine: native`], stored: { r0: "copy" }, expected: ["native!"] },
  { what: "a rule that says copy by now", rules: [`${PLAIN}, engine: copy`], stored: { r0: "native" }, expected: ["copy!"] },
];

describe("decideEngines", () => {
  for (const { what, rules, versioned, stored = {}, allowsChange, expected, why } of TABLE) {
    it(`decides ${expected.join(", ")} for ${what}`, () => {
      const isVersioned = (id: string) => versioned?.includes(id.split("/").at(-1) ?? "");
      const decided = decideEngines(load(rules), { isVersioned, stored: (rule) => stored[rule], allowsChange });
      const found = rules.map((_, index) => decided.get(`r${index}`));
      assert.deepEqual(
        found.map((decision) => `${decision?.engine}${decision?.isChange === true ? "!" : ""}`),
        expected,
      );
      if (why !== undefined) assert.match(found[0]?.why ?? "", why);
    });
  }

  it("takes AWS for AWS where the environment puts another endpoint in its place", () => {
    const config = load([PLAIN], { AWS_ENDPOINT_URL: "http://127.0.0.1:5000" });
    assert.equal(decideEngines(config, { isVersioned: () => true, stored: () => undefined }).get("r0")?.engine, "native");
  });
});

describe("a rule that says native", () => {
  const refused: readonly (readonly [rule: string, said: RegExp])[] = [
    ["source: a:x, destinations: [y]", /a:x is not on AWS/],
    ["source: x@eu-west-1, destinations: [y@cn-north-1]", /aws:y is in another partition/],
    [`${PLAIN}, filter: { suffix: .jpg }`, /no suffix/],
    [`${PLAIN}, filter: { minBytes: 1 }`, /no size/],
    ["source: x, destinations: [{ bucket: y, prefix: p/ }]", /no prefix before the keys/],
    [`${PLAIN}, deletes: propagate`, /delete markers only/],
    [`${PLAIN}, deletes: markers, filter: { tags: { t: x } }`, /no delete markers where it filters by tags/],
    [`${PLAIN}, deletes: markers, expirations: true`, /lifecycle/],
    [`${PLAIN}, versions: current`, /every version/],
    [`${PLAIN}, preserve: { tags: false }`, /preserve\.tags: false/],
    ["source: x, destinations: [{ bucket: y, encryption: { type: AES256 } }]", /KMS only/],
    [`${PLAIN}, stamp: always`, /stamps no replicas/],
    [`${PLAIN}, restore: {}`, /does not restore/],
    [`${PLAIN}, transit: true`, /transit: true/],
    [`${PLAIN}, unsafe: [unconditional-deletes]`, /no unconditional deletes/],
  ];
  for (const [rule, reason] of refused) {
    it(`is refused, once and at its line, as ${rule}`, () => {
      const problems = said([`${rule}, engine: native`]);
      assert.equal(problems.length, 1, problems.join("\n"));
      assert.match(problems[0] ?? "", /^5 rules\[0\]\.engine: native cannot serve this rule: /);
      assert.match(problems[0] ?? "", reason);
    });
  }

  const accepted: Readonly<Record<string, readonly string[]>> = {
    "with a conflict policy": [`${MESH}, conflict: hold, engine: native`],
    "with all versions, in a mesh too": [`${MESH}, versions: all, engine: native`],
    "with tags and a prefix": [`${PLAIN}, filter: { prefix: p/, tags: { t: x } }, engine: native`],
    "with KMS, accounts and limits": [
      `source: { bucket: x, account: "111122223333", kmsKeys: [alias/k] }, destinations: [{ bucket: y, account: "222233334444", owner: destination, encryption: { type: "aws:kms", keyId: k }, replicationTime: true, existingObjects: { maxCost: 1.5 } }], engine: native`,
    ],
    "beside another from another source into one leaf": [
      "source: x, destinations: [z], engine: native",
      "source: y, destinations: [z], engine: native",
    ],
    "beside copy that shares its source alone": [`${PLAIN}, engine: native`, "source: x@eu-west-1, destinations: [a:z], engine: copy"],
  };
  for (const [what, rules] of Object.entries(accepted)) it(`is accepted ${what}`, () => assert.deepEqual(said(rules), []));

  it("cannot meet copy in a bucket that is both a source and a destination", () => {
    const problems = said([`${MESH}, engine: native`, "source: x@eu-west-1, destinations: [a:z]"]);
    assert.equal(problems.length, 1, problems.join("\n"));
    assert.match(
      problems[0] ?? "",
      /^5 rules\[0\]\.engine: native cannot stand beside rule r1, which is served by copy and meets it in aws:x; /,
    );
  });

  it("brings the same keys from one source to one leaf once only", () => {
    assert.match(
      said([`${PLAIN}, engine: native`, `${PLAIN}, engine: native`]).join("\n"),
      /^6 rules\[1\]\.destinations\[0\]: rule r0 writes the same keys/,
    );
  });
});

describe("what only S3's own replication knows", () => {
  const table: readonly (readonly [rule: string, path: string])[] = [
    ["source: a:x, destinations: [a:y], replicationTime: true", "rules[0].replicationTime"],
    ["source: a:x, destinations: [{ bucket: a:y, owner: destination }]", "rules[0].destinations[0].owner"],
    ["source: { bucket: a:x, kmsKeys: [k] }, destinations: [a:y]", "rules[0].source.kmsKeys"],
    ["mesh: [a:x, { bucket: a:y, kmsKeys: [k] }]", "rules[0].mesh[1].kmsKeys"],
    ["source: a:x, destinations: [a:y], existingObjects: { maxObjects: 3 }", "rules[0].existingObjects"],
  ];
  for (const [rule, path] of table) {
    it(`is refused where copy is certain: ${rule}`, () => {
      const problems = said([rule]);
      assert.equal(problems.length, 1, problems.join("\n"));
      assert.ok(problems[0]?.startsWith(`5 ${path}: has no effect: the rule is served by copy, because `), problems[0]);
    });
  }

  it("is accepted where it asks for nothing, and for auto rules that S3 could serve", () => {
    const nothing = 'replicationTime: false, createBuckets: "false", versioning: require';
    assert.deepEqual(said([`source: a:x, destinations: [{ bucket: a:y, owner: source, ${nothing} }], ${nothing}`]), []);
    assert.deepEqual(said([`${PLAIN}, replicationTime: true, createBuckets: true, versioning: enable`]), []);
  });

  it("is not what lets apply make buckets and turn versioning on: copy knows that too", () => {
    assert.deepEqual(said(["source: a:x, destinations: [{ bucket: a:y, createBuckets: true }], versioning: enable"]), []);
    assert.deepEqual(said([`${PLAIN}, engine: copy, createBuckets: true, versioning: enable`]), []);
  });
});

describe("settings for S3's own replication", () => {
  it("are the destination's own before the rule's, and reach both sides of a mesh", () => {
    const destinations = '[{ bucket: y, account: "222233334444", owner: destination, replicationTime: false, versioning: require }, z]';
    const source = '{ bucket: x, account: "111122223333", kmsKeys: [alias/k] }';
    const config = load([
      `source: ${source}, destinations: ${destinations}, replicationTime: true, createBuckets: true, versioning: enable, engine: native`,
      `mesh: [{ bucket: m, kmsKeys: [k1], createBuckets: true }, { bucket: n, account: "333344445555" }], engine: native`,
    ]);
    const [rule, fromM, fromN] = config.rules;
    assert.ok(rule && fromM && fromN);
    assert.deepEqual(
      rule.destinations.map(({ account, owner, replicationTime }) => [account, owner, replicationTime]),
      [
        ["222233334444", "destination", false],
        [undefined, undefined, true],
      ],
    );
    const { sourceAccount, kmsKeys, engine } = settingsOf(config, rule);
    assert.deepEqual([sourceAccount, kmsKeys, engine], ["111122223333", ["alias/k"], "native"]);
    const leave = (bucket: string) => leaveFor(config, `s3://aws/us-east-1/${bucket}`);
    assert.deepEqual(leave("x"), { create: false, enableVersioning: true });
    assert.deepEqual(leave("y"), { create: true, enableVersioning: false });
    assert.deepEqual(leave("z"), { create: true, enableVersioning: true });
    assert.deepEqual([leave("m").create, leave("n").create], [true, false]);
    assert.deepEqual([settingsOf(config, fromM).kmsKeys, settingsOf(config, fromN).sourceAccount], [["k1"], "333344445555"]);
  });

  it("limit the backfill of a destination, or of all of a rule", () => {
    const config = load([
      `source: x, destinations: [y, { bucket: z, existingObjects: false }], existingObjects: { maxObjects: 10, maxCost: "2.5" }`,
    ]);
    const [rule] = config.rules;
    assert.ok(rule);
    assert.deepEqual(settingsOf(config, rule).backfillLimits, { "s3://aws/us-east-1/y": { maxObjects: 10, maxCost: 2.5 } });
    assert.deepEqual(
      rule.destinations.map(({ existingObjects }) => existingObjects),
      [true, false],
    );
  });

  const wrong: readonly (readonly [rule: string, said: RegExp])[] = [
    ['source: { bucket: x, account: "123" }, destinations: [y]', /^5 rules\[0\]\.source\.account: must be the 12 digits/],
    [
      "source: x, destinations: [{ bucket: y, account: 222233334444 }]",
      /^5 rules\[0\]\.destinations\[0\]\.account: .*; put the value in quotes/,
    ],
    ["source: x, destinations: [{ bucket: y, owner: me }]", /destinations\[0\]\.owner: .*"source"\|"destination"/],
    [`${PLAIN}, existingObjects: {}`, /rules\[0\]\.existingObjects: needs maxObjects or maxCost/],
    [`${PLAIN}, existingObjects: { maxObjects: 3, maxCst: 1 }`, /existingObjects\.maxCst: unknown key "maxCst"; did you mean "maxCost"/],
    [`${PLAIN}, engine: nativ`, /rules\[0\]\.engine: .*"auto"\|"copy"\|"native"/],
    [`${PLAIN}, versioning: on`, /rules\[0\]\.versioning: .*"require"\|"enable"/],
    ["source: { bucket: x, kmsKeys: [] }, destinations: [y]", /source\.kmsKeys: must name at least one key/],
  ];
  for (const [rule, expected] of wrong) {
    it(`are refused as ${rule}`, () => {
      const problems = said([rule]);
      assert.equal(problems.length, 1, problems.join("\n"));
      assert.match(problems[0] ?? "", expected);
    });
  }
});

describe("iam", () => {
  const range = (count: number) => Array.from({ length: count }, (_, index) => `t${index}: x`).join(", ");

  it("takes what IAM takes as tags: letters of any alphabet, digits, spaces, some signs, and nothing as a value", () => {
    const { loaded, problems: found } = problems(`{ tags: { "Kosten Stelle_1.:/=+-@": "Größe 東京", empty: "", ${range(38)} } }`);
    assert.deepEqual(found, []);
    assert.equal(Object.keys(loaded?.config.iam.tags ?? {}).length, 40);
  });

  const problems = (iam: string) => {
    writeFileSync(join(directory, "replicast.yaml"), `name: acme\niam: ${iam}\n`);
    return checkConfig({ env: {}, cwd: directory });
  };

  it("has the path of the config's name, and waits 15 seconds, unless it says more", () => {
    assert.deepEqual(problems("{}").loaded?.config.iam, { path: "/replicast/acme/", tags: {}, propagationMs: 15_000 });
    const written = `{ path: /x/, permissionsBoundary: "arn:aws:iam::111122223333:policy/b", tags: { team: x }, roleArn: "arn:aws-cn:iam::111122223333:role/p/r", rolePrefix: team, propagation: 10ms }`;
    assert.deepEqual(problems(written).loaded?.config.iam, {
      path: "/x/",
      permissionsBoundary: "arn:aws:iam::111122223333:policy/b",
      tags: { team: "x" },
      roleArn: "arn:aws-cn:iam::111122223333:role/p/r",
      rolePrefix: "team",
      propagationMs: 10,
    });
  });

  const wrong: readonly (readonly [iam: string, said: RegExp])[] = [
    ["{ path: x }", /^iam\.path: must begin and end with "\/"/],
    ['{ permissionsBoundary: "b" }', /^iam\.permissionsBoundary: must be the ARN of a policy/],
    ['{ roleArn: "arn:aws:iam::1:role/x" }', /^iam\.roleArn: must be the ARN of a role/],
    ["{ rolePrefix: a/b }", /^iam\.rolePrefix: may hold/],
    ['{ tags: { "aws:x": y } }', /^iam\.tags\["aws:x"\]: is no tag of one's own/],
    ['{ tags: { "replicast:name": y } }', /^iam\.tags\["replicast:name"\]: is no tag of one's own/],
    ['{ tags: { "AWS:x": y } }', /^iam\.tags\["AWS:x"\]: is no tag of one's own/],
    ['{ tags: { "a#b": y } }', /^iam\.tags\["a#b"\]: may hold letters, digits, spaces and "_\.:\/=\+-@" only; rename it/],
    ["{ tags: { team: 'a,b' } }", /^iam\.tags\.team: may hold letters, digits, spaces and "_\.:\/=\+-@" only; correct the value/],
    ["{ tags: { team: 'aws:x' } }", /^iam\.tags\.team: must not begin with aws:/],
    ["{ tags: { team: a, Team: b } }", /^iam\.tags\.Team: differs from "team" by case only, .*; rename it/],
    [`{ tags: { ${range(41)} } }`, /^iam\.tags: must be at most 40: a role has 50/],
    ["{ propagation: fast }", /^iam\.propagation: must be a duration/],
    ["{ rolePrefx: x }", /^iam\.rolePrefx: unknown key .*did you mean "rolePrefix"/],
  ];
  for (const [iam, expected] of wrong) {
    it(`is refused as ${iam}`, () => {
      const found = problems(iam).problems.map(({ path, message, hint }) => `${path}: ${message}; ${hint}`);
      assert.equal(found.length, 1, found.join("\n"));
      assert.match(found[0] ?? "", expected);
    });
  }
});

describe("what validate tells of a pair", () => {
  function told(rule: string, stored?: Engine): string {
    const config = load([rule]);
    const [first] = config.rules;
    const destination = first?.destinations[0];
    assert.ok(first && destination);
    const { engine, why, cannot } = engineChooser(config, () => stored)(first, destination);
    return `${engine} (${why}); ${cannot.join("; ")}`;
  }

  it("is what apply will decide, where nobody has", () => {
    assert.match(told(PLAIN), /^copy \(auto: native at apply where both buckets are versioned; copy until then\); deletes are not/);
  });

  it("is what was decided, and that the rule now says something else", () => {
    assert.match(told(PLAIN, "native"), /^native \(auto: S3 can do it, as was decided by apply\)/);
    assert.match(
      told(`${PLAIN}, engine: copy`, "native"),
      /^copy \(the rule says so; so far it is native, until apply --allow-engine-change\)/,
    );
  });

  it("is what native cannot do", () => {
    const mesh = told(`${MESH}, conflict: priority, deletes: markers, engine: native`);
    assert.match(mesh, /no conflict policies: conflict: priority is not kept/);
    assert.match(mesh, /deletes of single versions are not replicated; objects under KMS are not .*apply --backfill only$/);
    assert.match(told(`${MESH}, engine: native`), /written at the same time may stay different/);
    assert.match(told(`${PLAIN}, existingObjects: false, engine: native`), /what was there before the rule is not copied/);
  });
});
