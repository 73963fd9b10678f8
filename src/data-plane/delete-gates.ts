import { type GateLimits, passGate, reopened } from "../domain/delete-gate.ts";
import type { Clock } from "../ports/clock.ts";
import type { Route, Safeguards } from "../ports/state.ts";

export interface DeleteGatesOptions {
  readonly safeguards: Safeguards;
  readonly limits: GateLimits;
  readonly clock: Clock;
  /** Whether the state is the one its buckets know: nothing is deleted by one that was lost or is old. @defaultValue it is */
  readonly isTrusted?: (() => Promise<boolean>) | undefined;
}

/** Lets deletes pass, or holds them for a person, per destination of a rule; counted in the shared state (invariant 4). */
export class DeleteGates {
  readonly #safeguards: Safeguards;
  readonly #limits: GateLimits;
  readonly #clock: Clock;
  readonly #isTrusted: () => Promise<boolean>;
  /** One question after the other: two that ask at once must not both take the last place. */
  readonly #queues = new Map<string, Promise<unknown>>();

  constructor({ safeguards, limits, clock, isTrusted = async () => true }: DeleteGatesOptions) {
    this.#safeguards = safeguards;
    this.#limits = limits;
    this.#clock = clock;
    this.#isTrusted = isTrusted;
  }

  /**
   * Asks for one delete; one that a person approved is not counted. False: hold it. A refusal is durable when this returns.
   * @throws where it cannot be found out whether the state can be trusted
   */
  async passes(route: Route, { approved = false }: { readonly approved?: boolean | undefined } = {}): Promise<boolean> {
    if (!(await this.#isTrusted())) return false;
    if (approved) return true;
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
