import type { Command } from "commander";
import { change } from "./apply.ts";
import { examples, type Invocation } from "./command.ts";
import { lockOption } from "./provisioning.ts";

export function define(command: Command): void {
  lockOption(command).addHelpText("after", examples("destroy", "destroy --json"));
}

/** Removes what `apply` made under this config's name, and nothing else. Objects and buckets stay. */
export function run(invocation: Invocation): Promise<number> {
  return change(invocation, "absent");
}
