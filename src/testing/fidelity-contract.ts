import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";
import type { Bucket } from "../domain/bucket.ts";
import type { ObjectAttributes, ObjectLock, ObjectState } from "../domain/object.ts";
import type { Preserve } from "../domain/rule.ts";
import type { TransferDestination, TransferOutcome } from "../ports/transfer.ts";
import { describePort, type PortCases, type PortContract } from "./port-contract.ts";
import {
  assertReplica,
  bothWays,
  copied,
  everyWay,
  type GuardsToPut,
  KEEP_ALL,
  outcomesOf,
  type Place,
  type Size,
  type TransferHarness,
  to,
} from "./transfer-contract.ts";

/** Holds an adapter to what `docs/fidelity.md` says of each attribute. */
export function describeFidelity(contract: PortContract<TransferHarness>): void {
  describePort("Transfer and what goes with the bytes", contract, {
    ...attributes,
    ...checksums,
    ...locks,
    ...acls,
    ...encryption,
    ...archives,
  });
}

const NOTHING: ObjectAttributes = { systemHeaders: {}, metadata: {} };
const DAY_MS = 86_400_000;
/** Whole seconds: some stores keep no finer. */
const inDays = (days: number) => Math.floor(Date.now() / 1000) * 1000 + days * DAY_MS;

interface Copying {
  readonly from?: Bucket;
  readonly destinations: readonly TransferDestination[];
  /** As a listing would have said it. */
  readonly listed?: boolean;
}

async function copy({ storeOf, transfer, source }: TransferHarness, { from = source, destinations, listed = true }: Copying) {
  const found = listed ? (await storeOf(from).list({ prefix: "a" })).objects[0] : undefined;
  const hint = found && { ...found, storageClass: found.storageClass ?? "STANDARD" };
  return transfer.copy({ source: from, key: "a", hint, destinations });
}

async function copyOne(harness: TransferHarness, copying: Copying): Promise<TransferOutcome & { readonly kind: "copied" }> {
  return copied(outcomesOf(await copy(harness, copying))[0]);
}

async function stateOf({ storeOf }: TransferHarness, { bucket, key }: Pick<TransferDestination, "bucket" | "key">): Promise<ObjectState> {
  const state = await storeOf(bucket).head(key, { checksums: true });
  assert.ok(state !== undefined, `${bucket.name} holds ${key}`);
  return state;
}

const keeping = (also: Partial<Preserve>): Preserve => ({ ...KEEP_ALL, ...also });

interface Seed extends GuardsToPut {
  readonly bucket: Bucket;
  readonly size: Size;
}

/** Puts `a` with guards so that it travels this way. */
async function seed(harness: TransferHarness, { bucket, size, ...guards }: Seed): Promise<Uint8Array> {
  if (size !== "in parts") {
    const body = randomBytes(size === "small" ? 10 : harness.largeBytes + 1);
    await harness.putGuarded(bucket, "a", { body, ...guards });
    return body;
  }
  const parts = [1, 2].map((number) => ({ number, body: randomBytes(number === 1 ? harness.partBytes : 5) }));
  await harness.putParts(bucket, "a", { parts, attributes: NOTHING, ...guards });
  return Buffer.concat(parts.map(({ body }) => body));
}

/** Copies the source's `a` with these attributes, and requires the replica to have them without a note. */
function keeps(given: (harness: TransferHarness) => Partial<ObjectAttributes>) {
  return async (harness: TransferHarness, place: Place): Promise<void> => {
    const { tags, ...rest } = { ...NOTHING, ...given(harness) };
    await harness.storeOf(harness.source).put("a", Buffer.from("x"), { attributes: { ...rest, tags } });
    const { notes } = await copyOne(harness, { destinations: [to(harness[place])] });
    const { attributes: found } = await stateOf(harness, to(harness[place]));
    for (const [name, value] of Object.entries(rest.systemHeaders)) assert.equal(found.systemHeaders[name], value);
    assert.deepEqual(found.metadata, rest.metadata);
    if (tags !== undefined) assert.deepEqual(await harness.storeOf(harness[place]).tags("copy/a"), tags);
    assert.deepEqual(notes, []);
  };
}

const attributes: PortCases<TransferHarness> = {
  ...bothWays(
    "all system headers are kept as they are",
    keeps(() => ({
      systemHeaders: {
        "cache-control": "no-cache, max-age=0",
        "content-disposition": "attachment; filename=\"a b.txt\"; filename*=UTF-8''a%20%C3%BC.txt",
        "content-language": "de, en-GB",
        "content-type": "text/plain; charset=utf-8",
      },
    })),
  ),
  ...bothWays("an Expires header that is no date is kept as it is, or a note tells that it is not", async (harness, place) => {
    const systemHeaders = { expires: "after the party" };
    await harness.storeOf(harness.source).put("a", Buffer.from("x"), { attributes: { ...NOTHING, systemHeaders } });
    const { expires } = (await stateOf(harness, { bucket: harness.source, key: "a" })).attributes.systemHeaders;
    assert.equal(expires, systemHeaders.expires, "exempt a source that has no such");
    const { notes } = await copyOne(harness, { destinations: [to(harness[place])] });
    const found = (await stateOf(harness, to(harness[place]))).attributes.systemHeaders["expires"];
    assert.deepEqual([found, notes], found === undefined ? [undefined, ["ExpiresNotKept"]] : [expires, []]);
  }),
  ...bothWays("a body that is said to be gzip is kept byte for byte", async (harness, place) => {
    const body = gzipSync("text ".repeat(100));
    await harness.storeOf(harness.source).put("a", body, { attributes: { ...NOTHING, systemHeaders: { "content-encoding": "gzip" } } });
    assert.equal((await copyOne(harness, { destinations: [to(harness[place])] })).proof, "etag");
    await assertReplica(harness, to(harness[place]), body);
    assert.equal((await stateOf(harness, to(harness[place]))).attributes.systemHeaders["content-encoding"], "gzip");
  }),
  ...bothWays(
    "user metadata is kept: 2 KB of it, other than ASCII, and under names that JavaScript keeps for itself",
    keeps(() => ({
      metadata: {
        "much-of-it": "x".repeat(1_800),
        greeting: "gr\u00fc\u00dfe \u{1f600}",
        ...Object.fromEntries([["__proto__", "polluted"]]),
        constructor: "c",
      },
    })),
  ),
  ...bothWays(
    "ten tags with odd characters are kept",
    keeps(() => ({
      tags: Object.fromEntries([
        ["__proto__", "p"],
        ["constructor", ""],
        ...Array.from({ length: 8 }, (_, i) => [`t ${i}+-=._:/@`, `v ${i}+-=._:/@`]),
      ]),
    })),
  ),
  "a website redirect is kept across stores, or a note tells that it is not": async (harness) => {
    const systemHeaders = { "x-amz-website-redirect-location": "/elsewhere" };
    await harness.storeOf(harness.source).put("a", Buffer.from("x"), { attributes: { ...NOTHING, systemHeaders } });
    const name = "x-amz-website-redirect-location";
    assert.equal((await stateOf(harness, { bucket: harness.source, key: "a" })).attributes.systemHeaders[name], "/elsewhere");
    const { notes } = await copyOne(harness, { destinations: [to(harness.far)] });
    const found = (await stateOf(harness, to(harness.far))).attributes.systemHeaders[name];
    if (found === undefined) assert.deepEqual(notes, ["WebsiteRedirectNotKept"]);
    else assert.deepEqual([found, notes], ["/elsewhere", []]);
  },
  "a storage class is kept across stores, or a note tells that it is not": async (harness) => {
    await harness.storeOf(harness.source).put("a", Buffer.from("x"));
    const { notes } = await copyOne(harness, { destinations: [to(harness.far, { storageClass: "STANDARD_IA" })] });
    const { storageClass } = await stateOf(harness, to(harness.far));
    assert.deepEqual(notes, storageClass === "STANDARD_IA" ? [] : ["StorageClassNotKept"]);
  },
};

const checksums: PortCases<TransferHarness> = {
  ...everyWay("a checksum keeps its algorithm, its type and its value", async (harness, place, size) => {
    await seed(harness, { bucket: harness.source, size, checksum: size === "in parts" ? "CRC32" : "SHA256" });
    const { storedChecksum } = await stateOf(harness, { bucket: harness.source, key: "a" });
    assert.equal(storedChecksum?.type, size === "in parts" ? "COMPOSITE" : "FULL_OBJECT");
    const { notes, proof } = await copyOne(harness, { destinations: [to(harness[place])] });
    assert.deepEqual((await stateOf(harness, to(harness[place]))).storedChecksum, storedChecksum);
    assert.deepEqual([proof, notes], ["etag", []]);
  }),
  ...everyWay("an object whose checksum a store cannot take along is copied all the same, with its ETag", async (harness, place, size) => {
    const body = await seed(harness, { bucket: harness.source, size, checksum: size === "in parts" ? "CRC32" : "SHA256" });
    const before = await stateOf(harness, { bucket: harness.source, key: "a" });
    const { notes, etag } = await copyOne(harness, { destinations: [to(harness[place])] });
    const after = await stateOf(harness, to(harness[place]));
    const isKept = after.storedChecksum?.value === before.storedChecksum?.value;
    assert.deepEqual([etag, notes], [before.etag, isKept ? [] : ["ChecksumNotKept"]]);
    await assertReplica(harness, to(harness[place]), body);
    assert.equal(await harness.openUploads(harness[place]), 0);
  }),
};

const locks: PortCases<TransferHarness> = {
  ...everyWay(
    "a lock is kept where the destination has locks, and left out with a note where it has none",
    async (harness, place, size) => {
      const [from, guarded] = [await harness.guardedBucket("near"), await harness.guardedBucket(place)];
      const lock: ObjectLock = { retention: { mode: "GOVERNANCE", retainUntil: inDays(2) }, legalHold: true };
      const body = await seed(harness, { bucket: from, size, lock });
      const preserve = keeping({ objectLock: true });
      const destinations = [to(guarded, { preserve }), to(harness[place], { preserve }), to(guarded, { key: "unasked" })];
      const outcomes = outcomesOf(await copy(harness, { from, destinations })).map(copied);
      assert.deepEqual(
        outcomes.map(({ notes }) => notes),
        [[], ["ObjectLockNotKept"], []],
      );
      assert.deepEqual((await stateOf(harness, to(guarded))).lock, lock);
      for (const destination of destinations.slice(1)) assert.equal((await stateOf(harness, destination)).lock, undefined);
      for (const destination of destinations) await assertReplica(harness, destination, body);
      assert.equal(await harness.openUploads(guarded), 0);
    },
  ),
  ...bothWays("a legal hold is kept without a retention", async (harness, place) => {
    const [from, guarded] = [await harness.guardedBucket("near"), await harness.guardedBucket(place)];
    await seed(harness, { bucket: from, size: "small", lock: { legalHold: true } });
    await copyOne(harness, { from, destinations: [to(guarded, { preserve: keeping({ objectLock: true }) })] });
    assert.deepEqual((await stateOf(harness, to(guarded))).lock, { retention: undefined, legalHold: true });
  }),
};

const acls: PortCases<TransferHarness> = {
  ...everyWay("an ACL is kept where it is asked for and the destination has ACLs, else a note tells", async (harness, place, size) => {
    const [from, guarded] = [await harness.guardedBucket("near"), await harness.guardedBucket(place)];
    const body = await seed(harness, { bucket: from, size, acl: "public-read" });
    assert.deepEqual(await harness.grantsOf(from, "a"), ["AllUsers READ"]);
    const preserve = keeping({ acl: true });
    const destinations = [to(guarded, { preserve }), to(harness[place], { preserve }), to(guarded, { key: "unasked" })];
    const [kept, disabled, unasked] = outcomesOf(await copy(harness, { from, destinations })).map(copied);
    const grants = await harness.grantsOf(guarded, "copy/a");
    assert.deepEqual(kept?.notes, grants.length === 0 ? ["AclNotKept"] : []);
    assert.deepEqual([disabled?.notes, unasked?.notes], [["AclNotKept"], []]);
    assert.deepEqual(await harness.grantsOf(guarded, "unasked"), []);
    for (const destination of destinations) await assertReplica(harness, destination, body);
  }),
  ...bothWays("an object that only its owner may read asks nothing of a destination without ACLs", async (harness, place) => {
    await harness.storeOf(harness.source).put("a", Buffer.from("x"));
    const destinations = [to(harness[place], { preserve: keeping({ acl: true }) })];
    assert.deepEqual((await copyOne(harness, { destinations })).notes, []);
  }),
};

const encryption: PortCases<TransferHarness> = {
  ...everyWay(
    "the kind of the source's encryption is kept where it is known, or a note tells that it is not",
    async (harness, place, size) => {
      for (const type of ["AES256", "aws:kms"] as const) {
        const body = await seed(harness, { bucket: harness.source, size, encryption: type });
        assert.equal((await stateOf(harness, { bucket: harness.source, key: "a" })).encryption, type);
        const destination = to(harness[place], { key: type, preserve: keeping({ encryption: true }) });
        // Without a hint the source is read first, so that the kind is known within a store too.
        const { notes } = await copyOne(harness, { destinations: [destination], listed: false });
        const kind = (await stateOf(harness, destination)).encryption;
        const isKept = kind === type || (type === "AES256" && kind !== undefined);
        assert.equal(notes.includes("EncryptionNotKept"), !isKept, `${type}: ${notes}`);
        await assertReplica(harness, destination, body);
      }
      assert.equal(await harness.openUploads(harness[place]), 0);
    },
  ),
};

const archives: PortCases<TransferHarness> = {
  ...bothWays("an archived object fails for good and tells what to do, whatever is known of it", async (harness, place) => {
    await harness.putGuarded(harness.source, "a", { body: randomBytes(10), storageClass: "GLACIER" });
    for (const listed of [true, false]) {
      const result = await copy(harness, { destinations: [to(harness[place])], listed });
      const ended = result.kind === "done" ? result.outcomes[0] : result;
      assert.ok(ended?.kind === "failed", ended?.kind);
      assert.deepEqual([ended.error.code, ended.error.disposition], ["ArchivedObject", "permanent"]);
      assert.match(ended.error.hint ?? "", /RestoreObject/);
    }
    assert.equal(await harness.storeOf(harness[place]).head("copy/a"), undefined);
  }),
};
