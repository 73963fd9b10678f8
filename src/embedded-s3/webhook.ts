import { Agent, request } from "node:http";
import type { NotificationRecord } from "./notification.ts";

export interface WebhookOptions {
  /** `http:` only. */
  readonly url: string;
  /** Sent as `Authorization: Bearer <token>`. */
  readonly token?: string | undefined;
  /** True: an event that was not taken is sent again until it is; false: it is lost, as with MinIO without a queue directory. @defaultValue false */
  readonly retry?: boolean | undefined;
  /** Milliseconds before an event is sent again. @defaultValue 200 */
  readonly retryDelayMs?: number | undefined;
}

const MAX_IN_FLIGHT = 16;
const DEFAULT_RETRY_DELAY_MS = 200;
/** Long enough for a receiver that makes events durable before it answers. */
const ANSWER_TIMEOUT_MS = 10_000;

/** Posts records to one URL: those of one key in order, those of different keys at the same time. */
export class Webhook {
  readonly #url: URL;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #retryDelayMs: number | undefined;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: MAX_IN_FLIGHT });
  readonly #timers = new Set<NodeJS.Timeout>();
  /** Records by object; the first is being sent or about to be. */
  readonly #queues = new Map<string, NotificationRecord[]>();
  #ready: string[] = [];
  #nextReady = 0;
  #inFlight = 0;
  #lost = 0;
  #closed = false;

  constructor({ url, token, retry = false, retryDelayMs = DEFAULT_RETRY_DELAY_MS }: WebhookOptions) {
    this.#url = new URL(url);
    if (this.#url.protocol !== "http:") throw new TypeError(`a webhook is reached over http:, not ${this.#url.protocol}`);
    this.#headers = { "content-type": "application/json", ...(token !== undefined && { authorization: `Bearer ${token}` }) };
    this.#retryDelayMs = retry ? retryDelayMs : undefined;
  }

  /** Events that will never arrive. */
  get lost(): number {
    return this.#lost;
  }

  push(record: NotificationRecord): void {
    if (this.#closed) return;
    const id = `${record.s3.bucket.name}/${record.s3.object.key}`;
    const queue = this.#queues.get(id);
    if (queue !== undefined) {
      queue.push(record);
      return;
    }
    this.#queues.set(id, [record]);
    this.#makeReady(id);
  }

  /** Ends what is being sent and counts what was not delivered as lost. */
  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    for (const queue of this.#queues.values()) this.#lost += queue.length;
    this.#queues.clear();
    this.#agent.destroy();
  }

  #makeReady(id: string): void {
    this.#ready.push(id);
    this.#pump();
  }

  #pump(): void {
    while (this.#inFlight < MAX_IN_FLIGHT && this.#nextReady < this.#ready.length) {
      const id = this.#ready[this.#nextReady++] as string;
      this.#send(id);
    }
    // Taking from the front would move all the rest each time.
    if (this.#nextReady > 1024 || this.#nextReady === this.#ready.length) {
      this.#ready = this.#ready.slice(this.#nextReady);
      this.#nextReady = 0;
    }
  }

  #send(id: string): void {
    const record = this.#queues.get(id)?.[0];
    if (record === undefined) return;
    this.#inFlight++;
    this.#post(JSON.stringify({ Records: [record] }), (taken) => {
      this.#inFlight--;
      if (this.#closed) return;
      if (taken || this.#retryDelayMs === undefined) this.#finish(id, taken);
      else this.#sendAgain(id, this.#retryDelayMs);
      this.#pump();
    });
  }

  #finish(id: string, taken: boolean): void {
    if (!taken) this.#lost++;
    const queue = this.#queues.get(id);
    queue?.shift();
    if (queue === undefined || queue.length === 0) this.#queues.delete(id);
    else this.#ready.push(id);
  }

  #sendAgain(id: string, delayMs: number): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#makeReady(id);
    }, delayMs);
    this.#timers.add(timer.unref());
  }

  /** Calls back exactly once with whether the answer was 2xx. */
  #post(body: string, done: (taken: boolean) => void): void {
    const bytes = Buffer.from(body);
    let answered = false;
    const settle = (taken: boolean) => {
      if (answered) return;
      answered = true;
      done(taken);
    };
    const headers = { ...this.#headers, "content-length": bytes.length };
    const posted = request(this.#url, { method: "POST", agent: this.#agent, timeout: ANSWER_TIMEOUT_MS, headers });
    posted.on("response", (response) => {
      const status = response.statusCode ?? 0;
      response.resume();
      response.on("end", () => settle(status >= 200 && status < 300));
      response.on("close", () => settle(false));
    });
    posted.on("timeout", () => posted.destroy());
    posted.on("error", () => settle(false));
    posted.on("close", () => settle(false));
    posted.end(bytes);
  }
}
