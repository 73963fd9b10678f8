import { type GateLimits, type GateState, OPEN_GATE, passGate } from "../domain/delete-gate.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { Ledger, Outcome, Safeguards } from "../ports/state.ts";

export interface OverwriteWatchOptions {
  readonly ledger: Ledger;
  readonly safeguards: Safeguards;
  /** Those of the delete gate. */
  readonly limits: GateLimits;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Raises an alarm where replicas are written over in such numbers that deletes would be held: something may be spoiling the source. Holds
 * nothing back, since what a source holds is what a destination is to hold.
 */
export class OverwriteWatch {
  readonly #options: OverwriteWatchOptions;
  readonly #gates = new Map<string, GateState>();

  constructor(options: OverwriteWatchOptions) {
    this.#options = options;
  }

  /** Looks at outcomes before they are recorded, while their rows still say what was there. */
  async look(outcomes: readonly Outcome[]): Promise<void> {
    for (const outcome of outcomes) if (await this.#isOverwrite(outcome)) await this.#count(outcome);
  }

  async #isOverwrite({ task, entry }: Outcome): Promise<boolean> {
    if (task.lane !== "live" || entry.operation !== "copy" || entry.status !== "COMPLETED" || entry.replica === null) return false;
    const before = (await this.#options.ledger.get(task.route, task.key))?.replica ?? null;
    return before !== null && before.etag !== entry.replica.etag;
  }

  async #count({ task: { route } }: Outcome): Promise<void> {
    const { safeguards, limits, clock, logger } = this.#options;
    const id = `${route.rule} ${route.source} ${route.destination}`;
    const { population } = await safeguards.gate(route);
    const known = { ...(this.#gates.get(id) ?? OPEN_GATE), population };
    const now = clock.now();
    // Told once a window: whoever is told need not be told again for each object.
    const isTold = known.shutAt !== null && known.shutAt > now - limits.windowMs;
    const { gate } = isTold ? { gate: known } : passGate({ ...known, shutAt: null }, limits, now);
    this.#gates.set(id, gate);
    if (isTold || gate.shutAt === null) return;
    logger.warn("replicas are written over in unusual numbers; look at the source before its versions are gone", {
      alert: "MassOverwrite",
      rule: route.rule,
      destination: route.destination,
      windowMs: limits.windowMs,
    });
  }
}
