import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { formDecode, percentDecode } from "./form-encoding.ts";
import { S3Error } from "./s3-error.ts";

/** What a request asks for, as far as its head tells. */
export interface S3Request {
  readonly method: string;
  /** As it was sent, still encoded. */
  readonly rawPath: string;
  /** Empty where the whole store is meant. */
  readonly bucket: string;
  /** Empty where a bucket is meant. */
  readonly key: string;
  /** Decoded, in the order they were sent. */
  readonly parameters: readonly (readonly [string, string])[];
  readonly query: ReadonlyMap<string, string>;
  /** By lower-case name; bytes as Latin-1 characters, as they travelled; repeated ones joined by commas. */
  readonly headers: Map<string, string>;
}

/** Reads the head of a path-style request. No part of the path is normalised. */
export function parseRequest(message: IncomingMessage): S3Request {
  const url = message.url ?? "/";
  const question = url.indexOf("?");
  const rawPath = question < 0 ? url : url.slice(0, question);
  const path = percentDecode(rawPath);
  if (path === undefined || !path.startsWith("/")) throw new S3Error("InvalidURI");
  const slash = path.indexOf("/", 1);
  const parameters = question < 0 ? [] : parseQuery(url.slice(question + 1));
  return {
    method: message.method ?? "GET",
    rawPath,
    bucket: slash < 0 ? path.slice(1) : path.slice(1, slash),
    key: slash < 0 ? "" : path.slice(slash + 1),
    parameters,
    query: new Map(parameters),
    headers: collectHeaders(message.rawHeaders),
  };
}

function parseQuery(query: string): readonly (readonly [string, string])[] {
  const parts = query.split("&").filter((part) => part !== "");
  return parts.map((part): readonly [string, string] => {
    const equals = part.indexOf("=");
    const name = formDecode(equals < 0 ? part : part.slice(0, equals));
    const value = formDecode(equals < 0 ? "" : part.slice(equals + 1));
    if (name === undefined || value === undefined) throw new S3Error("InvalidURI");
    return [name, value];
  });
}

function collectHeaders(rawHeaders: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase();
    const value = rawHeaders[i + 1] as string;
    const earlier = headers.get(name);
    headers.set(name, earlier === undefined ? value : `${earlier},${value}`);
  }
  return headers;
}

const NON_ASCII = /[^\x00-\x7f]/;

/** The text of a header value that travelled as UTF-8; as Latin-1 where it is not UTF-8. */
export function headerText(value: string): string {
  if (!NON_ASCII.test(value)) return value;
  const bytes = Buffer.from(value, "latin1");
  return isUtf8(bytes) ? bytes.toString() : value;
}

/** Reads a whole number out of a parameter or header. */
export function parseCount(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (!/^\d{1,15}$/.test(value)) throw new S3Error("InvalidArgument", `Provided ${name} not an integer or within integer range`);
  return Number(value);
}
