import type { Hint } from "../../../domain/object.ts";
import type { Changes } from "../../../ports/state.ts";
import { fromHintCells, type LaneNumber, type TaskCells } from "./cells.ts";
import { fromChangeBits } from "./change-bits.ts";

/** A task as it is kept in memory: either ready to be claimed or in the hands of a worker. */
export class WaitingTask {
  readonly route: number;
  readonly key: string;
  readonly lane: LaneNumber;
  readonly seq: number;
  wanted: number;
  attempts: number;
  eventTime: number | null;
  firstFailedAt: number | null;
  changes: Changes;
  deletedAt: number | null;
  hint: Hint | undefined;
  lease: Lease | undefined;
  /** The row as a wish left it while the task was being worked on. */
  latest: TaskCells | undefined;

  constructor(route: number, key: string, cells: TaskCells) {
    const [wanted, lane, seq, attempts, , eventTime, firstFailedAt, changes, deletedAt, ...hint] = cells;
    this.route = route;
    this.key = key;
    this.lane = lane;
    this.seq = seq;
    this.wanted = wanted;
    this.attempts = attempts;
    this.eventTime = eventTime;
    this.firstFailedAt = firstFailedAt;
    this.changes = fromChangeBits(changes);
    this.deletedAt = deletedAt;
    this.hint = fromHintCells(hint);
  }

  /** Is true where the row has the place in the queue that this task has. */
  standsAt([, lane, seq]: TaskCells): boolean {
    return lane === this.lane && seq === this.seq;
  }

  /** Takes over what a later wish changed, where its place in the queue stayed. */
  update([wanted, , , attempts, , eventTime, firstFailedAt, changes, deletedAt, ...hint]: TaskCells): void {
    this.wanted = wanted;
    this.attempts = attempts;
    this.eventTime = eventTime;
    this.firstFailedAt = firstFailedAt;
    this.changes = fromChangeBits(changes);
    this.deletedAt = deletedAt;
    this.hint = fromHintCells(hint);
  }
}

export interface Lease {
  readonly token: string;
  readonly until: number;
  /** Is true while the outcome is being written: it can no longer end, only succeed or fail. */
  recording: boolean;
}
