// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the syntax under test
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { inspect } from "node:util";
import fc from "fast-check";
import { isReplicationError } from "../domain/error.ts";
import { effectiveConfig } from "./effective-config.ts";
import { checkConfig, type LoadOptions, loadConfig } from "./load.ts";
import type { Settings } from "./precedence.ts";
import { formatProblem, type Problem } from "./problem.ts";
import type { Environment, ResolvedConfig } from "./resolved-config.ts";
import { initTemplate } from "./template.ts";

let directory = "";
before(() => {
  directory = mkdtempSync(join(tmpdir(), "replicast-config-"));
});
after(() => rmSync(directory, { recursive: true, force: true }));

interface Given {
  readonly env?: Environment;
  readonly flags?: Settings;
}

function options(text: string, { env = {}, flags = {} }: Given = {}): LoadOptions {
  writeFileSync(join(directory, "replicast.yaml"), text);
  return { env, flags, cwd: directory };
}

function load(text: string, given?: Given): ResolvedConfig {
  return loadConfig(options(text, given));
}

function problems(text: string, given?: Given): readonly Problem[] {
  return checkConfig(options(text, given)).problems;
}

const STORES = `stores:
  a: { endpoint: "http://127.0.0.1:9101" }
  b: { endpoint: "http://127.0.0.1:9102" }
`;
const rule = (body: string) => `${STORES}rules:\n  - { id: r, source: a:photos, destinations: [b:copy], ${body} }\n`;
const bare = (body: string) => `${STORES}rules:\n  - { id: r, ${body} }\n`;

describe("loadConfig", () => {
  it("resolves a whole config", () => {
    const config = load(
      `name: acme
stores:
  a:
    endpoint: http://127.0.0.1:9101
    credentials: { accessKeyId: "\${A_KEY}", secretAccessKey: "\${A_SECRET}" }
    events: { type: webhook }
    tls: { caFile: ca.pem }
rules:
  - id: photos
    source: { bucket: a:photos, prefix: raw/, events: { type: sqs, queueUrl: "https://sqs.eu-west-1.amazonaws.com/1/q" } }
    destinations:
      - { bucket: photos-eu@eu-west-1, id: eu, prefix: in/, storageClass: STANDARD_IA, existingObjects: false }
      - "http://127.0.0.1:9103/x"
    filter: { maxBytes: 1TiB, tags: { team: x } }
`,
      { env: { A_KEY: "k", A_SECRET: "topsecret" } },
    );
    assert.equal(config.name, "acme");
    assert.deepEqual(Object.keys(config.stores), ["aws", "a", "http://127.0.0.1:9103"]);
    assert.equal(config.stores.a?.tls.caFile, join(directory, "ca.pem"));
    assert.equal(config.stores.a?.forcePathStyle, true);
    const credentials = config.stores.a?.credentials;
    assert.equal(credentials?.kind === "static" ? credentials.secretAccessKey.reveal() : "", "topsecret");
    const [photos] = config.rules;
    assert.equal(photos?.source.id, "s3://127.0.0.1:9101/photos");
    assert.equal(photos?.filter.prefix, "raw/");
    assert.equal(photos?.filter.maxBytes, 2 ** 40);
    assert.deepEqual(
      photos?.destinations.map(({ id, canonicalId, prefix, existingObjects }) => ({ id, canonicalId, prefix, existingObjects })),
      [
        { id: "eu", canonicalId: "s3://aws/eu-west-1/photos-eu/in/", prefix: "in/", existingObjects: false },
        { id: "http://127.0.0.1:9103/x", canonicalId: "s3://127.0.0.1:9103/x", prefix: "", existingObjects: true },
      ],
    );
    assert.equal(config.buckets["s3://aws/eu-west-1/photos-eu"]?.store.region, "eu-west-1");
    assert.equal(config.ruleSettings.photos?.events.type, "sqs");
    assert.deepEqual(config.schedule, { syncMs: 24 * 3_600_000, attributesMs: 7 * 24 * 3_600_000 });
    assert.deepEqual(config.state, { kind: "sqlite", path: join(directory, "replicast.db") });
  });

  it("fills in the documented defaults of an empty file", () => {
    const config = load("");
    assert.deepEqual(config.limits.concurrency, 64);
    assert.deepEqual(config.retry, { maxAttempts: 10, initialMs: 1000, maxMs: 900_000 });
    assert.deepEqual({ ...config.listen }, { host: "127.0.0.1", port: 8417, tokens: [] });
    assert.equal(config.stores.aws?.credentials.kind, "default");
    assert.equal(config.stores.aws?.maxConnections, 64);
  });

  it("reads JSON", () => {
    assert.equal(load('{\n\t"name": "from-json", "rules": []\n}').name, "from-json");
  });

  it("freezes all of it", () => {
    const config = load(rule("enabled: true"));
    const isFrozen = (value: unknown): boolean =>
      typeof value !== "object" || value === null || (Object.isFrozen(value) && Object.values(value).every(isFrozen));
    assert.ok(isFrozen(config));
  });

  it("syncs every hour unless the source's events are queue-backed, and as written where it is", () => {
    assert.equal(load(rule("enabled: true")).ruleSettings.r?.syncMs, 3_600_000);
    assert.equal(load(`${rule("enabled: true")}schedule: { sync: off }`).schedule.syncMs, null);
    assert.equal(load(`${rule("enabled: true")}schedule: { sync: 5m }`).ruleSettings.r?.syncMs, 300_000);
  });

  it("honours AWS_ENDPOINT_URL_S3, then AWS_ENDPOINT_URL, and the region of the environment", () => {
    const env = { AWS_ENDPOINT_URL: "http://127.0.0.1:1", AWS_ENDPOINT_URL_S3: "http://127.0.0.1:2/", AWS_REGION: "eu-west-2" };
    const aws = load("", { env }).stores.aws;
    assert.deepEqual([aws?.endpoint, aws?.region, aws?.forcePathStyle], ["http://127.0.0.1:2", "eu-west-2", true]);
    assert.equal(load("", { env: { ...env, AWS_ENDPOINT_URL_S3: "" } }).stores.aws?.endpoint, "http://127.0.0.1:1");
  });

  it("finds the file by --config, then REPLICAST_CONFIG, then the working directory", () => {
    writeFileSync(join(directory, "other.yaml"), "name: other");
    writeFileSync(join(directory, "third.yaml"), "name: third");
    const here = options("name: here");
    const env = { REPLICAST_CONFIG: "other.yaml" };
    assert.equal(loadConfig(here).name, "here");
    assert.equal(loadConfig({ ...here, env }).name, "other");
    assert.equal(loadConfig({ ...here, env, configPath: "third.yaml" }).name, "third");
    assert.throws(() => loadConfig({ ...here, configPath: "absent.yaml" }), /absent\.yaml does not exist/);
    assert.throws(() => loadConfig({ env: {}, cwd: tmpdir() }), /there is no replicast\.yaml/);
  });

  it("accepts the template once its variables are set, and only then", () => {
    const env = { MINIO_ACCESS_KEY: "k", MINIO_SECRET_KEY: "s" };
    assert.deepEqual(problems(initTemplate(), { env }), []);
    assert.equal(problems(initTemplate()).length, 2);
  });
});

describe("precedence: defaults < file < environment < flags", () => {
  const file = "listen: { port: 1 }";
  const env = { REPLICAST_LISTEN_PORT: "2" };
  const flags = { "listen.port": 3 };
  const table = [
    { text: "", given: {}, port: 8417, origin: "default" },
    { text: file, given: {}, port: 1, origin: "file" },
    { text: file, given: { env }, port: 2, origin: "env" },
    { text: "", given: { env }, port: 2, origin: "env" },
    { text: file, given: { env, flags }, port: 3, origin: "flag" },
    { text: "", given: { flags }, port: 3, origin: "flag" },
    { text: file, given: { flags: { "listen.port": undefined } }, port: 1, origin: "file" },
  ] as const;
  for (const [index, { text, given, port, origin }] of table.entries()) {
    it(`case ${index + 1}: the port is ${port} by ${origin}`, () => {
      const { loaded } = checkConfig(options(text, given));
      assert.ok(loaded);
      assert.equal(loaded.config.listen.port, port);
      assert.equal(effectiveConfig(loaded).values.find(({ path }) => path === "listen.port")?.origin, origin);
    });
  }

  it("names the variable that is wrong, and starts its relative paths at the working directory", () => {
    const [problem] = problems("", { env: { REPLICAST_LISTEN_PORT: "x" } });
    assert.match(problem?.message ?? "", /REPLICAST_LISTEN_PORT/);
    assert.equal(problem?.line, undefined);
  });
});

describe("what a later version will read", () => {
  const refused: Readonly<Record<string, string>> = {
    limits: rule("limits: { concurrency: 2 }"),
    "runtime: cluster": "runtime: cluster",
    "runtime: aws": "runtime: aws",
    "state postgres": "state: postgres://u:p@h/d",
    "state dynamodb": "state: dynamodb:t@eu-west-1",
    unsafe: "unsafe: [unconditional-deletes]",
    alerts: "alerts: [{ type: webhook }]",
    autopilot: "autopilot: { targetTags: {} }",
    account: 'stores: { a: { account: "111122223333" } }',
  };
  for (const [what, text] of Object.entries(refused)) {
    it(`refuses ${what} by name, and nothing else`, () => {
      const found = problems(text);
      assert.deepEqual(
        found.map(({ message }) => message),
        [`${what} is not available in this version of replicast`],
      );
      assert.ok(found[0]?.hint);
    });
  }

  it("accepts what asks for nothing", () => {
    for (const text of ["runtime: standalone", "alerts: []", "unsafe: []"]) assert.deepEqual(problems(text), [], text);
  });
});

describe("problems", () => {
  const table: readonly { readonly text: string; readonly expected: readonly [path: string, place: string, said: RegExp][] }[] = [
    { text: bare("destinations: [b:y]"), expected: [["rules[0].source", "5:5", /is missing\n.*add "source" here, or write mesh/]] },
    {
      text: bare("enabled: 7"),
      expected: [
        ["rules[0].source", "5:5", /is missing/],
        ["rules[0].destinations", "5:5", /is missing/],
        ["rules[0].enabled", "5:23", /boolean/],
      ],
    },
    { text: bare("mesh: [a:x, b:y], source: a:x"), expected: [["rules[0].mesh", "5:14", /stands beside[\s\S]*keep one/]] },
    { text: rule("delets: none"), expected: [["rules[0].delets", "5:56", /did you mean "deletes"/]] },
    { text: rule("conflct: hold"), expected: [["rules[0].conflct", "5:56", /did you mean "conflict"/]] },
    { text: rule("deletes: all"), expected: [["rules[0].deletes", "5:65", /"none"\|"markers"\|"propagate"[\s\S]*write one of these/]] },
    { text: rule("unsafe: [everything]"), expected: [["rules[0].unsafe[0]", "5:65", /"unconditional-deletes"/]] },
    { text: "deleteGate: { max: 1, windw: 1m }", expected: [["deleteGate.windw", "1:23", /did you mean "window"/]] },
    { text: "deleteGate: { percent: 200 }", expected: [["deleteGate.percent", "1:24", /<=100/]] },
    {
      text: bare("source: a:x, destinations: [{ bucket: b:y, encryption: { type: AES256, keyId: k } }]"),
      expected: [["rules[0].destinations[0].encryption.keyId", "5:92", /needs type: aws:kms/]],
    },
    { text: "nme: x", expected: [["nme", "1:1", /unknown key "nme"\n.*did you mean "name"/]] },
    { text: rule("filer: {}"), expected: [["rules[0].filer", "5:56", /did you mean "filter"/]] },
    { text: "name: Acme", expected: [["name", "1:7", /lower-case/]] },
    { text: "name: x\nname: y", expected: [["", "2:1", /same key twice/]] },
    { text: "name: [", expected: [["", "1:8", /YAML/]] },
    { text: "version: 2", expected: [["version", "1:10", /expected 1/]] },
    { text: "listen: { host: 0.0.0.0 }", expected: [["listen.host", "1:17", /a token is required/]] },
    { text: bare("source: a:x, destinations: [c:y]"), expected: [["rules[0].destinations[0]", "5:42", /no store is named "c"/]] },
    { text: bare("source: a:x, destinations: [a:x]"), expected: [["rules[0].destinations[0]", "5:42", /is the source itself/]] },
    {
      text: bare('source: a:x, destinations: ["http://LOCALHOST:9101/x"]'),
      expected: [["rules[0].destinations[0]", "5:42", /is the source itself/]],
    },
    { text: bare("source: a:x/k, destinations: [b:y]"), expected: [["rules[0].source", "5:22", /names a key[\s\S]*prefix: "k"/]] },
    { text: bare("source: a:x, destinations: []"), expected: [["rules[0].destinations", "5:41", /at least one/]] },
    {
      text: bare("source: a:x, destinations: [b:y, b:y]"),
      expected: [["rules[0].destinations[1]", "5:47", /second destination|same keys/]],
    },
    { text: "stores: { a: { events: { type: sqs, queueUrl: q } } }", expected: [["stores.a.events.queueUrl", "1:47", /URL/]] },
    { text: "stores: { a: { credentials: { accessKeyId: k } } }", expected: [["stores.a.credentials", "1:29", /need both/]] },
    {
      text: "stores: { a: { credentials: { accessKeyId: 7, secretAccessKey: s } } }",
      expected: [["stores.a.credentials.accessKeyId", "1:44", /in quotes/]],
    },
    { text: "retry: { initial: 1000 }", expected: [["retry.initial", "1:19", /expected string/]] },
    { text: "limits: { bandwidth: 500 MB }", expected: [["limits.bandwidth", "1:22", /rate/]] },
    { text: "state: mysql:x", expected: [["state", "1:8", /no state/]] },
    { text: "name: ${NOPE}", expected: [["name", "1:7", /\$\{NOPE\} is not set/]] },
  ];
  for (const { text, expected } of table) {
    it(`finds what is wrong with ${JSON.stringify(text.replace(STORES, "…"))}`, () => {
      const found = problems(text);
      assert.deepEqual(
        found.slice(0, expected.length).map(({ path, line, column }) => [path, `${line}:${column}`]),
        expected.map(([path, place]) => [path, place]),
      );
      for (const [index, [, , said]] of expected.entries()) assert.match(formatProblem(found[index]!, "f"), said);
    });
  }

  it("are all reported at once, in the order of the file", () => {
    const found = problems(`name: Acme
stor: {}
stores:
  a: { endpoint: "http://127.0.0.1:9101/x", credentails: { profile: "\${NOPE}" } }
rules:
  - { id: p, source: zz:photos, destinations: [aws:y], deltes: propagate }
  - { id: p, source: aws:q/key, destinations: [aws:z, { bucket: k, minByte: 3 }] }
  - { mesh: [a:x] }
listen: { host: 0.0.0.0, port: 99999 }
state: postgres://u:hunter22@h/db
`);
    assert.deepEqual(
      found.map(({ line, path }) => `${line} ${path}`),
      [
        "1 name",
        "2 stor",
        "4 stores.a.endpoint",
        "4 stores.a.credentails",
        "4 stores.a.credentails.profile",
        "6 rules[0].source",
        "6 rules[0].deltes",
        "7 rules[1].id",
        "7 rules[1].source",
        "7 rules[1].destinations[1].minByte",
        "8 rules[2].id",
        "8 rules[2].mesh",
        "9 listen.host",
        "9 listen.port",
        "10 state",
      ],
    );
  });

  it("include the stores of a rule that is wrong elsewhere too, and what stands beside a wrong item of a list", () => {
    const found = problems(`rules:
  - { id: r, source: nope:x, destinations: ["y:z", { bucket: k }, { bucket: k, store: l }], deletes: never }
  - { id: s, mesh: ["w:x", aws:y, { bucket: "{name}-{region}", regions: [eu-west-1] }], conflict: maybe }
state: sqlte:./x.db
listen: { tokens: [{ token: x, scope: reader }], tls: { certFile: x } }
`);
    assert.deepEqual(
      found.map(({ line, path }) => `${line} ${path}`),
      [
        "2 rules[0].source",
        "2 rules[0].destinations[0]",
        "2 rules[0].destinations[2]",
        "2 rules[0].deletes",
        "3 rules[1].mesh[0]",
        "3 rules[1].conflict",
        "4 state",
        "5 listen.tokens[0].scope",
        "5 listen.tls.keyFile",
      ],
    );
  });

  it("tell of an alias that leads into itself, alone or by the thousand", () => {
    for (const text of ["rules: &x [*x]", "rules: &x [*x, *x]", "stores: &x { a: *x }"]) {
      const found = problems(text).map(({ message }) => message);
      assert.ok(found.includes("is too large, or repeats itself by an alias"), text);
    }
  });

  it("come in one error with every line of them", () => {
    assert.throws(
      () => load("nme: x\nstat: y"),
      (error) =>
        isReplicationError(error) && error.code === "ConfigInvalid" && /replicast\.yaml:1:1[\s\S]*replicast\.yaml:2:1/.test(error.message),
    );
  });

  const overlaps: readonly [first: string, second: string, collide: boolean][] = [
    ["source: a:x, destinations: [b:z]", "source: a:y, destinations: [b:z]", true],
    ["source: a:x, destinations: [b:z]", "source: a:y, destinations: [{ bucket: z, store: b, prefix: y/ }]", true],
    ["source: a:x, destinations: [{ bucket: b:z, prefix: x/ }]", "source: a:y, destinations: [{ bucket: b:z, prefix: y/ }]", false],
    ["source: { bucket: a:x, prefix: x/ }, destinations: [b:z]", "source: { bucket: a:y, prefix: y/ }, destinations: [b:z]", false],
    ["source: a:x, destinations: [b:z], filter: { suffix: .jpg }", "source: a:y, destinations: [b:z], filter: { suffix: .png }", false],
    ["source: a:x, destinations: [b:z], filter: { tags: { t: x } }", "source: a:x, destinations: [b:z], filter: { tags: { t: y } }", false],
    ["source: a:x, destinations: [b:z], filter: { tags: { t: x } }", "source: a:y, destinations: [b:z], filter: { tags: { t: y } }", true],
    ["source: a:x, destinations: [b:z], filter: { maxBytes: 9 }", "source: a:x, destinations: [b:z], filter: { minBytes: 10 }", false],
  ];
  for (const [first, second, collide] of overlaps) {
    it(`${collide ? "refuses" : "lets"} ${first} beside ${second}`, () => {
      const found = problems(`${STORES}rules:\n  - { id: one, ${first} }\n  - { id: two, ${second} }\n`);
      assert.deepEqual(
        found.map(({ message }) => /same keys/.test(message)),
        collide ? [true] : [],
      );
    });
  }
});

describe("interpolation", () => {
  it("cannot change the structure of the file", () => {
    const prefix = 'x" }\nname: evil\nrules: [{}]';
    const config = load(`name: fine\n${rule('filter: { prefix: "${P}" }')}`, { env: { P: prefix } });
    assert.equal(config.name, "fine");
    assert.equal(config.rules[0]?.filter.prefix, prefix);
  });

  it("reads files, defaults, escapes, and does not look at values again", () => {
    writeFileSync(join(directory, "part"), "from-file\n");
    const name = (text: string, env: Environment = {}) => load(`rules: []\nstate: 'sqlite:/x/${text}'`, { env }).state.path.slice(3);
    assert.equal(name("${file:part}"), "from-file");
    assert.equal(name("${A:-d}"), "d");
    assert.equal(name("${A:-d}", { A: "" }), "d");
    assert.equal(name("${A}-${B}", { A: "1", B: "${A}" }), "1-${A}");
    assert.equal(name("$${A}"), "${A}");
  });

  it("gives numbers and switches too", () => {
    const config = load(`listen: { port: "\${PORT}" }\n${rule('enabled: "${ON}"')}`, { env: { PORT: "99", ON: "false" } });
    assert.equal(config.listen.port, 99);
    assert.equal(config.rules[0]?.enabled, false);
  });

  it("refuses what is unset, unreadable or malformed", () => {
    for (const text of ["${A}", "${file:absent}", "${A-b}", "${", "${A:-${B}}"]) {
      assert.equal(problems(`name: '${text}'`).length, 1, text);
    }
  });
});

describe("redaction", () => {
  it("keeps every secret out of JSON, inspect, the effective config and every error", () => {
    const secret = fc.stringMatching(/^[A-Za-z0-9+/]{8,40}$/).filter((text) => /\d.*[A-Z]|[A-Z].*\d/.test(text));
    fc.assert(
      fc.property(
        fc.tuple(secret, secret, secret),
        fc.constantFrom("", "unknwon: 1", 'name: "${S1}"', 'state: "postgres://u:${S2}@h/d"'),
        ([s1, s2, s3], wrong) => {
          const text = `stores:
  a: { credentials: { accessKeyId: k, secretAccessKey: "\${S1}", sessionToken: "\${S2}" } }
rules: [{ id: r, source: ${wrong === "" ? "a:x" : '"a:${SECRET}"'}, destinations: [photos] }]
listen: { tokens: [{ token: "${s3}", scope: admin }] }
${wrong}
`;
          const given = options(text, { env: { S1: s1, S2: s2, SECRET: s1 } });
          const checked = checkConfig(given);
          assert.equal(checked.loaded === undefined, wrong !== "");
          const effective = checked.loaded === undefined ? undefined : effectiveConfig(checked.loaded);
          const printed = [
            inspect(checked, { depth: 20, showHidden: true }),
            JSON.stringify(checked),
            JSON.stringify(effective),
            thrown(given),
          ].join("\n");
          for (const value of [s1, s2, s3]) assert.ok(!printed.includes(value), `${value} in ${printed}`);
        },
      ),
      { numRuns: 40 },
    );
  });

  function thrown(given: LoadOptions): string {
    try {
      loadConfig(given);
      return "";
    } catch (error) {
      return `${inspect(error, { depth: 20 })} ${isReplicationError(error) ? error.hint : ""}`;
    }
  }
});
