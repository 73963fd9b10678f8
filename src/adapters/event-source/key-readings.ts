/** How a store writes keys into its events: form-urlencoded, as they are, or nobody has found out yet. */
export const KEY_ENCODINGS = ["url", "raw", "unknown"] as const;
export type KeyEncoding = (typeof KEY_ENCODINGS)[number];

export type KeyReadings = readonly [string, ...string[]];

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html */
const MAX_KEY_BYTES = 1024;

/** No UTF-16 code unit takes more bytes than this in UTF-8. */
const MAX_BYTES_PER_UNIT = 3;

/** What no urlencoding leaves in place: controls, space, what is not ASCII. */
const NEVER_ENCODED = /[^\x21-\x7e]/;

/**
 * Returns what the key in an event may stand for, the likelier first; undefined where it can stand for no key at all.
 *
 * Two readings are given only where the encoding is unknown and they differ. `likelier` then orders them, unless the text itself shows
 * that nothing was encoded.
 */
export function readKey(text: string, encoding: KeyEncoding, likelier: "url" | "raw"): KeyReadings | undefined {
  if (encoding === "raw") return only(text);
  if (!text.includes("%") && !text.includes("+")) return only(text);
  const decoded = formDecode(text);
  if (encoding === "url") return decoded === undefined ? undefined : only(decoded);
  const rawFirst = likelier === "raw" || NEVER_ENCODED.test(text);
  const [first, ...rest] = (rawFirst ? [text, decoded] : [decoded, text]).filter(isKey);
  return first === undefined ? undefined : [first, ...rest];
}

/** Decodes once; undefined where the text is not form-urlencoded UTF-8. */
export function formDecode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll("+", "%20"));
  } catch {
    return undefined;
  }
}

function only(key: string): KeyReadings | undefined {
  return isKey(key) ? [key] : undefined;
}

/** A lone surrogate has no UTF-8 form, so no request could ask for such a key. */
function isKey(key: string | undefined): key is string {
  if (key === undefined || key === "" || !key.isWellFormed()) return false;
  return key.length * MAX_BYTES_PER_UNIT <= MAX_KEY_BYTES || Buffer.byteLength(key) <= MAX_KEY_BYTES;
}
