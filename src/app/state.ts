import { existsSync } from "node:fs";
import { type ResolvedConfig, settingsOf } from "../config/resolved-config.ts";
import type { State } from "../ports/state.ts";

/** Opens the state that a config names: to work on it, or to read beside whoever does. */
export async function openState(config: ResolvedConfig, mode: "daemon" | "reader"): Promise<State> {
  const { openSqliteState } = await import("../adapters/state/sqlite/open.ts");
  return openSqliteState({ path: config.state.path, mode, renamed: renamedRules(config) });
}

/** The state for reading, or undefined where nothing has ever run or there is no config: buckets can be compared all the same. */
export async function openStateIfThere(config: ResolvedConfig | undefined): Promise<State | undefined> {
  return config !== undefined && stateExists(config) ? openState(config, "reader") : undefined;
}

/** Whether anything ever ran with this config. */
export function stateExists({ state }: ResolvedConfig): boolean {
  return existsSync(state.path);
}

/** A mesh has its id once. */
function renamedRules(config: ResolvedConfig): readonly (readonly [from: string, to: string])[] {
  const renamed = config.rules.flatMap((rule) => {
    const from = settingsOf(config, rule).renamedFrom;
    return from === undefined ? [] : [[from, rule.id] as const];
  });
  return [...new Map(renamed)];
}
