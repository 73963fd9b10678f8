import { resolveReference } from "../config/resolve-bucket.ts";
import type { Environment, ResolvedBucket } from "../config/resolved-config.ts";
import type { Bucket } from "../domain/bucket.ts";
import { ReplicationError } from "../domain/error.ts";
import { type Destination, PLAIN_COPY, type Rule } from "../domain/rule.ts";

/** Buckets named on a command line, seen as a rule of their own. */
export interface OneShotRule {
  readonly rule: Rule;
  readonly buckets: readonly ResolvedBucket[];
}

export interface OneShotOptions {
  readonly source: string;
  readonly destinations: readonly string[];
  readonly env: Environment;
  /** The stores of the config, where there is one. */
  readonly stores?: Parameters<typeof resolveReference>[1]["stores"];
}

/**
 * Makes a rule of a source and destinations named on a command line; what follows a bucket's `/` is a prefix.
 *
 * @throws `ConfigInvalid` where a reference cannot be resolved, or a destination is the source
 */
export function oneShotRule(options: OneShotOptions): OneShotRule {
  const source = resolveReference(options.source, options);
  const destinations = options.destinations.map((text) => resolveReference(text, options));
  for (const { bucket, key } of destinations) {
    if (isSameBucket(bucket, source.bucket) && ((key ?? "") + (source.key ?? "")).startsWith(source.key ?? "")) {
      throw new ReplicationError(
        "ConfigInvalid",
        `${bucket.name} is source and destination at once, and its copies would be copied again`,
        {
          hint: "name two different buckets, or prefixes of which none contains the other",
        },
      );
    }
  }
  const rule: Rule = {
    ...PLAIN_COPY,
    id: "command-line",
    source: source.bucket,
    destinations: destinations.map(({ bucket, key = "" }) => toDestination(bucket, key)),
    filter: { prefix: source.key },
    preserve: { tags: true, storageClass: true, acl: false, objectLock: true, encryption: true },
    enabled: true,
  };
  return { rule, buckets: [source, ...destinations] };
}

/** Loopback has several names. */
function isSameBucket(one: Bucket, other: Bucket): boolean {
  const plain = ({ id }: Bucket) => id.replace(/^s3:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?=[:/])/, "s3://loopback");
  return plain(one) === plain(other);
}

function toDestination(bucket: ResolvedBucket["bucket"], prefix: string): Destination {
  const id = prefix === "" ? bucket.name : `${bucket.name}/${prefix}`;
  return { id, canonicalId: prefix === "" ? bucket.id : `${bucket.id}/${prefix}`, bucket, prefix, existingObjects: true };
}
