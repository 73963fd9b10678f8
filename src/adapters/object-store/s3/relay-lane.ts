import { ReplicationError } from "../../../domain/error.ts";
import { HttpBodyReader, type HttpHead, HttpHeadReader } from "./http-head.ts";
import type { Connection, ConnectionReader } from "./relay-connection.ts";
import { MAX_ANSWER_BYTES } from "./relay-source.ts";
import type { BodyWindow } from "./relay-window.ts";

export interface RelayAnswer {
  readonly head: HttpHead;
  /** At most 1 MiB. Cut short if a server that refused the body broke the connection before its explanation was through. */
  readonly body: Buffer;
}

export type RelayResult =
  /** `sentBytes` is less than the body's length if the destination answered early; its connection was then destroyed. */
  | { readonly kind: "answered"; readonly answer: RelayAnswer; readonly sentBytes: number }
  /** Was dropped because others waited for it; the connection was destroyed. */
  | { readonly kind: "left-behind" }
  /** The connection was destroyed. `side` tells which store is to blame. */
  | { readonly kind: "failed"; readonly side: "source" | "destination"; readonly error: ReplicationError };

export interface LaneHost {
  readonly window: BodyWindow;
  readonly giveBack: (connection: Connection) => void;
  /** Bytes were flushed. */
  readonly moved: () => void;
  readonly settled: () => void;
}

/** One destination of a body: at most one write is in flight, and each takes all that is shown of a slab. */
export class Lane implements ConnectionReader {
  readonly #connection: Connection;
  readonly #host: LaneHost;
  readonly #head = new HttpHeadReader();
  #body: HttpBodyReader | undefined;
  #writing = true;
  #handedBytes = 0;
  #flushedBytes = 0;
  #result: RelayResult | undefined;

  constructor(connection: Connection, host: LaneHost) {
    this.#connection = connection;
    this.#host = host;
  }

  /** Sends the request head, then follows the window. */
  start(requestHead: string): void {
    this.#connection.attach(this);
    this.#connection.whenReady(() => this.#connection.write(Buffer.from(requestHead, "latin1"), () => this.#flushed()));
  }

  get name(): string {
    return this.#connection.name;
  }

  get result(): RelayResult | undefined {
    return this.#result;
  }

  get flushedBytes(): number {
    return this.#flushedBytes;
  }

  /** Is true while the destination still takes body bytes. */
  get sending(): boolean {
    return this.#result === undefined && this.#head.parsed === undefined && this.#flushedBytes < this.#host.window.lengthBytes;
  }

  /** Is true while bytes from `flushedBytes` on must stay as they are: a write in flight may still reach a server that has answered. */
  get holding(): boolean {
    return this.#result === undefined && (this.sending || this.#writing);
  }

  /** Is true while it could take more than has been read. */
  get hungry(): boolean {
    return this.sending && !this.#writing;
  }

  /** Writes what is shown and not yet written. */
  pump(): void {
    if (!this.hungry) return;
    const bytes = this.#host.window.at(this.#handedBytes);
    if (bytes === undefined) return;
    this.#writing = true;
    this.#handedBytes += bytes.length;
    this.#connection.write(bytes, () => this.#flushed());
  }

  /** Ends the lane; does nothing if it has ended. The connection never serves again, so no server can take a part for the whole. */
  drop(result: RelayResult): void {
    this.#settle(result, false);
  }

  room(): undefined {
    return undefined;
  }

  arrived(bytes: Buffer): boolean {
    try {
      this.#feed(bytes);
    } catch (error) {
      if (!(error instanceof ReplicationError)) throw error;
      this.#failWith(new ReplicationError(error.code, `${this.name}: ${error.message}`));
    }
    return true;
  }

  ended(error: ReplicationError): void {
    const early = this.#flushedBytes < this.#host.window.lengthBytes && (this.#head.parsed?.head.statusCode ?? 0) >= 300;
    if (this.#body?.end() === true || early) this.#answered();
    else this.#failWith(error);
  }

  #feed(bytes: Buffer): void {
    const rest = this.#body === undefined ? this.#head.feed(bytes) : bytes;
    const parsed = this.#head.parsed;
    if (rest === undefined || parsed === undefined) return;
    this.#body ??= new HttpBodyReader(parsed.framing, MAX_ANSWER_BYTES);
    this.#body.feed(rest);
    if (this.#body.done) this.#answered();
    // An answer stops the sending, and then the slabs held for this destination are free.
    else this.#host.moved();
  }

  #answered(): void {
    const parsed = this.#head.parsed;
    if (parsed === undefined || this.#body === undefined) return;
    const answer = { head: parsed.head, body: this.#body.body };
    const isSent = !this.#writing && this.#handedBytes === this.#host.window.lengthBytes;
    const sentBytes = this.#connection.isMute ? this.#flushedBytes : this.#handedBytes;
    this.#settle({ kind: "answered", answer, sentBytes }, isSent && this.#body.reusable);
  }

  #flushed(): void {
    if (this.#result !== undefined) return;
    this.#writing = false;
    this.#flushedBytes = this.#handedBytes;
    this.#host.moved();
    this.pump();
  }

  #failWith(error: ReplicationError): void {
    this.#settle({ kind: "failed", side: "destination", error }, false);
  }

  #settle(result: RelayResult, reusable: boolean): void {
    if (this.#result !== undefined) return;
    this.#result = result;
    if (reusable) this.#host.giveBack(this.#connection);
    else this.#connection.destroy();
    this.#host.settled();
  }
}
