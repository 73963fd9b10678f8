import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { describe, it } from "node:test";
import { credentials, useInterceptedPair } from "../../../../test/support/intercepted.ts";
import { adapt, bucketIn, transferOver } from "../../../../test/support/s3-adapter.ts";
import type { Bucket } from "../../../domain/bucket.ts";
import { Body } from "../../../embedded-s3/body.ts";
import { DEFAULT_KMS_KEY } from "../../../embedded-s3/encryption.ts";
import type { TransferDestination, TransferOutcome, TransferRequest, TransferResult } from "../../../ports/transfer.ts";
import { parseAcl } from "./acl.ts";

const LARGE = 64 * 1024;
const DAY_MS = 86_400_000;
const KEEP_ALL = { tags: true, storageClass: true, acl: true, objectLock: true, encryption: true };

const pair = useInterceptedPair({
  minPartBytes: 1,
  limits: { relayFromBytes: LARGE, maxSingleBytes: 2 * LARGE },
  bucket: { objectLock: true, acls: true },
});

const to = (bucket: Bucket, overrides: Partial<TransferDestination> = {}): TransferDestination => ({
  bucket,
  key: "k",
  preserve: KEEP_ALL,
  ...overrides,
});

async function copy(destinations: readonly TransferDestination[], request: Partial<TransferRequest> = {}): Promise<TransferResult> {
  return pair.over.transfer.copy({ source: pair.source, key: "k", destinations, ...request });
}

function outcomeOf(result: TransferResult): TransferOutcome {
  const outcome = result.kind === "done" ? result.outcomes[0] : result;
  assert.ok(outcome !== undefined && outcome.kind !== "gone" && outcome.kind !== "changed", outcome?.kind);
  return outcome;
}

function copied(result: TransferResult): TransferOutcome & { readonly kind: "copied" } {
  const outcome = outcomeOf(result);
  assert.ok(outcome.kind === "copied", outcome.kind === "failed" ? outcome.error.message : outcome.kind);
  return outcome;
}

/** What the source's store says of its objects, without one of its headers. */
function hide(index: 0 | 1, pattern: RegExp): void {
  pair.front[index].rewrite = (_, headers) => {
    for (const name of Object.keys(headers)) if (pattern.test(name)) delete headers[name];
  };
}

describe("S3Transfer and locks", () => {
  it("leaves out a retention that is over, with a note, and keeps the hold", async () => {
    const lock = { retention: { mode: "GOVERNANCE" as const, retainUntil: Date.now() + DAY_MS }, legalHold: true };
    pair.servers[0].model.putObject(pair.source.bucket, "k", { body: Body.of("x"), lock });
    pair.front[0].rewrite = (_, headers) => {
      if (headers["x-amz-object-lock-mode"] !== undefined) headers["x-amz-object-lock-retain-until-date"] = "2020-01-01T00:00:00.000Z";
    };
    for (const bucket of [pair.near, pair.far]) {
      assert.deepEqual(copied(await copy([to(bucket)])).notes, ["RetentionExpired"]);
      const replica = await pair.over.storeOf(bucket).head("k");
      assert.deepEqual(replica?.lock, { retention: undefined, legalHold: true });
    }
  });

  it("sends a digest with everything that is to be locked, also where the source gives none", async () => {
    const lock = { legalHold: true };
    const encryption = { type: "aws:kms", keyId: DEFAULT_KMS_KEY } as const;
    const { model } = pair.servers[0];
    model.putObject(pair.source.bucket, "k", { body: Body.of(randomBytes(LARGE)), lock, encryption });
    const { uploadId } = model.createUpload(pair.source.bucket, "parts", { lock });
    const parts = [1, 2].map((partNumber) =>
      model.uploadPart(pair.source.bucket, "parts", { uploadId, partNumber, body: Body.of(randomBytes(9)) }),
    );
    model.completeUpload(pair.source.bucket, "parts", { uploadId, parts });
    hide(0, /^x-amz-checksum/);
    const bare: (string | undefined)[] = [];
    pair.front[1].intercept = ({ method, headers, url }) => {
      const isDigested = Object.keys(headers).some((name) => name === "content-md5" || name.startsWith("x-amz-checksum-"));
      if (method === "PUT" && !isDigested) bare.push(url);
      return undefined;
    };
    assert.equal(copied(await copy([to(pair.far)])).proof, "streamed-hash");
    copied(await copy([to(pair.far, { key: "parts" })], { key: "parts" }));
    assert.deepEqual(bare, []);
    for (const key of ["k", "parts"]) assert.equal((await pair.over.storeOf(pair.far).head(key))?.lock?.legalHold, true);
  });
});

describe("S3Transfer and what it says of its proof (invariant 8)", () => {
  const kms = { type: "aws:kms", keyId: DEFAULT_KMS_KEY } as const;

  it("claims no more than was checked between buckets whose ETags are no MD5s", async () => {
    const expected = { small: "streamed-hash", large: "provider" };
    for (const [size, proof] of Object.entries(expected)) {
      pair.servers[0].model.putObject(pair.source.bucket, "k", {
        body: Body.of(randomBytes(size === "small" ? 9 : LARGE)),
        encryption: kms,
      });
      hide(0, /^x-amz-checksum/);
      assert.equal(copied(await copy([to(pair.far)])).proof, proof, `${size}: nothing that the source said of its bytes was checked`);
      hide(0, /^never$/);
      assert.equal(copied(await copy([to(pair.far)])).proof, "checksum", `${size}: by the checksum that the source keeps`);
    }
  });

  it("fails bytes that are not those of the source's checksum, where nothing else vouches for them", async () => {
    for (const size of [9, LARGE]) {
      pair.servers[0].model.putObject(pair.source.bucket, "k", { body: Body.of(randomBytes(size)), encryption: kms });
      pair.front[0].rewrite = (_, headers) => {
        if (headers["x-amz-checksum-crc64nvme"] !== undefined) headers["x-amz-checksum-crc64nvme"] = "AAAAAAAAAAA=";
      };
      const outcome = outcomeOf(await copy([to(pair.far)]));
      assert.deepEqual(outcome.kind === "failed" && [outcome.error.code, outcome.error.disposition], ["BadDigest", "retry"]);
    }
    assert.equal(await pair.over.storeOf(pair.far).head("k"), undefined);
  });

  it("leaves a checksum out that the source's own ETag belies", async () => {
    for (const size of [9, LARGE]) {
      const body = randomBytes(size);
      pair.servers[0].model.putObject(pair.source.bucket, "k", { body: Body.of(body) });
      pair.front[0].rewrite = (_, headers) => {
        if (headers["x-amz-checksum-crc64nvme"] !== undefined) headers["x-amz-checksum-crc64nvme"] = "AAAAAAAAAAA=";
      };
      const { proof, notes, etag } = copied(await copy([to(pair.far)]));
      assert.deepEqual([proof, notes, etag], ["etag", ["ChecksumNotKept"], createHash("md5").update(body).digest("hex")]);
    }
  });
});

describe("S3Transfer and stores that know no checksums", () => {
  const refusal = {
    status: 400,
    body: "<Error><Code>InvalidArgument</Code><Message>Unsupported header x-amz-checksum-x</Message></Error>",
  };
  const refuse = (index: 0 | 1): void => {
    pair.front[index].intercept = ({ headers }) =>
      Object.keys(headers).some((name) => name.startsWith("x-amz-checksum-")) ? refusal : undefined;
  };

  it("asks a source for none again that refuses the question", async () => {
    for (const size of [9, LARGE]) {
      const { etag } = pair.servers[0].model.putObject(pair.source.bucket, "k", { body: Body.of(randomBytes(size)) });
      refuse(0);
      const hint = { etag, sizeBytes: size, storageClass: "STANDARD" };
      assert.equal(copied(await copy([to(pair.far, { preserve: { ...KEEP_ALL, acl: false } })], { hint })).proof, "etag");
      assert.equal(copied(await copy([to(pair.far)])).proof, "etag");
    }
  });

  it("writes without what a destination refuses, notes what a client gave, and does not try again", async () => {
    refuse(1);
    for (const [algorithm, notes] of [
      ["crc64nvme", []],
      ["sha256", ["ChecksumNotKept"]],
      ["sha256", ["ChecksumNotKept"]],
    ] as const) {
      pair.servers[0].model.putObject(pair.source.bucket, "k", { body: Body.of("x"), checksum: { algorithm } });
      assert.deepEqual(copied(await copy([to(pair.far)])).notes, notes);
    }
    assert.equal(pair.stores[1].requests.filter((operation) => operation === "PutObject").length, 5);
  });
});

describe("S3Transfer and objects that it cannot read", () => {
  it("fails what is encrypted with a client's key for good, and says so", async () => {
    const encryption = { type: "customer", keyMd5: "md5" } as const;
    const { etag } = pair.servers[0].model.putObject(pair.source.bucket, "k", { body: Body.of("x"), encryption });
    for (const bucket of [pair.near, pair.far]) {
      for (const hint of [undefined, { etag, sizeBytes: 1, storageClass: "STANDARD" }]) {
        const outcome = outcomeOf(await copy([to(bucket)], { hint }));
        assert.ok(outcome.kind === "failed", outcome.kind);
        assert.deepEqual([outcome.error.code, outcome.error.disposition], ["InvalidRequest", "permanent"]);
        assert.match(outcome.error.hint ?? "", /SSE-C/);
      }
    }
  });

  it("begins nothing for an archived object in parts, and copies one that is restored", async () => {
    const { model } = pair.servers[0];
    const { uploadId } = model.createUpload(pair.source.bucket, "k", { storageClass: "GLACIER" });
    const parts = [1, 2].map((partNumber) => model.uploadPart(pair.source.bucket, "k", { uploadId, partNumber, body: Body.of("abc") }));
    model.completeUpload(pair.source.bucket, "k", { uploadId, parts });
    const outcome = outcomeOf(await copy([to(pair.far)]));
    assert.equal(outcome.kind === "failed" && outcome.error.code, "ArchivedObject");
    assert.deepEqual([pair.stores[0].requests, pair.stores[1].requests], [["HeadObject", "GetObject"], []]);
    model.putObject(pair.source.bucket, "k", { body: Body.of("x") });
    pair.front[0].rewrite = (_, headers) => {
      headers["x-amz-storage-class"] = "GLACIER";
      headers["x-amz-restore"] = 'ongoing-request="false", expiry-date="Fri, 21 Dec 2037 00:00:00 GMT"';
    };
    copied(await copy([to(pair.far, { storageClass: "STANDARD" })]));
  });
});

describe("S3Transfer and sizes at the edge", () => {
  it("copies an object of ten thousand parts with its ETag", async () => {
    const { model } = pair.servers[0];
    const { uploadId } = model.createUpload(pair.source.bucket, "k");
    const parts = Array.from({ length: 10_000 }, (_, i) =>
      model.uploadPart(pair.source.bucket, "k", { uploadId, partNumber: i + 1, body: Body.of(Buffer.from([i % 256])) }),
    );
    const { etag } = model.completeUpload(pair.source.bucket, "k", { uploadId, parts });
    const direct = adapt("source", { endpoint: pair.servers[0].endpoint, credentials });
    const straight = transferOver([direct]); // past the interceptor, which would double the time
    const outcome = copied(
      await straight.transfer.copy({ source: pair.source, key: "k", destinations: [to(pair.near)] }).finally(() => straight.close()),
    );
    assert.deepEqual([outcome.etag, outcome.proof, etag.endsWith("-10000")], [etag, "etag", true]);
  });

  it("copies what is too large for one request in parts of its own, and notes that the ETag is another", async () => {
    const body = randomBytes(3 * LARGE);
    pair.servers[0].model.putObject(pair.source.bucket, "k", { body: Body.of(body) });
    for (const [bucket, proof] of [
      [pair.near, "provider"],
      [pair.far, "streamed-hash"],
    ] as const) {
      const outcome = copied(await copy([to(bucket)]));
      assert.deepEqual([outcome.proof, outcome.notes], [proof, ["ETagNotKept"]]);
      assert.deepEqual(Buffer.from((await pair.over.storeOf(bucket).get("k"))?.body ?? []), body);
    }
  });
});

describe("S3Transfer and a destination that takes everything and never answers", () => {
  it("tells of the others at once, and keeps no place that another object waits for", async () => {
    const sockets = new Set<Socket>();
    const silent = createServer((socket) => sockets.add(socket.resume())).listen(0, "127.0.0.1");
    await once(silent, "listening");
    const address = silent.address();
    assert.ok(typeof address === "object" && address !== null);
    const mute = adapt("mute", { endpoint: `http://127.0.0.1:${address.port}`, credentials });
    const single = transferOver([...pair.stores, mute], { relayFromBytes: LARGE, largeInFlight: 1 });
    const stop = new AbortController();
    try {
      pair.servers[0].model.putObject(pair.source.bucket, "k", { body: Body.of(randomBytes(LARGE)) });
      const told = Array.from({ length: 3 }, () => Promise.withResolvers<void>());
      const copies = told.map(({ resolve }, i) =>
        single.transfer.copy({
          source: pair.source,
          key: "k",
          destinations: [to(bucketIn(mute, "b")), to(pair.far, { key: `copy-${i}` })],
          onOutcome: (index) => index === 1 && resolve(),
          signal: stop.signal,
        }),
      );
      await Promise.all(told.map(({ promise }) => promise)); // one place for three objects, each with a destination that is silent
      stop.abort();
      for (const result of await Promise.all(copies)) {
        assert.ok(result.kind === "done");
        assert.deepEqual(
          result.outcomes.map(({ kind }) => kind),
          ["failed", "copied"],
        );
      }
    } finally {
      for (const socket of sockets) socket.destroy();
      silent.close();
      await single.close();
      await mute.client.close();
    }
  });
});

describe("parseAcl", () => {
  const grant = (grantee: string, permission: string) =>
    `<Grant><Grantee>${grantee}</Grantee><Permission>${permission}</Permission></Grant>`;
  const acl = (...grants: readonly string[]) =>
    `<AccessControlPolicy><Owner><ID>me</ID></Owner><AccessControlList>${grants.join("")}</AccessControlList></AccessControlPolicy>`;
  const mine = grant("<ID>me</ID>", "FULL_CONTROL");
  const all = (permission: string) => grant("<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>", permission);
  const known = grant("<URI>http://acs.amazonaws.com/groups/global/AuthenticatedUsers</URI>", "READ");
  const theirs = grant("<ID>them</ID>", "FULL_CONTROL");

  for (const [canned, grants] of Object.entries({
    private: [mine],
    "public-read": [mine, all("READ")],
    "public-read-write": [mine, all("WRITE"), all("READ")],
    "authenticated-read": [known, mine],
    other: [mine, theirs, all("READ")],
  })) {
    it(`reads ${canned}`, () => assert.equal(parseAcl(acl(...grants), "them"), canned));
  }

  it("tells full control of the bucket's owner from that of anyone else", () => {
    assert.equal(parseAcl(acl(mine, theirs), "them"), "bucket-owner-full-control");
    assert.equal(parseAcl(acl(mine, theirs), "someone"), "other");
    assert.equal(parseAcl(acl(mine, theirs)), "other");
  });

  it("takes the only user of a server that gives him no id for the owner", () => {
    const xml = acl(grant("<Type>CanonicalUser</Type>", "FULL_CONTROL")).replace("me", "");
    assert.equal(parseAcl(xml), "private");
  });
});
