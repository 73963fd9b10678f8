import type { Bucket } from "../../src/domain/bucket.ts";
import type { Destination, Rule } from "../../src/domain/rule.ts";

/** A destination that takes everything, the whole bucket. */
export function destinationOf(bucket: Bucket, overrides: Partial<Destination> = {}): Destination {
  return { id: bucket.name, canonicalId: bucket.id, bucket, prefix: "", existingObjects: true, ...overrides };
}

/** A rule for everything in a bucket. */
export function ruleOf(source: Bucket, destinations: readonly Destination[], overrides: Partial<Rule> = {}): Rule {
  return { id: "rule", source, destinations, filter: {}, preserve: { tags: true, storageClass: true }, enabled: true, ...overrides };
}
