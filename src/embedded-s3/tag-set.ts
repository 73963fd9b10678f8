import { formDecode } from "./form-encoding.ts";
import { S3Error } from "./s3-error.ts";

export type TagSet = Readonly<Record<string, string>>;

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html */
const MAX_TAGS = 10;
const MAX_TAG_KEY_LENGTH = 128;
const MAX_TAG_VALUE_LENGTH = 256;
const TAG_TEXT = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;

/** Builds a tag set out of pairs, refusing what S3 refuses. */
export function toTagSet(pairs: readonly (readonly [string, string])[]): TagSet {
  if (pairs.length > MAX_TAGS) throw new S3Error("BadRequest", `Object tags cannot be greater than ${MAX_TAGS}`);
  for (const [key, value] of pairs) checkTag(key, value);
  if (new Set(pairs.map(([key]) => key)).size < pairs.length) {
    throw new S3Error("InvalidTag", "Cannot provide multiple Tags with the same key");
  }
  return Object.fromEntries(pairs);
}

/** Reads the `x-amz-tagging` header: a URL query string. */
export function parseTagHeader(header: string): TagSet {
  const pairs = header.split("&").filter((part) => part !== "");
  const decoded = pairs.map((part): readonly [string, string] => {
    const equals = part.indexOf("=");
    const key = formDecode(equals < 0 ? part : part.slice(0, equals));
    const value = formDecode(equals < 0 ? "" : part.slice(equals + 1));
    if (key === undefined || value === undefined) throw malformedHeader();
    return [key, value];
  });
  if (new Set(decoded.map(([key]) => key)).size < decoded.length) throw malformedHeader();
  return toTagSet(decoded);
}

function checkTag(key: string, value: string): void {
  if (key === "" || key.length > MAX_TAG_KEY_LENGTH || !TAG_TEXT.test(key)) {
    throw new S3Error("InvalidTag", "The TagKey you have provided is invalid");
  }
  if (value.length > MAX_TAG_VALUE_LENGTH || !TAG_TEXT.test(value)) {
    throw new S3Error("InvalidTag", "The TagValue you have provided is invalid");
  }
  if (key.toLowerCase().startsWith("aws:")) throw new S3Error("InvalidTag", "System tags cannot be added/updated by requester");
}

function malformedHeader(): S3Error {
  return new S3Error(
    "InvalidArgument",
    "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
  );
}
