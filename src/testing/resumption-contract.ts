import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { STAMP_NAME } from "../domain/stamp.ts";
import type { TransferDestination } from "../ports/transfer.ts";
import { describePort, type PortCases, type PortContract } from "./port-contract.ts";
import { assertReplica, bothWays, codeOf, copied, copy, outcomesOf, type Place, type TransferHarness, to } from "./transfer-contract.ts";

/** Holds an adapter whose uploads are bound to what it promises of copies in parts that are broken off. */
export function describeResumption(contract: PortContract<TransferHarness>): void {
  describePort("Transfer, broken off", contract, cases);
}

/** More than are under way at a time, so that some are left to do. */
const PARTS = 12;
const ANSWERED = 2;

interface BrokenOff {
  readonly body: Buffer;
  readonly etag: string;
}

async function putSource({ source, partBytes, putParts }: TransferHarness): Promise<BrokenOff> {
  const bodies = Array.from({ length: PARTS }, () => randomBytes(partBytes));
  const parts = bodies.map((body, i) => ({ number: i + 1, body }));
  const attributes = { systemHeaders: { "cache-control": "max-age=5" }, metadata: { name: "gr\u00fc\u00dfe" }, tags: { k: "v" } };
  return { body: Buffer.concat(bodies), etag: await putParts(source, "a", { parts, attributes }) };
}

/** Puts a source in parts and breaks its copy off when some of them have been answered for. */
async function breakOff(harness: TransferHarness, destination: TransferDestination): Promise<BrokenOff> {
  const source = await putSource(harness);
  const signal = harness.breakOffAfter(destination.bucket, ANSWERED);
  assert.deepEqual(outcomesOf(await copy(harness, [destination], { signal })).map(codeOf), ["Aborted"]);
  assert.equal(await harness.openUploads(destination.bucket), 1, "the upload is left");
  assert.equal((await harness.uploads.all()).length, 1, "and it is known whose it is");
  return source;
}

async function assertNothingLeft({ openUploads, uploads }: TransferHarness, { bucket }: TransferDestination): Promise<void> {
  assert.equal(await openUploads(bucket), 0);
  assert.deepEqual(await uploads.all(), []);
}

/** Copies once more and returns how often each operation was asked for, at both sides. */
async function countedCopy(
  harness: TransferHarness,
  destination: TransferDestination,
): Promise<{ readonly etag: string; readonly count: (operation: string) => number }> {
  const [outcome] = outcomesOf(await copy(harness, [destination]));
  const { etag } = copied(outcome);
  const requests = [...harness.takeRequests(harness.source), ...harness.takeRequests(harness.far)];
  return { etag, count: (operation) => requests.filter((name) => name.startsWith(operation)).length };
}

/** A case of a destination that a copy was broken off to. */
function afterBreak(
  title: string,
  run: (harness: TransferHarness, destination: TransferDestination, source: BrokenOff) => Promise<void>,
): PortCases<TransferHarness> {
  return bothWays(title, async (harness: TransferHarness, place: Place) => {
    const destination = to(harness[place]);
    await run(harness, destination, await breakOff(harness, destination));
  });
}

const cases: PortCases<TransferHarness> = {
  ...afterBreak("what was uploaded is not uploaded again, and the replica is the source", async (harness, destination, { body, etag }) => {
    const again = await countedCopy(harness, destination);
    assert.equal(again.etag, etag);
    assert.equal(again.count("CreateMultipartUpload"), 0);
    const sent = again.count("UploadPart");
    assert.ok(sent <= PARTS - ANSWERED, `${sent} parts were sent again`);
    await assertReplica(harness, destination, body);
    const state = await harness.storeOf(destination.bucket).head(destination.key);
    assert.deepEqual(state?.attributes.metadata, { name: "gr\u00fc\u00dfe" });
    assert.deepEqual(await harness.storeOf(destination.bucket).tags(destination.key), { k: "v" });
    await assertNothingLeft(harness, destination);
  }),
  ...afterBreak("no part of a source that was overwritten is used (invariant 2)", async (harness, destination) => {
    const { body, etag } = await putSource(harness);
    const again = await countedCopy(harness, destination);
    assert.equal(again.etag, etag);
    assert.deepEqual([again.count("CreateMultipartUpload"), again.count("UploadPart")], [1, PARTS]);
    await assertReplica(harness, destination, body);
    await assertNothingLeft(harness, destination);
  }),
  ...afterBreak("a source that is small now leaves no parts of what it was", async (harness, destination) => {
    const body = Buffer.from("small");
    await harness.storeOf(harness.source).put("a", body);
    await countedCopy(harness, destination);
    await assertReplica(harness, destination, body);
    await assertNothingLeft(harness, destination);
  }),
  ...afterBreak("a source that is gone leaves no parts", async (harness, destination) => {
    await harness.storeOf(harness.source).delete("a");
    assert.equal((await harness.transfer.copy({ source: harness.source, key: "a", destinations: [destination] })).kind, "gone");
    await assertNothingLeft(harness, destination);
  }),
  ...afterBreak("a replica that is to have other attributes is begun anew", async (harness, destination, { body }) => {
    const again = await countedCopy(harness, { ...destination, stamp: "v1;new" });
    assert.deepEqual([again.count("CreateMultipartUpload"), again.count("UploadPart")], [1, PARTS]);
    const state = await harness.storeOf(destination.bucket).head(destination.key);
    assert.equal(state?.attributes.metadata[STAMP_NAME], "v1;new");
    await assertReplica(harness, destination, body);
    await assertNothingLeft(harness, destination);
  }),
  ...afterBreak("the end of a copy that is gone on with keeps to the condition (invariant 3)", async (harness, destination) => {
    const theirs = Buffer.from("theirs");
    await harness.storeOf(destination.bucket).put(destination.key, theirs);
    const outcomes = outcomesOf(await copy(harness, [{ ...destination, ifHolds: null }]));
    assert.deepEqual(outcomes.map(codeOf), ["moved-on"]);
    await assertReplica(harness, destination, theirs);
    await assertNothingLeft(harness, destination);
  }),
  ...afterBreak("an upload that is gone is begun anew", async (harness, destination, { body, etag }) => {
    const [left] = await harness.uploads.all();
    assert.ok(left !== undefined);
    const buckets = [destination.bucket];
    await harness.transfer.sweep?.({ buckets, isWanted: async () => false });
    await harness.uploads.bind(left);
    const again = await countedCopy(harness, destination);
    assert.deepEqual([again.etag, again.count("UploadPart")], [etag, PARTS]);
    await assertReplica(harness, destination, body);
    await assertNothingLeft(harness, destination);
  }),
  ...afterBreak("what nobody goes on with is swept, and nothing else", async (harness, destination) => {
    const sweep = async (isWanted: boolean, buckets = [destination.bucket]) =>
      harness.transfer.sweep?.({ buckets, isWanted: async ({ key }) => key === "a" && isWanted });
    assert.equal(await sweep(true), 0);
    assert.equal(await sweep(false, [harness.farther]), 0);
    assert.equal(await harness.openUploads(destination.bucket), 1);
    assert.equal(await sweep(false), 1);
    await assertNothingLeft(harness, destination);
  }),
  ...bothWays("two copies to one place at a time leave nothing to each other", async (harness, place) => {
    const { body } = await putSource(harness);
    const destination = to(harness[place]);
    const results = await Promise.all([copy(harness, [destination]), copy(harness, [destination])]);
    for (const result of results) copied(outcomesOf(result)[0]);
    await assertReplica(harness, destination, body);
    await assertNothingLeft(harness, destination);
  }),
};
