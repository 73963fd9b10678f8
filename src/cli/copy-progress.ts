import type { SyncEvent } from "../app/sync-buckets.ts";
import type { Output } from "./output.ts";
import { Progress } from "./progress.ts";

/** So many failures are shown one by one; the rest are counted. */
const SHOWN_FAILURES = 20;

/** Shows copies while they are made, and what failed of them. */
export class CopyProgress {
  readonly #output: Output;
  readonly #progress: Progress;
  #done = 0;
  #bytes = 0;
  #failures = 0;

  constructor(output: Output) {
    this.#output = output;
    this.#progress = new Progress({ output });
  }

  get failures(): number {
    return this.#failures;
  }

  /** Takes what was copied or has failed; all else changes nothing. */
  tell(event: SyncEvent): void {
    if (event.kind === "copied") {
      this.#done++;
      this.#bytes += event.bytes;
      this.#progress.update({ done: this.#done, bytes: this.#bytes });
    } else if (event.kind === "failed" && ++this.#failures <= SHOWN_FAILURES) {
      this.#output.warn(`${event.destination.id}: ${event.error.message}`);
    }
  }

  /** Takes the progress away, and counts the failures that were not shown. */
  end(): void {
    this.stop();
    if (this.#failures > SHOWN_FAILURES) this.#output.warn(`and ${this.#failures - SHOWN_FAILURES} more`);
  }

  stop(): void {
    this.#progress.stop();
  }
}
