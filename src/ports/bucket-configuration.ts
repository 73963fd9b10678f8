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

/** What is set up at a bucket rather than stored in it. */
export interface BucketConfiguration {
  /** @throws `AccessDenied`, `NoSuchBucket`, `NotImplemented` where the store has no notifications */
  notifications(bucket: Bucket): Promise<Notifications>;

  /**
   * Replaces all notifications; whoever keeps others' puts back what {@link notifications} returned.
   * @throws `InvalidRequest` where the store refuses them: a target that it does not know or may not send to, filters that overlap
   */
  putNotifications(bucket: Bucket, notifications: Notifications): Promise<void>;

  close(): void;
}
