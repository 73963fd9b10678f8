import { allOf } from "../all-of.ts";
import type { PlannedChange, Problem, Step } from "../change.ts";
import { patiently } from "../patience.ts";
import { awaitQueue, type Grant, grantStep, grantSteps, type QueuePlace, type QueueSource } from "./queue-grant.ts";
import { isOwnQueue, nameOfQueue, queueNameOf, queuePrefixOf, queueTagsOf, sourceOfQueue } from "./queue-names.ts";

/** What has to change at a queue, and how a bucket is told of it. */
export interface QueuePlan {
  readonly steps: readonly Step[];
  readonly problems: readonly Problem[];
  readonly notes: readonly string[];
  /** Undefined where there are problems. */
  readonly target: QueueTarget | undefined;
  /** Canonical ids of the sources that tell the queue already, by a topic that somebody set up: nothing is to stand beside that. */
  readonly fed: ReadonlySet<string>;
}

export interface QueueTarget {
  /** Undefined: nobody knows until it is made. */
  readonly queueArn: string | undefined;
  /** As it is told of. */
  readonly queue: string;
  /** Its ARN, once the steps were made. */
  readonly arn: () => Promise<string>;
}

/** Finds what is missing for a queue of our own that takes the events of one bucket. What others wrote into its policy stays. */
export async function planOwnQueue(place: QueuePlace, source: QueueSource): Promise<QueuePlan> {
  const { queues, name } = place;
  const queue = queueNameOf(name, source.bucket);
  const look = async () => {
    const url = await queues.find(queue);
    const facts = url === undefined ? undefined : await queues.facts(url);
    return url === undefined || facts === undefined ? undefined : { url, ...facts };
  };
  const grant: Grant = { place, queue, look, sources: [source] };
  const found = await look();
  const target = { queueArn: found?.arn, queue, arn: async () => (await awaitQueue(grant)).arn };
  const steps = found === undefined ? [creation(grant, source), grantStep("create", grant)] : grantSteps(found, grant);
  return { steps, problems: [], notes: [], target, fed: new Set() };
}

/** A queue of ours that is to go. */
export interface UnwantedQueue {
  readonly queue: string;
  /** Canonical id of the bucket whose events it takes; undefined where its tags do not say. */
  readonly sourceId: string | undefined;
  /** To be made once that bucket sends no more. */
  readonly step: Step;
}

/** Finds the queues that are this config's by their tags, and not wanted by their names. */
export async function findUnwantedQueues(
  { name, queues, region }: QueuePlace,
  isWanted: (queue: string) => boolean,
): Promise<readonly UnwantedQueue[]> {
  const urls = (await queues.list(queuePrefixOf(name))).filter((url) => !isWanted(nameOfQueue(url)));
  const tagged = await allOf(urls, async (url) => ({ url, tags: await queues.tags(url) }));
  return tagged
    .filter(({ tags }) => isOwnQueue(name, tags))
    .map(({ url, tags }) => {
      const sourceId = sourceOfQueue(tags);
      const detail = { region, source: sourceId ?? null };
      const change: PlannedChange = { action: "delete", type: "queue", id: nameOfQueue(url), detail };
      return { queue: nameOfQueue(url), sourceId, step: { changes: [change], make: () => queues.delete(url) } };
    });
}

function creation({ place, queue }: Grant, { bucket }: QueueSource): Step {
  const { queues, name, region, clock } = place;
  const create = async () => {
    // Another apply may have been faster.
    if ((await queues.find(queue)) === undefined) await queues.create(queue, queueTagsOf(name, bucket));
  };
  // A name is free again a minute after its queue was deleted.
  const make = () => patiently(create, ({ code }) => code === "SlowDown", clock);
  return { changes: [{ action: "create", type: "queue", id: queue, detail: { region, source: bucket.name } }], make };
}
