import { OWNER_ID } from "./bucket-operations.ts";
import type { Operation } from "./call.ts";
import { formEncode } from "./form-encoding.ts";
import { MAX_PAGE, type Scope } from "./listing.ts";
import type { ObjectVersion, Version } from "./object-version.ts";
import { S3Error } from "./s3-error.ts";
import { parseCount, type S3Request } from "./s3-request.ts";
import { toXmlDate, xmlResponse } from "./s3-response.ts";
import { xmlDocument, xmlElement } from "./xml.ts";

type Encode = (text: string) => string;

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html */
export const listObjectsV2: Operation = ({ model, request }) => {
  const { query, bucket } = request;
  if (query.get("list-type") !== "2") throw new S3Error("InvalidArgument", "Invalid List Type specified in list-type");
  const scope = readScope(request, "max-keys");
  const encode = readEncoding(request);
  const startAfter = query.get("start-after");
  const continuationToken = query.get("continuation-token");
  const page = model.list(bucket, { ...scope, startAfter, continuationToken });
  const owner = query.get("fetch-owner") === "true" ? OWNER : "";
  const content = [
    pageHead(request, scope, "MaxKeys"),
    xmlElement("KeyCount", page.objects.length + page.commonPrefixes.length),
    xmlElement("IsTruncated", page.nextContinuationToken !== undefined),
    xmlElement("ContinuationToken", continuationToken),
    xmlElement("NextContinuationToken", page.nextContinuationToken),
    xmlElement("StartAfter", startAfter === undefined ? undefined : encode(startAfter)),
    ...page.objects.map((object) => contents(object, encode, owner)),
    ...commonPrefixes(page.commonPrefixes, encode),
  ];
  return xmlResponse(xmlDocument("ListBucketResult", content.join("")));
};

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html */
export const listObjectsV1: Operation = ({ model, request }) => {
  const scope = readScope(request, "max-keys");
  const encode = readEncoding(request);
  const marker = request.query.get("marker") ?? "";
  const page = model.list(request.bucket, { ...scope, marker });
  // Without a delimiter the last key is the marker, and S3 does not repeat it.
  const nextMarker = scope.delimiter === undefined ? undefined : page.nextMarker;
  const content = [
    pageHead(request, scope, "MaxKeys"),
    xmlElement("Marker", encode(marker)),
    xmlElement("NextMarker", nextMarker === undefined ? undefined : encode(nextMarker)),
    xmlElement("IsTruncated", page.nextMarker !== undefined),
    ...page.objects.map((object) => contents(object, encode, OWNER)),
    ...commonPrefixes(page.commonPrefixes, encode),
  ];
  return xmlResponse(xmlDocument("ListBucketResult", content.join("")));
};

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html */
export const listObjectVersions: Operation = ({ model, request }) => {
  const scope = readScope(request, "max-keys");
  const encode = readEncoding(request);
  const keyMarker = presence(request.query.get("key-marker"));
  const versionIdMarker = presence(request.query.get("version-id-marker"));
  const page = model.listVersions(request.bucket, { ...scope, keyMarker, versionIdMarker });
  const content = [
    pageHead(request, scope, "MaxKeys"),
    xmlElement("KeyMarker", encode(keyMarker ?? "")),
    xmlElement("VersionIdMarker", versionIdMarker ?? ""),
    xmlElement("NextKeyMarker", page.nextKeyMarker === undefined ? undefined : encode(page.nextKeyMarker)),
    xmlElement("NextVersionIdMarker", page.nextVersionIdMarker),
    xmlElement("IsTruncated", page.nextKeyMarker !== undefined),
    ...page.versions.map(({ version, isLatest }) => versionElement(version, isLatest, encode)),
    ...commonPrefixes(page.commonPrefixes, encode),
  ];
  return xmlResponse(xmlDocument("ListVersionsResult", content.join("")));
};

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html */
export const listMultipartUploads: Operation = ({ model, request }) => {
  const scope = readScope(request, "max-uploads");
  const encode = readEncoding(request);
  const keyMarker = presence(request.query.get("key-marker"));
  const uploadIdMarker = presence(request.query.get("upload-id-marker"));
  const page = model.listUploads(request.bucket, { ...scope, keyMarker, uploadIdMarker });
  const uploads = page.uploads.map((upload) => {
    const elements = [
      xmlElement("Key", encode(upload.key)),
      xmlElement("UploadId", upload.uploadId),
      xmlElement("StorageClass", upload.storageClass ?? "STANDARD"),
      xmlElement("Initiated", toXmlDate(upload.initiatedAt)),
      xmlElement("ChecksumAlgorithm", upload.checksum?.algorithm.toUpperCase()),
      xmlElement("ChecksumType", upload.checksum?.type),
    ];
    return `<Upload>${elements.join("")}</Upload>`;
  });
  const content = [
    pageHead(request, scope, "MaxUploads").replace("<Name>", "<Bucket>").replace("</Name>", "</Bucket>"),
    xmlElement("KeyMarker", encode(keyMarker ?? "")),
    xmlElement("UploadIdMarker", uploadIdMarker ?? ""),
    xmlElement("NextKeyMarker", page.nextKeyMarker === undefined ? undefined : encode(page.nextKeyMarker)),
    xmlElement("NextUploadIdMarker", page.nextUploadIdMarker),
    xmlElement("IsTruncated", page.nextKeyMarker !== undefined),
    ...uploads,
    ...commonPrefixes(page.commonPrefixes, encode),
  ];
  return xmlResponse(xmlDocument("ListMultipartUploadsResult", content.join("")));
};

const OWNER = `<Owner><ID>${OWNER_ID}</ID></Owner>`;

function readScope({ query }: S3Request, maxName: "max-keys" | "max-uploads"): Scope {
  return {
    prefix: query.get("prefix"),
    delimiter: presence(query.get("delimiter")),
    maxKeys: parseCount(maxName, presence(query.get(maxName))),
  };
}

function presence(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}

function readEncoding({ query }: S3Request): Encode {
  const encoding = query.get("encoding-type");
  if (encoding === undefined) return (text) => text;
  if (encoding !== "url") throw new S3Error("InvalidArgument", "Invalid Encoding Method specified in Request");
  return formEncode;
}

function pageHead(request: S3Request, scope: Scope, maxName: "MaxKeys" | "MaxUploads"): string {
  const encode = readEncoding(request);
  return [
    xmlElement("Name", request.bucket),
    xmlElement("Prefix", encode(scope.prefix ?? "")),
    xmlElement("Delimiter", scope.delimiter === undefined ? undefined : encode(scope.delimiter)),
    xmlElement(maxName, Math.min(scope.maxKeys ?? MAX_PAGE, MAX_PAGE)),
    xmlElement("EncodingType", request.query.get("encoding-type")),
  ].join("");
}

function contents(object: ObjectVersion, encode: Encode, owner: string): string {
  return `<Contents>${xmlElement("Key", encode(object.key))}${objectFacts(object)}${owner}</Contents>`;
}

function versionElement(version: Version, isLatest: boolean, encode: Encode): string {
  const name = version.kind === "object" ? "Version" : "DeleteMarker";
  const elements = [
    xmlElement("Key", encode(version.key)),
    xmlElement("VersionId", version.versionId),
    xmlElement("IsLatest", isLatest),
    version.kind === "object" ? objectFacts(version) : xmlElement("LastModified", toXmlDate(version.lastModified)),
    OWNER,
  ];
  return `<${name}>${elements.join("")}</${name}>`;
}

function objectFacts(object: ObjectVersion): string {
  // Of objects that were sent without a checksum, S3 keeps a CRC64NVME.
  const { algorithm, type } = object.checksum ?? { algorithm: "crc64nvme", type: "FULL_OBJECT" };
  return (
    `<LastModified>${toXmlDate(object.lastModified)}</LastModified><ETag>&quot;${object.etag}&quot;</ETag>` +
    `<ChecksumAlgorithm>${algorithm.toUpperCase()}</ChecksumAlgorithm><ChecksumType>${type}</ChecksumType>` +
    `<Size>${object.body.sizeBytes}</Size><StorageClass>${object.storageClass ?? "STANDARD"}</StorageClass>`
  );
}

function commonPrefixes(prefixes: readonly string[], encode: Encode): readonly string[] {
  return prefixes.map((prefix) => `<CommonPrefixes>${xmlElement("Prefix", encode(prefix))}</CommonPrefixes>`);
}
