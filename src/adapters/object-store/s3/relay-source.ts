import { ReplicationError } from "../../../domain/error.ts";
import { HttpBodyReader, type HttpFraming, type HttpHead, HttpHeadReader } from "./http-head.ts";
import type { Connection, ConnectionReader } from "./relay-connection.ts";
import { BodyWindow, type WindowLimits } from "./relay-window.ts";

/** Longest answer that is kept in memory. */
export const MAX_ANSWER_BYTES: number = 1024 * 1024;

/** What follows a body while it is being read. */
export interface BodyFollower {
  /** More bytes are in the window, or they are complete. */
  sourceAdvanced(): void;
  /** No more bytes will come, and the body is not complete. */
  sourceFailed(error: ReplicationError): void;
}

export interface SourceSettings {
  readonly window: WindowLimits;
  readonly headTimeoutMs: number;
  readonly stallTimeoutMs: number;
  /** Takes the connection back when the body has been read to its end and the server keeps it. */
  readonly giveBack: (connection: Connection) => void;
}

/**
 * Reads one response: first the head, then the body.
 *
 * The body of a 2xx goes through a window and is read only while somebody follows it; the (small) body of any other status is
 * read at once and kept.
 */
export class SourceReader implements ConnectionReader {
  readonly opened: Promise<void>;
  readonly #connection: Connection;
  readonly #settings: SourceSettings;
  readonly #head = new HttpHeadReader();
  readonly #open = Promise.withResolvers<void>();
  readonly #kept = Promise.withResolvers<Buffer>();
  #timer: NodeJS.Timeout | undefined;
  #heard = false;
  #paused = true;
  #detached = false;
  #excess = false;
  #error: ReplicationError | undefined;
  #window: BodyWindow | undefined;
  #keeping: HttpBodyReader | undefined;
  #follower: BodyFollower | undefined;

  constructor(connection: Connection, settings: SourceSettings) {
    this.#connection = connection;
    this.#settings = settings;
    this.opened = this.#open.promise;
    // Whoever does not ask for the body does not want its error either.
    this.#kept.promise.catch(() => {});
  }

  /** Sends the request. */
  start(requestHead: string): void {
    this.#arm(this.#settings.headTimeoutMs, "no answer");
    this.#connection.attach(this);
    this.#connection.whenReady(() => this.#connection.write(Buffer.from(requestHead, "latin1"), () => {}));
  }

  get name(): string {
    return this.#connection.name;
  }

  /** Is true once a byte of the answer has arrived. */
  get heard(): boolean {
    return this.#heard;
  }

  get head(): HttpHead {
    return this.#parsed().head;
  }

  /** Undefined unless the status is 2xx. */
  get window(): BodyWindow | undefined {
    return this.#window;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** The body of a response that is not a 2xx. */
  kept(): Promise<Buffer> {
    return this.#kept.promise;
  }

  follow(follower: BodyFollower): void {
    clearTimeout(this.#timer);
    this.#follower = follower;
    if (this.#error !== undefined) follower.sourceFailed(this.#error);
    else this.proceed();
  }

  /** Reads on if there is room again. */
  proceed(): void {
    if (!this.#paused || this.#detached || this.#window?.full === true) return;
    this.#paused = false;
    this.#connection.resume();
  }

  /** Gives the rest of the answer up. */
  abandon(error: ReplicationError): void {
    if (!this.#detached) this.#connection.destroy();
    this.#fail(error);
  }

  /** The window is not needed any more. */
  dispose(): void {
    this.#follower = undefined;
    if (!this.#detached) this.#connection.destroy();
    this.#window?.dispose(this.#detached);
  }

  room(): Buffer | undefined {
    return this.#detached ? undefined : this.#window?.room();
  }

  arrived(bytes: Buffer): boolean {
    this.#heard = true;
    try {
      if (this.#window !== undefined) this.#excess = this.#window.fill(bytes.length) < bytes.length;
      else if (this.#keeping !== undefined) this.#keeping.feed(bytes);
      else this.#feedHead(bytes);
    } catch (error) {
      this.#connection.destroy();
      this.#fail(this.#named(error));
      return false;
    }
    if (this.#window === undefined) return this.#afterKept();
    return this.#afterBody(this.#window);
  }

  ended(error: ReplicationError): void {
    if (this.#keeping?.end() === true) this.#kept.resolve(this.#keeping.body);
    this.#fail(error);
  }

  #feedHead(bytes: Buffer): void {
    const rest = this.#head.feed(bytes);
    if (rest === undefined) return;
    const { head, framing } = this.#parsed();
    if (head.statusCode >= 300) {
      this.#keeping = new HttpBodyReader(framing, MAX_ANSWER_BYTES);
      this.#keeping.feed(rest);
    } else this.#beginBody(framing, rest);
    this.#arm(this.#settings.stallTimeoutMs, "the answer was not read on");
    this.#open.resolve();
  }

  #beginBody(framing: HttpFraming, rest: Buffer): void {
    if (framing.body === "chunked" || framing.body === "until-close") {
      throw new ReplicationError("MalformedResponse", "the answer has a body without Content-Length");
    }
    this.#window = new BodyWindow(framing.lengthBytes, this.#settings.window);
    this.#window.copyIn(rest);
    this.#excess = rest.length > framing.lengthBytes;
  }

  #afterKept(): boolean {
    const keeping = this.#keeping;
    if (keeping?.done === true) {
      this.#release(keeping.reusable);
      this.#kept.resolve(keeping.body);
    }
    return true;
  }

  #afterBody(window: BodyWindow): boolean {
    if (window.complete) this.#release(!this.#excess && this.#parsed().framing.keepAlive);
    this.#paused = this.#follower === undefined || window.full;
    this.#follower?.sourceAdvanced();
    return !this.#paused;
  }

  #release(reusable: boolean): void {
    if (this.#detached) return;
    this.#detached = true;
    clearTimeout(this.#timer);
    if (reusable) this.#settings.giveBack(this.#connection);
    else this.#connection.destroy();
  }

  #fail(error: ReplicationError): void {
    clearTimeout(this.#timer);
    this.#open.reject(error);
    this.#kept.reject(error);
    if (this.#error !== undefined || this.#window?.complete === true) return;
    this.#error = error;
    this.#follower?.sourceFailed(error);
  }

  #arm(afterMs: number, what: string): void {
    clearTimeout(this.#timer);
    const message = `${this.name}: ${what} for ${afterMs} ms`;
    this.#timer = setTimeout(() => this.abandon(new ReplicationError("RequestTimeout", message)), afterMs).unref();
  }

  #named(error: unknown): ReplicationError {
    if (!(error instanceof ReplicationError)) throw error;
    return new ReplicationError(error.code, `${this.name}: ${error.message}`);
  }

  #parsed(): { readonly head: HttpHead; readonly framing: HttpFraming } {
    const parsed = this.#head.parsed;
    if (parsed === undefined) throw new ReplicationError("Internal", `${this.name}: the answer has not arrived yet`);
    return parsed;
  }
}
