import * as bucket from "./bucket-operations.ts";
import type { Operation } from "./call.ts";
import * as guard from "./guard-operations.ts";
import * as listing from "./listing-operations.ts";
import * as multipart from "./multipart-operations.ts";
import * as object from "./object-operations.ts";
import * as restore from "./restore-operations.ts";
import { S3Error } from "./s3-error.ts";
import type { S3Request } from "./s3-request.ts";

/** `<what> <method>[ <sub-resource>]` to what answers it. */
const ROUTES: ReadonlyMap<string, Operation> = new Map([
  ["store GET", bucket.listBuckets],
  ["bucket PUT", bucket.createBucket],
  ["bucket HEAD", bucket.headBucket],
  ["bucket DELETE", bucket.deleteBucket],
  ["bucket GET", listing.listObjectsV1],
  ["bucket GET list-type", listing.listObjectsV2],
  ["bucket GET versions", listing.listObjectVersions],
  ["bucket GET uploads", listing.listMultipartUploads],
  ["bucket GET location", bucket.getBucketLocation],
  ["bucket GET versioning", bucket.getBucketVersioning],
  ["bucket PUT versioning", bucket.putBucketVersioning],
  ["bucket GET object-lock", guard.getObjectLockConfiguration],
  ["bucket PUT object-lock", guard.putObjectLockConfiguration],
  ["bucket GET ownershipControls", guard.getOwnershipControls],
  ["bucket PUT ownershipControls", guard.putOwnershipControls],
  ["bucket GET website", bucket.getBucketWebsite],
  ["bucket POST delete", object.deleteObjects],
  ["object GET", object.getObject],
  ["object HEAD", object.headObject],
  ["object PUT", object.putOrCopyObject],
  ["object DELETE", object.deleteObject],
  ["object GET tagging", object.getObjectTagging],
  ["object PUT tagging", object.putObjectTagging],
  ["object DELETE tagging", object.deleteObjectTagging],
  ["object GET acl", guard.getObjectAcl],
  ["object PUT acl", guard.putObjectAcl],
  ["object GET retention", guard.getObjectRetention],
  ["object PUT retention", guard.putObjectRetention],
  ["object GET legal-hold", guard.getObjectLegalHold],
  ["object PUT legal-hold", guard.putObjectLegalHold],
  ["object POST restore", restore.restoreObject],
  ["object POST uploads", multipart.createMultipartUpload],
  ["object PUT uploadId", multipart.uploadOrCopyPart],
  ["object POST uploadId", multipart.completeMultipartUpload],
  ["object DELETE uploadId", multipart.abortMultipartUpload],
  ["object GET uploadId", multipart.listParts],
]);

/** Query names that make a request one about something else than the bucket or the object. */
const SUB_RESOURCES = new Set([
  ...["accelerate", "acl", "analytics", "annotation", "attributes", "cors", "delete", "encryption", "intelligent-tiering", "inventory"],
  ...["legal-hold", "lifecycle", "list-type", "location", "logging", "metadataConfiguration", "metadataTable", "metrics", "notification"],
  ...["object-lock", "ownershipControls", "policy", "policyStatus", "publicAccessBlock", "renameObject", "replication", "requestPayment"],
  ...["restore", "retention", "select", "session", "tagging", "torrent", "uploadId", "uploads", "versioning", "versions", "website"],
]);

const METHODS = new Set(["GET", "HEAD", "PUT", "POST", "DELETE"]);

/** Finds what answers a request. What S3 has and this store has not is 501, never a 200 that means nothing. */
export function routeFor({ method, bucket: bucketName, key, query }: S3Request): Operation {
  const what = bucketName === "" ? "store" : key === "" ? "bucket" : "object";
  let subResource: string | undefined;
  for (const name of query.keys()) if (SUB_RESOURCES.has(name)) subResource = name;
  const operation = ROUTES.get(subResource === undefined ? `${what} ${method}` : `${what} ${method} ${subResource}`);
  if (operation !== undefined) return operation;
  if (METHODS.has(method) && (subResource !== undefined || method === "POST")) throw new S3Error("NotImplemented");
  throw new S3Error("MethodNotAllowed", undefined, { details: { Method: method } });
}
