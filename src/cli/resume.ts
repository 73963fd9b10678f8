import type { Command } from "commander";
import { examples, type Invocation } from "./command.ts";
import { setPaused } from "./pause.ts";

export function define(command: Command): void {
  command.argument("<rule>", "a rule's id").addHelpText("after", examples("resume photos"));
}

/** Takes up a rule that was paused, and everything that waited. */
export function run(invocation: Invocation): Promise<number> {
  return setPaused(invocation, false);
}
