import { readFileSync } from "node:fs";
import type { SurveyOptions } from "../adapters/object-store/s3/bucket-survey.ts";
import type { S3Client, S3ClientOptions } from "../adapters/object-store/s3/client.ts";
import type { CapabilityMemory, S3ObjectStore } from "../adapters/object-store/s3/object-store.ts";
import type { Relay } from "../adapters/object-store/s3/relay.ts";
import type { Environment, Limits, ResolvedBucket, ResolvedStore } from "../config/resolved-config.ts";
import type { Bucket } from "../domain/bucket.ts";
import { ReplicationError } from "../domain/error.ts";
import type { BucketSurvey } from "../domain/fingerprint.ts";
import { TokenBucket } from "../lib/token-bucket.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import type { Transfer } from "../ports/transfer.ts";
import type { Uploads } from "../ports/uploads.ts";
import { revealed } from "./credentials.ts";
import { systemClock } from "./system-clock.ts";

/** The stores of a config, or of a command line, ready to be used. */
export interface Stores {
  readonly transfer: Transfer;
  /** Always the same store for the same bucket. Needs no `this`. */
  readonly storeOf: (bucket: Bucket) => ObjectStore;
  /** Tries out what a bucket is and allows. Asks it anew each time. */
  readonly survey: (bucket: Bucket, options: SurveyOptions) => Promise<BucketSurvey>;
  /** Closes every connection. */
  close(): Promise<void>;
}

/** Milliseconds. Idle connections end before common servers' own keep-alive of a minute does; a stall is longer than any pause that passes. */
const RELAY = { maxIdlePerOrigin: 16, idleTimeoutMs: 15_000, headTimeoutMs: 300_000, stallTimeoutMs: 60_000, leftBehindMs: 2_000 };

export interface StoresOptions {
  /** Of all stores together. */
  readonly limits?: Limits | undefined;
  readonly buckets: Iterable<ResolvedBucket>;
  readonly env: Environment;
  readonly onRequest?: ((store: string, operation: string, status: number) => void) | undefined;
  /** Where what buckets honour is remembered. Absent: it is found out anew by each process. */
  readonly memoryOf?: ((bucket: Bucket) => CapabilityMemory) | undefined;
  /** Where uploads in parts are bound. Absent: a copy that is broken off starts over. */
  readonly uploads?: Uploads | undefined;
}

/** Connects buckets to the adapter of their store. Nothing is sent before the first use. */
export async function openStores(options: StoresOptions): Promise<Stores> {
  const [client, objectStore, transfer, relay, retry, credentials] = await Promise.all([
    import("../adapters/object-store/s3/client.ts"),
    import("../adapters/object-store/s3/object-store.ts"),
    import("../adapters/object-store/s3/transfer.ts"),
    import("../adapters/object-store/s3/relay.ts"),
    import("../adapters/object-store/with-retry.ts"),
    import("../adapters/credentials/credential-provider.ts"),
  ]);
  return new S3Stores({ ...client, ...objectStore, ...transfer, ...relay, ...retry, ...credentials }, options);
}

/** What was loaded of the adapter. */
type Adapter = typeof import("../adapters/object-store/s3/client.ts") &
  typeof import("../adapters/object-store/s3/object-store.ts") &
  typeof import("../adapters/object-store/s3/transfer.ts") &
  typeof import("../adapters/object-store/s3/relay.ts") &
  typeof import("../adapters/object-store/with-retry.ts") &
  typeof import("../adapters/credentials/credential-provider.ts");

interface OpenBucket {
  /** As the transfer uses it: whoever copies decides on repeating. */
  readonly plain: S3ObjectStore;
  /** As comparisons use it: a blip must not end a listing of millions. */
  readonly patient: ObjectStore;
}

class S3Stores implements Stores {
  readonly transfer: Transfer;
  readonly #adapter: Adapter;
  readonly #options: StoresOptions;
  readonly #places: ReadonlyMap<string, ResolvedBucket>;
  readonly #allRequests: TokenBucket | undefined;
  readonly #clients = new Map<string, S3Client>();
  readonly #buckets = new Map<string, OpenBucket>();
  #relay: Relay | undefined;

  constructor(adapter: Adapter, options: StoresOptions) {
    this.#adapter = adapter;
    this.#options = options;
    this.#places = new Map([...options.buckets].map((place) => [place.bucket.id, place]));
    this.#allRequests = bucketOf(options.limits?.requestsPerSecond);
    const bandwidth = bucketOf(options.limits?.bandwidthBytesPerSecond);
    this.transfer = new adapter.S3Transfer({
      storeOf: (bucket) => this.#open(bucket).plain,
      relay: () => this.#openRelay(),
      bandwidth,
      uploads: options.uploads,
    });
  }

  readonly storeOf = (bucket: Bucket): ObjectStore => this.#open(bucket).patient;

  readonly survey = async (bucket: Bucket, options: SurveyOptions): Promise<BucketSurvey> => {
    const { surveyBucket } = await import("../adapters/object-store/s3/bucket-survey.ts");
    return surveyBucket(this.#open(bucket).plain, options);
  };

  async close(): Promise<void> {
    this.#relay?.close();
    await Promise.all([...this.#clients.values()].map((client) => client.close()));
  }

  #open(bucket: Bucket): OpenBucket {
    const found = this.#buckets.get(bucket.id);
    if (found !== undefined) return found;
    const place = this.#places.get(bucket.id);
    if (place === undefined) throw new ReplicationError("Internal", `${bucket.name} has no store`);
    const plain = new this.#adapter.S3ObjectStore(bucket, this.#clientOf(place.store), this.#options.memoryOf?.(bucket));
    const opened = { plain, patient: this.#adapter.withRetry(plain, { clock: systemClock }) };
    this.#buckets.set(bucket.id, opened);
    return opened;
  }

  /** One client for each store and region, so that its connections and what it learned are shared. */
  #clientOf(store: ResolvedStore): S3Client {
    const id = `${store.alias} ${store.region}`;
    const client = this.#clients.get(id) ?? new this.#adapter.S3Client(this.#clientOptions(store));
    this.#clients.set(id, client);
    return client;
  }

  #clientOptions(store: ResolvedStore): S3ClientOptions {
    const { env, onRequest } = this.#options;
    return {
      store: store.alias,
      endpoint: store.endpoint,
      region: store.region,
      forcePathStyle: store.forcePathStyle,
      credentials: this.#adapter.createCredentialProvider(revealed(store.credentials), env),
      maxConnections: store.maxConnections,
      ca: store.tls.caFile === undefined ? undefined : readCa(store.alias, store.tls.caFile),
      onRequest: onRequest && ((operation, status) => onRequest(store.alias, operation, status)),
      throttle: throttleOf([this.#allRequests, bucketOf(store.limits.requestsPerSecond)]),
    };
  }

  #openRelay(): Relay {
    this.#relay ??= new this.#adapter.Relay(RELAY);
    return this.#relay;
  }
}

function bucketOf(perSecond: number | undefined): TokenBucket | undefined {
  return perSecond === undefined ? undefined : new TokenBucket(perSecond);
}

function throttleOf(limits: readonly (TokenBucket | undefined)[]): (() => Promise<void>) | undefined {
  const buckets = limits.filter((bucket) => bucket !== undefined);
  if (buckets.length === 0) return undefined;
  return async () => {
    for (const bucket of buckets) await bucket.take(1);
  };
}

function readCa(alias: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new ReplicationError("ConfigInvalid", `stores.${alias}.tls.caFile cannot be read: ${file}`, {
      hint: "name a readable PEM file with the certificate authorities to trust",
      cause,
    });
  }
}
