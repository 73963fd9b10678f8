import type * as SQS from "@aws-sdk/client-sqs";
import { type ErrorCode, isReplicationError, ReplicationError } from "../../domain/error.ts";
import { type PolicyDocument, parsePolicy } from "../../domain/policy-document.ts";
import { type AwsClientOptions, clientSettings } from "../../lib/aws-client.ts";
import { toRefusal } from "../../lib/aws-refusal.ts";
import type { QueueConfiguration, QueueFacts } from "../../ports/queue-configuration.ts";

/** Loads the SDK and builds a client of SQS in one region. Sends nothing. */
export async function openQueueConfiguration(options: AwsClientOptions): Promise<QueueConfiguration> {
  const sdk = await import("@aws-sdk/client-sqs");
  // Told not to take a queue's URL for its endpoint: emulators' URLs name hosts that nobody resolves.
  return new SqsQueueConfiguration(sdk, new sdk.SQSClient({ ...clientSettings(options), useQueueUrlAsEndpoint: false }));
}

/**
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
 *
 * No redrive policy: what cannot be taken in during an outage has to come back until it can, and what is malformed is set aside by the intake.
 */
const ATTRIBUTES: Readonly<Record<string, string>> = {
  // 14 days, the most: replicast may be away that long without losing an event.
  MessageRetentionPeriod: "1209600",
  // Much longer than it takes to make what follows from ten messages durable, and soon enough after a crash.
  VisibilityTimeout: "60",
  // The longest wait, so that nobody is billed for empty answers.
  ReceiveMessageWaitTimeSeconds: "20",
  SqsManagedSseEnabled: "true",
};

/** The most that one page of a listing holds. */
const PAGE = 1000;

class SqsQueueConfiguration implements QueueConfiguration {
  readonly #sdk: typeof SQS;
  readonly #client: SQS.SQSClient;

  constructor(sdk: typeof SQS, client: SQS.SQSClient) {
    this.#sdk = sdk;
    this.#client = client;
  }

  async find(name: string): Promise<string | undefined> {
    const command = new this.#sdk.GetQueueUrlCommand({ QueueName: name });
    const answer = await ifThere(() => ask("GetQueueUrl", name, () => this.#client.send(command)));
    return answer?.QueueUrl;
  }

  async list(prefix: string): Promise<readonly string[]> {
    const urls: string[] = [];
    for (let NextToken: string | undefined; ; ) {
      const page = { QueueNamePrefix: prefix, MaxResults: PAGE, ...(NextToken === undefined ? {} : { NextToken }) };
      const answer = await ask("ListQueues", `${prefix}*`, () => this.#client.send(new this.#sdk.ListQueuesCommand(page)));
      urls.push(...(answer.QueueUrls ?? []));
      if (answer.NextToken === undefined) return urls;
      NextToken = answer.NextToken;
    }
  }

  async facts(url: string): Promise<QueueFacts | undefined> {
    const command = new this.#sdk.GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ["QueueArn", "Policy"] });
    const answer = await ifThere(() => ask("GetQueueAttributes", url, () => this.#client.send(command)));
    if (answer === undefined) return undefined;
    const { QueueArn: arn, Policy } = answer.Attributes ?? {};
    if (arn === undefined) throw new ReplicationError("InvalidRequest", `GetQueueAttributes on ${url}: the queue does not say its ARN`);
    return { arn, policy: Policy === undefined || Policy === "" ? undefined : parsePolicy(Policy) };
  }

  async tags(url: string): Promise<Readonly<Record<string, string>>> {
    const command = new this.#sdk.ListQueueTagsCommand({ QueueUrl: url });
    return (await ifThere(() => ask("ListQueueTags", url, () => this.#client.send(command))))?.Tags ?? {};
  }

  async create(name: string, tags: Readonly<Record<string, string>>): Promise<string> {
    const command = new this.#sdk.CreateQueueCommand({ QueueName: name, Attributes: { ...ATTRIBUTES }, tags: { ...tags } });
    const { QueueUrl } = await ask("CreateQueue", name, () => this.#client.send(command));
    if (QueueUrl === undefined) throw new ReplicationError("InvalidRequest", `CreateQueue on ${name}: the queue has no URL`);
    return QueueUrl;
  }

  async putPolicy(url: string, policy: PolicyDocument | undefined): Promise<void> {
    const Policy = policy === undefined || policy.Statement.length === 0 ? "" : JSON.stringify(policy);
    const command = new this.#sdk.SetQueueAttributesCommand({ QueueUrl: url, Attributes: { Policy } });
    await ask("SetQueueAttributes", url, () => this.#client.send(command));
  }

  async delete(url: string): Promise<void> {
    await ifThere(() => ask("DeleteQueue", url, () => this.#client.send(new this.#sdk.DeleteQueueCommand({ QueueUrl: url }))));
  }

  close(): void {
    this.#client.destroy();
  }
}

type Operation =
  | "CreateQueue"
  | "DeleteQueue"
  | "GetQueueAttributes"
  | "GetQueueUrl"
  | "ListQueues"
  | "ListQueueTags"
  | "SetQueueAttributes";

/** Beside its own right a call may need another. */
const RIGHTS: Partial<Record<Operation, string>> = { CreateQueue: "sqs:CreateQueue and sqs:TagQueue" };

const MISSING = /QueueDoesNotExist|NonExistentQueue/;

const BY_NAME: readonly (readonly [RegExp, ErrorCode | undefined, string])[] = [
  [MISSING, undefined, "check queueUrl and region; without a queueUrl replicast apply makes the queue"],
  [/QueueDeletedRecently/, "SlowDown", "a queue of this name was just deleted: try again in a minute"],
  [/QueueNameExists|QueueAlreadyExists/, undefined, "somebody else made a queue of this name: delete it, or name it in queueUrl"],
];

const HINTS: Partial<Record<ErrorCode, string>> = {
  InvalidAccessKeyId: "check accessKeyId; temporary credentials may have expired",
  NotImplemented: "there are no queues at this endpoint: name one in queueUrl, or have events come another way",
  SignatureDoesNotMatch: "check secretAccessKey and region",
  SlowDown: "the account asks too often: try again",
  StoreUnreachable: "check that this machine can reach SQS, and AWS_ENDPOINT_URL_SQS where it is set",
};

/** Undefined where there is no such queue. */
async function ifThere<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (isReplicationError(error) && MISSING.test(namesOf(error.cause))) return undefined;
    throw error;
  }
}

/** Does the work, and tells in our words what SQS says in its own. */
async function ask<T>(operation: Operation, queue: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (isReplicationError(cause)) throw cause;
    const refusal = toRefusal(cause);
    const names = namesOf(cause);
    const [, named, told] = BY_NAME.find(([pattern]) => pattern.test(names)) ?? [];
    const code = named ?? refusal.code;
    const hint = told ?? (code === "AccessDenied" ? `allow ${RIGHTS[operation] ?? `sqs:${operation}`}` : HINTS[code]);
    const message = `${operation} on ${queue}: ${refusal.name}: ${refusal.message}`;
    throw new ReplicationError(code, message, { at: { operation, status: refusal.status }, hint, cause });
  }
}

/** The SDK has names of its own for what the queue says. */
function namesOf(cause: unknown): string {
  return `${cause instanceof Error ? cause.name : ""} ${toRefusal(cause).name}`;
}
