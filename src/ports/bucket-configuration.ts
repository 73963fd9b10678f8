import type { Bucket } from "../domain/bucket.ts";

/** Sends a bucket's events to a queue, or to what the store calls one. */
export interface QueueNotification {
  /** Unique within its bucket; a store makes one up where none was given. */
  readonly id: string;
  readonly queueArn: string;
  /** S3's names of events, such as `s3:ObjectCreated:*`. */
  readonly events: readonly string[];
  /** Of keys; opaque, goes back as it came. Undefined: all keys. */
  readonly filter?: unknown;
}

/** All notifications of a bucket, which are replaced as a whole. */
export interface Notifications {
  readonly queues: readonly QueueNotification[];
  /** Those to anything else; opaque, goes back as it came. */
  readonly others: unknown;
}

/** `Unsupported`: the store keeps no versions. */
export type KeptVersions = "Enabled" | "Suspended" | "Unversioned" | "Unsupported";

/** What is set up at a bucket rather than stored in it. Of any store: what one does not know is left out or told, never taken for a failure. */
export interface BucketConfiguration {
  /**
   * Where the bucket is, as far as the store tells; undefined where there is no such bucket.
   * @throws `AccessDenied` where it may not be looked at, which never means that it is not there
   */
  find(bucket: Bucket): Promise<{ readonly region: string | undefined } | undefined>;

  versioning(bucket: Bucket): Promise<KeptVersions>;

  /** False also where the store knows no object lock. */
  hasObjectLock(bucket: Bucket): Promise<boolean>;

  /** Creates it in the client's region, closed to the public where the store knows of that. Nothing where it is there and ours already. */
  create(bucket: Bucket, options: { readonly objectLock: boolean }): Promise<void>;

  /** Turns versioning on, which cannot be undone. */
  enableVersioning(bucket: Bucket): Promise<void>;

  /** @throws `AccessDenied`, `NoSuchBucket`, `NotImplemented` where the store has no notifications */
  notifications(bucket: Bucket): Promise<Notifications>;

  /**
   * Replaces all notifications; whoever keeps others' puts back what {@link notifications} returned.
   * @throws `InvalidRequest` where the store refuses them: a target that it does not know or may not send to, filters that overlap
   */
  putNotifications(bucket: Bucket, notifications: Notifications): Promise<void>;

  close(): void;
}
