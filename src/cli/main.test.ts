import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Writable } from "node:stream";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import type { Environment } from "../config/resolved-config.ts";
import { ReplicationError } from "../domain/error.ts";
import { COMMANDS, LATER_COMMANDS } from "./commands.ts";
import { main } from "./main.ts";
import { Output } from "./output.ts";

const BIN = fileURLToPath(new URL("../../bin/replicast.js", import.meta.url));
const VALID = `rules:
  - { id: r, source: "http://127.0.0.1:1/x", destinations: [{ bucket: photos@eu-west-1, prefix: in/ }], filter: { prefix: raw/ } }
listen: { tokens: [{ token: "\${TOKEN}", scope: admin }] }
`;

let directory = "";
before(() => {
  directory = mkdtempSync(join(tmpdir(), "replicast-cli-"));
  writeFileSync(join(directory, "replicast.yaml"), VALID);
  writeFileSync(join(directory, "wrong.yaml"), "nme: x\nstate: postgres://u:hunter22@h/d");
});
after(() => rmSync(directory, { recursive: true, force: true }));

async function run(argv: readonly string[], env: Environment = { TOKEN: "hunter22" }) {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const code = await main(argv, env, { stdout, stderr, cwd: directory });
  return { code, stdout: String(stdout.read() ?? ""), stderr: String(stderr.read() ?? "") };
}

describe("exit codes", () => {
  const table: readonly (readonly [line: string, code: number, stderr: RegExp])[] = [
    ["--help", 0, /^$/],
    ["--version", 0, /^$/],
    ["validate", 0, /is valid: 1 rule, 1 destination/],
    ["validate -q", 0, /^$/],
    ["config", 0, /^$/],
    ["", 2, /error: no command was given\ntry: /],
    ["-q", 2, /error: no command was given\ntry: /],
    ["validat", 2, /error: there is no command "validat"\ntry: replicast validate/],
    ["validate --jsn", 2, /error: unknown option '--jsn'\ntry: --json/],
    ["validate extra", 2, /error: too many arguments.*\ntry: /],
    ["--config", 2, /error: option .*argument missing\ntry: /],
    ["-c . validate", 2, /error: the config .* cannot be read \(EISDIR\)\ntry: name the file in that directory/],
    ["-c absent.yaml validate", 2, /error: the config absent\.yaml does not exist\ntry: /],
    ["validate --config wrong.yaml", 2, /error: wrong\.yaml has 2 problems[\s\S]*\ntry: /],
    ["config -c wrong.yaml", 2, /error: wrong\.yaml has 2 problems/],
    ["init", 2, /error: .* is there already\ntry: replicast init --force/],
    ...LATER_COMMANDS.map((name) => [`${name} --events`, 2, /is not available in this version of replicast\ntry: /] as const),
  ];
  for (const [line, code, stderr] of table) {
    it(`replicast ${line} exits ${code}`, async () => {
      const result = await run(line.split(" ").filter(Boolean));
      assert.equal(result.code, code, result.stderr);
      assert.match(result.stderr, stderr);
      if (code !== 0) assert.equal(result.stdout, "");
      assert.doesNotMatch(result.stderr, /hunter22|\n +at /);
    });
  }
});

describe("help", () => {
  it("is also what help and help COMMAND ask for, and tells of the options of every command", async () => {
    assert.equal((await run(["help"])).stdout, (await run(["--help"])).stdout);
    const { code, stdout } = await run(["help", "verify"]);
    assert.deepEqual([code, stdout], [0, (await run(["verify", "--help"])).stdout]);
    for (const option of ["--strict", "--config", "--json", "--server", "REPLICAST_TOKEN"]) assert.ok(stdout.includes(option), option);
    assert.equal((await run(["version"])).stdout, (await run(["--version"])).stdout);
    assert.equal((await run(["help", "nothing"])).code, 2);
  });

  for (const name of Object.keys(COMMANDS)) {
    it(`of ${name} has an example`, async () => {
      assert.match((await run([name, "--help"])).stdout, new RegExp(`Examples:\\n  \\$ replicast .*${name}`));
    });
  }
});

describe("validate", () => {
  it("prints one pair a line with its engine", async () => {
    const { stdout } = await run(["validate"]);
    assert.match(
      stdout,
      /^r: http:\/\/127\.0\.0\.1:1\/x\/raw\/\* → aws:photos\/in\/ {2}engine copy \(auto: .*\); .*deletes are not replicated.*\n$/,
    );
  });

  it("prints one JSON document, whether valid or not", async () => {
    const valid = JSON.parse((await run(["--json", "validate"])).stdout);
    assert.equal(valid.schemaVersion, 1);
    assert.equal(valid.rules[0].destinations[0].engine, "copy");
    const invalid = await run(["validate", "--json", "-c", "wrong.yaml"]);
    assert.equal(invalid.code, 2);
    const { problems } = JSON.parse(invalid.stdout);
    assert.deepEqual(
      problems.map(({ path, line }: { path: string; line: number }) => [path, line]),
      [
        ["nme", 1],
        ["state", 2],
      ],
    );
    assert.doesNotMatch(invalid.stdout + invalid.stderr, /hunter22/);
  });
});

describe("config", () => {
  it("prints values with their origin, and no secret", async () => {
    const { stdout } = await run(["config"], { TOKEN: "hunter22", REPLICAST_LISTEN_PORT: "99" });
    assert.match(stdout, /^listen\.port: 99 {2}# env$/m);
    assert.match(stdout, /^listen\.tokens\[0\]\.token: "\[redacted\]" {2}# file$/m);
    assert.match(stdout, /^retry\.max: "15m" {2}# default$/m);
    const document = JSON.parse((await run(["config", "--json"])).stdout);
    assert.equal(document.config.listen.tokens[0].token, "[redacted]");
  });

  it("prints a JSON Schema that knows what is accepted because it asks for nothing", async () => {
    const schema = JSON.parse((await run(["config", "--schema"])).stdout);
    assert.deepEqual(schema.properties.alerts, { enum: [[]] });
    assert.deepEqual(schema.properties.rules.items.properties.engine.enum, ["auto", "copy", "native"]);
    assert.deepEqual(schema.properties.rules.items.properties.deletes.enum, ["none", "markers", "propagate"]);
    assert.deepEqual(schema.properties.rules.items.oneOf, [{ required: ["source", "destinations"] }, { required: ["mesh"] }]);
    assert.equal(schema.properties.rules.items.additionalProperties, false);
  });
});

describe("init", () => {
  it("writes a config that validates once its variables are set", async () => {
    const written = await run(["init", "-c", "new.yaml"]);
    assert.equal(written.code, 0);
    assert.match(readFileSync(join(directory, "new.yaml"), "utf8"), /^rules:/m);
    const checked = await run(["validate", "-c", "new.yaml"], { MINIO_ACCESS_KEY: "k", MINIO_SECRET_KEY: "s" });
    assert.equal(checked.code, 0, checked.stderr);
  });
});

describe("a server", () => {
  it("that a command has no use for is warned of where it was given by hand", async () => {
    assert.match((await run(["validate", "--server", "http://127.0.0.1:1"])).stderr, /^warning: --server has no effect: validate /m);
    const env = { TOKEN: "hunter22", REPLICAST_SERVER: "http://127.0.0.1:1" };
    assert.doesNotMatch((await run(["validate"], env)).stderr, /warning/);
  });
});

describe("streams", () => {
  it("ends quietly when nobody reads stdout", async () => {
    const broken = new Writable({ write: (_chunk, _encoding, done) => done(Object.assign(new Error("write EPIPE"), { code: "EPIPE" })) });
    const stderr = new PassThrough();
    assert.equal(await main(["config", "-q"], { TOKEN: "t" }, { stdout: broken, stderr, cwd: directory }), 0);
    assert.equal(stderr.read(), null);
  });

  it("fails where what it printed was not all written, as on a full disk", async () => {
    const full = new Writable({ write: (_chunk, _encoding, done) => done(Object.assign(new Error("no space left"), { code: "ENOSPC" })) });
    const stderr = new PassThrough();
    assert.equal(await main(["config", "-q"], { TOKEN: "t" }, { stdout: full, stderr, cwd: directory }), 1);
    assert.match(String(stderr.read()), /^warning: stdout cannot be written: no space left\n$/);
  });

  it("never lets an error stand without what to try", () => {
    const stderr = new PassThrough();
    const output = new Output({ stdout: new PassThrough(), stderr, json: false, quiet: true, verbose: false, color: false });
    for (const error of [new ReplicationError("AccessDenied", "no"), new Error("no"), "no"]) {
      output.error(error);
      assert.match(String(stderr.read()), /^error: no\ntry: .*-v.*\n$/);
    }
  });

  it("draws within the width of a terminal, also of one that does not know it, and takes away only what was drawn", async () => {
    for (const columns of [40, 0]) {
      const stderr = Object.assign(new PassThrough(), { isTTY: true, columns });
      const output = new Output({ stdout: new PassThrough(), stderr, json: false, quiet: false, verbose: false, color: false });
      output.release();
      assert.equal(stderr.read(), null);
      output.status("12 objects  3/s");
      assert.equal(String(stderr.read()), "\r\u001b[K12 objects  3/s");
      output.release();
      assert.equal(String(stderr.read()), "\r\u001b[K");
    }
  });

  it("shows stacks with -v only", async () => {
    assert.match((await run(["-v", "-c", "absent.yaml", "validate"])).stderr, /\n +at /);
  });
});

describe("bin/replicast.js", () => {
  const child = (args: readonly string[]) =>
    spawnSync(process.execPath, [BIN, ...args], { cwd: directory, encoding: "utf8", env: { TOKEN: "t" } });

  it("fails where its own stdout is full", { skip: !existsSync("/dev/full") }, () => {
    const full = openSync("/dev/full", "w");
    const { status, stderr } = spawnSync(process.execPath, [BIN, "config", "-q"], {
      cwd: directory,
      encoding: "utf8",
      env: { TOKEN: "t" },
      stdio: ["ignore", full, "pipe"],
    });
    closeSync(full);
    assert.equal(status, 1, stderr);
    assert.match(stderr, /^warning: stdout cannot be written: .*ENOSPC/);
  });

  it("passes on results and exit codes", () => {
    assert.equal(child(["--version"]).status, 0);
    const { status, stderr } = child(["nonsense"]);
    assert.equal(status, 2);
    assert.match(stderr, /^error: there is no command "nonsense"\ntry: /);
  });

  it("loads neither zod nor yaml before a command needs them", () => {
    const hook = `import { registerHooks } from "node:module";
      registerHooks({ resolve: (name, context, next) => { if (/^(zod|yaml)$/.test(name)) throw new Error("loaded " + name); return next(name, context); } });`;
    const url = `data:text/javascript,${encodeURIComponent(hook)}`;
    const { status, stderr } = spawnSync(process.execPath, ["--import", url, BIN, "init", "--help"], { encoding: "utf8" });
    assert.equal(status, 0, stderr);
  });
});
