import { randomBytes } from "node:crypto";
import * as sdk from "@aws-sdk/client-s3";
import type { TransferLimits } from "../../src/adapters/object-store/s3/transfer.ts";
import type { Bucket } from "../../src/domain/bucket.ts";
import { MemoryUploads } from "../../src/testing/memory-state/uploads.ts";
import type { GuardsToPut, PartsToPut, TransferHarness } from "../../src/testing/transfer-contract.ts";
import { type AdaptedStore, adapt, bucketIn, transferOver } from "./s3-adapter.ts";
import { connect, type SdkClient } from "./sdk.ts";
import type { S3Endpoint } from "./server.ts";

export interface TransferServers {
  readonly source: S3Endpoint;
  readonly destination: S3Endpoint;
  readonly limits: Partial<TransferLimits> & { readonly relayFromBytes: number };
  readonly partBytes: number;
}

/** The S3 transfer over new buckets of two servers. */
export async function openTransfer({ source, destination, limits, partBytes }: TransferServers): Promise<TransferHarness> {
  const id = randomBytes(6).toString("hex");
  const stores: Readonly<Record<string, AdaptedStore>> = {
    source: adapt("source", source),
    destination: adapt("destination", destination),
  };
  const clients: Readonly<Record<string, SdkClient>> = { source: connect(source), destination: connect(destination) };
  const bucket = async (store: string, name: string, exists = true): Promise<Bucket> => {
    const found = bucketIn(stores[store] as AdaptedStore, `${name}-${id}`);
    if (exists) await clients[store]?.createBucket(found.bucket);
    return found;
  };
  const uploads = new MemoryUploads();
  const { transfer, storeOf, close } = transferOver(Object.values(stores), limits, uploads);
  const clientOf = ({ store }: Bucket) => (clients[store] as SdkClient).s3;
  return {
    transfer,
    storeOf,
    source: await bucket("source", "source"),
    near: await bucket("source", "near"),
    far: await bucket("destination", "far"),
    farther: await bucket("destination", "farther"),
    missing: await bucket("destination", "missing", false),
    largeBytes: limits.relayFromBytes,
    partBytes,
    putParts: (at, key, upload) => putParts(clientOf(at), { Bucket: at.bucket, Key: key }, upload),
    takeRequests: ({ store }) => (stores[store]?.requests.splice(0) ?? []).sort(),
    uploads,
    breakOffAfter: ({ store }, parts) => {
      const breaking = new AbortController();
      let left = parts;
      (stores[store] as AdaptedStore).onAnswered = (operation) => {
        if (operation.startsWith("UploadPart") && --left === 0) breaking.abort();
      };
      return breaking.signal;
    },
    openUploads: async (at) => (await clientOf(at).send(new sdk.ListMultipartUploadsCommand({ Bucket: at.bucket }))).Uploads?.length ?? 0,
    enableVersioning: async (at) => {
      const VersioningConfiguration = { Status: "Enabled" } as const;
      await clientOf(at).send(new sdk.PutBucketVersioningCommand({ Bucket: at.bucket, VersioningConfiguration }));
    },
    encryptionOf: async (at, key) =>
      (await clientOf(at).send(new sdk.HeadObjectCommand({ Bucket: at.bucket, Key: key }))).ServerSideEncryption,
    guardedBucket: async (place) => {
      const found = bucketIn(
        stores[place === "near" ? "source" : "destination"] as AdaptedStore,
        `guarded-${place}-${randomBytes(4).toString("hex")}`,
      );
      const Bucket = found.bucket;
      await clientOf(found).send(
        new sdk.CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true, ObjectOwnership: "ObjectWriter" }),
      );
      return found;
    },
    putGuarded: async (at, key, { body, storageClass, ...guards }) => {
      const StorageClass = storageClass as sdk.StorageClass;
      await clientOf(at).send(new sdk.PutObjectCommand({ Bucket: at.bucket, Key: key, Body: body, StorageClass, ...toParameters(guards) }));
    },
    grantsOf: async (at, key) => {
      const asked = clientOf(at).send(new sdk.GetObjectAclCommand({ Bucket: at.bucket, Key: key }));
      const { Grants = [] } = await asked.catch((error: Error) => {
        if (error.name === "NotImplemented") return { Grants: [] }; // a store without ACLs grants nothing
        throw error;
      });
      const told = Grants.map(({ Grantee, Permission }) => `${Grantee?.URI?.split("/").at(-1)} ${Permission}`);
      return told.filter((grant) => !grant.startsWith("undefined")).sort();
    },
    async close() {
      for (const client of Object.values(clients)) client[Symbol.dispose]();
      await close();
    },
  };
}

async function putParts(
  s3: sdk.S3Client,
  at: { readonly Bucket: string; readonly Key: string },
  { parts, attributes, ...guards }: PartsToPut,
): Promise<string> {
  const { systemHeaders, metadata, tags = {} } = attributes;
  const { UploadId } = await s3.send(
    new sdk.CreateMultipartUploadCommand({
      ...at,
      CacheControl: systemHeaders["cache-control"],
      ContentType: systemHeaders["content-type"],
      // As S3 itself would tell them: the client sends no other than ASCII.
      Metadata: Object.fromEntries(Object.entries(metadata).map(([name, value]) => [name, encodedWord(value)])),
      Tagging: new URLSearchParams(tags).toString(),
      ...toParameters(guards),
    }),
  );
  const Parts: sdk.CompletedPart[] = [];
  for (const { number, body } of parts) {
    const ChecksumAlgorithm = guards.checksum;
    const part = await s3.send(new sdk.UploadPartCommand({ ...at, UploadId, PartNumber: number, Body: body, ChecksumAlgorithm }));
    const { ETag, ChecksumCRC32, ChecksumSHA256 } = part;
    Parts.push({ PartNumber: number, ETag, ...(ChecksumAlgorithm && { ChecksumCRC32, ChecksumSHA256 }) });
  }
  const { ETag } = await s3.send(new sdk.CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload: { Parts } }));
  return (ETag ?? "").replaceAll('"', "");
}

function toParameters({ lock, encryption, acl, checksum }: GuardsToPut) {
  return {
    ObjectLockMode: lock?.retention?.mode as sdk.ObjectLockMode | undefined,
    ObjectLockRetainUntilDate: lock?.retention && new Date(lock.retention.retainUntil),
    ObjectLockLegalHoldStatus: lock?.legalHold ? ("ON" as const) : undefined,
    ServerSideEncryption: encryption,
    ACL: acl,
    ChecksumAlgorithm: checksum,
  };
}

function encodedWord(value: string): string {
  return `=?UTF-8?B?${Buffer.from(value).toString("base64")}?=`;
}
