const PLAIN = /^[A-Za-z0-9._*/-]*$/;

/**
 * Encodes a key as S3 does in notifications and in listings with `encoding-type=url`: form-urlencoded, a space as `+`, `/` left alone.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
 */
export function formEncode(text: string): string {
  if (PLAIN.test(text)) return text;
  return encodeURIComponent(text)
    .replace(/%20/g, "+")
    .replace(/%2F/g, "/")
    .replace(/[!'()~]/g, percentOf);
}

/** Decodes form-urlencoded text; undefined where it is not percent-encoded UTF-8. */
export function formDecode(text: string): string | undefined {
  return percentDecode(text.includes("+") ? text.replaceAll("+", " ") : text);
}

/** Decodes percent-encoded text, `+` left alone; undefined where it is not percent-encoded UTF-8. */
export function percentDecode(text: string): string | undefined {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** Encodes every byte but the unreserved characters, as signatures want it. */
export function percentEncode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, percentOf);
}

function percentOf(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}
