import { ReplicationError } from "../domain/error.ts";
import type { PolicyDocument } from "../domain/policy-document.ts";
import type { QueueConfiguration } from "../ports/queue-configuration.ts";

export interface MemoryQueue {
  policy: PolicyDocument | undefined;
  readonly tags: Readonly<Record<string, string>>;
}

/** Queues of one account and region, in memory. Knows nobody's rights; `refuse` says what is not allowed. */
export class MemoryQueues implements QueueConfiguration {
  readonly queues: Map<string, MemoryQueue> = new Map();
  /** Every call that changed something, in order. */
  readonly mutations: string[] = [];
  /** Thrown by a call; undefined lets it through. */
  refuse: (call: string) => ReplicationError | undefined = () => undefined;
  readonly #account = "111111111111";

  addQueue(name: string, queue: Partial<MemoryQueue> = {}): string {
    this.queues.set(name, { policy: undefined, tags: {}, ...queue });
    return this.#urlOf(name);
  }

  arnOf(name: string): string {
    return `arn:aws:sqs:us-east-1:${this.#account}:${name}`;
  }

  async find(name: string): Promise<string | undefined> {
    this.#check(`GetQueueUrl ${name}`);
    return this.queues.has(name) ? this.#urlOf(name) : undefined;
  }

  async list(prefix: string): Promise<readonly string[]> {
    this.#check(`ListQueues ${prefix}`);
    return [...this.queues.keys()].filter((name) => name.startsWith(prefix)).map((name) => this.#urlOf(name));
  }

  async facts(url: string): Promise<{ readonly arn: string; readonly policy: PolicyDocument | undefined } | undefined> {
    const name = nameIn(url);
    this.#check(`GetQueueAttributes ${name}`);
    const queue = this.queues.get(name);
    return queue === undefined ? undefined : { arn: this.arnOf(name), policy: structuredClone(queue.policy) };
  }

  async tags(url: string): Promise<Readonly<Record<string, string>>> {
    return this.queues.get(nameIn(url))?.tags ?? {};
  }

  async create(name: string, tags: Readonly<Record<string, string>>): Promise<string> {
    this.#change(`CreateQueue ${name}`);
    return this.addQueue(name, { tags });
  }

  async putPolicy(url: string, policy: PolicyDocument | undefined): Promise<void> {
    const name = nameIn(url);
    this.#change(`SetQueueAttributes ${name}`);
    const queue = this.queues.get(name);
    if (queue === undefined) throw new ReplicationError("InvalidRequest", `there is no queue ${name}`);
    queue.policy = structuredClone(policy);
  }

  async delete(url: string): Promise<void> {
    this.#change(`DeleteQueue ${nameIn(url)}`);
    this.queues.delete(nameIn(url));
  }

  close(): void {}

  #urlOf(name: string): string {
    return `https://sqs.us-east-1.amazonaws.com/${this.#account}/${name}`;
  }

  #change(call: string): void {
    this.#check(call);
    this.mutations.push(call);
  }

  #check(call: string): void {
    const error = this.refuse(call);
    if (error !== undefined) throw error;
  }
}

function nameIn(url: string): string {
  return url.slice(url.lastIndexOf("/") + 1);
}
