import type { BucketLocationConstraint, NotificationConfiguration, QueueConfiguration, S3Client } from "@aws-sdk/client-s3";
import type { Bucket } from "../../domain/bucket.ts";
import { type ErrorCode, isReplicationError, ReplicationError } from "../../domain/error.ts";
import { type AwsClientOptions, clientSettings } from "../../lib/aws-client.ts";
import { toRefusal } from "../../lib/aws-refusal.ts";
import type { BucketConfiguration, KeptVersions, Notifications, QueueNotification } from "../../ports/bucket-configuration.ts";

type Sdk = typeof import("@aws-sdk/client-s3");

/** Loads the SDK and builds a client of one store. Sends nothing. */
export async function openBucketConfiguration(options: AwsClientOptions): Promise<BucketConfiguration> {
  const sdk = await import("@aws-sdk/client-s3");
  const { region, forcePathStyle = false } = options;
  const client = new sdk.S3Client({
    ...clientSettings(options),
    forcePathStyle,
    // Other stores refuse the checksums that the SDK would add by itself.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
  return new S3BucketConfiguration(sdk, client, region);
}

class S3BucketConfiguration implements BucketConfiguration {
  readonly #sdk: Sdk;
  readonly #client: S3Client;
  readonly #region: string;

  constructor(sdk: Sdk, client: S3Client, region: string) {
    this.#sdk = sdk;
    this.#client = client;
    this.#region = region;
  }

  async find({ bucket }: Bucket): Promise<{ readonly region: string | undefined } | undefined> {
    const command = new this.#sdk.HeadBucketCommand({ Bucket: bucket });
    try {
      const { BucketRegion } = await told("HeadBucket", bucket, () => this.#client.send(command));
      return { region: BucketRegion };
    } catch (error) {
      const { status, bucketRegion } = toRefusal(causeOf(error));
      if (status === 404) return undefined;
      // S3 answers 301, or 400 where the signature names another region, and says where the bucket is.
      if (bucketRegion !== undefined && bucketRegion !== this.#region && status !== 403) return { region: bucketRegion };
      throw error;
    }
  }

  async versioning({ bucket }: Bucket): Promise<KeptVersions> {
    const command = new this.#sdk.GetBucketVersioningCommand({ Bucket: bucket });
    const answer = await ifKnown(() => told("GetBucketVersioning", bucket, () => this.#client.send(command)));
    return answer === UNKNOWN ? "Unsupported" : (answer.Status ?? "Unversioned");
  }

  async hasObjectLock({ bucket }: Bucket): Promise<boolean> {
    const command = new this.#sdk.GetObjectLockConfigurationCommand({ Bucket: bucket });
    try {
      const answer = await ifKnown(() => told("GetObjectLockConfiguration", bucket, () => this.#client.send(command)));
      return answer !== UNKNOWN && answer.ObjectLockConfiguration?.ObjectLockEnabled === "Enabled";
    } catch (error) {
      if (toRefusal(causeOf(error)).status === 404) return false;
      throw error;
    }
  }

  async create({ bucket }: Bucket, { objectLock }: { readonly objectLock: boolean }): Promise<void> {
    const plain = {
      Bucket: bucket,
      ...(objectLock ? { ObjectLockEnabledForBucket: true } : {}),
      // The oldest region is the one that must not be named.
      ...(this.#region === "us-east-1"
        ? {}
        : { CreateBucketConfiguration: { LocationConstraint: this.#region as BucketLocationConstraint } }),
    };
    const owned = { ...plain, ObjectOwnership: "BucketOwnerEnforced" as const };
    const made = await ifKnown(() => this.#create(bucket, owned));
    if (made === UNKNOWN) await this.#create(bucket, plain);
    await this.#close(bucket);
  }

  async enableVersioning({ bucket }: Bucket): Promise<void> {
    const command = new this.#sdk.PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status: "Enabled" } });
    await told("PutBucketVersioning", bucket, () => this.#client.send(command));
  }

  async notifications({ bucket }: Bucket): Promise<Notifications> {
    const command = new this.#sdk.GetBucketNotificationConfigurationCommand({ Bucket: bucket });
    const {
      $metadata,
      QueueConfigurations = [],
      ...others
    } = await told("GetBucketNotificationConfiguration", bucket, () => this.#client.send(command));
    return { queues: QueueConfigurations.map(toNotification), others };
  }

  async putNotifications({ bucket }: Bucket, { queues, others }: Notifications): Promise<void> {
    const configuration = { ...(others as NotificationConfiguration), QueueConfigurations: queues.map(toConfiguration) };
    const command = new this.#sdk.PutBucketNotificationConfigurationCommand({
      Bucket: bucket,
      NotificationConfiguration: configuration,
    });
    await told("PutBucketNotificationConfiguration", bucket, () => this.#client.send(command));
  }

  close(): void {
    this.#client.destroy();
  }

  async #create(bucket: string, input: ConstructorParameters<Sdk["CreateBucketCommand"]>[0]): Promise<void> {
    try {
      await told("CreateBucket", bucket, () => this.#client.send(new this.#sdk.CreateBucketCommand(input)));
    } catch (error) {
      if (toRefusal(causeOf(error)).name !== "BucketAlreadyOwnedByYou") throw error;
    }
  }

  /** To the public. */
  async #close(bucket: string): Promise<void> {
    const closed = { BlockPublicAcls: true, IgnorePublicAcls: true, BlockPublicPolicy: true, RestrictPublicBuckets: true };
    const command = new this.#sdk.PutPublicAccessBlockCommand({ Bucket: bucket, PublicAccessBlockConfiguration: closed });
    try {
      await ifKnown(() => told("PutPublicAccessBlock", bucket, () => this.#client.send(command)));
    } catch (error) {
      if (!TAKEN_FOR_CREATION.test(toRefusal(causeOf(error)).name)) throw error;
    }
  }
}

/** What a store answers that does not know of it, and takes the request for the making of a bucket: MinIO refuses its body, others the name. */
const TAKEN_FOR_CREATION = /^(?:MalformedXML|BucketAlreadyOwnedByYou|BucketAlreadyExists)$/;
const UNKNOWN = Symbol("the store does not know of it");
/** As stores say that they lack something; MinIO has codes of its own. */
const LACKING = /^(?:NotImplemented|MethodNotAllowed|VersioningNotConfigured|XMinio\w*NotImplemented|XNotImplemented)$/;

/** {@link UNKNOWN} where the store does not know what it is asked. */
async function ifKnown<T>(work: () => Promise<T>): Promise<T | typeof UNKNOWN> {
  try {
    return await work();
  } catch (error) {
    const { name, status } = toRefusal(causeOf(error));
    if (LACKING.test(name) || status === 405 || status === 501) return UNKNOWN;
    throw error;
  }
}

function causeOf(error: unknown): unknown {
  return isReplicationError(error) ? error.cause : error;
}

function toNotification({ Id, QueueArn, Events, Filter }: QueueConfiguration): QueueNotification {
  return { id: Id ?? "", queueArn: QueueArn ?? "", events: Events ?? [], filter: Filter };
}

function toConfiguration({ id, queueArn, events, filter }: QueueNotification): QueueConfiguration {
  return {
    ...(id === "" ? {} : { Id: id }),
    QueueArn: queueArn,
    Events: [...events] as QueueConfiguration["Events"],
    ...(filter === undefined ? {} : { Filter: filter as NonNullable<QueueConfiguration["Filter"]> }),
  };
}

const OWN_TARGET = "this store is told of its events' target in its own configuration: write events: { type: webhook } without an arn";

/** Those of the SDK's names that are ours too. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  AccessDenied: "AccessDenied",
  InvalidAccessKeyId: "InvalidAccessKeyId",
  NoSuchBucket: "NoSuchBucket",
  NotImplemented: "NotImplemented",
  SignatureDoesNotMatch: "SignatureDoesNotMatch",
};

/** What has to be allowed for each call. */
const RIGHTS = {
  CreateBucket: "s3:CreateBucket and s3:PutBucketOwnershipControls; with object lock s3:PutBucketObjectLockConfiguration too",
  GetBucketNotificationConfiguration: "s3:GetBucketNotification",
  GetBucketVersioning: "s3:GetBucketVersioning",
  GetObjectLockConfiguration: "s3:GetBucketObjectLockConfiguration",
  HeadBucket: "s3:ListBucket; the bucket is there, or was, but it may be another account's",
  PutBucketNotificationConfiguration: "s3:PutBucketNotification",
  PutBucketVersioning: "s3:PutBucketVersioning",
  PutPublicAccessBlock: "s3:PutBucketPublicAccessBlock",
} as const;
type Operation = keyof typeof RIGHTS;

const HINTS: Partial<Record<ErrorCode, string>> = {
  NoSuchBucket: "create the bucket, or correct its name in the config",
  StoreUnreachable: "check the endpoint, that the server runs and that this machine can reach it",
};

/** What a call may be refused for beside, by the call and our code. */
const OWN_HINTS: Partial<Record<`${Operation} ${ErrorCode}`, string>> = {
  "CreateBucket InvalidRequest": "see the message; the region of the store, or of the bucket, must be the one where it is to be",
  "GetBucketNotificationConfiguration NotImplemented": OWN_TARGET,
  "PutBucketNotificationConfiguration InvalidRequest":
    "check the ARN; S3 must be allowed to send to the queue by its policy, and no other notification may be for the same keys",
  "PutBucketNotificationConfiguration NotImplemented": OWN_TARGET,
  "PutBucketVersioning InvalidRequest": "see the message; where the store keeps no versions leave versioning: enable out",
  "PutBucketVersioning NotImplemented": "the store keeps no versions: leave versioning: enable out",
};

function hintFor(operation: Operation, code: ErrorCode): string | undefined {
  if (code === "AccessDenied") return `allow ${RIGHTS[operation]}`;
  return OWN_HINTS[`${operation} ${code}`] ?? HINTS[code];
}

/** Does the work, and tells in our words what the SDK says in its own. */
async function told<T>(operation: Operation, bucket: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const { status } = toRefusal(cause);
    const name = cause instanceof Error ? cause.name : "";
    const code = CODES[name] ?? (status === undefined ? "StoreUnreachable" : status === 403 ? "AccessDenied" : "InvalidRequest");
    const message = `${operation} on ${bucket}: ${name}: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw new ReplicationError(code, message, { at: { operation, bucket, status }, hint: hintFor(operation, code), cause });
  }
}
