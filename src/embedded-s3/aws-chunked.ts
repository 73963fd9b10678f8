import { S3Error } from "./s3-error.ts";
import type { ChunkSignatures } from "./sigv4-verify.ts";

type State = "size" | "data" | "data-end" | "trailers";

/** Far more than any chunk header or trailer needs. */
const MAX_LINE_LENGTH = 16 * 1024;

/**
 * Takes an aws-chunked body apart: `<hex size>[;chunk-signature=<hex>]`, the bytes, a line end; a chunk of size 0 and trailers at the end.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
 */
export class AwsChunkedDecoder {
  readonly #onData: (bytes: Buffer) => void;
  readonly #signatures: ChunkSignatures | undefined;
  readonly #trailers = new Map<string, string>();
  #state: State = "size";
  #line = "";
  #remaining = 0;
  #signature = "";

  /** With signatures, every chunk and the trailers must be signed. */
  constructor(onData: (bytes: Buffer) => void, signatures: ChunkSignatures | undefined) {
    this.#onData = onData;
    this.#signatures = signatures;
  }

  write(piece: Buffer): void {
    let offset = 0;
    while (offset < piece.length) offset = this.#state === "data" ? this.#takeData(piece, offset) : this.#takeLine(piece, offset);
  }

  /** Returns the trailers by lower-case name. @throws S3Error `IncompleteBody` where the last chunk has not come */
  end(): ReadonlyMap<string, string> {
    if (this.#state !== "trailers") throw new S3Error("IncompleteBody");
    if (this.#line !== "") this.#endLine();
    const signature = this.#trailers.get("x-amz-trailer-signature");
    this.#trailers.delete("x-amz-trailer-signature");
    if (this.#signatures === undefined || this.#trailers.size === 0) return this.#trailers;
    const lines = [...this.#trailers].map(([name, value]) => `${name}:${value}\n`);
    this.#signatures.endTrailers(lines.join(""), signature ?? "");
    return this.#trailers;
  }

  #takeData(piece: Buffer, offset: number): number {
    const end = Math.min(piece.length, offset + this.#remaining);
    const bytes = piece.subarray(offset, end);
    this.#remaining -= bytes.length;
    this.#signatures?.update(bytes);
    this.#onData(bytes);
    if (this.#remaining === 0) {
      this.#signatures?.endChunk(this.#signature);
      this.#state = "data-end";
    }
    return end;
  }

  #takeLine(piece: Buffer, offset: number): number {
    const end = piece.indexOf(0x0a, offset);
    this.#line += piece.toString("latin1", offset, end < 0 ? piece.length : end);
    if (this.#line.length > MAX_LINE_LENGTH) throw new S3Error("InvalidRequest", "A chunk header or trailer is too long");
    if (end < 0) return piece.length;
    this.#endLine();
    return end + 1;
  }

  #endLine(): void {
    const line = this.#line.endsWith("\r") ? this.#line.slice(0, -1) : this.#line;
    this.#line = "";
    if (this.#state === "size") this.#beginChunk(line);
    else if (this.#state === "trailers") this.#addTrailer(line);
    else if (line === "") this.#state = "size";
    else throw new S3Error("IncompleteBody");
  }

  #beginChunk(line: string): void {
    const [size = "", extension = ""] = line.split(";");
    if (!/^[0-9a-fA-F]{1,12}$/.test(size)) throw new S3Error("IncompleteBody");
    this.#remaining = Number.parseInt(size, 16);
    this.#signature = extension.startsWith("chunk-signature=") ? extension.slice("chunk-signature=".length) : "";
    this.#state = this.#remaining === 0 ? "trailers" : "data";
    if (this.#remaining === 0) this.#signatures?.endChunk(this.#signature);
  }

  #addTrailer(line: string): void {
    if (line === "") return;
    const colon = line.indexOf(":");
    if (colon < 1) throw new S3Error("MalformedTrailerError");
    this.#trailers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
}
