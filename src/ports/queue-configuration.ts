import type { PolicyDocument } from "../domain/policy-document.ts";

/** What is set up at a queue, as far as bucket events are concerned. */
export interface QueueFacts {
  readonly arn: string;
  /** Undefined where it has none: then its own account alone may send to it. */
  readonly policy: PolicyDocument | undefined;
}

/** Queues of one region, with the credentials of one account. A queue is named by its URL. */
export interface QueueConfiguration {
  /** URL of the queue of this name; undefined where there is none, or none that may be seen. */
  find(name: string): Promise<string | undefined>;

  /** URLs of the queues whose name begins so. */
  list(prefix: string): Promise<readonly string[]>;

  /** Undefined where there is no such queue. @throws `AccessDenied` where its attributes may not be read */
  facts(url: string): Promise<QueueFacts | undefined>;

  tags(url: string): Promise<Readonly<Record<string, string>>>;

  /**
   * Makes a standard queue that keeps messages as long as a queue can, encrypted with the service's own keys, for a consumer that waits for
   * messages; its URL. One of this name that was made the same way is returned as it is.
   * @throws `SlowDown` where a queue of this name was deleted less than a minute ago
   */
  create(name: string, tags: Readonly<Record<string, string>>): Promise<string>;

  /** Replaces the whole policy; undefined, and one without statements, removes it. @throws `AccessDenied` */
  putPolicy(url: string, policy: PolicyDocument | undefined): Promise<void>;

  /** Deletes it with all its messages; nothing where it is gone. */
  delete(url: string): Promise<void>;

  close(): void;
}
