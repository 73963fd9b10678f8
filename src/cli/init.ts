import { writeFileSync } from "node:fs";
import { relative, resolve } from "node:path";
import type { Command } from "commander";
import { CONFIG_FILE } from "../config/locate.ts";
import { initTemplate } from "../config/template.ts";
import { ReplicationError } from "../domain/error.ts";
import { examples, type Invocation } from "./command.ts";
import { EXIT } from "./output.ts";

export function define(command: Command): void {
  command
    .option("--force", "write over a file that is there")
    .option("--stdout", "print it instead of writing a file")
    .addHelpText("after", examples("init", "init --stdout > production.yaml", "-c production.yaml init"));
}

/** Writes a config that validates once the variables it names are set. */
export async function run({ output, global, env, cwd, options }: Invocation): Promise<number> {
  if (options.stdout === true) {
    await output.line(initTemplate().trimEnd());
    return EXIT.done;
  }
  const path = resolve(cwd ?? ".", global.config ?? (env.REPLICAST_CONFIG || CONFIG_FILE));
  write(path, options.force === true);
  const file = relative(resolve(cwd ?? "."), path);
  if (output.json) await output.document({ file });
  else await output.line(`wrote ${file}`);
  output.info("next: set the variables it names, then run replicast validate");
  return EXIT.done;
}

function write(path: string, force: boolean): void {
  try {
    writeFileSync(path, initTemplate(), { flag: force ? "w" : "wx" });
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    if (code === "EEXIST") {
      throw new ReplicationError("ConfigInvalid", `${path} is there already`, { hint: "replicast init --force writes over it", cause });
    }
    throw new ReplicationError("ConfigInvalid", `${path} cannot be written (${code})`, {
      hint: "check the directory and its permissions",
      cause,
    });
  }
}
