import { readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { ReplicationError } from "../domain/error.ts";
import type { ConfigDocument } from "./config-document.ts";
import { describeIssues } from "./describe-issues.ts";
import { refuseLater } from "./later.ts";
import { findConfigFile, type LocateOptions, noConfig } from "./locate.ts";
import { ENVIRONMENT_SETTINGS, environmentSettings, isMap, type Merged, mergeLayers, type Origin, type Settings } from "./precedence.ts";
import { type Finding, formatPath, type Path, type Problem, problemsError } from "./problem.ts";
import { type ConfigParts, resolveConfig } from "./resolve-config.ts";
import type { ResolvedConfig } from "./resolved-config.ts";
import { parseConfig, parseRule, parseStore, type SchemaIssue, withoutParts } from "./schema.ts";
import { scrub, secretsOf } from "./scrub.ts";
import { parseYaml, type YamlDocument } from "./yaml-document.ts";

export interface LoadOptions extends LocateOptions {
  /** Settings given as flags, by dotted path: `{ "listen.port": 9000 }`. */
  readonly flags?: Settings | undefined;
}

/** A config that may be used, with what it was made of. */
export interface LoadedConfig {
  readonly config: ResolvedConfig;
  /** As the schema left it: every default filled in, units as text. */
  readonly document: ConfigDocument;
  readonly origins: ReadonlyMap<string, Origin>;
  /** As people write it: relative to the working directory where that is shorter. */
  readonly file: string;
}

export type CheckedConfig =
  | { readonly file: string; readonly loaded: LoadedConfig; readonly problems: readonly [] }
  | { readonly file: string; readonly loaded?: undefined; readonly problems: readonly Problem[] };

/**
 * Finds, reads and resolves the config. The result is deeply frozen, and nothing in it prints a secret.
 *
 * @throws ReplicationError `ConfigInvalid` with every problem in its message, or where there is no config
 */
export function loadConfig(options: LoadOptions): ResolvedConfig {
  const checked = checkConfig(options);
  if (checked.loaded === undefined) throw problemsError(checked.problems, checked.file);
  return checked.loaded.config;
}

/**
 * Finds, reads and checks the config, and returns it, or everything that is wrong with it at once.
 *
 * @throws ReplicationError `ConfigInvalid` where there is no config, or none that can be read
 */
export function checkConfig(options: LoadOptions): CheckedConfig {
  const path = findConfigFile(options);
  if (path === undefined) throw noConfig();
  const yaml = parseYaml(readConfig(path), {
    env: options.env,
    readFile: (name) => readFileSync(resolve(dirname(path), name), "utf8"),
  });
  const file = shortName(path, options.cwd);
  if (yaml.syntax.length > 0) return { file, problems: yaml.syntax.map(syntaxProblem) };
  return checkDocument(yaml, { options, path, file });
}

function readConfig(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
    const hint = code === "EISDIR" ? "name the file in that directory" : "check the file and its permissions";
    throw new ReplicationError("ConfigInvalid", `the config ${path} cannot be read (${code})`, { hint, cause });
  }
}

interface Source {
  readonly options: LoadOptions;
  readonly path: string;
  readonly file: string;
}

function checkDocument(yaml: YamlDocument, source: Source): CheckedConfig {
  const { options, path, file } = source;
  const merged = mergeLayers({ file: withoutNulls(yaml.value), environment: environmentSettings(options.env), flags: options.flags ?? {} });
  const later = refuseLater(merged.value);
  const parsed = parseConfig(later.value);
  const unknown = [...yaml.findings, ...later.findings, ...describeIssues(parsed.issues)];
  const semantic: Finding[] = [];
  const stateOrigin = merged.origins.get("state");
  const directory = dirname(path);
  const config = resolveConfig(partsOf(later.value, parsed), {
    env: options.env,
    directories: { file: directory, state: stateOrigin === "env" || stateOrigin === "flag" ? resolve(options.cwd ?? ".") : directory },
    findings: semantic,
    isUnknown: (at) => unknown.some((finding) => isWithin(finding.path, at)),
  });
  const findings = withoutEchoes(unknown, semantic, yaml.findings);
  if (findings.length === 0 && config !== undefined && parsed.value !== undefined) {
    return { file, problems: [], loaded: { config, document: parsed.value, origins: merged.origins, file } };
  }
  const secrets = [...yaml.secrets, ...secretsOf(merged.value)];
  return { file, problems: inOrder(findings.map((finding) => toProblem(finding, { yaml, merged, secrets }))) };
}

/** Leaves out what follows from a finding already made: of a value that is not known nothing else can be wrong. */
function withoutEchoes(unknown: readonly Finding[], semantic: readonly Finding[], unset: readonly Finding[]): readonly Finding[] {
  const said = new Set<string>();
  const blamed = (path: Path) => unset.some((finding) => isWithin(path, finding.path) && path !== finding.path);
  const first = unknown.filter((finding) => unset.includes(finding) || !blamed(finding.path));
  const later = semantic.filter(({ path }) => !first.some((finding) => isWithin(finding.path, path) || isWithin(path, finding.path)));
  return [...first, ...later].filter((finding) => {
    const text = `${formatPath(finding.path)}\n${finding.message}`;
    return !said.has(text) && said.add(text);
  });
}

function isWithin(path: Path, parent: Path): boolean {
  return parent.length <= path.length && parent.every((step, index) => step === path[index]);
}

/** The config in parts; where the schema refuses it, what is left when its unknown keys and its wrong settings are taken out. */
function partsOf(value: unknown, parsed: ReturnType<typeof parseConfig>): ConfigParts {
  const document = parsed.value;
  if (document !== undefined) return { stores: Object.entries(document.stores), rules: [...document.rules.entries()], rest: document };
  const known = withoutUnknownKeys(value, parsed.issues);
  const raw = isMap(known) ? known : {};
  const stores = isMap(raw.stores) ? Object.entries(raw.stores) : [];
  const rawRules: readonly unknown[] = Array.isArray(raw.rules) ? raw.rules : [];
  const rules = rawRules.map(parseRule);
  return {
    stores: stores.map(([alias, store]) => [alias, parseStore(store).value] as const),
    rules: rules.map(({ value: rule }, index) => [index, rule] as const),
    rest: restOf(withoutWrongSettings(raw, parsed.issues)),
    refusedRules: rules.flatMap(({ value: rule }, index) => (rule === undefined ? [[index, rawRules[index]] as const] : [])),
  };
}

/** Where something wrong cannot be taken out alone, as one of a list or of two that need each other, the whole setting goes. */
function restOf(raw: unknown): ConfigDocument | undefined {
  const rest = withoutParts(raw);
  if (rest.value !== undefined) return rest.value;
  return withoutParts(rest.issues.reduce<unknown>((left, { path }) => without(left, path.slice(0, 1)), raw)).value;
}

function withoutWrongSettings(value: unknown, issues: readonly SchemaIssue[]): unknown {
  const wrong = issues.filter(({ path, unknownKeys }) => unknownKeys.length === 0 && path[0] !== "rules" && path[0] !== "stores");
  return wrong.reduce((rest, { path }) => without(rest, path), value);
}

function withoutUnknownKeys(value: unknown, issues: readonly SchemaIssue[]): unknown {
  const unknown = issues.flatMap(({ path, unknownKeys }) => unknownKeys.map((key) => [...path, key]));
  return unknown.reduce<unknown>(without, value);
}

function without(value: unknown, path: Path): unknown {
  const [first, ...rest] = path;
  if (first === undefined) return undefined;
  if (Array.isArray(value)) return value.map((item, index) => (index === first ? without(item, rest) : item));
  if (!isMap(value) || !Object.hasOwn(value, first)) return value;
  const { [first]: item, ...others } = value;
  return rest.length === 0 ? others : { ...others, [first]: without(item, rest) };
}

/** A key with nothing behind it, as is left when all below it is commented out, is not there. */
function withoutNulls(value: unknown): unknown {
  return isMap(value) ? Object.fromEntries(Object.entries(value).filter(([, item]) => item !== null)) : value;
}

interface Reporting {
  readonly yaml: YamlDocument;
  readonly merged: Merged;
  readonly secrets: readonly string[];
}

function toProblem(finding: Finding, { yaml, merged, secrets }: Reporting): Problem {
  const path = formatPath(finding.path);
  const message = scrub(finding.message, secrets);
  const hint = scrub(finding.hint, secrets);
  const given = givenBy(path, merged);
  if (given !== undefined) return { path, message: `${message} (given by ${given})`, hint };
  return { path, message, hint, ...positionOf(finding, yaml) };
}

/** The variable or kind of flag that gave the value at a path, where it is not the file. */
function givenBy(path: string, merged: Merged): string | undefined {
  const origin = merged.origins.get(path);
  if (origin === "flag") return "a flag";
  return origin === "env" ? Object.keys(ENVIRONMENT_SETTINGS).find((name) => ENVIRONMENT_SETTINGS[name] === path) : undefined;
}

/** Where the finding stands, or what is around it. */
function positionOf(finding: Finding, yaml: YamlDocument): { readonly line: number; readonly column: number } {
  for (let length = finding.path.length; length >= 0; length--) {
    const found = yaml.positions.get(formatPath(finding.path.slice(0, length)));
    if (found !== undefined) return finding.atKey || length < finding.path.length ? found.key : found.value;
  }
  return { line: 1, column: 1 };
}

function syntaxProblem(error: YamlDocument["syntax"][number]): Problem {
  const isFlow = /flow|Unexpected|plain value/i.test(error.message);
  const hint = error.message.startsWith("the same key")
    ? "keep one of the two"
    : `correct the YAML${isFlow ? `; put "\${VAR}" in quotes` : ""}`;
  return { path: "", message: error.message, hint, line: error.line, column: error.column };
}

function inOrder(problems: readonly Problem[]): readonly Problem[] {
  return problems.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
}

function shortName(path: string, cwd: string | undefined): string {
  const short = relative(resolve(cwd ?? "."), path);
  return short.length < path.length ? short : path;
}
