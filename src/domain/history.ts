/**
 * What a content descends from: for each bucket that clients wrote the key at, a number that grows with every such write there.
 *
 * A version vector. The numbers are at least the write's LastModified in seconds at that bucket, so that they also order when everything
 * but the objects was lost; they are only ever compared with numbers of the same bucket, never across clocks.
 */
export type History = Readonly<Record<string, number>>;

export type HistoryOrder = "equal" | "newer" | "older" | "concurrent";

/** How `a` stands to `b`: `newer` where it descends from it, `concurrent` where each knows of a write that the other does not. */
export function compareHistories(a: History, b: History): HistoryOrder {
  const ahead = Object.entries(a).some(([bucket, count]) => count > (b[bucket] ?? 0));
  const behind = Object.entries(b).some(([bucket, count]) => count > (a[bucket] ?? 0));
  if (ahead) return behind ? "concurrent" : "newer";
  return behind ? "older" : "equal";
}

/** The history of a content that a client wrote at `bucket` over one with history `over`. `time`: milliseconds, by the bucket's clock. */
export function writtenAt(bucket: string, time: number, over: History = {}): History {
  return { ...over, [bucket]: Math.max((over[bucket] ?? 0) + 1, Math.floor(time / 1000)) };
}

/** The least history that descends from both. */
export function mergeHistories(a: History, b: History): History {
  const merged: Record<string, number> = { ...a };
  for (const [bucket, count] of Object.entries(b)) merged[bucket] = Math.max(merged[bucket] ?? 0, count);
  return merged;
}
