import type { Message, SQSClient } from "@aws-sdk/client-sqs";

export interface SqsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
  /** When to ask for new ones; absent: never. */
  readonly expiration?: Date | undefined;
}

export interface SqsQueueOptions {
  /** Where it is, or else its name in the region. */
  readonly queueUrl?: string | undefined;
  readonly queueName?: string | undefined;
  readonly region: string;
  /** @defaultValue AWS_ENDPOINT_URL_SQS or AWS_ENDPOINT_URL where set, else where the queue's URL points */
  readonly endpoint?: string | undefined;
  readonly credentials: () => SqsCredentials | Promise<SqsCredentials>;
}

/** What went wrong with a queue, for a person to act on. */
export interface QueueProblem {
  /** As the queue or the network names it. */
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

export interface ReceivedMessage {
  readonly body: string;
  readonly receiptHandle: string;
  /** How often it has been delivered, this time included. */
  readonly receives: number;
}

export interface Postponement {
  readonly message: ReceivedMessage;
  readonly seconds: number;
}

type Sdk = typeof import("@aws-sdk/client-sqs");

/** The most that SQS waits for a message, and the most messages it gives at once. */
const LONG_POLL_SECONDS = 20;
const MAX_MESSAGES = 10;

/** A quick second try only: whoever polls has a backoff of its own. */
const MAX_ATTEMPTS = 2;

/** One SQS queue, over the AWS SDK, which is loaded by {@link openQueue} and not before. */
export class SqsQueue {
  readonly #sdk: Sdk;
  readonly #client: SQSClient;
  readonly #options: SqsQueueOptions;
  #found: string | undefined;

  constructor(sdk: Sdk, client: SQSClient, options: SqsQueueOptions) {
    this.#sdk = sdk;
    this.#client = client;
    this.#options = options;
    this.#found = options.queueUrl;
  }

  /** Its URL: a queue that is known by its name is looked for until it was found once. Throws where it is not there. */
  async url(signal?: AbortSignal): Promise<string> {
    if (this.#found !== undefined) return this.#found;
    const { queueName: QueueName, region } = this.#options;
    try {
      const { QueueUrl } = await this.#client.send(new this.#sdk.GetQueueUrlCommand({ QueueName }), abortedBy(signal));
      this.#found = QueueUrl;
    } catch (cause) {
      if (!MISSING.test(describe(cause).code)) throw cause;
    }
    if (this.#found === undefined)
      throw Object.assign(new Error(`there is no queue ${QueueName} in ${region}`), { name: "QueueDoesNotExist" });
    return this.#found;
  }

  /** Waits for messages as long as SQS allows; empty where none came. */
  async receive(signal: AbortSignal): Promise<readonly ReceivedMessage[]> {
    const command = new this.#sdk.ReceiveMessageCommand({
      QueueUrl: await this.url(signal),
      MaxNumberOfMessages: MAX_MESSAGES,
      WaitTimeSeconds: LONG_POLL_SECONDS,
      MessageSystemAttributeNames: ["ApproximateReceiveCount"],
    });
    const { Messages = [] } = await this.#client.send(command, { abortSignal: signal });
    return Messages.map(toReceived);
  }

  /** Removes messages for good; what could not be removed is delivered again. Throws where that was any. */
  async delete(messages: readonly ReceivedMessage[]): Promise<void> {
    if (messages.length === 0) return;
    const Entries = messages.map((message, index) => ({ Id: String(index), ReceiptHandle: message.receiptHandle }));
    const { Failed } = await this.#client.send(new this.#sdk.DeleteMessageBatchCommand({ QueueUrl: await this.url(), Entries }));
    throwFirst(Failed);
  }

  /** Hides messages for so long from now. Throws where any could not be: it then comes back when the queue's own time is over. */
  async postpone(postponements: readonly Postponement[]): Promise<void> {
    if (postponements.length === 0) return;
    const Entries = postponements.map(({ message, seconds }, index) => ({
      Id: String(index),
      ReceiptHandle: message.receiptHandle,
      VisibilityTimeout: seconds,
    }));
    const command = new this.#sdk.ChangeMessageVisibilityBatchCommand({ QueueUrl: await this.url(), Entries });
    const { Failed } = await this.#client.send(command);
    throwFirst(Failed);
  }

  close(): void {
    this.#client.destroy();
  }
}

/** Loads the SDK and builds the client. Sends nothing. */
export async function openQueue(options: SqsQueueOptions): Promise<SqsQueue> {
  const sdk = await import("@aws-sdk/client-sqs");
  const endpoint = endpointOf(options);
  const client = new sdk.SQSClient({
    region: options.region,
    credentials: async () => withoutUndefined(await options.credentials()),
    maxAttempts: MAX_ATTEMPTS,
    // It would overrule the endpoint, and print its doubts to the console.
    useQueueUrlAsEndpoint: false,
    requestHandler: {
      connectionTimeout: 5_000,
      requestTimeout: (LONG_POLL_SECONDS + 10) * 1000,
      throwOnRequestTimeout: true,
      httpAgent: { keepAlive: true, maxSockets: 4 },
      httpsAgent: { keepAlive: true, maxSockets: 4 },
    },
    ...(endpoint === undefined ? {} : { endpoint }),
  });
  return new SqsQueue(sdk, client, options);
}

/** Says what is wrong with the queue and what a person can do. */
export function toQueueProblem(error: unknown): QueueProblem {
  const { code, message } = describe(error);
  return { code, message, hint: hintFor(code) };
}

function toReceived(message: Message): ReceivedMessage {
  return {
    body: message.Body ?? "",
    receiptHandle: message.ReceiptHandle ?? "",
    receives: Number(message.Attributes?.ApproximateReceiveCount ?? 1),
  };
}

/** What the environment names wins over the queue's URL, as with every AWS client; emulators' queue URLs name hosts that nobody resolves. */
function endpointOf({ endpoint, queueUrl = "" }: SqsQueueOptions): string | undefined {
  if (endpoint !== undefined) return endpoint;
  if (process.env.AWS_ENDPOINT_URL_SQS || process.env.AWS_ENDPOINT_URL) return undefined;
  return URL.canParse(queueUrl) ? new URL(queueUrl).origin : undefined;
}

function abortedBy(signal: AbortSignal | undefined): { readonly abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}

type SdkIdentity = { accessKeyId: string; secretAccessKey: string; sessionToken?: string; expiration?: Date };

function withoutUndefined({ accessKeyId, secretAccessKey, sessionToken, expiration }: SqsCredentials): SdkIdentity {
  return {
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === undefined ? {} : { sessionToken }),
    ...(expiration === undefined ? {} : { expiration }),
  };
}

function throwFirst(failed: readonly { readonly Code?: string | undefined; readonly Message?: string | undefined }[] | undefined): void {
  const first = failed?.[0];
  if (first !== undefined)
    throw Object.assign(new Error(first.Message ?? "the batch failed in part"), { name: first.Code ?? "BatchEntryFailed" });
}

function describe(error: unknown): { readonly code: string; readonly message: string } {
  if (!(error instanceof Error)) return { code: "Unknown", message: String(error) };
  // The network's errors have their name in `code`, the queue's in `name`.
  const code = "code" in error && typeof error.code === "string" ? error.code : error.name;
  return { code, message: error.message === "" ? code : error.message };
}

const MISSING = /QueueDoesNotExist|NonExistentQueue|InvalidAddress/;

const HINTS: readonly (readonly [RegExp, string])[] = [
  [MISSING, "run replicast apply, which makes the queue where events has no queueUrl; else check events.queueUrl and events.region"],
  [
    /AccessDenied/,
    "allow sqs:GetQueueUrl, sqs:ReceiveMessage, sqs:DeleteMessage and sqs:ChangeMessageVisibility on the queue, and kms:Decrypt on its key",
  ],
  [/InvalidClientTokenId|UnrecognizedClient|InvalidAccessKeyId|SignatureDoesNotMatch|Credentials/, "check the credentials of the store"],
  [
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|Timeout/,
    "check that the endpoint of the queue can be reached from here",
  ],
];

function hintFor(code: string): string {
  return HINTS.find(([pattern]) => pattern.test(code))?.[1] ?? "it is tried again; see the message";
}
