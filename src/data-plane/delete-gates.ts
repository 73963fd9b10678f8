import { type GateLimits, passGate, reopened } from "../domain/delete-gate.ts";
import type { Clock } from "../ports/clock.ts";
import type { Route, Safeguards } from "../ports/state.ts";

/** Lets deletes pass, or holds them for a person, per destination of a rule; counted in the shared state (invariant 4). */
export class DeleteGates {
  readonly #safeguards: Safeguards;
  readonly #limits: GateLimits;
  readonly #clock: Clock;
  /** One question after the other: two that ask at once must not both take the last place. */
  readonly #queues = new Map<string, Promise<unknown>>();

  constructor(safeguards: Safeguards, limits: GateLimits, clock: Clock) {
    this.#safeguards = safeguards;
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Asks for one delete. False: hold it. A refusal is durable when this returns. */
  passes(route: Route): Promise<boolean> {
    return this.#inTurn(route, async () => {
      const before = await this.#safeguards.gate(route);
      const { passes, gate } = passGate(before, this.#limits, this.#clock.now());
      if (gate !== before) await this.#safeguards.saveGate(route, gate);
      return passes;
    });
  }

  /** Notes how many objects the destination's last complete listing had. */
  async counted(route: Route, population: number): Promise<void> {
    await this.#inTurn(route, async () => this.#safeguards.saveGate(route, { ...(await this.#safeguards.gate(route)), population }));
  }

  /** A person has looked: deletes pass again. */
  async reopen(route: Route): Promise<void> {
    await this.#inTurn(route, async () => this.#safeguards.saveGate(route, reopened(await this.#safeguards.gate(route))));
  }

  #inTurn<T>(route: Route, ask: () => Promise<T>): Promise<T> {
    const id = `${route.rule} ${route.source} ${route.destination}`;
    const answer = (this.#queues.get(id) ?? Promise.resolve()).then(ask);
    const settled = answer.catch(() => undefined);
    this.#queues.set(id, settled);
    void settled.then(() => {
      if (this.#queues.get(id) === settled) this.#queues.delete(id);
    });
    return answer;
  }
}
