import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { collect, installDebianPackages, runStep } from "./build-step.ts";

/** The first Go that fetches a newer toolchain by itself when a module asks for one. */
const firstSelfUpdatingGo = 21;

export interface GoTool {
  readonly name: string;
  readonly module: string;
  readonly version: string;
  /** The Go release that the module asks for. */
  readonly go: string;
  /** Where the program ends up. */
  readonly path: string;
}

/** Builds a Go program at one version; `path` exists only once the build is complete. */
export async function buildGoTool(tool: GoTool): Promise<void> {
  await requireGo(tool);
  const target = dirname(tool.path);
  const scratch = mkdtempSync(join(dirname(target), `.build-${tool.name}-`));
  try {
    await runStep({
      label: `building ${tool.name} ${tool.version}`,
      command: "go",
      args: ["install", `${tool.module}@${tool.version}`],
      // Without cgo no C compiler is needed. "auto" lets Go fetch the release that the module asks for, unless the user decided otherwise.
      env: { GOTOOLCHAIN: "auto", ...process.env, CGO_ENABLED: "0", GOBIN: scratch },
    });
    mkdirSync(target, { recursive: true });
    renameSync(join(scratch, tool.name), tool.path);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function requireGo(tool: GoTool): Promise<void> {
  const minor = (await goMinor()) ?? (await installedGoMinor());
  if (minor === null) {
    throw new Error(`Go is needed to build ${tool.name} and was not found on the PATH.\ntry: install Go ${tool.go} or newer`);
  }
  if (minor < firstSelfUpdatingGo) {
    throw new Error(`Go 1.${minor} is too old to build ${tool.name}.\ntry: install Go ${tool.go} or newer and put it first on the PATH`);
  }
}

async function installedGoMinor(): Promise<number | null> {
  return (await installDebianPackages("golang-go", "ca-certificates")) ? goMinor() : null;
}

async function goMinor(): Promise<number | null> {
  try {
    const output = await collect({ label: "go version", command: "go", args: ["version"] });
    const found = /go1\.(\d+)/.exec(output);
    return found ? Number(found[1]) : null;
  } catch {
    return null;
  }
}
