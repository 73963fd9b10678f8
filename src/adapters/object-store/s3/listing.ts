import { ReplicationError } from "../../../domain/error.ts";
import type { ListedObject } from "../../../domain/object.ts";
import { decodeXml, elementText } from "./xml.ts";

/** How the keys of a listing are written: some servers echo `encoding-type=url` and do not encode. */
export type KeyEncoding = "url" | "raw";

export interface ParsedListing {
  /** Keys as they stood in the XML, entities decoded, nothing else. */
  readonly objects: readonly ListedObject[];
  readonly nextContinuationToken: string | undefined;
}

/** What a server that URL-encodes never leaves in a key. */
const NEVER_ENCODED = /[^A-Za-z0-9\-._~/*!'()+%:@,;=&$]/;
const BROKEN_ESCAPE = /%(?![0-9A-Fa-f]{2})/;
const AMBIGUOUS = /[+%]/;

/**
 * Reads one page of ListObjectsV2. Made for speed: an unchanged bucket costs little else than this.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
 */
export function parseListing(xml: string): ParsedListing {
  const objects: ListedObject[] = [];
  let at = xml.indexOf("<Contents>");
  while (at >= 0) {
    const end = xml.indexOf("</Contents>", at);
    if (end < 0) break;
    objects.push(parseObject(xml, at));
    at = xml.indexOf("<Contents>", end);
  }
  return { objects, nextContinuationToken: nextToken(xml) };
}

/** Undefined on the last page only: what is not whole must never look like an end. */
function nextToken(xml: string): string | undefined {
  if (!xml.includes("</ListBucketResult>")) throw new ReplicationError("MalformedResponse", "the answer to a listing is no listing");
  if (elementText(xml, "IsTruncated") !== "true") return undefined;
  const token = elementText(xml, "NextContinuationToken");
  if (token === undefined || token === "") {
    throw new ReplicationError("MalformedResponse", "a listing says that there is more, and not where to go on");
  }
  return token;
}

function parseObject(xml: string, from: number): ListedObject {
  const classAt = xml.indexOf("<StorageClass>", from);
  // Not every store writes the element: what stands beyond this object belongs to a later one.
  const storageClass = classAt >= 0 && classAt < xml.indexOf("</Contents>", from) ? field(xml, "<StorageClass>", classAt) : "STANDARD";
  return {
    key: decodeXml(field(xml, "<Key>", from)),
    etag: parseEtag(field(xml, "<ETag>", from)),
    sizeBytes: Number(field(xml, "<Size>", from)),
    lastModified: parseTime(field(xml, "<LastModified>", from)),
    storageClass: storageClass === "STANDARD" ? undefined : storageClass,
  };
}

function field(xml: string, open: string, from: number): string {
  const at = xml.indexOf(open, from);
  if (at < 0) return "";
  const start = at + open.length;
  return xml.slice(start, xml.indexOf("<", start));
}

function parseEtag(text: string): string {
  const plain = text.charCodeAt(0) === 38 /* & */ ? decodeXml(text) : text;
  return plain.charCodeAt(0) === 34 /* " */ ? plain.slice(1, -1) : plain;
}

/** `2026-11-21T00:45:03.460Z`, read by position: ten times as quick as Date.parse, which takes what is not of this form. */
function parseTime(text: string): number {
  if (text.length < 20 || text.charCodeAt(10) !== 84 || text.charCodeAt(text.length - 1) !== 90) return Date.parse(text) || 0;
  const n = (at: number, digits: number) => {
    let value = 0;
    for (let i = at; i < at + digits; i++) value = value * 10 + text.charCodeAt(i) - 48;
    return value;
  };
  // Whole seconds: that is all a HEAD would tell, and the two are compared.
  return Date.UTC(n(0, 4), n(5, 2) - 1, n(8, 2), n(11, 2), n(14, 2), n(17, 2));
}

/**
 * Says how the keys of a page are written where the page itself proves it: a character that encoding would have replaced, or an escape that
 * cannot be one, means `raw`. Undefined: nothing proves anything.
 */
export function provenEncoding(objects: readonly Pick<ListedObject, "key">[]): KeyEncoding | undefined {
  return objects.some(({ key }) => NEVER_ENCODED.test(key) || BROKEN_ESCAPE.test(key)) ? "raw" : undefined;
}

/** The keys that would read differently under the two encodings. */
export function ambiguousKeys(objects: readonly Pick<ListedObject, "key">[]): readonly string[] {
  return objects.flatMap(({ key }) => (AMBIGUOUS.test(key) ? [key] : []));
}

/** Decodes a key of a URL-encoding server; some write a space as `+`, some as `%20`. */
export function decodeListedKey(key: string): string {
  if (!AMBIGUOUS.test(key)) return key;
  try {
    return decodeURIComponent(key.replaceAll("+", "%20"));
  } catch {
    return key; // not UTF-8 behind the escapes: no key we could ever ask for
  }
}
