import type { Command } from "commander";
import { examples, type Invocation } from "./command.ts";
import { withLockHint } from "./lock-hint.ts";
import { version } from "./version.ts";

const LOCKED = "stop that process first: a state has one daemon; or give this one a state of its own";

export function define(command: Command): void {
  command
    .option("--until-idle", "replicate what is there and what waits, then end: 0, or 1 if anything failed")
    .addHelpText("after", examples("run", "-c replicast.yaml run --until-idle"));
}

/** Runs the daemon. The first SIGINT or SIGTERM drains, a second one ends it at once. */
export async function run({ global, env, cwd, options }: Invocation): Promise<number> {
  const { loadConfig } = await import("../config/load.ts");
  const config = loadConfig({ configPath: global.config, env, cwd });
  const daemon = await import("../daemon/run.ts");
  const untilIdle = options["untilIdle"] === true;
  return withLockHint(LOCKED, () => daemon.run({ config, env, version: version(), verbose: global.verbose, untilIdle }));
}
