import type { Command } from "commander";
import type { PlannedChange } from "../app/notifications.ts";
import { examples, type Invocation } from "./command.ts";
import { EXIT, type Output } from "./output.ts";

export function define(command: Command): void {
  command
    .option("--exit-code", "exit 3 where anything has to change")
    .addHelpText("after", examples("plan", "plan --exit-code", "plan --json"));
}

/** Prints what `apply` would change. Changes nothing. */
export async function run({ output, global, env, cwd, options }: Invocation): Promise<number> {
  const { loadConfig } = await import("../config/load.ts");
  const { withNotificationChanges } = await import("../app/notifications.ts");
  const config = loadConfig({ configPath: global.config, env, cwd });
  return withNotificationChanges({ config, env, aim: "present" }, async (changes) => {
    await printChanges(
      output,
      changes.map(({ planned }) => planned),
    );
    if (changes.length === 0) output.info("nothing has to change");
    return options["exitCode"] === true && changes.length > 0 ? EXIT.different : EXIT.done;
  });
}

export async function printChanges(output: Output, changes: readonly PlannedChange[]): Promise<void> {
  if (output.json) return output.document({ changes });
  for (const { action, type, detail } of changes)
    await output.line(`${action} ${type} ${detail.notification} of ${detail.bucket} → ${detail.queueArn} (${detail.events.join(", ")})`);
}
