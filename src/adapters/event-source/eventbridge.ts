import type { BucketEvent } from "../../domain/event.ts";
import { etagAt, type Fields, fieldsAt, sizeAt, textAt, timeAt } from "./event-fields.ts";
import { meaningOfDetailType } from "./event-kind.ts";
import { type KeyEncoding, readKey } from "./key-readings.ts";
import { IGNORED, type RecordReading } from "./message-content.ts";

/** Reads one EventBridge event of S3. https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html */
export function readEventBridge(envelope: Fields, keyEncoding: KeyEncoding): RecordReading {
  const eventName = textAt(envelope, "detail-type");
  const kind = eventName === undefined ? undefined : meaningOfDetailType(eventName);
  if (eventName === undefined || kind === undefined) return malformed("unknown EventBridge detail-type");
  if (kind === "ignored") return IGNORED;
  return readObject(envelope, { kind, eventName }, keyEncoding);
}

interface Change {
  readonly kind: BucketEvent["kind"];
  readonly eventName: string;
}

function readObject(envelope: Fields, { kind, eventName }: Change, keyEncoding: KeyEncoding): RecordReading {
  const detail = fieldsAt(envelope, "detail");
  const bucket = textAt(fieldsAt(detail, "bucket"), "name");
  if (bucket === undefined) return malformed("the event names no bucket");
  const object = fieldsAt(detail, "object");
  const text = textAt(object, "key");
  if (text === undefined) return malformed("the event names no key");
  // That a store encodes keys in its notifications says nothing of what its EventBridge does, and AWS does not document it.
  const keys = readKey(text, keyEncoding === "raw" ? "raw" : "unknown", "raw");
  if (keys === undefined) return malformed("the key is not UTF-8 of 1 to 1024 bytes");
  return {
    kind,
    bucket,
    keys,
    eventName,
    eventTime: timeAt(envelope, "time"),
    versionId: textAt(object, "version-id"),
    sequencer: textAt(object, "sequencer"),
    // moto writes `eTag` where AWS writes `etag`.
    ...(kind === "deleted" ? {} : { etag: etagAt(object, "etag") ?? etagAt(object, "eTag"), sizeBytes: sizeAt(object, "size") }),
  };
}

function malformed(reason: string): RecordReading {
  return { kind: "malformed", reason };
}
