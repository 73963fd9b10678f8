import type { Clock } from "../../src/ports/clock.ts";

/** Whoever can be stopped as a whole: a process of the engine, or the world itself, which never is. */
export interface Actor {
  readonly name: string;
  /** Once false nothing of it goes on, whatever it waited for. */
  alive: boolean;
  /** Nothing of it goes on before this; milliseconds since the epoch. */
  pausedUntil: number;
}

interface Turn {
  readonly actor: Actor;
  at: number;
  /** Decides between turns of one millisecond. */
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
  /** What holds on to it from outside is let go of where it will never come. */
  release?: () => void;
}

/** Where nothing comes to an end: a loop in the engine, not a long run. */
const MAX_TURNS = 400_000;

/**
 * Virtual time and the one place that decides who goes on: turns are taken one at a time, by their time, and all that follows from a turn
 * without waiting has happened before the next one is taken.
 */
export class Scheduler {
  #now: number;
  /** The next turn last. */
  readonly #turns: Turn[] = [];
  #taken = 0;

  constructor(now: number) {
    this.#now = now;
  }

  get now(): number {
    return this.#now;
  }

  get turnsTaken(): number {
    return this.#taken;
  }

  actor(name: string): Actor {
    return { name, alive: true, pausedUntil: 0 };
  }

  /** Runs at the time given, unless the actor is dead by then; returns what takes it back. */
  at(actor: Actor, when: { readonly at: number; readonly order: number }, run: () => void): () => void {
    const turn = this.#planned(actor, when, run);
    return () => {
      turn.cancelled = true;
    };
  }

  #planned(actor: Actor, when: { readonly at: number; readonly order: number }, run: () => void): Turn {
    const turn: Turn = { actor, at: Math.max(when.at, this.#now), order: when.order, run, cancelled: false };
    this.#insert(turn);
    return turn;
  }

  /** Takes no turn any more. Signals that somebody listens to would keep all that was ever here in memory. */
  end(): void {
    for (const turn of this.#turns.splice(0)) turn.release?.();
  }

  wait(actor: Actor, ms: number, order: number): Promise<void> {
    return new Promise((resolve) => this.at(actor, { at: this.#now + ms, order }, resolve));
  }

  /** The clock of one actor. Who sleeps through its death never wakes. */
  clockOf(actor: Actor, orderOf: () => number): Clock {
    return {
      now: () => this.#now,
      sleep: (ms, signal) => this.#sleep({ actor, ms, order: orderOf() }, signal),
    };
  }

  /** Takes turns until the condition holds, or none is left before `deadline`; returns whether it holds. */
  async runUntil(condition: () => boolean, deadline: number): Promise<boolean> {
    await nothingRuns();
    while (!condition()) {
      const turn = this.#turns.at(-1);
      if (turn === undefined || turn.at > deadline) {
        // Also where nobody waits for anything: who waits for somebody's next turn must see the time go by.
        if (deadline !== Number.POSITIVE_INFINITY) this.#now = Math.max(this.#now, deadline);
        return false;
      }
      this.#turns.pop();
      if (turn.cancelled || !turn.actor.alive) {
        turn.release?.();
        continue;
      }
      if (turn.actor.pausedUntil > turn.at) {
        turn.at = turn.actor.pausedUntil;
        this.#insert(turn);
        continue;
      }
      if (++this.#taken > MAX_TURNS) throw new Error(`no end after ${MAX_TURNS} turns`);
      this.#now = Math.max(this.#now, turn.at);
      turn.run();
      await nothingRuns();
    }
    return true;
  }

  #sleep({ actor, ms, order }: { actor: Actor; ms: number; order: number }, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const turn = this.#planned(actor, { at: this.#now + ms, order }, () => {
        signal?.removeEventListener("abort", woken);
        resolve();
      });
      const woken = () => {
        turn.cancelled = true;
        resolve();
      };
      turn.release = () => signal?.removeEventListener("abort", woken);
      signal?.addEventListener("abort", woken, { once: true });
    });
  }

  #insert(turn: Turn): void {
    const turns = this.#turns;
    let index = turns.length;
    for (; index > 0; index--) {
      const other = turns[index - 1] as Turn;
      if (other.at > turn.at || (other.at === turn.at && other.order >= turn.order)) break;
    }
    turns.splice(index, 0, turn);
  }
}

/**
 * Resolves when all that could go on without waiting has done so: ticks are taken when no promise has anything left to do. A turn of the event
 * loop would do too, and costs several times as much.
 */
function nothingRuns(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}
