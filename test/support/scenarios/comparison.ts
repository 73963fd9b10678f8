import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { ObjectClient, StoredObject } from "../object-client.ts";
import { waitFor } from "../wait-for.ts";
import { BUCKETS, type World } from "../world.ts";

/** All that a client can see of an object, in a form that compares. */
export interface Snapshot extends Omit<StoredObject, "body" | "versionId" | "replicationStatus"> {
  readonly sha256: string;
  readonly tags: Readonly<Record<string, string>>;
}

export interface Place {
  readonly client: ObjectClient;
  readonly bucket: string;
}

/** The three destinations of the default rule. */
export function destinationsOf({ a, b }: World): readonly Place[] {
  return [{ client: a.client, bucket: BUCKETS.a[1] }, ...BUCKETS.b.map((bucket) => ({ client: b.client, bucket }))];
}

/** Undefined where there is no such object. */
export async function snapshot({ client, bucket }: Place, key: string): Promise<Snapshot | undefined> {
  const found = await client.get(bucket, key);
  if (found === undefined) return undefined;
  const { body, versionId: _, replicationStatus: __, metadata, ...rest } = found;
  const tags = await client.tags(bucket, key);
  const readable = Object.fromEntries(Object.entries(metadata).map(([name, value]) => [name, decodeMetadata(value)]));
  return { ...rest, sha256: createHash("sha256").update(body).digest("hex"), metadata: readable, tags };
}

/** Waits until every destination holds what `a:photos` holds under a key, with all that belongs to it. */
export async function waitUntilEqual(world: World, key: string, places: readonly Place[] = destinationsOf(world)): Promise<void> {
  const source = { client: world.a.client, bucket: "photos" };
  for (const place of places) {
    await waitFor(`${JSON.stringify(key)} in ${place.bucket}`, () => assertSame(headOf, { source, place, key }), PATIENCE);
    // Bodies are read once the rest agrees: to ask for them again and again is what would keep the daemon from its work.
    await waitFor(`all of ${JSON.stringify(key)} in ${place.bucket}`, () => assertSame(snapshot, { source, place, key }), PATIENCE);
  }
}

const PATIENCE = { timeoutMs: 90_000, intervalMs: 50 };

interface Pair {
  readonly source: Place;
  readonly place: Place;
  readonly key: string;
}

async function assertSame(
  look: (place: Place, key: string) => Promise<object | undefined>,
  { source, place, key }: Pair,
): Promise<boolean> {
  const expected = await look(source, key);
  assert.ok(expected !== undefined, "the source does not have it");
  assert.deepEqual(await look(place, key), expected);
  return true;
}

async function headOf({ client, bucket }: Place, key: string): Promise<object | undefined> {
  const found = await client.head(bucket, key);
  return found && { etag: found.etag, sizeBytes: found.sizeBytes };
}

/** Waits until the destinations list exactly the keys and ETags that `a:photos` lists. */
export async function waitUntilSameListing(
  world: World,
  places: readonly Place[] = destinationsOf(world),
  timeoutMs = 60_000,
): Promise<void> {
  for (const { client, bucket } of places) {
    const listed = async () => {
      assert.deepEqual(await client.list(bucket), await world.a.client.list("photos"));
      return true;
    };
    await waitFor(`the listing of ${bucket} to be that of the source`, listed, { timeoutMs, intervalMs: 100 });
  }
}

/** Text of a metadata value: some stores answer RFC 2047, others bytes that a client took for latin1. */
export function decodeMetadata(value: string): string {
  const joined = value.replace(/\?=\s+=\?/g, "?==?");
  const decoded = joined.replace(/=\?utf-8\?([qb])\?(.*?)\?=/gi, (_, kind: string, text: string) => decodeWord(kind, text));
  const bytes = Buffer.from(decoded, "latin1");
  const asUtf8 = bytes.toString("utf8");
  return bytes.toString("latin1") === decoded && !asUtf8.includes("\ufffd") ? asUtf8 : decoded;
}

function decodeWord(kind: string, text: string): string {
  if (kind.toLowerCase() === "b") return Buffer.from(text, "base64").toString();
  const bytes = text.replaceAll("_", " ").replace(/=([0-9A-F]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, "latin1").toString();
}
