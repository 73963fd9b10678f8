import { S3Error } from "./s3-error.ts";

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl */
export const CANNED_ACLS = ["private", "public-read", "public-read-write", "authenticated-read", "bucket-owner-full-control"] as const;
export type CannedAcl = (typeof CANNED_ACLS)[number];

/** Those that give the bucket's owner, who is the only user here, what a private object gives. */
const OWNERS_ACLS: ReadonlySet<CannedAcl> = new Set(["private", "bucket-owner-full-control"]);

/** Reads the name of a canned ACL. */
export function parseCannedAcl(name: string): CannedAcl {
  const known = CANNED_ACLS.find((canned) => canned === name);
  if (known === undefined) throw new S3Error("InvalidArgument", "The canned ACL is not known.", { details: { ArgumentName: "x-amz-acl" } });
  return known;
}

/** The ACL as it is kept: nothing for what only the owner may touch. Others are refused where the bucket's objects have no ACLs. */
export function storedAcl(acl: CannedAcl | undefined, bucketHasAcls: boolean): CannedAcl | undefined {
  if (acl === undefined || OWNERS_ACLS.has(acl)) return undefined;
  if (!bucketHasAcls) throw new S3Error("AccessControlListNotSupported");
  return acl;
}
