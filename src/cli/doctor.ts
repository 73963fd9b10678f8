import type { Command } from "commander";
import type { DoctorReport, Finding } from "../app/doctor/doctor.ts";
import type { ResolvedConfig } from "../config/resolved-config.ts";
import type { StatusDocument } from "../control-plane/contract.ts";
import { isReplicationError } from "../domain/error.ts";
import { examples, type Invocation } from "./command.ts";
import { interruptible } from "./interrupt.ts";
import { serverOf } from "./operate.ts";
import { EXIT, type Output } from "./output.ts";
import { givenServer, readServer } from "./server.ts";

export function define(command: Command): void {
  command
    .option("--events", "also write a key at each source and wait for its event")
    .addHelpText("after", examples("doctor", "doctor --events", "doctor --json"));
}

/** Tries every bucket of the config and says what is wrong with each. Exits 1 where a finding is an error. */
export async function run(invocation: Invocation): Promise<number> {
  const { output, global, env, cwd, options } = invocation;
  const { loadConfig } = await import("../config/load.ts");
  const config = loadConfig({ configPath: global.config, env, cwd });
  return interruptible(async (signal) => {
    const [{ examine }, { proveEvents }, { serve }] = await Promise.all([
      import("../app/doctor/doctor.ts"),
      import("../app/doctor/doctor-events.ts"),
      import("../daemon/http-server.ts"),
    ]);
    const listen: Parameters<typeof proveEvents>[1]["serve"] = (handler) => serve(handler, config.listen);
    const asked = { config, env, signal, serve: listen, askDaemon: () => askDaemon(invocation, config) };
    const report = await examine({
      config,
      env,
      signal,
      proveEvents: options["events"] === true ? (stores) => proveEvents(stores, asked) : undefined,
    });
    if (output.json) await output.document({ healthy: !hasErrors(report), ...report });
    else await print(output, report);
    return hasErrors(report) ? EXIT.failed : EXIT.done;
  });
}

/** The status of the daemon of `--server`, or of the one that listens where the config says; undefined where none does. */
async function askDaemon({ global, env }: Invocation, config: ResolvedConfig): Promise<StatusDocument | undefined> {
  const server = global.server === undefined ? serverOf(config, env) : givenServer(global.server, env);
  if (server === undefined) return undefined;
  try {
    return await readServer<StatusDocument>(server, "/api/v1/status");
  } catch (error) {
    if (global.server === undefined && isReplicationError(error) && error.code === "StoreUnreachable") return undefined;
    throw error;
  }
}

function hasErrors({ findings }: DoctorReport): boolean {
  return findings.some(({ level }) => level === "error");
}

async function print(output: Output, { findings }: DoctorReport): Promise<void> {
  for (const finding of findings) await output.line(toLine(finding));
  const [errors, warnings] = (["error", "warning"] as const).map((level) => findings.filter((finding) => finding.level === level).length);
  output.info(errors === 0 && warnings === 0 ? "all is well" : `${counted(errors, "error")}, ${counted(warnings, "warning")}`);
}

function counted(count = 0, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function toLine({ level, code, message, hint, bucket, rule, destination }: Finding): string {
  const about = [
    bucket,
    rule === null ? null : `(rule ${rule}${destination === null || destination === bucket ? "" : `, ${destination}`})`,
  ];
  const head = `${level.padEnd(7)}  ${about.filter((part) => part !== null).join(" ")}: ${message}`;
  return `${head}${level === "ok" ? "" : `  [${code}]`}${hint === null ? "" : `\n         try: ${hint}`}`;
}
