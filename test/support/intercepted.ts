import { after, afterEach, before, beforeEach } from "node:test";
import { S3ObjectStore } from "../../src/adapters/object-store/s3/object-store.ts";
import type { TransferLimits } from "../../src/adapters/object-store/s3/transfer.ts";
import type { Bucket } from "../../src/domain/bucket.ts";
import { EmbeddedS3Model } from "../../src/embedded-s3/model.ts";
import { type RunningEmbeddedS3, startEmbeddedS3 } from "../../src/embedded-s3/server.ts";
import { type Interceptor, interceptorBefore } from "./intercept.ts";
import { type AdaptedStore, adapt, bucketIn, transferOver } from "./s3-adapter.ts";

/** Those of every server here. */
export const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" };

/** The S3 adapter over one bucket of an embedded server that a test can step in front of. */
export interface InterceptedBucket {
  readonly server: RunningEmbeddedS3;
  readonly front: Interceptor;
  readonly adapted: AdaptedStore;
  /** A test may put one in its place that knows nothing yet. */
  store: S3ObjectStore;
}

/** Installs hooks that start one server for the calling file, and open a bucket of its own for each test: the result tells of that one. */
export function useInterceptedBucket(): InterceptedBucket {
  const here: { -readonly [Name in keyof InterceptedBucket]?: InterceptedBucket[Name] } = {};
  const opened = here as InterceptedBucket;
  let round = 0;
  before(async () => {
    here.server = await startEmbeddedS3({ credentials });
  });
  after(() => opened.server.close());
  beforeEach(async () => {
    here.front = await interceptorBefore(opened.server.endpoint);
    here.adapted = adapt("one", { endpoint: here.front.endpoint, credentials });
    here.store = new S3ObjectStore(bucketIn(here.adapted, `bucket-${++round}`), here.adapted.client);
    opened.server.model.createBucket(here.store.bucket.bucket);
  });
  afterEach(async () => {
    await opened.adapted.client.close();
    await opened.front[Symbol.asyncDispose]();
  });
  return opened;
}

type Side = 0 | 1;
type Both<T> = readonly [T, T];

/** A transfer between two embedded servers that a test can step in front of: `source` and `near` are on the first, `far` on the second. */
export interface InterceptedPair {
  readonly servers: Both<RunningEmbeddedS3>;
  readonly front: Both<Interceptor>;
  readonly stores: Both<AdaptedStore>;
  readonly over: ReturnType<typeof transferOver>;
  readonly source: Bucket;
  readonly near: Bucket;
  readonly far: Bucket;
}

export interface PairOptions {
  readonly minPartBytes: number;
  readonly limits: Partial<TransferLimits>;
  /** How buckets are made. */
  readonly bucket?: Parameters<EmbeddedS3Model["createBucket"]>[1];
}

/** Installs hooks that start two servers for the calling file, and open buckets of its own for each test: the result tells of those. */
export function useInterceptedPair({ minPartBytes, limits, bucket }: PairOptions): InterceptedPair {
  const here: { -readonly [Name in keyof InterceptedPair]?: InterceptedPair[Name] } = {};
  const opened = here as InterceptedPair;
  let round = 0;
  before(async () => {
    const start = () => startEmbeddedS3({ credentials, model: new EmbeddedS3Model({ encrypts: true, limits: { minPartBytes } }) });
    here.servers = [await start(), await start()];
  });
  after(() => Promise.all(opened.servers.map((server) => server.close())));
  beforeEach(async () => {
    round++;
    const front: Both<Interceptor> = [
      await interceptorBefore(opened.servers[0].endpoint),
      await interceptorBefore(opened.servers[1].endpoint),
    ];
    const stores: Both<AdaptedStore> = [adapt("source", { ...front[0], credentials }), adapt("destination", { ...front[1], credentials })];
    const open = (side: Side, name: string): Bucket => {
      opened.servers[side].model.createBucket(`${name}-${round}`, bucket);
      return bucketIn(stores[side], `${name}-${round}`);
    };
    const over = transferOver(stores, limits);
    Object.assign(here, { front, stores, over, source: open(0, "source"), near: open(0, "near"), far: open(1, "far") });
  });
  afterEach(async () => {
    await opened.over.close();
    await Promise.all(opened.front.map((interceptor) => interceptor[Symbol.asyncDispose]()));
  });
  return opened;
}
