import { ReplicationError } from "../../../domain/error.ts";
import type { Connection, RelayOrigin } from "./relay-connection.ts";
import { Lane, type LaneHost, type RelayResult } from "./relay-lane.ts";
import type { BodyFollower, SourceReader } from "./relay-source.ts";
import type { BodyWindow } from "./relay-window.ts";

export interface RelayRequest {
  readonly origin: RelayOrigin;
  /** Request line and headers with the blank line, one byte per char (latin1). */
  readonly head: string;
}

export interface TransferSettings {
  readonly headTimeoutMs: number;
  readonly stallTimeoutMs: number;
  readonly leftBehindMs: number;
  readonly take: (origin: RelayOrigin) => Connection;
  readonly giveBack: (connection: Connection) => void;
}

export interface TransferOptions {
  readonly onChunk?: ((chunk: Buffer) => void) | undefined;
  /** Told of each destination's result as soon as it has one, by its place in their order. */
  readonly onResult?: ((index: number, result: RelayResult) => void) | undefined;
  /** Told once, when no destination takes any more of the body: what remains are answers, which hold no memory. */
  readonly onSent?: (() => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface TransferOutcome {
  readonly results: readonly RelayResult[];
  /** Why the source's body was not read to its end; undefined if it was, or if nobody was left to take it. */
  readonly sourceError: ReplicationError | undefined;
}

/** A progress that has not changed since `sinceMs`. */
interface Watched {
  bytes: number;
  sinceMs: number;
}

/** Deadlines are looked at this many times within the shortest of them. */
const TICKS_PER_DEADLINE = 4;
const MAX_TICK_MS = 1000;
const MIN_TICK_MS = 5;

/**
 * Moves one body from its source to every destination.
 *
 * 1. Bytes are read once, into a window; each lane writes from its own offset; a slab returns to the pool when every live lane has
 *    had it flushed.
 * 2. Reading pauses while the window is full, so the slowest live lane sets the pace.
 * 3. Ends when every lane has a result and, where there are no destinations at all, when the body has been read.
 */
export class Transfer implements BodyFollower {
  readonly done: Promise<TransferOutcome>;
  readonly #source: SourceReader;
  readonly #window: BodyWindow;
  readonly #settings: TransferSettings;
  readonly #options: TransferOptions;
  readonly #ending = Promise.withResolvers<TransferOutcome>();
  readonly #lanes: Lane[] = [];
  readonly #watched = new Map<Lane | SourceReader, Watched>();
  readonly #onAbort = (): void => this.#stop(new ReplicationError("Aborted", `${this.#source.name}: the transfer was aborted`));
  readonly #reported = new Set<Lane>();
  #observedBytes = 0;
  #isSent = false;
  #flushing: NodeJS.Immediate | undefined;
  #ticking: NodeJS.Timeout | undefined;
  #sourceError: ReplicationError | undefined;
  #started = false;
  #over = false;

  constructor(source: SourceReader, window: BodyWindow, settings: TransferSettings & { readonly options: TransferOptions }) {
    this.#source = source;
    this.#window = window;
    this.#settings = settings;
    this.#options = settings.options;
    this.done = this.#ending.promise;
  }

  start(destinations: readonly RelayRequest[]): void {
    const { stallTimeoutMs, leftBehindMs, headTimeoutMs } = this.#settings;
    const tickMs = Math.min(stallTimeoutMs, leftBehindMs, headTimeoutMs, MAX_TICK_MS * TICKS_PER_DEADLINE) / TICKS_PER_DEADLINE;
    this.#ticking = setInterval(() => this.#tick(), Math.max(MIN_TICK_MS, tickMs)).unref();
    this.#options.signal?.addEventListener("abort", this.#onAbort);
    this.#startLanes(destinations);
    this.#started = true;
    this.#window.flush();
    if (this.#options.signal?.aborted === true) this.#onAbort();
    this.sourceAdvanced();
    if (!this.#over) this.#source.follow(this);
  }

  sourceAdvanced(): void {
    if (this.#over) return;
    this.#observe();
    for (const lane of this.#lanes) lane.pump();
    if (this.#window.shownBytes < this.#window.receivedBytes) this.#flushing ??= setImmediate(() => this.#flush());
    this.#moved();
  }

  sourceFailed(error: ReplicationError): void {
    this.#stop(error);
  }

  #startLanes(destinations: readonly RelayRequest[]): void {
    const host: LaneHost = {
      window: this.#window,
      giveBack: this.#settings.giveBack,
      moved: () => this.#moved(),
      settled: () => this.#moved(),
    };
    const requests = destinations.map((request) => ({ request, lane: new Lane(this.#settings.take(request.origin), host) }));
    this.#lanes.push(...requests.map(({ lane }) => lane));
    for (const { request, lane } of requests) lane.start(request.head);
  }

  /** Bytes below the batch size are not held back longer than the poll in which they came. */
  #flush(): void {
    this.#flushing = undefined;
    this.#window.flush();
    this.sourceAdvanced();
  }

  #observe(): void {
    const { onChunk } = this.#options;
    try {
      for (let bytes = this.#window.at(this.#observedBytes); bytes !== undefined; bytes = this.#window.at(this.#observedBytes)) {
        this.#observedBytes += bytes.length;
        onChunk?.(bytes);
      }
    } catch (cause) {
      this.#stop(new ReplicationError("Internal", `${this.#source.name}: the reader of the body failed`, { cause }));
    }
  }

  /** Something was taken, or a lane has ended. */
  #moved(): void {
    if (this.#over || !this.#started) return;
    this.#report();
    if (this.#over) return;
    const isEnded = this.#lanes.every((lane) => lane.result !== undefined);
    if (isEnded && (this.#lanes.length > 0 || this.#observedBytes === this.#window.lengthBytes)) this.#finish();
    else this.#makeRoom();
  }

  #report(): void {
    for (const [index, lane] of this.#lanes.entries()) {
      if (lane.result === undefined || this.#reported.has(lane)) continue;
      this.#reported.add(lane);
      this.#options.onResult?.(index, lane.result);
    }
    if (this.#isSent || this.#lanes.some((lane) => lane.sending || lane.holding)) return;
    this.#isSent = true;
    this.#options.onSent?.();
  }

  #makeRoom(): void {
    let taken = this.#observedBytes;
    let isWanted = this.#lanes.length === 0;
    for (const lane of this.#lanes) {
      isWanted ||= lane.sending;
      if (lane.holding) taken = Math.min(taken, lane.flushedBytes);
    }
    this.#window.release(taken);
    // Destinations that have refused the body only explain themselves now; nothing more is read for them.
    if (isWanted) this.#source.proceed();
  }

  #stop(error: ReplicationError): void {
    if (this.#over) return;
    this.#sourceError = error;
    for (const lane of this.#lanes) lane.drop({ kind: "failed", side: "source", error });
    this.#finish();
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    clearInterval(this.#ticking);
    clearImmediate(this.#flushing);
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#source.dispose();
    this.#report();
    const results = this.#lanes.flatMap((lane) => lane.result ?? []);
    this.#ending.resolve({ results, sourceError: this.#sourceError });
  }

  #tick(): void {
    const now = performance.now();
    this.#checkSource(now);
    for (const lane of this.#lanes) if (!this.#over && lane.result === undefined) this.#checkLane(lane, now);
  }

  #checkSource(now: number): void {
    const { stallTimeoutMs } = this.#settings;
    const isWaiting = !this.#source.paused && !this.#window.complete;
    const stillMs = this.#stillFor(this.#source, isWaiting ? this.#window.receivedBytes : -1, now);
    if (!isWaiting || stillMs < stallTimeoutMs) return;
    this.#stop(new ReplicationError("RequestTimeout", `${this.#source.name}: the body stopped arriving for ${stallTimeoutMs} ms`));
  }

  #checkLane(lane: Lane, now: number): void {
    const { stallTimeoutMs, headTimeoutMs, leftBehindMs } = this.#settings;
    // A hungry lane waits for the source and is in no delay of its own.
    const stillMs = this.#stillFor(lane, lane.hungry ? -1 : lane.flushedBytes, now);
    if (lane.hungry) return;
    if (!lane.sending) {
      if (stillMs >= headTimeoutMs) this.#timeOut(lane, `no answer for ${headTimeoutMs} ms after the body`);
    } else if (stillMs >= leftBehindMs && this.#othersWaitSince(now) >= leftBehindMs) lane.drop({ kind: "left-behind" });
    else if (stillMs >= stallTimeoutMs) this.#timeOut(lane, `took nothing for ${stallTimeoutMs} ms`);
  }

  /** How long another destination has been ready for more while the window was full. */
  #othersWaitSince(now: number): number {
    if (!this.#window.full && !this.#window.complete) return 0;
    const waits = this.#lanes.map((lane) => (lane.hungry ? now - (this.#watched.get(lane)?.sinceMs ?? now) : 0));
    return Math.max(0, ...waits);
  }

  #timeOut(lane: Lane, what: string): void {
    lane.drop({ kind: "failed", side: "destination", error: new ReplicationError("RequestTimeout", `${lane.name}: ${what}`) });
  }

  #stillFor(who: Lane | SourceReader, bytes: number, now: number): number {
    const watched = this.#watched.get(who);
    if (watched?.bytes !== bytes) this.#watched.set(who, { bytes, sinceMs: now });
    return watched?.bytes === bytes ? now - watched.sinceMs : 0;
  }
}
