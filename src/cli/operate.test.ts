import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { createCertificate } from "../../test/support/certificate.ts";
import { openState } from "../app/state.ts";
import { loadConfig } from "../config/load.ts";
import { createHandler, type HandlerOptions } from "../control-plane/handler.ts";
import { type HttpServer, serve } from "../daemon/http-server.ts";
import { OPEN_GATE } from "../domain/delete-gate.ts";
import { blankEntry, type LedgerEntry } from "../domain/status.ts";
import type { State } from "../ports/state.ts";
import { main } from "./main.ts";

const CONFIG = (port: number) => `rules:
  - { id: photos, source: "http://127.0.0.1:1/photos", destinations: ["http://127.0.0.1:1/copy"], filter: { prefix: raw/ } }
  - { id: spare, source: "http://127.0.0.1:1/spare", destinations: ["http://127.0.0.1:1/spare-copy"] }
state: sqlite:./state.db
listen: { port: ${port}, tokens: [{ token: the-admin-token, scope: admin }] }
`;

const ROUTE = { rule: "photos", source: "s3://127.0.0.1:1/photos", destination: "s3://127.0.0.1:1/copy" };
const OBJECT = "http://127.0.0.1:1/photos/raw/x y";

const FAILED: Partial<LedgerEntry> = {
  status: "FAILED",
  attempts: 10,
  finishedAt: Date.UTC(2026, 0, 1),
  error: { code: "AccessDenied", message: "not allowed", hint: "allow it", operation: "PutObject" },
};
const HELD: Partial<LedgerEntry> = { status: "HELD", reason: "DeleteGate", operation: "delete", finishedAt: Date.UTC(2026, 0, 1) };

let directory = "";
before(() => {
  directory = mkdtempSync(join(tmpdir(), "replicast-operate-"));
});
after(() => rmSync(directory, { recursive: true, force: true }));

/** A port that nothing listens on: whoever has it is root. */
const CLOSED_PORT = 9;

beforeEach(() => {
  writeFileSync(join(directory, "replicast.yaml"), CONFIG(CLOSED_PORT));
});
afterEach(() => {
  for (const suffix of ["", "-wal", "-shm", ".lock", ".lock-holder"]) rmSync(join(directory, `state.db${suffix}`), { force: true });
});

function open(): Promise<State> {
  return openState(loadConfig({ configPath: undefined, env: {}, cwd: directory }), "daemon");
}

/** Makes a state in which two objects, and the others named, failed and one delete is held. */
async function seed(...others: readonly string[]): Promise<void> {
  const state = await open();
  const row = (key: string, fields: Partial<LedgerEntry>) => ({ route: ROUTE, entry: { ...blankEntry({ ...ROUTE, key }), ...fields } });
  await state.ledger.adopt([row("raw/x y", FAILED), row("raw/z", FAILED), row("raw/gone", HELD), ...others.map((key) => row(key, FAILED))]);
  await state.safeguards.saveGate(ROUTE, { ...OPEN_GATE, shutAt: 1 });
  await state.close();
}

async function run(line: string | readonly string[], env: Record<string, string> = {}) {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const argv = typeof line === "string" ? line.split(" ") : line;
  const code = await main(argv, env, { stdout, stderr, cwd: directory });
  return { code, stdout: String(stdout.read() ?? ""), stderr: String(stderr.read() ?? "") };
}

async function json(line: string) {
  const { code, stdout, stderr } = await run(`${line} --json`);
  assert.equal(code, 0, stderr);
  const document = JSON.parse(stdout);
  assert.equal(document.schemaVersion, 1);
  return document;
}

describe("without a daemon", () => {
  beforeEach(() => seed());

  it("failures are listed, shown, tried again and discarded in the state itself", async () => {
    const { items } = await json("failures list");
    assert.deepEqual(
      items.map(({ key }: { key: string }) => key),
      ["raw/x y", "raw/z"],
    );
    const { stdout } = await run("failures list");
    assert.match(
      stdout,
      /^ID +RULE +DESTINATION +OBJECT +ATTEMPTS +LAST FAILED +ERROR\n.* photos .*\/photos\/raw\/x y +10 .*AccessDenied\n/,
    );
    assert.match((await run(`failures show ${items[0].id}`)).stdout, /^try +allow it$/m);
    assert.equal((await json(`failures show ${items[0].id}`)).key, "raw/x y");
    assert.equal((await run(`failures redrive ${items[0].id}`)).stdout, "1 tried again\n");
    assert.deepEqual(await json("failures discard --rule photos"), { schemaVersion: 1, changed: 1, notFound: [] });
    assert.match((await run("failures list")).stderr, /nothing has failed/);
    assert.match((await run("objects list --status SKIPPED")).stdout, /photos\/raw\/z .*Discarded/);
    assert.match((await run(["status", OBJECT])).stdout, /PENDING/);
  });

  it("an id that is not there any more is told, and exits 1", async () => {
    const { items } = await json("failures list");
    await run(`failures discard ${items[0].id}`);
    const { code, stdout, stderr } = await run(`failures redrive ${items[0].id} ${items[1].id}`);
    assert.deepEqual([code, stdout], [1, "1 tried again\n"]);
    assert.match(stderr, new RegExp(`warning: .*${items[0].id}`));
    const shown = await run(`failures show ${items[0].id}`);
    assert.equal(shown.code, 1);
    assert.match(shown.stderr, /^error: no failure has the id .*\ntry: /);
  });

  it("held deletes are approved all at once only where that is confirmed", async () => {
    const refused = await run("deletes approve --all");
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /^error: this removes .*\ntry: .*--yes/);
    assert.equal((await json("deletes list")).items.length, 1);
    assert.equal((await run("deletes approve --all --yes")).code, 0);
    assert.match((await run("deletes list")).stderr, /no delete is held/);
    const state = await open();
    const [task] = await state.tasks.claim({ max: 10, now: Date.now(), leaseMs: 1 });
    assert.deepEqual([task?.key, task?.changes?.deleted, task?.changes?.approved], ["raw/gone", true, true]);
    assert.equal((await state.safeguards.gate(ROUTE)).shutAt, null);
    await state.close();
  });

  it("held deletes are rejected: the row says so", async () => {
    const { items } = await json("deletes list");
    assert.match((await run(`deletes reject ${items[0].id}`)).stdout, /^1 rejected/);
    assert.match((await run("objects list --status SKIPPED")).stdout, /DeleteRejected/);
  });

  it("rules are paused and resumed, and status shows it", async () => {
    assert.equal((await run("pause photos")).stdout, "photos  PAUSED\n");
    assert.match((await run("status photos")).stdout, /^photos {2}PAUSED/);
    assert.deepEqual(await json("resume photos"), { schemaVersion: 1, rule: "photos", state: "ACTIVE" });
    const unknown = await run("pause nope");
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /^error: no rule has the id "nope"\ntry: known rules: photos, spare/);
  });

  it("explain tells what is known, and why nothing is", async () => {
    const { stdout } = await run(["explain", OBJECT]);
    assert.match(
      stdout,
      /rule photos is about it\n.*→ .*copy, as raw\/x y\n.*FAILED {2}copy {2}10 attempts\n[\s\S]*error: AccessDenied: not allowed\n +try: allow it\n/,
    );
    assert.match((await run(["explain", "http://127.0.0.1:1/photos/x"])).stdout, /is not about it: the key does not begin with "raw\/"/);
    assert.match((await run(["explain", "http://127.0.0.1:1/photos/raw/new"])).stdout, /nothing is known of it/);
    assert.match((await run(["explain", "http://127.0.0.1:1/other/k"])).stdout, /no rule names/);
    assert.equal((await run("explain nonsense")).code, 2);
  });

  it("an object is found by every name of its bucket, and called by the one in the rules", async () => {
    const { bucket, entries } = JSON.parse((await run(["status", "http://localhost:1/photos/raw/x%20y", "--json"])).stdout);
    assert.deepEqual([bucket, entries[0].status], ["http://127.0.0.1:1/photos", "FAILED"]);
    assert.match((await run(["explain", "http://localhost:1/photos/raw/x%20y"])).stdout, /^http:\/\/127\.0\.0\.1:1\/photos\/raw\/x y$/m);
  });

  it("conflicts: none are there", async () => {
    assert.deepEqual((await json("conflicts list")).items, []);
    assert.match(
      (await run("conflicts resolve c1 --winner http://127.0.0.1:1/photos")).stderr,
      /^error: no conflict has the id "c1"\ntry: /,
    );
  });

  it("a state that another process has, which answers nothing, is not changed", async () => {
    const state = await open();
    const { code, stderr } = await run("failures redrive --all");
    assert.equal(code, 1);
    assert.match(stderr, /^error: the state is in use by process \d+.*\ntry: /);
    assert.equal((await state.ledger.list({ status: "FAILED", limit: 10 })).entries.length, 2);
    await state.close();
  });
});

describe("keys with control characters", () => {
  const odd = "raw/new\nline \u001b[31m\u009b";
  const written = "raw/new\\nline \\u001b[31m\\u009b";
  beforeEach(() => seed(odd));

  it("are printed on one line of their own, and tell the terminal nothing", async () => {
    for (const line of ["objects list", "failures list"]) {
      const { stdout } = await run(line);
      assert.ok(stdout.includes(written), stdout);
      assert.ok(!stdout.includes(odd) && !stdout.includes("\u001b"), line);
    }
    assert.ok((await run(["explain", `http://127.0.0.1:1/photos/${encodeURIComponent(odd)}`])).stdout.includes(written));
  });

  it("are exact in JSON", async () => {
    const { items } = await json("objects list");
    assert.ok(items.some(({ key }: { key: string }) => key === odd));
  });
});

describe("usage", () => {
  const table: readonly (readonly [line: string, stderr: RegExp])[] = [
    ["failures", /missing required argument/],
    ["failures lst", /error: failures has no "lst"\ntry: replicast failures list/],
    ["failures redrive", /error: nothing was named\ntry: .*--all/],
    ["failures redrive --all --rule photos", /exclude each other/],
    ["failures redrive x --all", /exclude each other/],
    ["failures show", /one id is needed/],
    ["failures list --limit 0", /--limit is a whole number/],
    ["failures list f1", /error: list takes no "f1"\ntry: .*show ID/],
    ["deletes list d1", /error: list takes no "d1"/],
    ["conflicts list c1", /error: list takes no "c1"/],
    ["status http://127.0.0.1:1/photos/100%", /is not percent-encoded.*\ntry: .*%25/],
    ["status http://127.0.0.1:1/photos/", /names no object\ntry: BUCKET\/KEY/],
    ["deletes drop", /error: deletes has no "drop"/],
    ["conflicts fix", /error: conflicts has no "fix"/],
    ["conflicts resolve x", /try: --winner BUCKET/],
    ["pause", /missing required argument/],
    ["verify http://127.0.0.1:1/photos", /"http:\/\/127\.0\.0\.1:1\/photos" is one bucket\ntry: name a rule, or the source/],
    ["sync a:photos", /"a:photos" is one bucket/],
    ["status --server nonsense", /is no address of a daemon/],
  ];
  for (const [line, stderr] of table) {
    it(`replicast ${line} exits 2`, async () => {
      const result = await run(line);
      assert.equal(result.code, 2, result.stderr);
      assert.match(result.stderr, stderr);
      assert.equal(result.stdout, "");
    });
  }
});

describe("with a daemon", () => {
  let state: State;
  let server: HttpServer;
  let asked: string[] = [];

  beforeEach(async () => {
    await seed();
    state = await open();
    asked = [];
    const { rules, listen } = loadConfig({ configPath: undefined, env: {}, cwd: directory });
    const options: HandlerOptions = {
      name: "acme",
      version: "1",
      rules,
      state,
      intake: { accept: async () => {} },
      parse: () => ({ events: [], ignored: 0, malformed: [] }),
      stores: () => [],
      metrics: async () => "",
      ready: async () => ({ ready: true }),
      tokens: [{ token: "the-admin-token", scope: "admin" }],
    };
    const handler = createHandler(options);
    const fetch = (request: Request) => {
      asked.push(`${request.method} ${new URL(request.url).pathname}`);
      return handler.fetch(request);
    };
    server = await serve({ ...handler, fetch }, { ...listen, port: 0 });
    writeFileSync(join(directory, "replicast.yaml"), CONFIG(Number(new URL(server.url).port)));
  });
  afterEach(async () => {
    await server.close(0);
    await state.close();
  });

  it("which has the state, changes go to it with the config's own token", async () => {
    assert.equal((await run("failures redrive --rule photos")).stdout, "2 tried again\n");
    assert.equal((await run("pause photos")).stdout, "photos  PAUSED\n");
    assert.deepEqual(asked, ["POST /api/v1/failures/redrive", "POST /api/v1/rules/photos/pause"]);
    assert.deepEqual(await state.safeguards.pausedRules(), ["photos"]);
  });

  it("behind a path of a proxy is asked there", async () => {
    const env = { REPLICAST_TOKEN: "the-admin-token" };
    const { code } = await run(`status --server ${server.url}/proxied/`, env);
    assert.deepEqual([code, asked], [1, ["GET /proxied/api/v1/status"]]);
  });

  it("whose certificate nobody knows is told from one that is not there", async () => {
    const { certificatePem, privateKeyPem } = createCertificate();
    const tls = { certFile: join(directory, "cert.pem"), keyFile: join(directory, "key.pem") };
    writeFileSync(tls.certFile, certificatePem);
    writeFileSync(tls.keyFile, privateKeyPem);
    const handler = { fetch: async () => new Response("{}"), receive: async () => undefined };
    const secure = await serve(handler, { host: "127.0.0.1", port: 0, tokens: [], tls });
    const { code, stderr } = await run(`status --server ${secure.url}`);
    assert.equal(code, 1);
    assert.match(stderr, /^error: the certificate of https:.* is not trusted: .*\ntry: set NODE_EXTRA_CA_CERTS/);
    await secure.close(0);
  });

  it("that --server names, everything is asked of it", async () => {
    const env = { REPLICAST_SERVER: server.url, REPLICAST_TOKEN: "the-admin-token" };
    const { items } = JSON.parse((await run("failures list --json --limit 1", env)).stdout);
    assert.equal(items.length, 1);
    for (const line of [`failures show ${items[0].id}`, "deletes list", "conflicts list", "deletes reject --all --reopen"]) {
      assert.equal((await run(line, env)).code, 0, line);
    }
    assert.match((await run(["explain", OBJECT], env)).stdout, /FAILED/);
    assert.equal(asked.length, 6);
    assert.equal((await run("pause nope", env)).code, 2);
    assert.equal((await run("failures show nope", env)).code, 1);
    assert.equal((await run("objects list --status done", env)).code, 2);
    const wrong = await run("pause photos", { ...env, REPLICAST_TOKEN: "wrong" });
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /try: set REPLICAST_TOKEN/);
  });
});
