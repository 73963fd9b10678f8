import type { DatabaseSync } from "node:sqlite";
import type { Holding, Intent } from "../../../domain/holding.ts";
import type { Holdings, Known } from "../../../ports/state.ts";
import { Query } from "./cells.ts";
import type { GroupCommit } from "./group-commit.ts";
import {
  fromHoldingCells,
  fromIntentCells,
  HOLDING_COLUMNS,
  type HoldingCells,
  INTENT_COLUMNS,
  type IntentCells,
  toHoldingCells,
  toIntentCells,
} from "./holding-cells.ts";
import { toLedgerError } from "./sqlite-error.ts";
import { ANNOUNCE, FORGET, NOTE, OBSERVE, type Op } from "./wire.ts";

export interface SqliteHoldingsParts {
  readonly db: DatabaseSync;
  readonly commits: GroupCommit;
}

/**
 * Compares where it writes, in the transaction, and never before: other writes may wait in the same commit. Reads on this thread what was
 * committed.
 */
export class SqliteHoldings implements Holdings {
  readonly #commits: GroupCommit;
  readonly #holding: Query<HoldingCells>;
  readonly #intents: Query<IntentCells>;

  constructor({ db, commits }: SqliteHoldingsParts) {
    this.#commits = commits;
    this.#holding = new Query(db, `SELECT ${HOLDING_COLUMNS} FROM holding WHERE bucket = ? AND key = ?`);
    this.#intents = new Query(db, `SELECT ${INTENT_COLUMNS} FROM intent WHERE bucket = ? AND key = ? ORDER BY expires_at, id`);
  }

  async known(bucket: string, key: string): Promise<Known> {
    const stored = key.toWellFormed();
    try {
      const cells = this.#holding.get(bucket, stored);
      const holding = cells === undefined ? undefined : fromHoldingCells(cells);
      return { holding, intents: this.#intents.all(bucket, stored).map(fromIntentCells) };
    } catch (error) {
      throw toLedgerError(error, "known");
    }
  }

  observe(holdings: readonly Holding[], closes: readonly string[] = []): Promise<boolean> {
    return this.#ask([OBSERVE, holdings.map(toHoldingCells), closes]);
  }

  announce(intent: Intent, revision: number, now: number): Promise<boolean> {
    return this.#ask([ANNOUNCE, toIntentCells(intent), revision, now]);
  }

  async withdraw(id: string): Promise<void> {
    await this.#ask([OBSERVE, [], [id]]);
  }

  async abandon(id: string, now: number): Promise<void> {
    await this.#ask([NOTE, "abandonIntent", [id, now]]);
  }

  forget(bucket: string, key: string, revision: number): Promise<boolean> {
    return this.#ask([FORGET, bucket, key.toWellFormed(), revision]);
  }

  #ask(op: Op): Promise<boolean> {
    return this.#commits.submit([op], (results) => !results.isRefused(0));
  }
}
