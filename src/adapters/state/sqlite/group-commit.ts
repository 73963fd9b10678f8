import { ReplicationError } from "../../../domain/error.ts";
import type { TaskCells } from "./cells.ts";
import type { Routes } from "./routes.ts";
import { fromErrorCells } from "./sqlite-error.ts";
import type { Batch, Committed, Op, Reply } from "./wire.ts";

/** Makes one batch durable at a time. */
export interface Committer {
  commit(batch: Batch): Promise<Reply>;
  close(): Promise<void>;
}

/** What became of the operations of a submission, by their index in it. */
export interface Results {
  /** The task row that the operation found or left. */
  rowOf(index: number): TaskCells | undefined;
  /** Is true where what the operation found forbade it. */
  isRefused(index: number): boolean;
}

interface Submission {
  readonly ops: readonly Op[];
  readonly committed: (results: Results) => void;
  readonly failed: (error: unknown) => void;
}

export interface GroupCommitOptions {
  readonly routes: Routes;
  /** The highest generation given out so far. */
  readonly lastGeneration: () => number;
  /** How many operations may wait before new ones are refused. */
  readonly maxWaiting: number;
}

/** More than this in one transaction gains nothing and makes the first of them wait for the last. */
const MAX_OPS_PER_COMMIT = 4_096;

/**
 * Gathers what arrives while a commit is under way into the next one, so that many writers share one sync of the disk. With none under way
 * a commit starts as soon as the event loop has read what is there to read.
 *
 * Effects on memory happen in the order of the commits, each before the promise of its submission resolves.
 */
export class GroupCommit {
  readonly #committer: Committer;
  readonly #options: GroupCommitOptions;
  #queue: Submission[] = [];
  #waitingOps = 0;
  #running: Promise<void> | undefined;
  #draining = false;

  constructor(committer: Committer, options: GroupCommitOptions) {
    this.#committer = committer;
    this.#options = options;
  }

  /** @throws `Overloaded` where too much waits already */
  refuseIfFull(): void {
    if (this.#waitingOps < this.#options.maxWaiting) return;
    throw new ReplicationError("Overloaded", `${this.#waitingOps} changes wait to be written`, {
      at: { operation: "commit" },
      hint: "the disk of the state is slower than the events; deliver again later",
    });
  }

  /** Resolves with what `committed` makes of the results, once the operations are durable. Rejected: nothing of them was written. */
  submit<T>(ops: readonly Op[], committed: (results: Results) => T): Promise<T> {
    if (this.#draining) return Promise.reject(closedError());
    this.#waitingOps += ops.length;
    const submitted = new Promise<T>((resolve, reject) => {
      const settle = (results: Results): void => {
        try {
          resolve(committed(results));
        } catch (error) {
          reject(error);
        }
      };
      this.#queue.push({ ops, committed: settle, failed: reject });
    });
    this.#running ??= this.#run();
    return submitted;
  }

  /** Takes nothing more in and waits for what was submitted. Idempotent. */
  async drain(): Promise<void> {
    this.#draining = true;
    await this.#running;
  }

  /** Ends the writing side; after {@link drain}. */
  close(): Promise<void> {
    return this.#committer.close();
  }

  async #run(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0) await this.#commit(this.#take());
    this.#running = undefined;
  }

  #take(): readonly Submission[] {
    let ops = 0;
    const end = this.#queue.findIndex((submission) => {
      ops += submission.ops.length;
      return ops >= MAX_OPS_PER_COMMIT;
    });
    return end === -1 ? this.#queue.splice(0) : this.#queue.splice(0, end + 1);
  }

  async #commit(submissions: readonly Submission[]): Promise<void> {
    const ops = submissions.flatMap((submission) => submission.ops);
    const routes = this.#options.routes.unsaved();
    try {
      const reply = await this.#committer.commit([this.#options.lastGeneration(), routes, ops]);
      if ("error" in reply) throw fromErrorCells(reply.error);
      this.#options.routes.markSaved(routes);
      settle(submissions, reply);
    } catch (error) {
      for (const submission of submissions) submission.failed(error);
    } finally {
      this.#waitingOps -= ops.length;
    }
  }
}

function settle(submissions: readonly Submission[], { rows, refused }: Committed): void {
  const byIndex = new Map(rows);
  const refusedOnes = new Set(refused);
  let offset = 0;
  for (const submission of submissions) {
    const start = offset;
    submission.committed({
      rowOf: (index) => byIndex.get(start + index),
      isRefused: (index) => refusedOnes.has(start + index),
    });
    offset += submission.ops.length;
  }
}

export function closedError(): ReplicationError {
  return new ReplicationError("Draining", "the state is closed", {
    at: { operation: "commit" },
    hint: "the process is stopping; deliver again later",
  });
}
