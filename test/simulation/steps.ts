import { ReplicationError } from "../../src/domain/error.ts";
import type { Chance } from "./chance.ts";
import type { Faults, StepFault } from "./faults.ts";
import type { Actor, Scheduler } from "./scheduler.ts";
import { HOUR, MINUTE, SECOND } from "./times.ts";

/** A step that a script holds up. */
export interface Held {
  /** Resolves when somebody waits here. */
  readonly reached: Promise<void>;
  release(): void;
}

/** Whoever takes steps: a process. */
export interface Stepper {
  readonly actor: Actor;
  /** Steps that have begun and not ended. */
  open: number;
  /** Ends the process; another takes its place after a while. */
  readonly crash: (backAfterMs: number) => void;
}

export interface StepsParts {
  readonly scheduler: Scheduler;
  readonly chance: Chance;
  readonly faults: Faults;
  /** Steps take no time of their own. */
  readonly brisk: boolean;
  readonly note: (text: string) => void;
  /** Whether a member answers nobody now. */
  readonly isOut: (member: string) => boolean;
}

interface Hold {
  readonly matches: (step: string) => boolean;
  readonly reached: () => void;
  readonly released: Promise<void>;
  used: boolean;
}

/** Longer than any lease. */
const LONG_PAUSE_MS: number = 7 * HOUR;
const READS: ReadonlySet<string> = new Set(["list", "head", "get", "tags", "listVersions", "describe"]);

/** What stands before and after each effect of a process: time that passes, faults, and scripts that hold it up. */
export class Steps {
  readonly #parts: StepsParts;
  readonly #counts = new Map<string, number>();
  readonly #holds: Hold[] = [];

  constructor(parts: StepsParts) {
    this.#parts = parts;
  }

  /** Holds up the next step whose name matches until it is released. */
  hold(matches: (step: string) => boolean): Held {
    const reached = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    this.#holds.push({ matches, reached: reached.resolve, released: released.promise, used: false });
    return { reached: reached.promise, release: released.resolve };
  }

  /** A step of a call to a store. Throws what keeps the call from arriving, or its answer from being heard. */
  async atStore(stepper: Stepper, call: { readonly member: string; readonly label: string; readonly key: string }): Promise<void> {
    const { faults, isOut } = this.#parts;
    const { member, label, key } = call;
    const [operation = "", moment] = label.split(":");
    const isWrite = !READS.has(operation);
    const { fault, id } = await this.#take(stepper, `${member}.${label} ${key}`, possibleAt(moment === "before", isWrite));
    if (moment === "before" && isOut(member)) throw new ReplicationError("StoreUnreachable", `${id}: no answer`);
    if (fault === "refused") throw faults.refusalOf(id, isWrite);
    if (fault === "lost-answer") throw new ReplicationError("RequestTimeout", `${id}: the answer was lost`);
  }

  /** A step of a call to the state. */
  async atState(stepper: Stepper, label: string): Promise<void> {
    const refusable = label.endsWith(":before");
    const { fault, id } = await this.#take(stepper, `state.${label}`, refusable ? ["crash", "pause", "refused"] : ["crash", "pause"]);
    if (fault === "refused") throw new ReplicationError("LedgerUnavailable", `${id}: the disk refuses`);
  }

  async #take(stepper: Stepper, name: string, possible: readonly StepFault[]): Promise<{ fault: StepFault | undefined; id: string }> {
    const { scheduler, chance, faults, note } = this.#parts;
    const { actor } = stepper;
    if (!actor.alive) return never();
    const step = `${actor.name} ${name}`;
    const id = `${step}#${this.#count(step)}`;
    stepper.open++;
    await this.#holdUp(step);
    await scheduler.wait(actor, this.#latency(id), chance.draw(`${id} order`));
    const fault = faults.atStep(id, possible);
    if (fault !== undefined) note(`  ${id}: ${fault}`);
    if (fault === "crash") {
      stepper.crash(chance.pick(`${id} back`, [SECOND, 30 * SECOND, 10 * MINUTE]));
      return never();
    }
    if (fault === "stall") await scheduler.wait(actor, chance.pick(`${id} stalls`, [MINUTE, LONG_PAUSE_MS]), 0);
    if (fault === "pause") {
      actor.pausedUntil = scheduler.now + chance.pick(`${id} pauses`, [MINUTE, LONG_PAUSE_MS]);
      await scheduler.wait(actor, 0, 0);
    }
    stepper.open--;
    return { fault, id };
  }

  async #holdUp(step: string): Promise<void> {
    const hold = this.#holds.find((candidate) => !candidate.used && candidate.matches(step));
    if (hold === undefined) return;
    hold.used = true;
    this.#parts.note(`  ${step} is held up`);
    hold.reached();
    await hold.released;
  }

  /** Mostly milliseconds, sometimes seconds: what is quick and what is slow meets in every order. */
  #latency(id: string): number {
    const { chance, brisk } = this.#parts;
    if (brisk) return 0;
    const drawn = chance.draw(`${id} takes`);
    if (drawn < 0.8) return Math.floor(drawn * 20);
    if (drawn < 0.97) return Math.floor((drawn - 0.8) * 4_000);
    return Math.floor((drawn - 0.97) * 300_000);
  }

  #count(name: string): number {
    const count = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, count);
    return count;
  }
}

function possibleAt(before: boolean, isWrite: boolean): readonly StepFault[] {
  if (before) return ["crash", "pause", "stall", "refused"];
  return isWrite ? ["crash", "pause", "stall", "lost-answer"] : ["crash", "pause"];
}

/** What a process that has died waits for. */
function never(): Promise<never> {
  return new Promise(() => undefined);
}
