import type { DatabaseSync, StatementSync } from "node:sqlite";
import { STATUSES, type Status } from "../../../domain/status.ts";

/** What is counted per route: the rows of the ledger by status, and the tasks that wait. */
export type TallyName = Status | "TASK";
const NAMES: readonly TallyName[] = [...STATUSES, "TASK"];

/** Collects what one transaction changes, so that a batch costs one statement per counter and not one per row. */
export class Tally {
  readonly #upsert: StatementSync;
  /** Keyed by route and name as one number: a string per row would cost more than the statement saved. */
  readonly #changes = new Map<number, { operations: number; bytes: number }>();

  constructor(db: DatabaseSync) {
    this.#upsert = db.prepare(`INSERT INTO tally VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE
      SET operations = operations + excluded.operations, bytes = bytes + excluded.bytes`);
  }

  add(route: number, name: TallyName, { operations, bytes }: { readonly operations: number; readonly bytes: number }): void {
    const id = route * NAMES.length + NAMES.indexOf(name);
    const change = this.#changes.get(id);
    if (change === undefined) this.#changes.set(id, { operations, bytes });
    else {
      change.operations += operations;
      change.bytes += bytes;
    }
  }

  /** Writes the changes, within the transaction they belong to. */
  flush(): void {
    for (const [id, { operations, bytes }] of this.#changes) {
      const name = NAMES[id % NAMES.length] ?? "TASK";
      if (operations !== 0 || bytes !== 0) this.#upsert.run(Math.floor(id / NAMES.length), name, operations, bytes);
    }
    this.#changes.clear();
  }

  /** Forgets the changes of a transaction that failed. */
  discard(): void {
    this.#changes.clear();
  }
}
