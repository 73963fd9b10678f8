/** A change of one object, read out of whatever shape its store announced it in. */
export interface BucketEvent {
  /** `restored`: what was archived can be read for a while. */
  readonly kind: "created" | "deleted" | "attributes" | "restored";
  /** Bucket name as the event gives it. */
  readonly bucket: string;
  /** The readings of the key, the likelier first; one only where the encoding is certain. */
  readonly keys: readonly [string, ...string[]];
  /** As the store named it, without `s3:`. */
  readonly eventName: string;
  /** Milliseconds since the epoch; absent where the event has none. */
  readonly eventTime?: number | undefined;
  readonly etag?: string | undefined;
  readonly sizeBytes?: number | undefined;
  readonly versionId?: string | undefined;
  readonly sequencer?: string | undefined;
}

/** What S3's own replication tells of one object and one of its rules: never that it went well in time. */
export interface ReplicationNotice {
  /** `notTracked`: S3 no longer measures it; the object may be there or not. */
  readonly kind: "failed" | "delayed" | "late" | "notTracked";
  /** Bucket name of the source. */
  readonly bucket: string;
  readonly key: string;
  readonly versionId?: string | undefined;
  readonly ruleId: string;
  /** S3's word for why: `AssumeRoleNotPermitted`, … */
  readonly failureReason?: string | undefined;
  /** Milliseconds since the epoch. */
  readonly eventTime?: number | undefined;
}

/** What one message held. */
export interface ParsedMessage {
  readonly events: readonly BucketEvent[];
  /** Absent where there are none, as in nearly every message. */
  readonly notices?: readonly ReplicationNotice[] | undefined;
  /** Records that were understood and mean nothing to replication: test events, restore notices. */
  readonly ignored: number;
  /** Records nobody understood, each with why; to be set aside. */
  readonly malformed: readonly MalformedRecord[];
}

export interface MalformedRecord {
  readonly reason: string;
  /** At most 4 KiB of what arrived, for a person to look at. */
  readonly excerpt: string;
}
