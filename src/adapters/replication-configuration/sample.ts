import type { ListObjectsV2CommandOutput } from "@aws-sdk/client-s3";

type Page = Pick<ListObjectsV2CommandOutput, "Contents" | "IsTruncated">;

/** S3 lists by key alone: places all over the key space find newer objects than its beginning does. */
const PLACES = ["0", "2", "4", "8", "A", "G", "N", "U", "a", "e", "i", "m", "q", "u", "x"];

/** Keys of the newest objects among those that a few pages of a listing show, newest first. All of them where one page holds the bucket. */
export async function newestObjects(list: (startAfter: string) => Promise<Page>, count: number): Promise<readonly string[]> {
  const first = await list("");
  const others = first.IsTruncated ? await Promise.all(PLACES.map(list)) : [];
  const modified = new Map<string, number>();
  for (const { Contents = [] } of [first, ...others])
    for (const { Key, LastModified } of Contents) if (Key !== undefined) modified.set(Key, LastModified?.getTime() ?? 0);
  const newest = [...modified].toSorted(([, a], [, b]) => b - a);
  return newest.slice(0, count).map(([key]) => key);
}
