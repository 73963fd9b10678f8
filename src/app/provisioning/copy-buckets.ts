import { leaveFor, placedBucket, type ResolvedConfig, settingsOf } from "../../config/resolved-config.ts";
import type { Rule } from "../../domain/rule.ts";
import type { CopyBucket } from "../../provisioning/plan-copy-buckets.ts";
import type { BucketPorts } from "./bucket-ports.ts";

/**
 * The buckets of rules that copy serves and that let `apply` make buckets or turn versioning on. Rules that do not are not looked at: they need
 * no more rights than copying does.
 */
export async function copyBuckets(config: ResolvedConfig, copied: readonly Rule[], ports: BucketPorts): Promise<readonly CopyBucket[]> {
  const asking = copied.filter((rule) =>
    Object.values(settingsOf(config, rule).buckets).some(({ create, enableVersioning }) => create || enableVersioning),
  );
  const ids = new Set(asking.flatMap(({ source, destinations }) => [source.id, ...destinations.map(({ bucket }) => bucket.id)]));
  return Promise.all([...ids].map((id) => copyBucket(config, id, { rules: asking, ports })));
}

interface Among {
  readonly rules: readonly Rule[];
  readonly ports: BucketPorts;
}

async function copyBucket(config: ResolvedConfig, id: string, { rules, ports }: Among): Promise<CopyBucket> {
  const place = placedBucket(config, id);
  const { create, enableVersioning } = leaveFor(config, id);
  const into = rules.filter(({ destinations }) => destinations.some(({ bucket }) => bucket.id === id));
  return {
    bucket: place.bucket,
    region: place.store.region,
    isRegional: place.store.isAws,
    configuration: await ports.at(place),
    mayCreate: create,
    mayVersion: enableVersioning,
    needsVersions: into.some(({ deletes, versions }) => deletes === "markers" || versions === "all"),
    keepsLocksOf: [...new Set(into.filter(({ preserve }) => preserve.objectLock).map(({ source }) => source.id))],
  };
}
