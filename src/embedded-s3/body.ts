import { createHash, hash } from "node:crypto";
import { type ChecksumAlgorithm, createDigest } from "./checksum.ts";

/** What is already known of a body because it was computed while the bytes came in. */
export interface KnownDigests {
  /** Hex. */
  readonly md5?: string | undefined;
  /** Base64 by algorithm. */
  readonly checksums?: Readonly<Partial<Record<ChecksumAlgorithm, string>>> | undefined;
}

/** The bytes of an object as the pieces they came in: never joined, so that a large body costs its size once. */
export class Body {
  static readonly EMPTY: Body = new Body([]);

  readonly chunks: readonly Uint8Array[];
  readonly sizeBytes: number;
  #md5: string | undefined;
  readonly #checksums = new Map<ChecksumAlgorithm, string>();

  constructor(chunks: readonly Uint8Array[], known: KnownDigests = {}) {
    this.chunks = chunks;
    this.sizeBytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    this.#md5 = known.md5;
    for (const [algorithm, value] of Object.entries(known.checksums ?? {})) this.#checksums.set(algorithm as ChecksumAlgorithm, value);
  }

  static of(bytes: Uint8Array | string): Body {
    const chunk = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
    return chunk.length === 0 ? Body.EMPTY : new Body([chunk]);
  }

  /** One body out of several, in their order; shares their bytes. */
  static join(bodies: readonly Body[]): Body {
    return new Body(bodies.flatMap((body) => body.chunks));
  }

  /** Hex. */
  md5(): string {
    this.#md5 ??= this.#hash();
    return this.#md5;
  }

  /** Base64 of the checksum over all bytes; computed once. */
  checksum(algorithm: ChecksumAlgorithm): string {
    const known = this.#checksums.get(algorithm);
    if (known !== undefined) return known;
    const digest = createDigest(algorithm);
    for (const chunk of this.chunks) digest.update(chunk);
    const value = digest.digest().toString("base64");
    this.#checksums.set(algorithm, value);
    return value;
  }

  /** The bytes from `start` up to and without `end`, as views. */
  slice(start: number, end: number): readonly Uint8Array[] {
    if (start === 0 && end === this.sizeBytes) return this.chunks;
    const slices: Uint8Array[] = [];
    let offset = 0;
    for (const chunk of this.chunks) {
      const from = Math.max(start - offset, 0);
      const to = Math.min(end - offset, chunk.length);
      if (from < to) slices.push(chunk.subarray(from, to));
      offset += chunk.length;
      if (offset >= end) break;
    }
    return slices;
  }

  #hash(): string {
    const [only] = this.chunks;
    if (only !== undefined && this.chunks.length === 1) return hash("md5", only, "hex");
    const md5 = createHash("md5");
    for (const chunk of this.chunks) md5.update(chunk);
    return md5.digest("hex");
  }
}
