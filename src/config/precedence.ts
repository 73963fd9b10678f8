import { formatPath, type Path } from "./problem.ts";
import type { Environment } from "./resolved-config.ts";

/** Where a value of the effective config came from. */
export type Origin = "default" | "file" | "env" | "flag";

export interface Layers {
  readonly file: unknown;
  /** By dotted path, as {@link environmentSettings} gives it. */
  readonly environment: Settings;
  /** By dotted path; a flag has no default, so what is here was given. */
  readonly flags: Settings;
}

/** Values by the dotted path of the setting they replace: `listen.port`. */
export type Settings = Readonly<Record<string, unknown>>;

export interface Merged {
  readonly value: unknown;
  /** By formatted path, for the leaves only; what is not here is a default. */
  readonly origins: ReadonlyMap<string, Origin>;
}

/** The settings that the environment can give, by variable. */
export const ENVIRONMENT_SETTINGS: Readonly<Record<string, string>> = {
  REPLICAST_NAME: "name",
  REPLICAST_STATE: "state",
  REPLICAST_LISTEN_HOST: "listen.host",
  REPLICAST_LISTEN_PORT: "listen.port",
  REPLICAST_CONCURRENCY: "limits.concurrency",
  REPLICAST_BANDWIDTH: "limits.bandwidth",
  REPLICAST_REQUESTS_PER_SECOND: "limits.requestsPerSecond",
};

/** Reads the settings of the environment; an empty variable is none. */
export function environmentSettings(env: Environment): Settings {
  const given = Object.entries(ENVIRONMENT_SETTINGS).filter(([name]) => env[name]);
  return Object.fromEntries(given.map(([name, path]) => [path, env[name]]));
}

/**
 * Lays the environment over the file, and the flags over both. The defaults lie under all of them: the schema puts them where nothing else is.
 * Nothing given is changed.
 */
export function mergeLayers(layers: Layers): Merged {
  const origins = new Map<string, Origin>();
  for (const path of leaves(layers.file, [])) origins.set(formatPath(path), "file");
  let value: unknown = layers.file ?? {};
  for (const [origin, settings] of [
    ["env", layers.environment],
    ["flag", layers.flags],
  ] as const) {
    for (const [path, setting] of Object.entries(settings)) {
      if (setting === undefined) continue;
      value = replaced(value, path.split("."), setting);
      origins.set(path, origin);
    }
  }
  return { value, origins };
}

function replaced(value: unknown, path: readonly string[], setting: unknown): unknown {
  const [first, ...rest] = path;
  if (first === undefined) return setting;
  const map = isMap(value) ? value : {};
  return { ...map, [first]: replaced(Object.hasOwn(map, first) ? map[first] : undefined, rest, setting) };
}

/** The paths of all values that hold no others. */
export function leaves(value: unknown, path: Path): readonly Path[] {
  if (Array.isArray(value) && value.length > 0) return value.flatMap((item, index) => leaves(item, [...path, index]));
  if (isMap(value) && Object.keys(value).length > 0) return Object.entries(value).flatMap(([key, item]) => leaves(item, [...path, key]));
  return value === undefined || path.length === 0 ? [] : [path];
}

/** Is true for what YAML calls a map: no list, no class instance. */
export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
