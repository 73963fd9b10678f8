import type { Command } from "commander";
import { initTemplate } from "../config/template.ts";
import { examples, type Invocation } from "./command.ts";
import { configFileOptions, writeConfigFile } from "./config-file.ts";
import { EXIT } from "./output.ts";

export function define(command: Command): void {
  configFileOptions(command).addHelpText("after", examples("init", "init --stdout > production.yaml", "-c production.yaml init"));
}

/** Writes a config that validates once the variables it names are set. */
export async function run(invocation: Invocation): Promise<number> {
  const { output, options } = invocation;
  if (options["stdout"] === true) {
    await output.line(initTemplate().trimEnd());
    return EXIT.done;
  }
  const file = writeConfigFile(invocation, initTemplate(), "init");
  if (output.json) await output.document({ file });
  else await output.line(`wrote ${file}`);
  output.info("next: set the variables it names, then run replicast validate");
  return EXIT.done;
}
