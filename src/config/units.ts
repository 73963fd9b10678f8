const DURATION_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const SIZE_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
};

/** Returns the milliseconds of `500ms 30s 10m 24h 7d`, or undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const found = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  return scaled(found?.[1], DURATION_MS[found?.[2] ?? ""]);
}

/** Returns the bytes of `4096`, `64MiB`, `1GB`, `1TiB` (decimal or binary unit, any case), or undefined for anything else. */
export function parseSize(text: string): number | undefined {
  const found = /^(\d+(?:\.\d+)?)\s?([KMGT]i?B|B)?$/i.exec(text);
  return scaled(found?.[1], SIZE_BYTES[(found?.[2] ?? "B").toUpperCase()]);
}

/** Returns the bytes per second of `500MiB/s`, or undefined for anything else. */
export function parseRate(text: string): number | undefined {
  return text.endsWith("/s") ? parseSize(text.slice(0, -2)) : undefined;
}

/** Prints milliseconds in the largest unit that holds them exactly: `24h`, `90s`. */
export function formatDuration(ms: number): string {
  for (const unit of ["d", "h", "m", "s"]) {
    const size = DURATION_MS[unit] ?? 1;
    if (ms >= size && ms % size === 0 && !(unit === "d" && ms === size)) return `${ms / size}${unit}`;
  }
  return `${ms}ms`;
}

function scaled(number: string | undefined, unit: number | undefined): number | undefined {
  if (number === undefined || unit === undefined) return undefined;
  const value = Math.round(Number(number) * unit);
  return Number.isSafeInteger(value) ? value : undefined;
}
