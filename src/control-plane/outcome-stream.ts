import type { Rule } from "../domain/rule.ts";
import type { Row } from "./rows.ts";
import { type EngineLookup, Names, toObjectListItem } from "./status.ts";

/** Calls back with every row that an outcome left, once it is durable. Returns what stops it. */
export type OutcomeFeed = (listener: (row: Row) => void) => () => void;

export interface OutcomeStreamOptions {
  readonly rules: readonly Rule[];
  /** @defaultValue copy for every rule */
  readonly engineOf?: EngineLookup | undefined;
  readonly feed: OutcomeFeed;
  /** Only of this rule. */
  readonly rule?: string | undefined;
  /** Ends the stream. */
  readonly closing?: AbortSignal | undefined;
}

/** Proxies commonly cut what was silent for a minute. */
const HEARTBEAT_MS = 15_000;
/** Outcomes that wait for a reader who is slow; what is more is dropped, and the reader told how many. */
const MAX_WAITING = 1_000;

/**
 * Answers with server-sent events: `outcome` with the row as `objects list` gives it, `dropped` with a count where the reader could not keep up.
 *
 * A stream shows what happens while it is read: what it missed is in the ledger. https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export function outcomeStream(options: OutcomeStreamOptions): Response {
  const stream = new OutcomeStream(options);
  const source = { start: stream.start.bind(stream), cancel: stream.cancel.bind(stream) };
  const body = new ReadableStream<Uint8Array>(source, { highWaterMark: MAX_WAITING });
  return new Response(body, { headers: { "content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no" } });
}

class OutcomeStream {
  readonly #options: OutcomeStreamOptions;
  readonly #names: Names;
  readonly #encoder = new TextEncoder();
  #dropped = 0;
  #release: () => void = () => {};

  constructor(options: OutcomeStreamOptions) {
    this.#options = options;
    this.#names = new Names(options.rules, options.engineOf);
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    const { feed, closing } = this.#options;
    const send = (text: string) => controller.enqueue(this.#encoder.encode(text));
    // Says at once that the stream is open: the headers alone may wait in a proxy.
    send(": open\n\n");
    const stop = feed((row) => this.#offer(row, controller, send));
    const heartbeat = setInterval(() => {
      if ((controller.desiredSize ?? 0) > 0) send(": still here\n\n");
    }, HEARTBEAT_MS);
    heartbeat.unref();
    const onClosing = () => {
      this.#release();
      controller.close();
    };
    this.#release = () => {
      stop();
      clearInterval(heartbeat);
      closing?.removeEventListener("abort", onClosing);
    };
    if (closing?.aborted) onClosing();
    else closing?.addEventListener("abort", onClosing);
  }

  cancel(): void {
    this.#release();
  }

  #offer(row: Row, controller: ReadableStreamDefaultController<Uint8Array>, send: (text: string) => void): void {
    const { rule } = this.#options;
    if (rule !== undefined && row.entry.rule !== rule) return;
    if ((controller.desiredSize ?? 0) <= 0) {
      this.#dropped++;
      return;
    }
    if (this.#dropped > 0) send(message("dropped", { count: this.#dropped }));
    this.#dropped = 0;
    send(message("outcome", toObjectListItem(row, this.#names)));
  }
}

function message(event: string, data: object): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
