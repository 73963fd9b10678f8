import type { IamDocument, RuleDocument } from "./config-document.ts";
import type { LoadedConfig } from "./load.ts";
import { isMap, leaves, type Origin } from "./precedence.ts";
import { formatPath, type Path } from "./problem.ts";
import type { ResolvedConfig, ResolvedStore } from "./resolved-config.ts";
import { REDACTED, redactUrl, Secret } from "./secret.ts";
import { formatDuration } from "./units.ts";

export interface EffectiveValue {
  readonly path: string;
  readonly value: unknown;
  readonly origin: Origin;
}

/** What is in force, in the words of replicast.yaml, and where each value came from. */
export interface EffectiveConfig {
  readonly file: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** Every value that holds no others, in the order of the config. */
  readonly values: readonly EffectiveValue[];
}

/** Lays open what a config came to, defaults included. No secret is in it. */
export function effectiveConfig(loaded: LoadedConfig): EffectiveConfig {
  const { document, config, file } = loaded;
  const schedule = { ...document.schedule, sync: config.schedule.syncMs === null ? "off" : formatDuration(config.schedule.syncMs) };
  const shown = redacted({
    ...document,
    schedule,
    stores: shownStores(loaded),
    rules: document.rules.map(shownRule),
    iam: shownIam(loaded),
  });
  const plain = isMap(shown) ? shown : {};
  const values = leaves(plain, []).map((path) => ({ path: formatPath(path), value: valueAt(plain, path), origin: originOf(path, loaded) }));
  return { file, config: plain, values };
}

/** The stores with what was filled in from their kind: region, endpoint, path style, events. */
function shownStores({ document, config }: LoadedConfig): Readonly<Record<string, unknown>> {
  const shown = Object.entries(namedStores(config)).map(([alias, store]) => {
    const written = Object.hasOwn(document.stores, alias) ? document.stores[alias] : undefined;
    const { endpoint, region, forcePathStyle, maxConnections } = store;
    const events = written?.events ?? { type: store.events.type };
    return [alias, { ...written, endpoint, region, forcePathStyle, events, maxConnections }] as const;
  });
  return Object.fromEntries(shown);
}

/** A rule with what is in force where nothing was written: which versions, and in a mesh the policy. */
function shownRule(rule: RuleDocument): RuleDocument {
  const versions = rule.versions ?? (rule.engine === "native" ? "all" : "current");
  const isPolicy = rule.mesh !== undefined && rule.engine !== "native";
  return { ...rule, versions, conflict: rule.conflict ?? (isPolicy ? "newest" : undefined) };
}

function shownIam({ document, config }: LoadedConfig): IamDocument {
  return { ...document.iam, path: config.iam.path };
}

function namedStores(config: ResolvedConfig): Readonly<Record<string, ResolvedStore>> {
  return Object.fromEntries(Object.entries(config.stores).filter(([alias]) => !alias.includes("://")));
}

function originOf(path: Path, { origins, config, document }: LoadedConfig): Origin {
  const written = origins.get(formatPath(path));
  if (written !== undefined) return written;
  const [first, alias, key] = path;
  if (first !== "stores" || key !== "endpoint" || typeof alias !== "string") return "default";
  return config.stores[alias]?.endpoint !== undefined && document.stores[alias]?.endpoint === undefined ? "env" : "default";
}

function redacted(value: unknown): unknown {
  if (value instanceof Secret) return REDACTED;
  if (typeof value === "string") return redactUrl(value);
  if (Array.isArray(value)) return value.map(redacted);
  if (!isMap(value)) return value;
  const kept = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(kept.map(([key, item]) => [key, redacted(item)]));
}

function valueAt(value: unknown, path: Path): unknown {
  const [first, ...rest] = path;
  if (first === undefined) return value;
  if (Array.isArray(value)) return valueAt(value[Number(first)], rest);
  return isMap(value) ? valueAt(value[first], rest) : undefined;
}
