import { ReplicationError } from "../../../domain/error.ts";
import { compareKeys } from "../../../domain/object.ts";
import type { ListedVersion } from "../../../ports/object-store.ts";
import { unquoteEtag } from "./headers.ts";
import { elementText } from "./xml.ts";

export interface ParsedVersions {
  /** In the order of the document; keys as they stood in the XML, entities decoded, nothing else. */
  readonly versions: readonly ListedVersion[];
  /** `keyMarker` as it stood in the XML too. */
  readonly next: { readonly keyMarker: string; readonly versionIdMarker: string | undefined } | undefined;
}

const ENTRY = /<(Version|DeleteMarker)>(.*?)<\/\1>/gs;

/** Reads one page of ListObjectVersions. https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html */
export function parseVersions(xml: string): ParsedVersions {
  if (!xml.includes("</ListVersionsResult>")) throw new ReplicationError("MalformedResponse", "the answer to a listing is no listing");
  const versions = [...xml.matchAll(ENTRY)].map(([, element, content = ""]) => parseEntry(content, element === "DeleteMarker"));
  if (elementText(xml, "IsTruncated") !== "true") return { versions, next: undefined };
  const keyMarker = elementText(xml, "NextKeyMarker");
  if (keyMarker === undefined || keyMarker === "") {
    throw new ReplicationError("MalformedResponse", "a listing says that there is more, and not where to go on");
  }
  return { versions, next: { keyMarker, versionIdMarker: elementText(xml, "NextVersionIdMarker") } };
}

function parseEntry(content: string, isDeleteMarker: boolean): ListedVersion {
  const storageClass = elementText(content, "StorageClass") ?? "STANDARD";
  return {
    key: elementText(content, "Key") ?? "",
    versionId: elementText(content, "VersionId") ?? "null",
    isLatest: elementText(content, "IsLatest") === "true",
    isDeleteMarker,
    etag: unquoteEtag(elementText(content, "ETag") ?? ""),
    sizeBytes: Number(elementText(content, "Size") ?? 0),
    // Whole seconds: that is all a HEAD would tell, and the two are compared.
    lastModified: Math.floor((Date.parse(elementText(content, "LastModified") ?? "") || 0) / 1000) * 1000,
    storageClass: storageClass === "STANDARD" ? undefined : storageClass,
  };
}

/**
 * Orders a page by key, and of one key the newest first. S3 does so itself. Some servers write objects and markers apart, each in order: the
 * two are merged by time, and neither is reordered in itself, since S3's own order of versions is not one of times.
 */
export function inOrder(versions: readonly ListedVersion[]): readonly ListedVersion[] {
  const changes = versions.filter((version, i) => i > 0 && version.isDeleteMarker !== versions[i - 1]?.isDeleteMarker);
  if (changes.length !== 1) return versions;
  const objects = versions.filter((version) => !version.isDeleteMarker);
  const markers = versions.filter((version) => version.isDeleteMarker);
  const merged: ListedVersion[] = [];
  for (let [i, j] = [0, 0]; i < objects.length || j < markers.length; ) {
    const object = objects[i];
    const marker = markers[j];
    const takeMarker = object === undefined || (marker !== undefined && comesFirst(marker, object));
    merged.push((takeMarker ? markers[j++] : objects[i++]) as ListedVersion);
  }
  return merged;
}

function comesFirst(marker: ListedVersion, object: ListedVersion): boolean {
  const byKey = compareKeys(marker.key, object.key);
  if (byKey !== 0) return byKey < 0;
  if (marker.isLatest !== object.isLatest) return marker.isLatest;
  if (marker.lastModified !== object.lastModified) return marker.lastModified > object.lastModified;
  return marker.versionId > object.versionId; // the ids of servers that write them apart begin with the time
}
