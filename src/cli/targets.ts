import { oneShotRule } from "../app/one-shot.ts";
import type { ResolvedBucket, ResolvedConfig } from "../config/resolved-config.ts";
import type { Rule } from "../domain/rule.ts";
import { type Invocation, usageError } from "./command.ts";

/** What a command was told to work on. */
export interface Chosen {
  readonly rules: readonly Rule[];
  readonly buckets: readonly ResolvedBucket[];
  /** Present where the rules are the config's own. */
  readonly config?: ResolvedConfig | undefined;
  readonly isConfigured: boolean;
}

/** The config's enabled rules, or the one named. @throws `ConfigInvalid` for a rule that is not there */
export async function chooseRules({ global, env, cwd }: Invocation, id: string | undefined): Promise<Chosen> {
  const { loadConfig } = await import("../config/load.ts");
  const config = loadConfig({ configPath: global.config, env, cwd });
  const rules = id === undefined ? config.rules.filter((rule) => rule.enabled) : config.rules.filter((rule) => rule.id === id);
  if (id !== undefined && rules.length === 0) {
    const known = [...new Set(config.rules.map((rule) => rule.id))].join(", ") || "none";
    throw usageError(`no rule has the id "${id}"`, `known rules: ${known}; two buckets can be named instead`);
  }
  return { rules, buckets: Object.values(config.buckets), config, isConfigured: true };
}

/** A source and destinations named on the command line. */
export async function chosenBuckets(invocation: Invocation): Promise<Chosen> {
  const [source = "", ...destinations] = invocation.args;
  const stores = await configuredStores(invocation);
  const { rule, buckets } = oneShotRule({ source, destinations, env: invocation.env, stores });
  return { rules: [rule], buckets, isConfigured: false };
}

/** The config's stores where a reference may need them: a URL says all there is to know, and reading no config starts sooner. */
async function configuredStores({ args, global, env, cwd }: Invocation): Promise<ResolvedConfig["stores"] | undefined> {
  if (args.every((reference) => /^https?:/i.test(reference))) return undefined;
  const { findConfigFile } = await import("../config/locate.ts");
  const locate = { configPath: global.config, env, cwd };
  if (findConfigFile(locate) === undefined) return undefined;
  const { loadConfig } = await import("../config/load.ts");
  return loadConfig(locate).stores;
}
