import { existsSync } from "node:fs";
import type { ResolvedConfig } from "../config/resolved-config.ts";
import type { State } from "../ports/state.ts";

/** Opens the state that a config names: to work on it, or to read beside whoever does. */
export async function openState(config: ResolvedConfig, mode: "daemon" | "reader"): Promise<State> {
  const { openSqliteState } = await import("../adapters/state/sqlite/open.ts");
  return openSqliteState({ path: config.state.path, mode });
}

/** The state for reading, or undefined where nothing has ever run or there is no config: buckets can be compared all the same. */
export async function openStateIfThere(config: ResolvedConfig | undefined): Promise<State | undefined> {
  return config !== undefined && existsSync(config.state.path) ? openState(config, "reader") : undefined;
}
