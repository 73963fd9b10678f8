import type { S3Error } from "./s3-error.ts";
import type { S3Request } from "./s3-request.ts";
import { xmlElement } from "./xml.ts";

/** An answer before it is written. */
export interface S3Response {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** A document, or bytes in pieces. Of a HEAD only its length counts. */
  readonly body?: string | readonly Uint8Array[] | undefined;
}

const NON_ASCII = /[^\x00-\x7f]/;
const NON_PRINTABLE = /[^\x20-\x7e]/;

export function xmlResponse(document: string, headers: Readonly<Record<string, string>> = {}): S3Response {
  return { status: 200, headers: { "content-type": "application/xml", ...headers }, body: document };
}

export function emptyResponse(status: number, headers: Readonly<Record<string, string>> = {}): S3Response {
  return { status, headers };
}

/** Drops what is undefined. */
export function presentHeaders(headers: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const present: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) present[name] = value;
  return present;
}

/** Answers an error as S3 does. https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html */
export function errorResponse(error: S3Error, request: S3Request | undefined, requestId: string): S3Response {
  const headers = factHeaders(error);
  if (error.status === 304) return { status: 304, headers };
  const document = [
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error>',
    xmlElement("Code", error.code),
    xmlElement("Message", error.message),
    ...Object.entries(error.facts.details ?? {}).map(([name, value]) => xmlElement(name, value)),
    xmlElement("Resource", request === undefined ? "/" : `/${request.bucket}${request.key === "" ? "" : `/${request.key}`}`),
    xmlElement("RequestId", requestId),
    "</Error>",
  ];
  return { status: error.status, headers: { "content-type": "application/xml", ...headers }, body: document.join("") };
}

function factHeaders({ facts, code }: S3Error): Record<string, string> {
  return presentHeaders({
    "x-amz-delete-marker": facts.deleteMarker === true ? "true" : undefined,
    "x-amz-version-id": facts.versionId,
    etag: facts.etag === undefined ? undefined : `"${facts.etag}"`,
    // The date of a current delete marker is told to those only who name it.
    "last-modified": facts.lastModified === undefined || code === "NoSuchKey" ? undefined : toHttpDate(facts.lastModified),
    "content-range": facts.sizeBytes === undefined ? undefined : `bytes */${facts.sizeBytes}`,
    allow: code === "MethodNotAllowed" && facts.deleteMarker === true ? "DELETE" : undefined,
  });
}

export function toHttpDate(at: number): string {
  return new Date(at).toUTCString();
}

/** As listings and copy results have it. */
export function toXmlDate(at: number): string {
  return new Date(at).toISOString();
}

/** A header value whose UTF-8 bytes travel as they are; control characters, which no header can hold, are dropped. */
export function toHeaderValue(text: string): string {
  if (!NON_PRINTABLE.test(text)) return text;
  const value = text.replace(/[\x00-\x08\x0a-\x1f\x7f]/g, "");
  return NON_ASCII.test(value) ? Buffer.from(value).toString("latin1") : value;
}

/** User metadata that is not printable ASCII comes back in RFC 2047. https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html */
export function toMetadataValue(text: string): string {
  return NON_PRINTABLE.test(text) ? `=?UTF-8?B?${Buffer.from(text).toString("base64")}?=` : text;
}
