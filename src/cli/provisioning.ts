import type { Command } from "commander";
import type { ProvisionRun } from "../app/provisioning/provision.ts";
import { parseDuration } from "../config/units.ts";
import { type Invocation, usageError } from "./command.ts";
import type { Output } from "./output.ts";

type Run = Pick<ProvisionRun, "config" | "env" | "aim" | "options">;
type Options = NonNullable<ProvisionRun["options"]>;

/** What `plan` and `apply` may be told. */
export function provisionOptions(command: Command): Command {
  return command
    .option("--allow-missing", "exit 0 where nothing but buckets is missing; nothing is changed")
    .option("--wait <duration>", "wait for missing buckets, such as 5m")
    .option("--convert-v1", "put others' rules of S3's older replication schema into the newer one")
    .option("--replace", "remove others' replication rules from the sources")
    .option("--allow-engine-change", "let rules go from copy to native, or back")
    .option("--backfill", "bring existing objects of native rules over too: S3 by a batch job, or else this command by copies");
}

export function lockOption(command: Command): Command {
  return command.option("--lock-timeout <duration>", "wait this long for another apply", "2m");
}

/** Loads the config and reads the options of a command. @throws `ConfigInvalid` */
export async function provisionRun({ global, env, cwd, options }: Invocation, aim: ProvisionRun["aim"]): Promise<Run> {
  const { loadConfig } = await import("../config/load.ts");
  const config = loadConfig({ configPath: global.config, env, cwd });
  const told: Options = {
    convertV1: options["convertV1"] === true,
    replace: options["replace"] === true,
    allowEngineChange: options["allowEngineChange"] === true,
    backfill: options["backfill"] === true,
    ...milliseconds("waitMs", "--wait", options["wait"]),
    ...milliseconds("lockTimeoutMs", "--lock-timeout", options["lockTimeout"]),
  };
  return { config, env, aim, options: told };
}

/** Whether what stands in the way is only that buckets are not there yet, and that was allowed. */
export function isAllowed(problems: readonly { readonly code: string }[], { options }: Invocation): boolean {
  return problems.length === 0 || (options["allowMissing"] === true && problems.every(({ code }) => code === "BucketMissing"));
}

/** Says once that buckets are waited for. */
export function waitNotice(output: Output): NonNullable<ProvisionRun["onWait"]> {
  return (problems) => output.info(`waiting for ${problems.map(({ subject }) => subject).join(", ")}`);
}

function milliseconds<K extends keyof Options>(key: K, option: string, written: unknown): Partial<Record<K, number>> {
  if (typeof written !== "string") return {};
  const parsed = parseDuration(written);
  if (parsed === undefined) throw usageError(`"${written}" is no duration`, `${option} 5m`);
  return { [key]: parsed } as Partial<Record<K, number>>;
}
