import { oneShotRule } from "../app/one-shot.ts";
import { identity, interiorBuckets } from "../config/interior.ts";
import type { ResolvedBucket, ResolvedConfig } from "../config/resolved-config.ts";
import type { Bucket } from "../domain/bucket.ts";
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
  if (id !== undefined && /[:/]/.test(id)) throw usageError(`"${id}" is one bucket`, "name a rule, or the source and its destinations");
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
  return choiceOf(invocation, await namedConfig(invocation));
}

/**
 * A source and destinations named on the command line, to be copied. What the config replicates between them into a bucket that clients write to as
 * well is left to its rule: only with the rule's state can it be told which of two objects is the newer one.
 *
 * @throws `ConfigInvalid` where the rule would do something else than what was asked for
 */
export async function chosenCopies(invocation: Invocation): Promise<Chosen> {
  const config = await namedConfig(invocation);
  const chosen = choiceOf(invocation, config);
  const [asked] = chosen.rules;
  if (config === undefined || asked === undefined) return chosen;
  const ways = asked.destinations.map(({ bucket }) => interiorWay(config, asked.source, bucket));
  const [first] = ways.filter((id) => id !== undefined);
  if (first === undefined) return chosen;
  const isAll = ways.every((id) => id === first) && [asked.filter, ...asked.destinations].every(({ prefix = "" }) => prefix === "");
  if (!isAll) throw leftToRule(first);
  invocation.output.info(`rule ${first} replicates this: all of it is brought in line`);
  return chooseRules(invocation, first);
}

function choiceOf({ args, env }: Invocation, config: ResolvedConfig | undefined): Chosen {
  const [source = "", ...destinations] = args;
  const { rule, buckets } = oneShotRule({ source, destinations, env, stores: config?.stores });
  const places = rule.destinations.map(({ canonicalId }) => canonicalId);
  const again = rule.destinations.find(({ canonicalId }, index) => places.indexOf(canonicalId) < index);
  if (again !== undefined) throw usageError(`${again.id} is a destination twice`, "name every destination once");
  return { rules: [rule], buckets, isConfigured: false };
}

/** The id of the rule that replicates from one bucket to the other, where the other is a source too. */
function interiorWay({ rules }: ResolvedConfig, source: Bucket, destination: Bucket): string | undefined {
  if (!interiorBuckets(rules).has(identity(destination))) return undefined;
  const isTo = ({ bucket }: { readonly bucket: Bucket }) => identity(bucket) === identity(destination);
  return rules.find((rule) => identity(rule.source) === identity(source) && rule.destinations.some(isTo))?.id;
}

function leftToRule(id: string): Error {
  return usageError(`rule ${id} replicates a part of this, into a bucket that clients write to as well`, `replicast sync ${id}`);
}

/** The config where a reference may need it: a URL says all there is to know, and reading no config starts sooner. */
async function namedConfig({ args, global, env, cwd }: Invocation): Promise<ResolvedConfig | undefined> {
  if (args.every((reference) => /^https?:/i.test(reference))) return undefined;
  const { findConfigFile } = await import("../config/locate.ts");
  const locate = { configPath: global.config, env, cwd };
  if (findConfigFile(locate) === undefined) return undefined;
  const { loadConfig } = await import("../config/load.ts");
  return loadConfig(locate);
}
