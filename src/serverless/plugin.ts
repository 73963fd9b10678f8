import type { ProvisionPlan, ProvisionRun } from "../app/provisioning/provision.ts";
import type { Bucket } from "../domain/bucket.ts";
import { isReplicationError, ReplicationError } from "../domain/error.ts";
import { COMMANDS, readOptions } from "./commands.ts";
import { frameworkCredentials } from "./credentials.ts";
import type { AwsProvider, Framework, FrameworkUtils, PluginCommand } from "./framework.ts";
import { changeLine, problemLines, ruleLines } from "./plan-text.ts";
import { readServiceRules, type ServiceRules } from "./service-rules.ts";

/** Neither is required: a service that has the plugin without rules is deployed as ever. What is wrong in them is told by their own reading. */
const CUSTOM_SCHEMA = { type: "object", properties: { replicast: { type: "object" }, s3ReplicationPlugin: { type: "object" } } };

/** One command on the rules of a service. */
interface Work {
  readonly rules: ServiceRules;
  /** Of the deploy. */
  readonly region: string;
  /** Policies for other accounts are written here. */
  readonly directory: string;
  readonly run: Pick<ProvisionRun, "config" | "env" | "credentials" | "keepsState">;
}

/**
 * Plugin of the Serverless Framework and of osls. Sets up S3's own replication after each deploy, with the credentials and the region of the deploy,
 * and takes what begins in that region away before the service is removed. It copies nothing itself and keeps no state.
 */
export class ReplicastPlugin {
  readonly commands: Readonly<Record<string, PluginCommand>> = COMMANDS;
  readonly hooks: Readonly<Record<string, () => Promise<void>>>;
  readonly #framework: Framework;
  readonly #options: Readonly<Record<string, unknown>>;
  readonly #utils: FrameworkUtils;

  constructor(framework: Framework, options: Readonly<Record<string, unknown>>, utils: FrameworkUtils) {
    this.#framework = framework;
    this.#options = options;
    this.#utils = utils;
    framework.configSchemaHandler?.defineCustomProperties(CUSTOM_SCHEMA);
    this.hooks = {
      "after:deploy:deploy": () => this.#told(() => this.#apply({})),
      "before:remove:remove": () => this.#told(() => this.#remove()),
      "replicast:plan:plan": () => this.#told(() => this.#plan()),
      "replicast:apply:apply": () => this.#told(() => this.#apply(this.#options)),
      "replicast:status:status": () => this.#told(() => this.#status()),
      "replicast:destroy:destroy": () => this.#told(() => this.#destroy()),
    };
  }

  async #apply(options: Readonly<Record<string, unknown>>): Promise<void> {
    const { provision, allowMissing } = readOptions(options);
    const work = await this.#open();
    if (work === undefined) return;
    const plan = await this.#carryOut(work, { ...everySource(work), aim: "present", options: provision });
    this.#refuse(plan, work, allowMissing);
  }

  async #plan(): Promise<void> {
    const { provision, allowMissing } = readOptions(this.#options);
    const work = await this.#open();
    if (work === undefined) return;
    const plan = await planOf({ ...work.run, ...everySource(work), aim: "present", options: provision });
    this.#tellNotes(plan);
    const changes = plan.steps.flatMap((step) => step.changes);
    for (const change of changes) this.#utils.writeText(changeLine(change));
    this.#refuse(plan, work, allowMissing);
    if (changes.length === 0 && plan.problems.length === 0) this.#utils.log.notice("nothing has to change");
  }

  async #status(): Promise<void> {
    const work = await this.#open();
    if (work === undefined) return;
    const wanted = await planOf({ ...work.run, aim: "present" });
    const unwanted = await planOf({ ...work.run, aim: "absent" });
    const lines = ruleLines(wanted, unwanted);
    for (const line of lines) this.#utils.writeText(line);
    if (lines.length === 0) this.#utils.log.notice("S3 has no replication rules of this service and stage");
    this.#tellNotes(wanted);
    for (const line of problemLines(wanted.problems)) this.#utils.log.warning(line);
  }

  async #destroy(): Promise<void> {
    const work = await this.#open();
    if (work === undefined) return;
    const plan = await this.#carryOut(work, { aim: "absent" });
    this.#refuse(plan, work, false);
  }

  /** Only what begins in the region of this deploy: the same service may be deployed to others, with the same rules. */
  async #remove(): Promise<void> {
    const work = await this.#open().catch((error: unknown) => {
      // Nothing was ever applied by rules that cannot be read; what earlier ones left can be removed afterwards too.
      if (!isReplicationError(error) || error.code !== "ConfigInvalid") throw error;
      this.#utils.log.warning(`${error.message}\nwhat earlier rules set up stays: correct them and run serverless replicast destroy`);
      return undefined;
    });
    if (work === undefined) return;
    const { config } = work.rules;
    const isHere = ({ id }: Bucket) => config.buckets[id]?.store.region === work.region;
    const plan = await this.#carryOut(work, { aim: "absent", sources: isHere, orphans: ({ region }) => region === work.region });
    this.#refuse(plan, work, false);
  }

  /** Undefined where the service has no rules. */
  async #open(): Promise<Work | undefined> {
    const { service, serviceDir: directory = process.cwd() } = this.#framework;
    const provider = this.#provider();
    const deploy = {
      service: service.service ?? "",
      stage: provider.getStage(),
      region: provider.getRegion(),
      directory,
      env: process.env,
    };
    const rules = readServiceRules(service.custom, deploy);
    if (rules === undefined) return undefined;
    for (const note of rules.notes) this.#utils.log.warning(`replicast: ${note}`);
    const credentials = await frameworkCredentials(provider);
    const env = { ...process.env, AWS_REGION: deploy.region };
    return { rules, region: deploy.region, directory, run: { config: rules.config, env, credentials, keepsState: false } };
  }

  #provider(): AwsProvider {
    const provider = this.#framework.getProvider("aws");
    if (provider) return provider;
    throw new ReplicationError("ConfigInvalid", "replicast/serverless is for services on AWS", { hint: "write provider.name: aws" });
  }

  /** Makes all changes, tells of each, and returns the plan they were made by. */
  async #carryOut({ run, directory }: Work, aim: Pick<ProvisionRun, "aim" | "options" | "sources" | "orphans">): Promise<ProvisionPlan> {
    const { applyPlan } = await import("../app/provisioning/provision.ts");
    const { log, progress } = this.#utils;
    const spinner = progress.create({ message: "Looking at S3 replication" });
    const onWait: ProvisionRun["onWait"] = (missing) => spinner.update(`Waiting for ${missing.map(({ subject }) => subject).join(", ")}`);
    let made = 0;
    const onChange: ProvisionRun["onChange"] = (change) => {
      made++;
      spinner.update("Setting up S3 replication");
      log.notice(`replicast: ${changeLine(change)}`);
    };
    try {
      // Before any change: that they cannot be written must not be found out when everything else is done.
      const onPlan = (plan: ProvisionPlan) => this.#handOver(plan, directory);
      const { plan } = await applyPlan({ ...run, ...aim, onPlan, onChange, onWait });
      this.#tellNotes(plan);
      if (plan.problems.length > 0) return plan;
      if (made === 0) log.notice("replicast: nothing had to change");
      return plan;
    } catch (error) {
      if (made > 0) log.warning(`replicast: stopped after ${made} changes; the same command again makes the rest`);
      throw error;
    } finally {
      spinner.remove();
    }
  }

  /** Policies that other accounts have to set, into the folder that the framework packages nothing from. */
  async #handOver({ handOvers }: ProvisionPlan, directory: string): Promise<void> {
    if (handOvers.length === 0) return;
    const [{ writeHandOvers, handOverFile }, { mkdir }] = await Promise.all([
      import("../app/provisioning/hand-overs.ts"),
      import("node:fs/promises"),
    ]);
    const folder = `${directory}/.serverless`;
    await mkdir(folder, { recursive: true });
    await writeHandOvers(folder, handOvers);
    for (const handOver of handOvers)
      this.#utils.log.warning(`replicast: ${folder}/${handOverFile(handOver)} is for account ${handOver.account}`);
  }

  #tellNotes({ notes }: ProvisionPlan): void {
    for (const note of notes) this.#utils.log.warning(`replicast: ${note}`);
  }

  /** @throws ReplicationError where anything stands in the way but buckets that may be missing: another region's deploy brings them */
  #refuse({ problems }: ProvisionPlan, { rules }: Work, allowMissing: boolean): void {
    if (problems.length === 0) return;
    const lines = problemLines(problems).map((line) => `  ${line}`);
    const isAllowed = problems.every(({ code, subject }) => code === "BucketMissing" && (allowMissing || rules.mayBeMissing(subject)));
    if (!isAllowed) throw new ReplicationError("InvalidRequest", `replicast changed nothing:\n${lines.join("\n")}`);
    const missing = [...new Set(problems.map(({ subject }) => subject))].join(", ");
    this.#utils.log.warning(
      `replicast changed nothing: ${missing} does not exist yet; the deploy that finds every bucket sets the rules up`,
    );
  }

  /** Throws what the framework prints as an error of the service, and not as one of its own. */
  async #told(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const FrameworkError = this.#framework.classes?.Error;
      if (FrameworkError === undefined || !isReplicationError(error)) throw error;
      const message = error.hint === undefined ? error.message : `${error.message}\ntry: ${error.hint}`;
      throw Object.assign(new FrameworkError(message, `REPLICAST_${error.code.toUpperCase()}`), { cause: error });
    }
  }
}

/** What begins in other regions is brought to what the config says, and left where it says nothing: their deploys may have rules of their own. */
function everySource({ region }: Work): Pick<ProvisionRun, "sources" | "orphans"> {
  return { sources: () => true, orphans: (source) => source.region === region };
}

async function planOf(run: ProvisionRun): Promise<ProvisionPlan> {
  const { withPlan } = await import("../app/provisioning/provision.ts");
  return withPlan(run, async (plan) => plan);
}
