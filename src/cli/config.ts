import type { Command } from "commander";
import { examples, type Invocation } from "./command.ts";
import { EXIT } from "./output.ts";

export function define(command: Command): void {
  command
    .option("--schema", "print the JSON Schema of replicast.yaml, for editors")
    .addHelpText("after", examples("config", "config --json", "config --schema > replicast.schema.json"));
}

/** Prints the effective config, secrets redacted, and where each value came from; or the JSON Schema. */
export async function run({ output, global, env, cwd, options }: Invocation): Promise<number> {
  if (options.schema === true) {
    const { configJsonSchema } = await import("../config/json-schema.ts");
    await output.line(JSON.stringify(configJsonSchema(), null, 2));
    return EXIT.done;
  }
  const { checkConfig } = await import("../config/load.ts");
  const { problemsError } = await import("../config/problem.ts");
  const { effectiveConfig } = await import("../config/effective-config.ts");
  const checked = checkConfig({ configPath: global.config, env, cwd });
  if (checked.loaded === undefined) throw problemsError(checked.problems, checked.file);
  const effective = effectiveConfig(checked.loaded);
  if (output.json) await output.document(effective);
  else for (const { path, value, origin } of effective.values) await output.line(`${path}: ${JSON.stringify(value)}  # ${origin}`);
  return EXIT.done;
}
