import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { ConflictItem, ListDocument, ObjectDocument, ObjectEntry, StatusDocument } from "../../../src/control-plane/contract.ts";
import { RESERVED_PREFIX } from "../../../src/domain/object.ts";
import { type MeshWorld, STORES, type StoreName } from "../mesh-world.ts";
import type { ListedKey, Written } from "../object-client.ts";
import type { Daemon } from "../replicast.ts";
import { waitFor } from "../wait-for.ts";
import { type Place, snapshot } from "./comparison.ts";

export type Versioning = "Unversioned" | "Enabled" | "Suspended";

/** A bucket of a mesh world, as the config and all output name it. */
export interface NamedPlace extends Place {
  readonly name: string;
  readonly store: StoreName;
}

const PATIENCE = { timeoutMs: 90_000, intervalMs: 50 };

/** The bucket that a reference like `a:team` names. */
export function placeOf(world: MeshWorld, name: string): NamedPlace {
  const [store = "", bucket = ""] = name.split(":");
  const known = STORES.find((one) => one === store);
  assert.ok(known, `${name} is in no store of this world`);
  return { name, store: known, bucket, client: world.stores[known].client };
}

/** Makes a bucket and has its events sent. */
export async function makeBucket(world: MeshWorld, name: string, versioning: Versioning = "Unversioned"): Promise<NamedPlace> {
  const place = placeOf(world, name);
  await place.client.createBucket(place.bucket, { versioning: versioning !== "Unversioned" });
  if (versioning === "Suspended") await place.client.suspendVersioning(place.bucket);
  await world.stores[place.store].wire(place.bucket);
  return place;
}

/** Makes buckets of one kind, in the order of their names. */
export async function makeBuckets(
  world: MeshWorld,
  names: readonly string[],
  versioning: Versioning = "Unversioned",
): Promise<readonly NamedPlace[]> {
  const places: NamedPlace[] = [];
  for (const name of names) places.push(await makeBucket(world, name, versioning));
  return places;
}

export function put({ client, bucket }: Place, key: string, body: string = key): Promise<Written> {
  return client.put(bucket, key, { body });
}

export async function bodyOf({ client, bucket }: Place, key: string): Promise<string | undefined> {
  return (await client.get(bucket, key))?.body.toString();
}

/** Waits until every place has these bytes under a key; undefined: has nothing there. */
export async function waitForBody(places: readonly Place[], key: string, body: string | undefined): Promise<void> {
  for (const place of places) {
    const arrived = async () => {
      assert.equal(await etagOf(place, key), body === undefined ? undefined : md5(body));
      return true;
    };
    await waitFor(`${key} in ${place.bucket} to be ${body ?? "gone"}`, arrived, PATIENCE);
  }
}

function md5(body: string): string {
  return createHash("md5").update(body).digest("hex");
}

async function etagOf({ client, bucket }: Place, key: string): Promise<string | undefined> {
  return (await client.head(bucket, key))?.etag;
}

/** Waits until all places hold the same under a key, with headers, metadata and tags; replicast's own mark apart. */
export async function waitUntilAlike(places: readonly Place[], key: string): Promise<void> {
  const alike = async () => {
    const [first, ...others] = await Promise.all(places.map((place) => plain(place, key)));
    assert.ok(first);
    for (const other of others) assert.deepEqual(other, first);
    return true;
  };
  await waitFor(`${key} to be the same in ${places.map(({ bucket }) => bucket)}`, alike, PATIENCE);
}

async function plain(place: Place, key: string): Promise<object | undefined> {
  const found = await snapshot(place, key);
  if (found === undefined) return undefined;
  const { "x-amz-meta-replicast": _, replicast: __, ...metadata } = found.metadata;
  return { ...found, metadata };
}

/** Waits until all places list the same keys and ETags. */
export async function waitUntilSameKeys(places: readonly Place[]): Promise<void> {
  const same = async () => {
    const [first, ...others] = await Promise.all(places.map(keysOf));
    for (const other of others) assert.deepEqual(other, first);
    return true;
  };
  await waitFor("the listings to be the same", same, PATIENCE);
}

/** What clients put there: a probe that was killed leaves its own objects behind. */
export async function keysOf({ client, bucket }: Place): Promise<readonly ListedKey[]> {
  return (await client.list(bucket)).filter(({ key }) => !key.startsWith(RESERVED_PREFIX));
}

/** Asks the daemon, as scripts do. */
export async function ask<T>({ url }: Daemon, path: string): Promise<T> {
  return JSON.parse(await getText(`${url}/api/v1/${path}`)) as T;
}

async function getText(url: string): Promise<string> {
  const answer = await fetch(url, { headers: { connection: "close" } });
  const text = await answer.text();
  assert.equal(answer.status, 200, text);
  return text;
}

/** Waits until nothing waits and nothing has failed. */
export async function waitUntilIdle(daemon: Daemon): Promise<void> {
  const idle = async () => {
    const { rules } = await ask<StatusDocument>(daemon, "status");
    const counts = rules.flatMap(({ id, destinations }) =>
      destinations.map((one) => `${id} ${one.id} ${one.operationsPending} ${one.operationsFailed}`),
    );
    assert.deepEqual(
      counts.filter((count) => !count.endsWith(" 0 0")),
      [],
    );
    return true;
  };
  await waitFor("nothing to wait", idle, PATIENCE);
}

/** Waits until the first comparison of every rule is over and what it found is done: from then on what has no row is new. */
export async function waitUntilCompared(daemon: Daemon): Promise<void> {
  await waitFor("every rule to be compared", async () => {
    const { rules } = await ask<StatusDocument>(daemon, "status");
    return rules.every(({ lastSyncAt }) => lastSyncAt !== null);
  });
  await waitUntilIdle(daemon);
}

export interface Row {
  readonly destination: string;
  readonly status: ObjectEntry["status"];
  readonly reason?: string;
  readonly operation?: ObjectEntry["operation"];
}

/** Waits until the row of an object at a destination says this, and returns it. */
export function waitForRow(daemon: Daemon, [{ name }, key]: readonly [NamedPlace, string], row: Row): Promise<ObjectEntry> {
  return waitFor(
    `${name}/${key} to be ${row.status} ${row.reason ?? ""} at ${row.destination}`,
    async () => {
      const { entries } = await ask<ObjectDocument>(daemon, `objects?bucket=${name}&key=${encodeURIComponent(key)}`);
      const entry = entries.find(({ destination }) => destination === row.destination);
      assert.ok(entry, `there is no row: ${JSON.stringify(entries)}`);
      const { destination, status, reason, operation } = entry;
      assert.deepEqual({ ...row, destination, status, ...(row.reason && { reason }), ...(row.operation && { operation }) }, row);
      return entry;
    },
    PATIENCE,
  );
}

/** Events that came from each store so far. */
export async function eventsReceived(daemon: Daemon): Promise<Readonly<Record<string, number>>> {
  const { intake } = await ask<StatusDocument>(daemon, "status");
  return Object.fromEntries(intake.map(({ store, received }) => [store, received]));
}

/** Requests to stores so far, by what they do. */
export async function requestsMade({ url }: Daemon): Promise<Readonly<Record<string, number>>> {
  const text = await getText(`${url}/metrics`);
  const counts: Record<string, number> = {};
  for (const [, operation = "", count] of text.matchAll(/^replicast_store_requests_total\{.*?operation="(\w+)".*?\} (\d+)$/gm))
    counts[operation] = (counts[operation] ?? 0) + Number(count);
  return counts;
}

/** Conflicts that were ever found, whoever resolved them. */
export async function conflictsOf(daemon: Daemon): Promise<readonly ConflictItem[]> {
  return (await ask<ListDocument<ConflictItem>>(daemon, "conflicts?state=all&limit=1000")).items;
}

/** Waits for the next whole second: what is written then is newer by every clock that counts seconds. */
export async function nextSecond(): Promise<void> {
  const second = Math.floor(Date.now() / 1000);
  await waitFor("the next second", () => Math.floor(Date.now() / 1000) > second);
}
