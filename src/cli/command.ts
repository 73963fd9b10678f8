import type { Command } from "commander";
import type { Environment } from "../config/resolved-config.ts";
import { ReplicationError } from "../domain/error.ts";
import type { Output, Source } from "./output.ts";

/** The options that every command has. */
export interface GlobalOptions {
  readonly config?: string | undefined;
  /** Of a running daemon; also from REPLICAST_SERVER. */
  readonly server?: string | undefined;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly color: boolean;
  readonly yes: boolean;
}

/** What a command is given. */
export interface Invocation {
  readonly output: Output;
  readonly stdin: Source;
  readonly global: GlobalOptions;
  readonly env: Environment;
  /** Absent: the working directory of the process. */
  readonly cwd?: string | undefined;
  /** The words after the command's name that are no options. */
  readonly args: readonly string[];
  /** The command's own options. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** The shape of a file `src/cli/<command>.ts`, loaded only when its command is called. */
export interface CommandModule {
  /** Adds arguments, options and the help, which ends in an example. */
  readonly define: (command: Command) => void;
  /** Does the work and returns the exit code. What it throws is printed, with exit 2 for ConfigInvalid, else 1. */
  readonly run: (invocation: Invocation) => Promise<number>;
}

/** The error of a command that was called in a way it cannot work. Exits 2. */
export function usageError(message: string, hint: string): ReplicationError {
  return new ReplicationError("ConfigInvalid", message, { hint });
}

/** The lines that end a command's help. */
export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ replicast ${line}`).join("\n")}`;
}
