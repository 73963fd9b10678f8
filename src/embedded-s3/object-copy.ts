import type { ObjectAttributes } from "../domain/object.ts";
import type { ChecksumAlgorithm } from "./checksum.ts";
import type { ReadConditions, WriteConditions } from "./conditions.ts";
import type { Guards } from "./guards.ts";
import { newAttributes } from "./object-attributes.ts";
import type { ObjectContent, ObjectVersion } from "./object-version.ts";
import { S3Error } from "./s3-error.ts";

export interface CopySource {
  readonly bucket: string;
  readonly key: string;
  readonly versionId?: string | undefined;
  readonly conditions?: ReadConditions | undefined;
  /** Base64 of the MD5 of the key that the source was encrypted with. */
  readonly customerKeyMd5?: string | undefined;
}

export interface CopyInput extends WriteConditions, Guards {
  readonly source: CopySource;
  /** @defaultValue "COPY" */
  readonly metadataDirective?: "COPY" | "REPLACE" | undefined;
  /** @defaultValue "COPY" */
  readonly taggingDirective?: "COPY" | "REPLACE" | undefined;
  readonly attributes?: ObjectAttributes | undefined;
  readonly storageClass?: string | undefined;
  readonly checksumAlgorithm?: ChecksumAlgorithm | undefined;
}

const REDIRECT_HEADER = "x-amz-website-redirect-location";

/** A copy keeps metadata and tags unless told otherwise, and never the website redirect or the storage class. */
export function copiedAttributes(source: ObjectVersion, input: CopyInput): Pick<ObjectContent, "systemHeaders" | "metadata" | "tags"> {
  const sent = newAttributes(input.attributes);
  const tags = input.taggingDirective === "REPLACE" ? sent.tags : source.tags;
  if (input.metadataDirective === "REPLACE") return { systemHeaders: sent.systemHeaders, metadata: sent.metadata, tags };
  const { [REDIRECT_HEADER]: _sourceRedirect, ...systemHeaders } = source.systemHeaders;
  const redirect = sent.systemHeaders[REDIRECT_HEADER];
  return {
    systemHeaders: redirect === undefined ? systemHeaders : { ...systemHeaders, [REDIRECT_HEADER]: redirect },
    metadata: source.metadata,
    tags,
  };
}

/** Refuses a copy of the current object onto itself that would change nothing. */
export function checkNotIdle(destination: { readonly bucket: string; readonly key: string }, input: CopyInput): void {
  const { source, metadataDirective, storageClass, attributes, encryption } = input;
  if (source.bucket !== destination.bucket || source.key !== destination.key || source.versionId !== undefined) return;
  if (
    encryption !== undefined ||
    metadataDirective === "REPLACE" ||
    storageClass !== undefined ||
    attributes?.systemHeaders[REDIRECT_HEADER] !== undefined
  )
    return;
  throw new S3Error(
    "InvalidRequest",
    "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
  );
}
