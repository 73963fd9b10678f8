import { decideEngines } from "../config/engines/decide-engines.ts";
import { type ResolvedConfig, settingsOf } from "../config/resolved-config.ts";
import type { Engine, Rule } from "../domain/rule.ts";
import type { Logger } from "../ports/logger.ts";
import type { Journal } from "../ports/state.ts";
import { openStateIfThere } from "./state.ts";

/** The engines that were decided on, by rule id. */
export type StoredEngines = ReadonlyMap<string, Engine>;

/** The rules of a config by who serves them. */
export interface SplitRules {
  readonly copyRules: readonly Rule[];
  /** Left to S3: replicast makes no tasks of them, compares nothing and copies nothing. */
  readonly nativeRules: readonly Rule[];
  /** The config as the copy engine sees it: {@link copyRules} are all its rules. */
  readonly copied: ResolvedConfig;
  readonly engineOf: (rule: string) => Engine;
}

/** What the state of a config says was decided; nothing where there is no state. Writes nothing and makes no file. */
export async function readEngines(config: ResolvedConfig): Promise<StoredEngines> {
  const state = await openStateIfThere(config);
  if (state === undefined) return new Map();
  try {
    return await storedEngines(config, state.journal);
  } finally {
    await state.close();
  }
}

/**
 * What was decided of the rules of a config. A rule that was synced before decisions were written down began with copy, and so does one whose
 * former name says so.
 */
export async function storedEngines(config: ResolvedConfig, journal: Journal): Promise<StoredEngines> {
  const stored = new Map<string, Engine>();
  for (const rule of config.rules) {
    const { engine, renamedFrom } = settingsOf(config, rule);
    const known = (await journal.engine(rule.id)) ?? (renamedFrom === undefined ? undefined : await journal.engine(renamedFrom));
    const began = known ?? (engine === "native" || (await journal.syncProgress(rule.id)) === undefined ? undefined : "copy");
    if (began !== undefined) stored.set(rule.id, began);
  }
  return stored;
}

/** Splits the rules by what was decided; where nothing was, as the config alone decides. */
export function splitRules(config: ResolvedConfig, stored: StoredEngines): SplitRules {
  const decisions = decideEngines(config, { isVersioned: () => undefined, stored: (rule) => stored.get(rule) });
  const engineOf = (rule: string) => stored.get(rule) ?? decisions.get(rule)?.engine ?? "copy";
  const copyRules = config.rules.filter(({ id }) => engineOf(id) === "copy");
  const nativeRules = config.rules.filter(({ id }) => engineOf(id) === "native");
  return { copyRules, nativeRules, copied: { ...config, rules: copyRules }, engineOf };
}

/**
 * Splits the rules for a process that works on them, and writes down which of them copy serves from now on. Only `apply` makes a rule native, and
 * only it changes what is written: a rule that says something else by now is served as before, with a warning.
 */
export async function settleEngines(config: ResolvedConfig, journal: Journal, logger: Pick<Logger, "info" | "warn">): Promise<SplitRules> {
  const stored = await storedEngines(config, journal);
  const decisions = decideEngines(config, { isVersioned: () => undefined, stored: (rule) => stored.get(rule) });
  for (const [rule, { engine, why, isChange }] of decisions) {
    const served = stored.get(rule) ?? engine;
    if (isChange) logger.warn("the rule is served as before", { rule, engine: served, hint: "apply --allow-engine-change changes that" });
    if (served !== "copy" || (await journal.engine(rule)) === "copy") continue;
    await journal.saveEngine(rule, "copy");
    if (!stored.has(rule)) logger.info("the rule is served by copy from now on", { rule, why });
  }
  return splitRules(config, stored);
}
