import type { Clock } from "../ports/clock.ts";
import type { Outcome, TaskStore } from "../ports/state.ts";
import { Alarm } from "./alarm.ts";

export interface OutcomeRecorderOptions {
  readonly tasks: TaskStore;
  readonly clock: Clock;
  /** Shown outcomes while their rows still say what was before. */
  readonly watch?: { look(outcomes: readonly Outcome[]): Promise<void> } | undefined;
  /** Told of each outcome once it is durable, and whether its lease still held. */
  readonly onRecorded: (outcomes: readonly Outcome[], held: readonly boolean[]) => void;
  /** The state refused; nothing of these was recorded. */
  readonly onTrouble: (outcomes: readonly Outcome[], error: unknown) => Promise<void>;
}

/** What happens within this is written together: the replica is there already, and waking the disk for each costs more than the copy. */
const GATHER_MS = 10;
const GATHER_OUTCOMES = 128;

/** Records outcomes in batches. Until an outcome is recorded its task stands, so that a crash only means that the copy is made again. */
export class OutcomeRecorder {
  readonly #options: OutcomeRecorderOptions;
  #gathered: Outcome[] = [];
  readonly #alarm: Alarm;
  readonly #writing = new Set<Promise<void>>();

  constructor(options: OutcomeRecorderOptions) {
    this.#options = options;
    this.#alarm = new Alarm(options.clock, () => this.#write());
  }

  /** Outcomes that are not durable yet. */
  get isEmpty(): boolean {
    return this.#gathered.length === 0 && this.#writing.size === 0;
  }

  add(outcomes: readonly Outcome[]): void {
    this.#gathered.push(...outcomes);
    if (this.#gathered.length >= GATHER_OUTCOMES) this.#write();
    else if (!this.#alarm.isSet) this.#alarm.set(GATHER_MS);
  }

  /** Resolves when everything added so far is durable, or was given to `onTrouble`. */
  async flush(): Promise<void> {
    this.#write();
    while (this.#writing.size > 0) await Promise.all(this.#writing);
  }

  #write(): void {
    this.#alarm.clear();
    const outcomes = this.#gathered;
    if (outcomes.length === 0) return;
    this.#gathered = [];
    const writing = this.#record(outcomes).finally(() => this.#writing.delete(writing));
    this.#writing.add(writing);
  }

  async #record(outcomes: readonly Outcome[]): Promise<void> {
    try {
      await this.#options.watch?.look(outcomes);
      this.#options.onRecorded(outcomes, await this.#options.tasks.record(outcomes));
    } catch (error) {
      await this.#options.onTrouble(outcomes, error);
    }
  }
}
