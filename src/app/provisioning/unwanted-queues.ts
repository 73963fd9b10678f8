import type { ResolvedBucket, ResolvedStore } from "../../config/resolved-config.ts";
import { isReplicationError, type ReplicationError } from "../../domain/error.ts";
import { planNotification } from "../../provisioning/events/plan-notifications.ts";
import { findUnwantedQueues, type UnwantedQueue } from "../../provisioning/events/plan-queues.ts";
import { queueNameOf } from "../../provisioning/events/queue-names.ts";
import { systemClock } from "../system-clock.ts";
import type { EventfulSource, NotificationPlan, NotificationRun } from "./notification-run.ts";

export interface UnwantedRun extends NotificationRun {
  /** All sources of the config. */
  readonly sources: readonly EventfulSource[];
}

/**
 * Finds the queues of this config's name that no source needs, wherever its buckets are, and the notifications that still tell them. Where the
 * queues may not be listed that is told only where some of them are known to be ours: others need no right to any queue.
 */
export async function planUnwantedQueues(run: UnwantedRun): Promise<NotificationPlan> {
  const plans: NotificationPlan[] = [];
  for (const site of sitesOf(run)) {
    try {
      plans.push(await planSite(site, run));
    } catch (error) {
      if (!isReplicationError(error) || (site.hasOurs && error.code !== "AccessDenied")) throw error;
      if (site.hasOurs || run.aim === "absent") plans.push({ ...NOTHING, notes: [unseenNote(error, site)] });
    }
  }
  return { ...NOTHING, steps: plans.flatMap(({ steps }) => steps), notes: plans.flatMap(({ notes }) => notes) };
}

/** One region, with the credentials of one store. */
interface Site {
  readonly store: ResolvedStore;
  /** Of queues. */
  readonly region: string;
  /** A source there uses a queue of ours. */
  readonly hasOurs: boolean;
}

const NOTHING: NotificationPlan = { steps: [], problems: [], notes: [] };

/**
 * Where there may be queues of ours: where a source says that there is one, and wherever there is a bucket on AWS. A run that is about some sources
 * alone knows of no others, and takes none away while its own are to stay.
 */
function sitesOf({ config, aim, sources, includes }: UnwantedRun): readonly Site[] {
  if (aim === "present" && includes !== undefined) return [];
  const ours = sources.filter(({ bucket, events }) => usesOurs(events) && (includes === undefined || includes(bucket)));
  const certain = ours.map(({ place: { store }, events }) => ({ store, region: regionOf(events) ?? store.region, hasOurs: true }));
  const buckets = includes === undefined ? Object.values(config.buckets).filter(({ store }) => store.isAws) : [];
  const possible = buckets.map(({ store }) => ({ store, region: store.region, hasOurs: false }));
  return [...new Map([...possible, ...certain].map((site) => [`${site.store.alias} ${site.region}`, site])).values()];
}

async function planSite({ store, region }: Site, run: UnwantedRun): Promise<NotificationPlan> {
  const { config, queues } = run;
  const place = { name: config.name, queues: await queues.at(store, region), region, clock: systemClock };
  const unwanted = await findUnwantedQueues(place, wantedBy(run));
  const plans: NotificationPlan[] = [];
  for (const one of unwanted) plans.push(await planRemoval(one, placeOf(one, store, run), run));
  return { ...NOTHING, steps: plans.flatMap(({ steps }) => steps), notes: plans.flatMap(({ notes }) => notes) };
}

/** A run that is about some sources alone leaves all queues but theirs to whoever they are about. */
function wantedBy({ config, aim, sources, includes }: UnwantedRun): (queue: string) => boolean {
  const queuesOf = (some: readonly EventfulSource[]) => new Set(some.map(({ bucket }) => queueNameOf(config.name, bucket)));
  if (aim === "present") {
    const wanted = queuesOf(sources.filter(({ events }) => usesOurs(events)));
    return (queue) => wanted.has(queue);
  }
  const unwanted = includes === undefined ? undefined : queuesOf(sources.filter(({ bucket }) => includes(bucket)));
  return (queue) => unwanted !== undefined && !unwanted.has(queue);
}

/** No queue goes before its bucket tells it no more: S3 refuses further changes at a bucket that tells a queue which is gone. */
async function planRemoval({ queue, step }: UnwantedQueue, place: ResolvedBucket | undefined, run: UnwantedRun): Promise<NotificationPlan> {
  // What a source is told to do is seen to with the source.
  const isSeenTo = place === undefined || run.sources.some((source) => source.bucket.id === place.bucket.id && isSet(source, run));
  if (isSeenTo) return { ...NOTHING, steps: [step] };
  const { config, buckets } = run;
  const wish = { name: config.name, bucket: place.bucket, configuration: await buckets.at(place), target: undefined, ofQueue: queue };
  try {
    return { ...NOTHING, steps: [...(await planNotification(wish)), step] };
  } catch (error) {
    if (!isReplicationError(error) || (error.code !== "NoSuchBucket" && error.code !== "AccessDenied")) throw error;
    if (error.code === "NoSuchBucket") return { ...NOTHING, steps: [step] };
    return { ...NOTHING, notes: [`the queue ${queue} is not removed: ${error.message}`] };
  }
}

/** Whether the notification of a source is planned with it: as its target, or as one that goes. */
function isSet({ events }: EventfulSource, { aim }: UnwantedRun): boolean {
  return aim === "absent" || events.type === "sqs" || (events.type === "webhook" && events.arn !== undefined);
}

/** The bucket that a queue of ours was made for; one that the config names no more is with the queue's store. */
function placeOf({ sourceId }: UnwantedQueue, store: ResolvedStore, { config }: UnwantedRun): ResolvedBucket | undefined {
  if (sourceId === undefined) return undefined;
  const known = config.buckets[sourceId];
  if (known !== undefined) return known;
  const bucket = sourceId.slice(sourceId.lastIndexOf("/") + 1);
  return { bucket: { id: sourceId, name: `${store.alias}:${bucket}`, store: store.alias, bucket }, store };
}

function usesOurs(events: EventfulSource["events"]): boolean {
  return events.type === "sqs" && events.queueUrl === undefined;
}

function regionOf(events: EventfulSource["events"]): string | undefined {
  return events.type === "sqs" ? events.region : undefined;
}

function unseenNote({ message }: ReplicationError, { region }: Site): string {
  return `queues of ours in ${region} that nobody needs any more were not looked for: ${message}`;
}
