import { parseRange } from "./byte-range.ts";
import { bodyDocument, type Call, type Operation } from "./call.ts";
import { parseChecksumAlgorithm } from "./checksum.ts";
import { formDecode } from "./form-encoding.ts";
import { encryptionHeaders, readBypass, readCustomerKey, readGuards } from "./guard-headers.ts";
import type { Guards } from "./guards.ts";
import type { Tagged } from "./model.ts";
import type { CopySource } from "./object-copy.ts";
import {
  checksumHeaders,
  checkWriteHeaders,
  objectHeaders,
  readAttributes,
  readChecksum,
  readConditions,
  readWriteConditions,
} from "./object-headers.ts";
import type { BucketLock } from "./object-lock.ts";
import type { ReadInput } from "./object-read.ts";
import { S3Error } from "./s3-error.ts";
import { headerText, parseCount, type S3Request } from "./s3-request.ts";
import { emptyResponse, presentHeaders, toXmlDate, xmlResponse } from "./s3-response.ts";
import { childrenOf, childText, type XmlElement, xmlDocument, xmlElement } from "./xml.ts";

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html */
const MAX_DELETES = 1000;

export const getObject: Operation = ({ model, request }) => {
  const read = model.getObject(request.bucket, request.key, readInput(request));
  return { status: read.partial ? 206 : 200, headers: objectHeaders(read, request), body: read.content };
};

export const headObject: Operation = ({ model, request }) => {
  const read = model.headObject(request.bucket, request.key, readInput(request));
  return { status: read.partial ? 206 : 200, headers: objectHeaders(read, request) };
};

export const putOrCopyObject: Operation = (call) => {
  checkWriteHeaders(call.request);
  return call.request.headers.has("x-amz-copy-source") ? copyObject(call) : putObject(call);
};

const putObject: Operation = ({ model, request, body }) => {
  checkLengthWasSent(request);
  const guards = readGuards(request);
  checkLockedBody(model.bucketLock(request.bucket), guards, request);
  const { etag, versionId, version } = model.putObject(request.bucket, request.key, {
    ...readWriteConditions(request),
    ...guards,
    body,
    attributes: readAttributes(request),
    storageClass: request.headers.get("x-amz-storage-class"),
    checksum: readChecksum(request),
    contentMd5: request.headers.get("content-md5"),
  });
  const headers = presentHeaders({ etag: `"${etag}"`, "x-amz-version-id": versionId });
  return emptyResponse(200, { ...headers, ...encryptionHeaders(version.encryption), ...checksumHeaders(version.checksum) });
};

const copyObject: Operation = ({ model, request }) => {
  const { headers } = request;
  const algorithm = headers.get("x-amz-checksum-algorithm");
  const { etag, versionId, version, sourceVersionId } = model.copyObject(request.bucket, request.key, {
    ...readWriteConditions(request),
    ...readGuards(request),
    source: readCopySource(request),
    metadataDirective: readDirective(request, "x-amz-metadata-directive"),
    taggingDirective: readDirective(request, "x-amz-tagging-directive"),
    attributes: readAttributes(request),
    storageClass: headers.get("x-amz-storage-class"),
    checksumAlgorithm: algorithm === undefined ? undefined : parseChecksumAlgorithm(algorithm),
  });
  const result = [
    xmlElement("ETag", `"${etag}"`),
    xmlElement("LastModified", toXmlDate(version.lastModified)),
    checksumElements(version.checksum),
  ];
  return xmlResponse(xmlDocument("CopyObjectResult", result.join("")), {
    ...presentHeaders({ "x-amz-version-id": versionId, "x-amz-copy-source-version-id": sourceVersionId }),
    ...encryptionHeaders(version.encryption),
  });
};

export const deleteObject: Operation = ({ model, request }) => {
  const { versionId, deleteMarker } = model.deleteObject(request.bucket, request.key, {
    versionId: request.query.get("versionId"),
    ifMatch: request.headers.get("if-match"),
    ...readBypass(request),
  });
  return emptyResponse(204, presentHeaders({ "x-amz-version-id": versionId, "x-amz-delete-marker": deleteMarker ? "true" : undefined }));
};

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html */
export const deleteObjects: Operation = (call) => {
  checkBodyDigest(call);
  call.model.checkBucket(call.request.bucket);
  const document = bodyDocument(call, "Delete");
  const objects = childrenOf(document, "Object");
  if (objects.length === 0 || objects.length > MAX_DELETES) throw new S3Error("MalformedXML");
  const quiet = childText(document, "Quiet") === "true";
  const results = objects.map((object) => deleteOne(call, object, quiet));
  return xmlResponse(xmlDocument("DeleteResult", results.join("")));
};

function deleteOne({ model, request }: Call, object: XmlElement, quiet: boolean): string {
  const key = childText(object, "Key") ?? "";
  const versionId = childText(object, "VersionId");
  try {
    const deleted = model.deleteObject(request.bucket, key, {
      versionId,
      ifMatch: childText(object, "ETag"),
      ...readBypass(request),
    });
    if (quiet) return "";
    const marker = deleted.deleteMarker
      ? `${xmlElement("DeleteMarker", true)}${xmlElement("DeleteMarkerVersionId", deleted.versionId)}`
      : "";
    return `<Deleted>${xmlElement("Key", key)}${xmlElement("VersionId", versionId)}${marker}</Deleted>`;
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    const elements = [xmlElement("Key", key), xmlElement("VersionId", versionId), xmlElement("Code", error.code)];
    return `<Error>${elements.join("")}${xmlElement("Message", error.message)}</Error>`;
  }
}

export const getObjectTagging: Operation = ({ model, request }) => {
  const tagged = model.tags(request.bucket, request.key, request.query.get("versionId"));
  const tags = Object.entries(tagged.tags).map(([key, value]) => `<Tag>${xmlElement("Key", key)}${xmlElement("Value", value)}</Tag>`);
  return xmlResponse(xmlDocument("Tagging", `<TagSet>${tags.join("")}</TagSet>`), versionHeader(tagged));
};

export const putObjectTagging: Operation = (call) => {
  const { model, request } = call;
  checkOptionalDigest(call);
  const tags = parseTagging(bodyDocument(call, "Tagging"));
  return emptyResponse(200, versionHeader(model.putTags(request.bucket, request.key, { tags, versionId: request.query.get("versionId") })));
};

export const deleteObjectTagging: Operation = ({ model, request }) => {
  return emptyResponse(204, versionHeader(model.deleteTags(request.bucket, request.key, request.query.get("versionId"))));
};

function parseTagging(document: XmlElement): Readonly<Record<string, string>> {
  const [tagSet] = childrenOf(document, "TagSet");
  if (tagSet === undefined) throw new S3Error("MalformedXML");
  const pairs = childrenOf(tagSet, "Tag").map((tag): readonly [string, string] => {
    const key = childText(tag, "Key");
    const value = childText(tag, "Value");
    if (key === undefined || value === undefined) throw new S3Error("MalformedXML");
    return [key, value];
  });
  if (new Set(pairs.map(([key]) => key)).size < pairs.length) {
    throw new S3Error("InvalidTag", "Cannot provide multiple Tags with the same key");
  }
  return Object.fromEntries(pairs);
}

function versionHeader({ versionId }: Tagged): Record<string, string> {
  return presentHeaders({ "x-amz-version-id": versionId });
}

function readInput(request: S3Request): ReadInput {
  const { headers, query } = request;
  const range = headers.get("range");
  return {
    versionId: query.get("versionId"),
    conditions: readConditions(request, ""),
    range: range === undefined ? undefined : parseRange(range),
    partNumber: parseCount("partNumber", query.get("partNumber")),
    customerKeyMd5: readCustomerKey(request),
  };
}

/** Reads `[/]bucket/key[?versionId=id]`, form-urlencoded. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html */
export function readCopySource(request: S3Request): CopySource {
  const header = request.headers.get("x-amz-copy-source") ?? "";
  const question = header.indexOf("?");
  const path = formDecode(headerText(question < 0 ? header : header.slice(0, question)));
  const bare = path?.startsWith("/") ? path.slice(1) : path;
  const slash = bare?.indexOf("/") ?? -1;
  if (bare === undefined || slash < 1 || slash === bare.length - 1) {
    throw new S3Error("InvalidArgument", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey");
  }
  const versionId = question < 0 ? undefined : new URLSearchParams(header.slice(question + 1)).get("versionId");
  return {
    bucket: bare.slice(0, slash),
    key: bare.slice(slash + 1),
    versionId: versionId ?? undefined,
    conditions: readConditions(request, "x-amz-copy-source-"),
    customerKeyMd5: readCustomerKey(request, "x-amz-copy-source-"),
  };
}

/** S3 keeps nothing for a time of which it does not know that it arrived whole. */
function checkLockedBody(bucket: BucketLock | undefined, { lock }: Guards, request: S3Request): void {
  if (bucket === undefined || (lock === undefined && bucket.defaultRetention === undefined)) return;
  if (request.headers.has("content-md5") || readChecksum(request) !== undefined) return;
  throw new S3Error(
    "InvalidRequest",
    "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters",
  );
}

function readDirective({ headers }: S3Request, name: string): "COPY" | "REPLACE" | undefined {
  const directive = headers.get(name);
  if (directive === undefined || directive === "COPY" || directive === "REPLACE") return directive;
  throw new S3Error("InvalidArgument", `Unknown directive in ${name}`);
}

/** S3 takes no body of unknown length. */
export function checkLengthWasSent({ headers }: S3Request): void {
  if (!headers.has("content-length") && !headers.has("x-amz-decoded-content-length")) throw new S3Error("MissingContentLength");
}

/** A document that deletes must prove that it arrived whole. */
function checkBodyDigest(call: Call): void {
  const { headers } = call.request;
  if (!headers.has("content-md5") && readChecksum(call.request) === undefined) {
    throw new S3Error("InvalidRequest", "Missing required header for this request: Content-MD5");
  }
  checkOptionalDigest(call);
}

function checkOptionalDigest({ request, body }: Call): void {
  const checksum = readChecksum(request);
  if (checksum !== undefined && body.checksum(checksum.algorithm) !== checksum.value) throw new S3Error("BadDigest");
  const md5 = request.headers.get("content-md5");
  if (md5 !== undefined && Buffer.from(md5, "base64").toString("hex") !== body.md5()) throw new S3Error("BadDigest");
}

/** A stored checksum as the elements of a result document. */
export function checksumElements(
  checksum: { readonly algorithm: string; readonly value: string; readonly type: string } | undefined,
): string {
  if (checksum === undefined) return "";
  return `${xmlElement(`Checksum${checksum.algorithm.toUpperCase()}`, checksum.value)}${xmlElement("ChecksumType", checksum.type)}`;
}
