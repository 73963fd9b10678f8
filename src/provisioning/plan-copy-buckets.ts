import type { Bucket } from "../domain/bucket.ts";
import type { BucketConfiguration } from "../ports/bucket-configuration.ts";
import { allOf } from "./all-of.ts";
import type { PlannedChange, Problem, Step } from "./change.ts";
import { isForbidden, type Seen, seen } from "./seen.ts";

/** A bucket of rules that copy serves, with what may be done to it. */
export interface CopyBucket {
  readonly bucket: Bucket;
  readonly region: string;
  /** It is where its region is, as on AWS; elsewhere a store may call its region as it likes. */
  readonly isRegional: boolean;
  readonly configuration: BucketConfiguration;
  /** It is made where it is missing. */
  readonly mayCreate: boolean;
  /** Its versioning is turned on where it is off. */
  readonly mayVersion: boolean;
  /** Made, it keeps versions: the rules need them. */
  readonly needsVersions: boolean;
  /** Canonical ids of the buckets whose object lock its objects are to keep. */
  readonly keepsLocksOf: readonly string[];
}

export interface CopyBucketsPlan {
  readonly steps: readonly Step[];
  readonly problems: readonly Problem[];
}

/** Finds which buckets of copy rules are to be made or to keep versions, and which are missing. None ever goes. */
export async function planCopyBuckets(buckets: readonly CopyBucket[]): Promise<CopyBucketsPlan> {
  const looks = await allOf(buckets, look);
  const isThere = new Set(looks.flatMap(({ wished, found }) => (isMissing(found) ? [] : [wished.bucket.id])));
  const locked = (id: string) => {
    const source = buckets.find(({ bucket }) => bucket.id === id);
    return source === undefined || !isThere.has(id) ? Promise.resolve(false) : source.configuration.hasObjectLock(source.bucket);
  };
  const missing = looks.filter(({ wished, found }) => isMissing(found) && wished.mayCreate).map(({ wished }) => wished);
  const creations = await allOf(missing, async (wished) => creation(wished, await anyOf(wished.keepsLocksOf, locked)));
  return {
    steps: [...creations, ...looks.filter((one) => one.versioning !== undefined && isOff(one)).map(({ wished }) => enabling(wished))],
    problems: looks.flatMap(problemsOf),
  };
}

interface Look {
  readonly wished: CopyBucket;
  readonly found: Seen<{ readonly region: string | undefined } | undefined>;
  /** Undefined where nobody asked. */
  readonly versioning: Awaited<ReturnType<BucketConfiguration["versioning"]>> | undefined;
}

async function look(wished: CopyBucket): Promise<Look> {
  const { configuration, bucket, mayVersion } = wished;
  const found = await seen(() => configuration.find(bucket));
  const isAsked = mayVersion && !isForbidden(found) && found.value !== undefined && !isElsewhere(wished, found.value.region);
  return { wished, found, versioning: isAsked ? await configuration.versioning(bucket) : undefined };
}

function isMissing(found: Look["found"]): boolean {
  return !isForbidden(found) && found.value === undefined;
}

function isOff({ versioning }: Look): boolean {
  return versioning === "Unversioned" || versioning === "Suspended";
}

function isElsewhere({ isRegional, region }: CopyBucket, found: string | undefined): boolean {
  return isRegional && found !== undefined && found !== region;
}

async function anyOf(ids: readonly string[], test: (id: string) => Promise<boolean>): Promise<boolean> {
  return (await allOf(ids, test)).includes(true);
}

function creation({ bucket, region, configuration, mayVersion, needsVersions }: CopyBucket, objectLock: boolean): Step {
  const keepsVersions = mayVersion || needsVersions;
  const made: PlannedChange = { action: "create", type: "bucket", id: bucket.name, detail: { region, objectLock } };
  const make = async () => {
    if ((await configuration.find(bucket)) === undefined) await configuration.create(bucket, { objectLock });
    // At once: what is written before keeps no version.
    if (keepsVersions) await configuration.enableVersioning(bucket);
  };
  return { changes: keepsVersions ? [made, versioned(bucket)] : [made], make };
}

function enabling({ bucket, configuration }: CopyBucket): Step {
  return { changes: [versioned(bucket)], make: () => configuration.enableVersioning(bucket) };
}

function versioned({ name }: Bucket): PlannedChange {
  return { action: "update", type: "versioning", id: name, detail: { status: "Enabled" } };
}

function problemsOf({ wished, found, versioning }: Look): readonly Problem[] {
  const { bucket, region, mayCreate, mayVersion } = wished;
  const problem = (code: Problem["code"], message: string, hint: string): readonly Problem[] => [
    { code, subject: bucket.name, message, hint },
  ];
  if (isForbidden(found)) {
    if (!mayCreate && !mayVersion) return [];
    return problem("BucketForbidden", `may not be looked at: ${found.forbidden}`, "allow s3:ListBucket and s3:GetBucketVersioning");
  }
  if (found.value === undefined)
    return mayCreate ? [] : problem("BucketMissing", "does not exist", "create it, or write createBuckets: true");
  const { region: actual } = found.value;
  if (isElsewhere(wished, actual)) return problem("WrongRegion", `is in ${actual}, not in ${region}`, `write ${bucket.bucket}@${actual}`);
  if (versioning !== "Unsupported") return [];
  return problem("VersioningOff", "its store keeps no versions", "leave versioning: enable out, or have the store keep versions");
}
