import type { Bucket } from "../../domain/bucket.ts";
import { isReplicationError, type ReplicationError } from "../../domain/error.ts";
import type { BucketConfiguration, Notifications, QueueNotification } from "../../ports/bucket-configuration.ts";
import type { Clock } from "../../ports/clock.ts";
import type { PlannedChange, Step } from "../change.ts";
import { patiently } from "../patience.ts";

export interface NotificationWish {
  /** `name` of the config. */
  readonly name: string;
  readonly bucket: Bucket;
  readonly configuration: BucketConfiguration;
  /** Undefined: there is to be none of ours. */
  readonly target: NotificationTarget | undefined;
  /** The bucket is made before. @defaultValue false */
  readonly isComing?: boolean | undefined;
  /** Without a target: one of ours goes only where it tells this queue. */
  readonly ofQueue?: string | undefined;
}

export interface NotificationTarget {
  /** Undefined: it is made first. */
  readonly queueArn: string | undefined;
  readonly events: readonly string[];
  /** Where the target itself is made or changed first: how to tell of it, and how to find it then. */
  readonly fresh?: FreshTarget | undefined;
}

export interface FreshTarget {
  readonly queue: string;
  /** The same as `queueArn`, once it is there. */
  readonly arn: () => Promise<string>;
  readonly clock: Clock;
}

/** The id that tells our notification from others', at the bucket itself. */
export function notificationId(name: string): string {
  return `${name}/events`;
}

/** Finds what has to change at the notifications of one bucket. Others' stay as they are. */
export async function planNotification(wish: NotificationWish): Promise<readonly Step[]> {
  const { name, bucket, target, ofQueue } = wish;
  const id = notificationId(name);
  const found = await look(wish);
  const own = found.queues.find((queue) => queue.id === id && (ofQueue === undefined || queue.queueArn.endsWith(`:${ofQueue}`)));
  const action = actionOf(own, found.queues, target);
  if (action === undefined) return [];
  const { queueArn, events = [] } = target ?? own ?? {};
  const detail = {
    bucket: bucket.name,
    notification: id,
    ...(queueArn === undefined ? { queue: target?.fresh?.queue } : { queueArn }),
    events,
  };
  const make = () => put(wish, id);
  return [{ changes: [{ action, type: "notification", id: `${bucket.name}:${id}`, detail }], make }];
}

/** Where there can be no notifications there is none of ours. */
async function look({ bucket, configuration, target, isComing = false }: NotificationWish): Promise<Notifications> {
  try {
    return await configuration.notifications(bucket);
  } catch (error) {
    const code = isReplicationError(error) ? error.code : undefined;
    if ((target === undefined && code === "NotImplemented") || (isComing && code === "NoSuchBucket")) return { queues: [], others: {} };
    throw error;
  }
}

/** Tells the bucket, waiting where S3 may not know yet that it may send to the target. */
async function put({ bucket, configuration, target }: NotificationWish, id: string): Promise<void> {
  const queueArn = target?.queueArn ?? (await target?.fresh?.arn());
  const wanted = target === undefined || queueArn === undefined ? undefined : { id, queueArn, events: target.events };
  const write = async () => {
    // Read again: what others have set up meanwhile must not be lost.
    const now = await configuration.notifications(bucket);
    await configuration.putNotifications(bucket, merged(now, id, wanted));
  };
  const clock = target?.fresh?.clock;
  await (clock === undefined ? write() : patiently(write, isUnvalidated, clock));
}

/** S3 tries whether it may send; what was just allowed it may not know for a minute. */
function isUnvalidated({ code, message }: ReplicationError): boolean {
  return code === "InvalidRequest" && message.includes("Unable to validate the following destination configurations");
}

/** Undefined: nothing has to change. Others' notification that says the same is as good as ours. */
function actionOf(
  own: QueueNotification | undefined,
  all: readonly QueueNotification[],
  target: NotificationTarget | undefined,
): PlannedChange["action"] | undefined {
  if (target === undefined) return own === undefined ? undefined : "delete";
  if (own !== undefined) return isSame(own, target) ? undefined : "update";
  return all.some((other) => covers(other, target)) ? undefined : "create";
}

function isSame(own: QueueNotification, target: NotificationTarget): boolean {
  return covers(own, target) && own.events.length === target.events.length;
}

/** A filter may leave keys out, so one with a filter covers nothing. */
function covers({ queueArn, events, filter }: QueueNotification, target: NotificationTarget): boolean {
  if (queueArn !== target.queueArn || !isEmpty(filter)) return false;
  return target.events.every((name) => events.includes(name));
}

function isEmpty(filter: unknown): boolean {
  const rules = (filter as { readonly Key?: { readonly FilterRules?: readonly unknown[] } } | undefined)?.Key?.FilterRules;
  return rules === undefined || rules.length === 0;
}

function merged({ queues, others }: Notifications, id: string, wanted: QueueNotification | undefined): Notifications {
  const foreign = queues.filter((queue) => queue.id !== id);
  return { queues: wanted === undefined ? foreign : [...foreign, wanted], others };
}
