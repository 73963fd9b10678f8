import { CommitThread } from "./commit-thread.ts";
import type { Committer } from "./group-commit.ts";
import { toLedgerError } from "./sqlite-error.ts";
import type { Batch, Reply } from "./wire.ts";
import { Writer } from "./writer.ts";

/** A commit that commonly takes longer keeps the event loop from its other work for longer than handing it to a thread would cost. */
const MAX_COMMON_MS = 1;
/** So many commits are judged together, by their median: a busy machine makes single ones slow that the disk has no part in. */
const JUDGED_COMMITS = 33;

/**
 * Commits on the event loop's own thread for as long as that is quick, and moves to a thread of its own, once and for good, when it is not:
 * waking a thread and back costs more than a short commit on a fast disk.
 */
export class AdaptiveCommit implements Committer {
  readonly #path: string;
  #writer: Writer | undefined;
  #thread: CommitThread | undefined;
  #durations: number[] = [];

  private constructor(path: string) {
    this.#path = path;
    this.#writer = new Writer(path);
  }

  /** Opens the file for writing. @throws what {@link toLedgerError} makes of the database's error */
  static open(path: string): AdaptiveCommit {
    try {
      return new AdaptiveCommit(path);
    } catch (error) {
      throw toLedgerError(error, "open");
    }
  }

  async commit(batch: Batch): Promise<Reply> {
    if (this.#writer === undefined) {
      this.#thread ??= await CommitThread.open(this.#path);
      return this.#thread.commit(batch);
    }
    const startedAt = performance.now();
    const reply = this.#writer.apply(batch);
    if (!("error" in reply)) this.#durations.push(performance.now() - startedAt);
    if (this.#durations.length === JUDGED_COMMITS) this.#judge();
    return reply;
  }

  async close(): Promise<void> {
    this.#writer?.close();
    this.#writer = undefined;
    await this.#thread?.close();
  }

  #judge(): void {
    const median = this.#durations.sort((a, b) => a - b)[JUDGED_COMMITS >> 1] ?? 0;
    this.#durations = [];
    if (median > MAX_COMMON_MS) this.#move();
  }

  /** The thread opens the file with the next batch: one connection writes at a time. */
  #move(): void {
    const writer = this.#writer;
    this.#writer = undefined;
    try {
      writer?.close();
    } catch {
      // Closing folds the log into the file, which a full disk refuses. The log stays beside it, whole, and the thread goes on with it.
    }
  }
}
