import { Document, isMap as isMapNode, isSeq } from "yaml";
import { isMap } from "../precedence.ts";

type Settings = Readonly<Record<string, unknown>>;

/** What an existing set-up says, in the words of a replicast.yaml. */
export interface ImportedConfig {
  /** `name` of the config. */
  readonly name: string;
  /** Everything but `version`, `name` and `rules`. */
  readonly settings: Settings;
  readonly rules: readonly ImportedRule[];
  /** What a person should know of the whole. */
  readonly notes: readonly string[];
}

export interface ImportedRule {
  readonly settings: Settings & { readonly id: string };
  /** What a person should know of this rule. */
  readonly notes: readonly string[];
}

/** A value that the config takes from the environment each time it is read. */
export class FromEnvironment {
  readonly variable: string;

  constructor(variable: string) {
    this.variable = variable;
  }
}

/** A replicast.yaml with the notes as comments where they belong. */
export function importedText({ name, settings, rules, notes }: ImportedConfig): string {
  const written = { version: 1, name, ...settings, rules: rules.map((rule) => rule.settings) };
  const document = new Document(literal(written));
  document.commentBefore = comment([...notes, "Check it with: replicast validate"]);
  const list = document.get("rules");
  if (isSeq(list))
    for (const [index, rule] of rules.entries()) {
      const item = list.items[index];
      if (isMapNode(item) && rule.notes.length > 0) item.commentBefore = comment(rule.notes);
    }
  return document.toString({ lineWidth: 0 });
}

/** Every note of it, those of a rule under its id. */
export function importNotes({ notes, rules }: ImportedConfig): readonly string[] {
  return [...notes, ...rules.flatMap((rule) => rule.notes.map((note) => `rule ${rule.settings.id}: ${note}`))];
}

/** A comment goes on to the end of its line, whatever is in it. */
function comment(notes: readonly string[]): string {
  return notes.map((note) => ` ${note.replaceAll(/\s+/g, " ")}`).join("\n");
}

/** As it is to be read again: `${` in a value is no variable of ours. */
function literal(value: unknown): unknown {
  if (value instanceof FromEnvironment) return `\${${value.variable}}`;
  if (typeof value === "string") return value.replaceAll("${", () => "$${");
  if (Array.isArray(value)) return value.map(literal);
  return isMap(value) ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, literal(item)])) : value;
}
