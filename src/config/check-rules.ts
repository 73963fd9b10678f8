import type { Bucket } from "../domain/bucket.ts";
import { RESERVED_PREFIX } from "../domain/object.ts";
import type { Destination, Filter, Rule } from "../domain/rule.ts";
import { checkCycles } from "./check-cycles.ts";
import { identity, interiorBuckets } from "./interior.ts";
import type { PlacedRule } from "./placed-rule.ts";
import type { Finding, Path } from "./problem.ts";

/** What the rules are seen among. */
export interface Surroundings {
  readonly rules: readonly Rule[];
  /** Is false where a rule of the file could not be resolved: then nothing follows from what is not there. */
  readonly isComplete: boolean;
}

/** Finds what single settings cannot show: buckets that are both sides, rules that would write over each other, settings without effect. */
export function checkRules(rules: readonly PlacedRule[], among: Surroundings): readonly Finding[] {
  const interior = interiorBuckets(among.rules);
  return [
    ...rules.flatMap(checkDestinations),
    ...rules.flatMap((placed) => checkVersions(placed, interior)),
    ...(among.isComplete ? rules.flatMap((placed) => checkConflict(placed, interior)) : []),
    ...rules.flatMap(checkExpirations),
    ...rules.flatMap(checkRestore),
    ...checkRegions(rules),
    ...checkOverlaps(rules, interior),
    ...checkCycles(rules),
  ];
}

function checkDestinations({ rule, destinationPaths, path }: PlacedRule): readonly Finding[] {
  const findings: Finding[] = [];
  const ids = new Set<string>();
  for (const [index, destination] of rule.destinations.entries()) {
    const at = destinationPaths[index] ?? path;
    if (identity(destination.bucket) === identity(rule.source)) {
      findings.push({ path: at, message: `${destination.bucket.name} is the source itself`, hint: "name another bucket" });
    }
    if (destination.prefix.startsWith(RESERVED_PREFIX)) {
      findings.push({ path: at, message: `keys under ${RESERVED_PREFIX} are replicast's own`, hint: "choose another prefix" });
    }
    if (ids.has(destination.id)) {
      findings.push({
        path: at,
        message: `a second destination has the id "${destination.id}"`,
        hint: "give each an id of its own: { bucket: …, id: … }",
      });
    }
    ids.add(destination.id);
  }
  return findings;
}

/** Two histories of versions cannot be laid into one another: every version is carried from a source to a leaf only. */
function checkVersions({ rule, path, settings }: PlacedRule, interior: ReadonlySet<string>): readonly Finding[] {
  if (rule.versions !== "all" || settings.engine === "native") return [];
  const at = [...path, "versions"];
  if (rule.mesh !== undefined) return [{ path: at, message: "versions: all is for one-way rules, not for a mesh", hint: CURRENT }];
  const bucket = [rule.source, ...rule.destinations.map((destination) => destination.bucket)].find((side) => interior.has(identity(side)));
  if (bucket === undefined) return [];
  const message = `versions: all cannot be with ${bucket.name}, which is both a source and a destination`;
  return [{ path: at, message, hint: `${CURRENT}, or let ${bucket.name} be only one of the two` }];
}

const CURRENT = "write versions: current";

function checkConflict({ rule, path, settings }: PlacedRule, interior: ReadonlySet<string>): readonly Finding[] {
  if (!settings.saysConflict || rule.destinations.some(({ bucket }) => interior.has(identity(bucket)))) return [];
  const message = "there is no conflict to decide: no destination of this rule is a source";
  return [{ path: [...path, "conflict"], message, hint: "remove it; what differs at such a destination is overwritten" }];
}

function checkExpirations({ rule, path }: PlacedRule): readonly Finding[] {
  if (!rule.expirations || rule.deletes !== "none") return [];
  const message = "has no effect: this rule replicates no deletes";
  return [{ path: [...path, "expirations"], message, hint: "write deletes: markers or deletes: propagate too, or remove it" }];
}

/** Histories wait for nothing: a version that cannot be read is passed over, and later ones are put on top. */
function checkRestore({ rule, path, settings }: PlacedRule): readonly Finding[] {
  if (rule.restore === undefined || rule.versions !== "all" || settings.engine === "native") return [];
  const message = "archived versions are not restored for versions: all";
  return [{ path: [...path, "restore"], message, hint: `remove it, or ${CURRENT}` }];
}

/** An AWS bucket is in one region; two spellings would be two rows of one bucket. */
function checkRegions(rules: readonly PlacedRule[]): readonly Finding[] {
  const seen = new Map<string, Bucket>();
  const findings: Finding[] = [];
  for (const { bucket, path } of rules.flatMap(bucketsOf)) {
    const first = seen.get(identity(bucket)) ?? bucket;
    seen.set(identity(bucket), first);
    if (first.id === bucket.id || !bucket.id.startsWith("s3://aws")) continue;
    const message = `${bucket.name} is named in two regions (${first.id.split("/")[3]} and ${bucket.id.split("/")[3]})`;
    findings.push({ path, message, hint: "a bucket is in one region: spell it the same everywhere" });
  }
  return findings;
}

function bucketsOf({ rule, path, sourcePath, destinationPaths }: PlacedRule): readonly { readonly bucket: Bucket; readonly path: Path }[] {
  const destinations = rule.destinations.map(({ bucket }, index) => ({ bucket, path: destinationPaths[index] ?? path }));
  return [{ bucket: rule.source, path: sourcePath }, ...destinations];
}

interface Writer {
  readonly rule: Rule;
  readonly destination: Destination;
  readonly path: Path;
  readonly isNative: boolean;
}

/**
 * Into a leaf nothing decides between two writers of a key, but S3's own replication keeps what both wrote, as versions. In an interior bucket it is known what every object descends from, so that several
 * sources may write there; but the same objects from the same source would only be carried twice.
 */
function checkOverlaps(rules: readonly PlacedRule[], interior: ReadonlySet<string>): readonly Finding[] {
  const writers = rules.flatMap(writersOf);
  const findings: Finding[] = [];
  for (const [index, writer] of writers.entries()) {
    const isInterior = interior.has(identity(writer.destination.bucket));
    const other = writers.slice(0, index).find((candidate) => {
      const mayMeet = isInterior || (candidate.isNative && writer.isNative);
      return mayCollide(candidate, writer) && (!mayMeet || haveOneSource(candidate, writer));
    });
    if (other === undefined) continue;
    const where = other.rule === writer.rule ? "another destination of this rule" : `rule ${other.rule.id}`;
    const message = `${where} writes the same keys of ${writer.destination.bucket.name}`;
    findings.push({ path: writer.path, message, hint: "give each its own destination prefix, or filters that no key passes both of" });
  }
  return findings;
}

function writersOf({ rule, path, destinationPaths, settings }: PlacedRule): readonly Writer[] {
  const isNative = settings.engine === "native";
  return rule.destinations.map((destination, index) => ({ rule, destination, path: destinationPaths[index] ?? path, isNative }));
}

function haveOneSource(a: Writer, b: Writer): boolean {
  return identity(a.rule.source) === identity(b.rule.source);
}

/** Is false only where no two objects the writers may carry can end up under one key. */
function mayCollide(a: Writer, b: Writer): boolean {
  if (identity(a.destination.bucket) !== identity(b.destination.bucket)) return false;
  const suffixes = [a.rule.filter.suffix ?? "", b.rule.filter.suffix ?? ""] as const;
  if (!eitherWay(suffixes, (x, y) => x.endsWith(y))) return false;
  if (!eitherWay([writtenPrefix(a), writtenPrefix(b)], (x, y) => x.startsWith(y))) return false;
  const sameObject = haveOneSource(a, b) && a.destination.prefix === b.destination.prefix;
  return !(sameObject && areDisjoint(a.rule.filter, b.rule.filter));
}

function writtenPrefix({ rule, destination }: Writer): string {
  return destination.prefix + (rule.filter.prefix ?? "");
}

/** Is true where one object cannot pass both filters. */
function areDisjoint(a: Filter, b: Filter): boolean {
  const tags = Object.entries(a.tags ?? {}).some(([name, value]) => b.tags?.[name] !== undefined && b.tags[name] !== value);
  return tags || isAbove(a, b) || isAbove(b, a);
}

function isAbove(a: Filter, b: Filter): boolean {
  return (a.minBytes ?? 0) > (b.maxBytes ?? Number.POSITIVE_INFINITY);
}

function eitherWay(pair: readonly [string, string], test: (a: string, b: string) => boolean): boolean {
  return test(pair[0], pair[1]) || test(pair[1], pair[0]);
}
