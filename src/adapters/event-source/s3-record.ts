import type { BucketEvent, ReplicationNotice } from "../../domain/event.ts";
import { etagAt, type Fields, fieldsAt, sizeAt, textAt, timeAt } from "./event-fields.ts";
import { meaningOfName, noticeOfName } from "./event-kind.ts";
import { formDecode, type KeyEncoding, type KeyReadings, readKey } from "./key-readings.ts";
import { IGNORED, type RecordReading } from "./message-content.ts";

const PREFIX = "s3:";

/** Minor versions only add fields. https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html */
const MAJOR_VERSION = "2";

/** What stands beside the record and bears on how it is read. */
export interface RecordContext {
  readonly keyEncoding: KeyEncoding;
  /** `bucket/key` with nothing encoded, which MinIO puts beside its one record. */
  readonly plainPath: string | undefined;
}

/** Reads one record of the S3 notification structure, as AWS and everyone after it sends. */
export function readS3Record(record: Fields, context: RecordContext): RecordReading {
  const name = textAt(record, "eventName");
  if (name === undefined) return malformed("the record has no eventName");
  const eventName = name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name;
  const notice = noticeOfName(eventName);
  if (notice !== undefined) return readNotice(record, notice);
  const kind = meaningOfName(eventName);
  if (kind === undefined) return malformed(`unknown event name ${name.slice(0, 100)}`);
  if (kind === "ignored") return IGNORED;
  if (!versionFits(record.eventVersion)) return malformed("this eventVersion is not understood");
  return readObject(record, { kind, eventName }, context);
}

interface Change {
  readonly kind: BucketEvent["kind"];
  readonly eventName: string;
}

function readObject(record: Fields, { kind, eventName }: Change, context: RecordContext): RecordReading {
  const s3 = fieldsAt(record, "s3");
  const bucket = textAt(fieldsAt(s3, "bucket"), "name");
  if (bucket === undefined) return malformed("the record names no bucket");
  const object = fieldsAt(s3, "object");
  const text = textAt(object, "key");
  if (text === undefined) return malformed("the record names no key");
  const keys =
    confirmedKey(text, bucket, context.plainPath) ?? readKey(text, context.keyEncoding, sendsRawKeys(record, s3) ? "raw" : "url");
  if (keys === undefined) return malformed("the key is not UTF-8 of 1 to 1024 bytes in the store's encoding");
  return {
    kind,
    bucket,
    keys,
    eventName,
    eventTime: timeAt(record, "eventTime"),
    versionId: textAt(object, "versionId"),
    sequencer: textAt(object, "sequencer"),
    // The ETag of a delete is a marker's, and says nothing of any object.
    ...(kind === "deleted" ? {} : { etag: etagAt(object, "eTag"), sizeBytes: knownSize(object, eventName) }),
  };
}

/** AWS alone names the rule; it encodes its keys. What names none (MinIO) is of no rule of ours. */
function readNotice(record: Fields, kind: ReplicationNotice["kind"]): RecordReading {
  if (!versionFits(record.eventVersion)) return malformed("this eventVersion is not understood");
  const s3 = fieldsAt(record, "s3");
  const object = fieldsAt(s3, "object");
  const data = fieldsAt(record, "replicationEventData");
  const bucket = textAt(fieldsAt(s3, "bucket"), "name");
  const key = readKey(textAt(object, "key") ?? "", "url", "url")?.[0];
  const ruleId = textAt(data, "replicationRuleId");
  if (ruleId === undefined) return IGNORED;
  if (bucket === undefined || key === undefined) return malformed("the record names no bucket or no key");
  const failureReason = textAt(data, "failureReason");
  const versionId = textAt(object, "versionId");
  return { kind: "replication", notice: { kind, bucket, key, versionId, ruleId, failureReason, eventTime: timeAt(record, "eventTime") } };
}

function malformed(reason: string): RecordReading {
  return { kind: "malformed", reason };
}

function versionFits(version: unknown): boolean {
  if (version === undefined || version === null) return true;
  return (typeof version === "string" || typeof version === "number") && String(version).split(".", 1)[0] === MAJOR_VERSION;
}

/** The decoded reading alone, where the path beside the record confirms it. */
function confirmedKey(text: string, bucket: string, plainPath: string | undefined): KeyReadings | undefined {
  if (plainPath === undefined) return undefined;
  const decoded = formDecode(text);
  return decoded !== undefined && plainPath === `${bucket}/${decoded}` ? readKey(text, "url", "url") : undefined;
}

/** versitygw claims to be AWS but encodes nothing; its configuration ids (`webhook-global`, `nats-global`, …) give it away. */
function sendsRawKeys(record: Fields, s3: Fields): boolean {
  if (record.eventSource !== "aws:s3" || !textAt(record, "eventName")?.startsWith(PREFIX)) return false;
  return record.eventVersion === "2.2" && textAt(s3, "configurationId")?.endsWith("-global") === true;
}

/** versitygw says 0 for what it copied or assembled, however large it is; for a really empty object the size is only looked up. */
function knownSize(object: Fields, eventName: string): number | undefined {
  const size = sizeAt(object, "size");
  const untold = size === 0 && (eventName === "ObjectCreated:Copy" || eventName === "ObjectCreated:CompleteMultipartUpload");
  return untold ? undefined : size;
}
