import type { Bucket } from "../domain/bucket.ts";
import { ReplicationError } from "../domain/error.ts";
import type { Destination, Filter, Rule } from "../domain/rule.ts";
import type {
  BucketMap,
  BucketSettings,
  DestinationMap,
  EventsDocument,
  ExistingDocument,
  FilterDocument,
  MemberDocument,
  ReplicaSettings,
  RuleDocument,
  SourceMap,
} from "./config-document.ts";
import type { PlacedLeg } from "./engines/check-engines.ts";
import { nativeOnly } from "./engines/native-only.ts";
import { isMap } from "./precedence.ts";
import type { Path } from "./problem.ts";
import { resolveMembers } from "./resolve-mesh.ts";
import { resolveEvents, resolveLimits } from "./resolve-store.ts";
import type { BackfillLimits, BucketLeave, EventsSetting, ResolvedBucket, RuleSettings } from "./resolved-config.ts";
import { attempt, bucketOf, mapOf, type RuleScope } from "./spelled-bucket.ts";
import { parseSize } from "./units.ts";

/** A rule in the words of the domain, with what the domain leaves out. */
export interface RuleResolution extends PlacedLeg {
  readonly settings: Omit<RuleSettings, "syncMs">;
}

/**
 * Resolves one rule of the file: to one of the domain, or where it is a mesh to one for every member. Returns none, with findings, where a
 * bucket of it cannot be found.
 */
export function resolveRule(document: RuleDocument, path: Path, scope: RuleScope): readonly RuleResolution[] {
  const directions = document.mesh === undefined ? oneWay(document, path, scope) : bothWays(document, document.mesh, { path, scope });
  const filter = attempt([...path, "filter"], scope, () => resolveFilter(document.filter, sourcePrefix(document)));
  if (filter === undefined) return [];
  return directions.map((direction) => resolutionOf(document, direction, { path, filter }));
}

/** Looks up the buckets that a rule names, whatever else is wrong with it. */
export function checkReferences(written: unknown, path: Path, scope: RuleScope): void {
  if (!isMap(written)) return;
  const { source, destinations, mesh } = written;
  for (const [key, value] of Object.entries({ source, destinations, mesh })) {
    const at = [...path, key];
    if (Array.isArray(value)) for (const [index, item] of value.entries()) checkReference(item, [...at, index], scope);
    else checkReference(value, at, scope);
  }
}

/** What is no bucket in its form has been refused already; a placeholder names none yet. */
function checkReference(item: unknown, path: Path, scope: RuleScope): void {
  const { bucket, store, region } = isMap(item) ? item : { bucket: item };
  if (typeof bucket !== "string" || bucket === "" || bucket.includes("{")) return;
  const text = (value: unknown) => (typeof value === "string" ? value : undefined);
  attempt(path, scope, () => bucketOf({ bucket, store: text(store), region: text(region) }, scope));
}

/** A source and what it is replicated to, found. */
interface Direction {
  readonly source: ResolvedBucket;
  readonly sourcePath: Path;
  /** What was said of the source alone. */
  readonly spelled: SourceSettings;
  /** What may be done to the source. */
  readonly leave: BucketLeave;
  readonly destinations: readonly PlacedDestination[];
  /** Canonical ids of all members. */
  readonly mesh?: readonly string[];
}

type SourceSettings = Pick<SourceMap, "account" | "events" | "kmsKeys">;

interface PlacedDestination {
  readonly destination: Destination;
  readonly placed: ResolvedBucket;
  readonly path: Path;
  readonly leave: BucketLeave;
  readonly limits: BackfillLimits | undefined;
}

function oneWay(document: RuleDocument, path: Path, scope: RuleScope): readonly Direction[] {
  if (document.source === undefined || document.destinations === undefined) return [];
  const spelled: SourceMap = mapOf(document.source);
  const sourcePath = [...path, "source"];
  const source = attempt(sourcePath, scope, () => bucketOf(spelled, scope));
  const destinations = document.destinations.map((item, index) => {
    const at = [...path, "destinations", index];
    return attempt(at, scope, () => ({ ...destinationOf(mapOf(item), document, scope), path: at }));
  });
  const found = destinations.filter((item) => item !== undefined);
  if (source === undefined || found.length < destinations.length) return [];
  const leave = { create: false, enableVersioning: document.versioning === "enable" };
  return [{ source, sourcePath, spelled, leave, destinations: found }];
}

interface Place {
  readonly path: Path;
  readonly scope: RuleScope;
}

/** A direction from every member to all others. */
function bothWays(document: RuleDocument, mesh: readonly MemberDocument[], { path, scope }: Place): readonly Direction[] {
  const members = resolveMembers(mesh, [...path, "mesh"], scope) ?? [];
  const ids = members.map(({ placed }) => placed.bucket.id);
  const replicas = members.map(({ document: spelled, placed, path: at }): PlacedDestination => {
    const { bucket } = placed;
    const settings = replicaSettings(spelled, document);
    const destination = { id: bucket.name, canonicalId: bucket.id, bucket, prefix: "", ...settings, ...existing(document.existingObjects) };
    return { destination, placed, path: at, leave: leaveOf(spelled, document), limits: limitsOf(document.existingObjects) };
  });
  return members.map(({ document: spelled, placed, path: sourcePath }, index) => ({
    source: placed,
    sourcePath,
    spelled,
    leave: leaveOf(spelled, document),
    destinations: replicas.filter((_, other) => other !== index),
    mesh: ids,
  }));
}

function destinationOf(document: DestinationMap, rule: RuleDocument, scope: RuleScope): Omit<PlacedDestination, "path"> {
  const placed = bucketOf(document, scope);
  const { bucket } = placed;
  const { prefix = "", existingObjects = rule.existingObjects } = document;
  const destination = {
    id: document.id ?? bucket.name,
    canonicalId: canonicalId(bucket, prefix),
    bucket,
    prefix,
    ...replicaSettings(document, rule),
    ...existing(existingObjects),
  };
  return { destination, placed, leave: leaveOf(document, rule), limits: limitsOf(existingObjects) };
}

/** A limit is no refusal: only who replicates can tell whether it is reached. */
function existing(document: ExistingDocument): Pick<Destination, "existingObjects"> {
  return { existingObjects: document !== false };
}

function limitsOf(document: ExistingDocument): BackfillLimits | undefined {
  return typeof document === "boolean" ? undefined : document;
}

function leaveOf(spelled: BucketSettings, rule: RuleDocument): BucketLeave {
  return { create: spelled.createBuckets ?? rule.createBuckets, enableVersioning: (spelled.versioning ?? rule.versioning) === "enable" };
}

function canonicalId(bucket: Bucket, prefix: string): string {
  return prefix === "" ? bucket.id : `${bucket.id}/${prefix}`;
}

type Replicas = Pick<Destination, "storageClass" | "encryption" | "account" | "owner" | "replicationTime">;

function replicaSettings(spelled: ReplicaSettings & Pick<BucketMap, "account">, rule: RuleDocument): Replicas {
  const { storageClass, encryption, account, owner, replicationTime = rule.replicationTime } = spelled;
  return { storageClass, encryption, account, owner, replicationTime };
}

function eventsOf({ store }: ResolvedBucket, written: EventsDocument | undefined): EventsSetting {
  return written === undefined ? store.events : resolveEvents(written);
}

interface Placing {
  readonly path: Path;
  readonly filter: Filter;
}

function resolutionOf(document: RuleDocument, direction: Direction, { path, filter }: Placing): RuleResolution {
  const { source, destinations, sourcePath } = direction;
  return {
    rule: ruleOf(document, direction, filter),
    path,
    sourcePath,
    destinationPaths: destinations.map((item) => item.path),
    settings: settingsOf(document, direction),
    nativeOnly: nativeOnly(document, path),
    source,
    destinations: destinations.map((item) => item.placed),
  };
}

function settingsOf(document: RuleDocument, { source, spelled, leave, destinations }: Direction): RuleResolution["settings"] {
  const { engine, renamedFrom, versions, conflict } = document;
  const limited = destinations.flatMap(({ destination, limits }) =>
    limits === undefined ? [] : [[destination.canonicalId, limits] as const],
  );
  return {
    engine,
    events: eventsOf(source, spelled.events),
    limits: resolveLimits(document.limits),
    renamedFrom,
    sourceAccount: spelled.account,
    kmsKeys: spelled.kmsKeys ?? [],
    buckets: leavesOf([[source.bucket, leave], ...destinations.map((item) => [item.placed.bucket, item.leave] as const)]),
    backfillLimits: Object.fromEntries(limited),
    saysVersions: versions !== undefined,
    saysConflict: conflict !== undefined,
  };
}

function ruleOf(document: RuleDocument, { source, destinations, mesh }: Direction, filter: Filter): Rule {
  const { id, preserve, enabled, conflict = "newest", deletes, expirations, versions = "current", transit, stamp, unsafe } = document;
  return {
    id,
    source: source.bucket,
    destinations: destinations.map((item) => item.destination),
    filter,
    preserve,
    enabled,
    mesh,
    conflict,
    deletes,
    expirations,
    versions,
    ...(document.restore === undefined ? {} : { restore: document.restore }),
    transit,
    stamp,
    unsafeDeletes: unsafe.includes("unconditional-deletes"),
  };
}

/** A bucket may be named more than once, under several prefixes. */
function leavesOf(leaves: readonly (readonly [Bucket, BucketLeave])[]): Readonly<Record<string, BucketLeave>> {
  const found: Record<string, BucketLeave> = {};
  for (const [{ id }, { create, enableVersioning }] of leaves) {
    const known = found[id];
    found[id] = { create: create || known?.create === true, enableVersioning: enableVersioning || known?.enableVersioning === true };
  }
  return found;
}

function sourcePrefix({ source }: RuleDocument): string | undefined {
  const spelled: SourceMap | undefined = source === undefined ? undefined : mapOf(source);
  return spelled?.prefix;
}

function resolveFilter(document: FilterDocument, given: string | undefined): Filter {
  const { prefix = given, suffix, tags } = document;
  if (given !== undefined && prefix !== given) {
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
