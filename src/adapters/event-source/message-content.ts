import type { BucketEvent, MalformedRecord, ParsedMessage, ReplicationNotice } from "../../domain/event.ts";

const MAX_EXCERPT_BYTES = 4096;

/** A message of a megabyte can hold half a million records that are nonsense; each kept one is written down durably. */
const MAX_MALFORMED = 20;

/** What one record turned out to be. */
export type RecordReading =
  | BucketEvent
  | { readonly kind: "replication"; readonly notice: ReplicationNotice }
  | { readonly kind: "ignored" }
  | { readonly kind: "malformed"; readonly reason: string };

export const IGNORED: RecordReading = { kind: "ignored" };

/** Collects what the records of one message turn out to be. */
export class MessageContent {
  readonly #events: BucketEvent[] = [];
  readonly #notices: ReplicationNotice[] = [];
  readonly #malformed: MalformedRecord[] = [];
  #ignored = 0;
  #leftOut = 0;

  add(reading: RecordReading, record: unknown): void {
    if (reading.kind === "ignored") this.#ignored++;
    else if (reading.kind === "malformed") this.malformed(reading.reason, record);
    else if (reading.kind === "replication") this.#notices.push(reading.notice);
    else this.#events.push(reading);
  }

  malformed(reason: string, record: unknown): void {
    if (this.#malformed.length < MAX_MALFORMED) this.#malformed.push({ reason, excerpt: excerptOf(record) });
    else this.#leftOut++;
  }

  toMessage(): ParsedMessage {
    const leftOut = this.#leftOut === 0 ? [] : [{ reason: `${this.#leftOut} more records of the same message`, excerpt: "" }];
    const notices = this.#notices.length === 0 ? {} : { notices: this.#notices };
    return { events: this.#events, ...notices, ignored: this.#ignored, malformed: [...this.#malformed, ...leftOut] };
  }
}

/** At most 4 KiB of a record as JSON, never cut within a character. */
export function excerptOf(record: unknown): string {
  const text = (typeof record === "string" ? record : toJson(record)).toWellFormed();
  if (Buffer.byteLength(text) <= MAX_EXCERPT_BYTES) return text;
  const bytes = Buffer.alloc(MAX_EXCERPT_BYTES);
  return bytes.toString("utf8", 0, bytes.write(text));
}

/** JSON.parse takes any depth of nesting, JSON.stringify runs out of stack. */
function toJson(record: unknown): string {
  try {
    return JSON.stringify(record) ?? String(record);
  } catch (error) {
    return `(cannot be printed: ${error instanceof Error ? error.message : "unknown"})`;
  }
}
