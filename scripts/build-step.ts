import { spawn } from "node:child_process";

/** Seconds between two lines of progress of a build that prints nothing itself. */
const heartbeatMs = 15_000;
/** The end of the output is what explains a failure. */
const keptOutput = 4_000;

export interface BuildStep {
  readonly label: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** @defaultValue the directory of this process */
  readonly cwd?: string;
}

/** Runs one command of a build with a line of progress now and then. @throws Error with the end of its output when it fails. */
export async function runStep(step: BuildStep): Promise<void> {
  const startedAt = Date.now();
  const seconds = (): string => `${Math.round((Date.now() - startedAt) / 1000)} s`;
  console.error(`${step.label} …`);
  const heartbeat = setInterval(() => console.error(`${step.label}: ${seconds()} so far`), heartbeatMs);
  try {
    await collect(step);
    console.error(`${step.label}: done in ${seconds()}`);
  } finally {
    clearInterval(heartbeat);
  }
}

/** Resolves with the standard output of a command, at most its last 4,000 characters. @throws Error when it cannot be started or fails. */
export async function collect(step: BuildStep): Promise<string> {
  const child = spawn(step.command, step.args, { env: step.env ?? process.env, cwd: step.cwd, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let told = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output = (output + chunk).slice(-keptOutput);
    told = (told + chunk).slice(-keptOutput);
  });
  child.stderr.on("data", (chunk: Buffer) => {
    told = (told + chunk).slice(-keptOutput);
  });
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.once("error", reject);
  child.once("close", resolve);
  const code = await promise;
  if (code !== 0) throw new Error(`${step.label} failed (${step.command} ended with ${code}):\n${told.trim()}`);
  return output;
}

export async function succeeds(command: string, args: readonly string[]): Promise<boolean> {
  try {
    await collect({ label: command, command, args });
    return true;
  } catch {
    return false;
  }
}

/** Installs Debian packages where that is possible: as root, with apt-get at hand. */
export async function installDebianPackages(...packages: readonly string[]): Promise<boolean> {
  if (process.getuid?.() !== 0 || !(await succeeds("apt-get", ["--version"]))) return false;
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  await runStep({ label: "apt-get update", command: "apt-get", args: ["update", "-q"], env });
  await runStep({
    label: `apt-get install ${packages.join(" ")}`,
    command: "apt-get",
    args: ["install", "-q", "-y", "--no-install-recommends", ...packages],
    env,
  });
  return true;
}
