import { type Environment, type EventsSetting, type ResolvedBucket, type ResolvedConfig, settingsOf } from "../config/resolved-config.ts";
import { isReplicationError } from "../domain/error.ts";
import type { BucketConfiguration, Notifications, QueueNotification } from "../ports/bucket-configuration.ts";
import { revealed } from "./credentials.ts";

/** One thing that has to change in the world, as `plan --json` prints it. */
export interface PlannedChange {
  readonly action: "create" | "update" | "delete";
  readonly type: "notification";
  readonly id: string;
  readonly detail: {
    readonly bucket: string;
    readonly notification: string;
    readonly queueArn: string;
    readonly events: readonly string[];
  };
}

/** A change and how it is made. */
export interface Change {
  readonly planned: PlannedChange;
  readonly make: () => Promise<void>;
}

export interface NotificationRun {
  readonly config: ResolvedConfig;
  readonly env: Environment;
  /** `absent`: what this config's name owns is to go, whatever the rules say. */
  readonly aim: "present" | "absent";
}

/** Everything that replication wants to hear of, where the target is a queue of AWS. Emulators know the names too. */
const QUEUE_EVENTS = [
  "s3:LifecycleExpiration:*",
  "s3:ObjectAcl:Put",
  "s3:ObjectCreated:*",
  "s3:ObjectRemoved:*",
  "s3:ObjectTagging:*",
] as const;
/** A store with webhooks of its own counts changes of tags among what is created, and knows no more names. */
const WEBHOOK_EVENTS = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"] as const;

interface Source {
  readonly place: ResolvedBucket;
  readonly events: EventsSetting;
}

/**
 * Finds what has to change at the notifications of the rules' sources, and hands the changes to `use`. A source that names no target, and one
 * that is polled, is left alone. Sends nothing that changes anything: that is done by the changes themselves.
 */
export async function withNotificationChanges<T>(run: NotificationRun, use: (changes: readonly Change[]) => Promise<T>): Promise<T> {
  const opened: BucketConfiguration[] = [];
  try {
    const changes: Change[] = [];
    for (const source of sourcesOf(run.config)) {
      // What is to go is found by its id: the queue may be gone already.
      const queueArn = run.aim === "absent" ? "" : await arnOf(source, run.env);
      if (queueArn === undefined) continue;
      const configuration = await open(source.place, run.env);
      opened.push(configuration);
      changes.push(...(await changesOf(run, { ...source, queueArn, configuration })));
    }
    return await use(changes);
  } finally {
    for (const configuration of opened) configuration.close();
  }
}

/** The id that tells our notification from others', at the bucket itself. */
export function notificationId(name: string): string {
  return `${name}/events`;
}

function sourcesOf(config: ResolvedConfig): readonly Source[] {
  const sources = new Map<string, Source>();
  for (const rule of config.rules) {
    const place = config.buckets[rule.source.id];
    if (place !== undefined) sources.set(rule.source.id, { place, events: settingsOf(config, rule).events });
  }
  return [...sources.values()];
}

/** Undefined where nothing is to be set up. */
async function arnOf({ place, events }: Source, env: Environment): Promise<string | undefined> {
  if (events.type === "webhook") return events.arn;
  if (events.type !== "sqs") return undefined;
  const { openQueue } = await import("../adapters/event-source/sqs-queue.ts");
  const credentials = await credentialsOf(place, env);
  const queue = await openQueue({ queueUrl: events.queueUrl, region: events.region ?? place.store.region, credentials });
  try {
    return await queue.arn();
  } finally {
    queue.close();
  }
}

async function open(place: ResolvedBucket, env: Environment): Promise<BucketConfiguration> {
  const { openBucketConfiguration } = await import("../adapters/bucket-configuration/s3.ts");
  const { endpoint, region, forcePathStyle, tls } = place.store;
  return openBucketConfiguration({ endpoint, region, forcePathStyle, caFile: tls.caFile, credentials: await credentialsOf(place, env) });
}

async function credentialsOf({ store }: ResolvedBucket, env: Environment) {
  const { createCredentialProvider } = await import("../adapters/credentials/credential-provider.ts");
  return createCredentialProvider(revealed(store.credentials), env);
}

interface Wired extends Source {
  readonly queueArn: string;
  readonly configuration: BucketConfiguration;
}

async function changesOf({ config, aim }: NotificationRun, wired: Wired): Promise<readonly Change[]> {
  const { place, queueArn, configuration, events } = wired;
  const { bucket } = place;
  const id = notificationId(config.name);
  const found = await configuration.notifications(bucket).catch((error: unknown) => {
    // Where there are no notifications there is none of ours.
    if (aim === "absent" && isReplicationError(error) && error.code === "NotImplemented") return undefined;
    throw error;
  });
  if (found === undefined) return [];
  const own = found.queues.find((queue) => queue.id === id);
  const wanted: QueueNotification = { id, queueArn, events: events.type === "sqs" ? QUEUE_EVENTS : WEBHOOK_EVENTS };
  const action = actionOf(own, found.queues, aim === "present" ? wanted : undefined);
  if (action === undefined) return [];
  const shown = action === "delete" && own !== undefined ? own : wanted;
  const detail = { bucket: bucket.name, notification: id, queueArn: shown.queueArn, events: shown.events };
  const make = async () => {
    // Read again: what others have set up meanwhile must not be lost (invariant 12).
    const now = await configuration.notifications(bucket);
    await configuration.putNotifications(bucket, merged(now, id, action === "delete" ? undefined : wanted));
  };
  return [{ planned: { action, type: "notification", id: `${bucket.name}:${id}`, detail }, make }];
}

/** Undefined: nothing has to change. Others' notification that says the same is as good as ours. */
function actionOf(
  own: QueueNotification | undefined,
  all: readonly QueueNotification[],
  wanted: QueueNotification | undefined,
): PlannedChange["action"] | undefined {
  if (wanted === undefined) return own === undefined ? undefined : "delete";
  if (own !== undefined) return isSame(own, wanted) ? undefined : "update";
  return all.some((other) => covers(other, wanted)) ? undefined : "create";
}

function isSame(own: QueueNotification, wanted: QueueNotification): boolean {
  return covers(own, wanted) && own.events.length === wanted.events.length;
}

/** A filter may leave keys out, so one with a filter covers nothing. */
function covers({ queueArn, events, filter }: QueueNotification, wanted: QueueNotification): boolean {
  if (queueArn !== wanted.queueArn || !isEmpty(filter)) return false;
  return wanted.events.every((name) => events.includes(name));
}

function isEmpty(filter: unknown): boolean {
  const rules = (filter as { readonly Key?: { readonly FilterRules?: readonly unknown[] } } | undefined)?.Key?.FilterRules;
  return rules === undefined || rules.length === 0;
}

function merged({ queues, others }: Notifications, id: string, wanted: QueueNotification | undefined): Notifications {
  const foreign = queues.filter((queue) => queue.id !== id);
  return { queues: wanted === undefined ? foreign : [...foreign, wanted], others };
}
