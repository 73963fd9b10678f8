import { compareKeys } from "../domain/object.ts";
import type { BucketState } from "./bucket-state.ts";
import type { Upload } from "./multipart-uploads.ts";
import type { ObjectVersion, Version } from "./object-version.ts";
import { S3Error } from "./s3-error.ts";

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html */
export const MAX_PAGE = 1000;

export interface Scope {
  readonly prefix?: string | undefined;
  readonly delimiter?: string | undefined;
  /** At most 1,000, more is taken for that. @defaultValue 1000 */
  readonly maxKeys?: number | undefined;
}

export interface ListInput extends Scope {
  readonly startAfter?: string | undefined;
  /** Where an older listing goes on: like `startAfter`, but a common prefix stands for all that it covers. */
  readonly marker?: string | undefined;
  readonly continuationToken?: string | undefined;
}

export interface ObjectPage {
  readonly objects: readonly ObjectVersion[];
  readonly commonPrefixes: readonly string[];
  /** Absent on the last page. */
  readonly nextContinuationToken?: string | undefined;
  /** The last key or common prefix of a page that is not the last. */
  readonly nextMarker?: string | undefined;
}

export interface ListVersionsInput extends Scope {
  readonly keyMarker?: string | undefined;
  readonly versionIdMarker?: string | undefined;
}

export interface ListedVersion {
  readonly version: Version;
  readonly isLatest: boolean;
}

export interface VersionPage {
  readonly versions: readonly ListedVersion[];
  readonly commonPrefixes: readonly string[];
  /** Both absent on the last page; no version id where the page ends with a common prefix. */
  readonly nextKeyMarker?: string | undefined;
  readonly nextVersionIdMarker?: string | undefined;
}

export interface ListUploadsInput extends Scope {
  readonly keyMarker?: string | undefined;
  readonly uploadIdMarker?: string | undefined;
}

export interface UploadPage {
  readonly uploads: readonly Upload[];
  readonly commonPrefixes: readonly string[];
  readonly nextKeyMarker?: string | undefined;
  readonly nextUploadIdMarker?: string | undefined;
}

/** The last thing that was listed: a key, or a common prefix and with it all keys below it. */
interface Position {
  readonly kind: "key" | "prefix";
  readonly text: string;
}

/** Lists current objects in the order of their keys' UTF-8 bytes. */
export function listObjects(bucket: BucketState, input: ListInput): ObjectPage {
  const limit = pageLimit(input.maxKeys);
  const objects: ObjectVersion[] = [];
  const commonPrefixes: string[] = [];
  const isVisible = (key: string) => bucket.current(key)?.kind === "object";
  let last: Position | undefined;
  for (const entry of walk(bucket, { scope: input, isBefore: isUpTo(startOf(input)), isVisible })) {
    if (objects.length + commonPrefixes.length === limit) {
      return { objects, commonPrefixes, ...(last && { nextContinuationToken: toToken(last), nextMarker: last.text }) };
    }
    if (entry.kind === "prefix") commonPrefixes.push(entry.text);
    else objects.push(bucket.current(entry.text) as ObjectVersion);
    last = entry;
  }
  return { objects, commonPrefixes };
}

/** Lists all versions and delete markers: by key, and of one key the newest first. */
export function listVersions(bucket: BucketState, input: ListVersionsInput): VersionPage {
  const limit = pageLimit(input.maxKeys);
  const versions: ListedVersion[] = [];
  const commonPrefixes: string[] = [];
  let last: Pick<VersionPage, "nextKeyMarker" | "nextVersionIdMarker"> = {};
  for (const entry of walkVersions(bucket, input)) {
    if (versions.length + commonPrefixes.length === limit) return { versions, commonPrefixes, ...last };
    if (typeof entry === "string") {
      commonPrefixes.push(entry);
      last = { nextKeyMarker: entry };
    } else {
      versions.push(entry);
      last = { nextKeyMarker: entry.version.key, nextVersionIdMarker: entry.version.versionId };
    }
  }
  return { versions, commonPrefixes };
}

/** Lists uploads in progress. There are few, so they are sorted for each page. */
export function listUploads(bucket: BucketState, input: ListUploadsInput): UploadPage {
  const limit = pageLimit(input.maxKeys);
  const uploads: Upload[] = [];
  const commonPrefixes: string[] = [];
  let last: Pick<UploadPage, "nextKeyMarker" | "nextUploadIdMarker"> = {};
  for (const entry of uploadEntries(bucket.uploads.inOrder(), input)) {
    if (uploads.length + commonPrefixes.length === limit) return { uploads, commonPrefixes, ...last };
    if (typeof entry === "string") {
      commonPrefixes.push(entry);
      last = { nextKeyMarker: entry };
    } else {
      uploads.push(entry);
      last = { nextKeyMarker: entry.key, nextUploadIdMarker: entry.uploadId };
    }
  }
  return { uploads, commonPrefixes };
}

function* uploadEntries(uploads: readonly Upload[], input: ListUploadsInput): Generator<Upload | string> {
  // A marker that is a common prefix stands for all below it.
  let lastCommon = input.keyMarker;
  for (const upload of afterUploadMarker(uploads, input)) {
    const common = commonPrefixOf(upload.key, input);
    if (common === undefined) yield upload;
    else if (common !== lastCommon) {
      lastCommon = common;
      yield common;
    }
  }
}

function afterUploadMarker(uploads: readonly Upload[], { prefix = "", keyMarker, uploadIdMarker }: ListUploadsInput): readonly Upload[] {
  const marked = uploads.findIndex((upload) => upload.uploadId === uploadIdMarker && upload.key === keyMarker);
  const rest =
    marked >= 0 ? uploads.slice(marked + 1) : uploads.filter(({ key }) => keyMarker === undefined || compareKeys(key, keyMarker) > 0);
  return rest.filter((upload) => upload.key.startsWith(prefix));
}

interface Walk {
  readonly scope: Scope;
  readonly isBefore: (key: string) => boolean;
  readonly isVisible: (key: string) => boolean;
}

/** Yields keys and, instead of the keys below them, common prefixes; leaps over what a common prefix covers. */
function* walk(bucket: BucketState, { scope, isBefore, isVisible }: Walk): Generator<Position, undefined> {
  const prefix = scope.prefix ?? "";
  let keys = bucket.keys.from((key) => compareKeys(key, prefix) < 0 || isBefore(key));
  for (;;) {
    const { value: key } = keys.next();
    if (key === undefined || !key.startsWith(prefix)) return undefined;
    if (!isVisible(key)) continue;
    const common = commonPrefixOf(key, scope);
    if (common === undefined) yield { kind: "key", text: key };
    else {
      const position: Position = { kind: "prefix", text: common };
      yield position;
      keys = bucket.keys.from(isUpTo(position));
    }
  }
}

function* walkVersions(bucket: BucketState, input: ListVersionsInput): Generator<string | ListedVersion, undefined> {
  const { keyMarker, versionIdMarker } = input;
  if (versionIdMarker !== undefined && keyMarker === undefined) {
    throw new S3Error("InvalidArgument", "A version-id marker cannot be specified without a key marker.");
  }
  const isBefore =
    keyMarker !== undefined && versionIdMarker !== undefined
      ? (key: string) => compareKeys(key, keyMarker) < 0
      : isUpTo(markerPosition(keyMarker, input));
  for (const entry of walk(bucket, { scope: input, isBefore, isVisible: () => true })) {
    if (entry.kind === "prefix") yield entry.text;
    else yield* versionsAfter(bucket, entry.text, entry.text === keyMarker ? versionIdMarker : undefined);
  }
  return undefined;
}

/** A marker that is no longer there was removed by whoever pages through to empty the bucket: what is left was not listed yet. */
function* versionsAfter(bucket: BucketState, key: string, marker: string | undefined): Generator<ListedVersion> {
  const versions = bucket.versionsOf(key);
  const marked = marker === undefined ? -1 : versions.findIndex((version) => version.versionId === marker);
  for (let index = (marked < 0 ? versions.length : marked) - 1; index >= 0; index--) {
    yield { version: versions[index] as Version, isLatest: index === versions.length - 1 };
  }
}

function commonPrefixOf(key: string, { prefix = "", delimiter = "" }: Scope): string | undefined {
  if (delimiter === "") return undefined;
  const index = key.indexOf(delimiter, prefix.length);
  return index < 0 ? undefined : key.slice(0, index + delimiter.length);
}

function startOf({ continuationToken, startAfter, marker, ...scope }: ListInput): Position | undefined {
  if (continuationToken !== undefined) return fromToken(continuationToken);
  if (startAfter !== undefined) return { kind: "key", text: startAfter };
  return markerPosition(marker, scope);
}

/** A marker that is a common prefix of the listing was one of its entries. */
function markerPosition(marker: string | undefined, scope: Scope): Position | undefined {
  if (marker === undefined || marker === "") return undefined;
  const isPrefix = marker.startsWith(scope.prefix ?? "") && commonPrefixOf(marker, scope) === marker;
  return { kind: isPrefix ? "prefix" : "key", text: marker };
}

/** True for every key up to and with the position. */
function isUpTo(position: Position | undefined): (key: string) => boolean {
  if (position === undefined) return () => false;
  const { kind, text } = position;
  if (kind === "key") return (key) => compareKeys(key, text) <= 0;
  return (key) => compareKeys(key.slice(0, text.length), text) <= 0;
}

function pageLimit(maxKeys: number | undefined): number {
  if (maxKeys === undefined) return MAX_PAGE;
  if (!Number.isInteger(maxKeys) || maxKeys < 0)
    throw new S3Error("InvalidArgument", "max-keys is not an integer between 0 and 2147483647");
  return Math.min(maxKeys, MAX_PAGE);
}

function toToken(position: Position): string {
  return Buffer.from((position.kind === "key" ? "k" : "p") + position.text).toString("base64url");
}

function fromToken(token: string): Position {
  const text = Buffer.from(token, "base64url").toString();
  const kind = text.startsWith("k") ? "key" : text.startsWith("p") ? "prefix" : undefined;
  if (kind === undefined) throw new S3Error("InvalidArgument", "The continuation token provided is incorrect");
  return { kind, text: text.slice(1) };
}
