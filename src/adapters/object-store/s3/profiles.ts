/** What is known of a store's kind beyond what it can be asked. The only place where a vendor's name stands. */
export interface StoreProfile {
  /** Objects can be in storage classes that matter for a copy. */
  readonly storageClasses: boolean;
  /** A CopyObject that replaces no metadata keeps the `Expires` header. Where it does not, every object is read before it is copied. */
  readonly copyKeepsExpires: boolean;
  /** False: drops a website redirect without a word. */
  readonly keepsRedirects: boolean;
  /** False: takes any canned ACL and keeps none, without a word. */
  readonly keepsAcls: boolean;
  /** False: drops an `Expires` that is no date, without a word. */
  readonly keepsOddExpires: boolean;
  /** False: tells of locks in the answer to a HEAD only. */
  readonly getTellsLocks: boolean;
  /** False: takes any storage class and keeps none, without a word. */
  readonly tellsOfClasses: boolean;
}

const UNKNOWN: StoreProfile = {
  storageClasses: true,
  copyKeepsExpires: true,
  keepsRedirects: true,
  keepsAcls: true,
  keepsOddExpires: true,
  getTellsLocks: true,
  tellsOfClasses: true,
};

/** By the `server` header of an answer. */
const PROFILES: readonly (readonly [pattern: RegExp, profile: StoreProfile])[] = [
  // Knows only its own two redundancy levels; lists no Expires, nor with metadata=true.
  [
    /^MinIO/i,
    { ...UNKNOWN, storageClasses: false, copyKeepsExpires: false, keepsRedirects: false, keepsAcls: false, keepsOddExpires: false },
  ],
  // Accepts any class and reports STANDARD.
  [/^VERSITYGW/i, { ...UNKNOWN, storageClasses: false, keepsAcls: false, getTellsLocks: false, tellsOfClasses: false }],
];

export function profileOf(serverName: string): StoreProfile {
  return PROFILES.find(([pattern]) => pattern.test(serverName))?.[1] ?? UNKNOWN;
}
