import type { PolicyDocument, PolicyStatement } from "../../domain/policy-document.ts";
import type { ReplicationRule } from "../../ports/replication-configuration.ts";
import { overridesOwner } from "../native/replication-rules.ts";
import { bucketArn, type NativeBucket, type NativePair } from "../native-pair.ts";
import { type KeyGrant, replicaKeyGrants, sourceKeyGrants } from "./key-grants.ts";

export { isSamePolicy } from "./same-policy.ts";

export const POLICY_VERSION = "2012-10-17";
/** All inline policies of a role together, without white space. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html */
export const INLINE_POLICY_LENGTH = 10_240;

export interface ReplicationPermissions {
  readonly source: NativeBucket;
  /** All pairs of this source. */
  readonly pairs: readonly NativePair[];
  /** Rules of others in the same document: they use the same role. */
  readonly foreign: readonly ReplicationRule[];
  /** KMS keys that the source's objects are encrypted with; used only where a rule replicates such objects. */
  readonly sourceKeyArns: readonly string[];
  /** The source has object lock. */
  readonly objectLock: boolean;
  /** Keys of the default encryption of destinations, by their bucket's ARN: replicas that no rule has a key for are encrypted with them. */
  readonly defaultKeyArns?: Readonly<Record<string, string>> | undefined;
}

/**
 * S3 itself, and nobody else. No condition on the source: AWS documents none for replication, and a role that S3 cannot assume loses data
 * silently. https://docs.aws.amazon.com/AmazonS3/latest/userguide/setting-repl-config-perm-overview.html
 */
export function replicationTrust(): PolicyDocument {
  return trust("s3.amazonaws.com");
}

/**
 * Exactly what S3 needs to replicate one bucket.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/setting-repl-config-perm-overview.html
 */
export function replicationPolicy(permissions: ReplicationPermissions): PolicyDocument {
  const targets = targetsOf(permissions);
  return policyOf([
    allow("SourceBucket", ["s3:GetReplicationConfiguration", "s3:ListBucket"], [bucketArn(permissions.source)]),
    allow("SourceObjects", sourceActions(permissions.objectLock), [objects(bucketArn(permissions.source))]),
    ...destinationStatements(targets),
    ...sourceKeyStatements(permissions, targets),
    ...replicaKeyStatements(permissions, targets),
  ]);
}

/** S3's batch jobs, and nobody else. https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-batch-replication-policies.html */
export function batchTrust(): PolicyDocument {
  return trust("batchoperations.s3.amazonaws.com");
}

/**
 * Exactly what a job needs whose manifest S3 makes and keeps to itself; objects are replicated by the role of the rules.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-batch-replication-policies.html
 */
export function batchPolicy(job: {
  readonly source: NativeBucket;
  readonly report: { readonly bucketArn: string; readonly prefix: string };
}): PolicyDocument {
  const source = bucketArn(job.source);
  const folder = job.report.prefix.replace(/\/+$/, "");
  return policyOf([
    allow("SourceBucket", ["s3:GetReplicationConfiguration", "s3:PutInventoryConfiguration"], [source]),
    allow("SourceObjects", ["s3:InitiateReplication"], [objects(source)]),
    allow("Report", ["s3:PutObject"], [objects(folder === "" ? job.report.bucketArn : `${job.report.bucketArn}/${folder}`)]),
  ]);
}

/** Where a rule, ours or another's, replicates to. */
interface Target {
  readonly bucketArn: string;
  readonly ownerOverride: boolean;
  readonly kmsEncryptedObjects: boolean;
  /** Key ARN, alias ARN or bare id, as a rule may name it. */
  readonly keyId?: string | undefined;
}

function targetsOf({ pairs, foreign }: ReplicationPermissions): readonly Target[] {
  const ours = pairs.map((pair) => ({
    bucketArn: bucketArn(pair.destination),
    ownerOverride: overridesOwner(pair),
    kmsEncryptedObjects: pair.replicaKmsKeyId !== undefined,
    keyId: pair.replicaKmsKeyId,
  }));
  const others = foreign.map(({ destination, kmsEncryptedObjects }) => ({
    bucketArn: destination.bucketArn,
    ownerOverride: destination.ownerOverride,
    kmsEncryptedObjects,
    keyId: destination.replicaKmsKeyId,
  }));
  return [...ours, ...others];
}

/** Locks are read only where there can be any. https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html#object-lock-managing-replication */
function sourceActions(objectLock: boolean): readonly string[] {
  return [
    "s3:GetObjectVersionForReplication",
    "s3:GetObjectVersionAcl",
    "s3:GetObjectVersionTagging",
    ...(objectLock ? ["s3:GetObjectRetention", "s3:GetObjectLegalHold"] : []),
  ];
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-change-owner.html */
function destinationStatements(targets: readonly Target[]): readonly PolicyStatement[] {
  const handedOver = targets.filter((target) => target.ownerOverride);
  return [
    ...allowAny("DestinationObjects", ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"], objectsOf(targets)),
    ...allowAny("DestinationOwner", ["s3:ObjectOwnerOverrideToBucketOwner"], objectsOf(handedOver)),
  ];
}

function sourceKeyStatements({ source, sourceKeyArns }: ReplicationPermissions, targets: readonly Target[]): readonly PolicyStatement[] {
  if (sourceKeyArns.length === 0 || !targets.some((target) => target.kmsEncryptedObjects)) return [];
  const use = { bucketArns: [bucketArn(source)], partition: source.partition, region: source.region };
  const keys = unique(sourceKeyArns).map((arn) => ({ Resource: arn }));
  return grantStatements("SourceKey", sourceKeyGrants(use), keys);
}

/** One key writes into the buckets that it is meant for, and into no other. */
function replicaKeyStatements(
  { source, defaultKeyArns = {} }: ReplicationPermissions,
  targets: readonly Target[],
): readonly PolicyStatement[] {
  const bucketsOf = new Map<string, Set<string>>();
  for (const target of targets) {
    for (const keyId of [target.keyId, defaultKeyArns[target.bucketArn]]) {
      if (keyId !== undefined) bucketsOf.set(keyId, (bucketsOf.get(keyId) ?? new Set()).add(target.bucketArn));
    }
  }
  return [...bucketsOf].sort(byName).flatMap(([keyId, buckets], index) => {
    const use = { bucketArns: [...buckets].sort(), partition: source.partition, region: regionOf(keyId) };
    return grantStatements(`ReplicaKey${index + 1}`, replicaKeyGrants(use), [keyNamed(keyId, source)]);
  });
}

/** The order of a config's rules changes no policy. */
function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}

type KeyNamed = Pick<PolicyStatement, "Resource" | "Condition">;

/**
 * A key as a policy can name it. Others' rules may name it by an alias, which no policy does by ARN, or by its bare id, which says nothing of
 * its region. https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html
 */
function keyNamed(keyId: string, { partition, account }: NativeBucket): KeyNamed {
  const [, arn, alias] = /^(arn:[^:]+:kms:[^:]*:\d*:)(alias\/.+)$/.exec(keyId) ?? [];
  if (arn !== undefined && alias !== undefined)
    return { Resource: `${arn}key/*`, Condition: { "ForAnyValue:StringEquals": { "kms:ResourceAliases": alias } } };
  return { Resource: keyId.startsWith("arn:") ? keyId : `arn:${partition}:kms:*:${account}:key/${keyId}` };
}

/** '*' where the key does not tell. */
function regionOf(keyId: string): string {
  return /^arn:[^:]+:kms:([^:]+):/.exec(keyId)?.[1] ?? "*";
}

/** One statement a grant; keys that are named the same way share it. */
function grantStatements(sid: string, grants: readonly KeyGrant[], keys: readonly KeyNamed[]): readonly PolicyStatement[] {
  const named = keys.flatMap(({ Resource = [] }) => Resource);
  const condition = keys[0]?.Condition;
  return grants.map((grant) => ({
    ...allow(`${sid}${grant.purpose}`, grant.actions, named),
    Condition: { ...grant.condition, ...condition },
  }));
}

function trust(service: string): PolicyDocument {
  return policyOf([{ Effect: "Allow", Principal: { Service: service }, Action: "sts:AssumeRole" }]);
}

function policyOf(statements: readonly PolicyStatement[]): PolicyDocument {
  return { Version: POLICY_VERSION, Statement: statements };
}

function allow(sid: string, actions: readonly string[], resources: readonly string[]): PolicyStatement {
  return { Sid: sid, Effect: "Allow", Action: actions, Resource: resources };
}

/** IAM refuses a statement about nothing. */
function allowAny(sid: string, actions: readonly string[], resources: readonly string[]): readonly PolicyStatement[] {
  return resources.length === 0 ? [] : [allow(sid, actions, resources)];
}

function objects(arn: string): string {
  return `${arn}/*`;
}

function objectsOf(targets: readonly Target[]): readonly string[] {
  return unique(targets.map((target) => objects(target.bucketArn)));
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)];
}
