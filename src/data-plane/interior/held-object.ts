import { createHash } from "node:crypto";
import type { HeldObject } from "../../domain/holding.ts";
import { attributeText, compareKeys, type ObjectAttributes, type ObjectState } from "../../domain/object.ts";
import { withoutStamp } from "../../domain/stamp.ts";

/** The object as it tells one state from another. */
export function toHeld(state: ObjectState, tagsHash: string | null): HeldObject {
  const { etag, versionId = null, sizeBytes, lastModified } = state;
  return {
    etag,
    versionId: versionId === "null" ? null : versionId,
    sizeBytes,
    lastModified,
    tagsHash,
    attributesHash: hashAttributes(state.attributes),
  };
}

/** Of headers and metadata; the stamp is ours and not the object's. */
function hashAttributes(attributes: ObjectAttributes): string {
  const { systemHeaders, metadata } = withoutStamp(attributes);
  return createHash("sha256").update(attributeText({ systemHeaders, metadata })).digest("hex").slice(0, 32);
}

export function hashTags(tags: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(tags).sort(([a], [b]) => compareKeys(a, b));
  return createHash("sha256").update(JSON.stringify(pairs)).digest("hex").slice(0, 32);
}
