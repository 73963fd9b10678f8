import { isReplicationError } from "../../domain/error.ts";
import type { CountedObjects } from "../../ports/replication-configuration.ts";
import type { BackfillWay, ExistingObjects, Problem } from "../change.ts";
import type { NativeBucket, NativePair } from "../native-pair.ts";
import { estimateBackfill } from "./backfill-estimate.ts";

/** What was there before a rule is not replicated where it is more than this. */
export interface BackfillLimits {
  readonly maxObjects?: number | undefined;
  /** In US dollars. */
  readonly maxCost?: number | undefined;
}

/** A pair, and what the config says about what was there before its rule. */
export interface BackfillPair {
  readonly pair: NativePair;
  readonly includesExisting: boolean;
  readonly limits: BackfillLimits;
}

export interface CountedPair extends BackfillPair {
  readonly existing: ExistingObjects;
}

/** How a pair is backfilled, and why so. */
export interface Way {
  readonly way: BackfillWay;
  readonly why: string;
}

/** Counts what is under a prefix of a source. */
export type CountObjects = (source: NativeBucket, prefix: string) => Promise<CountedObjects>;

/** A pair and what there is of its objects; undefined where it may not be counted. */
export interface FoundPair {
  readonly asked: BackfillPair;
  readonly found: CountedObjects | undefined;
}

export async function findPair(asked: BackfillPair, count: CountObjects): Promise<FoundPair> {
  return { asked, found: await counted(() => count(asked.pair.source, asked.pair.prefix)) };
}

export function isNothing({ found }: FoundPair): boolean {
  return found?.objects === 0 && found.isWhole;
}

/** What one pair would replicate, and what that is likely to cost on its way; null where it may not be counted. */
export function pricePair({ asked, found }: FoundPair, { way, why }: Way): CountedPair {
  const { source, destination, rule } = asked.pair;
  const named = { rule, source: source.name, destination: destination.name };
  if (found === undefined) return { ...asked, existing: { ...named, objects: null, bytes: null, isWhole: false, cost: null, way, why } };
  const { objects, bytes, isWhole } = found;
  const cost = estimateBackfill({ way: way ?? "job", objects, bytes, crossRegion: source.region !== destination.region });
  return { ...asked, existing: { ...named, objects, bytes, isWhole, cost, way, why } };
}

/** Of a bucket that is not there yet there is nothing; one that may not be listed has nobody knows what. */
async function counted(count: () => Promise<CountedObjects>): Promise<CountedObjects | undefined> {
  try {
    return await count();
  } catch (error) {
    if (isReplicationError(error) && error.code === "NoSuchBucket") return { objects: 0, bytes: 0, isWhole: true };
    if (isReplicationError(error) && error.code === "AccessDenied") return undefined;
    throw error;
  }
}

/** As a person reads it: `at least 1,000,000 objects (12.5 GB, about $6.25)`. */
export function existingText({ existing, pair }: CountedPair): string {
  const { objects, bytes, isWhole, cost } = existing;
  if (objects === null || bytes === null || cost === null) return "existing objects that may not be counted (allow s3:ListBucketVersions)";
  const number = objects.toLocaleString("en-US");
  const bound = isWhole ? "" : "at least ";
  const filter = Object.keys(pair.tags).length === 0 ? "" : ", whatever their tags";
  return `${bound}${number} existing ${objects === 1 ? "object" : "objects"} (${sizeText(bytes)}, about ${bound}$${cost.toFixed(2)}${filter})`;
}

/** What is more than the config allows, or may be more because nobody counted to the end. */
export function limitProblems(counted: CountedPair): readonly Problem[] {
  const { limits, existing, pair } = counted;
  const { maxObjects, maxCost } = limits;
  const asked = [maxObjects === undefined ? [] : `maxObjects ${maxObjects}`, maxCost === undefined ? [] : `maxCost ${maxCost}`].flat();
  const isOver =
    existing.objects === null ||
    existing.cost === null ||
    existing.objects > (maxObjects ?? Infinity) ||
    existing.cost > (maxCost ?? Infinity);
  if (asked.length === 0 || (existing.isWhole && !isOver)) return [];
  const message = `rule ${pair.rule} has ${existingText(counted)} for ${pair.destination.name}, and its existingObjects says ${asked.join(", ")}`;
  const hint =
    isOver && existing.objects !== null
      ? "raise it, or write existingObjects: false"
      : "leave the limit out: there are more than are counted";
  return [{ code: "CostAboveLimit", subject: pair.source.name, message, hint }];
}

/** By thousands, as AWS counts what it takes money for. */
function sizeText(bytes: number): string {
  const power = Math.min(Math.max(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), 0), SIZES.length - 1);
  return `${Number((bytes / 1000 ** power).toPrecision(3))} ${SIZES[power]}`;
}

const SIZES = ["B", "kB", "MB", "GB", "TB", "PB"] as const;
