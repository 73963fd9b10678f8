/** An object out of JSON that nobody has checked. */
export type Fields = Readonly<Record<string, unknown>>;

const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(Z|[+-]\d\d:?\d\d)?$/;

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Returns the object under that name; an empty one where there is none, so that what is missing in it is noticed there. */
export function fieldsAt(fields: Fields, name: string): Fields {
  const value = fields[name];
  return isFields(value) ? value : {};
}

/** Returns the text under that name; undefined where it is absent, empty or no text. */
export function textAt(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** Some stores leave the header's quotes on the ETag. */
export function etagAt(fields: Fields, name: string): string | undefined {
  const text = textAt(fields, name);
  if (text === undefined) return undefined;
  const bare = text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text;
  return bare === "" ? undefined : bare;
}

export function sizeAt(fields: Fields, name: string): number | undefined {
  const value = fields[name];
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

/** Milliseconds since the epoch. A time without a zone is UTC, as S3's are; Date.parse alone would take it for local time. */
export function timeAt(fields: Fields, name: string): number | undefined {
  const text = textAt(fields, name);
  const zone = text === undefined ? null : ISO_TIME.exec(text);
  if (text === undefined || zone === null) return undefined;
  const ms = Date.parse(zone[1] === undefined ? `${text}Z` : text);
  return Number.isNaN(ms) ? undefined : ms;
}
