import { type ChildProcess, type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { LogRing } from "./log-ring.ts";

export interface ProcessOptions {
  /** How messages call it. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment of the process, but for `PATH`. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Removed by the watchdog when this process dies without stopping the server first. */
  readonly scratchDirectory?: string;
  /** Polled until it resolves with true; a throw counts as "not yet". */
  readonly ready: (signal: AbortSignal) => Promise<boolean>;
  /** @defaultValue 30000 */
  readonly readyTimeoutMs?: number;
  /** Time between SIGTERM and SIGKILL when it is stopped. @defaultValue 5000 */
  readonly graceMs?: number;
}

export interface ExitStatus {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

type Child = ChildProcessByStdio<null, Readable, Readable>;

/** What runs beside the tests and is waited for, asked to end and read the log of. */
export interface BesideTests extends AsyncDisposable {
  readonly name: string;
  readonly pid: number;
  readonly log: LogRing;
  waitForExit(): Promise<ExitStatus>;
  signal(name: NodeJS.Signals): void;
  kill(): Promise<ExitStatus>;
  stop(): Promise<ExitStatus>;
}

const pollMs = 20;
const running: Set<BesideTests> = new Set();
const recent: Set<BesideTests> = new Set();

/** Counts something among what runs, until the returned function is called. */
export function enlist(started: BesideTests): () => void {
  running.add(started);
  recent.add(started);
  return () => running.delete(started);
}

/** Servers that have not ended yet. */
export function runningProcesses(): readonly BesideTests[] {
  return [...running];
}

/** Servers that ran since the last call. */
export function takeRecentProcesses(): readonly BesideTests[] {
  const taken = [...recent];
  recent.clear();
  for (const process of running) recent.add(process);
  return taken;
}

/**
 * A server beside the tests, in a process group of its own.
 *
 * It does not keep the test process alive, and a watchdog ends it when the test process dies in whatever way. What it prints is kept in a
 * bounded ring.
 */
export class ServerProcess implements BesideTests {
  readonly name: string;
  readonly pid: number;
  readonly log: LogRing = new LogRing();
  readonly #child: Child;
  readonly #watchdog: ChildProcess;
  readonly #graceMs: number;
  readonly #exited: Promise<ExitStatus>;
  readonly #discharge: () => void;
  #status: ExitStatus | undefined;

  constructor(child: Child, options: ProcessOptions) {
    this.name = options.name;
    this.pid = child.pid ?? 0;
    this.#child = child;
    this.#graceMs = options.graceMs ?? 5_000;
    this.#watchdog = startWatchdog(this.pid, options.scratchDirectory);
    this.#exited = this.#follow();
    this.#discharge = enlist(this);
  }

  /** Undefined while it runs. */
  get exitStatus(): ExitStatus | undefined {
    return this.#status;
  }

  /** Resolves when the process has ended, by itself or otherwise. */
  async waitForExit(): Promise<ExitStatus> {
    if (!this.#status) setReferenced(this.#child, true);
    return this.#exited;
  }

  /** Sends a signal to the process alone, not to what it started. */
  signal(signal: NodeJS.Signals): void {
    if (!this.#status) this.#child.kill(signal);
  }

  /** Ends it and what it started without a chance to tidy up, as a power cut would. Idempotent. */
  async kill(): Promise<ExitStatus> {
    if (!this.#status) killGroup(this.pid);
    return this.waitForExit();
  }

  /** Asks it to end, and ends it when it has not done so after the grace time. Resolves when it is gone. Idempotent. */
  stop(): Promise<ExitStatus> {
    return endWithin(this.#graceMs, this);
  }

  /** Lets the test process end while this one still runs. */
  unreference(): void {
    setReferenced(this.#child, false);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #follow(): Promise<ExitStatus> {
    const { promise, resolve } = Promise.withResolvers<ExitStatus>();
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream.setEncoding("utf8").on("data", (chunk: string) => this.log.add(chunk));
    this.#child.once("exit", (code, signal) => {
      this.#status = { code, signal };
      this.#discharge();
      killGroup(this.pid);
      this.#watchdog.stdin?.end("done\n");
      resolve(this.#status);
    });
    return promise;
  }
}

/** Starts a process and resolves once it is ready. @throws Error with the end of its output when it ends or stays unready instead. */
export async function startProcess(options: ProcessOptions): Promise<ServerProcess> {
  const process = new ServerProcess(await spawnInGroup(options), options);
  await waitUntilReady(process, options);
  process.unreference();
  return process;
}

/** Asks something to end, and ends it when it has not done so after the grace time. Resolves when it is gone. */
export async function endWithin(graceMs: number, process: BesideTests): Promise<ExitStatus> {
  process.signal("SIGTERM");
  // A process that SIGSTOP holds hears of its end only after this.
  process.signal("SIGCONT");
  const timer = setTimeout(() => void process.kill(), graceMs);
  try {
    return await process.waitForExit();
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves once it is ready. @throws Error with the end of its output when it ends or stays unready instead; it is ended then */
export async function waitUntilReady(
  process: BesideTests,
  options: Pick<ProcessOptions, "name" | "ready" | "readyTimeoutMs">,
): Promise<void> {
  const giveUp = new AbortController();
  const timer = setTimeout(() => giveUp.abort(), options.readyTimeoutMs ?? 30_000);
  try {
    const failure = await Promise.race([untilReady(options, giveUp.signal), process.waitForExit().then(describeExit)]);
    if (failure) throw new Error(`${options.name} ${failure}; its output ends with:\n${process.log.tail() || "(nothing)"}`);
  } catch (error) {
    await process.stop();
    throw error;
  } finally {
    clearTimeout(timer);
    giveUp.abort();
  }
}

/** Resolves with undefined when ready, with the reason when given up. */
async function untilReady(options: Pick<ProcessOptions, "ready" | "readyTimeoutMs">, giveUp: AbortSignal): Promise<string | undefined> {
  while (!giveUp.aborted) {
    if (await options.ready(AbortSignal.any([giveUp, AbortSignal.timeout(2_000)])).catch(() => false)) return undefined;
    await sleep(pollMs);
  }
  return `was not ready after ${options.readyTimeoutMs ?? 30_000} ms`;
}

function describeExit(status: ExitStatus): string {
  return `ended before it was ready (${status.signal ?? `code ${status.code}`})`;
}

async function spawnInGroup(options: ProcessOptions): Promise<Child> {
  const child = spawn(options.command, options.args, {
    cwd: options.cwd,
    env: { PATH: process.env.PATH, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  await once(child, "spawn");
  return child;
}

/**
 * A shell that ends the group as soon as its standard input does, which is when this process dies, even by SIGKILL. One line of input tells
 * it that there is nothing left to do.
 */
export function startWatchdog(pid: number, scratchDirectory = ""): ChildProcess {
  const script = 'read -r _ && exit; kill -9 "-$1"; [ -z "$2" ] || rm -rf -- "$2"';
  const watchdog = spawn("/bin/sh", ["-c", script, "watchdog", String(pid), scratchDirectory], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  watchdog.unref();
  (watchdog.stdin as Socket | null)?.unref();
  return watchdog;
}

/** Whether this process stays alive for the sake of that one. */
export function setReferenced(child: Pick<Child, "ref" | "unref" | "stdout" | "stderr">, referenced: boolean): void {
  for (const part of [child, child.stdout as Socket, child.stderr as Socket]) referenced ? part.ref() : part.unref();
}

/** Ends a process and what it started. */
export function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    // Nothing is left of the group, or only members that have ended and wait to be collected.
    if (!["ESRCH", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}
