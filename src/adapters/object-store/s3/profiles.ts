/** What is known of a store's kind beyond what it can be asked. The only place where a vendor's name stands. */
export interface StoreProfile {
  /** Objects can be in storage classes that matter for a copy. */
  readonly storageClasses: boolean;
  /** A CopyObject that replaces no metadata keeps the `Expires` header. Where it does not, every object is read before it is copied. */
  readonly copyKeepsExpires: boolean;
}

const UNKNOWN: StoreProfile = { storageClasses: true, copyKeepsExpires: true };

/** By the `server` header of an answer. */
const PROFILES: readonly (readonly [pattern: RegExp, profile: StoreProfile])[] = [
  [/^MinIO/i, { storageClasses: false, copyKeepsExpires: false }], // knows only its own two redundancy levels; lists no Expires, nor with metadata=true
  [/^VERSITYGW/i, { storageClasses: false, copyKeepsExpires: true }], // accepts any class and reports STANDARD
];

export function profileOf(serverName: string): StoreProfile {
  return PROFILES.find(([pattern]) => pattern.test(serverName))?.[1] ?? UNKNOWN;
}
