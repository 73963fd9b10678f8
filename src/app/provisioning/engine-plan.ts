import { decideEngines, type EngineDecision } from "../../config/engines/decide-engines.ts";
import { legsOf, notSayable } from "../../config/engines/native-terms.ts";
import { type ResolvedConfig, settingsOf } from "../../config/resolved-config.ts";
import { isReplicationError } from "../../domain/error.ts";
import type { Engine, Rule } from "../../domain/rule.ts";
import type { ReplicationConfiguration, ReplicationDocument } from "../../ports/replication-configuration.ts";
import type { State } from "../../ports/state.ts";
import type { Problem, Step } from "../../provisioning/change.ts";
import { ruleIdOf } from "../../provisioning/names.ts";
import type { NativePorts } from "../../provisioning/native/wish.ts";
import type { NativeBucket } from "../../provisioning/native-pair.ts";
import { seen, visible } from "../../provisioning/seen.ts";
import { storedEngines } from "../engines.ts";

/** Which engine served a rule so far, by rule id: what the state says. */
export interface EnginesSoFar {
  readonly engines: ReadonlyMap<string, Engine>;
  /** Rules with objects that copy has still to do. */
  readonly busy: ReadonlySet<string>;
  /** There is a state: what serves each rule is kept in it. */
  readonly isThere: boolean;
}

export async function readEnginesSoFar(config: ResolvedConfig, state: State | undefined): Promise<EnginesSoFar> {
  if (state === undefined) return { engines: new Map(), busy: new Set(), isThere: false };
  const engines = await storedEngines(config, state.journal);
  const pending = await state.tasks.pending();
  return { engines, busy: new Set(pending.filter(({ operations }) => operations > 0).map(({ route }) => route.rule)), isThere: true };
}

/** What AWS itself tells of the rules of a config, where S3 has to do with any. */
export interface NativeEvidence {
  /** Rules that a bucket's own replication says are S3's, by the id that only this config gives. */
  readonly served: ReadonlySet<string>;
  /** By canonical id. */
  readonly versioned: ReadonlyMap<string, boolean>;
}

/** Whether S3 could serve a rule, or is told to. */
export function mayBeNative(config: ResolvedConfig): ReadonlySet<string> {
  const ids = new Set(config.rules.map(({ id }) => id));
  for (const leg of legsOf(config))
    if (leg.settings.engine === "copy" || (leg.settings.engine === "auto" && notSayable(leg).length > 0)) ids.delete(leg.rule.id);
  return ids;
}

/** Looks at the sources of a config on AWS, and at both ends of rules that nobody decided on. What may not be seen is taken as not there. */
export async function readEvidence(config: ResolvedConfig, undecided: ReadonlySet<string>, places: Places): Promise<NativeEvidence> {
  const served = await Promise.all(config.rules.map((rule) => servedAt(config, rule, places)));
  const open = config.rules.filter(({ id }) => undecided.has(id));
  const ids = new Set(open.flatMap(({ source, destinations }) => [source.id, ...destinations.map(({ bucket }) => bucket.id)]));
  const versioned = await Promise.all([...ids].map(async (id) => [id, await isVersioned(id, places)] as const));
  return { served: new Set(served.flat()), versioned: new Map(versioned) };
}

export interface Places {
  /** The buckets of AWS, by canonical id. */
  readonly buckets: ReadonlyMap<string, NativeBucket>;
  readonly ports: NativePorts;
}

async function servedAt(config: ResolvedConfig, rule: Rule, { buckets, ports }: Places): Promise<readonly string[]> {
  const bucket = buckets.get(rule.source.id);
  if (bucket === undefined) return [];
  const configuration = await ports.configurationOf(bucket);
  const document = visible(await seen(() => replicationAt(configuration)));
  const ours = new Set(rule.destinations.map(({ id }) => ruleIdOf(config.name, rule.id, id)));
  return document?.rules.some(({ id }) => ours.has(id)) === true ? [rule.id] : [];
}

/** Undefined also where the bucket is missing, which is told with everything else that is. */
async function replicationAt(configuration: ReplicationConfiguration): Promise<ReplicationDocument | undefined> {
  try {
    return await configuration.replication();
  } catch (error) {
    if (isReplicationError(error) && error.code === "NoSuchBucket") return undefined;
    throw error;
  }
}

async function isVersioned(bucketId: string, { buckets, ports }: Places): Promise<boolean> {
  const bucket = buckets.get(bucketId);
  if (bucket === undefined) return false;
  const configuration = await ports.configurationOf(bucket);
  return visible(await seen(() => configuration.facts()))?.versioning === "Enabled";
}

export interface EnginePlan {
  readonly decisions: ReadonlyMap<string, EngineDecision>;
  readonly steps: readonly Step[];
  readonly problems: readonly Problem[];
  /** What AWS tells and the state does not know yet: kept without being called a change. */
  readonly unsaved: ReadonlyMap<string, Engine>;
}

export interface EngineRun {
  readonly config: ResolvedConfig;
  readonly stored: EnginesSoFar;
  readonly evidence: NativeEvidence;
  readonly allowsChange: boolean;
  /** Undefined: there is no state, and none is to be made. */
  readonly save: ((rule: string, engine: Engine) => Promise<void>) | undefined;
}

/** Decides who serves each rule, and what of that the state has to be told. A change of engine is refused unless it is allowed. */
export function planEngines({ config, stored, evidence, allowsChange, save }: EngineRun): EnginePlan {
  const known = (id: string) => stored.engines.get(id) ?? (evidence.served.has(id) ? "native" : undefined);
  const isVersioned = (id: string) => evidence.versioned.get(id);
  const decisions = decideEngines(config, { isVersioned, stored: known, allowsChange });
  const open = mayBeNative(config);
  const steps: Step[] = [];
  const problems: Problem[] = [];
  const unsaved = new Map<string, Engine>();
  for (const [id, { engine, why }] of decisions) {
    const before = known(id);
    if (before !== undefined && before !== engine) problems.push(...changeProblems(id, { before, engine, allowsChange, stored }));
    if (save === undefined || stored.engines.get(id) === engine) continue;
    if (before === engine) unsaved.set(id, engine);
    else if (before !== undefined || isQuestion(config, id, open) || (stored.isThere && open.has(id)))
      steps.push(engineStep(id, { before, engine, why, save }));
  }
  return { decisions, steps, problems, unsaved };
}

/** An `auto` rule that S3 could serve: only what was decided tells who does. */
function isQuestion(config: ResolvedConfig, id: string, open: ReadonlySet<string>): boolean {
  return open.has(id) && config.rules.some((rule) => rule.id === id && settingsOf(config, rule).engine === "auto");
}

interface EngineChange {
  readonly before: Engine | undefined;
  readonly engine: Engine;
}

function changeProblems(
  id: string,
  { before, engine, allowsChange, stored }: EngineChange & Pick<EngineRun, "allowsChange" | "stored">,
): readonly Problem[] {
  const subject = `rule ${id}`;
  if (!allowsChange) {
    const message = `is served by ${before}, and the config makes it ${engine}`;
    return [{ code: "EngineChange", subject, message, hint: `apply --allow-engine-change, or write engine: ${before}` }];
  }
  if (engine === "copy" || !stored.busy.has(id)) return [];
  const message = "has objects that copy still has to do, which S3 would not";
  return [
    { code: "TasksPending", subject, message, hint: "replicast run --until-idle, and redrive or discard what failed; then apply again" },
  ];
}

function engineStep(
  id: string,
  { before, engine, why, save }: EngineChange & { readonly why: string; readonly save: NonNullable<EngineRun["save"]> },
): Step {
  const action = before === undefined ? "create" : "update";
  return {
    changes: [{ action, type: "engine", id, detail: { engine, why, ...(before === undefined ? {} : { before }) } }],
    make: () => save(id, engine),
  };
}
