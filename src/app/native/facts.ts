import type { ResolvedConfig } from "../../config/resolved-config.ts";
import type { NativePairFacts, NativeRuleFact } from "../../control-plane/native.ts";
import { type Applied, appliedOf } from "../../data-plane/native/applied.ts";
import { toReplicationError } from "../../domain/error.ts";
import type { Destination, Rule } from "../../domain/rule.ts";
import type { BatchJob } from "../../ports/batch-replication.ts";
import type { Logger } from "../../ports/logger.ts";
import { ruleIdOf } from "../../provisioning/names.ts";
import { NativeJobs } from "./jobs.ts";
import type { Services } from "./services.ts";

export interface NativeFactsRun {
  readonly config: ResolvedConfig;
  readonly services: Services;
  readonly logger: Pick<Logger, "debug">;
}

/** What AWS tells of rules that S3 serves. What may not be seen, or cannot be now, is undefined: the next look may find it. */
export class NativeFacts {
  readonly #run: NativeFactsRun;

  constructor(run: NativeFactsRun) {
    this.#run = run;
  }

  /** What stands at the source of a direction. */
  async applied(rule: Rule): Promise<Applied | undefined> {
    try {
      const configuration = await this.#run.services.configurationOf(rule.source);
      return appliedOf(rule, await configuration.replication(), this.ruleIdOf);
    } catch (error) {
      this.note("it cannot be seen whether S3's rules are applied", rule, error);
      return undefined;
    }
  }

  /** The job that was started last at the source. */
  async latestJob(rule: Rule): Promise<BatchJob | undefined> {
    try {
      return await this.jobs(rule).latest();
    } catch (error) {
      this.note("batch jobs cannot be listed", rule, error);
      return undefined;
    }
  }

  /** Null where S3 measures nothing. */
  async metrics(rule: Rule, destination: Destination): Promise<NativePairFacts["metrics"]> {
    if (destination.replicationTime !== true) return null;
    const ruleId = this.ruleIdOf(rule, destination);
    try {
      const metrics = await this.#run.services.metricsOf(rule, destination);
      return await metrics.latest({ sourceBucket: rule.source.bucket, destinationBucket: destination.bucket.bucket, ruleId });
    } catch (error) {
      this.note("metrics cannot be read", rule, error);
      return null;
    }
  }

  jobs(rule: Rule): NativeJobs {
    return new NativeJobs(this.#run.config, this.#run.services, rule);
  }

  ruleFact(rule: Rule, destination: Destination, applied: Applied | undefined): NativeRuleFact {
    return { id: this.ruleIdOf(rule, destination), status: applied?.stateOf(destination) ?? null };
  }

  /** The id that S3's rule for a pair has. Needs no `this`. */
  readonly ruleIdOf = (rule: Rule, destination: Destination): string => ruleIdOf(this.#run.config.name, rule.id, destination.id);

  note(message: string, rule: Rule, error: unknown): void {
    const { code, message: why, hint } = toReplicationError(error);
    this.#run.logger.debug(message, { rule: rule.id, source: rule.source.name, code, error: why, hint });
  }
}
