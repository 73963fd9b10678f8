import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import * as sdk from "@aws-sdk/client-s3";
import { openSqliteState } from "../../src/adapters/state/sqlite/open.ts";
import type { Bucket } from "../../src/domain/bucket.ts";
import type { TransferOutcome } from "../../src/ports/transfer.ts";
import { SCRATCH } from "../contract/sqlite-state.ts";
import { type Interceptor, interceptorBefore } from "../support/intercept.ts";
import { startMinio } from "../support/minio.ts";
import { type AdaptedStore, adapt, bucketIn, transferOver } from "../support/s3-adapter.ts";
import { connect, type SdkClient } from "../support/sdk.ts";
import type { RealServer } from "../support/server.ts";
import { startVersitygw } from "../support/versitygw.ts";

const MIB = 1024 ** 2;
const SIZES = [5 * MIB, 5 * MIB, 7];
const PRESERVE = { tags: true, storageClass: false, acl: false, objectLock: false, encryption: false };

interface Side {
  readonly server: RealServer;
  readonly client: SdkClient;
  readonly front: Interceptor;
}

const sides: Record<string, Side> = {};
before(async () => {
  const started = await Promise.all([startMinio(), startVersitygw()]);
  for (const [i, name] of ["MinIO", "versitygw"].entries()) {
    const server = started[i] as RealServer;
    sides[name] = { server, client: connect(server), front: await interceptorBefore(server.endpoint) };
  }
});
after(async () => {
  for (const { server, client, front } of Object.values(sides)) {
    client[Symbol.dispose]();
    await front[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  }
});

/** Copies as a process does that knows nothing but the file of its state; returns how it ended and what it asked for. */
async function copyOnce(
  way: Way,
  path: string,
): Promise<{ readonly outcome: TransferOutcome | undefined; readonly requests: readonly string[] }> {
  const stores = way.stores.map(({ name, front, server }) => adapt(name, { endpoint: front.endpoint, credentials: server.credentials }));
  const state = await openSqliteState({ path, mode: "daemon" });
  const { transfer, close } = transferOver(stores, {}, state.uploads);
  try {
    const [source, destination] = way.buckets(stores);
    const result = await transfer.copy({ source, key: "k", destinations: [{ bucket: destination, key: "to/k", preserve: PRESERVE }] });
    assert.ok(result.kind === "done", result.kind === "failed" ? result.error.message : result.kind);
    return { outcome: result.outcomes[0], requests: stores.flatMap(({ requests }) => requests) };
  } finally {
    await close();
    await state.close();
  }
}

interface Way {
  readonly stores: readonly (Side & { readonly name: string })[];
  readonly buckets: (stores: readonly AdaptedStore[]) => readonly [Bucket, Bucket];
}

interface OpenWay {
  readonly way: Way;
  readonly source: Side;
  readonly destination: Side;
  /** The source's bucket and the destination's. */
  readonly names: readonly [string, string];
}

async function open(from: string, to: string): Promise<OpenWay> {
  const [source, destination] = [sides[from] as Side, sides[to] as Side];
  const names = ["source", "destination"].map((name) => `${name}-${randomBytes(4).toString("hex")}`) as [string, string];
  await source.client.createBucket(names[0]);
  await destination.client.createBucket(names[1]);
  const stores = [...new Set([from, to])].map((name) => ({ name, ...(sides[name] as Side) }));
  const buckets = (all: readonly AdaptedStore[]) =>
    [bucketIn(all[0] as AdaptedStore, names[0]), bucketIn(all.at(-1) as AdaptedStore, names[1])] as const;
  return { way: { stores, buckets }, source, destination, names };
}

async function putParts({ client }: Side, bucket: string): Promise<{ readonly body: Buffer; readonly etag: string }> {
  const parts = SIZES.map((size) => randomBytes(size));
  const at = { Bucket: bucket, Key: "k" };
  const { UploadId } = await client.s3.send(new sdk.CreateMultipartUploadCommand({ ...at, Metadata: { name: "v" } }));
  const Parts: sdk.CompletedPart[] = [];
  for (const [i, Body] of parts.entries()) {
    const { ETag } = await client.s3.send(new sdk.UploadPartCommand({ ...at, UploadId, PartNumber: i + 1, Body }));
    Parts.push({ PartNumber: i + 1, ETag });
  }
  const { ETag = "" } = await client.s3.send(new sdk.CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload: { Parts } }));
  return { body: Buffer.concat(parts), etag: ETag.replaceAll('"', "") };
}

/** Refuses the parts after the first for as long as the copy takes. */
async function breakOff(way: Way, { front }: Side, path: string): Promise<void> {
  front.intercept = ({ method, url = "" }) => {
    const isLater = method === "PUT" && Number(/partNumber=(\d+)/.exec(url)?.[1] ?? 0) > 1;
    return isLater ? { status: 503, body: "<Error><Code>SlowDown</Code></Error>" } : undefined;
  };
  const { outcome, requests } = await copyOnce(way, path);
  front.intercept = () => undefined;
  assert.equal(outcome?.kind === "failed" && outcome.error.code, "SlowDown");
  assert.ok(!requests.includes("AbortMultipartUpload"));
}

const uploadedParts = (requests: readonly string[]) => requests.filter((name) => name.startsWith("UploadPart")).length;

async function assertReplica({ client }: Side, bucket: string, source: { readonly body: Buffer; readonly etag: string }): Promise<void> {
  const found = await client.get(bucket, "to/k");
  assert.deepEqual([found?.etag, found?.metadata], [source.etag, { name: "v" }]);
  assert.equal(
    createHash("md5")
      .update(found?.body ?? "")
      .digest("hex"),
    createHash("md5").update(source.body).digest("hex"),
  );
  const { Uploads = [] } = await client.s3.send(new sdk.ListMultipartUploadsCommand({ Bucket: bucket }));
  assert.deepEqual(Uploads, []);
}

for (const [from, to] of [
  ["MinIO", "versitygw"],
  ["versitygw", "MinIO"],
  ["MinIO", "MinIO"],
  ["versitygw", "versitygw"],
] as const) {
  describe(`a copy in parts from ${from} to ${to} that was broken off`, () => {
    const folder = mkdtempSync(join(SCRATCH, "replicast-uploads-"));
    after(() => rmSync(folder, { recursive: true }));

    test("is gone on with by the next process: only the rest is uploaded, and the ETag is the source's", async () => {
      const { way, source, destination, names } = await open(from, to);
      const path = join(folder, "resumed.db");
      const put = await putParts(source, names[0]);
      await breakOff(way, destination, path);
      const { outcome, requests } = await copyOnce(way, path);
      assert.equal(outcome?.kind, "copied");
      assert.deepEqual([uploadedParts(requests), requests.includes("CreateMultipartUpload")], [SIZES.length - 1, false]);
      await assertReplica(destination, names[1], put);
    });

    test("starts over where the source was overwritten, and leaves nothing of what it was (invariant 2)", async () => {
      const { way, source, destination, names } = await open(from, to);
      const path = join(folder, "overwritten.db");
      await putParts(source, names[0]);
      await breakOff(way, destination, path);
      const put = await putParts(source, names[0]);
      const { outcome, requests } = await copyOnce(way, path);
      assert.equal(outcome?.kind, "copied");
      assert.deepEqual([uploadedParts(requests), requests.includes("AbortMultipartUpload")], [SIZES.length, true]);
      await assertReplica(destination, names[1], put);
    });
  });
}
