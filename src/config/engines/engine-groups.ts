import type { Bucket } from "../../domain/bucket.ts";
import { type Engine, prefixesMeet } from "../../domain/rule.ts";
import { groupBy } from "../../lib/group-by.ts";
import { identity, interiorBuckets } from "../interior.ts";
import { type Leg, notSayable } from "./native-terms.ts";

/** A rule of the config, whatever its directions, as far as it matters who serves it. */
export interface Candidate {
  readonly id: string;
  readonly engine: "auto" | Engine;
  readonly legs: readonly Leg[];
  /** Why S3 cannot serve it. */
  readonly reasons: readonly string[];
}

/** Rules that hand objects on to one another and are therefore served by one engine. */
export interface EngineGroup {
  readonly candidates: readonly Candidate[];
  /** The first that copy alone can serve, because it says so or because S3 cannot. */
  readonly copied: Candidate | undefined;
  /** The first that says native. */
  readonly native: Candidate | undefined;
}

/**
 * Puts together what one engine must serve: to each engine the other's writes look like a client's, and it would carry them on from a bucket that
 * both write to or read from. Rules meet in a bucket that is both a source and a destination, under prefixes of which one contains the other.
 */
export function engineGroups(legs: readonly Leg[]): readonly EngineGroup[] {
  const touched = touchedRanges(legs);
  let groups: readonly (readonly Candidate[])[] = [];
  for (const candidate of candidatesOf(legs)) {
    const joined = groups.filter((group) => group.some(({ id }) => meet(touched.get(id), touched.get(candidate.id))));
    const others = groups.filter((group) => !joined.includes(group));
    groups = [...others, [...joined.flat(), candidate]];
  }
  return groups.map((candidates) => ({
    candidates,
    copied: candidates.find((candidate) => mustCopy(candidate)),
    native: candidates.find(({ engine }) => engine === "native"),
  }));
}

/** A bucket in which two rules meet. */
export function meetingPlace(a: Candidate, b: Candidate): Bucket | undefined {
  const ofB = rangesOf(b.legs);
  return rangesOf(a.legs).find((range) => ofB.some((other) => overlap(range, other)))?.bucket;
}

function mustCopy({ engine, reasons }: Candidate): boolean {
  return engine === "copy" || (engine === "auto" && reasons.length > 0);
}

function candidatesOf(legs: readonly Leg[]): readonly Candidate[] {
  const byId = groupBy(legs, ({ rule }) => rule.id);
  return [...byId].map(([id, group]) => {
    const reasons = [...new Set(group.flatMap(notSayable))];
    return { id, engine: group[0]?.settings.engine ?? "auto", legs: group, reasons };
  });
}

/** The keys of a bucket that a rule reads, or may write. */
interface Range {
  readonly bucket: Bucket;
  readonly identity: string;
  readonly prefix: string;
}

function touchedRanges(legs: readonly Leg[]): ReadonlyMap<string, readonly Range[]> {
  const interior = interiorBuckets(legs.map(({ rule }) => rule));
  const byId = groupBy(legs, ({ rule }) => rule.id);
  return new Map([...byId].map(([id, group]) => [id, rangesOf(group).filter((range) => interior.has(range.identity))]));
}

function rangesOf(legs: readonly Leg[]): readonly Range[] {
  return legs.flatMap(({ rule }) => {
    const { prefix = "" } = rule.filter;
    const written = rule.destinations.map((destination) => toRange(destination.bucket, destination.prefix + prefix));
    return [toRange(rule.source, prefix), ...written];
  });
}

function toRange(bucket: Bucket, prefix: string): Range {
  return { bucket, identity: identity(bucket), prefix };
}

function meet(a: readonly Range[] = [], b: readonly Range[] = []): boolean {
  return a.some((range) => b.some((other) => overlap(range, other)));
}

function overlap(a: Range, b: Range): boolean {
  return a.identity === b.identity && prefixesMeet(a.prefix, b.prefix);
}
