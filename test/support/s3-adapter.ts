import { S3Client } from "../../src/adapters/object-store/s3/client.ts";
import { S3ObjectStore } from "../../src/adapters/object-store/s3/object-store.ts";
import { Relay } from "../../src/adapters/object-store/s3/relay.ts";
import { S3Transfer, type TransferLimits } from "../../src/adapters/object-store/s3/transfer.ts";
import type { Bucket } from "../../src/domain/bucket.ts";
import type { Uploads } from "../../src/ports/uploads.ts";
import type { Credentials } from "./server.ts";

/** A server as the adapter under test reaches it, and every request that it answered. */
export interface AdaptedStore {
  readonly name: string;
  readonly client: S3Client;
  /** S3's names of the operations, in order. */
  readonly requests: string[];
  /** Told of each of them. */
  onAnswered: (operation: string) => void;
}

/** Connects the product's own client to a server. */
export function adapt(name: string, server: { readonly endpoint: string; readonly credentials: Credentials }): AdaptedStore {
  const requests: string[] = [];
  const client = new S3Client({
    store: name,
    endpoint: server.endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: () => server.credentials,
    maxConnections: 16,
    onRequest: (operation) => {
      requests.push(operation);
      adapted.onAnswered(operation);
    },
  });
  const adapted: AdaptedStore = { name, client, requests, onAnswered: () => {} };
  return adapted;
}

export function bucketIn(store: AdaptedStore, bucket: string): Bucket {
  return { id: `s3://${new URL(store.client.endpoint).host}/${bucket}`, name: `${store.name}:${bucket}`, store: store.name, bucket };
}

/** A transfer over adapted stores, whose relay ends with it; `newTransfer` makes others that have learned nothing yet. */
export function transferOver(
  stores: readonly AdaptedStore[],
  limits: Partial<TransferLimits> = {},
  uploads?: Uploads,
): {
  readonly transfer: S3Transfer;
  readonly newTransfer: () => S3Transfer;
  readonly storeOf: (bucket: Bucket) => S3ObjectStore;
  close(): Promise<void>;
} {
  const relay = new Relay({
    maxIdlePerOrigin: 4,
    idleTimeoutMs: 5_000,
    headTimeoutMs: 20_000,
    stallTimeoutMs: 20_000,
    leftBehindMs: 2_000,
  });
  const storeOf = (bucket: Bucket) => {
    const store = stores.find(({ name }) => name === bucket.store);
    if (store === undefined) throw new Error(`no store ${bucket.store}`);
    return new S3ObjectStore(bucket, store.client);
  };
  const newTransfer = () => new S3Transfer({ storeOf, relay: () => relay, limits, uploads });
  return {
    transfer: newTransfer(),
    newTransfer,
    storeOf,
    async close() {
      relay.close();
      await Promise.all(stores.map(({ client }) => client.close()));
    },
  };
}
