import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type BuildStep, collect, installDebianPackages, runStep } from "./build-step.ts";

/** The first Go that fetches a newer toolchain by itself when a module asks for one. */
const firstSelfUpdatingGo = 21;

export interface GoPin {
  readonly module: string;
  /** The folder of the program in the module. @defaultValue the module's own */
  readonly program?: string;
  readonly version: string;
  /** The Go release that the module asks for. */
  readonly go: string;
  /** What is wrong in the published source and right in the program that is built here. */
  readonly mended?: Mending;
}

interface Mending {
  readonly file: string;
  /** Stands once in the file. */
  readonly from: string;
  readonly to: string;
}

export interface GoTool extends GoPin {
  readonly name: string;
  /** Where the program ends up. */
  readonly path: string;
}

/** Builds a Go program at one version; `path` exists only once the build is complete. */
export async function buildGoTool(tool: GoTool): Promise<void> {
  await requireGo(tool);
  const target = dirname(tool.path);
  const scratch = mkdtempSync(join(dirname(target), `.build-${tool.name}-`));
  try {
    const label = `building ${tool.name} ${tool.version}`;
    await runStep({ label, command: "go", ...(await buildCommand(tool, scratch)), env: buildEnvironment(scratch) });
    mkdirSync(target, { recursive: true });
    renameSync(join(scratch, tool.name), tool.path);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Without cgo no C compiler is needed. "auto" lets Go fetch the release that the module asks for, unless the user decided otherwise. */
function buildEnvironment(scratch: string): NodeJS.ProcessEnv {
  return { GOTOOLCHAIN: "auto", ...process.env, CGO_ENABLED: "0", GOBIN: scratch };
}

async function buildCommand(tool: GoTool, scratch: string): Promise<Pick<BuildStep, "args" | "cwd">> {
  const program = tool.program ?? ".";
  if (tool.mended === undefined) return { args: ["install", `${join(tool.module, program)}@${tool.version}`] };
  const cwd = await copySource(tool, scratch);
  mend(join(cwd, tool.mended.file), tool.mended);
  return { args: ["build", "-o", join(scratch, tool.name), `./${program}`], cwd };
}

/** Fetches the published source and puts a copy of it that may be changed into the scratch directory. */
async function copySource({ module, version }: GoTool, scratch: string): Promise<string> {
  const args = ["mod", "download", "-json", `${module}@${version}`];
  const answer = await collect({ label: `downloading ${module}`, command: "go", args, env: buildEnvironment(scratch), cwd: scratch });
  const { Dir } = JSON.parse(answer) as { readonly Dir: string };
  const copy = join(scratch, "source");
  await collect({ label: `copying ${module}`, command: "cp", args: ["-R", Dir, copy] });
  await collect({ label: `copying ${module}`, command: "chmod", args: ["-R", "u+w", copy] });
  return copy;
}

function mend(path: string, { from, to }: Mending): void {
  const parts = readFileSync(path, "utf8").split(from);
  if (parts.length !== 2) throw new Error(`${path} does not hold what is to be mended: ${from}`);
  writeFileSync(path, parts.join(to));
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
