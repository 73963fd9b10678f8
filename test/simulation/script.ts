import assert from "node:assert/strict";
import { Checker } from "./checker.ts";
import { RATES } from "./faults.ts";
import type { Topology } from "./topology.ts";
import { World, type WorldOptions } from "./world.ts";

/** A world without chance: nothing goes wrong but what the script does, and steps take no time. */
export class Script {
  readonly world: World;
  readonly #checker: Checker;

  constructor(topology: Topology, options: Partial<WorldOptions> = {}) {
    this.world = new World({ seed: "script", topology, operations: [], rates: RATES.none, processes: 1, brisk: true, ...options });
    this.#checker = new Checker(this.world);
    this.world.start();
  }

  put(member: string, key: string): void {
    this.world.apply({ at: 0, kind: "put", member, key });
  }

  delete(member: string, key: string): void {
    this.world.apply({ at: 0, kind: "delete", member, key });
  }

  /** Lets everything happen that follows from what was done. */
  async calm(): Promise<void> {
    assert.ok(await this.world.quiet(), this.#told());
  }

  /** What the members hold under a key, as `A=w0 B=nothing`. */
  shows(key: string): string {
    return [...this.world.stores.values()].map((store) => `${store.member.name}=${store.current(key)?.content ?? "nothing"}`).join(" ");
  }

  /** Ends the run, and asserts that no promise was broken on the way. */
  async ends(): Promise<void> {
    await this.world.settle();
    await this.#checker.inspect();
    assert.deepEqual(this.world.problems, [], this.#told());
  }

  /** Asserts with the trace at hand. */
  expect(actual: unknown, expected: unknown): void {
    assert.deepEqual(actual, expected, `${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}\n${this.#told()}`);
  }

  #told(): string {
    return this.world.trace.join("\n");
  }
}
