import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { CredentialProvider } from "../../adapters/credentials/credential-provider.ts";
import { decideEngines } from "../../config/engines/decide-engines.ts";
import type { Environment, ResolvedConfig } from "../../config/resolved-config.ts";
import type { SyncEvent } from "../../data-plane/sync.ts";
import type { Bucket } from "../../domain/bucket.ts";
import { isReplicationError, ReplicationError } from "../../domain/error.ts";
import type { Engine } from "../../domain/rule.ts";
import type { State } from "../../ports/state.ts";
import type { Plan, PlannedChange, Problem } from "../../provisioning/change.ts";
import type { BackfillPlan } from "../../provisioning/existing-objects/plan-backfill.ts";
import { type CarriedOut, type ContestedPlan, carryOut } from "../../provisioning/native/carry-out.ts";
import { planNative } from "../../provisioning/native/plan-native.ts";
import type { NativePlan } from "../../provisioning/native/wish.ts";
import type { NativeBucket, NativePair } from "../../provisioning/native-pair.ts";
import { type CopyBucketsPlan, planCopyBuckets } from "../../provisioning/plan-copy-buckets.ts";
import { AwsPorts, type CredentialsOf, credentialsFor } from "../native/ports.ts";
import { nativeBuckets, nativeWish, ownerOf } from "../native/wish.ts";
import { openState, openStateIfThere } from "../state.ts";
import { systemClock } from "../system-clock.ts";
import { BucketPorts } from "./bucket-ports.ts";
import { copyBuckets } from "./copy-buckets.ts";
import type { CopiedPair } from "./copy-existing.ts";
import { type EnginePlan, type EnginesSoFar, mayBeNative, planEngines, readEnginesSoFar, readEvidence } from "./engine-plan.ts";
import { NotificationPlanner } from "./notifications.ts";
import { ExistingPlanner } from "./plan-existing.ts";
import { QueuePorts } from "./queues.ts";

export type { SyncEvent as CopyEvent } from "../../data-plane/sync.ts";
export type { Plan as ProvisionPlan, PlannedChange as ProvisionedChange } from "../../provisioning/change.ts";
export type { CarriedOut } from "../../provisioning/native/carry-out.ts";
export type { CopiedPair } from "./copy-existing.ts";

export interface ProvisionOptions {
  /** Foreign rules of S3's older schema are said in the newer one. */
  readonly convertV1: boolean;
  /** Foreign rules go. */
  readonly replace: boolean;
  readonly allowEngineChange: boolean;
  /** What is there already is replicated too. */
  readonly backfill: boolean;
  /** How long another apply is waited for; milliseconds. */
  readonly lockTimeoutMs: number;
  /** How long missing buckets are waited for; milliseconds. */
  readonly waitMs: number;
}

export const PROVISION_DEFAULTS: ProvisionOptions = {
  convertV1: false,
  replace: false,
  allowEngineChange: false,
  backfill: false,
  lockTimeoutMs: 120_000,
  waitMs: 0,
};

export interface ProvisionRun {
  readonly config: ResolvedConfig;
  readonly env: Environment;
  /** `absent`: what this config's name owns is to go, whatever the rules say. */
  readonly aim: "present" | "absent";
  readonly options?: Partial<ProvisionOptions> | undefined;
  /** Interrupts an apply between two steps. */
  readonly signal?: AbortSignal | undefined;
  /** Given each plan that is about to be carried out, before its first change, and one that changes nothing: what it throws stops it there. */
  readonly onPlan?: ((plan: Plan) => Promise<void>) | undefined;
  /** Told of each change that was made. */
  readonly onChange?: ((change: PlannedChange) => void) | undefined;
  /** Told what was carried out when that is over, and only existing objects are left to be copied, where that was asked for. */
  readonly onCarriedOut?: ((outcome: CarriedOut) => Promise<void>) | undefined;
  /** Told of each existing object that was found, copied or failed. */
  readonly onCopy?: ((event: SyncEvent) => void) | undefined;
  /** Told once when missing buckets are waited for. */
  readonly onWait?: ((problems: readonly Problem[]) => void) | undefined;
  /** For stores of which the config says nothing. */
  readonly credentials?: CredentialProvider | undefined;
  /** Only these sources; absent: all of the name, also those that the config names no more. */
  readonly sources?: ((source: Bucket) => boolean) | undefined;
  /** With `sources`: which of those that the config names no more too. */
  readonly orphans?: ((source: NativeBucket) => boolean) | undefined;
  /** False: who serves a rule is read from AWS alone, and no state is made or changed. @defaultValue true */
  readonly keepsState?: boolean | undefined;
}

/** Missing buckets are looked for this often. */
const WAIT_POLL_MS = 2_000;

/** Finds what has to change in the world, and hands it to `use`. Changes nothing by itself. */
export async function withPlan<T>(run: ProvisionRun, use: (plan: Plan) => Promise<T>): Promise<T> {
  return withProvisioning(run, async (provisioning) => use(await provisioning.planPatiently()));
}

export interface Applied extends CarriedOut {
  /** What became of existing objects that S3 cannot be asked for; empty where there are none, or nobody asked. */
  readonly copied: readonly CopiedPair[];
}

/**
 * Makes the world what a config says, or takes away what its name owns. With problems nothing is changed. Then copies the existing objects that the
 * plan leaves to replicast.
 *
 * @throws `LedgerLocked` where a daemon works on the state and it is needed, before anything is changed
 */
export async function applyPlan(run: ProvisionRun): Promise<Applied> {
  return withProvisioning(run, (provisioning) => provisioning.apply());
}

async function withProvisioning<T>(run: ProvisionRun, use: (provisioning: Provisioning) => Promise<T>): Promise<T> {
  const provisioning = new Provisioning(run);
  try {
    return await use(provisioning);
  } finally {
    await provisioning.close();
  }
}

class Provisioning {
  readonly #run: ProvisionRun;
  readonly #options: ProvisionOptions;
  readonly #aws: AwsPorts;
  readonly #buckets: BucketPorts;
  readonly #queues: QueuePorts;
  readonly #notifications: NotificationPlanner;
  readonly #existing: ExistingPlanner;
  /** Held by an apply that has to tell it something, so that no run begins meanwhile. */
  #state: State | undefined;
  #unsaved: ReadonlyMap<string, Engine> = new Map();

  constructor(run: ProvisionRun) {
    const { config, env, aim, credentials, sources } = run;
    const credentialsOf: CredentialsOf = credentialsFor(env, credentials);
    this.#run = run;
    this.#options = { ...PROVISION_DEFAULTS, ...run.options };
    this.#aws = new AwsPorts({ config, env, credentialsOf });
    this.#existing = new ExistingPlanner(config, this.#aws);
    this.#buckets = new BucketPorts(credentialsOf);
    this.#queues = new QueuePorts(env, credentialsOf);
    this.#notifications = new NotificationPlanner({ config, aim, buckets: this.#buckets, queues: this.#queues, includes: sources });
  }

  async close(): Promise<void> {
    await Promise.all([this.#aws.close(), this.#buckets.close(), this.#queues.close(), this.#state?.close()]);
  }

  /** Waits for missing buckets as long as was asked for. */
  async planPatiently(): Promise<ContestedPlan> {
    const until = systemClock.now() + this.#options.waitMs;
    const { signal, onWait } = this.#run;
    for (let looks = 0; ; looks++) {
      const plan = await this.#plan();
      const missing = plan.problems.filter(({ code }) => code === "BucketMissing");
      if (missing.length === 0 || systemClock.now() >= until || signal?.aborted === true) return plan;
      if (looks === 0) onWait?.(missing);
      await systemClock.sleep(Math.min(WAIT_POLL_MS, until - systemClock.now()), signal);
    }
  }

  async apply(): Promise<Applied> {
    const { config, signal, onPlan, onChange, onCarriedOut } = this.#run;
    const first = await this.planPatiently();
    if (first.problems.length === 0 && this.#needsState(first)) this.#state = await this.#openState(first);
    const outcome = await carryOut({
      ports: this.#aws.ports,
      plan: () => this.#plan(),
      owner: ownerOf(config),
      holder: `${hostname()} ${process.pid} ${randomUUID().slice(0, 8)}`,
      timeoutMs: this.#options.lockTimeoutMs,
      isOptional: config.iam.roleArn !== undefined,
      signal,
      onPlan,
      onChange,
    });
    if (outcome.isComplete && this.#state !== undefined)
      for (const [id, engine] of this.#unsaved) await this.#state.journal.saveEngine(id, engine);
    await onCarriedOut?.(outcome);
    return { ...outcome, copied: outcome.isComplete ? await this.#copyExisting(outcome.plan) : [] };
  }

  async #copyExisting({ copies = [] }: Plan): Promise<readonly CopiedPair[]> {
    if (copies.length === 0 || this.#run.keepsState === false) return [];
    const { config, env, signal, onCopy } = this.#run;
    const { copyExisting } = await import("./copy-existing.ts");
    // That S3 refuses a job may have turned out only now.
    this.#state ??= await this.#openState({ copies });
    return copyExisting({ config, env, copies, state: this.#state, onEvent: onCopy, signal });
  }

  /** @throws `LedgerLocked` */
  async #openState({ copies = [] }: Pick<Plan, "copies">): Promise<State> {
    try {
      return await openState(this.#run.config, "daemon");
    } catch (error) {
      if (!isReplicationError(error) || error.code !== "LedgerLocked" || copies.length === 0) throw error;
      const hint = "stop it, do the same again, and start it afterwards: existing objects that S3 cannot be asked for are copied here";
      throw new ReplicationError(error.code, error.message, { at: error.at, hint, cause: error });
    }
  }

  #needsState({ steps, copies = [] }: Plan): boolean {
    if (copies.length > 0 && this.#run.keepsState !== false) return true;
    return this.#unsaved.size > 0 || steps.some(({ changes }) => changes.some(({ type }) => type === "engine"));
  }

  async #plan(): Promise<ContestedPlan> {
    const { config, aim } = this.#run;
    const stored = await this.#enginesSoFar();
    const open = mayBeNative(config);
    const isAsked = open.size > 0 || [...stored.engines.values()].includes("native");
    const native = await this.#native(stored, open).catch((error: unknown) => {
      // Whoever lets replicast copy needs no rights to what S3 does by itself.
      if (!isAsked && isReplicationError(error)) return error;
      throw error;
    });
    const parts = isReplicationError(native) ? undefined : native;
    const decisions =
      parts?.engines.decisions ?? decideEngines(config, { isVersioned: () => undefined, stored: (rule) => stored.engines.get(rule) });
    const copied = await this.#copied(decisions, parts);
    if (native === undefined) return { ...copied, notes: [...(aim === "absent" ? [NO_AWS_NOTE] : []), ...copied.notes] };
    if (isReplicationError(native)) return { ...copied, notes: [...unseenNotes(native, aim), ...copied.notes] };
    const { plan, engines, backfill } = native;
    this.#unsaved = engines.unsaved;
    const isHere = aim === "present";
    return {
      steps: [...plan.steps, ...copied.steps, ...(isHere ? [...engines.steps, ...backfill.steps] : [])],
      problems: once([...plan.problems, ...copied.problems, ...(isHere ? [...engines.problems, ...backfill.problems] : [])]),
      notes: [...plan.notes, ...copied.notes, ...backfill.notes],
      handOvers: plan.handOvers,
      existing: backfill.existing,
      copies: isHere ? backfill.copies : [],
      contested: plan.contested,
    };
  }

  /** What copy needs to be there, and how its rules, and native ones too, hear of changes. */
  async #copied(decisions: EnginePlan["decisions"], native: NativeParts | undefined): Promise<ContestedPlan> {
    const { steps, problems } = await this.#copyBuckets(decisions, native?.pairs ?? []);
    const coming = [...(native?.plan.steps ?? []), ...steps].flatMap(({ changes }) => changes).filter(isNewBucket);
    const notifications = await this.#notifications.plan({
      native: new Set(native?.pairs.map(({ source }) => source.id)),
      coming: new Set(coming.map(({ id }) => id)),
    });
    return {
      ...NOTHING,
      steps: [...steps, ...notifications.steps],
      problems: once([...problems, ...notifications.problems]),
      notes: [...this.#copiedNotes(decisions), ...notifications.notes],
    };
  }

  /** Buckets of native pairs are seen to with these. No bucket ever goes. */
  async #copyBuckets(decisions: EnginePlan["decisions"], pairs: readonly NativePair[]): Promise<CopyBucketsPlan> {
    const { config, aim, sources = () => true } = this.#run;
    if (aim === "absent") return NOTHING;
    const copied = config.rules.filter(({ id, source }) => decisions.get(id)?.engine === "copy" && sources(source));
    const native = new Set(pairs.flatMap(({ source, destination }) => [source.id, destination.id]));
    const buckets = await copyBuckets(config, copied, this.#buckets);
    return planCopyBuckets(buckets.filter(({ bucket }) => !native.has(bucket.id)));
  }

  /** The rules that are left to copy: where there is no state nobody else tells of them. */
  #copiedNotes(decisions: EnginePlan["decisions"]): readonly string[] {
    const { aim, keepsState = true } = this.#run;
    if (keepsState || aim === "absent") return [];
    const copied = [...decisions].filter(([, { engine }]) => engine === "copy");
    return copied.map(([id, { why }]) => `rule ${id} is left to replicast run, which copies: ${why}`);
  }

  /** Undefined where no bucket is on AWS. */
  async #native(stored: EnginesSoFar, open: ReadonlySet<string>): Promise<NativeParts | undefined> {
    const { config, aim, sources } = this.#run;
    const { convertV1, replace, allowEngineChange } = this.#options;
    const buckets = await nativeBuckets(config, this.#aws);
    if (buckets.size === 0) return undefined;
    const evidence = await readEvidence(config, undecided(stored, open), { buckets, ports: this.#aws.ports });
    const engines = planEngines({ config, stored, evidence, allowsChange: allowEngineChange, save: this.#saver() });
    const wish = nativeWish({ config, buckets, aim, convertV1, replace, includes: sources, orphans: this.#run.orphans }, engines.decisions);
    const plan = await planNative(wish, this.#aws.ports, this.#run.signal);
    return { plan, engines, pairs: wish.pairs, backfill: await this.#backfill(wish.pairs, plan) };
  }

  async #backfill(pairs: readonly NativePair[], { created, problems }: NativePlan): Promise<BackfillPlan> {
    // Nothing can be counted where it is not known that the buckets are there.
    if (problems.length > 0 || pairs.length === 0) return { steps: [], problems: [], notes: [], existing: [], copies: [] };
    const { config, signal } = this.#run;
    return this.#existing.plan({ owner: ownerOf(config), pairs, created, starts: this.#options.backfill, signal });
  }

  async #enginesSoFar(): Promise<EnginesSoFar> {
    const { config, keepsState = true } = this.#run;
    if (!keepsState) return readEnginesSoFar(config, undefined);
    if (this.#state !== undefined) return readEnginesSoFar(config, this.#state);
    const reader = await openStateIfThere(config);
    try {
      return await readEnginesSoFar(config, reader);
    } finally {
      await reader?.close();
    }
  }

  #saver(): ((rule: string, engine: Engine) => Promise<void>) | undefined {
    if (this.#run.keepsState === false) return undefined;
    return async (rule, engine) => {
      this.#state ??= await openState(this.#run.config, "daemon");
      await this.#state.journal.saveEngine(rule, engine);
    };
  }
}

/** Nobody told which account and region to look in. */
const NO_AWS_NOTE =
  "no rule names a bucket of AWS: what was set up there under this name is not looked for; run destroy before the last such rule goes";

const NOTHING: ContestedPlan = { steps: [], problems: [], notes: [], handOvers: [], contested: [] };

interface NativeParts {
  readonly plan: NativePlan;
  readonly pairs: readonly NativePair[];
  readonly engines: EnginePlan;
  readonly backfill: BackfillPlan;
}

function isNewBucket({ action, type }: PlannedChange): boolean {
  return action === "create" && type === "bucket";
}

/** Several parts of a plan may miss the same bucket. */
function once(problems: readonly Problem[]): readonly Problem[] {
  const seen = new Map(problems.map((problem) => [`${problem.code} ${problem.subject}`, problem]));
  return problems.filter((problem) => problem.code !== "BucketMissing" || seen.get(`${problem.code} ${problem.subject}`) === problem);
}

function undecided(stored: EnginesSoFar, open: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...open].filter((id) => stored.engines.get(id) !== "native"));
}

/** Where everything of a name is to go it must be told that not all was looked at. */
function unseenNotes(error: ReplicationError, aim: ProvisionRun["aim"]): readonly string[] {
  if (aim === "present") return [];
  return [`rules and roles of S3's own replication were not looked for: ${error.message}`];
}
