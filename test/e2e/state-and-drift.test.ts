import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { describe, test } from "node:test";
import { main } from "../../src/cli/main.ts";
import { openEmbeddedWorld } from "../support/embedded-world.ts";
import { interceptorBefore } from "../support/intercept.ts";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { askJson, assertRefused, expectExit, replicast, startDaemon, toItems } from "../support/replicast.ts";
import { backfillScenarios, failureScenarios } from "../support/scenarios/backfill.ts";
import { driftScenarios } from "../support/scenarios/drift.ts";
import { bind } from "../support/scenarios/scenario.ts";
import { statusScenarios } from "../support/scenarios/status.ts";
import { waitFor } from "../support/wait-for.ts";
import { type Config, configure, defaultConfig, settle, type World } from "../support/world.ts";

describe("backfill, status, verify and sync between two embedded stores", () => {
  guardAgainstLeaks();
  bind(openEmbeddedWorld, [...backfillScenarios, ...failureScenarios, ...statusScenarios, ...driftScenarios]);
});

describe("sync of buckets by their names", () => {
  guardAgainstLeaks();

  test("invariant 3: into a bucket that clients write to as well, the rule decides and nothing newer is written over", async () => {
    await using world = await openEmbeddedWorld();
    await settle(world, { rules: [{ id: "team", mesh: ["a:photos", "b:far"] }] });
    await world.a.client.put("photos", "k", { body: "first" });
    await expectExit(0, world, ["run", "--until-idle"]);
    await world.b.client.put("far", "k", { body: "newer, of b" });
    assertRefused(
      await replicast(world, "sync", "a:photos/k", "b:far"),
      2,
      /rule team replicates a part of this.*\ntry: replicast sync team/,
    );
    const { stderr } = await expectExit(0, world, ["sync", "a:photos", "b:far"]);
    assert.match(stderr, /rule team replicates this/);
    for (const [client, bucket] of [[world.a.client, "photos"] as const, [world.b.client, "far"] as const]) {
      assert.equal(String((await client.get(bucket, "k"))?.body), "newer, of b", bucket);
    }
  });

  test("--dry-run names what it would copy, and copies nothing", async () => {
    await using world = await openEmbeddedWorld();
    await settle(world);
    await world.a.client.put("photos", "a\nb", { body: "x" });
    const { stdout } = await expectExit(0, world, ["sync", "a:photos", "b:far", "--dry-run"]);
    assert.equal(stdout, "MISSING    b:far  a\\nb\nb:far: 1 compared, 0 equal, 1 missing, 0 different (nothing copied)\n");
    assert.deepEqual(await world.b.client.list("far"), []);
  });

  test("a sync that finds a daemon at work says what that daemon does anyway", async () => {
    await using world = await openEmbeddedWorld();
    await settle(world);
    await using daemon = await startDaemon(world, world.port);
    assertRefused(await replicast(world, "sync", "photos"), 1, /in use by process.*\ntry: leave it to that daemon, .*schedule\.sync/);
    await daemon.stop();
  });
});

/** The stores of the default world, and one at which nobody answers. */
function withDeadStore(world: World): Config {
  const { stores } = defaultConfig(world) as { readonly stores: object };
  const nowhere = { endpoint: "http://127.0.0.1:1", credentials: { accessKeyId: "nobody", secretAccessKey: "nothing" } };
  return { stores: { ...stores, x: nowhere } };
}

const PHOTOS = { id: "photos", source: "a:photos" };
const COMPARED = ["compared", "equal", "missing", "different", "extra", "expected", "excluded", "pending"];

describe("verify and sync of several destinations and rules, one of which cannot be reached (invariant 7)", () => {
  guardAgainstLeaks();

  const rules = [
    { ...PHOTOS, destinations: ["x:gone", "b:far"] },
    { id: "broken", source: "x:src", destinations: ["a:near", "b:spare"] },
    { id: "last", source: "a:photos", destinations: ["b:archive"] },
  ];

  test("verify compares all others, names the broken ones at the end, and fails rather than differs", async () => {
    await using world = await openEmbeddedWorld();
    await settle(world, { ...withDeadStore(world), rules });
    await world.b.client.createBucket("spare");
    await world.a.client.put("photos", "k", { body: "k" });
    await world.b.client.put("archive", "k", { body: "k" });
    const { stdout, stderr } = await expectExit(1, world, ["verify"]);
    assert.deepEqual(stdout.split("\n"), [
      "MISSING    photos  b:far  k",
      "photos  x:gone: cannot be compared (StoreUnreachable)",
      "photos  b:far: 1 compared, 0 equal, 1 missing, 0 different",
      "broken  a:near: cannot be compared (StoreUnreachable)",
      "broken  b:spare: cannot be compared (StoreUnreachable)",
      "last  b:archive: 1 compared, 1 equal, 0 missing, 0 different",
      "",
    ]);
    assert.match(
      stderr,
      /^error: photos: x:gone: .*127\.0\.0\.1:1.*\ntry: .*\nerror: broken: a:near, b:spare: .*127\.0\.0\.1:1.*\ntry: .*\n$/m,
    );
  });

  test("--json says of the broken ones why, and null of what is not known", async () => {
    await using world = await openEmbeddedWorld();
    await settle(world, { ...withDeadStore(world), rules });
    await world.b.client.createBucket("spare");
    await world.a.client.put("photos", "k", { body: "k" });
    for (const command of ["verify", "sync"]) {
      const { stdout } = await expectExit(1, world, [command, "--json"]);
      const summaries = toItems<Record<string, unknown>>(stdout).filter(({ kind }) => kind === "SUMMARY");
      const broken = summaries.filter(({ error }) => error !== undefined);
      assert.deepEqual(
        broken.map(({ rule, destination }) => `${rule} ${destination}`),
        ["photos x:gone", "broken a:near", "broken b:spare"],
      );
      for (const summary of broken) {
        const { code, message, hint, operation } = summary["error"] as Record<string, unknown>;
        assert.deepEqual([code, operation], ["StoreUnreachable", "ListObjectsV2"]);
        assert.ok(typeof message === "string" && typeof hint === "string");
        for (const name of COMPARED) assert.equal(summary[name], null, `${command} ${name}`);
      }
      const whole = summaries.filter(({ error }) => error === undefined);
      assert.deepEqual(
        whole.map(({ rule, destination, compared }) => [rule, destination, compared]),
        [
          ["photos", "b:far", 1],
          ["last", "b:archive", 1],
        ],
        command,
      );
    }
  });

  test("sync copies to all others", async () => {
    await using world = await openEmbeddedWorld();
    await settle(world, { ...withDeadStore(world), rules });
    await world.b.client.createBucket("spare");
    await world.a.client.put("photos", "k", { body: "k" });
    const { stdout, stderr } = await expectExit(1, world, ["sync"]);
    assert.match(stdout, /^photos {2}b:far: 1 compared, .*, 1 copied \(1 B\), 0 failed$/m);
    assert.match(stdout, /^photos {2}x:gone: cannot be compared \(StoreUnreachable\), 0 copied/m);
    assert.match(stderr, /^error: photos: x:gone: .*127\.0\.0\.1:1.*\ntry: /m);
    for (const bucket of ["far", "archive"]) assert.ok(await world.b.client.head(bucket, "k"), bucket);
    const { rules: told } = await askJson<StatusDocument>(world, "status");
    const synced = told.map(({ id, lastSyncAt }) => [id, lastSyncAt !== null]);
    assert.deepEqual(synced, [
      ["photos", false],
      ["broken", false],
      ["last", true],
    ]);
  });

  test("sync brings the members of a mesh in line that are there, whichever is not", async () => {
    for (const mesh of [
      ["a:photos", "b:far", "x:gone"],
      ["x:gone", "a:photos", "b:far"],
    ]) {
      await using world = await openEmbeddedWorld();
      await settle(world, { ...withDeadStore(world), rules: [{ id: "team", mesh }] });
      await world.a.client.put("photos", "of-a", { body: "a" });
      await world.b.client.put("far", "of-b", { body: "b" });
      const { stderr } = await expectExit(1, world, ["sync", "team"]);
      assert.match(stderr, /^error: team: .*x:gone.*127\.0\.0\.1:1.*\ntry: /m);
      assert.equal(stderr.match(/^error: /gm)?.length, 1, stderr);
      assert.ok(await world.b.client.head("far", "of-a"), `${mesh}`);
      assert.ok(await world.a.client.head("photos", "of-b"), `${mesh}`);
    }
  });
});

interface StatusDocument {
  readonly rules: readonly { readonly id: string; readonly lastSyncAt: string | null }[];
}

describe("what a sync and a verify tell", () => {
  guardAgainstLeaks();

  test("a whole rule's sync is its last comparison; a dry run, a part of it and one with failures are not", async () => {
    await using world = await openEmbeddedWorld();
    await settle(world);
    const lastSyncAt = async () => (await askJson<StatusDocument>(world, "status")).rules[0]?.lastSyncAt;
    await world.a.client.put("photos", "k", { body: "k" });
    await configure(world, { rules: [{ ...PHOTOS, destinations: ["b:far", "b:nowhere"] }] });
    await expectExit(1, world, ["sync", "photos"]);
    await configure(world, { rules: [{ ...PHOTOS, destinations: ["b:far"] }] });
    await expectExit(0, world, ["sync", "photos", "--dry-run"]);
    await expectExit(0, world, ["sync", "a:photos/k", "b:far/k"]);
    assert.equal(await lastSyncAt(), null);
    const before = new Date().toISOString();
    await expectExit(0, world, ["sync", "photos"]);
    const synced = await lastSyncAt();
    assert.ok(typeof synced === "string" && synced >= before, `${synced}`);
  });

  test("a sync begins nothing with copy that apply may yet leave to S3", async () => {
    await using opened = await openEmbeddedWorld();
    const world = { ...opened, env: { ...opened.env, AWS_ENDPOINT_URL: opened.a.endpoint } };
    const { stores } = defaultConfig(world) as { readonly stores: { readonly a: { readonly endpoint: string }; readonly b: object } };
    const { endpoint: _, ...a } = stores.a;
    const rules = [{ id: "open", source: "a:photos", destinations: ["a:near"] }];
    await settle(world, { stores: { ...stores, a: { ...a, forcePathStyle: true } }, rules });
    await world.a.client.put("photos", "k", { body: "k" });
    const synced = async () =>
      (await askJson<StatusDocument>(world, "status")).rules.map(({ id, lastSyncAt }) => [id, lastSyncAt !== null]);
    await expectExit(0, world, ["sync", "open"]);
    assert.ok(await world.a.client.head("near", "k"), "it is copied all the same");
    assert.deepEqual(await synced(), [["open", false]]);
  });

  test("the metrics of the daemon tell what its last comparison found, and when that was", async () => {
    await using world = await openEmbeddedWorld();
    const half = { id: "half", source: "a:photos", destinations: ["b:archive", "x:gone"] };
    await settle(world, { ...withDeadStore(world), rules: [{ ...PHOTOS, destinations: ["b:far"] }, half] });
    for (const key of ["other", "missing"]) await world.a.client.put("photos", key, { body: key });
    await world.b.client.put("far", "other", { body: "else!" });
    const before = Date.now() / 1000;
    await using daemon = await startDaemon(world, world.port);
    let text = "";
    const value = (name: string, labels = "", route = 'rule="photos",destination="b:far"') => {
      const line = text.split("\n").find((one) => one.startsWith(`replicast_${name}{${route}${labels}} `));
      return line === undefined ? undefined : Number(line.split(" ").at(-1));
    };
    const compared = ['rule="photos",destination="b:far"', 'rule="half",destination="b:archive"'];
    await waitFor("the first comparisons", async () => {
      text = await (await fetch(`${daemon.url}/metrics`)).text();
      return compared.every((route) => value("last_verify_success_timestamp_seconds", "", route) !== undefined);
    });
    assert.deepEqual([value("drift_objects", ',kind="MISSING"'), value("drift_objects", ',kind="DIFFERENT"')], [1, 1]);
    assert.equal(value("drift_objects", ',kind="EXTRA"'), undefined, "nothing is extra to a rule that removes nothing");
    assert.ok((value("last_verify_success_timestamp_seconds") ?? 0) >= before - 1);
    assert.doesNotMatch(text, /(drift_objects|timestamp_seconds)\{[^}]*x:gone/, "what cannot be compared has no such value");
    await daemon.stop();
  });

  test("sync --json names what differs, as verify does", async () => {
    await using world = await openEmbeddedWorld();
    await settle(world, { rules: [{ ...PHOTOS, destinations: ["b:far"] }] });
    for (const key of ["etag", "missing", "size"]) await world.a.client.put("photos", key, { body: key });
    await world.b.client.put("far", "etag", { body: "else" });
    await world.b.client.put("far", "size", { body: "other bytes" });
    const differences = async (code: number, ...args: string[]) => {
      const items = toItems<Record<string, unknown>>((await expectExit(code, world, [...args, "photos", "--json"])).stdout);
      return items.filter(({ kind }) => kind !== "SUMMARY").sort((a, b) => String(a["key"]).localeCompare(String(b["key"])));
    };
    const found = await differences(3, "verify");
    assert.deepEqual(
      found.map(({ kind, differs }) => [kind, differs]),
      [
        ["DIFFERENT", ["etag"]],
        ["MISSING", []],
        ["DIFFERENT", ["size", "etag"]],
      ],
    );
    assert.deepEqual(await differences(0, "sync"), found);
  });

  test("verify shows on a terminal how far it has come", async () => {
    await using world = await openEmbeddedWorld();
    await settle(world);
    await using wire = await interceptorBefore(world.b.endpoint);
    for (const key of ["first", "held"]) {
      await world.a.client.put("photos", key, { body: key });
      await world.b.client.put("far", key, { body: key });
    }
    const { stores } = defaultConfig(world) as { readonly stores: { readonly a: object; readonly b: object } };
    await configure(world, { stores: { ...stores, b: { ...stores.b, endpoint: wire.endpoint } } });
    const stdout = new PassThrough().resume();
    const stderr = Object.assign(new PassThrough(), { isTTY: true, columns: 100 });
    let drawn = "";
    stderr.on("data", (chunk: Buffer) => (drawn += String(chunk)));
    const shown = Promise.withResolvers<void>();
    wire.intercept = async ({ method, url }) => {
      if (method === "GET" && url?.includes("/far/held") === true) await shown.promise;
      return undefined;
    };
    const words = ["verify", "a:photos", "b:far", "--checksum"];
    const ended = main(words, { NO_COLOR: "1", ...world.env }, { stdout, stderr, cwd: world.directory });
    try {
      await waitFor("the progress to be drawn", async () => /1 objects compared {2}[\d.]+\/s {2}\d+ B/.test(drawn));
    } finally {
      shown.resolve();
    }
    assert.equal(await ended, 0, drawn);
    assert.ok(drawn.endsWith("\r\u001b[K"), "it is taken away in the end");
  });
});
