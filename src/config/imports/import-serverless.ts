import { ReplicationError } from "../../domain/error.ts";
import { isMap } from "../precedence.ts";
import { type Finding, formatPath, type Path, problemsError } from "../problem.ts";
import { resolveConfig } from "../resolve-config.ts";
import type { ResolvedConfig } from "../resolved-config.ts";
import { parseConfig } from "../schema.ts";
import { FromEnvironment, type ImportedConfig, type ImportedRule } from "./imported-config.ts";
import { fromS3ReplicationPlugin, type LegacyBucket, type LegacyRule } from "./legacy-plugin.ts";
import { pairsOf, withoutPairs } from "./legacy-rules.ts";
import { readServerlessFile, type ServerlessFile, type ServerlessFileOptions } from "./serverless-file.ts";

/** Settings of the plugin's own, which a replicast.yaml does not have. */
const PLUGIN_KEYS: readonly string[] = ["allowMissing"];
const OWN: Path = ["custom", "replicast"];

type Settings = Readonly<Record<string, unknown>>;

/**
 * Says in the words of a replicast.yaml what `custom.replicast` and `custom.s3ReplicationPlugin` of a serverless.yml say. A pair of buckets
 * that both name is what `custom.replicast` says of it.
 *
 * @throws ReplicationError `ConfigInvalid` with every problem
 */
export function importServerless(text: string, options: ServerlessFileOptions): ImportedConfig {
  const file = readServerlessFile(text, options);
  const { custom, region } = file;
  if (isNothing(custom.replicast) && isNothing(custom.s3ReplicationPlugin)) {
    const message = `${options.file} has neither custom.replicast nor custom.s3ReplicationPlugin`;
    throw new ReplicationError("ConfigInvalid", message, { hint: "name a file that sets replication up, or begin with replicast init" });
  }
  const own = ownSettings(file, options);
  const legacy = fromS3ReplicationPlugin(custom, file);
  const { rules: ownRules, name = legacy.name, version: _, ...settings } = own;
  const rest = withoutPairs(legacy.rules, pairsOf(ownConfig({ ...own, name }, region, options)));
  const iam = { ...legacy.iam, ...(isMap(settings["iam"]) ? settings["iam"] : {}) };
  const stores = isNothing(custom.replicast) ? {} : { stores: storesOf(settings["stores"], region) };
  return {
    name: String(name),
    settings: { ...settings, ...stores, ...(Object.keys(iam).length === 0 ? {} : { iam }) },
    rules: [...ruleList(ownRules).map((rule) => ({ settings: rule, notes: [] })), ...rest.rules.map(legacyRule)],
    notes: [
      `Made by replicast import serverless of ${options.file}: service ${file.service}, stage ${file.stage}, region ${region}.`,
      ...(custom.s3ReplicationPlugin === undefined ? [] : [TAKEN_OVER]),
      TWO_OWNERS,
      ...legacy.notes,
      ...rest.doubled.map((pair) => `${pair} is in both lists: what custom.replicast says of it was taken`),
      ...pluginNotes(custom.replicast),
      ...writtenSecrets(own, file),
    ],
  };
}

const TAKEN_OVER =
  "replicast apply takes the place of the rules that serverless-s3-replication-plugin left, in one step, and removes the roles that it made.";
const TWO_OWNERS =
  "Take the plugin out of the serverless.yml: whatever it sets up and this file are of the same name, and each would undo the other's changes.";

/** Where a service deploys to is where its buckets are that are named without a region. */
function storesOf(written: unknown, region: string): Settings {
  const stores = isMap(written) ? written : {};
  return { ...stores, aws: { region, ...(isMap(stores["aws"]) ? stores["aws"] : {}) } };
}

function ownSettings(file: ServerlessFile, options: ServerlessFileOptions): Settings {
  const { replicast: written } = file.custom;
  if (isNothing(written)) return {};
  if (!isMap(written)) throw wrong([{ path: [], message: "must be a map", hint: "write rules under it, as in a replicast.yaml" }], options);
  const entries = Object.entries(written).filter(([key, value]) => !PLUGIN_KEYS.includes(key) && !isNothing(value));
  return Object.fromEntries(entries.map(([key, value]) => [key, key === "stores" ? withVariables(value, [...OWN, key], file) : value]));
}

/** What came from the environment alone goes on coming from there: secrets are written into no file. */
function withVariables(value: unknown, path: Path, file: ServerlessFile): unknown {
  if (isMap(value)) return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withVariables(item, [...path, key], file)]));
  const [, variable] = /^\$\{env:([A-Za-z_]\w*)\}$/.exec(String(file.written(path))) ?? [];
  return variable === undefined ? value : new FromEnvironment(variable);
}

function writtenSecrets(own: Settings, file: ServerlessFile): readonly string[] {
  const stores = isMap(own["stores"]) ? Object.entries(own["stores"]) : [];
  const open = stores.filter(([, store]) => isMap(store) && isMap(store["credentials"]) && hasSecret(store["credentials"]));
  return file.custom.replicast === undefined
    ? []
    : open.map(([alias]) => `The secret of the store ${alias} is written out below: put it into a variable.`);
}

function hasSecret(credentials: Settings): boolean {
  return ["secretAccessKey", "sessionToken"].some((key) => typeof credentials[key] === "string");
}

function pluginNotes(written: unknown): readonly string[] {
  if (!isMap(written) || isNothing(written["allowMissing"])) return [];
  return ["Instead of allowMissing: replicast apply --allow-missing."];
}

/** The own rules as they will be read again, for the pairs that they name. */
function ownConfig(own: Settings, region: string, options: ServerlessFileOptions): ResolvedConfig {
  const parsed = parseConfig(plain(own));
  const findings: Finding[] = parsed.issues.map(({ path, message }) => ({ path, message, hint: "correct it" }));
  const { value } = parsed;
  const env = { ...options.env, AWS_REGION: region };
  const resolved =
    value &&
    resolveConfig(
      { stores: Object.entries(value.stores), rules: [...value.rules.entries()], rest: value },
      { env, directories: { file: ".", state: "." }, findings, isUnknown: () => false },
    );
  if (resolved === undefined || findings.length > 0) throw wrong(findings, options);
  return resolved;
}

/** Without looking into the environment. */
function plain(value: unknown): unknown {
  if (value instanceof FromEnvironment) return value.variable;
  if (Array.isArray(value)) return value.map(plain);
  return isMap(value) ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)])) : value;
}

function wrong(findings: readonly Finding[], { file }: ServerlessFileOptions): ReplicationError {
  const problems = findings.map(({ path, message, hint }) => ({ path: formatPath([...OWN, ...path]), message, hint }));
  return problemsError(problems, file);
}

function ruleList(rules: unknown): readonly ImportedRule["settings"][] {
  return Array.isArray(rules) ? (rules as readonly ImportedRule["settings"][]) : [];
}

function legacyRule(rule: LegacyRule): ImportedRule {
  const { id, ...rest } = rule;
  if ("mesh" in rest) return { settings: { id, ...rest, mesh: rest.mesh.map(spelled) }, notes: [] };
  return { settings: { id, ...rest, source: spelled(rest.source), destinations: rest.destinations.map(spelled) }, notes: [] };
}

function spelled({ bucket, region }: LegacyBucket): string {
  return `${bucket}@${region}`;
}

function isNothing(value: unknown): value is null | undefined {
  return value === undefined || value === null;
}
