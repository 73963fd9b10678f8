import { isMap } from "./precedence.ts";
import { REDACTED, redactUrl } from "./secret.ts";

const SECRET_KEYS = new Set(["secretAccessKey", "sessionToken", "token"]);

/** Shorter ones would tear words apart, and give nothing away. */
const MIN_LENGTH = 4;

/** Every secret written into a config that has not been checked: a message about it may quote a value that stands in the wrong place. */
export function secretsOf(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.flatMap(secretsOf);
  if (!isMap(value)) return [];
  return Object.entries(value).flatMap(([key, item]) => {
    if (typeof item !== "string") return secretsOf(item);
    if (SECRET_KEYS.has(key)) return [item];
    const password = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*?:([^/?#]*)@/i.exec(item)?.[1];
    return password === undefined ? [] : [password];
  });
}

/** The text without any of the secrets. */
export function scrub(text: string, secrets: readonly string[]): string {
  const long = secrets.filter((secret) => secret.length >= MIN_LENGTH).toSorted((a, b) => b.length - a.length);
  return redactUrl(long.reduce((scrubbed, secret) => scrubbed.replaceAll(secret, REDACTED), text));
}
