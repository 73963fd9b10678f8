/** A bucket of AWS with all that S3's own words for it need. */
export interface NativeBucket {
  /** Canonical id. */
  readonly id: string;
  /** As it is printed. */
  readonly name: string;
  readonly bucket: string;
  readonly region: string;
  /** `aws`, `aws-cn`, `aws-us-gov`. */
  readonly partition: string;
  readonly account: string;
}

/** One source → destination pair that S3 is to replicate by itself. A mesh of N is N·(N−1) of them. */
export interface NativePair {
  /** Id of the rule in the config. */
  readonly rule: string;
  /** Id of the destination in its rule. */
  readonly destinationId: string;
  readonly source: NativeBucket;
  readonly destination: NativeBucket;
  readonly enabled: boolean;
  readonly prefix: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly deleteMarkers: boolean;
  /** The buckets replicate to each other: changes of replicas go back. */
  readonly isTwoWay: boolean;
  readonly storageClass?: string | undefined;
  /** KMS key at the destination, ARN; objects under KMS are replicated only with one. */
  readonly replicaKmsKeyId?: string | undefined;
  readonly replicationTime: boolean;
  /** Replicas are to belong to the destination's account. */
  readonly ownerOverride: boolean;
}

/** Who owns what is set up, and how its roles are made. */
export interface Owner {
  /** `name` of the config. */
  readonly name: string;
  /** IAM path of its roles, with '/' at both ends. */
  readonly path: string;
  readonly permissionsBoundary?: string | undefined;
  /** On every role, beside replicast's own. */
  readonly tags: Readonly<Record<string, string>>;
  /** A role of one's own for all sources: it is used, never changed. */
  readonly roleArn?: string | undefined;
  /** Begins the names of roles; the name of the config where absent. */
  readonly rolePrefix?: string | undefined;
}

export function bucketArn({ partition, bucket }: Pick<NativeBucket, "partition" | "bucket">): string {
  return `arn:${partition}:s3:::${bucket}`;
}
