import type { ImportedConfig } from "../../config/imports/imported-config.ts";
import { resolveReference } from "../../config/resolve-bucket.ts";
import type { Environment, ResolvedBucket, ResolvedStore } from "../../config/resolved-config.ts";
import { isReplicationError, ReplicationError } from "../../domain/error.ts";
import { toRefusal } from "../../lib/aws-refusal.ts";
import type { ReplicationConfiguration, ReplicationDocument } from "../../ports/replication-configuration.ts";
import { allOf } from "../../provisioning/all-of.ts";
import { credentialsFor } from "../native/ports.ts";
import { importReplication, type ReplicatedBucket } from "./imported-replication.ts";

export interface ImportAws {
  /** As they were spelled: `photos`, `photos@eu-west-1`. */
  readonly references: readonly string[];
  readonly env: Environment;
  /** Destinations are looked at too, and theirs. */
  readonly follows: boolean;
  /** `name` of the config. */
  readonly name?: string | undefined;
}

/**
 * Reads what buckets of AWS replicate by themselves, and says it in the words of a replicast.yaml. Changes nothing.
 *
 * @throws `ConfigInvalid` where none of them replicates anything; `NoSuchBucket`, `AccessDenied`
 */
export async function importAws({ references, env, follows, name }: ImportAws): Promise<ImportedConfig> {
  const places = references.map((reference) => awsBucket(reference, env));
  const reader = new Reader(env, places[0]?.store);
  try {
    const found = await reader.read(places, follows);
    if (found.length === 0) {
      const names = places.map(({ bucket }) => bucket.bucket).join(", ");
      throw new ReplicationError("ConfigInvalid", `nothing is replicated from ${names}`, {
        hint: "name a source of replication, or begin with replicast init",
      });
    }
    const destinations = new Set(found.flatMap(({ document }) => document.rules.map(destinationOf)));
    const regions = new Map(await allOf([...destinations], async (bucket) => [bucket, await reader.regionOf(bucket)] as const));
    return importReplication(found, { name, regionOf: (bucket) => regions.get(bucket) });
  } finally {
    await reader.close();
  }
}

function awsBucket(reference: string, env: Environment): ResolvedBucket {
  const place = resolveReference(reference, { env });
  if (!place.store.isAws)
    throw new ReplicationError("ConfigInvalid", `${reference} is not on AWS`, { hint: "only AWS replicates by rules of its own" });
  if (place.key === undefined) return place;
  throw new ReplicationError("ConfigInvalid", `"${reference}" names a key, not a bucket`, { hint: `write ${place.bucket.bucket}` });
}

/** Looks at buckets with the credentials of the environment. */
class Reader {
  readonly #env: Environment;
  readonly #store: ResolvedStore | undefined;
  readonly #opened = new Map<string, Promise<ReplicationConfiguration>>();

  constructor(env: Environment, store: ResolvedStore | undefined) {
    this.#env = env;
    this.#store = store;
  }

  /** The buckets that replicate anything. Those that were asked for must be there; others are looked at where that is allowed. */
  async read(places: readonly ResolvedBucket[], follows: boolean): Promise<readonly ReplicatedBucket[]> {
    const asked = await allOf(places, ({ bucket, store }) => this.#document(bucket.bucket, store.region));
    const found = asked.filter((one) => one !== undefined);
    const looked = new Set(places.map(({ bucket }) => bucket.bucket));
    for (let next = follows ? unseen(found, looked) : []; next.length > 0; next = unseen(found, looked)) {
      for (const bucket of next) looked.add(bucket);
      const documents = await allOf(next, (bucket) => this.#document(bucket).catch(ifForbidden));
      found.push(...documents.filter((one) => one !== undefined));
    }
    return found;
  }

  /** Undefined where nobody may know. */
  async regionOf(bucket: string): Promise<string | undefined> {
    try {
      return (await (await this.#open(bucket)).facts())?.region;
    } catch (error) {
      if (!isReplicationError(error) || error.code !== "AccessDenied") throw error;
      return toRefusal(error.cause).bucketRegion;
    }
  }

  async close(): Promise<void> {
    for (const client of await Promise.allSettled(this.#opened.values())) if (client.status === "fulfilled") client.value.close();
  }

  async #document(bucket: string, region?: string): Promise<ReplicatedBucket | undefined> {
    const configuration = await this.#open(bucket, region);
    const document: ReplicationDocument | undefined = await configuration.replication();
    if (document === undefined) return undefined;
    return { bucket, document, region: (await this.regionOf(bucket)) ?? region ?? this.#region() };
  }

  #open(bucket: string, region: string = this.#region()): Promise<ReplicationConfiguration> {
    const known = this.#opened.get(bucket) ?? this.#connect(bucket, region);
    this.#opened.set(bucket, known);
    return known;
  }

  async #connect(bucket: string, region: string): Promise<ReplicationConfiguration> {
    const { openReplicationConfiguration } = await import("../../adapters/replication-configuration/s3.ts");
    const store = this.#store;
    if (store === undefined) throw new ReplicationError("Internal", "no bucket was named");
    const { endpoint, forcePathStyle, tls } = store;
    const credentials = await credentialsFor(this.#env)(store);
    return openReplicationConfiguration({ bucket, region, endpoint, forcePathStyle, caFile: tls.caFile, credentials });
  }

  #region(): string {
    return this.#store?.region ?? "us-east-1";
  }
}

function ifForbidden(error: unknown): undefined {
  if (!isReplicationError(error) || (error.code !== "AccessDenied" && error.code !== "NoSuchBucket")) throw error;
  return undefined;
}

function unseen(found: readonly ReplicatedBucket[], looked: ReadonlySet<string>): readonly string[] {
  const destinations = found.flatMap(({ document }) => document.rules.map(destinationOf));
  return [...new Set(destinations)].filter((bucket) => !looked.has(bucket));
}

function destinationOf({ destination }: ReplicationDocument["rules"][number]): string {
  return destination.bucketArn.split(":::")[1] ?? "";
}
