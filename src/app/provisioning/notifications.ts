import { type ResolvedConfig, settingsOf } from "../../config/resolved-config.ts";
import type { Bucket } from "../../domain/bucket.ts";
import { isReplicationError } from "../../domain/error.ts";
import { planNamedQueue, planReleasedQueue } from "../../provisioning/events/plan-named-queues.ts";
import { type NotificationTarget, planNotification } from "../../provisioning/events/plan-notifications.ts";
import { planOwnQueue, type QueuePlan } from "../../provisioning/events/plan-queues.ts";
import type { QueuePlace } from "../../provisioning/events/queue-grant.ts";
import { systemClock } from "../system-clock.ts";
import type { EventfulSource, NotificationPlan, NotificationRun } from "./notification-run.ts";
import type { QueueEvents } from "./queues.ts";
import { planUnwantedQueues } from "./unwanted-queues.ts";

/** What the notifications depend on. */
export interface NotificationCircumstances {
  /** The sources that S3 itself replicates, by canonical id. */
  readonly native: ReadonlySet<string>;
  /** Printed names of the buckets that are missing and about to be made. */
  readonly coming: ReadonlySet<string>;
}

/** Everything that replication wants to hear of, where the target is a queue of AWS. Emulators know the names too. */
const QUEUE_EVENTS = [
  "s3:LifecycleExpiration:*",
  "s3:ObjectAcl:Put",
  "s3:ObjectCreated:*",
  "s3:ObjectRemoved:*",
  "s3:ObjectTagging:*",
] as const;
/** What S3 tells of its own replication. https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html */
const REPLICATION_EVENTS = "s3:Replication:*";
/** A store with webhooks of its own counts changes of tags among what is created, and knows no more names. */
const WEBHOOK_EVENTS = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"] as const;

type QueuedSource = EventfulSource & { readonly events: QueueEvents };

/** Sets up how the sources of the rules tell of their changes: their notifications, and the queues that these go to. */
export class NotificationPlanner {
  readonly #run: NotificationRun;
  readonly #all: readonly EventfulSource[];
  /** Those that it is about. */
  readonly #sources: readonly EventfulSource[];

  constructor(run: NotificationRun) {
    const { config, includes = () => true } = run;
    this.#run = run;
    this.#all = sourcesOf(config);
    this.#sources = this.#all.filter(({ bucket }) => includes(bucket));
  }

  /**
   * Finds what has to change at the notifications of the rules' sources and at the queues that they go to. A source that names no target, and one
   * that is polled, is left alone. Sends nothing that changes anything: that is done by the steps.
   */
  async plan(circumstances: NotificationCircumstances): Promise<NotificationPlan> {
    const unwanted = await planUnwantedQueues({ ...this.#run, sources: this.#all });
    if (this.#run.aim === "absent") return inTurn([...(await this.#absences()), ...(await this.#releases()), unwanted]);
    const queues = await this.#queues();
    const plans: NotificationPlan[] = [...new Set(queues.values())];
    for (const source of this.#sources) {
      const queue = queues.get(source.bucket.id);
      const target = targetOf(source, queue, circumstances);
      if (queue?.fed.has(source.bucket.id) === true) plans.push(await this.#absence(source));
      else if (target !== undefined) plans.push(await this.#notification(source, target, circumstances));
    }
    return inTurn([...plans, unwanted]);
  }

  /** The plans of the queues by the canonical id of their sources; sources that share a queue share its plan. */
  async #queues(): Promise<ReadonlyMap<string, QueuePlan>> {
    const plans = new Map<string, QueuePlan>();
    const queued = this.#sources.filter(isQueued);
    for (const source of queued.filter(({ events }) => events.queueUrl === undefined))
      plans.set(source.bucket.id, await planOwnQueue(await this.#queuePlace(source), source));
    for (const [url, asking] of byUrl(queued)) {
      const plan = await this.#namedQueue(url, asking);
      for (const { bucket } of asking) plans.set(bucket.id, plan);
    }
    return plans;
  }

  async #namedQueue(url: string, asking: readonly [QueuedSource, ...QueuedSource[]]): Promise<QueuePlan> {
    // One statement is for all of them, also for those that it is not about.
    const sources = byUrl(this.#all.filter(isQueued)).get(url) ?? asking;
    const places = new Map(sources.map(({ bucket, place }) => [bucket.id, place]));
    const notificationsOf = async (bucket: Bucket) => {
      const place = places.get(bucket.id);
      return place === undefined ? undefined : ifBucketThere((await this.#run.buckets.at(place)).notifications(bucket));
    };
    return planNamedQueue({ place: await this.#queuePlace(asking[0]), url, sources, notificationsOf });
  }

  async #notification(
    { place, bucket }: EventfulSource,
    target: NotificationTarget,
    { coming }: NotificationCircumstances,
  ): Promise<NotificationPlan> {
    const { config, buckets } = this.#run;
    const configuration = await buckets.at(place);
    const isComing = coming.has(bucket.name);
    const steps = await ifBucketThere(planNotification({ name: config.name, bucket, configuration, target, isComing }));
    if (steps !== undefined) return { ...NOTHING, steps };
    const hint = "create it, or correct its name in the config";
    return { ...NOTHING, problems: [{ code: "BucketMissing", subject: bucket.name, message: "does not exist", hint }] };
  }

  #absences(): Promise<readonly NotificationPlan[]> {
    return Promise.all(this.#sources.map((source) => this.#absence(source)));
  }

  /** With a bucket its notifications went too. */
  async #absence({ place, bucket }: EventfulSource): Promise<NotificationPlan> {
    const { config, buckets } = this.#run;
    const wish = { name: config.name, bucket, configuration: await buckets.at(place), target: undefined };
    return { ...NOTHING, steps: (await ifBucketThere(planNotification(wish))) ?? [] };
  }

  async #releases(): Promise<readonly NotificationPlan[]> {
    const named = [...byUrl(this.#sources.filter(isQueued))];
    const plans = named.map(async ([url, [source]]) => ({ ...NOTHING, ...(await planReleasedQueue(await this.#queuePlace(source), url)) }));
    return Promise.all(plans);
  }

  async #queuePlace({ place: { store }, events }: QueuedSource): Promise<QueuePlace> {
    const { config, queues } = this.#run;
    const region = events.region ?? store.region;
    return { name: config.name, queues: await queues.at(store, region, events.queueUrl), region, clock: systemClock };
  }
}

const NOTHING: NotificationPlan = { steps: [], problems: [], notes: [] };

/** Undefined where nothing is to be set up at the bucket. */
function targetOf(
  { bucket, events }: EventfulSource,
  queue: QueuePlan | undefined,
  { native }: NotificationCircumstances,
): NotificationTarget | undefined {
  if (events.type === "webhook") return events.arn === undefined ? undefined : { queueArn: events.arn, events: WEBHOOK_EVENTS };
  if (queue?.target === undefined) return undefined;
  const told = native.has(bucket.id) ? [...QUEUE_EVENTS, REPLICATION_EVENTS] : QUEUE_EVENTS;
  const { queueArn, queue: name, arn } = queue.target;
  return { queueArn, events: told, fresh: queue.steps.length === 0 ? undefined : { queue: name, arn, clock: systemClock } };
}

/** Undefined where the bucket is not there. */
async function ifBucketThere<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (isReplicationError(error) && error.code === "NoSuchBucket") return undefined;
    throw error;
  }
}

function sourcesOf(config: ResolvedConfig): readonly EventfulSource[] {
  const sources = new Map<string, EventfulSource>();
  for (const rule of config.rules) {
    const place = config.buckets[rule.source.id];
    const { events, sourceAccount: account } = settingsOf(config, rule);
    if (place !== undefined) sources.set(rule.source.id, { place, bucket: place.bucket, events, account });
  }
  return [...sources.values()];
}

function isQueued(source: EventfulSource): source is QueuedSource {
  return source.events.type === "sqs";
}

/** Those that name a queue, by its URL. */
function byUrl(sources: readonly QueuedSource[]): ReadonlyMap<string, readonly [QueuedSource, ...QueuedSource[]]> {
  const groups = new Map<string, readonly [QueuedSource, ...QueuedSource[]]>();
  for (const source of sources) {
    const { queueUrl } = source.events;
    if (queueUrl !== undefined) groups.set(queueUrl, [...(groups.get(queueUrl) ?? []), source] as [QueuedSource, ...QueuedSource[]]);
  }
  return groups;
}

function inTurn(plans: readonly NotificationPlan[]): NotificationPlan {
  return {
    steps: plans.flatMap(({ steps }) => steps),
    problems: plans.flatMap(({ problems }) => problems),
    notes: plans.flatMap(({ notes }) => notes),
  };
}
