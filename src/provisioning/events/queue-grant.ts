import type { Bucket } from "../../domain/bucket.ts";
import { isReplicationError, ReplicationError } from "../../domain/error.ts";
import type { PolicyDocument, PolicyStatement } from "../../domain/policy-document.ts";
import type { Clock } from "../../ports/clock.ts";
import type { QueueConfiguration, QueueFacts } from "../../ports/queue-configuration.ts";
import type { Step } from "../change.ts";
import { patiently } from "../patience.ts";
import { type MergedStatements, mergeStatements } from "../policies/bucket-policy.ts";
import { letsSend, S3_SERVICE, type Sender, sendStatement } from "../policies/queue-policy.ts";
import { accountIn, bucketArnIn, queueSidOf } from "./queue-names.ts";

/** A bucket that is to send its events. */
export interface QueueSource {
  readonly bucket: Bucket;
  /** That has the bucket; undefined: the queue's. */
  readonly account: string | undefined;
}

/** Where queues are, and for whom. */
export interface QueuePlace {
  /** `name` of the config. */
  readonly name: string;
  readonly queues: QueueConfiguration;
  readonly region: string;
  readonly clock: Clock;
}

/** A queue that is there. */
export interface SeenQueue extends QueueFacts {
  readonly url: string;
}

/** One queue, and who is to be let send to it. */
export interface Grant {
  readonly place: QueuePlace;
  /** As it is told of. */
  readonly queue: string;
  readonly look: () => Promise<SeenQueue | undefined>;
  readonly sources: readonly QueueSource[];
}

/** The steps by which the queue's policy gets our one statement, or has it put right; none where it is so. Others' statements stay. */
export function grantSteps(found: SeenQueue, grant: Grant): readonly Step[] {
  if (merged(found, grant).isSame) return [];
  return [grantStep(hasOurs(found, grant.place.name) ? "update" : "create", grant)];
}

/** A step that waits for a queue which was made a moment ago. */
export function grantStep(action: "create" | "update", grant: Grant): Step {
  const { queue, sources } = grant;
  const detail = { queue, allows: S3_SERVICE, sources: sources.map(({ bucket }) => bucket.name) };
  const make = async () => {
    // Read again: what others have written meanwhile must not be lost.
    const now = await awaitQueue(grant);
    const { policy, isSame } = merged(now, grant);
    if (!isSame) await put(now, policy, grant);
  };
  return { changes: [{ action, type: "policy", id: queue, detail }], make };
}

/** The queue as it is. @throws `InvalidRequest` where it is not there, nor comes to be seen */
export function awaitQueue({ look, queue, place }: Pick<Grant, "look" | "queue" | "place">): Promise<SeenQueue> {
  const isThere = async () => {
    const found = await look();
    if (found === undefined)
      throw new ReplicationError("InvalidRequest", `there is no queue ${queue} in ${place.region}`, { hint: "apply again" });
    return found;
  };
  return patiently(isThere, ({ code }) => code === "InvalidRequest", place.clock);
}

/** Whether S3 may send the events of all of them already, by whatever statements. */
export function isGranted({ arn, policy }: SeenQueue, { place, sources }: Pick<Grant, "place" | "sources">): boolean {
  const senders = sendersOf(sources, { arn, region: place.region });
  return senders.every(({ bucketArn, account }) => letsSend(policy, { service: S3_SERVICE, queueArn: arn, sourceArn: bucketArn, account }));
}

export function hasOurs({ arn, policy }: SeenQueue, name: string): boolean {
  return policy?.Statement.some(({ Sid }) => Sid === queueSidOf(name, arn)) === true;
}

/** What a queue's policy has to say. */
export function statementFor({ place, sources }: Pick<Grant, "place" | "sources">, arn: string): PolicyStatement {
  return sendStatement(place.name, arn, sendersOf(sources, { arn, region: place.region }));
}

function merged({ arn, policy }: SeenQueue, grant: Grant): MergedStatements {
  const sid = queueSidOf(grant.place.name, arn);
  return mergeStatements(policy, { owned: (one) => one === sid, wanted: [statementFor(grant, arn)] });
}

async function put({ url, arn }: SeenQueue, policy: PolicyDocument | undefined, grant: Grant): Promise<void> {
  try {
    await grant.place.queues.putPolicy(url, policy);
  } catch (cause) {
    if (!isReplicationError(cause) || cause.code !== "AccessDenied") throw cause;
    const hint = `allow sqs:SetQueueAttributes on the queue, or add to its policy ${JSON.stringify(statementFor(grant, arn))}`;
    throw new ReplicationError("AccessDenied", cause.message, { at: cause.at, hint, cause });
  }
}

function sendersOf(sources: readonly QueueSource[], { arn, region }: { readonly arn: string; readonly region: string }): readonly Sender[] {
  return sources.map(({ bucket, account = accountIn(arn) }) => ({ bucketArn: bucketArnIn(region, bucket), account }));
}
