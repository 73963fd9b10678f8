import type { Bucket } from "./bucket.ts";
import type { ConflictPolicy } from "./decision.ts";
import { RESERVED_PREFIX } from "./object.ts";

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
  readonly acl: boolean;
  readonly objectLock: boolean;
  /** The same kind of encryption as the source's; keys come from the destination's {@link Encryption}. */
  readonly encryption: boolean;
}

/** Asked of a destination for every replica. `keyId` of KMS: absent for the store's own key. */
export interface Encryption {
  readonly type: "AES256" | "aws:kms";
  readonly keyId?: string | undefined;
}

/** How archived objects are made readable: for how long, and how soon. https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects.html */
export interface Restore {
  readonly days: number;
  readonly tier: "Standard" | "Bulk" | "Expedited";
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
  readonly encryption?: Encryption | undefined;
  readonly existingObjects: boolean;
  /** The 12 digits of the AWS account that has the bucket; absent: the one of the credentials. */
  readonly account?: string | undefined;
  /** Whose the replicas are; absent: the source's, as S3 leaves it. */
  readonly owner?: "source" | "destination" | undefined;
  /** S3 is to replicate within 15 minutes and to measure it. */
  readonly replicationTime?: boolean | undefined;
}

/** Who carries the objects: replicast itself, or S3 by its own replication. */
export const ENGINES = ["copy", "native"] as const;
export type Engine = (typeof ENGINES)[number];

/** `markers`: delete markers become delete markers; `propagate`: every delete of a current object. */
export type DeleteMode = "none" | "markers" | "propagate";

/**
 * One direction of replication: a source and its destinations. A mesh is one such rule for every member, all with the mesh's id, told apart
 * by their source.
 */
export interface Rule {
  readonly id: string;
  readonly source: Bucket;
  readonly destinations: readonly Destination[];
  readonly filter: Filter;
  readonly preserve: Preserve;
  readonly enabled: boolean;
  /** Canonical ids of all members in the order of the config; absent where the rule is one-way. */
  readonly mesh?: readonly string[] | undefined;
  readonly conflict: ConflictPolicy;
  readonly deletes: DeleteMode;
  /** Whether deletes that a lifecycle made are deletes; otherwise they stay the source's own affair. */
  readonly expirations: boolean;
  readonly versions: "current" | "all";
  /** Carries on what reached the source by another rule. */
  readonly transit: boolean;
  /** Which replicas carry the metadata entry that tells their origin. */
  readonly stamp: "interior" | "always" | "never";
  /** Archived objects are asked for, and copied once they can be read. Absent: they fail. */
  readonly restore?: Restore | undefined;
  /** Deletes are made although nothing can keep them from hitting another client's write. */
  readonly unsafeDeletes: boolean;
}

/** Is true for the one direction of a mesh that stands for all of them where its members are compared, and for every one-way rule. */
export function isFirstDirection({ mesh, source }: Rule): boolean {
  return mesh === undefined || mesh[0] === source.id;
}

/** What a rule is that asks for nothing but copies of current objects. */
export const PLAIN_COPY: Pick<Rule, "conflict" | "deletes" | "expirations" | "versions" | "transit" | "stamp" | "unsafeDeletes"> = {
  conflict: "newest",
  deletes: "none",
  expirations: false,
  versions: "current",
  transit: false,
  stamp: "interior",
  unsafeDeletes: false,
};

/** Is true where some keys begin with both prefixes. */
export function prefixesMeet(a: string, b: string): boolean {
  return a.startsWith(b) || b.startsWith(a);
}

/** Is true where the key alone lets the object into the rule. */
export function keyMatches(filter: Filter, key: string): boolean {
  return key.startsWith(filter.prefix ?? "") && key.endsWith(filter.suffix ?? "") && !key.startsWith(RESERVED_PREFIX);
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
