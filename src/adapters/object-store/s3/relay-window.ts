import { ReplicationError } from "../../../domain/error.ts";

/** Big buffers that are used again and again, so that moving a body allocates nothing and the caches stay warm. */
export class SlabPool {
  readonly sizeBytes: number;
  readonly #free: Buffer[] = [];
  readonly #maxFree: number;

  constructor(sizeBytes: number, maxFree: number) {
    this.sizeBytes = sizeBytes;
    this.#maxFree = maxFree;
  }

  take(): Buffer {
    // Not from Node's shared slab: a slab of its own can be given back whole.
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.sizeBytes);
  }

  give(slab: Buffer): void {
    if (this.#free.length < this.#maxFree) this.#free.push(slab);
  }

  clear(): void {
    this.#free.length = 0;
  }
}

export interface WindowLimits {
  readonly slabs: SlabPool;
  /** Reading pauses while this many slabs hold bytes that somebody still needs. */
  readonly maxSlabs: number;
  /** Bytes are shown to takers in runs of at least this size, except at the end of a slab, of the body, or after `flush`. */
  readonly batchBytes: number;
}

interface Slab {
  readonly bytes: Buffer;
  /** Offset in the body of the slab's first byte. */
  readonly startBytes: number;
  filledBytes: number;
}

/** A slab with less room than this share is closed: short reads cost more than the unused tail. */
const MIN_ROOM_SHARE = 8;

/**
 * The part of one body that has been read and not yet been taken by everybody.
 *
 * Bytes go into slabs, in order. A taker asks for the bytes at its own offset and gets a view. A slab is given back only by
 * `release(offset)`, so the caller must have had every write of a byte before `offset` flushed.
 */
export class BodyWindow {
  readonly lengthBytes: number;
  readonly #limits: WindowLimits;
  readonly #minRoomBytes: number;
  readonly #slabs: Slab[] = [];
  #last: Slab;
  #receivedBytes = 0;
  #shownBytes = 0;

  constructor(lengthBytes: number, limits: WindowLimits) {
    this.lengthBytes = lengthBytes;
    this.#limits = limits;
    this.#minRoomBytes = Math.ceil(limits.slabs.sizeBytes / MIN_ROOM_SHARE);
    this.#last = this.#append();
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  get shownBytes(): number {
    return this.#shownBytes;
  }

  get complete(): boolean {
    return this.#receivedBytes === this.lengthBytes;
  }

  get full(): boolean {
    return this.#slabs.length > this.#limits.maxSlabs;
  }

  /** Where the next bytes go. Never empty, also when the window is full: TLS delivers what it has already decrypted. */
  room(): Buffer {
    const { bytes, filledBytes } = this.#last;
    return filledBytes === 0 ? bytes : bytes.subarray(filledBytes);
  }

  /** Counts bytes that were put at the start of `room()`. Returns how many of them belong to the body. */
  fill(lengthBytes: number): number {
    const slab = this.#last;
    const taken = Math.min(lengthBytes, this.lengthBytes - this.#receivedBytes);
    slab.filledBytes += taken;
    this.#receivedBytes += taken;
    const closed = slab.bytes.length - slab.filledBytes < this.#minRoomBytes;
    if (closed || this.complete || this.#receivedBytes - this.#shownBytes >= this.#limits.batchBytes) this.flush();
    if (closed) this.#last = this.#append();
    return taken;
  }

  /** Copies bytes in; for what arrived together with the head. */
  copyIn(source: Buffer): void {
    const wanted = Math.min(source.length, this.lengthBytes - this.#receivedBytes);
    for (let at = 0; at < wanted; ) {
      const copied = source.copy(this.room(), 0, at, wanted);
      this.fill(copied);
      at += copied;
    }
  }

  /** Shows everything that was received. */
  flush(): void {
    this.#shownBytes = this.#receivedBytes;
  }

  /** The shown bytes from this offset to the end of their slab, or undefined if there are none yet. */
  at(offset: number): Buffer | undefined {
    if (offset >= this.#shownBytes) return undefined;
    for (const { bytes, startBytes, filledBytes } of this.#slabs) {
      const end = Math.min(startBytes + filledBytes, this.#shownBytes);
      // Can only be a mistake in here; wrong bytes must never leave.
      if (offset < startBytes) throw new ReplicationError("Internal", `byte ${offset} of the body was released too early`);
      if (offset < end) return bytes.subarray(offset - startBytes, end - startBytes);
    }
    return undefined;
  }

  /** Nobody needs the bytes before this offset any more. */
  release(offset: number): void {
    for (let first = this.#slabs[0]; first !== undefined && first !== this.#last; first = this.#slabs[0]) {
      if (first.startBytes + first.filledBytes > offset) return;
      this.#slabs.shift();
      this.#limits.slabs.give(first.bytes);
    }
  }

  /**
   * Gives everything back. `sourceDetached`: nothing reads into the last slab any more. Where a connection was destroyed while it
   * was reading, TLS may still put decrypted bytes there, so that slab is left to the garbage collector.
   */
  dispose(sourceDetached: boolean): void {
    for (const slab of this.#slabs) if (slab !== this.#last || sourceDetached) this.#limits.slabs.give(slab.bytes);
    this.#slabs.length = 0;
  }

  #append(): Slab {
    const slab = { bytes: this.#limits.slabs.take(), startBytes: this.#receivedBytes, filledBytes: 0 };
    this.#slabs.push(slab);
    return slab;
  }
}
