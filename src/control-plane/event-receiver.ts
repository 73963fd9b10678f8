import { isReplicationError, toReplicationError } from "../domain/error.ts";
import type { ParsedMessage } from "../domain/event.ts";
import type { Intake } from "../ports/event-source.ts";
import type { Logger } from "../ports/logger.ts";
import { errorProblem, type Problem, problemResponse, unavailableProblem } from "./problem.ts";
import { readBody } from "./read-body.ts";

export const MAX_BODY_BYTES: number = 1024 * 1024;

export interface EventReceiverOptions {
  readonly intake: Intake;
  /** Reads the events out of a body. Throws `MalformedEvent` where it is not JSON. */
  readonly parse: (body: Uint8Array, store: string) => ParsedMessage;
  /** Called for each message that was not taken in: its events are lost unless the sender repeats it. */
  readonly onRefused?: ((store: string) => void) | undefined;
  /** Is told when messages begin to be refused for a reason on this side, and when that is over. */
  readonly logger?: Logger | undefined;
}

/** Takes pushed bucket events in: 200 once everything that follows from them is durable, and not before. */
export class EventReceiver {
  readonly #options: EventReceiverOptions;
  /** The code of what keeps messages out; under load every request fails for the same reason, which is one line in the log. */
  #failing: string | undefined;

  constructor(options: EventReceiverOptions) {
    this.#options = options;
  }

  async receive(store: string, request: Request): Promise<Response> {
    return (await this.receiveBody(store, () => readWhole(request))) ?? new Response(null, { status: 200 });
  }

  /** As {@link receive}, for a body that is read by other means; undefined stands for the 200. */
  async receiveBody(store: string, read: () => Promise<Uint8Array | Problem>): Promise<Response | undefined> {
    let problem: Problem | undefined;
    try {
      problem = await this.#take(store, await read());
    } catch (error) {
      this.#options.onRefused?.(store);
      throw error;
    }
    if (problem === undefined) return undefined;
    this.#options.onRefused?.(store);
    return problemResponse(problem);
  }

  async #take(store: string, body: Uint8Array | Problem): Promise<Problem | undefined> {
    if (!(body instanceof Uint8Array)) return body;
    let message: ParsedMessage;
    try {
      message = this.#options.parse(body, store);
    } catch (error) {
      if (!isReplicationError(error)) throw error;
      return errorProblem(error);
    }
    return this.#accept(store, message);
  }

  async #accept(store: string, message: ParsedMessage): Promise<Problem | undefined> {
    try {
      await this.#options.intake.accept(store, message);
    } catch (error) {
      this.#failed(store, error);
      return unavailableProblem(error);
    }
    if (this.#failing !== undefined) this.#options.logger?.info("events are taken in again", { store });
    this.#failing = undefined;
    return undefined;
  }

  #failed(store: string, error: unknown): void {
    const { code } = toReplicationError(error);
    if (code !== this.#failing) this.#options.logger?.error("events cannot be taken in", { store, error });
    this.#failing = code;
  }
}

async function readWhole(request: Request): Promise<Uint8Array | Problem> {
  try {
    return (await readBody(request, MAX_BODY_BYTES)) ?? TOO_LARGE;
  } catch {
    return { status: 400, code: "InvalidRequest", detail: "the body ended before it was complete", hint: "send it again" };
  }
}

/** The answer to a body of more than is read. */
export const TOO_LARGE: Problem = {
  status: 413,
  code: "EntityTooLarge",
  detail: "the body is larger than 1 MiB",
  hint: "send fewer records in one message",
};
