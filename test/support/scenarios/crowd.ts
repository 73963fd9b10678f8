import type { ObjectClient } from "../object-client.ts";
import { VERSIONED, type World } from "../world.ts";

const AT_ONCE = 16;

export interface Crowd {
  readonly count: number;
  /** @defaultValue "crowd/" */
  readonly prefix?: string;
  /** Told after each write that the store acknowledged. */
  readonly onWritten?: (written: number) => void;
}

/** Writes many small objects into `photos`, some at a time, and returns their keys. */
export async function fill(client: ObjectClient, { count, prefix = "crowd/", onWritten }: Crowd): Promise<string[]> {
  const keys = Array.from({ length: count }, (_, i) => `${prefix}${String(i).padStart(5, "0")}`);
  let next = 0;
  let written = 0;
  const write = async (): Promise<void> => {
    for (let key = keys[next++]; key !== undefined; key = keys[next++]) {
      await client.put("photos", key, { body: `body of ${key}` });
      onWritten?.(++written);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, write));
  return keys;
}

/** How often anything was ever written to the bucket that keeps versions. */
export async function countWrites(world: World): Promise<number> {
  return (await world.b.client.versions(VERSIONED)).length;
}
