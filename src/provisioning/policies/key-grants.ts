import type { PolicyStatement } from "../../domain/policy-document.ts";

/** What S3 needs of a KMS key for one purpose, wherever it is granted: in a role's policy, or in the key's own. */
export interface KeyGrant {
  readonly purpose: "Read" | "Write" | "BucketKey";
  readonly actions: readonly string[];
  readonly condition: NonNullable<PolicyStatement["Condition"]>;
}

export interface KeyUse {
  /** Buckets whose objects the key is used for. */
  readonly bucketArns: readonly string[];
  readonly partition: string;
  /** Of the buckets, which is the key's too. */
  readonly region: string;
}

/**
 * Reads source objects, each of which names its object in the encryption context, or its bucket where that has a bucket key.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-config-for-kms-objects.html
 */
export function sourceKeyGrants(use: KeyUse): readonly KeyGrant[] {
  return [{ purpose: "Read", actions: ["kms:Decrypt"], condition: onlyFor(use, [...objectsOf(use), ...use.bucketArns]) }];
}

/**
 * Writes replicas: Encrypt for objects that were under KMS, GenerateDataKey for those that were not and for bucket keys. S3 reads a bucket key
 * back before it is used, which is the only reading: the context is the bucket, never an object.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-config-for-kms-objects.html#bk-replication
 */
export function replicaKeyGrants(use: KeyUse): readonly KeyGrant[] {
  return [
    { purpose: "Write", actions: ["kms:Encrypt", "kms:GenerateDataKey"], condition: onlyFor(use, [...objectsOf(use), ...use.bucketArns]) },
    { purpose: "BucketKey", actions: ["kms:Decrypt"], condition: onlyFor(use, use.bucketArns) },
  ];
}

function onlyFor(use: KeyUse, contexts: readonly string[]): KeyGrant["condition"] {
  return {
    StringLike: { "kms:ViaService": viaS3(use), "kms:EncryptionContext:aws:s3:arn": contexts },
  };
}

function objectsOf({ bucketArns }: KeyUse): string[] {
  return bucketArns.map((arn) => `${arn}/*`);
}

/** Of China no page says which spelling KMS sees; both are S3 and nothing else. https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html */
function viaS3({ partition, region }: KeyUse): readonly string[] {
  const service = `s3.${region}.amazonaws.com`;
  return partition === "aws-cn" ? [service, `${service}.cn`] : [service];
}
