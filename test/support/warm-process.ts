import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { LogRing } from "./log-ring.ts";
import { type BesideTests, type ExitStatus, endWithin, enlist, killGroup, setReferenced, startWatchdog } from "./process.ts";

/** A command line for a warm process. */
export interface Order {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

/** What a warm process says of a command that has ended. */
export interface ExitNote {
  readonly code: number;
}

const CHILD = fileURLToPath(new URL("./warm-child.ts", import.meta.url));
const END = "\0";
const STREAMS = ["stdout", "stderr"] as const;
type Stream = (typeof STREAMS)[number];

type Child = ChildProcess & { readonly stdout: Readable; readonly stderr: Readable };

/** Warm processes that run nothing now. They end with this process. */
const idle: Set<Child> = new Set();

/**
 * One run of a command in a process of its own that has the program loaded already, and that is there for the next one when this has ended.
 *
 * To load the program costs more than most runs do. A run that is killed, or that ends its process, takes the process with it.
 */
export class WarmRun implements BesideTests {
  readonly name: string;
  readonly pid: number;
  readonly log: LogRing = new LogRing();
  readonly #child: Child;
  readonly #graceMs: number;
  readonly #printed: Record<Stream, string> = { stdout: "", stderr: "" };
  readonly #ended: Set<Stream> = new Set();
  readonly #exited: PromiseWithResolvers<ExitStatus> = Promise.withResolvers();
  readonly #release: readonly (() => void)[];
  #note: ExitNote | undefined;
  #status: ExitStatus | undefined;

  private constructor(child: Child, order: Order, graceMs: number) {
    this.name = `replicast ${order.args.join(" ")}`;
    this.pid = child.pid ?? 0;
    this.#child = child;
    this.#graceMs = graceMs;
    this.#release = [enlist(this), ...this.#listen()];
    child.send(order);
  }

  /** Starts a command in a warm process. @param graceMs time between SIGTERM and SIGKILL when it is stopped */
  static async start(order: Order, graceMs = 5_000): Promise<WarmRun> {
    const [waiting] = idle;
    if (waiting === undefined) return new WarmRun(await startChild(), order, graceMs);
    idle.delete(waiting);
    return new WarmRun(waiting, order, graceMs);
  }

  get stdout(): string {
    return this.#printed.stdout;
  }

  get stderr(): string {
    return this.#printed.stderr;
  }

  /** Resolves when the command has ended, by itself or with its process. */
  async waitForExit(): Promise<ExitStatus> {
    if (!this.#status) setReferenced(this.#child, true);
    return this.#exited.promise;
  }

  signal(name: NodeJS.Signals): void {
    if (!this.#status) this.#child.kill(name);
  }

  /** Ends the process without a chance to tidy up, as a power cut would. Idempotent. */
  async kill(): Promise<ExitStatus> {
    if (!this.#status) killGroup(this.pid);
    return this.waitForExit();
  }

  /** Asks the command to end, and kills its process when it has not done so after the grace time. Idempotent. */
  stop(): Promise<ExitStatus> {
    return endWithin(this.#graceMs, this);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #listen(): (() => void)[] {
    const child = this.#child;
    const onNote = (note: ExitNote) => this.#onNote(note);
    const onExit = (code: number | null, signal: NodeJS.Signals | null) => this.#end({ code, signal });
    child.on("message", onNote).on("exit", onExit);
    const readers = STREAMS.map((name) => {
      const onData = (text: string) => this.#onData(name, text);
      child[name].on("data", onData);
      return () => void child[name].off("data", onData);
    });
    return [() => void child.off("message", onNote).off("exit", onExit), ...readers];
  }

  #onData(stream: Stream, text: string): void {
    const printed = text.endsWith(END) ? text.slice(0, -END.length) : text;
    this.#printed[stream] += printed;
    this.log.add(printed);
    if (printed !== text) this.#ended.add(stream);
    this.#endWhenAllIsRead();
  }

  #onNote(note: ExitNote): void {
    this.#note = note;
    this.#endWhenAllIsRead();
  }

  #endWhenAllIsRead(): void {
    if (this.#note === undefined || this.#ended.size < STREAMS.length) return;
    idle.add(this.#child);
    this.#end({ code: this.#note.code, signal: null });
  }

  #end(status: ExitStatus): void {
    this.#status = status;
    for (const release of this.#release) release();
    setReferenced(this.#child, false);
    this.#exited.resolve(status);
  }
}

/** A process with the program loaded, in a group of its own, that does not outlive this one. */
async function startChild(): Promise<Child> {
  const stdio = ["ignore", "pipe", "pipe", "ipc"] as const;
  const child = spawn(process.execPath, [CHILD], {
    env: { PATH: process.env.PATH, NO_COLOR: "1" },
    stdio: [...stdio],
    detached: true,
  }) as Child;
  await once(child, "spawn");
  const watchdog = startWatchdog(child.pid ?? 0);
  child.once("exit", () => {
    idle.delete(child);
    if (child.pid !== undefined) killGroup(child.pid);
    watchdog.stdin?.end("done\n");
  });
  for (const name of STREAMS) (child[name] as Socket).setEncoding("utf8");
  child.channel?.unref();
  setReferenced(child, false);
  return child;
}
