import assert from "node:assert/strict";
import { once } from "node:events";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { StatusDocument } from "../../src/control-plane/contract.ts";
import { type EmbeddedWorld, openEmbeddedWorld } from "../support/embedded-world.ts";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { askJson, assertRefused, expectExit, replicast, startDaemon } from "../support/replicast.ts";
import { waitUntilEqual } from "../support/scenarios/comparison.ts";
import { waitFor } from "../support/wait-for.ts";
import { type Config, configure, defaultConfig, settle } from "../support/world.ts";

interface Mistake {
  readonly what: string;
  readonly changes: (world: EmbeddedWorld) => Config;
  readonly says: RegExp;
}

const rule = { id: "photos", source: "a:photos", destinations: ["b:far"] };

function storesWith(world: EmbeddedWorld, changes: object): Config {
  const { stores } = defaultConfig(world) as { readonly stores: { readonly a: object; readonly b: object } };
  return { stores: { ...stores, b: { ...stores.b, ...changes } } };
}

const VARIABLE = "$" + "{NOT_SET_ANYWHERE}";
const OWN_KEY = "$" + "{B_KEY}";

/** A config in which everything is wrong, and what must be said of it. */
const WRONG: Config = {
  naem: "acme",
  name: VARIABLE,
  runtime: "cluster",
  state: "postgres://u:hunter2hunter2@h/d",
  alerts: [{ type: "webhook", url: "https://127.0.0.1/x" }],
  rules: [
    { ...rule, filtre: {} },
    { ...rule, id: "two", source: { bucket: "a:photos", account: "12" }, destinations: [] },
    { ...rule, id: "three", source: "c:photos" },
    { ...rule, id: "four", destinations: ["a:photos"] },
    { ...rule, id: "five", destinations: ["b:five"], engine: "native" },
    { id: "six", mesh: ["a:photos"], versions: "every" },
    { ...rule, destinations: ["b:seven"] },
  ],
};
const TOLD: readonly RegExp[] = [
  /naem[\s\S]*\bname\b/,
  /filtre[\s\S]*\bfilter\b/,
  /NOT_SET_ANYWHERE/,
  /runtime: cluster is not available in this version/,
  /state postgres is not available in this version/,
  /alerts is not available in this version/,
  /rules\[1\]\.destinations/,
  /rules\[2\]\.source.*c/,
  /a:photos is the source itself/,
  /rules\[4\]\.engine: native cannot serve this rule: a:photos is not on AWS; b:five is not on AWS/,
  /rules\[1\]\.source\.account: must be the 12 digits/,
  /rules\[5\]\.mesh: needs two members at least/,
  /rules\[5\]\.versions/,
  /rules\[6\]\.id/,
];

const MISTAKES: readonly Mistake[] = [
  {
    what: "a missing bucket",
    changes: () => ({ rules: [{ ...rule, destinations: ["b:nowhere"] }] }),
    says: /nowhere[\s\S]*create the bucket/,
  },
  { what: "a missing source", changes: () => ({ rules: [{ ...rule, source: "a:nowhere" }] }), says: /nowhere[\s\S]*create the bucket/ },
  {
    what: "a wrong secret",
    changes: (world) => storesWith(world, { credentials: { accessKeyId: OWN_KEY, secretAccessKey: "hunter2hunter2" } }),
    says: /SignatureDoesNotMatch/,
  },
  {
    what: "an unknown access key",
    changes: (world) => storesWith(world, { credentials: { accessKeyId: "nobody", secretAccessKey: "hunter2hunter2" } }),
    says: /InvalidAccessKeyId/,
  },
  {
    what: "a store that is not there",
    changes: (world) => storesWith(world, { endpoint: "http://127.0.0.1:1" }),
    says: /cannot be reached|127\.0\.0\.1:1/,
  },
  { what: "a state in a folder that is not there", changes: () => ({ state: "sqlite:./no/such/folder/x.db" }), says: /no\/such\/folder/ },
  { what: "a state that is a folder", changes: () => ({ state: "sqlite:." }), says: /state/ },
];

describe("bad input", () => {
  guardAgainstLeaks();

  test("what is wrong with stores and states is said with a hint, the right exit code and no secret", async () => {
    await using opened = await openEmbeddedWorld();
    const world = { ...opened, secrets: [...opened.secrets, "hunter2hunter2"] };
    await settle(world);
    for (const { what, changes, says } of MISTAKES) {
      await configure(world, changes(world));
      const finished = await replicast(world, "run", "--until-idle");
      assert.doesNotThrow(() => assertRefused(finished, 1, says), `${what}: exit ${finished.code}\n${finished.stderr}`);
    }
  });

  test("all problems of a config are told at once, without its secrets; later features are refused by name", async () => {
    await using opened = await openEmbeddedWorld();
    const world = { ...opened, secrets: [...opened.secrets, "hunter2hunter2"] };
    await configure(world, WRONG);
    const finished = await replicast(world, "validate");
    for (const told of TOLD) assertRefused(finished, 2, told);
    assert.match(finished.stderr, /replicast\.yaml:\d+:\d+/);
  });

  test("a key that stands twice is told with its line", async () => {
    await using world = await openEmbeddedWorld();
    await writeFile(join(world.directory, "replicast.yaml"), "version: 1\nname: y\nname: z\n");
    assertRefused(await replicast(world, "validate"), 2, /replicast\.yaml:3:1: the same key twice/);
  });

  test("commands used wrongly exit 2 with a hint; those of later versions are refused by name", async () => {
    await using world = await openEmbeddedWorld();
    const lines: readonly (readonly [RegExp, readonly string[]])[] = [
      [/there is no command "snyc"/, ["snyc"]],
      [/"drill" is not available in this version/, ["drill"]],
      [/there is no replicast\.yaml here/, ["apply"]],
      [/"failover" is not available in this version/, ["failover"]],
      [/unknown option '--frobnicate'/, ["sync", "--frobnicate"]],
      [/there is no replicast\.yaml here/, ["status"]],
      [/none\.yaml does not exist/, ["-c", "none.yaml", "run"]],
      [/--min-age is no duration/, ["verify", "--min-age", "soon"]],
      [/no command was given/, []],
    ];
    await Promise.all(lines.map(async ([says, args]) => assertRefused(await replicast(world, ...args), 2, says)));
  });

  test("a damaged state, one of another program, and one that may not be written stop the daemon, which touches nothing", async () => {
    await using world = await openEmbeddedWorld();
    await settle(world, { state: "sqlite:./state/replicast.db" });
    const directory = join(world.directory, "state");
    const file = join(directory, "replicast.db");
    await mkdir(directory);
    for (const content of ["not a database at all ".repeat(400), `SQLite format 3\0${"x".repeat(8000)}`]) {
      await writeFile(file, content);
      assertRefused(await replicast(world, "run", "--until-idle"), 1, /state/);
      assertRefused(await replicast(world, "status"), 1, /state/);
      assert.equal(await readFile(file, "utf8"), content);
    }
    if (process.getuid?.() === 0) return; // whom no file system refuses anything
    await chmod(directory, 0o500);
    assertRefused(await replicast(world, "run", "--until-idle"), 1, /right to/);
    await chmod(directory, 0o700);
  });

  test("a port that is in use is named", async () => {
    await using world = await openEmbeddedWorld();
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    await settle(world, { listen: { host: "127.0.0.1", port } });
    assertRefused(await replicast(world, "run"), 2, new RegExp(`127\\.0\\.0\\.1:${port}: the port is in use`));
    server.close();
    await once(server, "close");
  });
});

interface Answer {
  readonly status: number;
  readonly type: string | null;
  readonly body: string;
}

type Ask = (path: string, init?: RequestInit) => Promise<Answer>;

function asker(url: string): Ask {
  return async (path, init = {}) => {
    const answer = await fetch(url + path, { ...init, headers: { connection: "close", ...init.headers } });
    return { status: answer.status, type: answer.headers.get("content-type"), body: await answer.text() };
  };
}

function assertProblem({ status, type, body }: Answer, expected: number): void {
  assert.equal(status, expected, body);
  assert.equal(type, "application/problem+json");
  const problem = JSON.parse(body) as { readonly code?: string; readonly detail?: string; readonly hint?: string };
  assert.ok(problem.code && problem.detail && problem.hint, body);
  assert.doesNotMatch(body, /\bat .*\.ts:/);
}

describe("bad requests", () => {
  guardAgainstLeaks();

  test("invariant 1: what can never be events is refused with a reason, what may be is set aside, and good events still arrive", async () => {
    await using world = await openEmbeddedWorld();
    await settle(world);
    await using daemon = await startDaemon(world, world.port);
    const ask = asker(daemon.url);
    const post = (body: string | Uint8Array<ArrayBuffer>, store = "a") => ask(`/events/${store}`, { method: "POST", body });
    assertProblem(await post("x".repeat(10 << 20)), 413);
    assertProblem(await post(new Uint8Array([0, 255, 254, 1, 128])), 400);
    assertProblem(await post("{ no json"), 400);
    assertProblem(await post("{}", "nowhere"), 404);
    assertProblem(await ask("/events/a"), 405);
    assertProblem(await ask("/nothing/here"), 404);
    assertProblem(await ask("/api/v1/status?rule=nope"), 400);
    for (const body of ['{"hello":"world"}', "[]", "7", '{"Records":[{"s3":{}}]}']) assert.equal((await post(body)).status, 200, body);
    const elsewhere = { eventName: "ObjectCreated:Put", s3: { bucket: { name: "unknown" }, object: { key: "k" } } };
    assert.equal((await post(JSON.stringify({ Records: [elsewhere] }))).status, 200);
    const counts = await waitFor("all of them to be counted", async () => {
      const { intake } = await askJson<StatusDocument>(world, "status");
      const found = intake.find(({ store }) => store === "a");
      assert.deepEqual([found?.malformed, found?.ignored], [4, 1]);
      return found;
    });
    assert.ok(counts.lastMalformed?.reason);
    await world.a.client.put("photos", "good", { body: "good" });
    await waitUntilEqual(world, "good");
    await daemon.stop();
  });

  test("probes are open, metrics and the API need a token of their scope", async () => {
    await using world = await openEmbeddedWorld();
    const tokens = ["events", "read", "admin"].map((scope) => ({ token: `${scope}-token-of-this-test`, scope }));
    await settle(world, { listen: { host: "127.0.0.1", port: world.port, tokens } });
    await world.a.client.put("photos", "k", { body: "k" });
    await using daemon = await startDaemon({ ...world, secrets: [...world.secrets, "token-of-this-test"] }, world.port);
    const ask = asker(daemon.url);
    for (const path of ["/healthz", "/readyz"]) assert.equal((await ask(path)).status, 200);
    const bearer = (scope: string) => ({ headers: { authorization: `Bearer ${scope}-token-of-this-test` } });
    for (const path of ["/metrics", "/api/v1/status", "/api/v1/stores", "/api/v1/objects", "/api/v1/failures"]) {
      assertProblem(await ask(path), 401);
      assertProblem(await ask(path, bearer("wrong")), 401);
      assertProblem(await ask(path, bearer("events")), 403);
      assert.equal((await ask(path, bearer("read"))).status, 200, path);
      assert.equal((await ask(path, bearer("admin"))).status, 200, path);
    }
    assertProblem(await ask("/events/a", { method: "POST", body: "{}" }), 401);
    assert.equal((await ask("/events/a", { method: "POST", body: "{}", ...bearer("events") })).status, 200);
    await waitUntilEqual(world, "k");
    const { body } = await ask("/metrics", bearer("read"));
    for (const name of ["operations_pending", "bytes_pending", "operations_completed_total", "replication_latency_seconds_bucket"])
      assert.match(body, new RegExp(`^replicast_${name}\\{.*rule="photos".*\\}`, "m"), name);
    assert.match(body, /^replicast_store_up\{store="b"\} 1$/m);
    await daemon.stop();
  });
});

describe("first steps", () => {
  guardAgainstLeaks();

  test("init writes a config that validate takes once its variables are set, and does not write over one", async () => {
    await using opened = await openEmbeddedWorld();
    const world = { ...opened, env: { MINIO_ACCESS_KEY: "someone", MINIO_SECRET_KEY: "hunter2hunter2" }, secrets: ["hunter2hunter2"] };
    await expectExit(0, world, ["init"]);
    assertRefused(await replicast(world, "init"), 2, /is there already/);
    const [validated, effective, schema, refused] = await Promise.all([
      expectExit(0, world, ["validate"]),
      expectExit(0, world, ["config"]),
      expectExit(0, world, ["config", "--schema"]),
      replicast({ ...world, env: {} }, "validate"),
    ]);
    assert.match(validated.stdout, /^photos: minio:photos → .*photos-copy.* {2}engine copy/m);
    assert.match(effective.stdout, /secretAccessKey: "\[redacted\]"/);
    assert.equal(typeof JSON.parse(schema.stdout), "object");
    assertRefused(refused, 2, /MINIO_ACCESS_KEY/);
  });

  test("invariants 1 and 9: the demo replicates while somebody writes, and ends with 0 when all sides are equal", async () => {
    await using world = await openEmbeddedWorld();
    const { stdout } = await expectExit(0, world, ["demo", "--for", "3s", "--json"]);
    assert.equal((JSON.parse(stdout) as { readonly equal: boolean }).equal, true);
  });
});
