import { createHash } from "node:crypto";
import { type Bucket, partitionOf } from "../../domain/bucket.ts";
import { NAME_TAG, SOURCE_TAG, sidOf } from "../names.ts";

/** Longest name of a queue. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html */
const QUEUE_NAME_LENGTH = 80;
const HASH_LENGTH = 10;

/**
 * Name of the queue that takes the events of a bucket: the same wherever it is made up, so that whoever reads from it needs no address. What
 * does not fit is cut from the bucket's; the hash tells one from the other.
 */
export function queueNameOf(name: string, { bucket }: Pick<Bucket, "bucket">): string {
  const hash = createHash("sha256")
    .update(JSON.stringify([name, bucket]))
    .digest("hex")
    .slice(0, HASH_LENGTH);
  const room = QUEUE_NAME_LENGTH - HASH_LENGTH - name.length - 2;
  const middle = bucket.replace(/[^\w-]/g, "-").slice(0, Math.max(0, room));
  return `${name}-${middle.replace(/-+$/, "")}-${hash}`;
}

/** Begins the names of all queues of a config, and those of others too: what is ours is told by {@link isOwnQueue}. */
export function queuePrefixOf(name: string): string {
  return `${name}-`;
}

export function queueTagsOf(name: string, source: Bucket): Readonly<Record<string, string>> {
  return { [NAME_TAG]: name, [SOURCE_TAG]: source.id };
}

export function isOwnQueue(name: string, tags: Readonly<Record<string, string>>): boolean {
  return tags[NAME_TAG] === name;
}

/** The bucket whose events a queue of ours takes, by its tags. */
export function sourceOfQueue(tags: Readonly<Record<string, string>>): string | undefined {
  return tags[SOURCE_TAG];
}

/** Sid of the one statement of ours in a queue's policy. */
export function queueSidOf(name: string, queueArn: string): string {
  return sidOf(name, queueArn, "events");
}

/** arn:partition:s3:::bucket, as S3 says it to the queue. */
export function bucketArnIn(region: string, { bucket }: Pick<Bucket, "bucket">): string {
  return `arn:${partitionOf(region)}:s3:::${bucket}`;
}

/** The last part of a queue's URL. */
export function nameOfQueue(url: string): string {
  return url.slice(url.lastIndexOf("/") + 1);
}

/** The ARN of a queue by its URL, which ends in its account and its name; undefined where it ends otherwise. */
export function queueArnOf(url: string, region: string): string | undefined {
  const [, account, queue] = /\/(\d{12})\/([\w-]+(?:\.fifo)?)\/?$/.exec(url) ?? [];
  return queue === undefined ? undefined : `arn:${partitionOf(region)}:sqs:${region}:${account}:${queue}`;
}

export function accountIn(arn: string): string {
  return arn.split(":")[4] ?? "";
}
