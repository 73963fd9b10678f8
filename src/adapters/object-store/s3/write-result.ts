import type { WriteResult } from "../../../ports/object-store.ts";
import type { Answer } from "./errors.ts";
import { unquoteEtag } from "./headers.ts";
import { elementText } from "./xml.ts";

/** What the headers of an answer say was written. */
export function toWriteResult(answer: Answer): WriteResult {
  const versionId = answer.headers["x-amz-version-id"];
  return { etag: unquoteEtag(answer.headers["etag"] ?? ""), versionId: versionId === "null" ? undefined : versionId };
}

/** The ETag inside an XML answer (CopyObject, UploadPartCopy, CompleteMultipartUpload). */
export function etagOf(xml: string): string {
  return unquoteEtag(elementText(xml, "ETag") ?? "");
}
