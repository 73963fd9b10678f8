import { type ReplicationError, toReplicationError } from "../domain/error.ts";
import { lines } from "./printable.ts";

export const EXIT = { done: 0, failed: 1, usage: 2, different: 3, interrupted: 130 } as const;

/** A stream to print on: a process's own, or one that a test captures. */
export type Sink = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number; readonly errored?: Error | null };

/** Where answers are typed: a process's own stdin, or one that a test types on. */
export type Source = NodeJS.ReadableStream & { readonly isTTY?: boolean };

export interface OutputOptions {
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  /** False also where NO_COLOR is set. */
  readonly color: boolean;
}

const CLEAR_LINE = "\r\u001b[K";
const RED = "\u001b[31m";
const RESET = "\u001b[0m";

/** Prints results on stdout, and everything else on stderr. A reader that went away ends the printing, not the process. */
export class Output {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly #options: OutputOptions;
  readonly #closed = new AbortController();
  #status = "";
  #isIncomplete = false;

  constructor(options: OutputOptions) {
    this.json = options.json;
    this.quiet = options.quiet;
    this.verbose = options.verbose;
    this.#options = options;
    options.stdout.on("error", this.#onStdoutError);
    options.stderr.on("error", ignore);
  }

  /** Aborts once nobody reads stdout any more: what is left to print need not be made. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** Is true where a part of the results could not be printed for another reason than that nobody reads them. */
  get isIncomplete(): boolean {
    const { errored } = this.#options.stdout; // of a write that was not told of yet; a process's own stdout forgets it afterwards
    return this.#isIncomplete || (errored != null && !isGone(errored));
  }

  /** Is true where a line on stderr can be drawn again and again. */
  get drawsStatus(): boolean {
    return this.#options.stderr.isTTY === true && !this.quiet;
  }

  get columns(): number {
    return this.#options.stderr.columns || 80; // a terminal may not know its own width
  }

  /** Prints a line of a result. Resolves when more may be written. */
  async line(text: string): Promise<void> {
    await this.#result(`${lines(text)}\n`);
  }

  /** Prints the one document of `--json`. `schemaVersion` comes first in it. */
  async document(value: object): Promise<void> {
    await this.#result(`${JSON.stringify({ schemaVersion: 1, ...value }, null, 2)}\n`);
  }

  /** Prints one line of NDJSON. Resolves when more may be written. */
  async item(value: object): Promise<void> {
    await this.#result(`${JSON.stringify(value)}\n`);
  }

  /** Prints what is good to know on stderr; nothing with `-q`. */
  info(text: string): void {
    if (!this.quiet) this.#aside(lines(text));
  }

  /** Prints what must be known on stderr, also with `-q`. */
  warn(text: string): void {
    this.#aside(`${this.#red("warning:")} ${lines(text)}`);
  }

  /** Prints `error: …` and `try: …`; with `-v` the stack too, which then is what there is to try where the error knows no better. */
  error(thrown: unknown): void {
    const error = toReplicationError(thrown);
    this.#aside(`${this.#red("error:")} ${lines(sentence(error))}`);
    if (error.hint !== undefined) this.#aside(`try: ${lines(error.hint)}`);
    else if (!this.verbose) this.#aside("try: the same with -v, which shows where it happened");
    if (this.verbose) this.#aside(lines(stackOf(error)));
  }

  /** Draws `text` as the last line of a terminal, in place of the one before; '' takes it away. Does nothing elsewhere. */
  status(text: string): void {
    if (!this.drawsStatus || (text === "" && this.#status === "")) return;
    this.#status = text.slice(0, this.columns - 1);
    this.#options.stderr.write(CLEAR_LINE + this.#status);
  }

  /** Lets go of the streams. */
  release(): void {
    this.status("");
    this.#options.stdout.off("error", this.#onStdoutError);
    this.#options.stderr.off("error", ignore);
  }

  async #result(text: string): Promise<void> {
    const { stdout } = this.#options;
    if (this.closed.aborted || stdout.write(text)) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        stdout.off("drain", done);
        this.closed.removeEventListener("abort", done);
        resolve();
      };
      stdout.on("drain", done);
      this.closed.addEventListener("abort", done);
      if (this.closed.aborted) done();
    });
  }

  #aside(text: string): void {
    const drawn = this.#status !== "";
    this.#options.stderr.write(drawn ? `${CLEAR_LINE}${text}\n${this.#status}` : `${text}\n`);
  }

  #red(text: string): string {
    return this.#options.color && this.#options.stderr.isTTY === true ? `${RED}${text}${RESET}` : text;
  }

  #onStdoutError = (error: NodeJS.ErrnoException): void => {
    if (!isGone(error)) {
      this.#isIncomplete = true;
      this.warn(`stdout cannot be written: ${error.message}`);
    }
    this.#closed.abort();
  };
}

/** Whether it says that the reader went away. */
function isGone(error: NodeJS.ErrnoException): boolean {
  return error.code === "EPIPE" || error.code === "ERR_STREAM_DESTROYED";
}

/** The exit code of a command that threw. */
export function exitCodeOf(thrown: unknown): number {
  const error = toReplicationError(thrown);
  if (error.code === "ConfigInvalid") return EXIT.usage;
  return EXIT.failed;
}

function sentence(error: ReplicationError): string {
  const place = [error.at.bucket, error.at.key].filter((part) => part !== undefined).join("/");
  return place === "" || error.message.includes(place) ? error.message : `${error.message} (${place})`;
}

function stackOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${stackOf(error.cause)}` : "";
  return `${error.stack ?? error.message}${cause}`;
}

function ignore(): void {}
