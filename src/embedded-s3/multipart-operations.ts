import { bodyDocument, type Operation } from "./call.ts";
import { CHECKSUM_ALGORITHMS, parseChecksumAlgorithm, type WantedChecksum } from "./checksum.ts";
import { encryptionHeaders, readCustomerKey, readGuards } from "./guard-headers.ts";
import { MAX_PAGE } from "./listing.ts";
import type { ListedPart, UploadedPart } from "./multipart-uploads.ts";
import { checksumHeaders, checkWriteHeaders, readAttributes, readChecksum, readWriteConditions } from "./object-headers.ts";
import { checkLengthWasSent, checksumElements, readCopySource } from "./object-operations.ts";
import { S3Error } from "./s3-error.ts";
import { parseCount, type S3Request } from "./s3-request.ts";
import { emptyResponse, presentHeaders, toXmlDate, xmlResponse } from "./s3-response.ts";
import { childrenOf, childText, type XmlElement, xmlDocument, xmlElement } from "./xml.ts";

export const createMultipartUpload: Operation = ({ model, request }) => {
  checkWriteHeaders(request);
  const algorithm = request.headers.get("x-amz-checksum-algorithm");
  const upload = model.createUpload(request.bucket, request.key, {
    ...readGuards(request),
    attributes: readAttributes(request),
    storageClass: request.headers.get("x-amz-storage-class"),
    checksumAlgorithm: algorithm === undefined ? undefined : parseChecksumAlgorithm(algorithm),
    checksumType: request.headers.get("x-amz-checksum-type")?.toUpperCase(),
  });
  const content = `${place(request)}${xmlElement("UploadId", upload.uploadId)}`;
  const headers = presentHeaders({
    "x-amz-checksum-algorithm": upload.checksum?.algorithm.toUpperCase(),
    "x-amz-checksum-type": upload.checksum?.type,
  });
  return xmlResponse(xmlDocument("InitiateMultipartUploadResult", content), { ...headers, ...encryptionHeaders(upload.encryption) });
};

export const uploadOrCopyPart: Operation = (call) => {
  checkWriteHeaders(call.request);
  return call.request.headers.has("x-amz-copy-source") ? uploadPartCopy(call) : uploadPart(call);
};

const uploadPart: Operation = ({ model, request, body }) => {
  checkLengthWasSent(request);
  const part = model.uploadPart(request.bucket, request.key, {
    uploadId: uploadIdOf(request),
    partNumber: partNumberOf(request),
    body,
    checksum: readChecksum(request),
    contentMd5: request.headers.get("content-md5"),
    customerKeyMd5: readCustomerKey(request),
  });
  // The type is the whole upload's, so it is not told of a part.
  const { "x-amz-checksum-type": _type, ...checksum } = checksumHeaders(part.checksum);
  return emptyResponse(200, { etag: `"${part.etag}"`, ...checksum });
};

const uploadPartCopy: Operation = ({ model, request }) => {
  const part = model.uploadPartCopy(request.bucket, request.key, {
    uploadId: uploadIdOf(request),
    partNumber: partNumberOf(request),
    source: readCopySource(request),
    customerKeyMd5: readCustomerKey(request),
    range: copyRange(request.headers.get("x-amz-copy-source-range")),
  });
  const content = `${xmlElement("ETag", `"${part.etag}"`)}${xmlElement("LastModified", toXmlDate(part.lastModified))}${partChecksum(part)}`;
  const headers = presentHeaders({ "x-amz-copy-source-version-id": part.sourceVersionId });
  return xmlResponse(xmlDocument("CopyPartResult", content), headers);
};

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html */
export const completeMultipartUpload: Operation = (call) => {
  const { model, request } = call;
  const document = bodyDocument(call, "CompleteMultipartUpload");
  const { etag, versionId, version } = model.completeUpload(request.bucket, request.key, {
    ...readWriteConditions(request),
    uploadId: uploadIdOf(request),
    parts: childrenOf(document, "Part").map(listedPart),
    checksum: objectChecksum(request),
    sizeBytes: parseCount("x-amz-mp-object-size", request.headers.get("x-amz-mp-object-size")),
  });
  const location = xmlElement("Location", `http://${request.headers.get("host")}${request.rawPath}`);
  const content = `${location}${place(request)}${xmlElement("ETag", `"${etag}"`)}${checksumElements(version.checksum)}`;
  return xmlResponse(xmlDocument("CompleteMultipartUploadResult", content), {
    ...presentHeaders({ "x-amz-version-id": versionId }),
    ...encryptionHeaders(version.encryption),
  });
};

export const abortMultipartUpload: Operation = ({ model, request }) => {
  model.abortUpload(request.bucket, request.key, uploadIdOf(request));
  return emptyResponse(204);
};

export const listParts: Operation = ({ model, request }) => {
  const { query } = request;
  const upload = model.upload(request.bucket, request.key, uploadIdOf(request));
  const max = Math.min(parseCount("max-parts", query.get("max-parts")) ?? MAX_PAGE, MAX_PAGE);
  const marker = parseCount("part-number-marker", query.get("part-number-marker")) ?? 0;
  const rest = [...upload.parts.values()].filter(({ partNumber }) => partNumber > marker).sort((a, b) => a.partNumber - b.partNumber);
  const page = rest.slice(0, max);
  const content = [
    place(request),
    xmlElement("UploadId", upload.uploadId),
    xmlElement("StorageClass", upload.storageClass ?? "STANDARD"),
    xmlElement("ChecksumAlgorithm", upload.checksum?.algorithm.toUpperCase()),
    xmlElement("ChecksumType", upload.checksum?.type),
    xmlElement("PartNumberMarker", marker),
    xmlElement("NextPartNumberMarker", page.at(-1)?.partNumber ?? 0),
    xmlElement("MaxParts", max),
    xmlElement("IsTruncated", page.length < rest.length),
    ...page.map(partElement),
  ];
  return xmlResponse(xmlDocument("ListPartsResult", content.join("")));
};

function partElement(part: UploadedPart): string {
  const elements = [
    xmlElement("PartNumber", part.partNumber),
    xmlElement("LastModified", toXmlDate(part.lastModified)),
    xmlElement("ETag", `"${part.etag}"`),
    xmlElement("Size", part.body.sizeBytes),
    partChecksum(part),
  ];
  return `<Part>${elements.join("")}</Part>`;
}

function partChecksum({ checksum }: UploadedPart): string {
  return checksum === undefined ? "" : xmlElement(`Checksum${checksum.algorithm.toUpperCase()}`, checksum.value);
}

function place({ bucket, key }: S3Request): string {
  return `${xmlElement("Bucket", bucket)}${xmlElement("Key", key)}`;
}

function uploadIdOf({ query }: S3Request): string {
  return query.get("uploadId") ?? "";
}

function partNumberOf({ query }: S3Request): number {
  return parseCount("partNumber", query.get("partNumber")) ?? 0;
}

function copyRange(header: string | undefined): { readonly first: number; readonly last: number } | undefined {
  if (header === undefined) return undefined;
  const found = /^bytes=(\d+)-(\d+)$/.exec(header);
  if (found !== null) return { first: Number(found[1]), last: Number(found[2]) };
  throw new S3Error(
    "InvalidArgument",
    "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy",
  );
}

function listedPart(part: XmlElement): ListedPart {
  const partNumber = childText(part, "PartNumber")?.trim() ?? "";
  const etag = childText(part, "ETag");
  if (etag === undefined || !/^\d{1,5}$/.test(partNumber)) throw new S3Error("MalformedXML");
  const checksums = CHECKSUM_ALGORITHMS.flatMap((algorithm): [string, string][] => {
    const value = childText(part, `Checksum${algorithm.toUpperCase()}`);
    return value === undefined ? [] : [[algorithm, value]];
  });
  return { partNumber: Number(partNumber), etag: etag.trim(), checksums: Object.fromEntries(checksums) };
}

/** Unlike a body's, this may be a checksum of checksums. */
function objectChecksum({ headers }: S3Request): WantedChecksum | undefined {
  const algorithm = CHECKSUM_ALGORITHMS.find((known) => headers.has(`x-amz-checksum-${known}`));
  return algorithm === undefined ? undefined : { algorithm, value: headers.get(`x-amz-checksum-${algorithm}`) };
}
