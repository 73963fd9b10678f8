import { createHash } from "node:crypto";
import { bucketArn, type NativeBucket, type Owner } from "./native-pair.ts";

/** Longest id of a replication rule. https://docs.aws.amazon.com/AmazonS3/latest/API/API_ReplicationRule.html */
const RULE_ID_LENGTH = 255;
/** Longest name of a role. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html */
const ROLE_NAME_LENGTH = 64;

/** Name of the one inline policy of a role. */
export const ROLE_POLICY = "replicast-replication";
/** Where roles stand that are locks and nothing else. */
export const LOCK_PATH = "/replicast/lock/";
const LOCK_PREFIX = "replicast-lock-";

export const NAME_TAG = "replicast:name";
export const SOURCE_TAG = "replicast:source";
export const REGION_TAG = "replicast:region";
/** ARN of the role that foreign rules used before ours took its place. */
export const PREVIOUS_ROLE_TAG = "replicast:previous-role";

/** `<name>/<rule>/<destination>`; past what S3 takes its end gives way to a hash of the whole, so that it stays unique and the same. */
export function ruleIdOf(name: string, rule: string, destinationId: string): string {
  const id = `${name}/${rule}/${destinationId}`;
  if (id.length <= RULE_ID_LENGTH) return id;
  const end = `~${hashOf(id, 16)}`;
  return id.slice(0, RULE_ID_LENGTH - end.length).replace(/[\uD800-\uDBFF]$/, "") + end; // never half a character
}

/** Is true for ids that {@link ruleIdOf} makes for this name, and not for what people call `<name>/backup`. */
export function isOwnedId(name: string, id: string): boolean {
  return id.startsWith(`${name}/`) && /\/[^/]+\/|~[0-9a-f]{16}$/s.test(id.slice(name.length));
}

/** Where roles stand unless the config says where. */
export function defaultPathOf(name: string): string {
  return `/replicast/${name}/`;
}

/** One role a source. It holds what the bucket is, not what a config calls its store: one bucket has one role however it is spelled. */
export function roleNameOf(owner: Owner, source: NativeBucket): string {
  return roleName(prefixOf(owner), source.bucket, hashOf(`${owner.name}/${bucketArn(source)}`, 10));
}

/** The role that S3's batch jobs of a source use. */
export function batchRoleNameOf(owner: Owner, source: NativeBucket): string {
  return roleName(`${prefixOf(owner)}-batch`, source.bucket, hashOf(`${owner.name}/batch/${bucketArn(source)}`, 10));
}

/** Everything by which a role is found again, from any machine; what a person asked for cannot hide it. */
export function roleTagsOf(owner: Owner, source: NativeBucket, previousRole?: string): Readonly<Record<string, string>> {
  return {
    ...owner.tags,
    [NAME_TAG]: owner.name,
    [SOURCE_TAG]: source.id,
    [REGION_TAG]: source.region,
    ...(previousRole === undefined ? {} : { [PREVIOUS_ROLE_TAG]: previousRole }),
  };
}

/**
 * Sid of a statement in another resource's policy: letters and digits alone, as IAM wants them. The first of `parts` is the source's ARN, by
 * which {@link isOwnedSid} finds the statements of one source.
 */
export function sidOf(name: string, ...parts: readonly string[]): string {
  const [source = "", ...rest] = parts;
  return sidStart(name, source) + hashOf(JSON.stringify(rest), 12);
}

/** Is true for Sids of this name, and of this source where one is given. */
export function isOwnedSid(name: string, sid: string, source?: NativeBucket): boolean {
  return sid.startsWith(source === undefined ? nameStart(name) : sidStart(name, bucketArn(source)));
}

/** One lock a bucket, whoever wants it and whatever a config calls its store. */
export function lockRoleName(source: NativeBucket): string {
  return LOCK_PREFIX + hashOf(bucketArn(source), 16);
}

/** Is true for names that {@link lockRoleName} makes. */
export function isLockRoleName(name: string): boolean {
  return name.startsWith(LOCK_PREFIX);
}

function nameStart(name: string): string {
  return `Replicast${hashOf(name, 8)}`;
}

function sidStart(name: string, source: string): string {
  return nameStart(name) + hashOf(source, 12);
}

function prefixOf(owner: Owner): string {
  return (owner.rolePrefix ?? owner.name).replace(/[^\w+=,.@-]/g, "-");
}

/** What does not fit is cut: half of the room is the prefix's, the bucket gets what that leaves. The hash tells one from the other. */
function roleName(prefix: string, bucket: string, hash: string): string {
  const room = ROLE_NAME_LENGTH - hash.length - 2;
  const start = cut(prefix, Math.max(room / 2, room - bucket.length));
  return `${start}-${cut(bucket, room - start.length)}-${hash}`;
}

/** Its beginning, without a separator at the end. */
function cut(text: string, length: number): string {
  return text.length <= length ? text : text.slice(0, length).replace(/[-.]+$/, "");
}

function hashOf(text: string, length: number): string {
  return createHash("sha256").update(text).digest("hex").slice(0, length);
}
