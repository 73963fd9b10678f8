import type { Bucket } from "../domain/bucket.ts";
import type { Rule } from "../domain/rule.ts";

/**
 * One bucket, however it is spelled: a region says nothing about which AWS bucket is meant, and a loopback host has several names.
 */
export function identity(bucket: Bucket): string {
  return bucket.id
    .replace(/^s3:\/\/(aws[a-z-]*)\/[^/]+\//, "s3://$1/*/")
    .replace(/^s3:\/\/(?:localhost|\[::1\]|127(?:\.\d+){3})(?=[:/])/, "s3://loopback");
}

/** The buckets that are both a source and a destination, each by its {@link identity}; the others are leaves. */
export function interiorBuckets(rules: readonly Rule[]): ReadonlySet<string> {
  const sources = new Set(rules.map(({ source }) => identity(source)));
  const destinations = rules.flatMap((rule) => rule.destinations.map(({ bucket }) => identity(bucket)));
  return new Set(destinations.filter((bucket) => sources.has(bucket)));
}
