import type { EngineDecision } from "../../config/engines/decide-engines.ts";
import { leaveFor, type ResolvedConfig, settingsOf } from "../../config/resolved-config.ts";
import { type Bucket, partitionOf } from "../../domain/bucket.ts";
import type { Destination, Rule } from "../../domain/rule.ts";
import type { NativeWish, WishedBucket } from "../../provisioning/native/wish.ts";
import type { NativeBucket, NativePair, Owner } from "../../provisioning/native-pair.ts";
import type { AwsPorts } from "./ports.ts";

/** The key that S3 takes where KMS is asked for and none is named. */
const AWS_KEY = "alias/aws/s3";

export interface WishRun {
  readonly config: ResolvedConfig;
  readonly buckets: ReadonlyMap<string, NativeBucket>;
  readonly aim: "present" | "absent";
  readonly convertV1: boolean;
  readonly replace: boolean;
  /** Which sources it is about; undefined: all of this name, also those that the config names no more. */
  readonly includes: ((source: Bucket) => boolean) | undefined;
  /** With `includes`: which sources that the config names no more. */
  readonly orphans?: ((source: NativeBucket) => boolean) | undefined;
}

/** The buckets of a config that are on AWS, by canonical id, with the account of each: as the config says, else that of the credentials. */
export async function nativeBuckets(config: ResolvedConfig, aws: AwsPorts): Promise<ReadonlyMap<string, NativeBucket>> {
  const written = writtenAccounts(config);
  const places = Object.values(config.buckets).filter(({ store }) => store.isAws);
  const found = places.map(async ({ bucket, store }) => {
    const { region } = store;
    const account = written.get(bucket.id) ?? (await aws.callerOf(store)).account;
    return [
      bucket.id,
      { id: bucket.id, name: bucket.name, bucket: bucket.bucket, region, partition: partitionOf(region), account },
    ] as const;
  });
  return new Map(await Promise.all(found));
}

/** What a config wishes of S3 itself: the pairs of its native rules, and the places where there may be others of its name. */
export function nativeWish(run: WishRun, decisions: ReadonlyMap<string, EngineDecision>): NativeWish {
  const { config, buckets, includes = () => true } = run;
  const rules = config.rules.filter(({ source }) => includes(source));
  const native = run.aim === "absent" ? [] : rules.filter(({ id }) => decisions.get(id)?.engine === "native");
  const sources = new Set(rules.map(({ source }) => source.id));
  // Of a rule that S3 serves no more its destinations' policies may tell still.
  const named = new Set(rules.flatMap(({ source, destinations }) => [source.id, ...destinations.map(({ bucket }) => bucket.id)]));
  const pairs = native.flatMap((rule) => rule.destinations.flatMap((destination) => pairOf(rule, destination, buckets)));
  return {
    owner: ownerOf(config),
    buckets: [...buckets.values()].filter(({ id }) => named.has(id)).map((bucket) => wishedBucket(config, bucket, sources.has(bucket.id))),
    pairs: twoWay(pairs),
    isWhole: run.includes === undefined,
    orphans: run.orphans,
    convertV1: run.convertV1,
    replace: run.replace,
    propagationMs: config.iam.propagationMs,
  };
}

export function ownerOf({ name, iam }: ResolvedConfig): Owner {
  const { path, permissionsBoundary, tags, roleArn, rolePrefix } = iam;
  return { name, path, permissionsBoundary, tags, roleArn, rolePrefix };
}

function writtenAccounts(config: ResolvedConfig): ReadonlyMap<string, string> {
  return new Map(
    config.rules.flatMap((rule) => {
      const source = settingsOf(config, rule).sourceAccount;
      const said = rule.destinations.flatMap(({ bucket, account }) => (account === undefined ? [] : [[bucket.id, account] as const]));
      return source === undefined ? said : [...said, [rule.source.id, source] as const];
    }),
  );
}

function wishedBucket(config: ResolvedConfig, bucket: NativeBucket, isSource: boolean): WishedBucket {
  const { create, enableVersioning } = leaveFor(config, bucket.id);
  const rules = config.rules.filter(({ source }) => source.id === bucket.id);
  const kmsKeys = [...new Set(rules.flatMap((rule) => settingsOf(config, rule).kmsKeys))];
  return { bucket, mayCreate: create, mayVersion: enableVersioning, isSource, kmsKeys };
}

function pairOf(rule: Rule, target: Destination, buckets: ReadonlyMap<string, NativeBucket>): readonly NativePair[] {
  const [source, destination] = [buckets.get(rule.source.id), buckets.get(target.bucket.id)];
  if (source === undefined || destination === undefined) return [];
  const { encryption, storageClass } = target;
  const pair = {
    rule: rule.id,
    destinationId: target.id,
    source,
    destination,
    enabled: rule.enabled,
    prefix: rule.filter.prefix ?? "",
    tags: rule.filter.tags ?? {},
    deleteMarkers: rule.deletes === "markers",
    isTwoWay: rule.mesh !== undefined,
    storageClass,
    replicaKmsKeyId: encryption?.type === "aws:kms" ? (encryption.keyId ?? AWS_KEY) : undefined,
    replicationTime: target.replicationTime === true,
    ownerOverride: target.owner === "destination",
  };
  return [pair];
}

/** Two rules that face each other are as good as a mesh of two. */
function twoWay(pairs: readonly NativePair[]): readonly NativePair[] {
  const faces = ({ source, destination }: NativePair) =>
    pairs.some((other) => other.source.id === destination.id && other.destination.id === source.id);
  return pairs.map((pair) => ({ ...pair, isTwoWay: pair.isTwoWay || faces(pair) }));
}
