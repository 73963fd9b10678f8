import { isReplicationError } from "../../domain/error.ts";
import type { Role } from "../../ports/identity.ts";
import type { BucketFacts, ReplicationDocument } from "../../ports/replication-configuration.ts";
import { allOf } from "../all-of.ts";
import { isOwnedId, ROLE_POLICY } from "../names.ts";
import { bucketArn, type NativeBucket } from "../native-pair.ts";
import { type FindKey, keyArnOf } from "./read-keys.ts";
import type { NativePorts, NativeWish } from "./wish.ts";

/** A bucket that others' rules of a source lead to. */
export interface ForeignDestination {
  /** It is not known to be of the source's account. */
  readonly mayBeElsewhere: boolean;
  /** ARN of the key that the bucket encrypts with where a rule names none. */
  readonly defaultKeyArn: string | undefined;
}

export interface ForeignRules {
  readonly source: NativeBucket;
  readonly document: ReplicationDocument | undefined;
  /** Ours that others' rules use, where it is there. */
  readonly role: Role | undefined;
}

interface Reading {
  readonly wish: NativeWish;
  readonly ports: NativePorts;
  readonly findKey: FindKey;
}

/** The destinations of others' rules that use our role or are to use it, by ARN; without those of which a rule itself says that they are another account's. */
export async function readForeignDestinations(
  { source, document, role }: ForeignRules,
  reading: Reading,
): Promise<ReadonlyMap<string, ForeignDestination>> {
  const { pairs, replace, owner } = reading.wish;
  if (replace || !pairs.some((pair) => pair.source.id === source.id)) return new Map();
  const foreign = (document?.rules ?? []).filter(({ id }) => !isOwnedId(owner.name, id));
  const near = foreign.filter(({ destination: { account } }) => account === undefined || account === source.account);
  const arns = [...new Set(near.map(({ destination }) => destination.bucketArn))];
  const found = await allOf(
    arns,
    async (arn) => [arn, await lookAt(bucketNamed(arn, source, reading.wish), { source, role, reading })] as const,
  );
  return new Map(found);
}

/** As the config names it, else as if it were beside the source: S3 says where it really is. */
function bucketNamed(arn: string, source: NativeBucket, { buckets }: NativeWish): NativeBucket {
  const known = buckets.find(({ bucket }) => bucketArn(bucket) === arn)?.bucket;
  const name = arn.slice(arn.lastIndexOf(":") + 1);
  return known ?? { ...source, id: `s3://${source.partition}/${source.region}/${name}`, name, bucket: name };
}

interface Looking {
  readonly source: NativeBucket;
  readonly role: Role | undefined;
  readonly reading: Reading;
}

async function lookAt(bucket: NativeBucket, { source, role, reading }: Looking): Promise<ForeignDestination> {
  if (bucket.account !== source.account) return { mayBeElsewhere: true, defaultKeyArn: undefined };
  const configuration = await reading.ports.configurationOf(bucket);
  try {
    return { mayBeElsewhere: false, defaultKeyArn: await keyOf(bucket, await configuration.facts(), reading.findKey) };
  } catch (error) {
    if (!isReplicationError(error) || (error.code !== "AccessDenied" && error.code !== "NotImplemented")) throw error;
    // S3 is asked for the bucket of this account first: whatever it refuses after that is about a bucket of this account.
    const refused = error.at.operation ?? OWNER_CHECK;
    return {
      mayBeElsewhere: error.code === "AccessDenied" && refused === OWNER_CHECK,
      defaultKeyArn: rememberedKey(role, bucketArn(bucket)),
    };
  }
}

const OWNER_CHECK = "HeadBucket";

async function keyOf(bucket: NativeBucket, facts: BucketFacts | undefined, findKey: FindKey): Promise<string | undefined> {
  if (facts === undefined || facts.defaultKeyId === null) return undefined;
  return keyArnOf(await findKey({ ...bucket, region: facts.region }, facts.defaultKeyId));
}

/** What an earlier look found: rights are not taken back only because nobody may look any more. */
function rememberedKey(role: Role | undefined, arn: string): string | undefined {
  const statements = role?.policies[ROLE_POLICY]?.Statement ?? [];
  const writing = statements.filter(({ Condition }) =>
    [Condition?.["StringLike"]?.["kms:EncryptionContext:aws:s3:arn"] ?? []].flat().includes(arn),
  );
  return writing.flatMap(({ Resource = [] }) => Resource).find((key) => /:kms:.*:key\/[^*]/.test(key));
}
