import type { Command } from "commander";
import type { StoredEngines } from "../app/engines.ts";
import type { EngineChoice } from "../config/engines/engine-choice.ts";
import type { LoadedConfig } from "../config/load.ts";
import type { Destination, Rule } from "../domain/rule.ts";
import { examples, type Invocation } from "./command.ts";
import { EXIT, type Output } from "./output.ts";

export function define(command: Command): void {
  command.addHelpText("after", examples("validate", "validate --json", "-c production.yaml validate"));
}

/** Prints the resolved rules, one source → destination pair a line; or every problem of the config, with exit 2. */
export async function run({ output, global, env, cwd }: Invocation): Promise<number> {
  const { checkConfig } = await import("../config/load.ts");
  const { problemsError } = await import("../config/problem.ts");
  const checked = checkConfig({ configPath: global.config, env, cwd });
  if (checked.loaded === undefined) {
    if (output.json) await output.document({ valid: false, file: checked.file, problems: checked.problems });
    throw problemsError(checked.problems, checked.file);
  }
  const pairs = await pairsOf(checked.loaded, await decidedEngines(checked.loaded, output));
  if (output.json) await output.document(toJson(checked.loaded, pairs));
  else for (const line of toLines(pairs)) await output.line(line);
  output.info(`${checked.file} is valid: ${count(checked.loaded.document.rules.length, "rule")}, ${count(pairs.length, "destination")}`);
  return EXIT.done;
}

interface Pair {
  readonly rule: Rule;
  readonly destination: Destination;
  readonly choice: EngineChoice;
  readonly notes: readonly string[];
}

/** What was decided before, from the state where there is one; a state that cannot be read is told of. */
async function decidedEngines({ config }: LoadedConfig, output: Output): Promise<StoredEngines> {
  const { readEngines } = await import("../app/engines.ts");
  const { isReplicationError } = await import("../domain/error.ts");
  try {
    return await readEngines(config);
  } catch (error) {
    if (!isReplicationError(error)) throw error;
    output.warn(`who serves the rules so far is not known: ${error.message}`);
    return new Map();
  }
}

async function pairsOf({ config }: LoadedConfig, engines: StoredEngines): Promise<readonly Pair[]> {
  const { engineChooser } = await import("../config/engines/engine-choice.ts");
  const { pairNotes } = await import("../config/pair-notes.ts");
  const choose = engineChooser(config, (rule) => engines.get(rule));
  return config.rules.flatMap((rule) =>
    rule.destinations.map((destination) => {
      const choice = choose(rule, destination);
      return { rule, destination, choice, notes: pairNotes(rule, destination, { rules: config.rules, engine: choice.engine }) };
    }),
  );
}

function toLines(pairs: readonly Pair[]): readonly string[] {
  return pairs.map(({ rule, destination, choice, notes }) => {
    const state = rule.enabled ? "" : "  (disabled)";
    const engine = [`engine ${choice.engine} (${choice.why})`, ...notes, ...choice.cannot].join("; ");
    return `${rule.id}: ${sourceText(rule)} → ${destinationText(destination)}${state}  ${engine}`;
  });
}

function sourceText(rule: Rule): string {
  const { prefix = "", suffix = "" } = rule.filter;
  return prefix + suffix === "" ? rule.source.name : `${rule.source.name}/${prefix}*${suffix}`;
}

function destinationText({ bucket, prefix, id }: Destination): string {
  const place = prefix === "" ? bucket.name : `${bucket.name}/${prefix}`;
  return id === bucket.name ? place : `${place} [${id}]`;
}

function toJson({ config, file }: LoadedConfig, pairs: readonly Pair[]): object {
  const rules = config.rules.map((rule) => ({
    id: rule.id,
    enabled: rule.enabled,
    source: rule.source.name,
    filter: rule.filter,
    mesh: rule.mesh !== undefined,
    deletes: rule.deletes,
    versions: pairs.some((pair) => pair.rule === rule && pair.choice.engine === "native") ? "all" : rule.versions,
    transit: rule.transit,
    destinations: pairs
      .filter((pair) => pair.rule === rule)
      .map(({ destination, choice, notes }) => ({
        id: destination.id,
        bucket: destination.bucket.name,
        prefix: destination.prefix,
        ...choice,
        notes,
      })),
  }));
  return { valid: true, file, name: config.name, rules, problems: [] };
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
