import type { Bucket } from "../domain/bucket.ts";
import { ReplicationError, toReplicationError } from "../domain/error.ts";
import type { Destination, Rule } from "../domain/rule.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import type { RuleIndex } from "./rule-index.ts";

/** What of a rule can be compared now. */
export interface Comparable {
  /** The direction whose source the others are compared with: of a mesh the first whose source can be listed. */
  readonly rule: Rule;
  /** Those of its destinations that can be listed. */
  readonly destinations: readonly Destination[];
  /** Why the others are left out; to be told in the end. */
  readonly trouble: ReplicationError | undefined;
}

export interface ComparableOptions {
  readonly rule: Rule;
  readonly rules: RuleIndex;
  readonly storeOf: (bucket: Bucket) => ObjectStore;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A bucket that does not list one key within this is not compared this time. No sooner than its answers are given up anyway: a prefix full of
 * delete markers is listed slowly every time.
 */
const PROBE_TIMEOUT_MS = 30_000;

/**
 * Finds out which buckets of a rule can be listed: one that cannot keeps nothing from the others (invariant 7). The source of a one-way rule is
 * not asked, since nothing can be compared without it.
 */
export async function comparable(options: ComparableOptions): Promise<Comparable> {
  const { rule, rules } = options;
  const listed = new Map<string, Promise<unknown>>();
  const trouble = (bucket: Bucket, prefix: string): Promise<unknown> => {
    const place = JSON.stringify([bucket.id, prefix]);
    const probe = listed.get(place) ?? troubleOf(bucket, prefix, options);
    listed.set(place, probe);
    return probe;
  };
  const others = rules.rules.filter(({ id, source, enabled }) => id === rule.id && source.id !== rule.source.id && enabled);
  const legs = rule.mesh === undefined ? [] : [rule, ...others];
  const troubles = await Promise.all(legs.map(({ source, filter }) => trouble(source, filter.prefix ?? "")));
  const leg = legs.find((_, i) => troubles[i] === undefined) ?? rule;
  const sides = await Promise.all(leg.destinations.map(({ bucket, prefix }) => trouble(bucket, prefix + (leg.filter.prefix ?? ""))));
  const left = leg.destinations.flatMap(({ bucket }, i) => (sides[i] === undefined ? [] : [{ bucket, why: sides[i] }]));
  return { rule: leg, destinations: leg.destinations.filter((_, i) => sides[i] === undefined), trouble: told(left) };
}

/** Undefined where the bucket can be listed. */
async function troubleOf(bucket: Bucket, prefix: string, { storeOf, signal }: ComparableOptions): Promise<unknown> {
  const soon = AbortSignal.timeout(PROBE_TIMEOUT_MS);
  const limit = signal === undefined ? soon : AbortSignal.any([signal, soon]);
  try {
    await storeOf(bucket).list({ prefix, maxKeys: 1, signal: limit });
    return undefined;
  } catch (error) {
    if (!soon.aborted || signal?.aborted === true) return error ?? new Error("no reason");
    return new ReplicationError("RequestTimeout", `${bucket.name} has not listed one key within ${PROBE_TIMEOUT_MS / 1000} seconds`, {
      at: { operation: "ListObjectsV2", bucket: bucket.bucket },
      cause: error,
    });
  }
}

/** One error for all that was left out, which names each: the rest has been compared. */
function told(left: readonly { readonly bucket: Bucket; readonly why: unknown }[]): ReplicationError | undefined {
  const [first] = left;
  if (first === undefined) return undefined;
  const { code, message, at, hint, disposition, retryAfterMs } = toReplicationError(first.why);
  const names = [...new Set(left.map(({ bucket }) => bucket.name))].join(", ");
  return new ReplicationError(code, `compared without ${names}: ${message}`, { at, hint, disposition, retryAfterMs, cause: first.why });
}
