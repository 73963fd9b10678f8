import { isReplicationError, type ReplicationError } from "../domain/error.ts";
import type { Clock } from "../ports/clock.ts";

/** SQS gives a minute for what it is told to be known everywhere. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html */
const PATIENCE_MS = 90_000;
const BETWEEN_TRIES_MS = 3_000;

/** "Bucket configurations have an eventual consistency model." https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel */
const LATE_MS = 15_000;
const BETWEEN_READS_MS = 1_000;

/** Reads what was just written, again for some seconds while it reads as it was before; then what it reads is what there is. */
export async function readBack<T>(read: () => Promise<T>, isOld: (found: T) => boolean, clock: Clock): Promise<T> {
  const until = clock.now() + LATE_MS;
  for (;;) {
    const found = await read();
    if (!isOld(found) || clock.now() >= until) return found;
    await clock.sleep(BETWEEN_READS_MS);
  }
}

/** Does the work, again for a minute and a half where it is refused only because what was just made is not known everywhere yet. */
export async function patiently<T>(work: () => Promise<T>, isTooEarly: (error: ReplicationError) => boolean, clock: Clock): Promise<T> {
  const until = clock.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isReplicationError(error) || !isTooEarly(error) || clock.now() >= until) throw error;
    }
    await clock.sleep(BETWEEN_TRIES_MS);
  }
}
