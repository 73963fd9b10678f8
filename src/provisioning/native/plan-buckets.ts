import type { Step } from "../change.ts";
import { isForbidden, visible } from "../seen.ts";
import type { Phases } from "./phases.ts";
import { isReachable } from "./preflight.ts";
import type { BucketWorld, World } from "./read-world.ts";
import type { NativePorts, NativeWish } from "./wish.ts";

/** Makes the buckets that are missing and turns versioning on, at both ends of every pair, where that may be done. */
export function planBuckets(wish: NativeWish, world: World, ports: NativePorts): Pick<Phases, "buckets" | "versioning"> {
  const involved = new Set(wish.pairs.flatMap(({ source, destination }) => [source.id, destination.id]));
  const buckets = [...world.buckets.values()].filter(({ wished, facts }) => involved.has(wished.bucket.id) && !isForbidden(facts));
  const missing = buckets.filter((bucket) => visible(bucket.facts) === undefined && mayCreate(bucket));
  const unversioned = buckets.filter((bucket) => visible(bucket.facts)?.versioning !== "Enabled" && mayVersion(bucket));
  return {
    buckets: missing.map((bucket) => creation(bucket, { wish, world, ports })),
    versioning: unversioned.map((bucket) => versioning(bucket, ports)),
  };
}

function mayCreate(bucket: BucketWorld): boolean {
  return bucket.wished.mayCreate && isReachable(bucket);
}

function mayVersion(bucket: BucketWorld): boolean {
  const isThere = visible(bucket.facts) !== undefined;
  return mayCreate(bucket) || (isThere && bucket.wished.mayVersion && isReachable(bucket));
}

interface Planning {
  readonly wish: NativeWish;
  readonly world: World;
  readonly ports: NativePorts;
}

function creation({ wished }: BucketWorld, { wish, world, ports }: Planning): Step {
  const { bucket } = wished;
  // A replica cannot keep the lock of its original where the bucket has none, and a bucket gets it when it is made.
  const sources = wish.pairs.filter(({ destination }) => destination.id === bucket.id).map(({ source }) => source.id);
  const objectLock = sources.some((id) => visible(world.buckets.get(id)?.facts)?.objectLock === true);
  const make = async () => {
    const configuration = await ports.configurationOf(bucket);
    if ((await configuration.facts()) !== undefined) return;
    await configuration.create({ objectLock }).catch(async (error: unknown) => {
      // Another apply may have been faster.
      if ((await configuration.facts()) === undefined) throw error;
    });
  };
  return { changes: [{ action: "create", type: "bucket", id: bucket.name, detail: { region: bucket.region, objectLock } }], make };
}

function versioning({ wished: { bucket } }: BucketWorld, ports: NativePorts): Step {
  const make = async () => (await ports.configurationOf(bucket)).enableVersioning();
  return { changes: [{ action: "update", type: "versioning", id: bucket.name, detail: { status: "Enabled" } }], make };
}
