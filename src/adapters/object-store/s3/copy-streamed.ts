import { hash } from "node:crypto";
import { ReplicationError } from "../../../domain/error.ts";
import type { ObjectState } from "../../../domain/object.ts";
import type { TransferOutcome } from "../../../ports/transfer.ts";
import type { BucketFacts } from "./bucket-facts.ts";
import { type Answer, toStoreError } from "./errors.ts";
import { isHashed } from "./headers.ts";
import type { ReplicaContent, ReplicaWrite } from "./replica-write.ts";
import { toWriteResult } from "./write-result.ts";

/** A small body in memory, read once for all its destinations. */
export interface SmallBody {
  readonly source: BucketFacts;
  readonly state: ObjectState;
  readonly content: ReplicaContent;
  readonly bytes: Buffer;
  /** Reads the same bytes again, to tell a corrupted read from an ETag that is no MD5. */
  readonly readAgain: () => Promise<Buffer | undefined>;
  readonly signal: AbortSignal | undefined;
}

/** Writes a small body to one destination by one PutObject, which itself refuses bytes that are not the source's. */
export async function putSmall(body: SmallBody, write: ReplicaWrite): Promise<TransferOutcome> {
  for (let md5 = knownMd5(body) ?? hash("md5", body.bytes); ; ) {
    const headers = { ...write.headers(body.content, "put"), ...write.conditions("conditionalPut") };
    headers["content-length"] = String(body.bytes.length);
    headers["content-md5"] = Buffer.from(md5, "hex").toString("base64");
    const { bucket, key } = write.destination;
    const place = { operation: "PutObject", bucket: bucket.bucket, key };
    const answer = await write.facts.store.client.send({ ...place, method: "PUT", headers, body: body.bytes, signal: body.signal });
    if (answer.status === 200) return stored(answer, { ...body, md5 }, write);
    const error = toStoreError(answer, place);
    if (error.code === "BadDigest" && md5 === body.state.etag) {
      // Bytes that the source's ETag vouches for were refused for the other digest: its checksum is not one of them.
      if (hash("md5", body.bytes) === md5 && write.guards.giveUpChecksum()) continue;
      md5 = await actualMd5(body, error);
      continue;
    }
    const refusal = write.refused(error);
    if (refusal !== "again") return refusal;
  }
}

/** The MD5 that the source's own ETag is, where it may be one. */
function knownMd5(body: SmallBody): string | undefined {
  return body.state.etagMayBeMd5 && body.source.etagsAreMd5 ? body.state.etag : undefined;
}

/**
 * Finds out why the destination refused the digest: bytes spoilt on their way (to be tried again), or a source whose ETags are no MD5s, which
 * two equal reads prove and the bucket's facts remember.
 */
async function actualMd5(body: SmallBody, refusal: ReplicationError): Promise<string> {
  const md5 = hash("md5", body.bytes);
  if (md5 === body.state.etag) throw refusal;
  const again = await body.readAgain();
  if (again === undefined || hash("md5", again) !== md5) {
    throw new ReplicationError("ChecksumMismatch", `${body.state.key}: two reads of the source gave different bytes`, {
      at: refusal.at,
      cause: refusal,
    });
  }
  body.source.etagsAreMd5 = false;
  return md5;
}

function stored(answer: Answer, body: SmallBody & { readonly md5: string }, write: ReplicaWrite): TransferOutcome {
  const plain = write.leftPlain(answer.headers);
  if (plain !== undefined) return { kind: "failed", error: plain };
  const isChecked = write.settle(body.content, answer.headers);
  const { etag, versionId } = toWriteResult(answer);
  const proof = write.facts.proofOf(etag, {
    md5: body.md5,
    ofSource: body.state.etag,
    isHashed: isHashed(answer.headers),
    sourceDigestSent: isChecked || body.md5 === body.state.etag,
    md5Sent: true,
  });
  if (proof !== undefined) return { kind: "copied", etag, versionId, notes: [...write.notes], proof };
  const at = { operation: "PutObject", bucket: write.destination.bucket.bucket, key: write.destination.key };
  const message = `${at.bucket}/${at.key}: the replica's ETag ${etag} is not the MD5 of what was sent`;
  return { kind: "failed", error: new ReplicationError("ChecksumMismatch", message, { at }) };
}
