import type { Bucket } from "../../src/domain/bucket.ts";
import { type Destination, PLAIN_COPY, type Preserve, type Rule } from "../../src/domain/rule.ts";

/** A destination that takes everything, the whole bucket. */
export function destinationOf(bucket: Bucket, overrides: Partial<Destination> = {}): Destination {
  return { id: bucket.name, canonicalId: bucket.id, bucket, prefix: "", existingObjects: true, ...overrides };
}

export const PRESERVE: Preserve = { tags: true, storageClass: true, acl: false, objectLock: true, encryption: true };

/** A rule for everything in a bucket. */
export function ruleOf(source: Bucket, destinations: readonly Destination[], overrides: Partial<Rule> = {}): Rule {
  return { ...PLAIN_COPY, id: "rule", source, destinations, filter: {}, preserve: PRESERVE, enabled: true, ...overrides };
}
