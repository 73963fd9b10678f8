import type { Bucket } from "../domain/bucket.ts";
import { isReplicationError } from "../domain/error.ts";
import type { BucketConfiguration, Notifications, QueueNotification } from "../ports/bucket-configuration.ts";
import type { PlannedChange, Step } from "./change.ts";

export interface NotificationWish {
  /** `name` of the config. */
  readonly name: string;
  readonly bucket: Bucket;
  readonly configuration: BucketConfiguration;
  /** Undefined: there is to be none of ours. */
  readonly target: { readonly queueArn: string; readonly events: readonly string[] } | undefined;
}

/** The id that tells our notification from others', at the bucket itself. */
export function notificationId(name: string): string {
  return `${name}/events`;
}

/** Finds what has to change at the notifications of one bucket. Others' stay as they are. */
export async function planNotification(wish: NotificationWish): Promise<readonly Step[]> {
  const { name, bucket, configuration, target } = wish;
  const id = notificationId(name);
  const found = await configuration.notifications(bucket).catch((error: unknown) => {
    // Where there are no notifications there is none of ours.
    if (target === undefined && isReplicationError(error) && error.code === "NotImplemented") return undefined;
    throw error;
  });
  if (found === undefined) return [];
  const own = found.queues.find((queue) => queue.id === id);
  const wanted = target === undefined ? undefined : { id, ...target };
  const action = actionOf(own, found.queues, wanted);
  const shown = wanted ?? own;
  if (action === undefined || shown === undefined) return [];
  const detail = { bucket: bucket.name, notification: id, queueArn: shown.queueArn, events: shown.events };
  const make = async () => {
    // Read again: what others have set up meanwhile must not be lost.
    const now = await configuration.notifications(bucket);
    await configuration.putNotifications(bucket, merged(now, id, wanted));
  };
  return [{ changes: [{ action, type: "notification", id: `${bucket.name}:${id}`, detail }], make }];
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
