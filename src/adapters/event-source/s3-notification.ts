import { ReplicationError } from "../../domain/error.ts";
import type { ParsedMessage } from "../../domain/event.ts";
import { type Fields, isFields, textAt } from "./event-fields.ts";
import { readEventBridge } from "./eventbridge.ts";
import type { KeyEncoding } from "./key-readings.ts";
import { excerptOf, IGNORED, MessageContent } from "./message-content.ts";
import { readS3Record } from "./s3-record.ts";

export interface ParseOptions {
  /**
   * What is known of how the store writes keys into its notifications. Where it is `unknown` and two readings of a key differ, the event
   * holds both; whoever deletes by an event must then not guess.
   *
   * @defaultValue "unknown"
   */
  readonly keyEncoding?: KeyEncoding | undefined;
}

/** The deepest that is of use is EventBridge in SNS in SQS in a Lambda event: 4. */
const MAX_DEPTH = 8;

const UTF8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Reads the bucket events out of a message, whatever shape it arrived in: S3's notification structure as AWS, MinIO, versitygw, Ceph and
 * the emulators send it; inside SNS, SQS and Lambda envelopes in any order; EventBridge.
 *
 * Takes text or bytes that should be JSON, or JSON already parsed. A record that nobody understands costs no other record of the message.
 *
 * @throws ReplicationError `MalformedEvent` where the message is not JSON at all
 */
export function parseMessage(body: unknown, options: ParseOptions = {}): ParsedMessage {
  const content = new MessageContent();
  new MessageReader(content, options.keyEncoding ?? "unknown").read(toDocument(body), 0);
  return content.toMessage();
}

/** The message that stands for a body which {@link parseMessage} throws at, for where it cannot be given back to its sender. */
export function malformedMessage(body: string, reason: string): ParsedMessage {
  return { events: [], ignored: 0, malformed: [{ reason, excerpt: excerptOf(body) }] };
}

function toDocument(body: unknown): unknown {
  if (typeof body === "object" && !(body instanceof Uint8Array)) return body;
  if (typeof body === "number" || typeof body === "boolean") return body;
  try {
    return JSON.parse(body instanceof Uint8Array ? UTF8.decode(body) : String(body));
  } catch (cause) {
    throw new ReplicationError("MalformedEvent", "the message is not JSON", {
      hint: "send bucket notifications as S3, MinIO, SNS, SQS or EventBridge write them",
      cause,
    });
  }
}

/** Opens envelopes until it meets records. */
class MessageReader {
  readonly #content: MessageContent;
  readonly #keyEncoding: KeyEncoding;

  constructor(content: MessageContent, keyEncoding: KeyEncoding) {
    this.#content = content;
    this.#keyEncoding = keyEncoding;
  }

  read(document: unknown, depth: number): void {
    if (depth > MAX_DEPTH) this.#malformed("too many envelopes in each other", document);
    else if (typeof document === "string") this.#open(document, depth);
    else if (Array.isArray(document)) this.#readAll(document, depth);
    else if (isFields(document)) this.#readFields(document, depth);
    else this.#malformed("not a bucket event", document);
  }

  #readFields(fields: Fields, depth: number): void {
    if (Array.isArray(fields.Records)) this.#readRecords(fields, fields.Records, depth);
    else if (isFields(fields.s3)) this.#readRecord(fields, undefined);
    else if (fields.Event === "s3:TestEvent") this.#content.add(IGNORED, fields);
    else if (fields["detail-type"] !== undefined) this.#content.add(readEventBridge(fields, this.#keyEncoding), fields);
    else if (fields.Type !== undefined) this.#readSns(fields, depth);
    else if (fields.Sns !== undefined) this.read(fields.Sns, depth + 1);
    else if (typeof fields.body === "string") this.#open(fields.body, depth);
    else this.#malformed(fields.eventName === undefined ? "not a bucket event" : "the record names no bucket and no key", fields);
  }

  #readAll(documents: readonly unknown[], depth: number): void {
    if (documents.length === 0) this.#malformed("no records", documents);
    for (const document of documents) this.read(document, depth + 1);
  }

  #readRecords(fields: Fields, records: readonly unknown[], depth: number): void {
    if (records.length === 0) this.#malformed("no records", fields);
    // With several records it could not be known which one MinIO's path is about.
    const plainPath = records.length === 1 ? textAt(fields, "Key") : undefined;
    for (const record of records) {
      if (isFields(record) && isFields(record.s3)) this.#readRecord(record, plainPath);
      else this.read(record, depth + 1);
    }
  }

  #readRecord(record: Fields, plainPath: string | undefined): void {
    this.#content.add(readS3Record(record, { keyEncoding: this.#keyEncoding, plainPath }), record);
  }

  #readSns(fields: Fields, depth: number): void {
    if (fields.Type === "Notification" && typeof fields.Message === "string") this.#open(fields.Message, depth);
    else if (fields.Type === "SubscriptionConfirmation")
      this.#malformed("SNS asks to confirm a subscription; subscribe an SQS queue", fields);
    else this.#malformed("not a bucket event", fields);
  }

  /** Reads the text that an envelope carries. */
  #open(text: string, depth: number): void {
    let document: unknown;
    try {
      document = JSON.parse(text);
    } catch {
      this.#malformed("the envelope holds no JSON", text);
      return;
    }
    this.read(document, depth + 1);
  }

  #malformed(reason: string, record: unknown): void {
    this.#content.malformed(reason, record);
  }
}
