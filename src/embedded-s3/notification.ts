import { formEncode } from "./form-encoding.ts";
import type { Version } from "./object-version.ts";

export type EventName =
  | "ObjectCreated:Put"
  | "ObjectCreated:Copy"
  | "ObjectCreated:CompleteMultipartUpload"
  | "ObjectAcl:Put"
  | "ObjectTagging:Put"
  | "ObjectTagging:Delete"
  | "ObjectRestore:Post"
  | "ObjectRestore:Completed"
  | "ObjectRemoved:Delete"
  | "ObjectRemoved:DeleteMarkerCreated"
  | "LifecycleExpiration:Delete"
  | "LifecycleExpiration:DeleteMarkerCreated";

/** One record of an S3 notification. https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html */
export interface NotificationRecord {
  readonly eventVersion: string;
  readonly eventSource: "aws:s3";
  readonly awsRegion: string;
  /** ISO 8601. */
  readonly eventTime: string;
  readonly eventName: EventName;
  readonly userIdentity: { readonly principalId: string };
  readonly requestParameters: { readonly sourceIPAddress: string };
  readonly responseElements: Readonly<Record<string, string>>;
  readonly s3: {
    readonly s3SchemaVersion: "1.0";
    readonly configurationId: string;
    readonly bucket: { readonly name: string; readonly ownerIdentity: { readonly principalId: string }; readonly arn: string };
    readonly object: NotifiedObject;
  };
}

export interface NotifiedObject {
  /** Form-urlencoded. */
  readonly key: string;
  readonly size?: number;
  readonly eTag?: string;
  /** Only where versioning is enabled. */
  readonly versionId?: string;
  /** Hex of a fixed width; absent from tag events. */
  readonly sequencer?: string;
}

export interface Change {
  readonly eventName: EventName;
  readonly region: string;
  readonly bucket: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** The version that was written, tagged or removed. */
  readonly version: Version;
  readonly versioned: boolean;
  readonly sequencer: string;
}

/** The schema that is one for all events. */
const EVENT_VERSION = "2.4";
const OWNER = "embedded";
const EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e";

/** Describes a change as S3 announces it. */
export function toNotificationRecord(change: Change): NotificationRecord {
  return {
    eventVersion: EVENT_VERSION,
    eventSource: "aws:s3",
    awsRegion: change.region,
    eventTime: new Date(change.at).toISOString(),
    eventName: change.eventName,
    userIdentity: { principalId: OWNER },
    requestParameters: { sourceIPAddress: "127.0.0.1" },
    responseElements: {},
    s3: {
      s3SchemaVersion: "1.0",
      configurationId: "embedded-s3",
      bucket: { name: change.bucket, ownerIdentity: { principalId: OWNER }, arn: `arn:aws:s3:::${change.bucket}` },
      object: toNotifiedObject(change),
    },
  };
}

function toNotifiedObject({ eventName, version, versioned, sequencer }: Change): NotifiedObject {
  const common = { key: formEncode(version.key), ...(versioned && { versionId: version.versionId }) };
  if (eventName.startsWith("ObjectCreated:") && version.kind === "object") {
    return { ...common, size: version.body.sizeBytes, eTag: version.etag, sequencer };
  }
  // S3 orders creations and removals only.
  if (eventName.startsWith("ObjectRestore:") && version.kind === "object")
    return { ...common, size: version.body.sizeBytes, eTag: version.etag };
  if (eventName.startsWith("ObjectTagging:") || eventName === "ObjectAcl:Put")
    return { ...common, ...(version.kind === "object" && { eTag: version.etag }) };
  return eventName.endsWith(":DeleteMarkerCreated") ? { ...common, eTag: EMPTY_MD5, sequencer } : { ...common, sequencer };
}
