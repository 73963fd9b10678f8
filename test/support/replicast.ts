import assert from "node:assert/strict";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { PassThrough, type Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { main } from "../../src/cli/main.ts";
import { answersOk } from "./probe.ts";
import { type BesideTests, type ExitStatus, startProcess, waitUntilReady } from "./process.ts";
import { waitFor } from "./wait-for.ts";
import { WarmRun } from "./warm-process.ts";

const entry = fileURLToPath(new URL("../../bin/replicast.js", import.meta.url));
const deadlineMs = 60_000;

/** Where commands run: a folder with a `replicast.yaml`, the environment, and what no output may ever show. */
export interface Workplace {
  readonly directory: string;
  readonly env: Readonly<Record<string, string>>;
  readonly secrets: readonly string[];
}

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

type Child = ChildProcessByStdio<null, Readable, Readable>;

/** Commands that log, listen or are ended as a process is. All others only print, and can do so anywhere. */
const PROCESSES = new Set(["run", "demo"]);

/** One command of the product, as a user's shell runs it. */
export class RunningCommand {
  /** Resolves when it has ended, by itself or by a signal; after a minute it is ended. */
  readonly finished: Promise<Finished>;
  readonly #child: Child;
  readonly #output: { stdout: string; stderr: string } = { stdout: "", stderr: "" };

  constructor(workplace: Workplace, args: readonly string[]) {
    const { directory: cwd } = workplace;
    this.#child = spawn(process.execPath, [entry, ...args], { cwd, env: environmentOf(workplace), stdio: ["ignore", "pipe", "pipe"] });
    this.finished = this.#follow(workplace, args);
    this.finished.catch(() => undefined);
  }

  get stdout(): string {
    return this.#output.stdout;
  }

  get stderr(): string {
    return this.#output.stderr;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async #follow(workplace: Workplace, args: readonly string[]): Promise<Finished> {
    const child = this.#child;
    const timer = setTimeout(() => child.kill("SIGKILL"), deadlineMs);
    child.stdout.setEncoding("utf8").on("data", (text: string) => (this.#output.stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (this.#output.stderr += text));
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? -1));
    const code = await promise.finally(() => clearTimeout(timer));
    checkSecrets(workplace, `replicast ${args.join(" ")}`, this.stdout + this.stderr);
    return { code, stdout: this.stdout, stderr: this.stderr };
  }
}

/** Starts a command and leaves it running. */
export function startCommand(workplace: Workplace, ...args: readonly string[]): RunningCommand {
  return new RunningCommand(workplace, args);
}

/**
 * Runs a command to its end: in a warm process where it logs, listens or is signalled, else in this one, which has loaded the program already
 * and in which the leak guard sees what the command leaves open.
 *
 * @throws AssertionError where a secret was printed
 */
export async function replicast(workplace: Workplace, ...args: readonly string[]): Promise<Finished> {
  const finished = await (args.some((word) => PROCESSES.has(word)) ? runBeside : runHere)(workplace, args);
  checkSecrets(workplace, `replicast ${args.join(" ")}`, finished.stdout + finished.stderr);
  return finished;
}

async function runHere(workplace: Workplace, args: readonly string[]): Promise<Finished> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const printed = Promise.all([text(stdout), text(stderr)]);
  const code = await main(args, environmentOf(workplace), { stdout, stderr, cwd: workplace.directory });
  for (const stream of [stdout, stderr]) stream.end();
  return { code, stdout: (await printed)[0], stderr: (await printed)[1] };
}

async function runBeside(workplace: Workplace, args: readonly string[]): Promise<Finished> {
  await using run = await WarmRun.start({ args, env: environmentOf(workplace), cwd: workplace.directory });
  const timer = setTimeout(() => void run.kill(), deadlineMs);
  const { code } = await run.waitForExit().finally(() => clearTimeout(timer));
  return { code: code ?? -1, stdout: run.stdout, stderr: run.stderr };
}

/** Nothing of the environment of the tests themselves but where programs are. */
function environmentOf({ directory, env }: Workplace): Record<string, string> {
  return { PATH: process.env.PATH ?? "", HOME: directory, NO_COLOR: "1", ...env };
}

/** Runs a command that must end with a code, and returns what it printed on stdout. */
export async function expectExit(code: number, workplace: Workplace, args: readonly string[]): Promise<Finished> {
  const finished = await replicast(workplace, ...args);
  assert.equal(finished.code, code, `replicast ${args.join(" ")}\n${finished.stdout}${finished.stderr}`);
  return finished;
}

/** Runs a command that must succeed, and returns the one JSON document it prints. */
export async function askJson<T>(workplace: Workplace, ...args: readonly string[]): Promise<T> {
  const { stdout } = await expectExit(0, workplace, [...args, "--json"]);
  return JSON.parse(stdout) as T;
}

/** The lines of NDJSON. */
export function toItems<T>(stdout: string): T[] {
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as T);
}

/** `replicast run`, from when it takes events to its end. */
export class Daemon implements AsyncDisposable {
  readonly url: string;
  readonly #process: BesideTests;
  readonly #workplace: Workplace;

  constructor(url: string, process: BesideTests, workplace: Workplace) {
    this.url = url;
    this.#process = process;
    this.#workplace = workplace;
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** The end of what it printed. */
  log(): string {
    return this.#process.log.text();
  }

  signal(name: NodeJS.Signals): void {
    this.#process.signal(name);
  }

  async waitForExit(): Promise<ExitStatus> {
    const status = await this.#process.waitForExit();
    checkSecrets(this.#workplace, "replicast run", this.log());
    return status;
  }

  /** SIGTERM. @throws AssertionError unless it ends with 0 */
  async stop(): Promise<void> {
    this.signal("SIGTERM");
    const status = await this.waitForExit();
    assert.deepEqual(status, { code: 0, signal: null }, this.log());
  }

  /** As the out-of-memory killer or a power cut would. */
  async kill(): Promise<void> {
    await this.#process.kill();
    checkSecrets(this.#workplace, "replicast run", this.log());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
    checkSecrets(this.#workplace, "replicast run", this.log());
  }
}

const NAME = "replicast run";
const GRACE_MS = 20_000;

/** Starts `replicast run` on a port of the config and resolves once it takes events. */
export async function startDaemon(workplace: Workplace, port: number): Promise<Daemon> {
  const order = { args: ["run"], env: environmentOf(workplace), cwd: workplace.directory };
  const run = await WarmRun.start(order, GRACE_MS);
  const url = urlOf(port);
  await waitUntilReady(run, { name: NAME, ready: isReadyAt(url) });
  return new Daemon(url, run, workplace);
}

/** The same as a service manager does it, in a process that ends with it: for what a signal or a kill does to a process. */
export async function startDaemonProcess(workplace: Workplace, port: number): Promise<Daemon> {
  const url = urlOf(port);
  const started = await startProcess({
    name: NAME,
    command: process.execPath,
    args: [entry, "run"],
    cwd: workplace.directory,
    env: environmentOf(workplace),
    ready: isReadyAt(url),
    graceMs: GRACE_MS,
  });
  return new Daemon(url, started, workplace);
}

function urlOf(port: number): string {
  return `http://127.0.0.1:${port}`;
}

function isReadyAt(url: string): (signal: AbortSignal) => Promise<boolean> {
  return (signal) => answersOk(`${url}/readyz`, signal);
}

/** Waits until a line of the daemon's log holds a text. */
export async function waitForLog(daemon: Daemon, text: string): Promise<void> {
  await waitFor(`the daemon to print ${text}`, () => daemon.log().includes(text));
}

/** Fails where a text shows a secret, or the inside of the program. */
function checkSecrets({ secrets }: Workplace, what: string, text: string): void {
  for (const secret of secrets) assert.ok(!text.includes(secret), `${what} printed a secret`);
}

/** Fails unless a command ended as one does that was used wrongly: an error, a hint, no stack trace. */
export function assertRefused(finished: Finished, code: number, message: RegExp): void {
  const { stderr } = finished;
  assert.equal(finished.code, code, stderr);
  assert.match(stderr, /^error: /m);
  assert.match(stderr, /^try: \S/m);
  assert.match(stderr, message);
  assert.doesNotMatch(stderr + finished.stdout, /^\s+at .*(?:\.ts|\.js|node:)/m, "a stack trace was printed");
}
