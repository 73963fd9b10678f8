import { test } from "node:test";
import type { World } from "../world.ts";

/** A promise to users and the story that holds it, on any stores. The title names the invariant. */
export interface Scenario<W extends AsyncDisposable = World> {
  readonly title: string;
  readonly run: (world: W) => Promise<void>;
}

/** Runs scenarios as tests, each in a world of its own. */
export function bind<W extends AsyncDisposable>(open: () => Promise<W>, scenarios: readonly Scenario<NoInfer<W>>[]): void {
  for (const { title, run } of scenarios) {
    test(title, async () => {
      await using world = await open();
      await run(world);
    });
  }
}
