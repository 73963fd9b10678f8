const RESERVED = /[!'()*]/g;
/** Keys that need no encoding at all, which are most. */
const PLAIN = /^[A-Za-z0-9\-._~/]*$/;

/** Percent-encodes everything but the unreserved characters of RFC 3986, as SigV4 demands. */
export function encodeUri(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(RESERVED, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

/**
 * Encodes a key for a path, keeping `/`. Never goes through `URL`, which would fold `.`, `..` and `//` and so name another object.
 */
export function encodeKey(key: string): string {
  return PLAIN.test(key) ? key : key.split("/").map(encodeUri).join("/");
}

/** The canonical query string: names and values encoded, sorted by encoded name. */
export function encodeQuery(query: Readonly<Record<string, string>>): string {
  const names = new Map(Object.keys(query).map((name) => [encodeUri(name), name]));
  // By name, not by pair: "=" sorts after digits, which would put "a0=" before "a=".
  const sorted = [...names].sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([encoded, name]) => `${encoded}=${encodeUri(query[name] ?? "")}`).join("&");
}

/** The `x-amz-tagging` header: a query string of its own. */
export function encodeTags(tags: Readonly<Record<string, string>>): string {
  return Object.entries(tags)
    .map(([name, value]) => `${encodeUri(name)}=${encodeUri(value)}`)
    .join("&");
}
