import { type ErrorCode, ReplicationError } from "../../src/domain/error.ts";
import type { Chance } from "./chance.ts";

/**
 * What can go wrong at a step. `stall` keeps this one step from going on for longer than a lease, `pause` the whole process; `lost-answer`
 * is an error told after the effect took place.
 */
export type StepFault = "crash" | "stall" | "pause" | "refused" | "lost-answer";
export type EventFault = "lost" | "twice" | "late" | "at-once";

/** Of a thousand steps, or events, so many. */
export interface FaultRates {
  readonly steps: Readonly<Record<StepFault, number>>;
  readonly events: Readonly<Record<EventFault, number>>;
}

const NONE: FaultRates = {
  steps: { crash: 0, stall: 0, pause: 0, refused: 0, "lost-answer": 0 },
  events: { lost: 0, twice: 0, late: 0, "at-once": 0 },
};
const FEW: FaultRates = {
  steps: { crash: 2, stall: 1, pause: 1, refused: 5, "lost-answer": 5 },
  events: { lost: 20, twice: 50, late: 50, "at-once": 150 },
};
const MANY: FaultRates = {
  steps: { crash: 12, stall: 8, pause: 6, refused: 30, "lost-answer": 30 },
  events: { lost: 150, twice: 200, late: 200, "at-once": 200 },
};
export const RATES: Readonly<Record<"none" | "few" | "many", FaultRates>> = { none: NONE, few: FEW, many: MANY };

/** S3's words for "not now", as the adapter tells them; the last is 409 of a conditional write. */
const REFUSALS: readonly ErrorCode[] = ["SlowDown", "StoreError", "StoreUnreachable", "RequestTimeout"];

/** Decides what goes wrong, by the name of each step: the same name gives the same fault, whatever else happens in the run. */
export class Faults {
  /** Names of the faults that were met, in their order. */
  readonly met: string[] = [];
  /** False: nothing goes wrong any more. */
  active = true;
  readonly #chance: Chance;
  readonly #rates: FaultRates;
  readonly #without: ReadonlySet<string>;

  constructor(chance: Chance, rates: FaultRates, without: ReadonlySet<string>) {
    this.#chance = chance;
    this.#rates = rates;
    this.#without = without;
  }

  atStep(step: string, possible: readonly StepFault[]): StepFault | undefined {
    return this.#draw(step, this.#rates.steps, possible);
  }

  ofEvent(event: string): EventFault | undefined {
    return this.#draw(event, this.#rates.events, ["lost", "twice", "late", "at-once"]);
  }

  /** The error that a store refuses a step with. */
  refusalOf(step: string, isWrite: boolean): ReplicationError {
    const conflict = isWrite && this.#chance.hits(`${step} conflict`, 0.3);
    const code = conflict ? "PreconditionFailed" : this.#chance.pick(`${step} refusal`, REFUSALS);
    return new ReplicationError(code, `${step}: ${code}`);
  }

  #draw<T extends string>(name: string, rates: Readonly<Record<T, number>>, possible: readonly T[]): T | undefined {
    if (!this.active) return undefined;
    let drawn = this.#chance.draw(name) * 1000;
    for (const fault of possible) {
      drawn -= rates[fault];
      if (drawn >= 0) continue;
      const id = `${fault} at ${name}`;
      if (this.#without.has(id)) return undefined;
      this.met.push(id);
      return fault;
    }
    return undefined;
  }
}
