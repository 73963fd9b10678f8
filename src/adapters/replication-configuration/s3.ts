import type * as S3 from "@aws-sdk/client-s3";
import { isReplicationError, ReplicationError } from "../../domain/error.ts";
import { type PolicyDocument, parsePolicy } from "../../domain/policy-document.ts";
import { type AwsClientOptions, clientSettings } from "../../lib/aws-client.ts";
import { type AwsRefusal, toRefusal } from "../../lib/aws-refusal.ts";
import { Semaphore } from "../../lib/semaphore.ts";
import type { BucketFacts, CountedObjects, ReplicationConfiguration, ReplicationDocument } from "../../ports/replication-configuration.ts";
import { hintFor, type Operation } from "./permissions.ts";
import { fromRule, toRule } from "./rule.ts";
import { newestObjects } from "./sample.ts";
import { unknownElements } from "./unknown-elements.ts";

export interface ReplicationConfigurationOptions extends AwsClientOptions {
  readonly bucket: string;
  /** Account that the bucket must belong to, where that is known. */
  readonly expectedOwner?: string | undefined;
}

type Sdk = typeof S3;
/** Of every call but the one that makes the bucket. */
type Target = { readonly Bucket: string; readonly ExpectedBucketOwner?: string };

const HEADS_AT_ONCE = 8;

/** Loads the SDK and builds a client for one bucket. Sends nothing. */
export async function openReplicationConfiguration(options: ReplicationConfigurationOptions): Promise<ReplicationConfiguration> {
  return new S3ReplicationConfiguration(await import("@aws-sdk/client-s3"), options);
}

class S3ReplicationConfiguration implements ReplicationConfiguration {
  readonly #sdk: Sdk;
  readonly #options: ReplicationConfigurationOptions;
  readonly #target: Target;
  readonly #clients = new Map<string, S3.S3Client>();
  /** What the document held, when it was read last, that cannot be put back. */
  #wouldBeLost: readonly string[] = [];
  /** Where the bucket is, as far as is known. */
  #region: string;

  constructor(sdk: Sdk, options: ReplicationConfigurationOptions) {
    const { bucket, region, expectedOwner } = options;
    this.#sdk = sdk;
    this.#options = options;
    this.#target = { Bucket: bucket, ...(expectedOwner === undefined ? {} : { ExpectedBucketOwner: expectedOwner }) };
    this.#region = region;
  }

  async facts(): Promise<BucketFacts | undefined> {
    const sdk = this.#sdk;
    const head = await this.#ifThere("HeadBucket", ["NotFound", "NoSuchBucket"], (s3) => s3.send(new sdk.HeadBucketCommand(this.#target)));
    if (head === undefined) return undefined;
    const [versioning, objectLock, requesterPays, ownerEnforced, defaultKeyId] = await Promise.all([
      this.#versioning(),
      this.#objectLock(),
      this.#requesterPays(),
      this.#ownerEnforced(),
      this.#defaultKeyId(),
    ]);
    return { region: head.BucketRegion ?? this.#region, versioning, objectLock, requesterPays, ownerEnforced, defaultKeyId };
  }

  async create({ objectLock }: { readonly objectLock: boolean }): Promise<void> {
    const sdk = this.#sdk;
    const Bucket = this.#options.bucket;
    const place = { LocationConstraint: this.#region as S3.BucketLocationConstraint };
    const command = new sdk.CreateBucketCommand({
      Bucket,
      ObjectOwnership: "BucketOwnerEnforced",
      ...(objectLock ? { ObjectLockEnabledForBucket: true } : {}),
      // The oldest region is the one that must not be named.
      ...(this.#region === "us-east-1" ? {} : { CreateBucketConfiguration: place }),
    });
    await this.#ifThere("CreateBucket", ["BucketAlreadyOwnedByYou"], (s3) => s3.send(command));
    const closed = { BlockPublicAcls: true, IgnorePublicAcls: true, BlockPublicPolicy: true, RestrictPublicBuckets: true };
    const close = new sdk.PutPublicAccessBlockCommand({ ...this.#target, PublicAccessBlockConfiguration: closed });
    await this.#ask("PutPublicAccessBlock", (s3) => s3.send(close));
  }

  async enableVersioning(): Promise<void> {
    const command = new this.#sdk.PutBucketVersioningCommand({ ...this.#target, VersioningConfiguration: { Status: "Enabled" } });
    await this.#ask("PutBucketVersioning", (s3) => s3.send(command));
  }

  async replication(): Promise<ReplicationDocument | undefined> {
    const command = new this.#sdk.GetBucketReplicationCommand(this.#target);
    command.middlewareStack.add(
      (next) => async (args) => {
        const output = await next(args);
        const document = await withTextBody(output.response as { body?: unknown });
        this.#wouldBeLost = unknownElements(document);
        return output;
      },
      { step: "deserialize", priority: "low" },
    );
    const answer = await this.#ifThere("GetBucketReplication", ["ReplicationConfigurationNotFoundError"], (s3) => s3.send(command));
    const found = answer?.ReplicationConfiguration;
    return found === undefined ? undefined : { role: found.Role ?? "", rules: (found.Rules ?? []).map(toRule) };
  }

  async putReplication({ role, rules }: ReplicationDocument): Promise<void> {
    const sdk = this.#sdk;
    if (rules.some(({ raw }) => raw !== undefined) && this.#wouldBeLost.length > 0) throw this.#lossy();
    if (rules.length === 0) {
      await this.#ask("DeleteBucketReplication", (s3) => s3.send(new sdk.DeleteBucketReplicationCommand(this.#target)));
      return;
    }
    const configuration = { Role: role, Rules: rules.map(fromRule) };
    const command = new sdk.PutBucketReplicationCommand({ ...this.#target, ReplicationConfiguration: configuration });
    await this.#ask("PutBucketReplication", (s3) => s3.send(command));
  }

  async policy(): Promise<PolicyDocument | undefined> {
    const command = new this.#sdk.GetBucketPolicyCommand(this.#target);
    const answer = await this.#ifThere("GetBucketPolicy", ["NoSuchBucketPolicy"], (s3) => s3.send(command));
    return answer?.Policy === undefined ? undefined : parsePolicy(answer.Policy);
  }

  async putPolicy(policy: PolicyDocument | undefined): Promise<void> {
    const sdk = this.#sdk;
    if (policy === undefined || policy.Statement.length === 0) {
      await this.#ask("DeleteBucketPolicy", (s3) => s3.send(new sdk.DeleteBucketPolicyCommand(this.#target)));
      return;
    }
    const command = new sdk.PutBucketPolicyCommand({ ...this.#target, Policy: JSON.stringify(policy) });
    await this.#ask("PutBucketPolicy", (s3) => s3.send(command));
  }

  async count(
    prefix: string,
    { maxPages, signal }: { readonly maxPages: number; readonly signal?: AbortSignal | undefined },
  ): Promise<CountedObjects> {
    const sdk = this.#sdk;
    let [objects, bytes] = [0, 0];
    let place: Pick<S3.ListObjectVersionsCommandInput, "KeyMarker" | "VersionIdMarker"> = {};
    for (let page = 0; page < maxPages; page++) {
      const command = new sdk.ListObjectVersionsCommand({ ...this.#target, Prefix: prefix, ...place });
      if (signal?.aborted === true) break;
      const answer = await this.#ask("ListObjectVersions", (s3) => s3.send(command));
      for (const { Size = 0 } of answer.Versions ?? []) bytes += Size;
      objects += answer.Versions?.length ?? 0;
      if (answer.IsTruncated !== true) return { objects, bytes, isWhole: true };
      place = { KeyMarker: answer.NextKeyMarker, VersionIdMarker: answer.NextVersionIdMarker };
    }
    return { objects, bytes, isWhole: false };
  }

  async sampledKeys(sample: number): Promise<readonly string[]> {
    const sdk = this.#sdk;
    const list = (startAfter: string) =>
      this.#ask("ListObjectsV2", (s3) => s3.send(new sdk.ListObjectsV2Command({ ...this.#target, StartAfter: startAfter })));
    const head = (Key: string) =>
      this.#ifThere("HeadObject", ["NotFound", "NoSuchKey"], (s3) => s3.send(new sdk.HeadObjectCommand({ ...this.#target, Key })));
    const few = new Semaphore(HEADS_AT_ONCE);
    const newest = await newestObjects(list, sample);
    const heads = await Promise.all(newest.map((key) => few.run(() => head(key))));
    return [...new Set(heads.flatMap((found) => found?.SSEKMSKeyId ?? []))].toSorted();
  }

  close(): void {
    for (const client of this.#clients.values()) client.destroy();
  }

  async #versioning(): Promise<BucketFacts["versioning"]> {
    const command = new this.#sdk.GetBucketVersioningCommand(this.#target);
    const { Status } = await this.#ask("GetBucketVersioning", (s3) => s3.send(command));
    return Status ?? "Unversioned";
  }

  async #objectLock(): Promise<boolean> {
    const command = new this.#sdk.GetObjectLockConfigurationCommand(this.#target);
    const absent = ["ObjectLockConfigurationNotFoundError", "ObjectLockConfigurationNotFound"];
    const answer = await this.#ifThere("GetObjectLockConfiguration", absent, (s3) => s3.send(command));
    return answer?.ObjectLockConfiguration?.ObjectLockEnabled === "Enabled";
  }

  async #requesterPays(): Promise<boolean> {
    const command = new this.#sdk.GetBucketRequestPaymentCommand(this.#target);
    const { Payer } = await this.#ask("GetBucketRequestPayment", (s3) => s3.send(command));
    return Payer === "Requester";
  }

  async #ownerEnforced(): Promise<boolean> {
    const command = new this.#sdk.GetBucketOwnershipControlsCommand(this.#target);
    const absent = ["OwnershipControlsNotFoundError"];
    const answer = await this.#ifThere("GetBucketOwnershipControls", absent, (s3) => s3.send(command));
    return answer?.OwnershipControls?.Rules?.[0]?.ObjectOwnership === "BucketOwnerEnforced";
  }

  async #defaultKeyId(): Promise<string | null> {
    const command = new this.#sdk.GetBucketEncryptionCommand(this.#target);
    const absent = ["ServerSideEncryptionConfigurationNotFoundError"];
    const answer = await this.#ifThere("GetBucketEncryption", absent, (s3) => s3.send(command));
    const byDefault = answer?.ServerSideEncryptionConfiguration?.Rules?.[0]?.ApplyServerSideEncryptionByDefault;
    return byDefault?.SSEAlgorithm?.startsWith("aws:kms") ? (byDefault.KMSMasterKeyID ?? "") : null;
  }

  /** Undefined where S3 says, by one of these names, that there is nothing of the kind. */
  async #ifThere<T>(operation: Operation, absent: readonly string[], work: (s3: S3.S3Client) => Promise<T>): Promise<T | undefined> {
    try {
      return await this.#ask(operation, work);
    } catch (error) {
      if (isReplicationError(error) && absent.includes(toRefusal(error.cause).name)) return undefined;
      throw error;
    }
  }

  /** Asks in the region where the bucket is, and tells in our words what S3 says in its own. */
  async #ask<T>(operation: Operation, work: (s3: S3.S3Client) => Promise<T>): Promise<T> {
    const asked = this.#region;
    try {
      return await work(this.#clientIn(asked));
    } catch (cause) {
      const refusal = toRefusal(cause);
      if (!isElsewhere(refusal, asked)) throw this.#toError(operation, refusal, cause);
      this.#region = refusal.bucketRegion;
    }
    try {
      return await work(this.#clientIn(this.#region));
    } catch (cause) {
      throw this.#toError(operation, toRefusal(cause), cause);
    }
  }

  #clientIn(region: string): S3.S3Client {
    const client = this.#clients.get(region) ?? this.#connect(region);
    this.#clients.set(region, client);
    return client;
  }

  #connect(region: string): S3.S3Client {
    return new this.#sdk.S3Client({
      ...clientSettings({ ...this.#options, region }),
      forcePathStyle: this.#options.forcePathStyle ?? false,
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
    });
  }

  #lossy(): ReplicationError {
    const { bucket } = this.#options;
    const message = `rules of others in ${bucket} hold ${this.#wouldBeLost.join(", ")}, which this version does not know and would lose`;
    return new ReplicationError("NotImplemented", message, {
      at: { operation: "PutBucketReplication", bucket },
      hint: "update replicast",
    });
  }

  #toError(operation: Operation, { code, name, message, status }: AwsRefusal, cause: unknown): ReplicationError {
    if (isReplicationError(cause)) return cause;
    const { bucket } = this.#options;
    return new ReplicationError(code, `${operation} on ${bucket}: ${name}: ${message}`, {
      at: { operation, bucket, status },
      hint: hintFor(operation, name, code),
      cause,
    });
  }
}

/** S3 answers 301, or 400 where the signature names another region, and says in which one to ask. */
function isElsewhere(refusal: AwsRefusal, asked: string): refusal is AwsRefusal & { readonly bucketRegion: string } {
  const { status, bucketRegion } = refusal;
  return (status === 301 || status === 307 || status === 400) && bucketRegion !== undefined && bucketRegion !== asked;
}

/** Reads an answer's body, and leaves it there for the SDK to read. */
async function withTextBody(response: { body?: unknown }): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  response.body = bytes;
  return bytes.toString("utf8");
}
