import type { ObjectAttributes } from "../domain/object.ts";
import type { ObjectContent } from "./object-version.ts";
import { S3Error } from "./s3-error.ts";
import { toTagSet } from "./tag-set.ts";

const DEFAULT_CONTENT_TYPE = "binary/octet-stream";
/** Sum of the UTF-8 bytes of names and values. https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html */
const MAX_METADATA_BYTES = 2048;

/** What a new object is described by, within S3's limits. */
export function newAttributes(attributes: ObjectAttributes | undefined): Pick<ObjectContent, "systemHeaders" | "metadata" | "tags"> {
  const metadata = attributes?.metadata ?? {};
  checkMetadata(metadata);
  const systemHeaders = { "content-type": DEFAULT_CONTENT_TYPE, ...attributes?.systemHeaders };
  return { systemHeaders, metadata, tags: toTagSet(Object.entries(attributes?.tags ?? {})) };
}

function checkMetadata(metadata: ObjectAttributes["metadata"]): void {
  let sizeBytes = 0;
  for (const [name, value] of Object.entries(metadata)) sizeBytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  if (sizeBytes <= MAX_METADATA_BYTES) return;
  throw new S3Error("MetadataTooLarge", undefined, { details: { Size: String(sizeBytes), MaxSizeAllowed: String(MAX_METADATA_BYTES) } });
}
