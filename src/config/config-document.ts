import type { ConflictPolicy } from "../domain/decision.ts";
import type { DeleteMode, Destination, Engine, Preserve, Restore, Rule } from "../domain/rule.ts";
import type { TokenScope } from "./resolved-config.ts";
import type { Secret } from "./secret.ts";

/** A replicast.yaml that the schema has accepted, defaults filled in: durations, sizes and references are still text. */
export interface ConfigDocument {
  readonly version: 1;
  readonly name: string;
  readonly stores: Readonly<Record<string, StoreDocument>>;
  readonly rules: readonly RuleDocument[];
  readonly runtime: "standalone";
  readonly state: string;
  readonly listen: ListenDocument;
  readonly limits: LimitsDocument & { readonly concurrency: number };
  readonly deleteGate: { readonly max: number; readonly percent: number; readonly window: string };
  readonly retry: { readonly maxAttempts: number; readonly initial: string; readonly max: string };
  readonly schedule: { readonly sync?: string | undefined; readonly attributes: string };
  readonly iam: IamDocument;
}

export interface IamDocument {
  readonly path?: string | undefined;
  readonly permissionsBoundary?: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
  readonly roleArn?: string | undefined;
  readonly rolePrefix?: string | undefined;
  readonly propagation: string;
}

export interface StoreDocument {
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  readonly forcePathStyle?: boolean | undefined;
  readonly credentials?: CredentialsDocument | undefined;
  readonly tls?: { readonly caFile?: string | undefined } | undefined;
  readonly events?: EventsDocument | undefined;
  readonly maxConnections: number;
  readonly limits?: LimitsDocument | undefined;
}

export interface CredentialsDocument {
  readonly accessKeyId?: string | undefined;
  readonly secretAccessKey?: Secret | undefined;
  readonly sessionToken?: Secret | undefined;
  readonly profile?: string | undefined;
  readonly roleArn?: string | undefined;
  readonly externalId?: string | undefined;
}

export type EventsDocument =
  | { readonly type: "webhook"; readonly arn?: string | undefined }
  | { readonly type: "sqs"; readonly queueUrl?: string | undefined; readonly region?: string | undefined }
  | { readonly type: "poll"; readonly every: string }
  | { readonly type: "none" };

export interface LimitsDocument {
  readonly concurrency?: number | undefined;
  readonly bandwidth?: string | undefined;
  readonly requestsPerSecond?: number | undefined;
}

export interface ListenDocument {
  readonly host: string;
  readonly port: number;
  readonly tokens: readonly { readonly token: Secret; readonly scope: TokenScope }[];
  readonly tls?: { readonly certFile: string; readonly keyFile: string } | undefined;
}

/** `{eu-west-1: photos}` is the region map. */
export type SourceDocument = string | SourceMap | Readonly<Record<string, string>>;
export type DestinationDocument = string | DestinationMap | Readonly<Record<string, string>>;
export type MemberDocument = string | MemberMap | Readonly<Record<string, string>>;

export interface BucketMap {
  readonly bucket: string;
  readonly store?: string | undefined;
  readonly region?: string | undefined;
  readonly account?: string | undefined;
}

export interface SourceMap extends BucketMap {
  readonly kmsKeys?: readonly string[] | undefined;
  readonly prefix?: string | undefined;
  readonly events?: EventsDocument | undefined;
}

/** What every replica at a destination gets. */
export interface ReplicaSettings extends BucketSettings {
  readonly owner?: Destination["owner"];
  readonly storageClass?: string | undefined;
  readonly encryption?: EncryptionDocument | undefined;
}

/** Of a rule, and of a single destination or member over it. */
export interface BucketSettings {
  readonly replicationTime?: boolean | undefined;
  readonly createBuckets?: boolean | undefined;
  readonly versioning?: "require" | "enable" | undefined;
}

/** Whether what was there before is replicated; a map: unless it is more than this. */
export type ExistingDocument = boolean | { readonly maxObjects?: number | undefined; readonly maxCost?: number | undefined };

export interface EncryptionDocument {
  readonly type: "AES256" | "aws:kms";
  readonly keyId?: string | undefined;
}

export interface DestinationMap extends BucketMap, ReplicaSettings {
  readonly prefix?: string | undefined;
  readonly id?: string | undefined;
  readonly existingObjects?: ExistingDocument | undefined;
}

/** A member of a mesh; with `regions`, one in each of them. */
export interface MemberMap extends BucketMap, ReplicaSettings {
  readonly regions?: readonly string[] | undefined;
  readonly kmsKeys?: readonly string[] | undefined;
  readonly events?: EventsDocument | undefined;
}

export interface RuleDocument {
  readonly id: string;
  /** Absent where there is a mesh; so are the destinations. */
  readonly source?: SourceDocument | undefined;
  readonly destinations?: readonly DestinationDocument[] | undefined;
  readonly mesh?: readonly MemberDocument[] | undefined;
  readonly engine: "auto" | Engine;
  readonly enabled: boolean;
  readonly filter: FilterDocument;
  readonly preserve: Preserve;
  readonly restore?: Restore | undefined;
  readonly existingObjects: ExistingDocument;
  readonly replicationTime: boolean;
  readonly createBuckets: boolean;
  readonly versioning: "require" | "enable";
  /** Absent where nothing was written: not every rule can have one. */
  readonly conflict?: ConflictPolicy | undefined;
  readonly deletes: DeleteMode;
  readonly expirations: boolean;
  /** Absent where nothing was written: what it is then depends on the engine. */
  readonly versions?: Rule["versions"] | undefined;
  readonly transit: boolean;
  readonly stamp: Rule["stamp"];
  readonly unsafe: readonly "unconditional-deletes"[];
  readonly renamedFrom?: string | undefined;
  readonly limits?: LimitsDocument | undefined;
}

export interface FilterDocument {
  readonly prefix?: string | undefined;
  readonly suffix?: string | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly minBytes?: string | number | undefined;
  readonly maxBytes?: string | number | undefined;
}
