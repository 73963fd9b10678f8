import { type ErrorCode, isReplicationError, type ReplicationError } from "../domain/error.ts";

/** What a comparison of one destination came to, as far as it came. */
export interface Losable {
  /** Why the comparison was not brought to its end; absent where it was. Then what is counted here is a part of the truth. */
  error?: ReplicationError | undefined;
}

export interface LostDestinationsOptions {
  /** Whether a bucket that fails costs its own destinations alone. */
  readonly goesOn: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** What fails for a reason that no bucket has is nothing to go on without. */
const OF_NO_BUCKET: ReadonlySet<ErrorCode> = new Set([
  "Aborted",
  "ConfigInvalid",
  "Internal",
  "LeaseLost",
  "LedgerCorrupt",
  "LedgerLocked",
  "LedgerUnavailable",
]);

/** Keeps account of the destinations of a comparison that cannot be compared any further: one that cannot keeps nothing from the others. */
export class LostDestinations {
  readonly #summaries: readonly Losable[];
  readonly #options: LostDestinationsOptions;

  constructor(summaries: readonly Losable[], options: LostDestinationsOptions) {
    this.#summaries = summaries;
    this.#options = options;
  }

  has(index: number): boolean {
    return this.#summaries[index]?.error !== undefined;
  }

  /** Goes on without a destination. @throws the error itself where that cannot be, or where no destination is left */
  lose(index: number, error: unknown): void {
    const summary = this.#summaries[index];
    if (summary !== undefined) summary.error ??= this.#reason(error);
    if (this.#summaries.every((one) => one.error !== undefined)) throw error;
  }

  /** Ends with what ended the comparison of all that was left. @throws the error itself where that is nothing to go on from */
  loseRest(error: unknown): void {
    const reason = this.#reason(error);
    for (const summary of this.#summaries) summary.error ??= reason;
  }

  #reason(error: unknown): ReplicationError {
    const { goesOn, signal } = this.#options;
    if (!goesOn || signal?.aborted === true || !isOfBucket(error)) throw error;
    return error;
  }
}

function isOfBucket(error: unknown): error is ReplicationError {
  return isReplicationError(error) && !OF_NO_BUCKET.has(error.code);
}
