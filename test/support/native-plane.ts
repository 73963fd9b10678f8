import assert from "node:assert/strict";
import type { Clock } from "../../src/ports/clock.ts";
import type { ReplicationRule } from "../../src/ports/replication-configuration.ts";
import { type CarriedOut, type CarryOut, carryOut } from "../../src/provisioning/native/carry-out.ts";
import { planNative } from "../../src/provisioning/native/plan-native.ts";
import type { NativePlan, NativePorts, NativeWish, WishedBucket } from "../../src/provisioning/native/wish.ts";
import type { NativeBucket, NativePair } from "../../src/provisioning/native-pair.ts";
import { LeapingClock } from "../../src/testing/leaping-clock.ts";
import type { MemoryAws } from "../../src/testing/memory-aws.ts";
import { ACCOUNT, nativePair, OTHER_ACCOUNT, type Place, nativeBucket as placedBucket } from "./native-pairs.ts";

export { ACCOUNT, OTHER_ACCOUNT };

/** A bucket of {@link ACCOUNT} in us-east-1, where nothing else is said. */
export function nativeBucket(bucket: string, place: Place = {}): NativeBucket {
  return placedBucket(bucket, { region: "us-east-1", ...place });
}

export function pairOf(source: NativeBucket, destination: NativeBucket, options: Partial<NativePair> = {}): NativePair {
  return nativePair(source, destination, { destinationId: destination.bucket, ...options });
}

/** A rule that somebody else set up, with an element that nobody here knows. */
export const FOREIGN: ReplicationRule = {
  id: "theirs",
  status: "Enabled",
  priority: 7,
  prefix: "logs/",
  tags: {},
  deleteMarkerReplication: false,
  replicaModifications: false,
  kmsEncryptedObjects: false,
  destination: { bucketArn: "arn:aws:s3:::c", ownerOverride: false, replicationTime: false },
  raw: { ID: "theirs", Odd: "what nobody knows" },
};

export type WishOptions = Partial<Omit<NativeWish, "pairs">> & { readonly leave?: Partial<WishedBucket> };

/** What a config of these pairs wishes; `sources` may stand beside those of the pairs. */
export function wishOf(
  pairs: readonly NativePair[],
  { leave, ...options }: WishOptions = {},
  sources: readonly NativeBucket[] = [],
): NativeWish {
  const isSource = new Set([...pairs.map(({ source }) => source.id), ...sources.map(({ id }) => id)]);
  const all = [...sources, ...pairs.flatMap(({ source, destination }) => [source, destination])];
  const buckets = [...new Map(all.map((bucket) => [bucket.id, bucket])).values()].map((bucket) => ({
    bucket,
    mayCreate: false,
    mayVersion: true,
    isSource: isSource.has(bucket.id),
    kmsKeys: [],
    ...leave,
  }));
  const owner = { name: "acme", path: "/replicast/acme/", tags: {} };
  return { owner, buckets, pairs, isWhole: true, convertV1: false, replace: false, propagationMs: 15_000, ...options };
}

/** The same wish without anything wanted, as `destroy` has it. */
export function nothingOf(wish: NativeWish): NativeWish {
  return { ...wish, pairs: [] };
}

export interface PlaneOptions {
  /** Whose credentials are at hand for a bucket; its own account's by default. */
  readonly callerOf?: (bucket: NativeBucket) => string;
  readonly clock?: Clock;
}

export function portsOf(
  aws: MemoryAws,
  { callerOf = ({ account }) => account, clock = new LeapingClock() }: PlaneOptions = {},
): NativePorts {
  return {
    configurationOf: async (bucket) => aws.configuration(bucket.bucket, callerOf(bucket), bucket.region),
    identityOf: async (bucket) => aws.identity(callerOf(bucket)),
    keysOf: async (bucket) => aws.encryptionKeys(bucket.region),
    clock,
  };
}

export interface ApplyOptions extends PlaneOptions {
  readonly holder?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly onPlan?: CarryOut["onPlan"];
}

export function planOf(aws: MemoryAws, wish: NativeWish, options: PlaneOptions = {}): Promise<NativePlan> {
  return planNative(wish, portsOf(aws, options));
}

export function applyTo(aws: MemoryAws, wish: NativeWish, options: ApplyOptions = {}): Promise<CarriedOut> {
  const { holder = "test", timeoutMs = 3_600_000, signal, onPlan } = options;
  const ports = portsOf(aws, options);
  return carryOut({
    ports,
    owner: wish.owner,
    holder,
    timeoutMs,
    isOptional: wish.owner.roleArn !== undefined,
    signal,
    onPlan,
    plan: () => planNative(wish, ports, signal),
  });
}

/** Applies what has to go without a problem, and again: the second time nothing may be changed. */
export async function settleTo(aws: MemoryAws, wish: NativeWish, options: ApplyOptions = {}): Promise<CarriedOut> {
  const outcome = await applyTo(aws, wish, options);
  assert.deepEqual(outcome.plan.problems, []);
  assert.equal(outcome.isComplete, true);
  const before = aws.mutations.length;
  const second = await applyTo(aws, wish, options);
  assert.deepEqual(second.plan.problems, []);
  assert.deepEqual(aws.mutations.slice(before), [], "a second apply makes no call that changes anything");
  return outcome;
}

export function ruleIds(aws: MemoryAws, bucket: string): readonly string[] {
  return (aws.buckets.get(bucket)?.document?.rules ?? []).map(({ id }) => id);
}
