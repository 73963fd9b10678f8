import type { ReplicationError } from "./error.ts";

/** How often and how long apart an attempt is repeated. Milliseconds. */
export interface RetryPolicy {
  readonly maxAttempts: number;
  readonly initialMs: number;
  readonly maxMs: number;
}

/**
 * Returns how long to wait before the next attempt, in milliseconds, or undefined where there is none: the error is permanent or `attempts`
 * (made so far, this one included) are used up. Exponential with full jitter; a store's Retry-After is the least.
 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export function retryDelay(
  policy: RetryPolicy,
  failure: { readonly error: ReplicationError; readonly attempts: number },
  random: () => number,
): number | undefined {
  const { error, attempts } = failure;
  if (error.disposition === "permanent" || attempts >= policy.maxAttempts) return undefined;
  const ceiling = Math.min(policy.maxMs, policy.initialMs * 2 ** Math.min(attempts - 1, 30));
  return Math.max(error.retryAfterMs ?? 0, Math.round(random() * ceiling));
}
