import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";
import type { StatusDocument } from "../../../src/control-plane/contract.ts";
import type { ObjectContent } from "../object-client.ts";
import { rawS3 } from "../raw-s3.ts";
import { askJson, startDaemon } from "../replicast.ts";
import { waitFor } from "../wait-for.ts";
import { settle, type World } from "../world.ts";
import { destinationsOf, snapshot, waitUntilEqual, waitUntilSameListing } from "./comparison.ts";
import type { Scenario } from "./scenario.ts";

const MIB = 1024 * 1024;

/** What objects can have besides bytes. Tag values are of the alphabet that every store takes. */
export const ATTRIBUTES: Omit<ObjectContent, "body"> = {
  contentType: "text/html; charset=utf-8",
  cacheControl: "max-age=61, no-transform",
  contentDisposition: 'attachment; filename="a b.html"',
  contentLanguage: "de-CH",
  contentEncoding: "gzip",
  metadata: { origin: "camera 7", empty: "", "with-dash": '=+/ %25 "quoted"' },
  tags: { team: "blue one", "k+/=@:._-": "v+/=@:._-" },
};

export const KEYS: readonly string[] = [
  "a b+c/ü.txt",
  "100%25.txt",
  "100%.txt",
  "emoji 🥖",
  "a%2Bb",
  "\"quotes\" and 'quotes'",
  "<&>&amp;",
  "tail  ",
  "colon:star*question?hash#semi;",
  "e\u0301 is not \u00e9",
  "deep/er/and/deeper/still",
];

async function everythingArrives(world: World): Promise<void> {
  await settle(world);
  await using daemon = await startDaemon(world, world.port);
  const { client } = world.a;
  await client.put("photos", "page.html.gz", { ...ATTRIBUTES, body: gzipSync("<p>grüezi</p>".repeat(1000)) });
  await client.put("photos", "nothing", { body: "", contentType: "application/x-empty" });
  await client.put("photos", "plain", { body: randomBytes(70_000) });
  await client.put("photos", "large", { ...ATTRIBUTES, body: randomBytes(5 * MIB + 1) });
  for (const key of ["page.html.gz", "nothing", "plain", "large"]) await waitUntilEqual(world, key);
  await daemon.stop();
}

async function expires(world: World): Promise<void> {
  await settle(world);
  await using daemon = await startDaemon(world, world.port);
  await world.a.client.put("photos", "k", { body: "k", expires: "Wed, 21 Oct 2037 07:28:00 GMT" });
  await waitUntilEqual(world, "k");
  await daemon.stop();
}

/** Without a daemon there is no event: only the comparison at the start finds them, and a listing tells nothing of the header. */
async function expiresInBulk(world: World): Promise<void> {
  await settle(world);
  const { client } = world.a;
  const expires = "Wed, 21 Oct 2037 07:28:00 GMT";
  await client.put("photos", "k", { ...ATTRIBUTES, body: "k", expires });
  await client.put("photos", "large", { body: randomBytes(2 * MIB), expires });
  await client.put("photos", "plain", { ...ATTRIBUTES, body: "plain" });
  await using daemon = await startDaemon(world, world.port);
  for (const key of ["k", "large", "plain"]) await waitUntilEqual(world, key);
  await daemon.stop();
}

async function nonAsciiMetadata(world: World): Promise<void> {
  await settle(world);
  await using daemon = await startDaemon(world, world.port);
  const headers = { "x-amz-meta-greeting": "grüße-日本 🥖", "x-amz-meta-plain": "ascii" };
  const { status, body } = await rawS3(world.a, { method: "PUT", bucket: "photos", key: "k", headers, body: "text" });
  assert.equal(status, 200, body.toString());
  await waitUntilEqual(world, "k");
  const at = destinationsOf(world)[1];
  assert.ok(at);
  assert.deepEqual((await snapshot(at, "k"))?.metadata, { greeting: "grüße-日本 🥖", plain: "ascii" });
  await daemon.stop();
}

async function oddKeys(world: World): Promise<void> {
  await settle(world);
  await using daemon = await startDaemon(world, world.port);
  for (const key of KEYS) await world.a.client.put("photos", key, { body: `body of ${key}` });
  for (const key of KEYS) await waitUntilEqual(world, key);
  await waitUntilSameListing(world);
  await daemon.stop();
}

async function multipart(world: World): Promise<void> {
  await settle(world);
  await using daemon = await startDaemon(world, world.port);
  const { client } = world.a;
  const parts = [randomBytes(5 * MIB), randomBytes(5 * MIB), randomBytes(MIB + 5)];
  const { etag } = await client.putMultipart("photos", "video", { ...ATTRIBUTES, parts });
  assert.match(etag, /-3$/);
  await waitUntilEqual(world, "video");
  await client.put("photos", "small", { ...ATTRIBUTES, body: "small" });
  await client.copy({ bucket: "photos", key: "small" }, { bucket: "photos", key: "copies/small" });
  await client.copy({ bucket: "photos", key: "video" }, { bucket: "photos", key: "copies/video" });
  for (const key of ["copies/small", "copies/video"]) await waitUntilEqual(world, key);
  await daemon.stop();
}

async function overwrites(world: World): Promise<void> {
  await settle(world);
  await using daemon = await startDaemon(world, world.port);
  const { client } = world.a;
  await Promise.all(
    ["x", "y", "z"].map(async (key) => {
      for (let i = 0; i < 15; i++) await client.put("photos", key, { body: `${key} ${i}`.repeat(i + 1), metadata: { i: String(i) } });
    }),
  );
  for (const key of ["x", "y", "z"]) {
    await waitUntilEqual(world, key);
    assert.equal((await client.head("photos", key))?.metadata["i"], "14");
  }
  await daemon.stop();
}

async function deletes(world: World): Promise<void> {
  await settle(world);
  await using daemon = await startDaemon(world, world.port);
  const { client } = world.a;
  const removed = ["a", "b", "c", "d", "e"];
  for (const key of [...removed, "kept"]) await client.put("photos", key, { body: key });
  await waitUntilSameListing(world);
  const ignored = async () => {
    const status = await askJson<StatusDocument>(world, "status");
    return status.intake.find(({ store }) => store === "a")?.ignored ?? 0;
  };
  const before = await ignored();
  for (const key of removed) await client.delete("photos", key);
  await waitFor("the deletes to be counted as ignored", async () => (await ignored()) >= before + removed.length);
  for (const { client: at, bucket } of destinationsOf(world)) {
    assert.deepEqual(
      (await at.list(bucket)).map(({ key }) => key),
      [...removed, "kept"],
    );
  }
  await daemon.stop();
}

export const replicationScenarios: readonly Scenario[] = [
  { title: "invariants 1 and 9: what clients write arrives at every destination with all that it had", run: everythingArrives },
  { title: "invariant 9: an Expires header arrives everywhere, also by a copy within one store", run: expires },
  { title: "invariant 9: an Expires header that was there before the start arrives everywhere too", run: expiresInBulk },
  { title: "invariant 9: metadata in any script arrives as it was meant", run: nonAsciiMetadata },
  { title: "invariants 1 and 13: keys of any text arrive under the same key", run: oddKeys },
  { title: "invariants 8 and 9: multipart uploads keep their ETag, and what the client copies on the server arrives", run: multipart },
  { title: "invariant 2: of many overwrites in a row the last is what remains", run: overwrites },
];

/** For sources that tell of deletes. */
export const deleteScenarios: readonly Scenario[] = [
  { title: "invariant 4: a delete at the source is counted as ignored and removes nothing", run: deletes },
];
