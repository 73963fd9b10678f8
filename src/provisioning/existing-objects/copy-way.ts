import { isReplicationError } from "../../domain/error.ts";
import { prefixesMeet } from "../../domain/rule.ts";
import type { ReplicationDocument } from "../../ports/replication-configuration.ts";
import type { NativePorts } from "../native/wish.ts";
import type { NativeBucket, NativePair } from "../native-pair.ts";
import { isForbidden, seen, visible } from "../seen.ts";

export interface CopyPlace {
  /** Canonical ids of all buckets that any rule of the config, whoever serves it, begins at. */
  readonly sources: ReadonlySet<string>;
  readonly ports: Pick<NativePorts, "configurationOf" | "identityOf">;
}

/** What keeps replicast from copying in S3's place, and what a person may do about it. */
export interface Obstacle {
  readonly why: string;
  readonly advice: string | undefined;
}

/**
 * Why existing objects of a pair must not be copied; undefined where they may. A copy is a client's write to S3: from a bucket that anything is
 * replicated on from it would be carried on, and back to where it came from, on top of what was written there meanwhile. What S3 replicates itself
 * goes no further.
 */
export async function copyObstacle(pair: NativePair, place: CopyPlace): Promise<Obstacle | undefined> {
  const onward = await whatCarriesOn(pair, place);
  if (onward !== undefined) return { why: onward, advice: adviceFor(pair) };
  const { destination, ownerOverride } = pair;
  if (!ownerOverride) return undefined;
  const { account } = await (await place.ports.identityOf(destination)).caller();
  if (account === destination.account) return undefined;
  return { why: `copies would belong to account ${account}, not to ${destination.account} as the rule says`, advice: undefined };
}

async function whatCarriesOn({ destination, prefix }: NativePair, { sources, ports }: CopyPlace): Promise<string | undefined> {
  const { name } = destination;
  if (sources.has(destination.id)) return `${name} is a source too, from which copies would be carried on as clients' objects`;
  const look = await seen(() => standing(destination, ports));
  if (isForbidden(look)) return `it may not be seen whether S3 carries copies on from ${name} (allow s3:GetReplicationConfiguration on it)`;
  const onward = visible(look)?.rules.find((rule) => rule.status === "Enabled" && prefixesMeet(rule.prefix, prefix));
  return onward === undefined ? undefined : `the rule "${onward.id}" at ${name} would have S3 carry copies on`;
}

/** A bucket that is still to be made has no rules. */
async function standing(bucket: NativeBucket, ports: CopyPlace["ports"]): Promise<ReplicationDocument | undefined> {
  try {
    return await (await ports.configurationOf(bucket)).replication();
  } catch (error) {
    if (isReplicationError(error) && error.code === "NoSuchBucket") return undefined;
    throw error;
  }
}

/** Nothing is named that would lose what the rule asks for. */
function adviceFor(pair: NativePair): string | undefined {
  const { source, destination, prefix } = pair;
  if (plainCopyLoses(pair)) return undefined;
  const from = `${spelled(source)}${prefix === "" ? "" : `/${prefix}`}`;
  return `safe while nothing is replicated from ${destination.name}, as before these rules are applied: replicast sync ${quoted(from)} ${quoted(spelled(destination))}`;
}

/** Whether the rule says of replicas what `sync` between two buckets does not know. */
function plainCopyLoses({ tags, storageClass, replicaKmsKeyId, ownerOverride }: NativePair): boolean {
  return Object.keys(tags).length > 0 || storageClass !== undefined || replicaKmsKeyId !== undefined || ownerOverride;
}

function spelled({ name, region }: NativeBucket): string {
  return name.includes("://") ? name : `${name}@${region}`;
}

/** For a shell. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
