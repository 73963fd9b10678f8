import { setTimeout as delay } from "node:timers/promises";
import { isReplicationError, type ReplicationError, toReplicationError } from "../../domain/error.ts";
import type { ParsedMessage } from "../../domain/event.ts";
import type { Clock } from "../../ports/clock.ts";
import type { EventSource, Intake } from "../../ports/event-source.ts";
import type { Logger } from "../../ports/logger.ts";
import { OutageLog } from "./outage-log.ts";
import { malformedMessage } from "./s3-notification.ts";
import { openQueue, type Postponement, type ReceivedMessage, type SqsQueue, type SqsQueueOptions, toQueueProblem } from "./sqs-queue.ts";

export interface SqsEventSourceOptions extends SqsQueueOptions {
  /** Alias of the store whose events the queue carries. */
  readonly store: string;
  readonly logger: Logger;
  /** Reads the events out of a message's body. Throws `MalformedEvent` where it is not JSON. */
  readonly parse: (body: string, store: string) => ParsedMessage;
  /** @defaultValue the system's */
  readonly clock?: Clock | undefined;
}

const BACKOFF_INITIAL_MS = 1_000;
const BACKOFF_MAX_MS = 60_000;

/**
 * Seconds until a message that could not be taken in comes back, doubled with each of its deliveries. Together with the pause of the loop
 * this keeps it from reaching a dead-letter queue, commonly after 5 deliveries, during a short overload.
 */
const POSTPONE_INITIAL_SECONDS = 5;
const POSTPONE_MAX_SECONDS = 900;

/**
 * Fetches a store's events from an SQS queue, to which S3 sends them directly, through SNS or through EventBridge.
 *
 * `start` resolves once it polls; a queue that is away or refuses is logged and tried again for as long as it runs. A message is deleted
 * only once `intake.accept` resolved; one that is not JSON is set aside by the intake and then deleted, since it will never be anything else.
 * The AWS SDK is loaded by `start`.
 */
export function createSqsEventSource(options: SqsEventSourceOptions): EventSource {
  return new SqsEventSource(options);
}

class SqsEventSource implements EventSource {
  readonly store: string;
  readonly #options: SqsEventSourceOptions;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  readonly #receiving: OutageLog;
  readonly #handingOver: OutageLog;
  readonly #acknowledging: OutageLog;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  #polling: Promise<void> | undefined;

  constructor(options: SqsEventSourceOptions) {
    this.store = options.store;
    this.#options = options;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#receiving = new OutageLog(options.logger, "receiving from the queue");
    this.#handingOver = new OutageLog(options.logger, "taking in messages of the queue");
    this.#acknowledging = new OutageLog(options.logger, "deleting messages from the queue");
  }

  start(intake: Intake): Promise<void> {
    this.#starting ??= this.#open(intake);
    return this.#starting;
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#end();
    return this.#stopping;
  }

  async #open(intake: Intake): Promise<void> {
    if (this.#stop.signal.aborted) return;
    const queue = await openQueue(this.#options);
    this.#polling = this.#poll(queue, intake).finally(() => queue.close());
  }

  async #end(): Promise<void> {
    this.#stop.abort();
    // A start that failed has told its caller, and left nothing to stop.
    await this.#starting?.catch(() => undefined);
    await this.#polling;
  }

  async #poll(queue: SqsQueue, intake: Intake): Promise<void> {
    let settled: Promise<void> = Promise.resolve();
    while (!this.#stop.signal.aborted) {
      const messages = await this.#receive(queue);
      const errors = await Promise.all(messages.map((message) => this.#handOver(message, intake)));
      // The next poll does not wait for this batch to be deleted, only for the one before it.
      await settled;
      settled = this.#settle(queue, messages, errors);
      if (this.#failedToHandOver(errors)) await this.#pause(this.#handingOver);
    }
    await settled;
  }

  async #receive(queue: SqsQueue): Promise<readonly ReceivedMessage[]> {
    try {
      const messages = await queue.receive(this.#stop.signal);
      this.#receiving.succeeded();
      return messages;
    } catch (error) {
      if (this.#stop.signal.aborted) return [];
      this.#receiving.failed(this.#described(error));
      await this.#pause(this.#receiving);
      return [];
    }
  }

  /** Returns why the message could not be taken in; undefined once everything that follows from it is durable. */
  async #handOver(message: ReceivedMessage, intake: Intake): Promise<ReplicationError | undefined> {
    try {
      await intake.accept(this.store, this.#parse(message.body));
      return undefined;
    } catch (error) {
      return toReplicationError(error);
    }
  }

  #failedToHandOver(errors: readonly (ReplicationError | undefined)[]): boolean {
    const error = errors.find((one) => one !== undefined);
    if (error !== undefined) this.#handingOver.failed({ store: this.store, code: error.code, error });
    else if (errors.length > 0) this.#handingOver.succeeded();
    return error !== undefined;
  }

  #parse(body: string): ParsedMessage {
    try {
      return this.#options.parse(body, this.store);
    } catch (error) {
      if (isReplicationError(error) && error.code === "MalformedEvent") return malformedMessage(body, error.message);
      throw error;
    }
  }

  /** Deletes what was taken in and postpones the rest. Where that fails the queue delivers again, which is harmless. */
  async #settle(queue: SqsQueue, messages: readonly ReceivedMessage[], errors: readonly (ReplicationError | undefined)[]): Promise<void> {
    if (messages.length === 0) return;
    try {
      await queue.delete(messages.filter((_, index) => errors[index] === undefined));
      await queue.postpone(messages.filter((_, index) => errors[index] !== undefined).map(toPostponement));
      this.#acknowledging.succeeded();
    } catch (error) {
      this.#acknowledging.failed(this.#described(error));
    }
  }

  #described(error: unknown): { readonly store: string; readonly queue: string; readonly code: string } {
    const { queueUrl, queueName = "" } = this.#options;
    return { store: this.store, queue: queueUrl ?? queueName, ...toQueueProblem(error) };
  }

  /** Exponential with full jitter, so that many processes do not come back at once. */
  #pause(outage: OutageLog): Promise<void> {
    const most = Math.min(BACKOFF_MAX_MS, BACKOFF_INITIAL_MS * 2 ** Math.max(0, outage.failures - 1));
    return this.#clock.sleep(Math.random() * most, this.#stop.signal);
  }
}

function toPostponement(message: ReceivedMessage): Postponement {
  const seconds = POSTPONE_INITIAL_SECONDS * 2 ** Math.min(10, Math.max(0, message.receives - 1));
  return { message, seconds: Math.min(POSTPONE_MAX_SECONDS, seconds) };
}

const SYSTEM_CLOCK: Clock = {
  now: Date.now,
  sleep: async (ms, signal) => {
    await delay(ms, undefined, { ref: false, ...(signal === undefined ? {} : { signal }) }).catch(() => undefined);
  },
};
