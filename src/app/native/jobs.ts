import type { ResolvedConfig } from "../../config/resolved-config.ts";
import type { HealingJobs } from "../../data-plane/native/heal.ts";
import type { Rule } from "../../domain/rule.ts";
import type { BatchFailure, BatchJob } from "../../ports/batch-replication.ts";
import { batchJobsOf, newBatchJob } from "../../provisioning/existing-objects/batch-job.ts";
import { ensureBatchRole } from "../../provisioning/existing-objects/batch-role.ts";
import { systemClock } from "../system-clock.ts";
import type { Services } from "./services.ts";
import { ownerOf } from "./wish.ts";

/** The batch jobs of the source of one direction, at S3 Control. */
export class NativeJobs implements HealingJobs {
  readonly #config: ResolvedConfig;
  readonly #services: Services;
  readonly #rule: Rule;

  constructor(config: ResolvedConfig, services: Services, rule: Rule) {
    this.#config = config;
    this.#services = services;
    this.#rule = rule;
  }

  async latest(): Promise<BatchJob | undefined> {
    const source = await this.#services.bucket(this.#rule.source);
    const batch = await this.#services.batchOf(this.#rule.source);
    return (await batch.jobs(source.account, batchJobsOf(this.#config.name, source)))[0];
  }

  async startFailed(token: string): Promise<string> {
    const { name, iam } = this.#config;
    const { id, filter } = this.#rule;
    const source = await this.#services.bucket(this.#rule.source);
    const identity = await this.#services.identityOf(this.#rule.source);
    const roleArn = await ensureBatchRole({
      owner: ownerOf(this.#config),
      source,
      identity,
      clock: systemClock,
      propagationMs: iam.propagationMs,
    });
    const batch = await this.#services.batchOf(this.#rule.source);
    return batch.start(newBatchJob({ name, rule: id, source, prefix: filter.prefix ?? "", roleArn, statuses: ["FAILED"], token }));
  }

  async *failures(id: string): AsyncIterable<BatchFailure> {
    const source = await this.#services.bucket(this.#rule.source);
    const batch = await this.#services.batchOf(this.#rule.source);
    yield* batch.failures(source.account, id);
  }
}
