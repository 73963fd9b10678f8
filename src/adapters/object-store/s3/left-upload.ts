import { type ReplicationError, toReplicationError } from "../../../domain/error.ts";
import type { StoredChecksum } from "../../../domain/object.ts";
import { type Answer, toStoreError } from "./errors.ts";
import { type ResponseHeaders, unquoteEtag } from "./headers.ts";
import type { S3ObjectStore } from "./object-store.ts";
import type { Part } from "./part-layout.ts";
import { elements, elementText } from "./xml.ts";

/** An upload at its store. */
export interface UploadAt {
  readonly store: S3ObjectStore;
  readonly key: string;
  readonly uploadId: string;
}

/** A part as the store tells of it. */
export interface FoundPart {
  readonly etag: string;
  readonly sizeBytes: number;
  /** Of the part alone; undefined where the store tells none of this algorithm. */
  readonly checksum: string | undefined;
}

export type FoundParts = ReadonlyMap<number, FoundPart>;

type UploadChecksum = Pick<StoredChecksum, "algorithm" | "type">;

/**
 * The parts that an upload has. Undefined where there is no such upload, or the store does not tell: then nothing can be gone on with.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html
 */
export async function listParts(
  at: UploadAt,
  { checksum, signal }: { readonly checksum: UploadChecksum | undefined; readonly signal: AbortSignal | undefined },
): Promise<FoundParts | undefined> {
  const found = new Map<number, FoundPart>();
  for (let marker = 0; ; ) {
    const answer = await sendListParts(at, marker, signal);
    if (answer === undefined) return undefined;
    const page = answer.body.toString("utf8");
    for (const part of elements(page, "Part")) {
      found.set(Number(elementText(part, "PartNumber")), {
        etag: unquoteEtag(elementText(part, "ETag") ?? ""),
        sizeBytes: Number(elementText(part, "Size")),
        checksum: checksum && elementText(part, `Checksum${checksum.algorithm.toUpperCase()}`),
      });
    }
    const next = Number(elementText(page, "NextPartNumberMarker") ?? 0);
    if (elementText(page, "IsTruncated") !== "true" || !(next > marker)) return found;
    marker = next;
  }
}

async function sendListParts(
  { store, key, uploadId }: UploadAt,
  marker: number,
  signal: AbortSignal | undefined,
): Promise<Answer | undefined> {
  const place = { operation: "ListParts", bucket: store.bucket.bucket, key };
  const query: Record<string, string> = { uploadId };
  if (marker > 0) query["part-number-marker"] = String(marker);
  const answer = await store.client.send({ ...place, method: "GET", query, signal });
  if (answer.status === 200) return answer;
  const error = toStoreError(answer, place);
  if (error.disposition === "retry" && error.code !== "NoSuchUpload") throw error;
  return undefined;
}

/** Whether a part that was found can be taken for one of the layout. */
export function isWhole(part: FoundPart | undefined, { sizeBytes }: Part, checksum: UploadChecksum | undefined): part is FoundPart {
  if (part === undefined || part.etag === "" || part.sizeBytes !== sizeBytes) return false;
  return checksum?.type !== "COMPOSITE" || part.checksum !== undefined;
}

/**
 * Lets the store forget an upload and its parts, also after an interruption. Returns why not; undefined where there is no such upload any more.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html
 */
export async function abortUpload({ store, key, uploadId }: UploadAt): Promise<ReplicationError | undefined> {
  const place = { operation: "AbortMultipartUpload", bucket: store.bucket.bucket, key };
  try {
    const answer = await store.client.send({ ...place, method: "DELETE", query: { uploadId } });
    return answer.status < 300 || answer.status === 404 ? undefined : toStoreError(answer, place);
  } catch (error) {
    return toReplicationError(error);
  }
}

/** What an upload was begun with and answered to, as far as its end rests on it. */
export interface UploadMemo {
  /** Of the answer that began it. */
  readonly begun: ResponseHeaders;
  readonly checksum: UploadChecksum | undefined;
  /** What had to be left out. */
  readonly notes: readonly string[];
  /** The source's parts only seemed to be of one size: each was asked for its own. */
  readonly isAsked?: boolean | undefined;
}

const KEPT_HEADER = /^x-amz-(server-side-encryption|checksum)/;

export function toMemo({ begun, checksum, notes, isAsked }: UploadMemo): string {
  const kept = Object.fromEntries(Object.entries(begun).filter(([name]) => KEPT_HEADER.test(name)));
  return JSON.stringify({ begun: kept, checksum: checksum && { algorithm: checksum.algorithm, type: checksum.type }, notes, isAsked });
}

export function fromMemo(text: string): UploadMemo {
  return JSON.parse(text) as UploadMemo;
}

/** Whether the error can come of what an earlier attempt left: then a new upload may do. */
export function mayBeOfLeft({ code }: ReplicationError): boolean {
  return code === "NoSuchUpload" || code === "InvalidRequest";
}
