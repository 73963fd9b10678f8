import { canonicalBucketId } from "../domain/bucket.ts";
import { type BucketReference, parseBucketReference, type UrlReference } from "../domain/bucket-reference.ts";
import { ReplicationError } from "../domain/error.ts";
import { nearest } from "./nearest.ts";
import { DEFAULT_STORE, defaultStore, placeOf, urlStore } from "./resolve-store.ts";
import type { Environment, ResolvedBucket, ResolvedStore } from "./resolved-config.ts";

export type Stores = Readonly<Record<string, ResolvedStore>>;

/** Where a reference on the command line is looked up: in a config's stores, or with `aws` alone where there is no config. */
export interface ReferenceScope {
  readonly stores?: Stores | undefined;
  readonly env: Environment;
}

/**
 * Finds the bucket, and the key where one was given, that a reference names. Without a config only URLs and buckets of `aws` can be found.
 *
 * @throws ReplicationError `ConfigInvalid` with a hint
 */
export function resolveReference(text: string, scope: ReferenceScope): ResolvedBucket & { readonly key: string | undefined } {
  const reference = parseBucketReference(text);
  const stores = scope.stores ?? { [DEFAULT_STORE]: defaultStore(scope.env) };
  return { ...resolveBucket(reference, stores, scope.env), key: reference.key };
}

/** Makes the bucket a URL names, with its one-off store. Its printed name is its URL. Needs no config. */
export function resolveUrlBucket(reference: UrlReference, env: Environment): ResolvedBucket {
  return placed(reference.bucket, urlStore(reference.origin, env), `${reference.origin}/${reference.bucket}`);
}

/**
 * Makes the bucket that a reference names among the stores of a config.
 *
 * @throws ReplicationError `ConfigInvalid` where no store has that alias
 */
export function resolveBucket(reference: BucketReference, stores: Stores, env: Environment): ResolvedBucket {
  if (reference.kind === "url") return resolveUrlBucket(reference, env);
  const alias = reference.store ?? DEFAULT_STORE;
  const store = Object.hasOwn(stores, alias) ? stores[alias] : undefined;
  if (store === undefined) throw unknownStore(alias, Object.keys(stores));
  const placedStore = reference.region === undefined ? store : { ...store, region: reference.region };
  return placed(reference.bucket, placedStore, `${alias}:${reference.bucket}`);
}

/** The error for a store that the config does not have, with the nearest one it has. */
export function unknownStore(alias: string, known: readonly string[]): ReplicationError {
  const guess = nearest(alias, known);
  const hint =
    guess === undefined ? `add it under stores; known: ${known.join(", ")}` : `did you mean "${guess}"? Else add it under stores`;
  return new ReplicationError("ConfigInvalid", `no store is named "${alias}"`, { hint });
}

function placed(name: string, store: ResolvedStore, printed: string): ResolvedBucket {
  const id = canonicalBucketId(placeOf(store), name);
  return { bucket: { id, name: printed, store: store.alias, bucket: name }, store };
}
