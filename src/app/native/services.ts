import { type Environment, placedBucket, type ResolvedConfig } from "../../config/resolved-config.ts";
import type { Bucket } from "../../domain/bucket.ts";
import { ReplicationError } from "../../domain/error.ts";
import type { Destination, Rule } from "../../domain/rule.ts";
import type { BatchReplication } from "../../ports/batch-replication.ts";
import type { Identity } from "../../ports/identity.ts";
import type { ReplicationConfiguration } from "../../ports/replication-configuration.ts";
import type { ReplicationMetrics } from "../../ports/replication-metrics.ts";
import type { NativeBucket } from "../../provisioning/native-pair.ts";
import { AwsPorts, credentialsFor, endpointOf } from "./ports.ts";
import { nativeBuckets } from "./wish.ts";

interface Closable {
  close(): void;
}

/** As {@link NativeServices} is asked by those who look and by those who start jobs. */
export type Services = Pick<NativeServices, "bucket" | "configurationOf" | "identityOf" | "batchOf" | "metricsOf">;

/** What AWS is asked while its own replication runs. Each client is opened where it is first asked for. */
export class NativeServices {
  readonly #config: ResolvedConfig;
  readonly #env: Environment;
  readonly #credentialsOf: ReturnType<typeof credentialsFor>;
  readonly #aws: AwsPorts;
  readonly #opened = new Map<string, Promise<Closable>>();
  #buckets: ReturnType<typeof nativeBuckets> | undefined;

  constructor(config: ResolvedConfig, env: Environment) {
    this.#config = config;
    this.#env = env;
    this.#credentialsOf = credentialsFor(env);
    this.#aws = new AwsPorts({ config, env, credentialsOf: this.#credentialsOf });
  }

  /** The bucket with its account. @throws where nobody says whose the credentials are */
  async bucket(bucket: Bucket): Promise<NativeBucket> {
    this.#buckets ??= nativeBuckets(this.#config, this.#aws);
    try {
      const found = (await this.#buckets).get(bucket.id);
      if (found !== undefined) return found;
    } catch (error) {
      this.#buckets = undefined; // asked again the next time
      throw error;
    }
    throw new ReplicationError("Internal", `${bucket.name} is not on AWS`);
  }

  configurationOf(bucket: Bucket): Promise<ReplicationConfiguration> {
    return this.#once(`configuration ${bucket.id}`, async () => {
      const { openReplicationConfiguration } = await import("../../adapters/replication-configuration/s3.ts");
      const { endpoint, forcePathStyle } = placedBucket(this.#config, bucket.id).store;
      return openReplicationConfiguration({ ...(await this.#client(bucket)), endpoint, forcePathStyle, bucket: bucket.bucket });
    });
  }

  async identityOf(bucket: Bucket): Promise<Identity> {
    return this.#aws.ports.identityOf(await this.bucket(bucket));
  }

  batchOf(bucket: Bucket): Promise<BatchReplication> {
    return this.#once(`batch ${bucket.store} ${this.#region(bucket)}`, async () => {
      const { openBatchReplication } = await import("../../adapters/batch-replication/s3-control.ts");
      const { forcePathStyle } = placedBucket(this.#config, bucket.id).store;
      return openBatchReplication({ ...(await this.#client(bucket)), endpoint: endpointOf(this.#env, "S3_CONTROL"), forcePathStyle });
    });
  }

  metricsOf({ source }: Rule, { bucket }: Destination): Promise<ReplicationMetrics> {
    const destinationRegion = this.#region(bucket);
    return this.#once(`metrics ${source.store} ${this.#region(source)} ${destinationRegion}`, async () => {
      const { openReplicationMetrics } = await import("../../adapters/replication-metrics/cloudwatch.ts");
      return openReplicationMetrics({ ...(await this.#client(source)), endpoint: endpointOf(this.#env, "CLOUDWATCH"), destinationRegion });
    });
  }

  async close(): Promise<void> {
    for (const client of await Promise.allSettled(this.#opened.values())) if (client.status === "fulfilled") client.value.close();
    await this.#aws.close();
  }

  #region(bucket: Bucket): string {
    return placedBucket(this.#config, bucket.id).store.region;
  }

  async #client(bucket: Bucket) {
    const { store } = placedBucket(this.#config, bucket.id);
    return { region: store.region, caFile: store.tls.caFile, credentials: await this.#credentialsOf(store) };
  }

  #once<T extends Closable>(name: string, open: () => Promise<T>): Promise<T> {
    const known = (this.#opened.get(name) as Promise<T> | undefined) ?? open();
    this.#opened.set(name, known);
    return known;
  }
}
