import type { AttemptCells, Cell, HintCells, LaneNumber, ReplicaCells, TaskCells } from "./cells.ts";
import type { NoteName } from "./notes.ts";
import type { LedgerErrorCells } from "./sqlite-error.ts";

/**
 * What the main thread and the writer's thread say to each other: one batch, one reply, never two batches at once. Both travel as JSON
 * text, which costs half of what the structured clone of the same arrays costs.
 */
export const WANT = 0;
export const RECORD = 1;
export const ADOPT = 2;
export const NOTE = 3;

export type WantOp = readonly [
  op: typeof WANT,
  route: number,
  key: string,
  generation: number,
  lane: LaneNumber,
  eventTime: number | null,
  wantedAt: number,
  /** 1 while the key is being worked on: what is wanted from now on is another change. */
  inWork: 0 | 1,
  hint: HintCells,
];

export type RecordOp = readonly [
  op: typeof RECORD,
  route: number,
  key: string,
  /** The generation captured by the claim. */
  wanted: number,
  /** What orders the row if it stays. */
  generation: number,
  /** Null: the task is done with. */
  postponed: PostponedCells | null,
  attempt: AttemptCells,
  replica: ReplicaCells | null,
];
export type PostponedCells = readonly [notBefore: number, attempts: number, firstFailedAt: number | null];

export type AdoptOp = readonly [op: typeof ADOPT, route: number, key: string, attempt: AttemptCells, replica: ReplicaCells | null];
export type NoteOp = readonly [op: typeof NOTE, name: NoteName, parameters: readonly Cell[]];
export type Op = WantOp | RecordOp | AdoptOp | NoteOp;

export type RouteCells = readonly [id: number, rule: string, source: string, destination: string];

/** Committed as one transaction, in this order. */
export type Batch = readonly [generation: number, routes: readonly RouteCells[], ops: readonly Op[]];

/** The task rows as they are now, for the operations (by index) that found or left one; or why nothing was committed. */
export type Reply = { readonly rows: readonly (readonly [index: number, row: TaskCells])[] } | { readonly error: LedgerErrorCells };

export type ToWriter = { readonly batch: string } | { readonly close: true };
export type FromWriter = { readonly reply: string } | { readonly ready: true } | { readonly refused: LedgerErrorCells };
