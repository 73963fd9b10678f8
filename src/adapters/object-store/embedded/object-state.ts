import type { ListedObject, ObjectLock, ObjectState } from "../../../domain/object.ts";
import { encryptionHeaders } from "../../../embedded-s3/guard-headers.ts";
import type { VersionPage as ModelVersionPage } from "../../../embedded-s3/listing.ts";
import type { ObjectLock as ModelLock } from "../../../embedded-s3/object-lock.ts";
import type { ObjectRead } from "../../../embedded-s3/object-read.ts";
import { isArchived, NULL_VERSION_ID, type ObjectVersion } from "../../../embedded-s3/object-version.ts";
import type { ListedVersion, VersionPage } from "../../../ports/object-store.ts";
import { etagMayBeMd5 } from "../s3/headers.ts";

/** What a HEAD or the head of a GET tells: the null version has no id of its own, and tags are only counted. */
export function toObjectState(read: ObjectRead, wanted: { readonly checksums?: boolean | undefined } = {}): ObjectState {
  const { version, span } = read;
  const checksum = wanted.checksums === true ? read.checksum() : undefined;
  return {
    key: version.key,
    etag: version.etag,
    sizeBytes: span.end - span.start,
    lastModified: version.lastModified,
    versionId: read.versionId === NULL_VERSION_ID ? undefined : read.versionId,
    storageClass: version.storageClass,
    attributes: { systemHeaders: version.systemHeaders, metadata: version.metadata },
    tagCount: Object.keys(version.tags).length,
    etagMayBeMd5: etagMayBeMd5(version.etag, encryptionHeaders(version.encryption)),
    partsCount: read.partsCount,
    checksums: checksum === undefined || checksum.type === "COMPOSITE" ? undefined : { [checksum.algorithm]: checksum.value },
    storedChecksum: checksum,
    lock: toLock(version.lock),
    encryption: encryptionHeaders(version.encryption)["x-amz-server-side-encryption"],
    archived: isArchived(version) && version.restore?.expiresAt === undefined ? true : undefined,
    restoring: version.restore !== undefined && version.restore.expiresAt === undefined ? true : undefined,
  };
}

function toLock(lock: ModelLock | undefined): ObjectLock | undefined {
  const { retention, legalHold = false } = lock ?? {};
  return retention === undefined && !legalHold ? undefined : { retention, legalHold };
}

export function toListedObject({ key, etag, body, lastModified, storageClass }: ObjectVersion): ListedObject {
  return { key, etag, sizeBytes: body.sizeBytes, lastModified, storageClass };
}

export function toVersionPage(page: ModelVersionPage, isHidden: (key: string) => boolean): VersionPage {
  const versions = page.versions.filter(({ version }) => !isHidden(version.key)).map(toListedVersion);
  if (page.nextKeyMarker === undefined) return { versions };
  return { versions, next: { keyMarker: page.nextKeyMarker, versionIdMarker: page.nextVersionIdMarker } };
}

function toListedVersion({ version, isLatest }: ModelVersionPage["versions"][number]): ListedVersion {
  const { key, versionId, lastModified } = version;
  if (version.kind === "object") return { ...toListedObject(version), versionId, isLatest, isDeleteMarker: false };
  return { key, etag: "", sizeBytes: 0, lastModified, versionId, isLatest, isDeleteMarker: true };
}
