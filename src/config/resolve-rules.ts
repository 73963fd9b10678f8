import { type BucketReference, parseBucketReference } from "../domain/bucket-reference.ts";
import { isReplicationError, ReplicationError } from "../domain/error.ts";
import type { Destination, Filter, Rule } from "../domain/rule.ts";
import type {
  BucketMap,
  DestinationDocument,
  DestinationMap,
  FilterDocument,
  RuleDocument,
  SourceDocument,
  SourceMap,
} from "./config-document.ts";
import type { Finding, Path } from "./problem.ts";
import { resolveBucket, type Stores } from "./resolve-bucket.ts";
import { resolveEvents, resolveLimits } from "./resolve-store.ts";
import type { Environment, EventsSetting, Limits, ResolvedBucket } from "./resolved-config.ts";
import { parseSize } from "./units.ts";

/** A rule in the words of the domain, with what the domain leaves out. */
export interface RuleResolution {
  readonly rule: Rule;
  readonly engine: "auto" | "copy";
  readonly events: EventsSetting;
  readonly limits: Limits;
  readonly source: ResolvedBucket;
  /** In the order of the rule's destinations. */
  readonly destinations: readonly ResolvedBucket[];
}

export interface RuleScope {
  readonly stores: Stores;
  readonly env: Environment;
  /** Where findings are added. */
  readonly findings: Finding[];
}

/** Resolves one rule. Returns undefined, with findings, where a bucket of it cannot be found. */
export function resolveRule(document: RuleDocument, path: Path, scope: RuleScope): RuleResolution | undefined {
  const spelled = sourceMap(document.source);
  const source = attempt([...path, "source"], scope, () => bucketOf(spelled, scope));
  const destinations = document.destinations.map((item, index) =>
    attempt([...path, "destinations", index], scope, () => destinationOf(destinationMap(item), document, scope)),
  );
  const filter = attempt([...path, "filter"], scope, () => resolveFilter(document.filter, spelled.prefix));
  if (source === undefined || filter === undefined) return undefined;
  const found = destinations.filter((item) => item !== undefined);
  if (found.length < destinations.length) return undefined;
  const { id, preserve, enabled } = document;
  const rule: Rule = { id, source: source.bucket, destinations: found.map((item) => item.destination), filter, preserve, enabled };
  const events = spelled.events === undefined ? source.store.events : resolveEvents(spelled.events);
  const limits = resolveLimits(document.limits);
  return { rule, engine: document.engine, events, limits, source, destinations: found.map((item) => item.placed) };
}

interface PlacedDestination {
  readonly destination: Destination;
  readonly placed: ResolvedBucket;
}

function destinationOf(document: DestinationMap, rule: RuleDocument, scope: RuleScope): PlacedDestination {
  const placed = bucketOf(document, scope);
  const { bucket } = placed;
  const prefix = document.prefix ?? "";
  const destination = {
    id: document.id ?? bucket.name,
    canonicalId: prefix === "" ? bucket.id : `${bucket.id}/${prefix}`,
    bucket,
    prefix,
    storageClass: document.storageClass,
    existingObjects: document.existingObjects ?? rule.existingObjects,
  };
  return { destination, placed };
}

function bucketOf(map: BucketMap, scope: RuleScope): ResolvedBucket {
  const reference = parseBucketReference(map.bucket);
  if (reference.key !== undefined) {
    const hint = `write { bucket: "${map.bucket.slice(0, map.bucket.length - reference.key.length - 1)}", prefix: "${reference.key}" }`;
    throw new ReplicationError("ConfigInvalid", `"${map.bucket}" names a key, not a bucket`, { hint });
  }
  return resolveBucket(withParts(reference, map), scope.stores, scope.env);
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

function sourceMap(document: SourceDocument): SourceMap {
  if (typeof document === "string") return { bucket: document };
  return isBucketMap(document) ? document : regionEntry(document);
}

function destinationMap(document: DestinationDocument): DestinationMap {
  if (typeof document === "string") return { bucket: document };
  return isBucketMap(document) ? document : regionEntry(document);
}

function isBucketMap<T extends BucketMap>(document: T | Readonly<Record<string, string>>): document is T {
  return typeof document.bucket === "string";
}

function regionEntry(document: Readonly<Record<string, string>>): BucketMap {
  const [region, bucket] = Object.entries(document)[0] ?? [];
  return { bucket: bucket ?? "", region };
}

function resolveFilter(document: FilterDocument, sourcePrefix: string | undefined): Filter {
  const { prefix = sourcePrefix, suffix, tags } = document;
  if (sourcePrefix !== undefined && prefix !== sourcePrefix) {
    throw new ReplicationError("ConfigInvalid", "the source's prefix and filter.prefix differ", {
      hint: "they mean the same: give one of them",
    });
  }
  const minBytes = bytes(document.minBytes);
  const maxBytes = bytes(document.maxBytes);
  if ((minBytes ?? 0) > (maxBytes ?? Number.POSITIVE_INFINITY)) {
    throw new ReplicationError("ConfigInvalid", "minBytes is above maxBytes: no object fits", { hint: "exchange the two" });
  }
  return { prefix, suffix, tags, minBytes, maxBytes };
}

function bytes(size: string | number | undefined): number | undefined {
  return typeof size === "string" ? parseSize(size) : size;
}

/** Runs a step; what it throws about the config becomes a finding. */
function attempt<T>(path: Path, scope: RuleScope, step: () => T): T | undefined {
  try {
    return step();
  } catch (error) {
    if (!isReplicationError(error) || error.code !== "ConfigInvalid") throw error;
    scope.findings.push({ path, message: error.message, hint: error.hint ?? "correct it" });
    return undefined;
  }
}
