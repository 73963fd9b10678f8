import { writeFileSync } from "node:fs";
import { relative, resolve } from "node:path";
import type { Command } from "commander";
import { CONFIG_FILE } from "../config/locate.ts";
import { ReplicationError } from "../domain/error.ts";
import type { Invocation } from "./command.ts";

/** What commands that write a config may be told. */
export function configFileOptions(command: Command): Command {
  return command.option("--force", "write over a file that is there").option("--stdout", "print it instead of writing a file");
}

/** Writes a config to where it will be looked for. Returns its name as people write it. @throws `ConfigInvalid` where one is there already */
export function writeConfigFile({ global, env, cwd, options }: Invocation, text: string, command: string): string {
  const path = resolve(cwd ?? ".", global.config ?? (env["REPLICAST_CONFIG"] || CONFIG_FILE));
  try {
    writeFileSync(path, text, { flag: options["force"] === true ? "w" : "wx" });
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    if (code === "EEXIST")
      throw new ReplicationError("ConfigInvalid", `${path} is there already`, {
        hint: `replicast ${command} --force writes over it`,
        cause,
      });
    throw new ReplicationError("ConfigInvalid", `${path} cannot be written (${code})`, {
      hint: "check the directory and its permissions",
      cause,
    });
  }
  return relative(resolve(cwd ?? "."), path);
}
