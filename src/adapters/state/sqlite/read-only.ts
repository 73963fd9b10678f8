import { ReplicationError } from "../../../domain/error.ts";
import type { LeasedTask, PendingSummary, TaskStore } from "../../../ports/state.ts";
import type { Committer } from "./group-commit.ts";

/** The tasks as a reader may see them: counted, never taken. */
export class ReadOnlyTaskStore implements TaskStore {
  readonly #tasks: TaskStore;

  constructor(tasks: TaskStore) {
    this.#tasks = tasks;
  }

  pending(): Promise<readonly PendingSummary[]> {
    return this.#tasks.pending();
  }

  nextDueAt(): Promise<number | undefined> {
    return Promise.reject(readOnlyError());
  }

  want(): Promise<void> {
    return Promise.reject(readOnlyError());
  }

  claim(): Promise<readonly LeasedTask[]> {
    return Promise.reject(readOnlyError());
  }

  record(): Promise<readonly boolean[]> {
    return Promise.reject(readOnlyError());
  }

  release(): Promise<void> {
    return Promise.reject(readOnlyError());
  }

  /** Nothing ever becomes due for who cannot take it. */
  onDue(): () => void {
    return () => {};
  }
}

/** Refuses whatever a reader would write. */
export class ReadOnlyCommitter implements Committer {
  commit(): Promise<never> {
    return Promise.reject(readOnlyError());
  }

  async close(): Promise<void> {}
}

function readOnlyError(): ReplicationError {
  return new ReplicationError("LedgerUnavailable", "the state was opened for reading only", {
    disposition: "permanent",
    hint: "ask the running daemon through its HTTP API with `--server`",
  });
}
