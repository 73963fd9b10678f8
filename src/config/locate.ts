import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { ReplicationError } from "../domain/error.ts";
import type { Environment } from "./resolved-config.ts";

export const CONFIG_FILE = "replicast.yaml";

export interface LocateOptions {
  /** What `--config` says. */
  readonly configPath?: string | undefined;
  readonly env: Environment;
  /** @defaultValue the working directory of the process */
  readonly cwd?: string | undefined;
}

/**
 * Returns the absolute path of the config: `--config`, then REPLICAST_CONFIG, then ./replicast.yaml; undefined where none of them is there.
 *
 * @throws ReplicationError `ConfigInvalid` where a file was named that does not exist
 */
export function findConfigFile(options: LocateOptions): string | undefined {
  const named = options.configPath ?? (options.env.REPLICAST_CONFIG || undefined);
  const path = resolve(options.cwd ?? ".", named ?? CONFIG_FILE);
  if (existsSync(path)) return path;
  if (named === undefined) return undefined;
  const by = options.configPath === undefined ? "REPLICAST_CONFIG" : "--config";
  throw new ReplicationError("ConfigInvalid", `the config ${named} does not exist`, { hint: `correct ${by}, or run replicast init` });
}

/** The error of a command that needs a config where there is none. */
export function noConfig(): ReplicationError {
  const hint = "run replicast init, or name a file with --config or REPLICAST_CONFIG";
  return new ReplicationError("ConfigInvalid", `there is no ${CONFIG_FILE} here`, { hint });
}
