import type { LogFields, Logger } from "../../ports/logger.ts";

/** Logs the beginning and the end of a trouble, and when it turns into another one; not that it goes on. */
export class OutageLog {
  readonly #logger: Logger;
  readonly #what: string;
  #code: string | undefined;
  #failures = 0;

  constructor(logger: Logger, what: string) {
    this.#logger = logger;
    this.#what = what;
  }

  /** How often it has failed in a row. */
  get failures(): number {
    return this.#failures;
  }

  failed(problem: LogFields & { readonly code: string }): void {
    this.#failures++;
    if (problem.code !== this.#code) this.#logger.warn(`${this.#what} fails; trying again`, problem);
    this.#code = problem.code;
  }

  succeeded(): void {
    if (this.#code !== undefined) this.#logger.info(`${this.#what} works again`, { failures: this.#failures });
    this.#code = undefined;
    this.#failures = 0;
  }
}
