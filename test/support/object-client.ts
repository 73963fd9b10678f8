export interface ObjectContent {
  readonly body: Uint8Array | string;
  readonly contentType?: string;
  readonly cacheControl?: string;
  readonly contentDisposition?: string;
  readonly contentLanguage?: string;
  /** Of the body as it is given: nothing is compressed here. */
  readonly contentEncoding?: string;
  /** As HTTP writes dates. */
  readonly expires?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly tags?: Readonly<Record<string, string>>;
}

export interface MultipartContent extends Omit<ObjectContent, "body"> {
  /** All but the last of 5 MiB at least. */
  readonly parts: readonly Uint8Array[];
}

export interface Written {
  readonly etag: string;
  readonly versionId?: string;
}

export interface ObjectHead extends Written {
  readonly sizeBytes: number;
  readonly contentType?: string;
  readonly cacheControl?: string;
  readonly contentDisposition?: string;
  readonly contentLanguage?: string;
  readonly contentEncoding?: string;
  readonly expires?: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Verbatim `x-amz-replication-status`. */
  readonly replicationStatus?: string;
}

export interface StoredObject extends ObjectHead {
  readonly body: Buffer;
}

export interface ListedKey {
  readonly key: string;
  readonly etag: string;
  readonly sizeBytes: number;
}

export interface ListedVersion {
  readonly key: string;
  readonly versionId: string;
  readonly isLatest: boolean;
  readonly deleteMarker: boolean;
}

export interface ObjectPlace {
  readonly bucket: string;
  readonly key: string;
  readonly versionId?: string;
}

/**
 * What tests do to a store and ask it, by a client that shares no code with the product.
 *
 * ETags come without quotes. A missing object is undefined; all else that the store refuses is thrown.
 */
export interface ObjectClient {
  createBucket(bucket: string, options?: { readonly versioning?: boolean }): Promise<void>;
  suspendVersioning(bucket: string): Promise<void>;
  put(bucket: string, key: string, content: ObjectContent): Promise<Written>;
  putMultipart(bucket: string, key: string, content: MultipartContent): Promise<Written>;
  copy(from: ObjectPlace, to: ObjectPlace): Promise<Written>;
  head(bucket: string, key: string, versionId?: string): Promise<ObjectHead | undefined>;
  get(bucket: string, key: string, versionId?: string): Promise<StoredObject | undefined>;
  tags(bucket: string, key: string, versionId?: string): Promise<Record<string, string>>;
  setTags(bucket: string, key: string, tags: Readonly<Record<string, string>>): Promise<void>;
  delete(bucket: string, key: string, versionId?: string): Promise<void>;
  /** By one request. */
  deleteMany(bucket: string, keys: readonly string[]): Promise<void>;
  /** All keys of all pages, in the store's order. */
  list(bucket: string, prefix?: string): Promise<ListedKey[]>;
  /** All versions and delete markers; within a key the newest first. */
  versions(bucket: string, prefix?: string): Promise<ListedVersion[]>;
}
