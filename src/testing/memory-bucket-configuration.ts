import type { Bucket } from "../domain/bucket.ts";
import { ReplicationError } from "../domain/error.ts";
import type { BucketConfiguration, KeptVersions, Notifications } from "../ports/bucket-configuration.ts";

export interface MemoryBucketSetUp {
  region?: string | undefined;
  versioning: KeptVersions;
  objectLock: boolean;
  notifications: Notifications;
}

/** What is set up at the buckets of one store, in memory. Knows nobody's rights; `refuse` says what is not allowed. */
export class MemoryBucketConfiguration implements BucketConfiguration {
  readonly buckets: Map<string, MemoryBucketSetUp> = new Map();
  /** Every call, in order. */
  readonly calls: string[] = [];
  /** Thrown by a call; undefined lets it through. */
  refuse: (call: string) => ReplicationError | undefined = () => undefined;

  addBucket(name: string, setUp: Partial<MemoryBucketSetUp> = {}): MemoryBucketSetUp {
    const bucket = { versioning: "Unversioned" as const, objectLock: false, notifications: { queues: [], others: {} }, ...setUp };
    this.buckets.set(name, bucket);
    return bucket;
  }

  /** Calls that changed something. */
  get mutations(): readonly string[] {
    return this.calls.filter((call) => /^(?:Put|Create)/.test(call));
  }

  async find({ bucket }: Bucket): Promise<{ readonly region: string | undefined } | undefined> {
    this.#call(`HeadBucket ${bucket}`);
    const found = this.buckets.get(bucket);
    return found === undefined ? undefined : { region: found.region };
  }

  async versioning(bucket: Bucket): Promise<KeptVersions> {
    return this.#at("GetBucketVersioning", bucket).versioning;
  }

  async hasObjectLock(bucket: Bucket): Promise<boolean> {
    return this.#at("GetObjectLockConfiguration", bucket).objectLock;
  }

  async create({ bucket }: Bucket, { objectLock }: { readonly objectLock: boolean }): Promise<void> {
    this.#call(`CreateBucket ${bucket}`);
    this.addBucket(bucket, { objectLock });
  }

  async enableVersioning(bucket: Bucket): Promise<void> {
    this.#at("PutBucketVersioning", bucket).versioning = "Enabled";
  }

  async notifications(bucket: Bucket): Promise<Notifications> {
    return structuredClone(this.#at("GetBucketNotificationConfiguration", bucket).notifications);
  }

  async putNotifications(bucket: Bucket, notifications: Notifications): Promise<void> {
    this.#at("PutBucketNotificationConfiguration", bucket).notifications = structuredClone(notifications);
  }

  close(): void {}

  #at(call: string, { bucket }: Bucket): MemoryBucketSetUp {
    this.#call(`${call} ${bucket}`);
    const found = this.buckets.get(bucket);
    if (found === undefined) throw new ReplicationError("NoSuchBucket", `there is no ${bucket}`);
    return found;
  }

  #call(call: string): void {
    this.calls.push(call);
    const error = this.refuse(call);
    if (error !== undefined) throw error;
  }
}
