import type { Bucket } from "../../domain/bucket.ts";
import type { PolicyDocument } from "../../domain/policy-document.ts";
import type { Notifications } from "../../ports/bucket-configuration.ts";
import type { QueueConfiguration } from "../../ports/queue-configuration.ts";
import { allOf } from "../all-of.ts";
import type { Problem, Step } from "../change.ts";
import { mergeStatements } from "../policies/bucket-policy.ts";
import { letsSend, SNS_SERVICE } from "../policies/queue-policy.ts";
import { isForbidden, seen } from "../seen.ts";
import type { QueuePlan, QueueTarget } from "./plan-queues.ts";
import { type Grant, grantSteps, hasOurs, isGranted, type QueuePlace, type SeenQueue, statementFor } from "./queue-grant.ts";
import { accountIn, nameOfQueue, queueArnOf, queueSidOf } from "./queue-names.ts";

/** A queue that somebody made for us, by its URL. */
export type NamedQueue = Pick<Grant, "place" | "sources"> & {
  readonly url: string;
  /** Of a source; undefined where the bucket is missing. */
  readonly notificationsOf: (bucket: Bucket) => Promise<Notifications | undefined>;
};

/**
 * Finds whether S3 may send to the queue; where it may not, one statement is to be added to its policy. Where the policy may not be read that is
 * told, with the statement: S3 itself says, when the notification is set, whether it may send.
 */
export async function planNamedQueue(named: NamedQueue): Promise<QueuePlan> {
  const { place, url } = named;
  const look = () => lookAt(place.queues, url);
  const found = await seen(look);
  if (isForbidden(found)) return unread(named, found.forbidden);
  const queue = found.value;
  if (queue === undefined)
    return { ...NOTHING, problems: [problemOf("QueueMissing", url, { message: "there is no such queue", hint: MISSING_HINT })] };
  const target: QueueTarget = { queueArn: queue.arn, queue: nameOfQueue(url), arn: async () => queue.arn };
  const topics = await feedingTopics(queue, named);
  const sources = named.sources.filter(({ bucket }) => !topics.has(bucket));
  // A statement of ours is kept right; where others' do there is none.
  const isNeeded = sources.length > 0 && (hasOurs(queue, place.name) || !isGranted(queue, { place, sources }));
  return {
    ...NOTHING,
    steps: isNeeded ? grantSteps(queue, { place, queue: target.queue, look, sources }) : [],
    notes: [...topics].map(([{ name }, topic]) => `${name} tells ${target.queue} by the topic ${topic}: nothing is set up beside it`),
    target,
    fed: new Set([...topics.keys()].map(({ id }) => id)),
  };
}

/** Takes our statement out of the queue's policy again. A queue that is gone needs nothing. */
export async function planReleasedQueue({ name, queues }: QueuePlace, url: string): Promise<Pick<QueuePlan, "steps" | "notes">> {
  const found = await seen(() => lookAt(queues, url));
  if (isForbidden(found)) return { steps: [], notes: [`the policy of ${url} was not looked at: ${found.forbidden}`] };
  const queue = found.value;
  if (queue === undefined || !hasOurs(queue, name)) return { steps: [], notes: [] };
  const make = async () => {
    const now = await lookAt(queues, url);
    if (now !== undefined && hasOurs(now, name)) await queues.putPolicy(url, without(now, name));
  };
  const step: Step = { changes: [{ action: "delete", type: "policy", id: nameOfQueue(url), detail: { queue: url } }], make };
  return { steps: [step], notes: [] };
}

/** The topics by which buckets tell the queue already. S3 takes no second notification of the same events beside one to a topic. */
async function feedingTopics(queue: SeenQueue, { sources, notificationsOf }: NamedQueue): Promise<ReadonlyMap<Bucket, string>> {
  if (queue.policy === undefined) return new Map();
  const found = await allOf(sources, async ({ bucket }) => {
    const notifications = await notificationsOf(bucket);
    const topic = notifications === undefined ? undefined : feedingTopic(notifications, queue);
    return topic === undefined ? [] : [[bucket, topic] as const];
  });
  return new Map(found.flat());
}

function feedingTopic({ others }: Notifications, { arn, policy }: SeenQueue): string | undefined {
  const { TopicConfigurations = [] } = (others ?? {}) as { readonly TopicConfigurations?: readonly { readonly TopicArn?: string }[] };
  const topics = TopicConfigurations.flatMap(({ TopicArn }) => TopicArn ?? []);
  return topics.find((topic) => letsSend(policy, { service: SNS_SERVICE, queueArn: arn, sourceArn: topic, account: accountIn(topic) }));
}

const NOTHING = { steps: [], problems: [], notes: [], target: undefined, fed: new Set<string>() } as const;
const MISSING_HINT = "create it, correct queueUrl and region, or leave queueUrl out: then apply makes a queue";
const READ_HINT = "allow sqs:GetQueueAttributes on the queue";

async function lookAt(queues: QueueConfiguration, url: string): Promise<SeenQueue | undefined> {
  const facts = await queues.facts(url);
  return facts === undefined ? undefined : { url, ...facts };
}

function unread(named: NamedQueue, why: string): QueuePlan {
  const { url, place } = named;
  const arn = queueArnOf(url, place.region);
  if (arn === undefined) return { ...NOTHING, problems: [problemOf("NotPermitted", url, { message: why, hint: READ_HINT })] };
  const target: QueueTarget = { queueArn: arn, queue: nameOfQueue(url), arn: async () => arn };
  const statement = JSON.stringify(statementFor(named, arn));
  const note = `the policy of ${url} may not be looked at (${why}); S3 can send to it only where the policy says so, as by ${statement}`;
  return { ...NOTHING, notes: [note], target };
}

function without({ arn, policy }: SeenQueue, name: string): PolicyDocument | undefined {
  const sid = queueSidOf(name, arn);
  return mergeStatements(policy, { owned: (one) => one === sid, wanted: [] }).policy;
}

function problemOf(code: Problem["code"], subject: string, told: Pick<Problem, "message" | "hint">): Problem {
  return { code, subject, ...told };
}
