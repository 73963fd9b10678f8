import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { type ImportedConfig, importedText, importNotes } from "../config/imports/imported-config.ts";
import { ReplicationError } from "../domain/error.ts";
import { examples, type Invocation, usageError } from "./command.ts";
import { configFileOptions, writeConfigFile } from "./config-file.ts";
import { EXIT } from "./output.ts";

export function define(command: Command): void {
  command
    .argument("<what>", "serverless or aws")
    .argument("<names...>", "serverless: a serverless.yml; aws: buckets that replicate by themselves, such as photos@eu-west-1")
    .option("--stage <stage>", "serverless: the stage, as for serverless deploy")
    .option("--region <region>", "serverless: the region, as for serverless deploy")
    .option("--follow", "aws: look at the destinations' replication too, and at theirs")
    .option("--name <name>", "aws: the name of the config, which owns what apply sets up");
  configFileOptions(command).addHelpText(
    "after",
    examples(
      "import serverless serverless.yml --stage prod",
      "import aws photos@eu-west-1 --stdout",
      "-c photos.yaml import aws photos photos-copy@us-west-2",
    ),
  );
}

/** Writes a config that says what an existing set-up does. Changes nothing of that. */
export async function run(invocation: Invocation): Promise<number> {
  const { output, options } = invocation;
  const config = await imported(invocation);
  const text = importedText(config);
  if (options["stdout"] === true && !output.json) {
    await output.line(text.trimEnd());
    return EXIT.done;
  }
  const file = options["stdout"] === true ? null : writeConfigFile(invocation, text, "import");
  const rules = config.rules.map(({ settings }) => settings);
  const notes = importNotes(config);
  if (output.json) await output.document({ file, rules, notes });
  else await output.line(`wrote ${file}: ${rules.length} ${rules.length === 1 ? "rule" : "rules"}`);
  for (const note of notes) output.info(`note: ${note}`);
  output.info("next: replicast validate, then replicast plan");
  return EXIT.done;
}

async function imported({ args, env, cwd, options }: Invocation): Promise<ImportedConfig> {
  const [what, ...names] = args;
  const text = (option: string) => (typeof options[option] === "string" ? options[option] : undefined);
  if (what === "serverless") {
    const { importServerless } = await import("../config/imports/import-serverless.ts");
    const [file = "", ...more] = names;
    if (more.length > 0) throw usageError("import serverless reads one file", `replicast import serverless ${file}`);
    return importServerless(readText(resolve(cwd ?? ".", file), file), { file, env, stage: text("stage"), region: text("region") });
  }
  if (what === "aws") {
    const { importAws } = await import("../app/imports/import-aws.ts");
    return importAws({ references: names, env, follows: options["follow"] === true, name: text("name") });
  }
  throw usageError(`"${what}" cannot be imported`, "replicast import serverless FILE, or replicast import aws BUCKET");
}

function readText(path: string, file: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? ` (${String(cause.code)})` : "";
    throw new ReplicationError("ConfigInvalid", `${file} cannot be read${code}`, { hint: "check its name and its permissions", cause });
  }
}
