import type { Bucket } from "../domain/bucket.ts";
import type { Destination, Filter, Rule } from "../domain/rule.ts";
import { notAvailable } from "./later.ts";
import type { Finding, Path } from "./problem.ts";

/** A rule that resolved, and where it stands. */
export interface PlacedRule {
  readonly rule: Rule;
  readonly path: Path;
}

/** Finds what single rules cannot show: a bucket that is both sides, and destinations that would write over each other. */
export function checkRules(rules: readonly PlacedRule[]): readonly Finding[] {
  return [...rules.flatMap(checkDestinations), ...checkInterior(rules), ...checkRegions(rules), ...checkOverlaps(rules)];
}

/**
 * One bucket, however it is spelled: a region says nothing about which AWS bucket is meant, and a loopback host has several names.
 */
function identity(bucket: Bucket): string {
  return bucket.id
    .replace(/^s3:\/\/(aws[a-z-]*)\/[^/]+\//, "s3://$1/*/")
    .replace(/^s3:\/\/(?:localhost|\[::1\]|127(?:\.\d+){3})(?=[:/])/, "s3://loopback");
}

function checkDestinations({ rule, path }: PlacedRule): readonly Finding[] {
  const findings: Finding[] = [];
  const ids = new Set<string>();
  for (const [index, destination] of rule.destinations.entries()) {
    const at = [...path, "destinations", index];
    if (identity(destination.bucket) === identity(rule.source)) {
      findings.push({ path: at, message: `${destination.bucket.name} is the source itself`, hint: "name another bucket" });
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

/** Two-way replication and chains need what this version lacks: evidence of which side an object was written at. */
function checkInterior(rules: readonly PlacedRule[]): readonly Finding[] {
  const sources = new Map<string, Rule>();
  for (const { rule } of rules) sources.set(identity(rule.source), rule);
  const findings: Finding[] = [];
  for (const { rule, path } of rules) {
    for (const [index, destination] of rule.destinations.entries()) {
      const other = sources.get(identity(destination.bucket));
      if (other === undefined || identity(destination.bucket) === identity(rule.source)) continue;
      const what = `${destination.bucket.name} as destination here and source of rule ${other.id}: replication through or into a source`;
      findings.push({
        path: [...path, "destinations", index],
        message: notAvailable(what),
        hint: "let every bucket be only a source or only a destination",
      });
    }
  }
  return findings;
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

function bucketsOf({ rule, path }: PlacedRule): readonly { readonly bucket: Bucket; readonly path: Path }[] {
  const destinations = rule.destinations.map(({ bucket }, index) => ({ bucket, path: [...path, "destinations", index] }));
  return [{ bucket: rule.source, path: [...path, "source"] }, ...destinations];
}

interface Writer {
  readonly rule: Rule;
  readonly destination: Destination;
  readonly path: Path;
}

function checkOverlaps(rules: readonly PlacedRule[]): readonly Finding[] {
  const writers = rules.flatMap(({ rule, path }) =>
    rule.destinations.map((destination, index): Writer => ({ rule, destination, path: [...path, "destinations", index] })),
  );
  const findings: Finding[] = [];
  for (const [index, writer] of writers.entries()) {
    const other = writers.slice(0, index).find((candidate) => mayCollide(candidate, writer));
    if (other === undefined) continue;
    const where = other.rule === writer.rule ? "another destination of this rule" : `rule ${other.rule.id}`;
    const message = `${where} writes the same keys of ${writer.destination.bucket.name}`;
    findings.push({ path: writer.path, message, hint: "give each its own destination prefix, or filters that no key passes both of" });
  }
  return findings;
}

/** Is false only where no two objects the writers may carry can end up under one key. */
function mayCollide(a: Writer, b: Writer): boolean {
  if (identity(a.destination.bucket) !== identity(b.destination.bucket)) return false;
  const suffixes = [a.rule.filter.suffix ?? "", b.rule.filter.suffix ?? ""] as const;
  if (!eitherWay(suffixes, (x, y) => x.endsWith(y))) return false;
  if (!eitherWay([writtenPrefix(a), writtenPrefix(b)], (x, y) => x.startsWith(y))) return false;
  const sameObject = identity(a.rule.source) === identity(b.rule.source) && a.destination.prefix === b.destination.prefix;
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
