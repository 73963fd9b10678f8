import type { Bucket } from "../domain/bucket.ts";
import { ReplicationError } from "../domain/error.ts";
import type { Destination, Filter, Rule } from "../domain/rule.ts";
import type { PlacedRule } from "./check-rules.ts";
import type {
  DestinationMap,
  EventsDocument,
  FilterDocument,
  MemberDocument,
  ReplicaSettings,
  RuleDocument,
  SourceMap,
} from "./config-document.ts";
import type { Path } from "./problem.ts";
import { resolveMembers } from "./resolve-mesh.ts";
import { resolveEvents, resolveLimits } from "./resolve-store.ts";
import type { EventsSetting, Limits, ResolvedBucket } from "./resolved-config.ts";
import { attempt, bucketOf, mapOf, type RuleScope } from "./spelled-bucket.ts";
import { parseSize } from "./units.ts";

/** A rule in the words of the domain, with what the domain leaves out. */
export interface RuleResolution extends PlacedRule {
  readonly engine: "auto" | "copy";
  readonly events: EventsSetting;
  readonly limits: Limits;
  readonly renamedFrom: string | undefined;
  readonly source: ResolvedBucket;
  /** In the order of the rule's destinations. */
  readonly destinations: readonly ResolvedBucket[];
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

/** A source and what it is replicated to, found. */
interface Direction {
  readonly source: ResolvedBucket;
  readonly sourcePath: Path;
  readonly events: EventsSetting;
  readonly destinations: readonly PlacedDestination[];
  /** Canonical ids of all members. */
  readonly mesh?: readonly string[];
}

interface PlacedDestination {
  readonly destination: Destination;
  readonly placed: ResolvedBucket;
  readonly path: Path;
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
  return [{ source, sourcePath, events: eventsOf(source, spelled.events), destinations: found }];
}

interface Place {
  readonly path: Path;
  readonly scope: RuleScope;
}

/** A direction from every member to all others. */
function bothWays(document: RuleDocument, mesh: readonly MemberDocument[], { path, scope }: Place): readonly Direction[] {
  const members = resolveMembers(mesh, [...path, "mesh"], scope) ?? [];
  const ids = members.map(({ placed }) => placed.bucket.id);
  const { existingObjects } = document;
  const replicas = members.map((member) => {
    const { bucket } = member.placed;
    const settings = replicaSettings(member.document);
    const destination = { id: bucket.name, canonicalId: bucket.id, bucket, prefix: "", ...settings, existingObjects };
    return { destination, placed: member.placed, path: member.path };
  });
  return members.map(({ document: { events }, placed, path: sourcePath }, index) => ({
    source: placed,
    sourcePath,
    events: eventsOf(placed, events),
    destinations: replicas.filter((_, other) => other !== index),
    mesh: ids,
  }));
}

function destinationOf(document: DestinationMap, rule: RuleDocument, scope: RuleScope): Omit<PlacedDestination, "path"> {
  const placed = bucketOf(document, scope);
  const { bucket } = placed;
  const prefix = document.prefix ?? "";
  const destination = {
    id: document.id ?? bucket.name,
    canonicalId: canonicalId(bucket, prefix),
    bucket,
    prefix,
    ...replicaSettings(document),
    existingObjects: document.existingObjects ?? rule.existingObjects,
  };
  return { destination, placed };
}

function canonicalId(bucket: Bucket, prefix: string): string {
  return prefix === "" ? bucket.id : `${bucket.id}/${prefix}`;
}

function replicaSettings({ storageClass, encryption }: ReplicaSettings): Pick<Destination, "storageClass" | "encryption"> {
  return { storageClass, encryption };
}

function eventsOf({ store }: ResolvedBucket, written: EventsDocument | undefined): EventsSetting {
  return written === undefined ? store.events : resolveEvents(written);
}

interface Placing {
  readonly path: Path;
  readonly filter: Filter;
}

function resolutionOf(document: RuleDocument, direction: Direction, { path, filter }: Placing): RuleResolution {
  const { source, destinations, events, sourcePath } = direction;
  return {
    rule: ruleOf(document, direction, filter),
    path,
    sourcePath,
    destinationPaths: destinations.map((item) => item.path),
    saysConflict: document.conflict !== undefined,
    engine: document.engine,
    events,
    limits: resolveLimits(document.limits),
    renamedFrom: document.renamedFrom,
    source,
    destinations: destinations.map((item) => item.placed),
  };
}

function ruleOf(document: RuleDocument, { source, destinations, mesh }: Direction, filter: Filter): Rule {
  const { id, preserve, enabled, conflict = "newest", deletes, expirations, versions, transit, stamp, unsafe } = document;
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
    transit,
    stamp,
    unsafeDeletes: unsafe.includes("unconditional-deletes"),
  };
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
