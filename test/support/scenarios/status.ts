import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import type { ListDocument, ObjectDocument, ObjectListItem, StatusDocument } from "../../../src/control-plane/contract.ts";
import { askJson, assertRefused, expectExit, replicast, startDaemon, type Workplace } from "../replicast.ts";
import { waitFor } from "../wait-for.ts";
import { settle, type World } from "../world.ts";
import { waitUntilEqual } from "./comparison.ts";
import type { Scenario } from "./scenario.ts";

const STATUS = ["schemaVersion", "name", "rules", "intake", "ledger"];
const RULE = ["id", "engine", "state", "direction", "lastSyncAt", "destinations"];
const DESTINATION = [
  "id",
  "bucket",
  "operationsPending",
  "bytesPending",
  "operationsCompleted",
  "bytesCompleted",
  "operationsFailed",
  "operationsHeld",
  "oldestPendingAt",
  "replicationLatencyMs",
];
const ENTRY = [
  "rule",
  "destination",
  "engine",
  "operation",
  "status",
  "reason",
  "notes",
  "versionId",
  "etag",
  "bytes",
  "proof",
  "destinationEtag",
  "destinationVersionId",
  "origin",
  "attempts",
  "eventTime",
  "startedAt",
  "finishedAt",
  "nextAttemptAt",
  "replicationLatencyMs",
  "error",
];
const INTAKE = ["store", "received", "ignored", "malformed", "lastMalformed"];
const KEY = "raw/a b+ü.txt";

async function tellsTheTruth(world: World): Promise<void> {
  await settle(world);
  await using daemon = await startDaemon(world, world.port);
  await world.a.client.put("photos", KEY, { body: "x".repeat(4096) });
  await waitUntilEqual(world, KEY);
  await waitUntilSettled(world);
  await readAll(world);
  await daemon.stop();
  await readAll(world);
  await readAsText(world);
}

async function readAll(workplace: Workplace): Promise<void> {
  const [status, object, list, far] = await Promise.all([
    askJson<StatusDocument>(workplace, "status"),
    askJson<ObjectDocument>(workplace, "status", `a:photos/${KEY}`),
    askJson<ListDocument<ObjectListItem>>(workplace, "objects", "list"),
    askJson<ListDocument<ObjectListItem>>(workplace, "objects", "list", "--destination", "b:far", "--rule", "photos"),
  ]);
  checkStatus(status);
  checkObject(object);
  sameNames(list, ["schemaVersion", "items", "nextToken"]);
  assert.deepEqual(list.items.map((item) => item.destination).sort(), ["a:near", "b:archive", "b:far"]);
  for (const item of list.items) sameNames(item, ["bucket", "key", ...ENTRY]);
  assert.equal(far.items.length, 1);
}

async function readAsText(workplace: Workplace): Promise<void> {
  const text = async (...args: string[]) => (await expectExit(0, workplace, args)).stdout;
  const [status, object, completed, failed, unknown] = await Promise.all([
    text("status", "photos"),
    text("status", `a:photos/${KEY}`),
    text("objects", "list", "--status", "COMPLETED"),
    text("objects", "list", "--status", "FAILED"),
    text("status", "a:photos/nothing/here"),
  ]);
  assert.match(status, /^ {2}b:far {2}1 completed \(4\.0 KiB\) {2}0 pending \(0 B\) {2}0 failed/m);
  assert.match(object, /^photos {2}b:far {2}COMPLETED {2}4\.0 KiB {2}proof: etag/m);
  assert.match(completed, /^a:photos\/raw\/a b\+ü\.txt {2}photos {2}b:far {2}COMPLETED/m);
  assert.equal(failed, "");
  assert.match(unknown, /nothing is known of a:photos\/nothing\/here/);
}

function checkStatus(status: StatusDocument): void {
  sameNames(status, STATUS);
  assert.deepEqual([status.schemaVersion, status.name, status.rules.length], [1, "acme", 1]);
  for (const intake of status.intake) sameNames(intake, INTAKE);
  const rule = status.rules[0];
  assert.ok(rule);
  sameNames(rule, RULE);
  assert.deepEqual([rule.id, rule.engine, rule.state, rule.direction], ["photos", "copy", "ACTIVE", "forward"]);
  assert.match(rule.lastSyncAt ?? "", /^\d{4}-.*Z$/);
  assert.deepEqual(
    rule.destinations.map(({ id }) => id),
    ["a:near", "b:far", "b:archive"],
  );
  for (const destination of rule.destinations) {
    sameNames(destination, DESTINATION);
    const { operationsCompleted, bytesCompleted, operationsPending, operationsFailed, oldestPendingAt } = destination;
    assert.deepEqual([operationsCompleted, bytesCompleted, operationsPending, operationsFailed, oldestPendingAt], [1, 4096, 0, 0, null]);
  }
}

function checkObject(object: ObjectDocument): void {
  sameNames(object, ["schemaVersion", "bucket", "key", "entries"]);
  assert.deepEqual([object.bucket, object.key], ["a:photos", KEY]);
  assert.deepEqual(
    object.entries.map(({ destination }) => destination),
    ["a:near", "b:far", "b:archive"],
  );
  for (const entry of object.entries) {
    sameNames(entry, ENTRY);
    const { rule, status, bytes, attempts, origin, error, etag, destinationEtag } = entry;
    assert.deepEqual([rule, status, bytes, attempts, origin, error], ["photos", "COMPLETED", 4096, 1, "a:photos", null]);
    assert.equal(etag, destinationEtag);
    assert.match(entry.finishedAt ?? "", /^\d{4}-.*Z$/);
  }
}

async function throughTheServer(world: World): Promise<void> {
  const tokens = [
    { token: "read-token-for-this-test", scope: "read" },
    { token: "events-token-for-this-test", scope: "events" },
  ];
  await settle(world, { listen: { host: "127.0.0.1", port: world.port, tokens } });
  await world.a.client.put("photos", KEY, { body: "x".repeat(4096) });
  await using daemon = await startDaemon(world, world.port);
  await waitUntilSettled(world);
  const remote: Workplace = {
    ...world,
    env: { REPLICAST_SERVER: daemon.url, REPLICAST_TOKEN: "read-token-for-this-test", REPLICAST_CONFIG: "none.yaml" },
    secrets: [...world.secrets, "token-for-this-test"],
  };
  await readAll(remote);
  assert.deepEqual(await askJson(remote, "status"), await askJson(world, "status"));
  assert.deepEqual(await askJson(remote, "objects", "list"), await askJson(world, "objects", "list"));
  const refused = ["", "wrong-token", "events-token-for-this-test"].map(async (token) => {
    assertRefused(await replicast({ ...remote, env: { ...remote.env, REPLICAST_TOKEN: token } }, "status"), 1, /token/);
  });
  await Promise.all(refused);
  await daemon.stop();
  assertRefused(await replicast(remote, "status"), 1, /no daemon answers/);
}

/** Waits until the rule has been compared and all is done: the comparison and the event may each ask for the same copies. */
async function waitUntilSettled(world: World): Promise<void> {
  const settled = async () => {
    const [rule] = (await askJson<StatusDocument>(world, "status")).rules;
    const counts = rule?.destinations.map((one) => [one.operationsCompleted, one.operationsPending]);
    return (
      rule?.lastSyncAt != null &&
      isDeepStrictEqual(
        counts,
        [1, 1, 1].map((copies) => [copies, 0]),
      )
    );
  };
  await waitFor("three rows and nothing to wait", settled, { timeoutMs: 60_000 });
}

function sameNames(value: object, names: readonly string[]): void {
  assert.deepEqual(Object.keys(value).sort(), [...names].sort());
}

export const statusScenarios: readonly Scenario[] = [
  { title: "invariants 1 and 8: status and objects list tell what arrived, beside the daemon and after it stopped", run: tellsTheTruth },
  { title: "invariant 1: a daemon asked with a token tells the same as its state, and without one nothing", run: throughTheServer },
];
