import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { AwsChunkedDecoder } from "./aws-chunked.ts";
import { Body } from "./body.ts";
import { CHECKSUM_ALGORITHMS, type ChecksumAlgorithm, createDigest } from "./checksum.ts";
import type { Digest } from "./crc.ts";
import { S3Error } from "./s3-error.ts";
import type { S3Request } from "./s3-request.ts";
import { ChunkSignatures, type SigningContext } from "./sigv4-verify.ts";

const SHA256_HEX = /^[0-9a-f]{64}$/;

/**
 * Reads a request's body to its end and returns the object bytes in it, digested while they came in.
 *
 * The body is whole (`x-amz-decoded-content-length`), has the SHA-256 that the request says, and trailers have joined the request's headers.
 * @throws S3Error; undefined where the client went away
 */
export async function readBody(message: IncomingMessage, request: S3Request, signing: SigningContext): Promise<Body | undefined> {
  const collector = new BodyCollector(request);
  const chunked = chunkedDecoder(request, { signing, onData: (bytes) => collector.add(bytes) });
  const complete = await consume(message, (piece) => (chunked === undefined ? collector.add(piece) : chunked.write(piece)));
  if (!complete) return undefined;
  for (const [name, value] of chunked?.end() ?? []) request.headers.set(name, value);
  checkTrailers(request);
  return collector.finish();
}

/** A failure while reading is kept until the client has sent all: one that still writes would never see the answer. */
function consume(message: IncomingMessage, take: (piece: Buffer) => void): Promise<boolean> {
  return new Promise((resolve, reject) => {
    let failure: unknown;
    message.on("data", (piece: Buffer) => {
      if (failure !== undefined) return;
      try {
        take(piece);
      } catch (error) {
        failure = error;
      }
    });
    message.on("end", () => (failure === undefined ? resolve(true) : reject(failure)));
    message.on("error", () => resolve(false));
    message.on("close", () => resolve(false));
  });
}

interface Decoding {
  readonly signing: SigningContext;
  readonly onData: (bytes: Buffer) => void;
}

/** How the body is packed is told by x-amz-content-sha256. */
function chunkedDecoder({ headers }: S3Request, { signing, onData }: Decoding): AwsChunkedDecoder | undefined {
  const packing = headers.get("x-amz-content-sha256") ?? "";
  if (!packing.startsWith("STREAMING-")) return undefined;
  if (packing === "STREAMING-UNSIGNED-PAYLOAD-TRAILER") return new AwsChunkedDecoder(onData, undefined);
  const signed = packing === "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" || packing === "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
  if (signed) return new AwsChunkedDecoder(onData, new ChunkSignatures(signing));
  throw new S3Error("NotImplemented", `The payload packing ${packing} is not implemented`);
}

function checkTrailers({ headers }: S3Request): void {
  const announced = headers.get("x-amz-trailer");
  if (announced === undefined) return;
  const missing = announced.split(",").some((name) => !headers.has(name.trim().toLowerCase()));
  if (missing) throw new S3Error("MalformedTrailerError");
}

class BodyCollector {
  readonly #chunks: Buffer[] = [];
  readonly #md5 = createHash("md5");
  readonly #sha256: { readonly expected: string; readonly digest: Digest } | undefined;
  readonly #checksum: { readonly algorithm: ChecksumAlgorithm; readonly digest: Digest } | undefined;
  readonly #expectedBytes: number | undefined;

  constructor({ headers }: S3Request) {
    const contentHash = headers.get("x-amz-content-sha256") ?? "";
    if (SHA256_HEX.test(contentHash)) this.#sha256 = { expected: contentHash, digest: createHash("sha256") };
    const algorithm = announcedChecksum(headers);
    if (algorithm !== undefined) this.#checksum = { algorithm, digest: createDigest(algorithm) };
    const decodedLength = headers.get("x-amz-decoded-content-length");
    if (decodedLength !== undefined) this.#expectedBytes = Number(decodedLength);
  }

  add(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#chunks.push(bytes);
    this.#md5.update(bytes);
    this.#sha256?.digest.update(bytes);
    this.#checksum?.digest.update(bytes);
  }

  finish(): Body {
    this.#checkSha256();
    const checksum = this.#checksum;
    const checksums = checksum === undefined ? {} : { [checksum.algorithm]: checksum.digest.digest().toString("base64") };
    const body = new Body(this.#chunks, { md5: this.#md5.digest("hex"), checksums });
    if (this.#expectedBytes !== undefined && this.#expectedBytes !== body.sizeBytes) throw new S3Error("IncompleteBody");
    return body;
  }

  #checkSha256(): void {
    if (this.#sha256 === undefined) return;
    const { expected, digest } = this.#sha256;
    const computed = digest.digest().toString("hex");
    if (computed === expected) return;
    const details = { ClientComputedContentSHA256: expected, S3ComputedContentSHA256: computed };
    throw new S3Error("XAmzContentSHA256Mismatch", undefined, { details });
  }
}

function announcedChecksum(headers: ReadonlyMap<string, string>): ChecksumAlgorithm | undefined {
  const trailer = headers.get("x-amz-trailer")?.toLowerCase() ?? "";
  return CHECKSUM_ALGORITHMS.find((algorithm) => headers.has(`x-amz-checksum-${algorithm}`) || trailer === `x-amz-checksum-${algorithm}`);
}
