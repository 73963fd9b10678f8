/** What a bucket was found to be and to honour by trying it, kept so that a start need not try again. */
export interface Fingerprint {
  /** Milliseconds since the epoch. */
  readonly takenAt: number;
  /** What the server called itself; '' where it did not. */
  readonly server: string;
  /** The conditions that writes are refused by. */
  readonly honours: Honours;
  /** What a doctor found beside it; absent where only the conditions were asked for. */
  readonly survey?: SurveyedTraits | undefined;
}

export interface Honours {
  readonly conditionalPut: boolean;
  readonly conditionalCopy: boolean;
  readonly conditionalComplete: boolean;
  readonly conditionalDelete: boolean;
}

/** Null: could not be tried. */
export interface SurveyedTraits {
  /** Listings come in the order of the keys' UTF-8 bytes. */
  readonly listsInOrder: boolean | null;
  /** How listings write keys when asked to encode them. */
  readonly keyEncoding: "url" | "raw" | null;
  /** Kinds of keys that the bucket refuses, rewrites or hides. */
  readonly refusedKeys: readonly string[] | null;
  /** An object and others below it, as below a folder, can be there at once. */
  readonly holdsKeyAndBelow: boolean | null;
  readonly checksums: boolean | null;
  readonly tags: boolean | null;
  readonly acl: boolean | null;
}

/** A server may be upgraded under its name. */
const MAX_AGE_MS = 7 * 86_400_000;

/** Is true where a fingerprint still speaks for a server that calls itself so. */
export function isCurrent({ takenAt, server }: Fingerprint, now: { readonly server: string; readonly at: number }): boolean {
  return server === now.server && takenAt <= now.at && now.at - takenAt < MAX_AGE_MS;
}

export const RIGHTS = ["list", "listVersions", "get", "put", "delete", "deleteVersion", "readTags", "writeTags", "readAcl"] as const;
export type RightName = (typeof RIGHTS)[number];
/** `unsupported`: the store does not know the operation. */
export type Right = "granted" | "denied" | "unsupported" | "untried";

/** What is to be known of a bucket before anything is replicated from it or to it. */
export interface BucketSurvey {
  readonly server: string;
  /** As the store tells it; null where it does not. */
  readonly region: string | null;
  /** How far the store's clock is ahead of this machine's, to a second. */
  readonly clockSkewMs: number | null;
  /** Null where it may not be asked. */
  readonly versioning: "Enabled" | "Suspended" | "Unversioned" | null;
  readonly objectLock: boolean;
  readonly rights: Readonly<Record<RightName, Right>>;
  /** Null where nothing could be written, or nothing is to be written there. */
  readonly honours: Honours | null;
  readonly traits: SurveyedTraits;
  /** A key that was written and could not be removed. */
  readonly left: string | null;
}
