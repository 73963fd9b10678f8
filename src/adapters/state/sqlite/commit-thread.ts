import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { ReplicationError } from "../../../domain/error.ts";
import type { Committer } from "./group-commit.ts";
import { fromErrorCells } from "./sqlite-error.ts";
import type { Batch, FromWriter, Reply, ToWriter } from "./wire.ts";

/** The main thread's end of the writer's thread. It keeps the process alive only while a commit is under way. */
export class CommitThread implements Committer {
  readonly #worker: Worker;
  readonly #ended: Promise<void>;
  #waiting: PromiseWithResolvers<FromWriter>;
  #failure: ReplicationError | undefined;

  private constructor(path: string) {
    // Run as written from a checkout, as built from the package.
    const extension = extname(fileURLToPath(import.meta.url));
    this.#worker = new Worker(new URL(`./writer-thread${extension}`, import.meta.url), { workerData: { path }, name: "replicast-state" });
    this.#waiting = Promise.withResolvers();
    const ended = Promise.withResolvers<void>();
    this.#ended = ended.promise;
    this.#worker.on("message", (message: FromWriter) => this.#waiting.resolve(message));
    this.#worker.on("error", (error) => this.#fail(error));
    this.#worker.on("exit", () => {
      this.#fail(undefined);
      ended.resolve();
    });
  }

  /** Starts the thread and opens the file in it. */
  static async open(path: string): Promise<CommitThread> {
    const thread = new CommitThread(path);
    const message = await thread.#waiting.promise;
    if ("refused" in message) {
      await thread.#ended;
      throw fromErrorCells(message.refused);
    }
    thread.#worker.unref();
    return thread;
  }

  async commit(batch: Batch): Promise<Reply> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#waiting = Promise.withResolvers();
    this.#worker.ref();
    this.#tell({ batch: JSON.stringify(batch) });
    const message = await this.#waiting.promise;
    this.#worker.unref();
    if (!("reply" in message)) throw endedError(undefined);
    return JSON.parse(message.reply) as Reply;
  }

  async close(): Promise<void> {
    this.#worker.ref();
    this.#tell({ close: true });
    await this.#ended;
  }

  #tell(message: ToWriter): void {
    this.#worker.postMessage(message);
  }

  #fail(cause: unknown): void {
    this.#failure ??= endedError(cause);
    this.#waiting.promise.catch(() => {});
    this.#waiting.reject(this.#failure);
  }
}

function endedError(cause: unknown): ReplicationError {
  return new ReplicationError("LedgerUnavailable", "the thread that writes the state has ended", {
    hint: "start replicast again; what was acknowledged is safe",
    cause,
  });
}
