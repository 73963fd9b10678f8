import { ReplicationError } from "../../../domain/error.ts";
import type { HttpHead } from "./http-head.ts";
import type { RelayResult } from "./relay-lane.ts";
import { ConnectionPool, type PoolLimits } from "./relay-pool.ts";
import { MAX_ANSWER_BYTES, SourceReader, type SourceSettings } from "./relay-source.ts";
import { type RelayRequest, Transfer, type TransferOptions, type TransferOutcome, type TransferSettings } from "./relay-transfer.ts";
import { SlabPool } from "./relay-window.ts";

export type { RelayOrigin } from "./relay-connection.ts";
export type { RelayAnswer, RelayResult } from "./relay-lane.ts";
export type { RelayRequest } from "./relay-transfer.ts";
export type RelayHead = HttpHead;
export type RelayPipeOptions = TransferOptions;

export interface RelayOptions extends PoolLimits {
  /** From the request to the head of its answer; for a destination, from the last byte of the body. */
  readonly headTimeoutMs: number;
  /** Longest time without a byte read from the source or taken by a destination. An opened source that nobody uses ends after it too. */
  readonly stallTimeoutMs: number;
  /** A destination that has taken nothing for so long while another was ready for more is dropped. */
  readonly leftBehindMs: number;
  /**
   * Size of a read buffer; a transfer in flight holds two to four.
   * @defaultValue 1 MiB: a quarter less CPU over TCP than 256 KiB, because the kernel is asked less often; over TLS it hardly matters.
   */
  readonly slabBytes?: number | undefined;
}

/** One response whose body has not been read yet. Exactly one of `text`, `read`, `pipe` and `discard` may be called, once. */
export interface RelaySource {
  readonly head: RelayHead;
  /** Length of the body of a 2xx. Zero for every other status, whose body only `text` reads. */
  readonly lengthBytes: number;
  /** Reads the whole body, at most 1 MiB, whatever the status. */
  text(): Promise<Buffer>;
  /** Reads the body of a 2xx without sending it anywhere, for its checksum. Chunks are views that are overwritten after the call. */
  read(options: RelayPipeOptions): Promise<void>;
  /**
   * Sends the body of a 2xx to every destination; their request heads carry Content-Length = `lengthBytes`.
   *
   * Results come in the order of the destinations, and a destination that fails, answers early or is left behind does so alone. Unless
   * its result is an answer with `sentBytes` = `lengthBytes`, its connection was destroyed before the last byte. If the source fails
   * or `signal` aborts, every unsettled result is `failed` with side `source`. Never rejects for what happens on the wire.
   *
   * `onChunk` sees every byte once, in order, synchronously, as views that are overwritten after the call.
   */
  pipe(destinations: readonly RelayRequest[], options: RelayPipeOptions): Promise<readonly RelayResult[]>;
  /** Gives the connection up. Does nothing after any of the others. */
  discard(): void;
}

const DEFAULT_SLAB_BYTES = 1024 * 1024;
/** Slabs of one body that may wait for a destination: one being written, one full, and the next is being read. */
const MAX_SLABS = 2;
/** Slabs kept for later transfers; more in use at once are possible and are not kept. */
const MAX_FREE_SLABS = 16;

/**
 * Moves large bodies between HTTP/1.1 servers without stream objects: bytes are read into big reused buffers and written from there.
 *
 * Requests arrive signed and serialised. Errors are ReplicationErrors whose messages begin with host:port: `StoreUnreachable`,
 * `RequestTimeout`, `MalformedResponse`, `Aborted`.
 */
export class Relay {
  readonly #pool: ConnectionPool;
  readonly #slabs: SlabPool;
  readonly #settings: SourceSettings & TransferSettings;

  constructor(options: RelayOptions) {
    const slabBytes = options.slabBytes ?? DEFAULT_SLAB_BYTES;
    this.#pool = new ConnectionPool(options);
    this.#slabs = new SlabPool(slabBytes, MAX_FREE_SLABS);
    this.#settings = {
      window: { slabs: this.#slabs, maxSlabs: MAX_SLABS, batchBytes: slabBytes / 2 },
      headTimeoutMs: options.headTimeoutMs,
      stallTimeoutMs: options.stallTimeoutMs,
      leftBehindMs: options.leftBehindMs,
      take: (origin) => this.#pool.take(origin),
      giveBack: (connection) => this.#pool.give(connection),
    };
  }

  /**
   * Sends a GET and resolves when the head of its answer has arrived; the body waits in the kernel.
   *
   * A kept connection that dies before a byte of the answer is replaced once. A 2xx without Content-Length is `MalformedResponse`.
   * `signal` counts until this resolves.
   */
  async open(request: RelayRequest, signal?: AbortSignal): Promise<RelaySource> {
    const kept = this.#pool.take(request.origin);
    const reader = new SourceReader(kept, this.#settings);
    try {
      await opened(reader, request, signal);
      return new OpenSource(reader, this.#settings);
    } catch (error) {
      const isStale = kept.reused && !reader.heard && error instanceof ReplicationError && error.code === "StoreUnreachable";
      if (!isStale) throw error;
    }
    const fresh = new SourceReader(this.#pool.dial(request.origin), this.#settings);
    await opened(fresh, request, signal);
    return new OpenSource(fresh, this.#settings);
  }

  /** Ends every connection; transfers in flight fail. */
  close(): void {
    this.#pool.close();
    this.#slabs.clear();
  }
}

async function opened(reader: SourceReader, request: RelayRequest, signal: AbortSignal | undefined): Promise<void> {
  const abort = (): void => reader.abandon(new ReplicationError("Aborted", `${reader.name}: the request was aborted`));
  signal?.addEventListener("abort", abort);
  try {
    reader.start(request.head);
    if (signal?.aborted === true) abort();
    await reader.opened;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

class OpenSource implements RelaySource {
  readonly #reader: SourceReader;
  readonly #settings: TransferSettings;
  #used = false;

  constructor(reader: SourceReader, settings: TransferSettings) {
    this.#reader = reader;
    this.#settings = settings;
  }

  get head(): RelayHead {
    return this.#reader.head;
  }

  get lengthBytes(): number {
    return this.#reader.window?.lengthBytes ?? 0;
  }

  async text(): Promise<Buffer> {
    if (this.#reader.window === undefined) {
      this.#use();
      return await this.#reader.kept();
    }
    if (this.lengthBytes > MAX_ANSWER_BYTES)
      throw new ReplicationError("Internal", `${this.#reader.name}: the body is too long for memory`);
    const parts: Buffer[] = [];
    await this.read({ onChunk: (chunk) => parts.push(Buffer.from(chunk)) });
    return Buffer.concat(parts);
  }

  async read(options: RelayPipeOptions): Promise<void> {
    const { sourceError } = await this.#transfer([], options);
    if (sourceError !== undefined) throw sourceError;
  }

  async pipe(destinations: readonly RelayRequest[], options: RelayPipeOptions): Promise<readonly RelayResult[]> {
    const { results } = await this.#transfer(destinations, options);
    return results;
  }

  discard(): void {
    if (this.#used) return;
    this.#used = true;
    this.#reader.abandon(new ReplicationError("Aborted", `${this.#reader.name}: the answer was discarded`));
    this.#reader.dispose();
  }

  #transfer(destinations: readonly RelayRequest[], options: TransferOptions): Promise<TransferOutcome> {
    this.#use();
    const { window } = this.#reader;
    if (window === undefined)
      throw new ReplicationError("Internal", `${this.#reader.name}: status ${this.head.statusCode} has no body to move`);
    const transfer = new Transfer(this.#reader, window, { ...this.#settings, options });
    transfer.start(destinations);
    return transfer.done;
  }

  #use(): void {
    if (this.#used) throw new ReplicationError("Internal", `${this.#reader.name}: the body was already used`);
    this.#used = true;
  }
}
