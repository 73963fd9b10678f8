import type { Bucket } from "./bucket.ts";

/** Which objects of the source a rule is about. What is absent does not restrict. */
export interface Filter {
  readonly prefix?: string | undefined;
  readonly suffix?: string | undefined;
  /** All of them must be on the object. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly minBytes?: number | undefined;
  readonly maxBytes?: number | undefined;
}

/** What travels beside the bytes. */
export interface Preserve {
  readonly tags: boolean;
  readonly storageClass: boolean;
}

export interface Destination {
  /** What people and scripts name it by, unique within its rule; by default the printed bucket. */
  readonly id: string;
  /** Keys its rows: the canonical bucket id, with `/<prefix>` where one is put before the keys. */
  readonly canonicalId: string;
  readonly bucket: Bucket;
  /** Put before the whole source key; '' for none. */
  readonly prefix: string;
  /** Given to every replica, whatever the source has. */
  readonly storageClass?: string | undefined;
  readonly existingObjects: boolean;
}

export interface Rule {
  readonly id: string;
  readonly source: Bucket;
  readonly destinations: readonly Destination[];
  readonly filter: Filter;
  readonly preserve: Preserve;
  readonly enabled: boolean;
}

/** Is true where the key alone lets the object into the rule. */
export function keyMatches(filter: Filter, key: string): boolean {
  return key.startsWith(filter.prefix ?? "") && key.endsWith(filter.suffix ?? "");
}

export function sizeMatches(filter: Filter, sizeBytes: number): boolean {
  return sizeBytes >= (filter.minBytes ?? 0) && sizeBytes <= (filter.maxBytes ?? Number.POSITIVE_INFINITY);
}

export function tagsMatch(filter: Filter, tags: Readonly<Record<string, string>>): boolean {
  return Object.entries(filter.tags ?? {}).every(([name, value]) => tags[name] === value);
}

/** Is true where the rule can only be decided with the object's tags in hand. */
export function needsTags(filter: Filter): boolean {
  return filter.tags !== undefined && Object.keys(filter.tags).length > 0;
}

export function destinationKey(destination: Destination, sourceKey: string): string {
  return destination.prefix + sourceKey;
}
