import type { ParsedMessage } from "../domain/event.ts";

/** Takes bucket events in. */
export interface Intake {
  /**
   * Returns once every task that follows from the message is durable and what nobody understood is set aside; only then may the message be
   * acknowledged to whoever sent it.
   * @throws `Overloaded` or `LedgerUnavailable`: not durable, to be delivered again.
   */
  accept(store: string, message: ParsedMessage): Promise<void>;
}

/** A place that events are fetched from, as opposed to the webhook that they are pushed to. */
export interface EventSource {
  /** Alias of the store whose events it carries. */
  readonly store: string;
  /** Fetches and hands over messages until {@link stop}; a message is acknowledged at its origin only after `intake.accept` resolved. */
  start(intake: Intake): Promise<void>;
  /** Stops fetching, waits for what is being handed over. Idempotent. */
  stop(): Promise<void>;
}
