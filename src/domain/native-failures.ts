import type { ErrorCode, RecordedError } from "./error.ts";
import { NATIVE_FAULTS } from "./native-verdict.ts";

interface Explained {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
}

/** What S3's own replication did not do, and will not do by itself. */
const GIVEN_UP: ErrorCode = "NotReplicated";

const AGAIN = "then replicast apply, and replicast apply --backfill for what failed meanwhile";
const ROLE = `replicast apply writes the role's policy anew; ${AGAIN}`;
const DESTINATION_POLICY = "check the role's policy, and in another account the destination's bucket policy (replicast plan names both)";

/** S3's reasons, as its events and the reports of batch jobs name them. https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-failure-codes.html */
const REASONS: Readonly<Record<string, Explained>> = {
  AssumeRoleNotPermitted: denied("S3 cannot assume the replication role", `replicast plan shows whether the role is there; ${AGAIN}`),
  DstBucketInvalidRegion: refused("the destination is not in the region that the batch job expects", "correct the bucket's region"),
  DstBucketNotFound: {
    code: "NoSuchBucket",
    message: "S3 cannot find the destination bucket",
    hint: `create it with versioning, or correct the rule; ${AGAIN}`,
  },
  DstBucketObjectLockConfigMissing: refused(
    "the source has object lock and the destination has not",
    `enable object lock at the destination; ${AGAIN}`,
  ),
  DstBucketUnversioned: refused("the destination keeps no versions", `replicast apply turns versioning on; ${AGAIN}`),
  DstDelObjNotPermitted: denied("S3 may not replicate delete markers (s3:ReplicateDelete)", DESTINATION_POLICY),
  DstKmsKeyInvalidState: denied("the destination's KMS key cannot be used as it is", `enable the key; ${AGAIN}`),
  DstKmsKeyNotFound: refused("the destination's KMS key does not exist", `correct encryption.keyId; ${AGAIN}`),
  DstMultipartCompleteNotPermitted: denied("S3 may not complete uploads at the destination (s3:ReplicateObject)", DESTINATION_POLICY),
  DstMultipartInitNotPermitted: denied("S3 may not begin uploads at the destination (s3:ReplicateObject)", DESTINATION_POLICY),
  DstMultipartUploadNotPermitted: denied("S3 may not upload parts at the destination (s3:ReplicateObject)", DESTINATION_POLICY),
  DstObjectHardDeleted: refused(
    "this version was deleted for good at the destination, and S3 never replicates a version twice",
    "copy the object onto itself at the source, which makes a new version, or delete it there too",
  ),
  DstPutAclNotPermitted: denied("S3 may not write ACLs at the destination (s3:ReplicateObject)", DESTINATION_POLICY),
  DstPutLegalHoldNotPermitted: denied("S3 may not put legal holds at the destination", DESTINATION_POLICY),
  DstPutObjectNotPermitted: denied(
    "S3 may not write to the destination (s3:ReplicateObject, s3:ObjectOwnerOverrideToBucketOwner, or its KMS key)",
    DESTINATION_POLICY,
  ),
  DstPutRetentionNotPermitted: denied("S3 may not put retention at the destination", DESTINATION_POLICY),
  DstPutTaggingNotPermitted: denied("S3 may not write tags at the destination (s3:ReplicateTags)", DESTINATION_POLICY),
  DstVersionNotFound: refused(
    "the destination lacks the version that was to be changed",
    "replicast verify shows what the destination lacks",
  ),
  InitiateReplicationNotPermitted: denied("the batch job may not begin replication (s3:InitiateReplication)", ROLE),
  SrcBucketInvalidRegion: refused("the source is not in the region that the batch job expects", "correct the bucket's region"),
  SrcBucketNotFound: { code: "NoSuchBucket", message: "S3 cannot find the source bucket", hint: "correct the rule" },
  SrcBucketReplicationConfigMissing: refused("the source has no replication rules", "replicast apply"),
  SrcGetAclNotPermitted: denied(
    "S3 may not read the object's ACL (s3:GetObjectVersionAcl), or another account owns the object",
    "let the bucket's owner own its objects (BucketOwnerEnforced)",
  ),
  SrcGetLegalHoldNotPermitted: denied("S3 may not read legal holds at the source", ROLE),
  SrcGetObjectNotPermitted: denied("S3 may not read the object (s3:GetObjectVersionForReplication)", ROLE),
  SrcGetRetentionNotPermitted: denied("S3 may not read retention at the source", ROLE),
  SrcGetTaggingNotPermitted: denied("S3 may not read the object's tags (s3:GetObjectVersionTagging)", ROLE),
  SrcHeadObjectNotPermitted: denied("S3 may not look at the object (s3:GetObjectVersionForReplication)", ROLE),
  SrcKeyNotFound: { code: "NoSuchKey", message: "the object was gone before S3 came to it", hint: "nothing, if it was deleted" },
  SrcKmsKeyInvalidState: denied("the source's KMS key cannot be used as it is", `enable the key; ${AGAIN}`),
  SrcObjectNotEligible: refused("the rule is not about this object: its storage class or its tags", "look at the rule's filter"),
  SrcObjectNotFound: { code: "NoSuchKey", message: "the object was gone before S3 came to it", hint: "nothing, if it was deleted" },
  SrcReplicationNotPending: refused("S3 had replicated it already", "replicast verify shows whether the sides are equal"),
  SrcVersionNotFound: { code: "NoSuchVersion", message: "the version was gone before S3 came to it", hint: "nothing, if it was deleted" },
  [NATIVE_FAULTS.failed]: {
    code: GIVEN_UP,
    message: "S3 gave this object up (x-amz-replication-status: FAILED) and never tries it again",
    hint: "replicast plan shows what is missing; what failed is replicated again once by run, or by replicast apply --backfill",
  },
  [NATIVE_FAULTS.lost]: {
    code: GIVEN_UP,
    message: "S3 says that it replicated this object, and the destination does not hold it",
    hint: "it was changed or deleted there, or S3 lost it; write it again at the source, which makes a new version",
  },
  [NATIVE_FAULTS.none]: {
    code: GIVEN_UP,
    message: "S3 has not looked at this object: it is older than the rule, or the rule's way to replicate it is missing (KMS)",
    hint: "replicast apply --backfill replicates what was there before the rule",
  },
  [NATIVE_FAULTS.notApplied]: {
    code: GIVEN_UP,
    message: "S3 does not replicate this object: its rule is missing or disabled at the source",
    hint: "replicast apply",
  },
};

/** The error of a row that S3 did not replicate; of a reason that nobody has heard of, S3's own words. */
export function explainNative(reason: string, detail = ""): RecordedError {
  const known = Object.hasOwn(REASONS, reason) ? REASONS[reason] : undefined;
  const { code, message, hint } = known ?? {
    code: GIVEN_UP,
    message: "S3 could not replicate it",
    hint: "replicast plan shows what is missing",
  };
  const told = detail === "" || detail === reason ? message : `${message}: ${detail}`;
  return { code, message: isOurs(reason) ? told : `${reason}: ${told}`, hint, operation: "Replication" };
}

/** Of these S3 knows nothing. */
function isOurs(reason: string): boolean {
  return Object.values<string>(NATIVE_FAULTS).includes(reason);
}

function denied(message: string, hint: string): Explained {
  return { code: "AccessDenied", message, hint };
}

function refused(message: string, hint: string): Explained {
  return { code: "InvalidRequest", message, hint };
}
