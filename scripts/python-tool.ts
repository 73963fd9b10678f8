import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { installDebianPackages, runStep, succeeds } from "./build-step.ts";

export interface PythonTool {
  readonly directory: string;
  /** Written last. */
  readonly marker: string;
  readonly pins: readonly string[];
}

/** Makes a virtual environment in place, because its scripts name their own path and cannot be moved afterwards. */
export async function buildPythonTool(tool: PythonTool): Promise<void> {
  await requirePython();
  rmSync(tool.directory, { recursive: true, force: true });
  await runStep({ label: "making a Python environment", command: "python3", args: ["-m", "venv", tool.directory] });
  await runStep({
    label: `installing ${tool.pins.join(" ")}`,
    command: join(tool.directory, "bin", "python"),
    args: ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...tool.pins],
  });
  writeFileSync(tool.marker, `${tool.pins.join("\n")}\n`);
}

async function requirePython(): Promise<void> {
  if (await hasVenv()) return;
  if ((await installDebianPackages("python3", "python3-venv")) && (await hasVenv())) return;
  throw new Error(
    "Python 3.10 or newer with its venv module is needed for the moto server, boto3 and the AWS CLI.\ntry: install python3 and python3-venv",
  );
}

/** Debian ships `venv` without `ensurepip`, and the one is useless without the other. */
async function hasVenv(): Promise<boolean> {
  return succeeds("python3", ["-c", "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))"]);
}
