/** A change of one object, read out of whatever shape its store announced it in. */
export interface BucketEvent {
  readonly kind: "created" | "deleted" | "attributes";
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

/** What one message held. */
export interface ParsedMessage {
  readonly events: readonly BucketEvent[];
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
