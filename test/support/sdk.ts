import { readFileSync } from "node:fs";
import { Agent } from "node:https";
import * as sdk from "@aws-sdk/client-s3";
import type {
  ListedKey,
  ListedVersion,
  MultipartContent,
  ObjectClient,
  ObjectContent,
  ObjectHead,
  ObjectPlace,
  StoredObject,
  Written,
} from "./object-client.ts";
import type { S3Endpoint } from "./server.ts";

/** Opens an AWS SDK client; disposal closes its connections. */
export function connect(server: S3Endpoint): SdkClient {
  return new SdkClient(server);
}

/** The AWS SDK for JavaScript with the defaults that its users get, but path style. */
export class SdkClient implements ObjectClient, Disposable {
  /** For what the methods here do not cover. */
  readonly s3: sdk.S3Client;

  constructor(server: S3Endpoint) {
    this.s3 = new sdk.S3Client({
      endpoint: server.endpoint,
      region: server.region,
      credentials: server.credentials,
      forcePathStyle: true,
      ...(server.caFile ? { requestHandler: { httpsAgent: new Agent({ ca: readFileSync(server.caFile), keepAlive: true }) } } : {}),
    });
  }

  [Symbol.dispose](): void {
    this.s3.destroy();
  }

  async createBucket(bucket: string, options: { readonly versioning?: boolean } = {}): Promise<void> {
    await this.s3.send(new sdk.CreateBucketCommand({ Bucket: bucket }));
    if (!options.versioning) return;
    await this.s3.send(new sdk.PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status: "Enabled" } }));
  }

  async suspendVersioning(bucket: string): Promise<void> {
    await this.s3.send(new sdk.PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status: "Suspended" } }));
  }

  async put(bucket: string, key: string, content: ObjectContent): Promise<Written> {
    const answer = await this.s3.send(new sdk.PutObjectCommand({ Bucket: bucket, Key: key, Body: content.body, ...toAttributes(content) }));
    return toWritten(answer);
  }

  async putMultipart(bucket: string, key: string, content: MultipartContent): Promise<Written> {
    const at = { Bucket: bucket, Key: key };
    // Named, because a strict server refuses parts with checksums in an upload that announced none.
    const { UploadId } = await this.s3.send(
      new sdk.CreateMultipartUploadCommand({ ...at, ...toAttributes(content), ChecksumAlgorithm: "CRC32" }),
    );
    const Parts: sdk.CompletedPart[] = [];
    for (const [index, Body] of content.parts.entries()) {
      const PartNumber = index + 1;
      const { ETag, ChecksumCRC32 } = await this.s3.send(new sdk.UploadPartCommand({ ...at, UploadId, PartNumber, Body }));
      Parts.push({ PartNumber, ETag, ChecksumCRC32 });
    }
    return toWritten(await this.s3.send(new sdk.CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload: { Parts } })));
  }

  async copy(from: ObjectPlace, to: ObjectPlace): Promise<Written> {
    const version = from.versionId ? `?versionId=${from.versionId}` : "";
    const CopySource = `${from.bucket}/${from.key.split("/").map(encodeURIComponent).join("/")}${version}`;
    const answer = await this.s3.send(new sdk.CopyObjectCommand({ Bucket: to.bucket, Key: to.key, CopySource }));
    return toWritten({ ETag: answer.CopyObjectResult?.ETag, VersionId: answer.VersionId });
  }

  async head(bucket: string, key: string, versionId?: string): Promise<ObjectHead | undefined> {
    return ifPresent(async () => toHead(await this.s3.send(new sdk.HeadObjectCommand({ Bucket: bucket, Key: key, VersionId: versionId }))));
  }

  async get(bucket: string, key: string, versionId?: string): Promise<StoredObject | undefined> {
    return ifPresent(async () => {
      const answer = await this.s3.send(new sdk.GetObjectCommand({ Bucket: bucket, Key: key, VersionId: versionId }));
      return { ...toHead(answer), body: Buffer.from((await answer.Body?.transformToByteArray()) ?? []) };
    });
  }

  async tags(bucket: string, key: string, versionId?: string): Promise<Record<string, string>> {
    const answer = await this.s3.send(new sdk.GetObjectTaggingCommand({ Bucket: bucket, Key: key, VersionId: versionId }));
    return Object.fromEntries((answer.TagSet ?? []).map((tag) => [tag.Key ?? "", tag.Value ?? ""]));
  }

  async setTags(bucket: string, key: string, tags: Readonly<Record<string, string>>): Promise<void> {
    const TagSet = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
    await this.s3.send(new sdk.PutObjectTaggingCommand({ Bucket: bucket, Key: key, Tagging: { TagSet } }));
  }

  async delete(bucket: string, key: string, versionId?: string): Promise<void> {
    await this.s3.send(new sdk.DeleteObjectCommand({ Bucket: bucket, Key: key, VersionId: versionId }));
  }

  async deleteMany(bucket: string, keys: readonly string[]): Promise<void> {
    const Delete = { Objects: keys.map((Key) => ({ Key })), Quiet: true };
    const { Errors = [] } = await this.s3.send(new sdk.DeleteObjectsCommand({ Bucket: bucket, Delete }));
    if (Errors.length > 0) throw new Error(`not deleted: ${JSON.stringify(Errors)}`);
  }

  async list(bucket: string, prefix?: string): Promise<ListedKey[]> {
    const listed: ListedKey[] = [];
    for await (const page of sdk.paginateListObjectsV2({ client: this.s3 }, { Bucket: bucket, Prefix: prefix, EncodingType: "url" })) {
      for (const { Key, ETag, Size } of page.Contents ?? [])
        listed.push({ key: decodeKey(Key), etag: unquoted(ETag), sizeBytes: Size ?? 0 });
    }
    return listed;
  }

  async versions(bucket: string, prefix?: string): Promise<ListedVersion[]> {
    const listed: ListedVersion[] = [];
    for (let page: sdk.ListObjectVersionsCommandOutput | undefined; !page || page.IsTruncated; ) {
      page = await this.s3.send(
        new sdk.ListObjectVersionsCommand({
          Bucket: bucket,
          Prefix: prefix,
          EncodingType: "url",
          KeyMarker: page && decodeKey(page.NextKeyMarker),
          VersionIdMarker: page?.NextVersionIdMarker,
        }),
      );
      listed.push(
        ...(page.Versions ?? []).map((entry) => toVersion(entry, false)),
        ...(page.DeleteMarkers ?? []).map((entry) => toVersion(entry, true)),
      );
    }
    return listed;
  }
}

function toAttributes(content: Omit<ObjectContent, "body">): Partial<sdk.PutObjectCommandInput & sdk.CreateMultipartUploadCommandInput> {
  return {
    ContentType: content.contentType,
    CacheControl: content.cacheControl,
    ContentDisposition: content.contentDisposition,
    ContentLanguage: content.contentLanguage,
    ContentEncoding: content.contentEncoding,
    Expires: content.expires === undefined ? undefined : new Date(content.expires),
    Metadata: content.metadata,
    Tagging: content.tags && new URLSearchParams(content.tags).toString(),
  };
}

function toWritten(answer: { readonly ETag?: string | undefined; readonly VersionId?: string | undefined }): Written {
  return { etag: unquoted(answer.ETag), ...(answer.VersionId ? { versionId: answer.VersionId } : {}) };
}

function toHead(answer: sdk.HeadObjectCommandOutput | sdk.GetObjectCommandOutput): ObjectHead {
  return {
    ...toWritten(answer),
    sizeBytes: answer.ContentLength ?? 0,
    metadata: answer.Metadata ?? {},
    ...(answer.ContentType ? { contentType: answer.ContentType } : {}),
    ...(answer.CacheControl ? { cacheControl: answer.CacheControl } : {}),
    ...(answer.ContentDisposition ? { contentDisposition: answer.ContentDisposition } : {}),
    ...(answer.ContentLanguage ? { contentLanguage: answer.ContentLanguage } : {}),
    ...(answer.ContentEncoding ? { contentEncoding: answer.ContentEncoding } : {}),
    ...(answer.ExpiresString ? { expires: answer.ExpiresString } : {}),
    ...(answer.ReplicationStatus ? { replicationStatus: answer.ReplicationStatus } : {}),
  };
}

function toVersion(entry: sdk.ObjectVersion | sdk.DeleteMarkerEntry, deleteMarker: boolean): ListedVersion {
  return { key: decodeKey(entry.Key), versionId: entry.VersionId ?? "null", isLatest: entry.IsLatest ?? false, deleteMarker };
}

function decodeKey(key = ""): string {
  return decodeURIComponent(key.replaceAll("+", "%20"));
}

function unquoted(etag = ""): string {
  return etag.replaceAll('"', "");
}

async function ifPresent<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof sdk.S3ServiceException && error.$metadata.httpStatusCode === 404 && error.name !== "NoSuchBucket")
      return undefined;
    throw error;
  }
}
