import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import * as sdk from "@aws-sdk/client-s3";
import type { ObjectDocument } from "../../../src/control-plane/contract.ts";
import { RESERVED_PREFIX } from "../../../src/domain/object.ts";
import { askJson, startDaemon } from "../replicast.ts";
import { connect } from "../sdk.ts";
import type { S3Endpoint } from "../server.ts";
import { waitFor } from "../wait-for.ts";
import { configure, type World, type WorldStore } from "../world.ts";
import { ATTRIBUTES } from "./replication.ts";
import type { Scenario } from "./scenario.ts";

const RULE = { id: "photos", source: "a:photos", destinations: ["b:far"], versions: "all", deletes: "markers" };
const PATIENCE = { timeoutMs: 90_000, intervalMs: 100 };

/** One version as its store lists it. */
interface Entry {
  readonly key: string;
  readonly versionId: string;
  readonly isLatest: boolean;
  /** Undefined of a delete marker. */
  readonly etag: string | undefined;
}

/**
 * All versions and markers in the store's own order: one a page, because clients hand out the two apart. Of a store that does not get past a
 * marker in this way the two stay apart.
 */
async function historyOf(store: S3Endpoint, bucket: string): Promise<readonly Entry[]> {
  using client = connect(store);
  const page = async (input: Partial<sdk.ListObjectVersionsCommandInput>) => {
    const answer = await client.s3.send(new sdk.ListObjectVersionsCommand({ Bucket: bucket, ...input }));
    const objects = (answer.Versions ?? []).map((version) => toEntry(version, version.ETag));
    const markers = (answer.DeleteMarkers ?? []).map((marker) => toEntry(marker, undefined));
    return { answer, entries: [...objects, ...markers].filter(isNotOurs) };
  };
  const entries: Entry[] = [];
  for (let at: Partial<sdk.ListObjectVersionsCommandInput> = {}; ; ) {
    const one = await page({ MaxKeys: 1, ...at });
    entries.push(...one.entries);
    if (one.answer.IsTruncated !== true) return entries;
    const next = { KeyMarker: one.answer.NextKeyMarker, VersionIdMarker: one.answer.NextVersionIdMarker };
    if (isDeepStrictEqual(next, at)) return (await page({})).entries;
    at = next;
  }
}

function toEntry(
  { Key: key = "", VersionId: versionId = "", IsLatest: isLatest = false }: sdk.DeleteMarkerEntry,
  etag: string | undefined,
): Entry {
  return { key, versionId, isLatest, etag };
}

const withoutIds = (entries: readonly Entry[]) => entries.map(({ versionId: _, ...entry }) => entry);
/** A daemon that is killed while it finds out what a bucket honours leaves its probe. */
const isNotOurs = ({ key }: Pick<Entry, "key">) => !key.startsWith(RESERVED_PREFIX);

async function waitUntilSameHistory(world: World): Promise<void> {
  const sameCount = async () => {
    assert.deepEqual(await countOf(world.b, "far"), await countOf(world.a, "photos"));
    return true;
  };
  const same = async () => {
    assert.deepEqual(withoutIds(await historyOf(world.b, "far")), withoutIds(await historyOf(world.a, "photos")));
    return true;
  };
  // The order takes a request for each entry: it is read once as many are there.
  await waitFor("b:far to have as many versions as a:photos", sameCount, PATIENCE);
  await waitFor("b:far to have the history of a:photos", same, PATIENCE);
}

/** How many versions and markers each key has. */
async function countOf({ client }: WorldStore, bucket: string): Promise<Readonly<Record<string, number>>> {
  const keys = (await client.versions(bucket)).filter(isNotOurs).map(({ key }) => key);
  return Object.fromEntries([...Map.groupBy(keys, (key) => key)].map(([key, all]) => [key, all.length]));
}

async function totalOf(store: WorldStore, bucket: string): Promise<number> {
  return Object.values(await countOf(store, bucket)).reduce((total, count) => total + count, 0);
}

/** Every object version has the bytes, metadata and tags of the one at its place. */
async function assertSameVersions(world: World): Promise<void> {
  const [there, here] = [await historyOf(world.b, "far"), await historyOf(world.a, "photos")];
  for (const [i, { key, versionId, etag }] of here.entries()) {
    if (etag === undefined) continue;
    const copy = there[i]?.versionId ?? "";
    const { versionId: _, ...source } = (await world.a.client.get("photos", key, versionId))!;
    const { versionId: __, ...replica } = (await world.b.client.get("far", key, copy))!;
    assert.deepEqual(replica, source);
    assert.deepEqual(await world.b.client.tags("far", key, copy), await world.a.client.tags("photos", key, versionId));
  }
}

async function settle(world: World): Promise<void> {
  await world.a.client.createBucket("photos", { versioning: true });
  await world.b.client.createBucket("far", { versioning: true });
  await world.wire("photos");
  await configure(world, { rules: [RULE] });
}

async function writeHistory(world: World, key: string, turns: number): Promise<void> {
  const { client } = world.a;
  for (let turn = 0; turn < turns; turn++) {
    if (turn % 4 === 3) await client.delete("photos", key);
    else await client.put("photos", key, { body: `${key} ${turn}`, metadata: { turn: String(turn) }, tags: { turn: String(turn) } });
  }
}

async function allOfIt(world: World): Promise<void> {
  await settle(world);
  const { client } = world.a;
  await writeHistory(world, "long", 26); // more than one task brings at a time
  await writeHistory(world, "deleted/now", 4);
  await client.put("photos", "long.not", { ...ATTRIBUTES, body: "a key that begins with another" });
  await using daemon = await startDaemon(world, world.port);
  await waitUntilSameHistory(world);
  await Promise.all(["live/a", "live/b", "long"].map((key) => writeHistory(world, key, 7)));
  await waitUntilSameHistory(world);
  await assertSameVersions(world);
  await assertIdsAreMapped(world, "long");
  await daemon.stop();
}

/** The rows of a key say which version of the destination each version of the source became. */
async function assertIdsAreMapped(world: World, key: string): Promise<void> {
  const idsOf = async (store: S3Endpoint, bucket: string) =>
    (await historyOf(store, bucket)).flatMap((entry) => (entry.key === key ? [entry.versionId] : []));
  const [here, there] = [await idsOf(world.a, "photos"), await idsOf(world.b, "far")];
  // A version is there a moment before its row says so.
  await waitFor("every version to be mapped", async () => {
    const { entries } = await askJson<ObjectDocument>(world, "status", `a:photos/${key}`);
    const map = new Map(entries.map(({ versionId, destinationVersionId }) => [versionId, destinationVersionId]));
    assert.deepEqual(
      here.map((id) => map.get(id)),
      there,
    );
    return true;
  });
}

async function throughCrashes(world: World): Promise<void> {
  await settle(world);
  const keys = ["a", "b", "c"];
  for (let round = 0; round < 3; round++) {
    await using daemon = await startDaemon(world, world.port);
    const before = await totalOf(world.b, "far");
    const writing = Promise.all(keys.map((key) => writeHistory(world, key, 12)));
    await waitFor("versions to arrive", async () => (await totalOf(world.b, "far")) > before + 3, PATIENCE);
    await daemon.kill();
    await writing;
  }
  await using daemon = await startDaemon(world, world.port);
  await waitUntilSameHistory(world);
  await daemon.stop();
}

async function nullVersions(world: World): Promise<void> {
  await settle(world);
  await world.a.client.suspendVersioning("photos");
  await using daemon = await startDaemon(world, world.port);
  for (const body of ["one", "another"]) {
    const { etag } = await world.a.client.put("photos", "k", { body });
    const arrived = async () => (await world.b.client.head("far", "k"))?.etag === etag;
    await waitFor(`"${body}" to arrive`, arrived, PATIENCE);
  }
  assert.equal((await historyOf(world.a, "photos")).length, 1);
  assert.equal((await historyOf(world.b, "far")).length, 2);
  await daemon.stop();
}

export const versionScenarios: readonly Scenario[] = [
  { title: "versions: all replays the history of every key, what was there before the start and what comes", run: allOfIt },
  { title: "invariants 1 and 5: a history loses and doubles nothing when the daemon is killed again and again", run: throughCrashes },
];

/** For stores whose buckets can suspend versioning. */
export const nullVersionScenarios: readonly Scenario[] = [
  { title: "versions: all takes each content of the null version for a version", run: nullVersions },
];
