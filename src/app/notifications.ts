import { type EventsSetting, type ResolvedBucket, type ResolvedConfig, settingsOf } from "../config/resolved-config.ts";
import type { Bucket } from "../domain/bucket.ts";
import { isReplicationError } from "../domain/error.ts";
import type { BucketConfiguration } from "../ports/bucket-configuration.ts";
import type { Step } from "../provisioning/change.ts";
import { planNotification } from "../provisioning/plan-notifications.ts";
import type { CredentialsOf } from "./native-ports.ts";

export interface NotificationRun {
  readonly config: ResolvedConfig;
  /** `absent`: what this config's name owns is to go, whatever the rules say. */
  readonly aim: "present" | "absent";
  readonly credentialsOf: CredentialsOf;
  /** Which sources it is about. */
  readonly includes: (source: Bucket) => boolean;
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

interface Source {
  readonly place: ResolvedBucket;
  readonly events: EventsSetting;
}

/** The stores' notifications, opened where they are first asked for. */
export class NotificationPlanner {
  readonly #run: NotificationRun;
  readonly #opened = new Map<string, Promise<BucketConfiguration>>();

  constructor(run: NotificationRun) {
    this.#run = run;
  }

  /**
   * Finds what has to change at the notifications of the rules' sources. A source that names no target, and one that is polled, is left alone.
   * Sends nothing that changes anything: that is done by the steps. `native`: the sources that S3 itself replicates, by canonical id.
   */
  async plan(native: ReadonlySet<string>): Promise<readonly Step[]> {
    const { config, aim, includes } = this.#run;
    const steps: Step[] = [];
    for (const { place, events } of sourcesOf(config)) {
      if (!includes(place.bucket)) continue;
      // What is to go is found by its id: the queue may be gone already.
      const queueArn = aim === "absent" ? "" : await this.#arnOf({ place, events });
      if (queueArn === undefined) continue;
      const target = aim === "absent" ? undefined : { queueArn, events: eventsFor(events, native.has(place.bucket.id)) };
      const configuration = await this.#open(place);
      const planned = planNotification({ name: config.name, bucket: place.bucket, configuration, target });
      steps.push(...(await (aim === "absent" ? unlessGone(planned) : planned)));
    }
    return steps;
  }

  async close(): Promise<void> {
    for (const configuration of await Promise.allSettled(this.#opened.values()))
      if (configuration.status === "fulfilled") configuration.value.close();
  }

  /** Undefined where nothing is to be set up. */
  async #arnOf({ place, events }: Source): Promise<string | undefined> {
    if (events.type === "webhook") return events.arn;
    if (events.type !== "sqs") return undefined;
    const { openQueue } = await import("../adapters/event-source/sqs-queue.ts");
    const credentials = await this.#run.credentialsOf(place.store);
    const queue = await openQueue({ queueUrl: events.queueUrl, region: events.region ?? place.store.region, credentials });
    try {
      return await queue.arn();
    } finally {
      queue.close();
    }
  }

  #open(place: ResolvedBucket): Promise<BucketConfiguration> {
    const known = this.#opened.get(place.bucket.id) ?? openConfiguration(place, this.#run.credentialsOf);
    this.#opened.set(place.bucket.id, known);
    return known;
  }
}

function eventsFor({ type }: EventsSetting, isNative: boolean): readonly string[] {
  if (type !== "sqs") return WEBHOOK_EVENTS;
  return isNative ? [...QUEUE_EVENTS, REPLICATION_EVENTS] : QUEUE_EVENTS;
}

/** With a bucket its notifications went too. */
async function unlessGone(planned: Promise<readonly Step[]>): Promise<readonly Step[]> {
  try {
    return await planned;
  } catch (error) {
    if (isReplicationError(error) && error.code === "NoSuchBucket") return [];
    throw error;
  }
}

async function openConfiguration({ store }: ResolvedBucket, credentialsOf: CredentialsOf): Promise<BucketConfiguration> {
  const { openBucketConfiguration } = await import("../adapters/bucket-configuration/s3.ts");
  const { endpoint, region, forcePathStyle, tls } = store;
  return openBucketConfiguration({ endpoint, region, forcePathStyle, caFile: tls.caFile, credentials: await credentialsOf(store) });
}

function sourcesOf(config: ResolvedConfig): readonly Source[] {
  const sources = new Map<string, Source>();
  for (const rule of config.rules) {
    const place = config.buckets[rule.source.id];
    if (place !== undefined) sources.set(rule.source.id, { place, events: settingsOf(config, rule).events });
  }
  return [...sources.values()];
}
