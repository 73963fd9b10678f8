import { encodeKey, encodeUri } from "./uri.ts";

/** The header that names a copy's source; a version is appended outside the encoding of the key. */
export function copySourceHeader(bucket: string, key: string, versionId?: string): string {
  const version = versionId === undefined ? "" : `?versionId=${encodeUri(versionId)}`;
  return `/${bucket}/${encodeKey(key)}${version}`;
}
