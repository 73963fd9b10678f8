import { ReplicationError } from "./error.ts";

/** A bucket as a person spelled it, with a key where one was given: `[store:]bucket[@region][/key]`, `s3://bucket/key`, or a URL. */
export type BucketReference = NamedReference | UrlReference;

export interface NamedReference {
  readonly kind: "named";
  /** Alias of the store; absent: `aws`. */
  readonly store?: string | undefined;
  readonly bucket: string;
  readonly region?: string | undefined;
  /** Raw, never normalised; absent where nothing follows the bucket. */
  readonly key?: string | undefined;
}

export interface UrlReference {
  readonly kind: "url";
  /** `http://host[:port]` in its normal form: lower case, without a default port. */
  readonly origin: string;
  readonly bucket: string;
  /** Percent-decoded, otherwise raw. */
  readonly key?: string | undefined;
}

/** What an alias of a store may look like, so that a reference can be read one way only. */
export const STORE_ALIAS: RegExp = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$/;
const REGION = /^[a-z0-9][a-z0-9-]*$/;
const URL_SCHEME = /^(https?):\/\//i;
const S3_SCHEME = /^s3:\/\//i;
const AUTHORITY = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?$/;
const AWS_VIRTUAL_HOST = /^(.+)\.s3[.-](?:dualstack\.)?(?:([a-z0-9-]+)\.)?amazonaws\.com(?:\.cn)?$/i;
const FORMS = "write bucket, store:bucket, bucket@region, s3://bucket/key or http://host:port/bucket";

/**
 * Reads a bucket reference. What precedes the first `/` is the bucket, all after it the key, byte for byte (`a:photos//lead` has the key `/lead`);
 * in a URL the first path segment is the bucket and the rest is percent-decoded. A trailing `/` alone is no key.
 *
 * @throws ReplicationError `ConfigInvalid` with a hint; a password in a URL is never repeated in it
 */
export function parseBucketReference(text: string): BucketReference {
  const url = URL_SCHEME.exec(text);
  if (url !== null) return parseUrl(`${url[1]?.toLowerCase()}://`, text.slice(url[0].length));
  const rest = text.replace(S3_SCHEME, "");
  if (rest.includes("://") && rest.indexOf("://") < rest.indexOf("/")) {
    const scheme = rest.slice(0, rest.indexOf("://"));
    throw invalid(`"${scheme}://" is no way to name a bucket`, FORMS);
  }
  return parseNamed(rest);
}

function parseNamed(text: string): NamedReference {
  const [place, key] = splitKey(text);
  if (place.startsWith("arn:")) throw invalid(`"${place}" is an ARN, not a bucket`, arnHint(place));
  const colon = place.indexOf(":");
  const at = place.indexOf("@", colon + 1);
  const store = colon < 0 ? undefined : place.slice(0, colon);
  const bucket = place.slice(colon + 1, at < 0 ? undefined : at);
  const region = at < 0 ? undefined : place.slice(at + 1);
  if (store !== undefined && !STORE_ALIAS.test(store)) throw invalid(`"${store}" is no name of a store`, FORMS);
  checkBucket(bucket, text);
  if (region !== undefined && !REGION.test(region))
    throw invalid(`"${region}" is no region`, "write bucket@region, as in photos@eu-west-1");
  return { kind: "named", store, bucket, region, key };
}

function parseUrl(scheme: string, rest: string): UrlReference {
  const slash = rest.indexOf("/");
  const authority = slash < 0 ? rest : rest.slice(0, slash);
  if (authority.includes("@"))
    throw invalid("a URL of a bucket cannot carry credentials", "leave them out; they come from the default chain");
  const origin = originOf(scheme, authority);
  const [bucket, key] = splitKey(slash < 0 ? "" : rest.slice(slash + 1));
  checkNotVirtualHost(authority);
  if (bucket === "") throw invalid(`the URL ${origin} names no bucket`, `write ${origin}/bucket`);
  checkBucket(bucket, `${origin}/${bucket}`);
  return { kind: "url", origin, bucket, key: key === undefined ? undefined : percentDecoded(key) };
}

function originOf(scheme: string, authority: string): string {
  if (!AUTHORITY.test(authority) || !URL.canParse(`${scheme}${authority}`)) {
    throw invalid(`"${scheme}${authority}" has no host that could be reached`, "write http://host:port/bucket");
  }
  return new URL(`${scheme}${authority}`).origin;
}

/** A bucket in the host name would be taken for the endpoint, and the key's first segment for the bucket. */
function checkNotVirtualHost(authority: string): void {
  const found = AWS_VIRTUAL_HOST.exec(authority);
  if (found === null) return;
  const reference = found[2] === undefined ? found[1] : `${found[1]}@${found[2]}`;
  throw invalid(`"${authority}" names the bucket in the host; URLs are read path style`, `write ${reference}`);
}

function splitKey(text: string): readonly [string, string | undefined] {
  const slash = text.indexOf("/");
  if (slash < 0) return [text, undefined];
  const key = text.slice(slash + 1);
  return [text.slice(0, slash), key === "" ? undefined : key];
}

function checkBucket(bucket: string, text: string): void {
  if (bucket === "") throw invalid(`"${text}" names no bucket`, FORMS);
  if (BUCKET.test(bucket)) return;
  throw invalid(`"${bucket}" is no name of a bucket`, `letters, digits, "-" and "." only; ${FORMS}`);
}

function percentDecoded(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch (cause) {
    const options = { hint: "write a literal % as %25", cause };
    throw new ReplicationError("ConfigInvalid", `the key "${key}" in the URL is not percent-encoded UTF-8`, options);
  }
}

function arnHint(arn: string): string {
  const bucket = /^arn:[a-z-]+:s3:::([^:]+)$/.exec(arn)?.[1];
  return bucket === undefined ? FORMS : `write ${bucket}`;
}

function invalid(message: string, hint: string): ReplicationError {
  return new ReplicationError("ConfigInvalid", message, { hint });
}
