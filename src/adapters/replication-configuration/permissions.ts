import type { ErrorCode } from "../../domain/error.ts";

/** What IAM has to allow for each call, on the bucket and, for objects, on what is in it. */
const PERMISSIONS = {
  CreateBucket:
    "s3:CreateBucket and s3:PutBucketOwnershipControls; with object lock s3:PutBucketObjectLockConfiguration and s3:PutBucketVersioning too",
  DeleteBucketPolicy: "s3:DeleteBucketPolicy",
  DeleteBucketReplication: "s3:PutReplicationConfiguration",
  GetBucketEncryption: "s3:GetEncryptionConfiguration",
  GetBucketOwnershipControls: "s3:GetBucketOwnershipControls",
  GetBucketPolicy: "s3:GetBucketPolicy",
  GetBucketReplication: "s3:GetReplicationConfiguration",
  GetBucketRequestPayment: "s3:GetBucketRequestPayment",
  GetBucketVersioning: "s3:GetBucketVersioning",
  GetObjectLockConfiguration: "s3:GetBucketObjectLockConfiguration",
  HeadBucket: "s3:ListBucket",
  HeadObject: "s3:GetObject on its objects",
  ListObjectVersions: "s3:ListBucketVersions",
  ListObjectsV2: "s3:ListBucket",
  PutBucketPolicy: "s3:PutBucketPolicy",
  PutBucketReplication: "s3:PutReplicationConfiguration, and iam:PassRole on the role",
  PutBucketVersioning: "s3:PutBucketVersioning",
  PutPublicAccessBlock: "s3:PutBucketPublicAccessBlock",
} as const;

export type Operation = keyof typeof PERMISSIONS;

const BY_NAME: Readonly<Record<string, string>> = {
  BucketAlreadyExists: "names of buckets are taken by all accounts together: choose another",
  MalformedPolicy: "a role that was just made may not be known to S3 yet: try again in a minute",
  PermanentRedirect: "the bucket is in another region: set region",
};

const BY_CODE: Partial<Record<ErrorCode, string>> = {
  InvalidAccessKeyId: "check accessKeyId; temporary credentials may have expired",
  NoSuchBucket: "create the bucket, or correct its name in the config",
  RequestTimeTooSkewed: "set this machine's clock",
  SignatureDoesNotMatch: "check secretAccessKey and region",
  SlowDown: "somebody else is changing the bucket, or asks too often: try again",
  StoreUnreachable: "check the endpoint and that this machine can reach it",
};

/** What a person should do about a call that S3 refused. */
export function hintFor(operation: Operation, name: string, code: ErrorCode): string | undefined {
  if (code !== "AccessDenied") return BY_NAME[name] ?? BY_CODE[code];
  const allow = `allow ${PERMISSIONS[operation]}`;
  return operation === "HeadBucket" ? `${allow}; the bucket is there, or was, but it may be another account's` : allow;
}
