import type { Holding, Intent } from "../../domain/holding.ts";
import { compareKeys } from "../../domain/object.ts";
import type { Holdings, Known } from "../../ports/state.ts";
import { holdingPlace, type Memory, type MemoryRows } from "./rows.ts";

/** How long an intent that nobody closed is kept after it expired, in milliseconds. */
const EXPIRED_KEPT_MS = 7 * 86_400_000;

export class MemoryHoldings implements Holdings {
  readonly #memory: Memory;

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  async known(bucket: string, key: string): Promise<Known> {
    const { holdings, intents } = this.#memory.rows;
    const open = [...intents.values()].filter((intent) => intent.bucket === bucket && intent.key === key);
    const { holding, revision = 0, deletedAt = null } = holdings.get(holdingPlace(bucket, key)) ?? {};
    return { holding, revision, deletedAt, intents: open.sort(byExpiry) };
  }

  async observe(holdings: readonly Holding[], closes: readonly string[] = []): Promise<boolean> {
    const stored = storeHoldings(this.#memory.rows, holdings);
    if (stored) for (const id of closes) this.#memory.rows.intents.delete(id);
    return stored;
  }

  async announce(intent: Intent, revision: number, now: number): Promise<boolean> {
    const { rows } = this.#memory;
    if (!isOf(rows, intent, revision)) return false;
    for (const other of rows.intents.values()) {
      const excludes = other.id !== intent.id && other.bucket === intent.bucket && other.key === intent.key && other.expiresAt > now;
      if (excludes) return false;
    }
    for (const { id, expiresAt } of rows.intents.values()) if (expiresAt <= now - EXPIRED_KEPT_MS) rows.intents.delete(id);
    rows.intents.set(intent.id, intent);
    raise(rows, intent);
    return true;
  }

  async withdraw(id: string): Promise<void> {
    this.#memory.rows.intents.delete(id);
  }

  async abandon(id: string, now: number): Promise<void> {
    abandon(this.#memory.rows, id, now);
  }

  async noteDelete(bucket: string, key: string, at: number): Promise<void> {
    raise(this.#memory.rows, { bucket, key }, at);
  }

  async forgetBucket(bucket: string): Promise<void> {
    const { holdings, intents } = this.#memory.rows;
    for (const [place, holding] of holdings) if (holding.bucket === bucket) holdings.delete(place);
    for (const [id, intent] of intents) if (intent.bucket === bucket) intents.delete(id);
  }
}

/** Lets an intent expire. */
export function abandon({ intents }: MemoryRows, id: string, now: number): void {
  const intent = intents.get(id);
  if (intent !== undefined) intents.set(id, { ...intent, expiresAt: Math.min(intent.expiresAt, now) });
}

/** Stores all of them with their next revisions, or none where one is not of its revision any more. */
export function storeHoldings(rows: MemoryRows, holdings: readonly Holding[]): boolean {
  if (!holdings.every((holding) => isOf(rows, holding, holding.revision))) return false;
  for (const holding of holdings) {
    const { bucket, key } = holding;
    const revision = holding.revision + 1;
    rows.holdings.set(holdingPlace(bucket, key), { bucket, holding: { ...holding, revision }, revision, deletedAt: null });
  }
  return true;
}

/** What was read before this cannot be stored after it. Deletes are announced late and in any order: of several the latest stays. */
function raise(
  rows: MemoryRows,
  { bucket, key }: { readonly bucket: string; readonly key: string },
  deletedAt: number | null = null,
): void {
  const place = holdingPlace(bucket, key);
  const before = rows.holdings.get(place);
  const revision = (before?.revision ?? 0) + 1;
  const holding = before?.holding && { ...before.holding, revision };
  const noted = [before?.deletedAt ?? null, deletedAt].filter((at) => at !== null);
  rows.holdings.set(place, { bucket, holding, revision, deletedAt: noted.length === 0 ? null : Math.max(...noted) });
}

/** What was never stored is of revision 0. */
function isOf(rows: MemoryRows, { bucket, key }: { readonly bucket: string; readonly key: string }, revision: number): boolean {
  return (rows.holdings.get(holdingPlace(bucket, key))?.revision ?? 0) === revision;
}

function byExpiry(a: Intent, b: Intent): number {
  return a.expiresAt - b.expiresAt || compareKeys(a.id, b.id);
}
