import type { Clock } from "../ports/clock.ts";
import type { Holdings, Journal, Ledger, Safeguards, State, TaskStore } from "../ports/state.ts";
import type { Uploads } from "../ports/uploads.ts";
import { MemoryHoldings } from "./memory-state/holdings.ts";
import { MemoryJournal } from "./memory-state/journal.ts";
import { MemoryLedger } from "./memory-state/ledger.ts";
import { copyOfRows, emptyRows, type Memory, type MemoryRows } from "./memory-state/rows.ts";
import { MemorySafeguards } from "./memory-state/safeguards.ts";
import { MemoryTaskStore } from "./memory-state/task-store.ts";
import { MemoryUploads } from "./memory-state/uploads.ts";

export interface MemoryStateOptions {
  readonly clock: Clock;
  /** Makes lease tokens, each another one. @defaultValue counts */
  readonly nextLease?: (() => string) | undefined;
}

/** What a state held at one moment. */
export interface MemorySnapshot {
  /** @internal */
  readonly rows: MemoryRows;
}

/**
 * A state in memory, shared by as many workers as there are: leases are rows as any other, so a worker that dies keeps its tasks until they
 * end. Every call takes effect at once, before it returns its promise, and nothing in it depends on chance or on a timer but the bell of
 * `onDue`, which sleeps by the clock while somebody listens.
 */
export class MemoryState implements State {
  readonly tasks: TaskStore;
  readonly ledger: Ledger;
  readonly journal: Journal;
  readonly holdings: Holdings;
  readonly safeguards: Safeguards;
  readonly uploads: Uploads;
  readonly #memory: Memory;
  readonly #taskStore: MemoryTaskStore;

  constructor({ clock, nextLease = counter() }: MemoryStateOptions) {
    this.#memory = { clock, nextLease, rows: emptyRows(), leases: new Map() };
    this.#taskStore = new MemoryTaskStore(this.#memory);
    this.tasks = this.#taskStore;
    this.ledger = new MemoryLedger(this.#memory);
    this.journal = new MemoryJournal(this.#memory);
    this.holdings = new MemoryHoldings(this.#memory);
    this.safeguards = new MemorySafeguards(this.#memory);
    this.uploads = new MemoryUploads(this.#memory);
  }

  /** What a copy of the state made now would hold: everything but who works on what. */
  snapshot(): MemorySnapshot {
    return { rows: copyOfRows(this.#memory.rows) };
  }

  /** Puts everything back to what it was then. Nobody holds a lease afterwards. */
  restore({ rows }: MemorySnapshot): void {
    this.#memory.rows = copyOfRows(rows);
    this.#memory.leases.clear();
    this.#taskStore.ring();
  }

  /** Loses everything, as with the file: tasks, ledger, holdings, intents and what a person decided. Nobody holds a lease afterwards. */
  lose(): void {
    this.restore({ rows: emptyRows() });
  }

  /** Changes nothing: others may share it. */
  async close(): Promise<void> {}
}

function counter(): () => string {
  let last = 0;
  return () => `lease ${++last}`;
}
