import { type BucketReference, parseBucketReference } from "../domain/bucket-reference.ts";
import { isReplicationError, ReplicationError } from "../domain/error.ts";
import type { BucketMap } from "./config-document.ts";
import type { Finding, Path } from "./problem.ts";
import { resolveBucket, type Stores } from "./resolve-bucket.ts";
import type { Environment, ResolvedBucket } from "./resolved-config.ts";

export interface RuleScope {
  readonly stores: Stores;
  /** The config's `name`, which buckets may be named after. */
  readonly name: string;
  readonly env: Environment;
  /** Where findings are added. */
  readonly findings: Finding[];
}

/** A bucket of a rule as a map, whichever of its forms it was written in. */
export function mapOf<T extends BucketMap>(document: string | T | Readonly<Record<string, string>>): T | BucketMap {
  if (typeof document === "string") return { bucket: document };
  return isBucketMap(document) ? document : regionEntry(document);
}

/**
 * Finds the bucket that a map names.
 *
 * @throws ReplicationError `ConfigInvalid` where it names a key, or contradicts itself
 */
export function bucketOf(map: BucketMap, scope: RuleScope): ResolvedBucket {
  const reference = parseBucketReference(map.bucket);
  if (reference.key !== undefined) {
    const hint = `write { bucket: "${map.bucket.slice(0, map.bucket.length - reference.key.length - 1)}", prefix: "${reference.key}" }`;
    throw new ReplicationError("ConfigInvalid", `"${map.bucket}" names a key, not a bucket`, { hint });
  }
  return resolveBucket(withParts(reference, map), scope.stores, scope.env);
}

/** Runs a step; what it throws about the config becomes a finding. */
export function attempt<T>(path: Path, scope: RuleScope, step: () => T): T | undefined {
  try {
    return step();
  } catch (error) {
    if (!isReplicationError(error) || error.code !== "ConfigInvalid") throw error;
    scope.findings.push({ path, message: error.message, hint: error.hint ?? "correct it" });
    return undefined;
  }
}

/** Adds the store and the region that a map gives beside its `bucket`. */
function withParts(reference: BucketReference, map: BucketMap): BucketReference {
  if (reference.kind === "url") {
    if (map.store === undefined && map.region === undefined) return reference;
    throw new ReplicationError("ConfigInvalid", "a URL cannot have a store or region beside it", {
      hint: "add a store with this endpoint under stores",
    });
  }
  return { ...reference, store: agreed("store", reference.store, map.store), region: agreed("region", reference.region, map.region) };
}

function agreed(what: string, spelled: string | undefined, given: string | undefined): string | undefined {
  if (spelled === undefined || given === undefined || spelled === given) return spelled ?? given;
  throw new ReplicationError("ConfigInvalid", `the bucket names ${what} ${spelled}, and beside it stands ${given}`, {
    hint: `give the ${what} once`,
  });
}

function isBucketMap<T extends BucketMap>(document: T | Readonly<Record<string, string>>): document is T {
  return typeof document.bucket === "string";
}

function regionEntry(document: Readonly<Record<string, string>>): BucketMap {
  const [region, bucket] = Object.entries(document)[0] ?? [];
  return { bucket: bucket ?? "", region };
}
