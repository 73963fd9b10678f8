import type { HeldObject } from "./holding.ts";

/** What one bucket held when two contents met that know nothing of each other. */
export interface ConflictSide {
  /** Canonical id of the bucket. */
  readonly bucket: string;
  readonly key: string;
  /** Null: deleted. */
  readonly object: HeldObject | null;
  /** Where and when a client wrote it; milliseconds since the epoch. */
  readonly origin: string;
  readonly originTime: number;
}

/** Two contents of one key, and which of them stays. */
export interface Conflict {
  readonly id: string;
  readonly rule: string;
  /** The source key. */
  readonly key: string;
  readonly sides: readonly [ConflictSide, ConflictSide];
  /** Canonical id of the bucket whose side won; null while a person has to say. */
  readonly winner: string | null;
  readonly resolvedBy: "newest" | "priority" | "person" | null;
  readonly detectedAt: number;
  readonly resolvedAt: number | null;
}
