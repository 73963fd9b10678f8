import type { ResolvedBucket } from "../../config/resolved-config.ts";
import type { BucketConfiguration } from "../../ports/bucket-configuration.ts";
import type { CredentialsOf } from "../native/ports.ts";

/** What is set up at buckets of any store. Each client is opened where it is first asked for. */
export class BucketPorts {
  readonly #credentialsOf: CredentialsOf;
  readonly #opened = new Map<string, Promise<BucketConfiguration>>();

  constructor(credentialsOf: CredentialsOf) {
    this.#credentialsOf = credentialsOf;
  }

  at(place: ResolvedBucket): Promise<BucketConfiguration> {
    const known = this.#opened.get(place.bucket.id) ?? open(place, this.#credentialsOf);
    this.#opened.set(place.bucket.id, known);
    return known;
  }

  async close(): Promise<void> {
    for (const configuration of await Promise.allSettled(this.#opened.values()))
      if (configuration.status === "fulfilled") configuration.value.close();
  }
}

async function open({ store }: ResolvedBucket, credentialsOf: CredentialsOf): Promise<BucketConfiguration> {
  const { openBucketConfiguration } = await import("../../adapters/bucket-configuration/s3.ts");
  const { endpoint, region, forcePathStyle, tls } = store;
  return openBucketConfiguration({ endpoint, region, forcePathStyle, caFile: tls.caFile, credentials: await credentialsOf(store) });
}
