import { createHash } from "node:crypto";
import { groupBy } from "../../lib/group-by.ts";
import { isMap } from "../precedence.ts";
import { type Finding, formatPath, type Path, problemsError } from "../problem.ts";
import { AWS_REGION } from "../schema.ts";

/** The part of a deploy that names what it owns. */
export interface LegacyDeploy {
  readonly service: string;
  readonly stage: string;
  /** Where a bucket is that was named without a region. */
  readonly region: string;
}

export interface LegacyBucket {
  readonly bucket: string;
  readonly region: string;
}

/** A rule as it is written into a replicast.yaml, that says what serverless-s3-replication-plugin did: it knew no choices. */
export type LegacyRule = {
  readonly id: string;
  readonly engine: "native";
  readonly deletes: "markers";
  readonly existingObjects: false;
  readonly replicationTime?: true;
} & ({ readonly mesh: readonly LegacyBucket[] } | { readonly source: LegacyBucket; readonly destinations: readonly LegacyBucket[] });

export interface LegacyReplication {
  /** `name` of the config: the service and the stage. */
  readonly name: string;
  readonly rules: readonly LegacyRule[];
  readonly iam?: { readonly rolePrefix: string } | undefined;
  /** What is understood in another way than the plugin did. */
  readonly notes: readonly string[];
}

const PLUGIN = "s3ReplicationPlugin";
const BIDIRECTIONAL = "bidirectionalReplicationBuckets";
const SINGLE = "singleDirectionReplication";
const KEYS: readonly string[] = [BIDIRECTIONAL, SINGLE, "replicationRolePrefixOverride", "withReplicationTimeControl"];

/** Old buckets of us-east-1 may have names that new ones may not. */
const BUCKET_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$/;
const MAX_NAME = 63;
const ROLE_NAME = /^[\w+=,.@-]+$/;
/** What `iam.rolePrefix` takes. */
const MAX_ROLE_PREFIX = 40;

/**
 * Translates `custom.s3ReplicationPlugin` of a serverless.yml. Every pair of buckets is in one rule, however often it was named: what the
 * bidirectional list says comes first.
 *
 * @throws ReplicationError `ConfigInvalid` with every problem and its path
 */
export function fromS3ReplicationPlugin(custom: unknown, deploy: LegacyDeploy): LegacyReplication {
  const written = isMap(custom) ? custom[PLUGIN] : undefined;
  const reading = new Reading(deploy.region);
  const rules = written === undefined || written === null ? [] : reading.rules(written);
  const rolePrefix = isMap(written) ? reading.rolePrefix(written["replicationRolePrefixOverride"]) : undefined;
  reading.refuse();
  const name = configName(`${deploy.service}-${deploy.stage}`);
  return { name, rules, iam: rolePrefix === undefined ? undefined : { rolePrefix }, notes: reading.notes };
}

/** The text as the `name` of a config may be spelled. What was too long stays apart from others that begin the same. */
function configName(text: string): string {
  const plain = text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
  if (plain.length <= MAX_NAME) return plain;
  const hash = createHash("sha256").update(plain).digest("hex").slice(0, 8);
  return `${plain.slice(0, MAX_NAME - hash.length - 1).replace(/-$/, "")}-${hash}`;
}

interface Pair {
  readonly source: LegacyBucket;
  readonly destination: LegacyBucket;
}

/** Reads the plugin's settings and gathers what is wrong with them. */
class Reading {
  readonly notes: string[] = [];
  readonly #findings: Finding[] = [];
  /** By name: names of buckets are unique within AWS. */
  readonly #regions = new Map<string, string>();
  readonly #region: string;

  constructor(region: string) {
    this.#region = region;
  }

  rules(written: unknown): readonly LegacyRule[] {
    if (!isMap(written)) return this.#wrong([PLUGIN], "must be a map", `write ${SINGLE} or ${BIDIRECTIONAL} under it`);
    for (const key of Object.keys(written))
      if (!KEYS.includes(key)) this.notes.push(`${PLUGIN}.${key} is no setting of the plugin and is not read`);
    const members = distinct(
      this.#list(written[BIDIRECTIONAL], [PLUGIN, BIDIRECTIONAL]).flatMap(({ item, path }) => this.#buckets(item, path)),
    );
    const pairs = this.#list(written[SINGLE], [PLUGIN, SINGLE]).flatMap(({ item, path }) => this.#pairs(item, path));
    const common = { ...COMMON, ...(this.#isOn(written["withReplicationTimeControl"]) ? ({ replicationTime: true } as const) : {}) };
    if (members.length === 1) this.notes.push(`${PLUGIN}.${BIDIRECTIONAL} names one bucket alone: there is nothing to replicate it to`);
    const mesh = members.length > 1 ? [{ id: "bidirectional", mesh: members, ...common }] : [];
    return [...mesh, ...oneWay(withoutMesh(pairs, members)).map((rule) => ({ ...rule, ...common }))];
  }

  rolePrefix(written: unknown): string | undefined {
    if (written === undefined || written === null) return undefined;
    const path = [PLUGIN, "replicationRolePrefixOverride"];
    if (typeof written !== "string" || written === "") {
      this.#wrong(path, "must be a text", "write what the names of roles are to begin with");
      return undefined;
    }
    if (!ROLE_NAME.test(written)) {
      this.#wrong(path, 'may hold letters, digits and "+=,.@_-" only', "correct it: IAM takes no others in the name of a role");
      return undefined;
    }
    if (written.length > MAX_ROLE_PREFIX) this.notes.push(`${formatPath(path)} is cut to ${MAX_ROLE_PREFIX} characters`);
    return written.slice(0, MAX_ROLE_PREFIX);
  }

  /** @throws ReplicationError `ConfigInvalid` where anything was wrong */
  refuse(): void {
    if (this.#findings.length === 0) return;
    const problems = this.#findings.map(({ path, message, hint }) => ({ path: formatPath(["custom", ...path]), message, hint }));
    throw problemsError(problems, "serverless.yml");
  }

  #isOn(written: unknown): boolean {
    if (written === undefined || written === null || typeof written === "boolean") return written === true;
    if (written === "true" || written === "false") return written === "true";
    this.#wrong([PLUGIN, "withReplicationTimeControl"], "must be true or false", "write one of the two");
    return false;
  }

  #pairs(item: unknown, path: Path): readonly Pair[] {
    if (!isMap(item)) return this.#wrong(path, "must be a map", "write sourceBucket and targetBuckets");
    const at = [...path, "sourceBucket"];
    const sources = this.#buckets(item["sourceBucket"], at);
    if (sources.length > 1) return this.#wrong(at, "names several buckets", "write an item with a sourceBucket for each of them");
    const [source] = sources;
    const targets = this.#list(item["targetBuckets"], [...path, "targetBuckets"]).flatMap((target) => {
      const found = this.#buckets(target.item, target.path);
      if (source === undefined || found.every(({ bucket }) => bucket !== source.bucket)) return found;
      return this.#wrong(target.path, `${source.bucket} is the source itself`, "name another bucket");
    });
    return source === undefined ? [] : targets.map((destination) => ({ source, destination }));
  }

  #list(written: unknown, path: Path): readonly { readonly item: unknown; readonly path: Path }[] {
    if (written === undefined || written === null)
      return path.at(-1) === "targetBuckets" ? this.#wrong(path, "is missing", "add a list of buckets") : [];
    if (!Array.isArray(written)) return this.#wrong(path, "must be a list", "write each item after a dash");
    return written.map((item: unknown, index) => ({ item, path: [...path, index] }));
  }

  /** Every bucket of a region map. The plugin read the first entry alone. */
  #buckets(item: unknown, path: Path): readonly LegacyBucket[] {
    if (typeof item === "string") return this.#bucket(item, this.#region, path);
    if (!isMap(item) || Object.keys(item).length === 0) return this.#wrong(path, "names no bucket", "write { eu-west-1: my-bucket }");
    const entries = Object.entries(item);
    if (entries.length > 1) this.notes.push(`${formatPath(path)}: all ${entries.length} buckets are read, where the plugin took the first`);
    return entries.flatMap(([region, bucket]) => this.#bucket(bucket, region, [...path, region]));
  }

  #bucket(bucket: unknown, region: string, path: Path): readonly LegacyBucket[] {
    if (!AWS_REGION.test(region)) return this.#wrong(path, `"${region}" is no region of AWS`, "write { eu-west-1: my-bucket }");
    if (typeof bucket !== "string") return this.#wrong(path, "names no bucket", "write { eu-west-1: my-bucket }");
    if (!BUCKET_NAME.test(bucket)) return this.#wrong(path, `"${bucket}" is no name of a bucket`, "correct it");
    const known = this.#regions.get(bucket) ?? region;
    if (known !== region)
      return this.#wrong(path, `${bucket} is named in two regions, ${known} and ${region}`, "a bucket is in one region");
    this.#regions.set(bucket, region);
    return [{ bucket, region }];
  }

  #wrong(path: Path, message: string, hint: string): readonly never[] {
    this.#findings.push({ path, message, hint });
    return [];
  }
}

const COMMON = { engine: "native", deletes: "markers", existingObjects: false } as const;

function distinct(buckets: readonly LegacyBucket[]): readonly LegacyBucket[] {
  return [...new Map(buckets.map((bucket) => [bucket.bucket, bucket])).values()];
}

function withoutMesh(pairs: readonly Pair[], members: readonly LegacyBucket[]): readonly Pair[] {
  const inMesh = new Set(members.map(({ bucket }) => bucket));
  return pairs.filter(({ source, destination }) => !(inMesh.has(source.bucket) && inMesh.has(destination.bucket)));
}

/** One rule for every source, named after it, whatever the order of the list. */
function oneWay(pairs: readonly Pair[]) {
  return [...groupBy(pairs, ({ source }) => source.bucket)].flatMap(([bucket, group]) => {
    const source = group[0]?.source;
    const destinations = distinct(group.map(({ destination }) => destination));
    return source === undefined ? [] : [{ id: `from-${bucket}`, source, destinations }];
  });
}
