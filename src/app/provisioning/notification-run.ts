import type { EventsSetting, ResolvedBucket, ResolvedConfig } from "../../config/resolved-config.ts";
import type { Bucket } from "../../domain/bucket.ts";
import type { Problem, Step } from "../../provisioning/change.ts";
import type { QueueSource } from "../../provisioning/events/queue-grant.ts";
import type { BucketPorts } from "./bucket-ports.ts";
import type { QueuePorts } from "./queues.ts";

export interface NotificationRun {
  readonly config: ResolvedConfig;
  /** `absent`: what this config's name owns is to go, whatever the rules say. */
  readonly aim: "present" | "absent";
  readonly buckets: BucketPorts;
  readonly queues: QueuePorts;
  /** Which sources it is about; undefined: all, also those that the config names no more. */
  readonly includes: ((source: Bucket) => boolean) | undefined;
}

export interface NotificationPlan {
  readonly steps: readonly Step[];
  readonly problems: readonly Problem[];
  readonly notes: readonly string[];
}

/** A bucket whose changes rules want to hear of. */
export interface EventfulSource extends QueueSource {
  readonly place: ResolvedBucket;
  readonly events: EventsSetting;
}
