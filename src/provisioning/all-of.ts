import { Semaphore } from "../lib/semaphore.ts";

/** AWS slows those down who ask for everything at once. */
const AT_ONCE = 8;

/** Does the work for all items, a few at a time; what it came to, in their order. */
export function allOf<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const semaphore = new Semaphore(AT_ONCE);
  return Promise.all(items.map((item) => semaphore.run(() => work(item))));
}
