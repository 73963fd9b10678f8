import { readFileSync } from "node:fs";
import { Agent } from "node:https";
import type { NotificationConfiguration, QueueConfiguration, S3Client } from "@aws-sdk/client-s3";
import type { Bucket } from "../../domain/bucket.ts";
import { type ErrorCode, ReplicationError } from "../../domain/error.ts";
import type { BucketConfiguration, Notifications, QueueNotification } from "../../ports/bucket-configuration.ts";

export interface S3BucketConfigurationOptions {
  /** Absent for AWS itself. */
  readonly endpoint?: string | undefined;
  readonly region: string;
  readonly forcePathStyle: boolean;
  readonly credentials: () => KeyPair | Promise<KeyPair>;
  /** PEM file of the certificate authorities to trust. */
  readonly caFile?: string | undefined;
}

interface KeyPair {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

type Sdk = typeof import("@aws-sdk/client-s3");

/** A person waits: the SDK's own tries and no more. */
const MAX_ATTEMPTS = 3;

/** Loads the SDK and builds a client of one store. Sends nothing. */
export async function openBucketConfiguration(options: S3BucketConfigurationOptions): Promise<BucketConfiguration> {
  const sdk = await import("@aws-sdk/client-s3");
  const { endpoint, region, forcePathStyle, caFile } = options;
  const client = new sdk.S3Client({
    region,
    forcePathStyle,
    maxAttempts: MAX_ATTEMPTS,
    credentials: async () => withoutUndefined(await options.credentials()),
    // Other stores refuse the checksums that the SDK would add by itself.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    requestHandler: caFile === undefined ? {} : { httpsAgent: new Agent({ ca: readFileSync(caFile) }) },
    ...(endpoint === undefined ? {} : { endpoint }),
  });
  return new S3BucketConfiguration(sdk, client);
}

class S3BucketConfiguration implements BucketConfiguration {
  readonly #sdk: Sdk;
  readonly #client: S3Client;

  constructor(sdk: Sdk, client: S3Client) {
    this.#sdk = sdk;
    this.#client = client;
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

/** Those of the SDK's names that are ours too. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  AccessDenied: "AccessDenied",
  InvalidAccessKeyId: "InvalidAccessKeyId",
  NoSuchBucket: "NoSuchBucket",
  NotImplemented: "NotImplemented",
  SignatureDoesNotMatch: "SignatureDoesNotMatch",
};

const HINTS: Partial<Record<ErrorCode, string>> = {
  AccessDenied: "allow s3:GetBucketNotification and s3:PutBucketNotification",
  InvalidRequest:
    "check the ARN; S3 must be allowed to send to the queue by its policy, and no other notification may be for the same keys",
  NoSuchBucket: "create the bucket, or correct its name in the config",
  NotImplemented: "this store is told of its events' target in its own configuration: write events: { type: webhook } without an arn",
  StoreUnreachable: "check the endpoint, that the server runs and that this machine can reach it",
};

/** Does the work, and tells in our words what the SDK says in its own. */
async function told<T>(operation: string, bucket: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const status = statusOf(cause);
    const name = cause instanceof Error ? cause.name : "";
    const code = CODES[name] ?? (status === undefined ? "StoreUnreachable" : status === 403 ? "AccessDenied" : "InvalidRequest");
    const message = `${operation} on ${bucket}: ${name}: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw new ReplicationError(code, message, { at: { operation, bucket, status }, hint: HINTS[code], cause });
  }
}

function statusOf(cause: unknown): number | undefined {
  const metadata = cause instanceof Error && "$metadata" in cause ? (cause.$metadata as { readonly httpStatusCode?: number }) : undefined;
  return metadata?.httpStatusCode;
}

function withoutUndefined({ accessKeyId, secretAccessKey, sessionToken }: KeyPair): {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
} {
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}
