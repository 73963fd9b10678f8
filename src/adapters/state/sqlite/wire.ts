import type { AttemptCells, Cell, HintCells, LaneNumber, ReplicaCells, TaskCells } from "./cells.ts";
import type { HoldingCells, IntentCells } from "./holding-cells.ts";
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
export const ENTRY = 4;
export const OBSERVE = 5;
export const ANNOUNCE = 6;
export const NOTE_DELETE = 7;

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
  changes: number,
  deletedAt: number | null,
  /** 0: at once. */
  notBefore: number,
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
  versionId: string,
  attempt: AttemptCells,
  replica: ReplicaCells | null,
];
export type PostponedCells = readonly [notBefore: number, attempts: number, firstFailedAt: number | null];

type EntryOpCells = readonly [route: number, key: string, versionId: string, attempt: AttemptCells, replica: ReplicaCells | null];
/** Writes a row unless its key has a task, or the row is not the one that was decided on; null: whatever is there. */
export type AdoptOp = readonly [op: typeof ADOPT, ...EntryOpCells, over: AttemptTimes | null];
/** Both null: never attempted. */
export type AttemptTimes = readonly [startedAt: number | null, finishedAt: number | null];
/** Writes a row beside the one of an outcome. */
export type EntryOp = readonly [op: typeof ENTRY, ...EntryOpCells];

/** Stores holdings and closes intents, all or nothing; refused where a holding is not of the revision it was made from. */
export type ObserveOp = readonly [
  op: typeof OBSERVE,
  holdings: readonly HoldingCells[],
  closes: readonly string[],
  /** Where it is refused the intents expire then; null: they stay as they are. */
  abandonedAt: number | null,
];
/** Refused where another intent is open on the key, or its holding is of another revision. */
export type AnnounceOp = readonly [op: typeof ANNOUNCE, intent: IntentCells, revision: number, now: number];
export type NoteDeleteOp = readonly [op: typeof NOTE_DELETE, bucket: string, key: string, at: number];
export type NoteOp = readonly [op: typeof NOTE, name: NoteName, parameters: readonly Cell[]];
export type Op = WantOp | RecordOp | AdoptOp | NoteOp | EntryOp | ObserveOp | AnnounceOp | NoteDeleteOp;

export type RouteCells = readonly [id: number, rule: string, source: string, destination: string];

/** Committed as one transaction, in this order. */
export type Batch = readonly [generation: number, routes: readonly RouteCells[], ops: readonly Op[]];

export interface Committed {
  /** The task rows as they are now, for the operations (by index) that found or left one. */
  readonly rows: readonly (readonly [index: number, row: TaskCells])[];
  /** The operations that were refused by what they found, and so changed nothing. */
  readonly refused: readonly number[];
}
/** What was committed, or why nothing was. */
export type Reply = Committed | { readonly error: LedgerErrorCells };

export type ToWriter = { readonly batch: string } | { readonly close: true };
export type FromWriter = { readonly reply: string } | { readonly ready: true } | { readonly refused: LedgerErrorCells };
