import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runStep } from "./build-step.ts";

export interface NpmTool {
  /** Package and version, as npm takes them. */
  readonly spec: string;
  /** Holds `node_modules` afterwards. */
  readonly directory: string;
}

/** Installs one package with what it needs, without running its scripts. */
export async function buildNpmTool({ spec, directory }: NpmTool): Promise<void> {
  const unfinished = `${directory}.${process.pid}`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  writeFileSync(join(unfinished, "package.json"), '{ "private": true }\n');
  const args = ["install", "--prefix", unfinished, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", spec];
  await runStep({ label: `installing ${spec}`, command: "npm", args });
  rmSync(directory, { recursive: true, force: true });
  renameSync(unfinished, directory);
}
