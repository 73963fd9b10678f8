import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { assertRefused, expectExit, replicast, startCommand, startDaemon, toItems } from "../replicast.ts";
import { waitFor } from "../wait-for.ts";
import { settle, type World } from "../world.ts";
import { destinationsOf, waitUntilEqual, waitUntilSameListing } from "./comparison.ts";
import { countWrites, fill } from "./crowd.ts";
import { ATTRIBUTES } from "./replication.ts";
import type { Scenario } from "./scenario.ts";

interface Item {
  readonly kind: string;
  readonly rule: string | null;
  readonly destination: string;
  readonly key?: string;
  readonly differs?: readonly string[];
  readonly [count: string]: unknown;
}

const SUMMARY = [
  "kind",
  "rule",
  "destination",
  "compared",
  "equal",
  "missing",
  "different",
  "extra",
  "expected",
  "excluded",
  "pending",
  "bytesRead",
];

async function verify(world: World, code: number, ...args: string[]): Promise<Item[]> {
  return toItems<Item>((await expectExit(code, world, ["verify", ...args, "--json"])).stdout);
}

function differences(items: readonly Item[]): string[] {
  const found = items.filter(({ kind }) => kind !== "SUMMARY");
  return found.map(({ kind, destination, key }) => `${kind} ${destination} ${key}`).sort();
}

function summaryOf(items: readonly Item[], destination: string): Item {
  const found = items.find((item) => item.kind === "SUMMARY" && item.destination === destination);
  assert.ok(found, `a summary of ${destination}`);
  return found;
}

async function findsDrift(world: World): Promise<void> {
  await settle(world);
  for (const key of ["gone", "other", "same"]) await world.a.client.put("photos", key, { ...ATTRIBUTES, body: key });
  await expectExit(0, world, ["run", "--until-idle"]);
  const clean = await verify(world, 0);
  assert.deepEqual(differences(clean), []);
  for (const item of clean) for (const name of SUMMARY) assert.ok(name in item, `a summary tells ${name}`);
  await world.b.client.delete("archive", "gone");
  await world.b.client.put("archive", "other", { body: "another body" });
  await world.b.client.put("archive", "extra", { body: "nobody asked for it" });
  const writes = await countWrites(world);
  const items = await verify(world, 3);
  assert.deepEqual(differences(items), ["DIFFERENT b:archive other", "MISSING b:archive gone"]);
  const { compared, equal, missing, different, extra, expected } = summaryOf(items, "b:archive");
  assert.deepEqual(
    { compared, equal, missing, different, extra, expected },
    { compared: 3, equal: 1, missing: 1, different: 1, extra: 0, expected: 1 },
  );
  const { stdout } = await expectExit(3, world, ["verify", "photos"]);
  assert.match(stdout, /^MISSING +photos +b:archive +gone$/m);
  assert.match(stdout, /^photos +b:far: 3 compared, 3 equal, 0 missing, 0 different$/m);
  assert.equal(await world.b.client.head("archive", "gone"), undefined, "verify writes nothing");
  assert.equal(await countWrites(world), writes);
  const young = await verify(world, 0, "--min-age", "1h");
  assert.deepEqual([differences(young), summaryOf(young, "b:archive")["compared"]], [[], 0]);
}

async function strictness(world: World): Promise<void> {
  await settle(world);
  await world.a.client.put("photos", "k", { body: "k" });
  await expectExit(0, world, ["run", "--until-idle"]);
  await world.b.client.put("far", "extra", { body: "nobody asked for it" });
  assert.deepEqual(differences(await verify(world, 0)), []);
  await verify(world, 3, "--strict");
  const named = await verify(world, 0, "a:photos", "b:far");
  assert.deepEqual(differences(named), ["EXTRA b:far extra"]);
  assert.equal(named[0]?.rule, null);
  await verify(world, 3, "a:photos", "b:far", "--strict");
}

async function attributes(world: World): Promise<void> {
  await settle(world);
  for (const key of ["tagged", "described"]) await world.a.client.put("photos", key, { ...ATTRIBUTES, body: key });
  await expectExit(0, world, ["run", "--until-idle"]);
  assert.deepEqual(differences(await verify(world, 0, "--attributes")), []);
  await world.b.client.setTags("archive", "tagged", { team: "red" });
  await world.b.client.put("archive", "described", { ...ATTRIBUTES, body: "described", metadata: { origin: "elsewhere" } });
  assert.deepEqual(differences(await verify(world, 0)), [], "the bytes are the same");
  const items = (await verify(world, 3, "--attributes")).filter(({ kind }) => kind !== "SUMMARY");
  assert.deepEqual(items.map(({ kind, destination, key, differs }) => [kind, destination, key, differs]).sort(), [
    ["DIFFERENT", "b:archive", "described", ["metadata"]],
    ["DIFFERENT", "b:archive", "tagged", ["tags"]],
  ]);
}

async function checksums(world: World): Promise<void> {
  await settle(world);
  const body = randomBytes(6 << 20);
  await world.a.client.put("photos", "same", { body });
  await world.b.client.putMultipart("far", "same", { parts: [body.subarray(0, 5 << 20), body.subarray(5 << 20)] });
  const [found] = await verify(world, 3, "a:photos", "b:far");
  assert.deepEqual([found?.kind, found?.key], ["UNPROVEN", "same"]);
  const items = await verify(world, 0, "a:photos", "b:far", "--checksum");
  const { equal, bytesRead } = summaryOf(items, "b:far");
  assert.deepEqual([differences(items), equal, bytesRead], [[], 1, 2 * body.length]);
}

async function syncRepairs(world: World): Promise<void> {
  await settle(world);
  await fill(world.a.client, { count: 30 });
  await world.a.client.put("photos", "page", { ...ATTRIBUTES, body: "page" });
  const dry = await expectExit(0, world, ["sync", "a:photos", "a:near", "b:far", "b:archive", "--dry-run", "--json"]);
  assert.equal(differences(toItems<Item>(dry.stdout)).length, 3 * 31);
  for (const { client, bucket } of destinationsOf(world)) assert.deepEqual(await client.list(bucket), []);
  const { stdout } = await expectExit(0, world, ["sync", "a:photos", "a:near", "b:far", "b:archive", "--json"]);
  const summary = summaryOf(toItems<Item>(stdout), "b:far");
  for (const name of [...SUMMARY, "copied", "failed", "bytesCopied"]) assert.ok(name in summary, `a summary tells ${name}`);
  assert.deepEqual([summary["copied"], summary["failed"]], [31, 0]);
  await waitUntilSameListing(world);
  await waitUntilEqual(world, "page");
  await expectExit(0, world, ["sync", "a:photos", "b:far"]);
  assert.equal(await countWrites(world), 31, "a second sync copies nothing");
  await world.b.client.put("archive", "page", { body: "drifted" });
  await world.b.client.delete("archive", "crowd/00003");
  await expectExit(0, world, ["sync", "photos"]);
  await waitUntilEqual(world, "page");
  assert.deepEqual(differences(await verify(world, 0, "--attributes")), []);
}

async function interrupted(world: World): Promise<void> {
  await settle(world);
  await fill(world.a.client, { count: 300 });
  const sync = startCommand(world, "sync", "a:photos", "b:far", "--concurrency", "1");
  await waitFor("the first copies", async () => (await world.b.client.list("far")).length > 0, { timeoutMs: 90_000 });
  sync.signal("SIGINT");
  const { code, stderr } = await sync.finished;
  assert.equal(code, 130, stderr);
  const copied = await countWrites(world);
  assert.ok(copied < 300, `${copied} of 300 were copied when it was interrupted`);
  await expectExit(0, world, ["sync", "a:photos", "b:far"]);
  assert.equal(await countWrites(world), 300, "nothing was copied twice");
}

async function oneAtATime(world: World): Promise<void> {
  await settle(world);
  await using daemon = await startDaemon(world, world.port);
  const holder = new RegExp(`in use by process ${daemon.pid}, running since \\d{4}-`);
  assertRefused(await replicast(world, "sync", "photos"), 1, holder);
  assertRefused(await replicast(world, "run"), 1, holder);
  await world.a.client.put("photos", "still works", { body: "x" });
  await waitUntilEqual(world, "still works");
  await expectExit(0, world, ["verify", "photos"]);
  await daemon.stop();
  await expectExit(0, world, ["sync", "photos"]);
}

export const driftScenarios: readonly Scenario[] = [
  { title: "invariants 1 and 4: verify names what is missing and different, exits 3 and changes nothing", run: findsDrift },
  { title: "invariant 4: what only the destination has is a difference to verify --strict alone", run: strictness },
  { title: "invariant 9: verify --attributes finds changed metadata and tags", run: attributes },
  { title: "invariant 8: what ETags cannot prove is UNPROVEN until verify --checksum reads both sides", run: checksums },
  { title: "invariants 1 and 5: sync repairs what is missing or different, and with --dry-run changes nothing", run: syncRepairs },
  { title: "invariant 1: a sync that Ctrl-C ends exits 130, and a second one finishes its work", run: interrupted },
  { title: "invariant 10: a sync of a rule and a second run name the daemon that holds the state", run: oneAtATime },
];
