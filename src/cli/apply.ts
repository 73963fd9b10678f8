import type { Command } from "commander";
import type { NotificationRun } from "../app/notifications.ts";
import { examples, type Invocation } from "./command.ts";
import { EXIT } from "./output.ts";
import { printChanges } from "./plan.ts";

export function define(command: Command): void {
  command.addHelpText("after", examples("apply", "apply --json"));
}

/** Makes the world what the rules need. Where it is so already nothing is changed. */
export function run(invocation: Invocation): Promise<number> {
  return change(invocation, "present");
}

/** Makes all changes towards an aim, one after the other, and prints those that were made. */
export async function change({ output, global, env, cwd }: Invocation, aim: NotificationRun["aim"]): Promise<number> {
  const { loadConfig } = await import("../config/load.ts");
  const { withNotificationChanges } = await import("../app/notifications.ts");
  const config = loadConfig({ configPath: global.config, env, cwd });
  return withNotificationChanges({ config, env, aim }, async (changes) => {
    for (const { make } of changes) await make();
    await printChanges(
      output,
      changes.map(({ planned }) => planned),
    );
    output.info(changes.length === 0 ? "nothing had to change" : `${changes.length} changed`);
    return EXIT.done;
  });
}
