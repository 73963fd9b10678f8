import { describeIssues } from "../config/describe-issues.ts";
import { fromS3ReplicationPlugin } from "../config/imports/legacy-plugin.ts";
import { pairsOf, withoutPairs } from "../config/imports/legacy-rules.ts";
import { refuseLater } from "../config/later.ts";
import { isMap } from "../config/precedence.ts";
import { type Finding, formatPath, type Path, problemsError } from "../config/problem.ts";
import { resolveConfig } from "../config/resolve-config.ts";
import type { Environment, ResolvedConfig } from "../config/resolved-config.ts";
import { parseConfig } from "../config/schema.ts";
import type { ReplicationError } from "../domain/error.ts";

/** What a deploy is told apart from others by, and where it deploys to. */
export interface Deploy {
  readonly service: string;
  readonly stage: string;
  readonly region: string;
  /** Of the service: relative paths start here. */
  readonly directory: string;
  readonly env: Environment;
}

/** The rules of a service. */
export interface ServiceRules {
  readonly config: ResolvedConfig;
  /** What is understood in another way than it may have been meant. */
  readonly notes: readonly string[];
  /** Whether a deploy goes on where this bucket, by its printed name, does not exist. */
  readonly mayBeMissing: (bucket: string) => boolean;
}

/** Settings of the plugin's own beside those of a replicast.yaml. */
const PLUGIN_KEYS: readonly string[] = ["allowMissing"];
/** Settings of a daemon, which has a config of its own. */
const DAEMON_KEYS: readonly string[] = ["state", "listen"];
const FILE = "serverless.yml";
const OWN: Path = ["custom", "replicast"];
const LEGACY: Path = ["custom", "s3ReplicationPlugin"];

/**
 * Reads `custom.replicast` and `custom.s3ReplicationPlugin` of a serverless.yml; undefined where it has neither. A pair of buckets that both name
 * is one rule: what `custom.replicast` says of it.
 *
 * @throws ReplicationError `ConfigInvalid` with what is wrong
 */
export function readServiceRules(custom: unknown, deploy: Deploy): ServiceRules | undefined {
  const written = isMap(custom) ? custom : {};
  if (isNothing(written["replicast"]) && isNothing(written["s3ReplicationPlugin"])) return undefined;
  const own = ownPart(written["replicast"]);
  const { region, directory, env } = deploy;
  const reading: Reading = { directory, env: { ...env, AWS_REGION: region }, madeUp: [] };
  const legacy = fromS3ReplicationPlugin(written, deploy);
  const document = { name: legacy.name, ...own.document };
  const ownConfig = resolved(document, reading);
  const rest = withoutPairs(legacy.rules, pairsOf(ownConfig));
  const isOwn = (bucket: string) => Object.values(ownConfig.buckets).some((place) => place.bucket.name === bucket);
  return {
    config: rest.rules.length === 0 ? ownConfig : resolved(together(document, rest.rules, legacy.iam), { ...reading, madeUp: rest.rules }),
    notes: [
      ...legacy.notes,
      ...rest.doubled.map((pair) => `${pair} is in custom.s3ReplicationPlugin and in custom.replicast, which is read`),
    ],
    mayBeMissing: (bucket) => own.allowMissing || !isOwn(bucket),
  };
}

interface OwnPart {
  /** As a replicast.yaml would hold it. */
  readonly document: Document;
  readonly allowMissing: boolean;
}

type Document = Readonly<Record<string, unknown>>;

function ownPart(written: unknown): OwnPart {
  if (isNothing(written)) return { document: {}, allowMissing: false };
  if (!isMap(written)) throw wrong([{ path: [], message: "must be a map", hint: "write rules under it, as in a replicast.yaml" }]);
  const entries = Object.entries(written).filter(([, value]) => !isNothing(value));
  const daemons = entries.filter(([key]) => DAEMON_KEYS.includes(key));
  const hint = "remove it: the plugin runs nothing and keeps nothing; write it into the replicast.yaml of replicast run";
  if (daemons.length > 0) throw wrong(daemons.map(([key]) => ({ path: [key], message: "has no meaning in a serverless.yml", hint })));
  return {
    document: Object.fromEntries(entries.filter(([key]) => !PLUGIN_KEYS.includes(key))),
    allowMissing: readSwitch(written, "allowMissing"),
  };
}

/** Also as text, as it comes out of `${env:…}`. */
function readSwitch(written: Document, key: string): boolean {
  const value = written[key];
  if (isNothing(value) || value === false || value === "false") return false;
  if (value === true || value === "true") return true;
  throw wrong([{ path: [key], message: "must be true or false", hint: "write one of the two" }]);
}

function together(own: Document, rules: readonly unknown[], iam: object | undefined): Document {
  const ownRules = Array.isArray(own["rules"]) ? own["rules"] : [];
  return { ...own, rules: [...ownRules, ...rules], iam: { ...iam, ...(isMap(own["iam"]) ? own["iam"] : {}) } };
}

interface Reading {
  readonly directory: string;
  readonly env: Environment;
  /** Rules that nobody wrote as they are. */
  readonly madeUp: readonly unknown[];
}

/** By the same way as a replicast.yaml, but for its text. */
function resolved(document: Document, { directory, env, madeUp }: Reading): ResolvedConfig {
  const at = (path: Path) => placeOf(path, document, madeUp);
  const later = refuseLater(document);
  const parsed = parseConfig(later.value);
  const { value } = parsed;
  if (value === undefined || later.findings.length > 0) throw wrong([...later.findings, ...describeIssues(parsed.issues)], at);
  const findings: Finding[] = [];
  const parts = { stores: Object.entries(value.stores), rules: [...value.rules.entries()], rest: value };
  const config = resolveConfig(parts, { env, directories: { file: directory, state: directory }, findings, isUnknown: () => false });
  if (config === undefined) throw wrong(findings, at);
  return config;
}

/** What is wrong, by the place where a person wrote it. */
function wrong(findings: readonly Finding[], at = (path: Path): Path => [...OWN, ...path]): ReplicationError {
  return problemsError(
    findings.map(({ path, message, hint }) => ({ path: formatPath(at(path)), message, hint })),
    FILE,
  );
}

/** Of a rule that was made of the other plugin's settings nobody wrote the index. */
function placeOf(path: Path, { rules }: Document, madeUp: readonly unknown[]): Path {
  const [first, index, ...rest] = path;
  const rule: unknown = first === "rules" && typeof index === "number" && Array.isArray(rules) ? rules[index] : undefined;
  return isMap(rule) && madeUp.includes(rule) ? [...LEGACY, String(rule["id"]), ...rest] : [...OWN, ...path];
}

function isNothing(value: unknown): boolean {
  return value === undefined || value === null;
}
