import { Command, CommanderError } from "commander";
import { nearest } from "../config/nearest.ts";
import type { Environment } from "../config/resolved-config.ts";
import type { CommandModule, GlobalOptions } from "./command.ts";
import { usageError } from "./command.ts";
import { COMMANDS, LATER_COMMANDS } from "./commands.ts";
import { EXIT, exitCodeOf, Output, type Sink, type Source } from "./output.ts";
import { version } from "./version.ts";

/** Where a command prints and asks, and which directory it works in. @defaultValue those of the process */
export interface Surroundings {
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly stdin?: Source | undefined;
  readonly cwd?: string | undefined;
}

/**
 * Runs one command line (without `node` and the script) and resolves with its exit code: 0 done, 1 failed, 2 usage or config, 3 differences
 * found, 130 interrupted. Never rejects and never ends the process.
 */
export async function main(words: readonly string[], env: Environment, surroundings: Surroundings = ownSurroundings()): Promise<number> {
  const { stdout, stderr, stdin = process.stdin, cwd } = surroundings;
  const argv = asOption(words);
  const output = new Output({ stdout, stderr, ...outputFlags(argv, env) });
  try {
    const code = await dispatch({ argv, env, cwd, output, stdin, stdout, stderr });
    return code === EXIT.done && output.isIncomplete ? EXIT.failed : code;
  } catch (error) {
    output.error(error);
    return exitCodeOf(error);
  } finally {
    output.release();
  }
}

interface Dispatch {
  readonly argv: readonly string[];
  readonly env: Environment;
  readonly cwd: string | undefined;
  readonly output: Output;
  readonly stdin: Source;
  readonly stdout: Sink;
  readonly stderr: Sink;
}

async function dispatch(call: Dispatch): Promise<number> {
  const name = commandName(call.argv);
  if (name !== undefined) checkName(name);
  let code: number = EXIT.done;
  const program = buildProgram(call);
  for (const [known, { summary, load }] of Object.entries(COMMANDS)) {
    const command = program.command(known).summary(summary).description(sentence(summary));
    if (known !== name) continue;
    const module = await load();
    define(command, { call, program, module, onExit: (status) => (code = status) });
  }
  return (await parse(program, call)) ?? code;
}

interface Defining {
  readonly call: Dispatch;
  readonly program: Command;
  readonly module: CommandModule;
  readonly onExit: (code: number) => void;
}

function define(command: Command, { call, program, module, onExit }: Defining): void {
  module.define(command);
  command.action(async () => {
    const { output, stdin, env, cwd } = call;
    const global = globalOptions(program, env);
    if (program.opts().server !== undefined && COMMANDS[command.name()]?.asksDaemon !== true)
      output.warn(`--server has no effect: ${command.name()} works in this process`);
    onExit(await module.run({ output, stdin, env, cwd, global, args: command.args, options: command.opts() }));
  });
}

function buildProgram({ stdout, stderr }: Dispatch): Command {
  return new Command("replicast")
    .description("S3 replication that people can leave alone")
    .version(version(), "-V, --version", "print the version")
    .option("-c, --config <file>", "the config (else REPLICAST_CONFIG, else ./replicast.yaml)")
    .option("--server <url>", "talk to a running daemon (else REPLICAST_SERVER); its token is in REPLICAST_TOKEN")
    .option("--json", "print JSON on stdout: one document, or a line each for streams")
    .option("-q, --quiet", "print results and errors only")
    .option("-v, --verbose", "print more, and stacks of errors")
    .option("--no-color", "print without colours")
    .option("--yes", "answer yes to every question")
    .helpCommand(false)
    .configureHelp({ showGlobalOptions: true })
    .addHelpText("after", "\nExamples:\n  $ replicast init\n  $ replicast validate\n  $ replicast validate --help")
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
      outputError: () => {},
    })
    .exitOverride();
}

/** Parses and runs. Returns the exit code where the command itself was not reached. */
async function parse(program: Command, { argv, output }: Dispatch): Promise<number | undefined> {
  try {
    await program.parseAsync(argv, { from: "user" });
    return undefined;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return EXIT.done;
    output.error(parseError(error, commandName(argv)));
    return EXIT.usage;
  }
}

function parseError(error: CommanderError, name: string | undefined): Error {
  if (error.code === "commander.help") return usageError("no command was given", "replicast init, or replicast --help");
  const [message = "", guess] = error.message.replace(/^error: /, "").split("\n");
  const suggestion = /Did you mean (?:one of )?(.+?)\?/.exec(guess ?? "")?.[1];
  const help = `replicast ${name === undefined ? "" : `${name} `}--help`;
  return usageError(message, suggestion === undefined ? help : `${suggestion}, or ${help}`);
}

function checkName(name: string): void {
  if (Object.hasOwn(COMMANDS, name)) return;
  if (LATER_COMMANDS.includes(name)) {
    throw usageError(`the command "${name}" is not available in this version of replicast`, "replicast --help lists what is");
  }
  const guess = nearest(name, [...Object.keys(COMMANDS), ...LATER_COMMANDS]);
  throw usageError(`there is no command "${name}"`, guess === undefined ? "replicast --help" : `replicast ${guess}, or replicast --help`);
}

function ownSurroundings(): Surroundings {
  return { stdout: process.stdout, stderr: process.stderr };
}

/** The first word that is neither an option nor the value of one. */
function commandName(argv: readonly string[]): string | undefined {
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] ?? "";
    if (word === "--") return argv[index + 1];
    if (word === "-c" || word === "--config" || word === "--server") index++;
    else if (!word.startsWith("-")) return word;
  }
  return undefined;
}

/** `help`, `help COMMAND` and `version`, which hands type by habit, as the options that they mean. */
function asOption(argv: readonly string[]): readonly string[] {
  const name = commandName(argv);
  if (name === "version") return ["--version"];
  if (name !== "help") return argv;
  const about = argv.slice(argv.indexOf(name) + 1).filter((word) => !word.startsWith("-"));
  return [...about.slice(0, 1), "--help"];
}

/** What must be known before the words have been parsed, since parsing itself may fail and print. */
function outputFlags(argv: readonly string[], env: Environment) {
  const has = (short: string, long: string) =>
    argv.includes(long) || argv.some((word) => /^-[a-zA-Z]+$/.test(word) && word.includes(short));
  return {
    json: argv.includes("--json"),
    quiet: has("q", "--quiet"),
    verbose: has("v", "--verbose"),
    color: !argv.includes("--no-color") && !env.NO_COLOR,
  };
}

function globalOptions(program: Command, env: Environment): GlobalOptions {
  const options = program.opts();
  return {
    config: options.config,
    server: options.server ?? (env.REPLICAST_SERVER || undefined),
    json: options.json === true,
    quiet: options.quiet === true,
    verbose: options.verbose === true,
    color: options.color !== false && !env.NO_COLOR,
    yes: options.yes === true,
  };
}

function sentence(summary: string): string {
  return `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`;
}
