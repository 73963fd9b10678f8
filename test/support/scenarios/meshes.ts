import assert from "node:assert/strict";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { RESERVED_PREFIX } from "../../../src/domain/object.ts";
import { freePort } from "../free-port.ts";
import { configureMesh, type MeshWorld } from "../mesh-world.ts";
import { type Daemon, startDaemon } from "../replicast.ts";
import { waitFor } from "../wait-for.ts";
import {
  conflictsOf,
  eventsReceived,
  keysOf,
  makeBucket,
  makeBuckets,
  type NamedPlace,
  put,
  requestsMade,
  waitForBody,
  waitUntilAlike,
  waitUntilCompared,
  waitUntilIdle,
  waitUntilSameKeys,
} from "./convergence.ts";
import { ATTRIBUTES } from "./replication.ts";
import type { Scenario } from "./scenario.ts";

const PAIR = ["a:team", "b:team"];
const TRIO = [...PAIR, "c:team"];

/** A mesh over these buckets. */
export function meshOf(buckets: readonly string[], settings: object = {}): Readonly<Record<string, unknown>> {
  return { id: "team", mesh: buckets, deletes: "propagate", ...settings };
}

async function bothWays(world: MeshWorld): Promise<void> {
  const team = await makeBuckets(world, PAIR);
  const [a, b] = team as [NamedPlace, NamedPlace];
  await configureMesh(world, [meshOf(PAIR)]);
  await using daemon = await startDaemon(world, world.port);
  await waitUntilCompared(daemon);
  await a.client.put(a.bucket, "from a", { ...ATTRIBUTES, body: "from a" });
  await b.client.put(b.bucket, "from b", { ...ATTRIBUTES, body: "from b" });
  for (const key of ["from a", "from b"]) await waitUntilAlike(team, key);
  await a.client.setTags(a.bucket, "from b", { team: "green" });
  await waitFor("the tags to arrive", async () => (await b.client.tags(b.bucket, "from b"))["team"] === "green");
  await b.client.put(b.bucket, "from a", { ...ATTRIBUTES, body: "from a", metadata: { changed: "alone" } });
  await waitFor("the metadata to arrive", async () => (await a.client.head(a.bucket, "from a"))?.metadata["changed"] === "alone");
  for (const key of ["from a", "from b"]) await waitUntilAlike(team, key);
  await waitUntilIdle(daemon);
  assert.deepEqual(await conflictsOf(daemon), []);
  await daemon.stop();
}

async function pingPong(world: MeshWorld): Promise<void> {
  const team = await makeBuckets(world, PAIR);
  await configureMesh(world, [meshOf(PAIR)]);
  await using daemon = await startDaemon(world, world.port);
  await waitUntilCompared(daemon);
  for (let i = 0; i < 6; i++) {
    await put(team[i % 2] as NamedPlace, "ball", `stroke ${i}`);
    await waitForBody(team, "ball", `stroke ${i}`);
  }
  await waitUntilIdle(daemon);
  assert.deepEqual(await conflictsOf(daemon), []);
  await daemon.stop();
}

/** What makes an object appear at a store. */
const COPIES = ["PutObject", "CopyObject", "CompleteMultipartUpload"];

function sum(counts: Readonly<Record<string, number>>, operations = Object.keys(counts)): number {
  return operations.reduce((total, operation) => total + (counts[operation] ?? 0), 0);
}

/** Writes one object and returns the requests that it made until every store has told of all that was written. */
async function requestsOfWrite(daemon: Daemon, [first, ...others]: readonly NamedPlace[], key: string): Promise<Record<string, number>> {
  assert.ok(first);
  const before = await requestsMade(daemon);
  const eventsBefore = await eventsReceived(daemon);
  await put(first, key);
  await waitForBody(others, key, key);
  const told = async () => {
    const events = await eventsReceived(daemon);
    for (const { store } of [first, ...others]) assert.ok((events[store] ?? 0) > (eventsBefore[store] ?? 0), `the event of ${store}`);
    return true;
  };
  await waitFor("the events of all writes", told);
  await waitUntilIdle(daemon);
  const after = await requestsMade(daemon);
  return Object.fromEntries(Object.entries(after).map(([operation, count]) => [operation, count - (before[operation] ?? 0)]));
}

function replicationEnds(buckets: readonly string[]): Scenario<MeshWorld>["run"] {
  return async (world) => {
    const team = await makeBuckets(world, buckets);
    const lines = await makeBuckets(world, ["a:line", "b:line"]);
    const oneWay = { id: "line", source: "a:line", destinations: ["b:line"] };
    await configureMesh(world, [meshOf(buckets), oneWay]);
    await using daemon = await startDaemon(world, world.port);
    await waitUntilCompared(daemon);
    // What a bucket can do is asked once, at the first write.
    for (const place of team) await requestsOfWrite(daemon, [place, ...team.filter((one) => one !== place)], `first at ${place.name}`);
    await put(lines[0] as NamedPlace, "first");
    await waitForBody(lines, "first", "first");
    const line = await lineCost(daemon, lines);
    const start = await requestsMade(daemon);
    const cost = await requestsOfWrite(daemon, team, "once");
    const copies = buckets.length - 1;
    assert.equal(sum(cost, COPIES), copies, JSON.stringify(cost));
    assert.equal(cost["DeleteObject"] ?? 0, 0);
    assert.ok(sum(cost) <= copies * (sum(line) + 1), `${JSON.stringify(cost)}, one way: ${JSON.stringify(line)}`);
    // Whatever came late of the first write is counted with the second.
    await requestsOfWrite(daemon, team, "twice");
    const end = await requestsMade(daemon);
    assert.equal(sum(end, COPIES) - sum(start, COPIES), 2 * copies);
    assert.equal(sum(end) - sum(start), 2 * sum(cost), "a settled write makes no more requests");
    await daemon.stop();
  };
}

/** The requests of one object that goes one way. */
async function lineCost(daemon: Daemon, [source, destination]: readonly NamedPlace[]): Promise<Record<string, number>> {
  assert.ok(source && destination);
  const before = await requestsMade(daemon);
  await put(source, "k");
  await waitForBody([destination], "k", "k");
  await waitUntilIdle(daemon);
  const after = await requestsMade(daemon);
  return Object.fromEntries(Object.entries(after).map(([operation, count]) => [operation, count - (before[operation] ?? 0)]));
}

async function originLost(world: MeshWorld): Promise<void> {
  const team = await makeBuckets(world, TRIO);
  const [a, b, c] = team as [NamedPlace, NamedPlace, NamedPlace];
  await configureMesh(world, [meshOf(TRIO)]);
  {
    await using daemon = await startDaemon(world, world.port);
    await waitUntilCompared(daemon);
    await world.stores.c.takeDown();
    await put(a, "survivor");
    await waitForBody([b], "survivor", "survivor");
    await world.stores.a.takeDown();
    await world.stores.c.bringBack();
    await waitForBody([c], "survivor", "survivor");
    await world.stores.a.bringBack();
    await waitUntilIdle(daemon);
    await daemon.stop();
  }
  assert.equal((await keysOf(a)).length, 1);
}

async function emptied(world: MeshWorld): Promise<void> {
  const team = await makeBuckets(world, TRIO);
  const b = team[1] as NamedPlace;
  await configureMesh(world, [meshOf(TRIO)]);
  {
    await using daemon = await startDaemon(world, world.port);
    await waitUntilCompared(daemon);
    for (const place of team) for (let i = 0; i < 3; i++) await put(place, `${place.name}/${i}`);
    for (const place of team) for (let i = 0; i < 3; i++) await waitForBody(team, `${place.name}/${i}`, `${place.name}/${i}`);
    await waitUntilIdle(daemon);
    await daemon.stop();
  }
  for (const { key } of await keysOf(b)) await b.client.delete(b.bucket, key);
  // Elsewhere: a store may tell of the last deletes when the next daemon listens already, and then they are no loss without a word.
  const port = await freePort();
  await configureMesh(world, [meshOf(TRIO)], { listen: { host: "127.0.0.1", port } });
  await using daemon = await startDaemon(world, port);
  for (const place of team) for (let i = 0; i < 3; i++) await waitForBody(team, `${place.name}/${i}`, `${place.name}/${i}`);
  await waitUntilSameKeys(team);
  await waitUntilIdle(daemon);
  await daemon.stop();
}

async function deletesAndUndeletes(world: MeshWorld): Promise<void> {
  const team = await makeBuckets(world, TRIO, "Enabled");
  const [a, b, c] = team as [NamedPlace, NamedPlace, NamedPlace];
  await configureMesh(world, [meshOf(TRIO)]);
  await using daemon = await startDaemon(world, world.port);
  await waitUntilCompared(daemon);
  await put(a, "k", "one");
  await waitForBody(team, "k", "one");
  await b.client.delete(b.bucket, "k");
  await waitForBody(team, "k", undefined);
  for (const { client, bucket, name } of team) {
    const markers = (await client.versions(bucket, "k")).filter(({ deleteMarker }) => deleteMarker);
    assert.deepEqual([markers.length, markers[0]?.isLatest], [1, true], `one delete marker at ${name}`);
  }
  await waitUntilIdle(daemon);
  const marker = (await b.client.versions(b.bucket, "k")).find(({ deleteMarker }) => deleteMarker);
  await b.client.delete(b.bucket, "k", marker?.versionId);
  await waitForBody(team, "k", "one");
  await waitUntilIdle(daemon);
  await c.client.delete(c.bucket, "k");
  await waitForBody(team, "k", undefined);
  await put(a, "k", "two");
  await waitForBody(team, "k", "two");
  await waitUntilIdle(daemon);
  assert.deepEqual(await conflictsOf(daemon), []);
  await daemon.stop();
}

async function deletesUnversioned(world: MeshWorld): Promise<void> {
  const team = await makeBuckets(world, TRIO);
  const [a, b, c] = team as [NamedPlace, NamedPlace, NamedPlace];
  await configureMesh(world, [meshOf(TRIO, { unsafe: ["unconditional-deletes"] })]);
  await using daemon = await startDaemon(world, world.port);
  await waitUntilCompared(daemon);
  for (let round = 0; round < 2; round++) {
    await put(a, "k", `round ${round}`);
    await waitForBody(team, "k", `round ${round}`);
    await waitUntilIdle(daemon);
    const at = [b, c][round] as NamedPlace;
    await at.client.delete(at.bucket, "k");
    await waitForBody(team, "k", undefined);
    await waitUntilIdle(daemon);
  }
  await put(c, "k", "again");
  await waitForBody(team, "k", "again");
  await waitUntilIdle(daemon);
  assert.deepEqual(await conflictsOf(daemon), []);
  await daemon.stop();
}

async function crash(world: MeshWorld): Promise<void> {
  const team = await makeBuckets(world, PAIR);
  const [a, b] = team as [NamedPlace, NamedPlace];
  const out = await makeBucket(world, "c:out");
  await configureMesh(world, [meshOf(PAIR), { id: "out", source: "a:team", destinations: ["c:out"] }]);
  for (let round = 0; round < 3; round++) {
    await using daemon = await startDaemon(world, world.port);
    let killed: Promise<void> | undefined;
    const onWritten = (written: number): void => {
      if (written === 30 + 7 * round) killed = daemon.kill();
    };
    await load([a, b], onWritten);
    await killed;
  }
  await using daemon = await startDaemon(world, world.port);
  await waitUntilSameKeys(team);
  for (const { bucket, name } of [a, b])
    assert.equal((await a.client.list(bucket, `${name}/`)).length, KEYS_OF_EACH, `everything of ${name} is there`);
  const listed = async () => {
    assert.deepEqual(await keysOf(out), await a.client.list(a.bucket, "a:team/"));
    return true;
  };
  await waitFor("what was written at a, and nothing of b, to be beyond the boundary", listed, { timeoutMs: 90_000 });
  await waitUntilIdle(daemon);
  assert.deepEqual(await conflictsOf(daemon), []);
  assert.deepEqual(await out.client.list(out.bucket, "b:team/"), []);
  await daemon.stop();
}

const KEYS_OF_EACH = 15;

/** Writes and overwrites keys at two members, to each its own. */
async function load(places: readonly NamedPlace[], onWritten: (written: number) => void): Promise<void> {
  let written = 0;
  const write = async (place: NamedPlace): Promise<void> => {
    for (let i = 0; i < 3 * KEYS_OF_EACH; i++) {
      await put(place, `${place.name}/${i % KEYS_OF_EACH}`, `${crypto.randomUUID()} ${i}`);
      onWritten(++written);
    }
  };
  await Promise.all(places.map(write));
}

async function ledgerLost(world: MeshWorld): Promise<void> {
  const team = await makeBuckets(world, PAIR, "Enabled");
  const [a, b] = team as [NamedPlace, NamedPlace];
  await configureMesh(world, [meshOf(PAIR)]);
  {
    await using daemon = await startDaemon(world, world.port);
    await waitUntilCompared(daemon);
    for (const place of team) for (let i = 0; i < 5; i++) await put(place, `${place.name}/${i}`);
    for (const place of team) for (let i = 0; i < 5; i++) await waitForBody(team, `${place.name}/${i}`, `${place.name}/${i}`);
    await a.client.delete(a.bucket, "a:team/0");
    await waitForBody(team, "a:team/0", undefined);
    await waitUntilIdle(daemon);
    await daemon.stop();
  }
  await loseState(world);
  const versions = async () => {
    const listed = await Promise.all(team.map(({ client, bucket }) => client.versions(bucket)));
    return listed.map((all) => all.filter(({ key }) => !key.startsWith(RESERVED_PREFIX)));
  };
  const before = await versions();
  await using daemon = await startDaemon(world, world.port);
  await waitUntilCompared(daemon);
  assert.deepEqual(await versions(), before, "nothing was copied and nothing deleted");
  assert.deepEqual(await conflictsOf(daemon), []);
  await put(b, "a:team/1", "goes on");
  await waitForBody(team, "a:team/1", "goes on");
  await waitUntilIdle(daemon);
  assert.deepEqual(await conflictsOf(daemon), []);
  await daemon.stop();
}

/** Removes the state file and all that belongs to it. */
export async function loseState({ directory }: MeshWorld): Promise<void> {
  const files = (await readdir(directory)).filter((name) => name.startsWith("replicast.db"));
  assert.ok(files.includes("replicast.db"));
  for (const name of files) await rm(join(directory, name));
}

export const meshScenarios: readonly Scenario<MeshWorld>[] = [
  { title: "invariants 1 and 9: what clients write at either side of two arrives at the other with all that it had", run: bothWays },
  { title: "invariant 5: overwrites from both sides in turn settle, and are no conflict", run: pingPong },
  { title: "invariant 5: one write to a mesh of two makes one copy, and then there is quiet", run: replicationEnds(PAIR) },
  { title: "invariant 5: one write to a mesh of three makes two copies, and then there is quiet", run: replicationEnds(TRIO) },
  { title: "invariant 6: another member delivers what the origin cannot any more", run: originLost },
  {
    title: "invariant 4: a delete at one versioned member removes everywhere, and undeleting it restores everywhere",
    run: deletesAndUndeletes,
  },
  {
    title: "invariant 4: a delete at one unversioned member removes everywhere, and what is written again comes back",
    run: deletesUnversioned,
  },
];

/** Crashes and losses of state. */
export const meshRecoveryScenarios: readonly Scenario<MeshWorld>[] = [
  { title: "invariant 4: a member that lost its objects without a word gets them back", run: emptied },
  {
    title: "invariants 1, 5 and 6: kill -9 amid writes at both sides leaves them equal, without conflict, and nothing crosses",
    run: crash,
  },
  { title: "invariant 5: with the ledger lost equal sides are adopted: nothing is copied, nothing deleted", run: ledgerLost },
];
