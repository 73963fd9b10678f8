import type { Bucket } from "../domain/bucket.ts";
import type { GateLimits } from "../domain/delete-gate.ts";
import { ReplicationError } from "../domain/error.ts";
import type { Engine, Rule } from "../domain/rule.ts";
import type { Secret } from "./secret.ts";

/** How a store is signed for. */
export type Credentials =
  | { readonly kind: "static"; readonly accessKeyId: string; readonly secretAccessKey: Secret; readonly sessionToken?: Secret | undefined }
  | { readonly kind: "profile"; readonly profile: string }
  | { readonly kind: "role"; readonly roleArn: string; readonly externalId?: string | undefined }
  | { readonly kind: "default" };

/** How changes of a bucket become known. */
export type EventsSetting =
  | { readonly type: "webhook"; readonly arn?: string | undefined }
  /** Without a URL the queue is the one that `apply` makes for the bucket. */
  | { readonly type: "sqs"; readonly queueUrl?: string | undefined; readonly region?: string | undefined }
  | { readonly type: "poll"; readonly everyMs: number }
  | { readonly type: "none" };

/** Absent: no limit. */
export interface Limits {
  readonly concurrency?: number | undefined;
  readonly bandwidthBytesPerSecond?: number | undefined;
  readonly requestsPerSecond?: number | undefined;
}

export interface ResolvedStore {
  /** Its name in the config, or the origin of the URL that made it. */
  readonly alias: string;
  /** Absent: AWS, the endpoint by the bucket's region. */
  readonly endpoint: string | undefined;
  /** No endpoint was written, or one of AWS's own; that the environment puts another in AWS's place changes nothing. */
  readonly isAws: boolean;
  readonly region: string;
  readonly forcePathStyle: boolean;
  readonly credentials: Credentials;
  readonly tls: { readonly caFile?: string | undefined };
  readonly events: EventsSetting;
  readonly maxConnections: number;
  readonly limits: Limits;
}

/** A bucket together with what a request to it needs. */
export interface ResolvedBucket {
  readonly bucket: Bucket;
  /** Its store as this bucket sees it: `region` is the bucket's. */
  readonly store: ResolvedStore;
}

/** What a rule has beside the decisions of the domain. */
export interface RuleSettings {
  /** As written: who serves an `auto` rule is decided by `apply`. */
  readonly engine: "auto" | Engine;
  /** Of the source. */
  readonly events: EventsSetting;
  readonly limits: Limits;
  /** Null: no scheduled sync. */
  readonly syncMs: number | null;
  /** The id its rows may still be known by. */
  readonly renamedFrom?: string | undefined;
  /** The account that has the source bucket, 12 digits; absent: the one of the credentials. */
  readonly sourceAccount?: string | undefined;
  /** KMS keys that the source's objects are encrypted with, as written: ARN, id or alias. Empty: they are found out. */
  readonly kmsKeys: readonly string[];
  /** What may be done to the rule's buckets, source and destinations, by canonical id; read through {@link leaveFor}. */
  readonly buckets: Readonly<Record<string, BucketLeave>>;
  /** By the destination's canonical id; not here: no limit. */
  readonly backfillLimits: Readonly<Record<string, BackfillLimits>>;
  /** Whether `versions` was written: where it was not, `versions` of the rule means the copy engine alone. */
  readonly saysVersions: boolean;
  /** Whether `conflict` was written. */
  readonly saysConflict: boolean;
}

/** What `apply` may do to a bucket without asking. */
export interface BucketLeave {
  /** It is created where it is missing. */
  readonly create: boolean;
  /** Versioning is turned on, which cannot be undone. */
  readonly enableVersioning: boolean;
}

/** What was there before the rule is not replicated where it is more than this. */
export interface BackfillLimits {
  readonly maxObjects?: number | undefined;
  /** In US dollars. */
  readonly maxCost?: number | undefined;
}

/** How roles are made for S3's own replication. */
export interface Iam {
  /** With '/' at both ends. */
  readonly path: string;
  readonly permissionsBoundary?: string | undefined;
  /** On every role, beside replicast's own. */
  readonly tags: Readonly<Record<string, string>>;
  /** A role of one's own for all sources: it is used, never changed. */
  readonly roleArn?: string | undefined;
  /** Begins the names of roles; the name of the config where absent. */
  readonly rolePrefix?: string | undefined;
  /** How long a role that was made or changed is left alone before S3 is told of it. */
  readonly propagationMs: number;
}

export const TOKEN_SCOPES = ["events", "read", "admin"] as const;
export type TokenScope = (typeof TOKEN_SCOPES)[number];

export interface Listen {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly tokens: readonly { readonly token: Secret; readonly scope: TokenScope }[];
  readonly tls?: { readonly certFile: string; readonly keyFile: string } | undefined;
}

export interface Retry {
  readonly maxAttempts: number;
  readonly initialMs: number;
  readonly maxMs: number;
}

/** Null: never. `syncMs` is the shortest of the rules'. */
export interface Schedule {
  readonly syncMs: number | null;
  readonly attributesMs: number | null;
}

/** A config in which nothing is left to look up. Deeply frozen; paths of files are absolute. */
export interface ResolvedConfig {
  readonly name: string;
  /** By alias. `aws` is always there; URLs used in rules are there by their origin. */
  readonly stores: Readonly<Record<string, ResolvedStore>>;
  /** One for every direction: a mesh is here once for each member. */
  readonly rules: readonly Rule[];
  /** By {@link settingsKey}; read through {@link settingsOf}. */
  readonly ruleSettings: Readonly<Record<string, RuleSettings>>;
  /** Every bucket the rules name, by canonical id. */
  readonly buckets: Readonly<Record<string, ResolvedBucket>>;
  readonly runtime: "standalone";
  readonly state: { readonly kind: "sqlite"; readonly path: string };
  readonly listen: Listen;
  readonly limits: Limits & { readonly concurrency: number };
  readonly deleteGate: GateLimits;
  readonly retry: Retry;
  readonly schedule: Schedule;
  readonly iam: Iam;
}

/** What the settings of a rule are kept under: its id, with the source where it is one of several of a mesh. */
export function settingsKey(rule: Rule): string {
  return rule.mesh === undefined ? rule.id : `${rule.id} ${rule.source.id}`;
}

/** The settings of a rule of this config; of a mesh, those of the direction that starts at the rule's source. */
export function settingsOf(config: ResolvedConfig, rule: Rule): RuleSettings {
  const settings = config.ruleSettings[settingsKey(rule)];
  if (settings === undefined) throw new ReplicationError("Internal", `the config has no settings of rule ${rule.id}`);
  return settings;
}

/** A bucket that the rules name, by canonical id, with its store. */
export function placedBucket(config: ResolvedConfig, bucketId: string): ResolvedBucket {
  const placed = config.buckets[bucketId];
  if (placed === undefined) throw new ReplicationError("Internal", `the config has no bucket ${bucketId}`);
  return placed;
}

/** What may be done to a bucket: what any rule that names it lets be done. */
export function leaveFor(config: ResolvedConfig, bucketId: string): BucketLeave {
  const leaves = Object.values(config.ruleSettings).flatMap(({ buckets }) => buckets[bucketId] ?? []);
  return { create: leaves.some(({ create }) => create), enableVersioning: leaves.some(({ enableVersioning }) => enableVersioning) };
}

export type Environment = Readonly<Record<string, string | undefined>>;
