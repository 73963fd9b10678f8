import type { PolicyDocument } from "../domain/policy-document.ts";

/** One rule of S3's own replication. https://docs.aws.amazon.com/AmazonS3/latest/API/API_ReplicationRule.html */
export interface ReplicationRule {
  /** '' where it has none; S3 then makes one up. */
  readonly id: string;
  readonly status: "Enabled" | "Disabled";
  /** Null: a rule of the older schema (V1), which has no priority, replicates delete markers and stands beside no rule of the newer one. */
  readonly priority: number | null;
  /** '' for all keys. */
  readonly prefix: string;
  /** All of them must be on the object. */
  readonly tags: Readonly<Record<string, string>>;
  readonly deleteMarkerReplication: boolean;
  /** Changes of a replica's tags, ACL and lock go back too: for buckets that replicate to each other. */
  readonly replicaModifications: boolean;
  /** Objects under KMS are replicated; without it S3 leaves them out. */
  readonly kmsEncryptedObjects: boolean;
  readonly destination: ReplicationRuleDestination;
  /** The rule as S3 gave it: put back unchanged, whatever the other fields say. Absent: made from the other fields. */
  readonly raw?: unknown;
}

export interface ReplicationRuleDestination {
  readonly bucketArn: string;
  readonly account?: string | undefined;
  /** Replicas belong to the destination's account: needs {@link account}. */
  readonly ownerOverride: boolean;
  readonly storageClass?: string | undefined;
  readonly replicaKmsKeyId?: string | undefined;
  /** Replication time control with its metrics, both at 15 minutes, which is the only value there is. */
  readonly replicationTime: boolean;
}

/** Everything that a bucket replicates, which S3 replaces as a whole. */
export interface ReplicationDocument {
  /** ARN of the one role that all rules use. */
  readonly role: string;
  readonly rules: readonly ReplicationRule[];
}

export interface BucketFacts {
  /** Where it is, whatever the config says. */
  readonly region: string;
  readonly versioning: "Enabled" | "Suspended" | "Unversioned";
  readonly objectLock: boolean;
  readonly requesterPays: boolean;
  /** ACLs are off (BucketOwnerEnforced). */
  readonly ownerEnforced: boolean;
  /** Key of the default encryption where that is KMS: ARN, id, alias, or '' for AWS's own key; null where it is not. */
  readonly defaultKeyId: string | null;
}

/** What is there already; delete markers are not counted. */
export interface CountedObjects {
  readonly objects: number;
  readonly bytes: number;
  /** False: there are more, which nobody counted. */
  readonly isWhole: boolean;
}

/** What S3 has to be told, at one bucket, to replicate by itself. One client a bucket: each is called in its own region. */
export interface ReplicationConfiguration {
  /**
   * Undefined where there is no such bucket.
   * @throws `AccessDenied` where the bucket is another's or may not be looked at, which never means that it is not there
   */
  facts(): Promise<BucketFacts | undefined>;

  /** Creates it, private and with its owner's rights enforced, in the client's region. */
  create(options: { readonly objectLock: boolean }): Promise<void>;

  /** Turns versioning on, which cannot be undone. */
  enableVersioning(): Promise<void>;

  /** Undefined where nothing is replicated. */
  replication(): Promise<ReplicationDocument | undefined>;

  /** Replaces the whole document; without rules it is deleted. */
  putReplication(document: ReplicationDocument): Promise<void>;

  /** Undefined where there is none. */
  policy(): Promise<PolicyDocument | undefined>;

  /** Replaces the whole policy; undefined, and one without statements, deletes it. */
  putPolicy(policy: PolicyDocument | undefined): Promise<void>;

  /** Counts the versions of objects under a prefix, on at most `maxPages` pages of a thousand, and until the signal aborts. */
  count(prefix: string, options: { readonly maxPages: number; readonly signal?: AbortSignal | undefined }): Promise<CountedObjects>;

  /** KMS keys that a sample of the bucket's newest objects is encrypted with, by ARN. At most `sample` objects are looked at. */
  sampledKeys(sample: number): Promise<readonly string[]>;

  close(): void;
}
