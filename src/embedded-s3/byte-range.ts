import { S3Error } from "./s3-error.ts";

/** A range as it is asked for: from `first` to `last` inclusive (open: to the end), or the last `suffix` bytes. */
export type ByteRange = { readonly first: number; readonly last?: number | undefined } | { readonly suffix: number };

/** A range that exists, its end excluded. */
export interface ByteSpan {
  readonly start: number;
  readonly end: number;
}

/** Reads a Range header; undefined for what is to be ignored: another unit, several ranges, nonsense. */
export function parseRange(header: string): ByteRange | undefined {
  const found = /^bytes=(\d*)-(\d*)$/.exec(header.trim());
  if (found === null) return undefined;
  const [, first = "", last = ""] = found;
  if (first === "") return last === "" ? undefined : { suffix: Number(last) };
  if (last === "") return { first: Number(first) };
  return Number(last) < Number(first) ? undefined : { first: Number(first), last: Number(last) };
}

/** Finds the bytes that a range means in an object; what begins after the end is refused with 416. */
export function resolveRange(range: ByteRange, sizeBytes: number): ByteSpan {
  const start = "suffix" in range ? Math.max(0, sizeBytes - range.suffix) : range.first;
  const end = "suffix" in range ? sizeBytes : Math.min(sizeBytes, (range.last ?? sizeBytes - 1) + 1);
  if (start < end) return { start, end };
  throw new S3Error("InvalidRange", undefined, { sizeBytes, details: { ActualObjectSize: String(sizeBytes) } });
}
