import { bodyDocument, type Operation } from "./call.ts";
import { checkWriteHeaders } from "./object-headers.ts";
import { S3Error } from "./s3-error.ts";
import { parseCount, type S3Request } from "./s3-request.ts";
import { emptyResponse, toXmlDate, xmlResponse } from "./s3-response.ts";
import { childText, xmlDocument, xmlElement } from "./xml.ts";

/** The region whose location S3 tells as nothing. */
const CLASSIC_REGION = "us-east-1";
export const OWNER_ID = "embedded";

export const listBuckets: Operation = ({ model, request: { query } }) => {
  const prefix = query.get("prefix") ?? "";
  const after = query.get("continuation-token") ?? "";
  const max = parseCount("max-buckets", query.get("max-buckets")) ?? Number.POSITIVE_INFINITY;
  const matching = model.listBuckets().filter(({ name }) => name.startsWith(prefix) && name > after);
  const page = matching.slice(0, max);
  const buckets = page.map(({ name, createdAt }) => {
    return `<Bucket>${xmlElement("Name", name)}${xmlElement("CreationDate", toXmlDate(createdAt))}</Bucket>`;
  });
  const token = page.length < matching.length ? page.at(-1)?.name : undefined;
  const content = `<Owner><ID>${OWNER_ID}</ID></Owner><Buckets>${buckets.join("")}</Buckets>${xmlElement("ContinuationToken", token)}`;
  return xmlResponse(xmlDocument("ListAllMyBucketsResult", content));
};

export const createBucket: Operation = (call) => {
  const { model, request } = call;
  checkWriteHeaders(request);
  checkBucketAcl(request);
  if (call.body.sizeBytes > 0) {
    const location = childText(bodyDocument(call, "CreateBucketConfiguration"), "LocationConstraint");
    if (location !== undefined && location !== model.region) throw new S3Error("IllegalLocationConstraintException");
  }
  const ownership = request.headers.get("x-amz-object-ownership");
  model.createBucket(request.bucket, {
    objectLock: request.headers.get("x-amz-bucket-object-lock-enabled")?.toLowerCase() === "true",
    acls: ownership !== undefined && allowsAcls(ownership),
  });
  return emptyResponse(200, { location: `/${request.bucket}` });
};

/** Buckets have no ACLs of their own here. */
function checkBucketAcl({ headers }: S3Request): void {
  if ((headers.get("x-amz-acl") ?? "private") !== "private") throw new S3Error("AccessControlListNotSupported");
}

/** Whether a bucket whose objects are owned this way has ACLs. https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html */
export function allowsAcls(ownership: string): boolean {
  if (ownership === "BucketOwnerEnforced") return false;
  if (ownership === "ObjectWriter" || ownership === "BucketOwnerPreferred") return true;
  throw new S3Error("InvalidArgument", "Invalid x-amz-object-ownership header");
}

export const headBucket: Operation = ({ model, request: { bucket } }) => {
  model.checkBucket(bucket);
  return emptyResponse(200, { "x-amz-bucket-region": model.region, "content-type": "application/xml" });
};

export const deleteBucket: Operation = ({ model, request: { bucket } }) => {
  model.deleteBucket(bucket);
  return emptyResponse(204);
};

export const getBucketLocation: Operation = ({ model, request: { bucket } }) => {
  model.checkBucket(bucket);
  return xmlResponse(xmlDocument("LocationConstraint", model.region === CLASSIC_REGION ? "" : model.region));
};

export const getBucketVersioning: Operation = ({ model, request: { bucket } }) => {
  const versioning = model.versioning(bucket);
  return xmlResponse(xmlDocument("VersioningConfiguration", versioning === "Unversioned" ? "" : xmlElement("Status", versioning)));
};

export const putBucketVersioning: Operation = (call) => {
  const configuration = bodyDocument(call, "VersioningConfiguration");
  if (childText(configuration, "MfaDelete") === "Enabled") throw new S3Error("NotImplemented", "MFA delete is not implemented");
  const status = childText(configuration, "Status");
  if (status !== "Enabled" && status !== "Suspended") throw new S3Error("IllegalVersioningConfigurationException");
  call.model.setVersioning(call.request.bucket, status);
  return emptyResponse(200);
};

export const getBucketWebsite: Operation = ({ model, request: { bucket } }) => {
  model.checkBucket(bucket);
  throw new S3Error("NoSuchWebsiteConfiguration", undefined, { details: { BucketName: bucket } });
};
