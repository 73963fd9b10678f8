import { type CannedAcl, parseCannedAcl } from "./acl.ts";
import { allowsAcls, OWNER_ID } from "./bucket-operations.ts";
import { bodyDocument, type Call, type Operation } from "./call.ts";
import { readBypass, toLegalHold, toRetention } from "./guard-headers.ts";
import { type BucketLock, parseRetentionMode } from "./object-lock.ts";
import { S3Error } from "./s3-error.ts";
import { emptyResponse, xmlResponse } from "./s3-response.ts";
import { childrenOf, childText, type XmlElement, xmlDocument, xmlElement } from "./xml.ts";

const DAYS_OF_YEAR = 365;
const ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers";
const AUTHENTICATED_USERS = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
const XSI = "http://www.w3.org/2001/XMLSchema-instance";

/** What others than the owner may do, as the grants of an ACL. */
const GRANTS: Readonly<Record<CannedAcl, readonly (readonly [group: string, permission: string])[]>> = {
  private: [],
  "bucket-owner-full-control": [],
  "public-read": [[ALL_USERS, "READ"]],
  "public-read-write": [
    [ALL_USERS, "READ"],
    [ALL_USERS, "WRITE"],
  ],
  "authenticated-read": [[AUTHENTICATED_USERS, "READ"]],
};

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectRetention.html */
export const getObjectRetention: Operation = ({ model, request }) => {
  const retention = model.guards(request.bucket, request.key, request.query.get("versionId")).lock?.retention;
  checkBucketLock(model.bucketLock(request.bucket));
  if (retention === undefined) throw new S3Error("NoSuchObjectLockConfiguration");
  const until = xmlElement("RetainUntilDate", new Date(retention.retainUntil).toISOString());
  return xmlResponse(xmlDocument("Retention", `${xmlElement("Mode", retention.mode)}${until}`));
};

export const putObjectRetention: Operation = (call) => {
  const { model, request } = call;
  const document = bodyDocument(call, "Retention");
  const retention = toRetention(childText(document, "Mode"), childText(document, "RetainUntilDate"));
  model.putRetention(request.bucket, request.key, { retention, versionId: request.query.get("versionId"), ...readBypass(request) });
  return emptyResponse(200);
};

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLegalHold.html */
export const getObjectLegalHold: Operation = ({ model, request }) => {
  const legalHold = model.guards(request.bucket, request.key, request.query.get("versionId")).lock?.legalHold;
  checkBucketLock(model.bucketLock(request.bucket));
  if (legalHold === undefined) throw new S3Error("NoSuchObjectLockConfiguration");
  return xmlResponse(xmlDocument("LegalHold", xmlElement("Status", legalHold ? "ON" : "OFF")));
};

export const putObjectLegalHold: Operation = (call) => {
  const { model, request } = call;
  const legalHold = toLegalHold(childText(bodyDocument(call, "LegalHold"), "Status"));
  model.putLegalHold(request.bucket, request.key, { legalHold, versionId: request.query.get("versionId") });
  return emptyResponse(200);
};

export const getObjectLockConfiguration: Operation = ({ model, request: { bucket } }) => {
  const lock = model.bucketLock(bucket);
  if (lock === undefined) throw new S3Error("ObjectLockConfigurationNotFoundError", undefined, { details: { BucketName: bucket } });
  const byDefault = lock.defaultRetention;
  const rule =
    byDefault === undefined
      ? ""
      : `<Rule><DefaultRetention>${xmlElement("Mode", byDefault.mode)}${xmlElement("Days", byDefault.days)}</DefaultRetention></Rule>`;
  return xmlResponse(xmlDocument("ObjectLockConfiguration", `${xmlElement("ObjectLockEnabled", "Enabled")}${rule}`));
};

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectLockConfiguration.html */
export const putObjectLockConfiguration: Operation = (call) => {
  const document = bodyDocument(call, "ObjectLockConfiguration");
  if (childText(document, "ObjectLockEnabled") !== "Enabled") throw new S3Error("MalformedXML");
  const [rule] = childrenOf(document, "Rule");
  const byDefault = rule && childrenOf(rule, "DefaultRetention")[0];
  call.model.setBucketLock(call.request.bucket, byDefault === undefined ? {} : { defaultRetention: toDefaultRetention(byDefault) });
  return emptyResponse(200);
};

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAcl.html */
export const getObjectAcl: Operation = ({ model, request }) => {
  const { acl = "private" } = model.guards(request.bucket, request.key, request.query.get("versionId"));
  const owner = `<Owner>${xmlElement("ID", OWNER_ID)}</Owner>`;
  const grants = [
    grant("CanonicalUser", xmlElement("ID", OWNER_ID), "FULL_CONTROL"),
    ...GRANTS[acl].map(([group, permission]) => grant("Group", xmlElement("URI", group), permission)),
  ];
  return xmlResponse(xmlDocument("AccessControlPolicy", `${owner}<AccessControlList>${grants.join("")}</AccessControlList>`));
};

export const putObjectAcl: Operation = (call) => {
  const { model, request } = call;
  const canned = request.headers.get("x-amz-acl");
  const acl = canned === undefined ? readPolicy(call) : parseCannedAcl(canned);
  model.putAcl(request.bucket, request.key, { acl, versionId: request.query.get("versionId") });
  return emptyResponse(200);
};

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html */
export const getOwnershipControls: Operation = ({ model, request: { bucket } }) => {
  const ownership = model.bucketHasAcls(bucket) ? "ObjectWriter" : "BucketOwnerEnforced";
  return xmlResponse(xmlDocument("OwnershipControls", `<Rule>${xmlElement("ObjectOwnership", ownership)}</Rule>`));
};

export const putOwnershipControls: Operation = (call) => {
  const [rule] = childrenOf(bodyDocument(call, "OwnershipControls"), "Rule");
  call.model.setBucketAcls(call.request.bucket, allowsAcls((rule && childText(rule, "ObjectOwnership")) ?? ""));
  return emptyResponse(200);
};

function checkBucketLock(lock: BucketLock | undefined): void {
  if (lock === undefined) throw new S3Error("InvalidRequest", "Bucket is missing Object Lock Configuration");
}

function toDefaultRetention(element: XmlElement): NonNullable<BucketLock["defaultRetention"]> {
  const [days, years] = [Number(childText(element, "Days") ?? 0), Number(childText(element, "Years") ?? 0)];
  const count = days + years * DAYS_OF_YEAR;
  if (!Number.isInteger(count) || count <= 0 || days * years > 0) throw new S3Error("MalformedXML");
  return { mode: parseRetentionMode(childText(element, "Mode")), days: count };
}

function grant(type: "CanonicalUser" | "Group", grantee: string, permission: string): string {
  return `<Grant><Grantee xmlns:xsi="${XSI}" xsi:type="${type}">${grantee}</Grantee>${xmlElement("Permission", permission)}</Grant>`;
}

/** The canned ACL that a document of grants amounts to; what none of them is, this store does not keep. */
function readPolicy(call: Call): CannedAcl {
  const [list] = childrenOf(bodyDocument(call, "AccessControlPolicy"), "AccessControlList");
  if (list === undefined) throw new S3Error("MalformedACLError");
  const others = childrenOf(list, "Grant").flatMap((element): string[] => {
    const [grantee] = childrenOf(element, "Grantee");
    const uri = grantee && childText(grantee, "URI");
    return uri === undefined ? [] : [`${uri} ${childText(element, "Permission")}`];
  });
  const wanted = others.sort().join();
  const names = Object.keys(GRANTS) as CannedAcl[];
  const found = names.find(
    (name) =>
      GRANTS[name]
        .map((pair) => pair.join(" "))
        .sort()
        .join() === wanted,
  );
  if (found === undefined) throw new S3Error("NotImplemented", "Of ACLs only those that are canned ones are implemented");
  return found;
}
