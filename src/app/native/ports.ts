import type { CredentialProvider } from "../../adapters/credentials/credential-provider.ts";
import type { Environment, ResolvedConfig, ResolvedStore } from "../../config/resolved-config.ts";
import type { BatchReplication } from "../../ports/batch-replication.ts";
import type { Caller } from "../../ports/identity.ts";
import type { NativePorts } from "../../provisioning/native/wish.ts";
import type { NativeBucket } from "../../provisioning/native-pair.ts";
import { revealed } from "../credentials.ts";
import { systemClock } from "../system-clock.ts";

export type CredentialsOf = (store: ResolvedStore) => Promise<CredentialProvider>;

/** Credentials as the config says; `fallback` for stores of which it says nothing. The same for the same store. */
export function credentialsFor(env: Environment, fallback?: CredentialProvider): CredentialsOf {
  const known = new Map<string, CredentialProvider>();
  return async ({ alias, credentials }) => {
    const found = known.get(alias);
    if (found !== undefined) return found;
    const { createCredentialProvider } = await import("../../adapters/credentials/credential-provider.ts");
    const provider =
      credentials.kind === "default" && fallback !== undefined ? fallback : createCredentialProvider(revealed(credentials), env);
    known.set(alias, provider);
    return provider;
  };
}

/** Where a service answers by the environment, as every AWS client reads it; undefined for AWS itself. */
export function endpointOf(env: Environment, service: "IAM" | "STS" | "KMS" | "S3_CONTROL" | "SQS" | "CLOUDWATCH"): string | undefined {
  if (env["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] === "true") return undefined;
  return env[`AWS_ENDPOINT_URL_${service}`] || env["AWS_ENDPOINT_URL"] || undefined;
}

interface Closable {
  close(): void;
}

export interface AwsPortsOptions {
  readonly config: ResolvedConfig;
  readonly env: Environment;
  readonly credentialsOf: CredentialsOf;
}

/** AWS's services at the buckets of a config. Each client is opened where it is first asked for. */
export class AwsPorts {
  readonly ports: NativePorts;
  readonly #config: ResolvedConfig;
  readonly #env: Environment;
  readonly #credentialsOf: CredentialsOf;
  readonly #opened = new Map<string, Promise<Closable>>();
  readonly #callers = new Map<string, Promise<Caller>>();
  /** Whose credentials reach an account: for what the config names no more. */
  readonly #storeOf = new Map<string, ResolvedStore>();

  constructor({ config, env, credentialsOf }: AwsPortsOptions) {
    this.#config = config;
    this.#env = env;
    this.#credentialsOf = credentialsOf;
    this.ports = {
      configurationOf: (bucket) => this.#configuration(bucket),
      identityOf: (bucket) => this.#identity(this.#store(bucket)),
      keysOf: (bucket) => this.#keys(bucket),
      clock: systemClock,
    };
  }

  /** Whom the credentials of a store belong to. Asked once. */
  callerOf(store: ResolvedStore): Promise<Caller> {
    const known = this.#callers.get(store.alias) ?? this.#ask(store);
    this.#callers.set(store.alias, known);
    return known;
  }

  /** Batch jobs of a bucket's region, with the credentials of its store. */
  batchOf(bucket: NativeBucket): Promise<BatchReplication> {
    const store = this.#store(bucket);
    return this.#once(`batch ${store.alias} ${bucket.region}`, async () => {
      const { openBatchReplication } = await import("../../adapters/batch-replication/s3-control.ts");
      const client = await this.#client({ ...store, region: bucket.region });
      return openBatchReplication({ ...client, endpoint: endpointOf(this.#env, "S3_CONTROL"), forcePathStyle: store.forcePathStyle });
    });
  }

  async close(): Promise<void> {
    for (const client of await Promise.allSettled(this.#opened.values())) if (client.status === "fulfilled") client.value.close();
  }

  async #ask(store: ResolvedStore): Promise<Caller> {
    const caller = await (await this.#identity(store)).caller();
    if (!this.#storeOf.has(caller.account)) this.#storeOf.set(caller.account, store);
    return caller;
  }

  #store(bucket: NativeBucket): ResolvedStore {
    const store = this.#config.buckets[bucket.id]?.store ?? this.#storeOf.get(bucket.account) ?? this.#config.stores["aws"];
    if (store === undefined) throw new Error(`no store reaches ${bucket.name}`);
    return store;
  }

  #configuration(bucket: NativeBucket): ReturnType<NativePorts["configurationOf"]> {
    return this.#once(`bucket ${bucket.id}`, async () => {
      const { openReplicationConfiguration } = await import("../../adapters/replication-configuration/s3.ts");
      const store = this.#store(bucket);
      const { forcePathStyle } = store;
      const client = await this.#client({ ...store, region: bucket.region });
      return openReplicationConfiguration({
        ...client,
        endpoint: store.endpoint,
        forcePathStyle,
        bucket: bucket.bucket,
        expectedOwner: bucket.account,
      });
    });
  }

  #identity(store: ResolvedStore): ReturnType<NativePorts["identityOf"]> {
    return this.#once(`identity ${store.alias}`, async () => {
      const { openIdentity } = await import("../../adapters/identity/iam.ts");
      const [iam, sts] = [endpointOf(this.#env, "IAM"), endpointOf(this.#env, "STS")];
      // Where the two are told apart the SDK itself reads of both.
      return openIdentity({ ...(await this.#client(store)), endpoint: iam === sts ? iam : undefined });
    });
  }

  #keys(bucket: NativeBucket): ReturnType<NativePorts["keysOf"]> {
    const store = this.#store(bucket);
    return this.#once(`keys ${store.alias} ${bucket.region}`, async () => {
      const { openEncryptionKeys } = await import("../../adapters/encryption-keys/kms.ts");
      return openEncryptionKeys({ ...(await this.#client({ ...store, region: bucket.region })), endpoint: endpointOf(this.#env, "KMS") });
    });
  }

  async #client(store: ResolvedStore) {
    return { region: store.region, caFile: store.tls.caFile, credentials: await this.#credentialsOf(store) };
  }

  #once<T extends Closable>(name: string, open: () => Promise<T>): Promise<T> {
    const known = (this.#opened.get(name) as Promise<T> | undefined) ?? open();
    this.#opened.set(name, known);
    return known;
  }
}
