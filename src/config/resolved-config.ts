import type { Bucket } from "../domain/bucket.ts";
import type { Rule } from "../domain/rule.ts";
import type { Secret } from "./secret.ts";

/** How a store is signed for. */
export type Credentials =
  | { readonly kind: "static"; readonly accessKeyId: string; readonly secretAccessKey: Secret; readonly sessionToken?: Secret | undefined }
  | { readonly kind: "profile"; readonly profile: string }
  | { readonly kind: "role"; readonly roleArn: string; readonly externalId?: string | undefined }
  | { readonly kind: "default" };

/** How changes of a bucket become known. */
export type EventsSetting =
  | { readonly type: "webhook" }
  | { readonly type: "sqs"; readonly queueUrl: string; readonly region?: string | undefined }
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
  readonly engine: "auto" | "copy";
  /** Of the source. */
  readonly events: EventsSetting;
  readonly limits: Limits;
  /** Null: no scheduled sync. */
  readonly syncMs: number | null;
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
  readonly rules: readonly Rule[];
  /** By rule id. */
  readonly ruleSettings: Readonly<Record<string, RuleSettings>>;
  /** Every bucket the rules name, by canonical id. */
  readonly buckets: Readonly<Record<string, ResolvedBucket>>;
  readonly runtime: "standalone";
  readonly state: { readonly kind: "sqlite"; readonly path: string };
  readonly listen: Listen;
  readonly limits: Limits & { readonly concurrency: number };
  readonly retry: Retry;
  readonly schedule: Schedule;
}

export type Environment = Readonly<Record<string, string | undefined>>;
