import type { PolicyDocument, PolicyStatement } from "../../domain/policy-document.ts";
import type { EncryptionKey } from "../../ports/encryption-keys.ts";
import type { Role } from "../../ports/identity.ts";
import { ROLE_POLICY } from "../names.ts";
import type { NativeBucket, NativePair } from "../native-pair.ts";
import { isForbidden, type Seen, seen, visible } from "../seen.ts";
import type { NativePorts } from "./wish.ts";

/** A KMS key as somebody names it: ARN, id or alias. */
export interface KeyWorld {
  readonly id: string;
  /** Undefined: there is none of that name in the region. */
  readonly key: Seen<EncryptionKey | undefined>;
  /** Undefined where there is no key, or it is AWS's own. */
  readonly policy: Seen<PolicyDocument> | undefined;
}

/** Finds keys; each is asked for once. */
export type FindKey = (bucket: NativeBucket, id: string) => Promise<KeyWorld>;

/** How many of a bucket's newest objects are asked for their keys. */
const SAMPLE = 100;
/** The key that S3 uses where a bucket asks for KMS and names none. */
const AWS_KEY = "alias/aws/s3";
/** Begins the Sids under which a role's policy names its source's keys. */
const SOURCE_KEY_SID = "SourceKey";

export function createFindKey(ports: NativePorts): FindKey {
  const found = new Map<string, Promise<KeyWorld>>();
  return (bucket, id) => {
    const name = `${bucket.account} ${bucket.region} ${id}`;
    const known = found.get(name) ?? readKey(bucket, id, ports);
    found.set(name, known);
    return known;
  };
}

async function readKey(bucket: NativeBucket, id: string, ports: NativePorts): Promise<KeyWorld> {
  const keys = await ports.keysOf(bucket);
  const key = await seen(() => keys.key(id === "" ? AWS_KEY : id));
  const there = visible(key);
  const policy = there === undefined || there.isAwsManaged ? undefined : await seen(() => keys.policy(there.arn));
  return { id, key, policy };
}

export interface SourceKeys {
  readonly bucket: NativeBucket;
  /** As the config names them; empty: they are found by sampling. */
  readonly named: readonly string[];
  /** Of the bucket's default encryption. */
  readonly defaultKeyId: string | null;
  /** Ours, whose policy remembers what earlier samples found: a key that no new object uses still encrypts old ones. */
  readonly role: Role | undefined;
}

/** The keys that a source's objects are encrypted with, or why they cannot be found out. */
export async function readSourceKeys(source: SourceKeys, find: FindKey, ports: NativePorts): Promise<Seen<readonly KeyWorld[]>> {
  const ids = source.named.length > 0 ? { value: source.named } : await seen(() => sampledIds(source, ports));
  if (isForbidden(ids)) return ids;
  const keys = await Promise.all([...new Set(ids.value)].map((id) => find(source.bucket, id)));
  // One key may have several names.
  return { value: [...new Map(keys.map((world) => [keyArnOf(world) ?? world.id, world])).values()] };
}

/** Undefined where only its owner could tell which key is meant. */
export function keyArnOf({ id, key }: KeyWorld): string | undefined {
  return visible(key)?.arn ?? (isForbidden(key) && id.startsWith("arn:") && !id.includes(":alias/") ? id : undefined);
}

async function sampledIds({ bucket, defaultKeyId, role }: SourceKeys, ports: NativePorts): Promise<readonly string[]> {
  const configuration = await ports.configurationOf(bucket);
  const sampled = await configuration.sampledKeys(SAMPLE);
  return [...(defaultKeyId === null ? [] : [defaultKeyId]), ...sampled, ...rememberedKeys(role)].sort();
}

function rememberedKeys(role: Role | undefined): readonly string[] {
  const statements = role?.policies[ROLE_POLICY]?.Statement ?? [];
  return statements.filter(({ Sid }) => Sid?.startsWith(SOURCE_KEY_SID) === true).flatMap(({ Resource }) => listOf(Resource));
}

function listOf(value: PolicyStatement["Action"]): readonly string[] {
  return value === undefined ? [] : typeof value === "string" ? [value] : value;
}

/**
 * The keys that roles may use and rules name, as far as a bucket of their account is at hand, with whose credentials they are asked for: their
 * policies may hold statements of ours, also where no rule uses them any more.
 */
export async function readRememberedKeys(
  { roles, arns: used }: { readonly roles: readonly Role[]; readonly arns: readonly string[] },
  buckets: readonly NativeBucket[],
  find: FindKey,
): Promise<readonly (readonly [NativeBucket, KeyWorld])[]> {
  const arns = roles
    .flatMap(({ policies }) => policies[ROLE_POLICY]?.Statement ?? [])
    .flatMap(({ Resource }) => listOf(Resource))
    .concat(used)
    .filter((arn) => /:kms:.*:key\//.test(arn));
  const found = [...new Set(arns)].map(async (arn) => {
    const [, , , region = "", account] = arn.split(":");
    const bucket = buckets.find((near) => near.account === account);
    if (bucket === undefined) return [];
    // Whose region it is does not matter: the credentials are those of its account.
    const near = { ...bucket, region };
    return [[near, await find(near, arn)] as const];
  });
  return (await Promise.all(found)).flat();
}

/** The key of a pair's replicas: what its rule names. */
export async function readReplicaKeys(pairs: readonly NativePair[], find: FindKey): Promise<ReadonlyMap<NativePair, KeyWorld>> {
  const found = pairs.map(async (pair) => {
    const { replicaKmsKeyId: id, destination } = pair;
    return id === undefined ? [] : [[pair, await find(destination, id)] as const];
  });
  return new Map((await Promise.all(found)).flat());
}
