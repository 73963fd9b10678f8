import type { DatabaseSync } from "node:sqlite";
import type { Holding, Intent } from "../../../domain/holding.ts";
import type { Holdings, Known } from "../../../ports/state.ts";
import { Query } from "./cells.ts";
import type { GroupCommit } from "./group-commit.ts";
import {
  fromHoldingCells,
  fromIntentCells,
  HOLDING_COLUMNS,
  INTENT_COLUMNS,
  type IntentCells,
  type KnownCells,
  toHoldingCells,
  toIntentCells,
} from "./holding-cells.ts";
import { toLedgerError } from "./sqlite-error.ts";
import { ANNOUNCE, NOTE, NOTE_DELETE, OBSERVE, type Op } from "./wire.ts";

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
  readonly #holding: Query<KnownCells>;
  readonly #intents: Query<IntentCells>;

  constructor({ db, commits }: SqliteHoldingsParts) {
    this.#commits = commits;
    this.#holding = new Query(db, `SELECT ${HOLDING_COLUMNS}, deleted_at FROM holding WHERE bucket = ? AND key = ?`);
    this.#intents = new Query(db, `SELECT ${INTENT_COLUMNS} FROM intent WHERE bucket = ? AND key = ? ORDER BY expires_at, id`);
  }

  async known(bucket: string, key: string): Promise<Known> {
    const stored = key.toWellFormed();
    try {
      const cells = this.#holding.get(bucket, stored);
      const intents = this.#intents.all(bucket, stored).map(fromIntentCells);
      if (cells === undefined) return { holding: undefined, revision: 0, deletedAt: null, intents };
      const [bucketId, storedKey, object, content, isReplica, revision, deletedAt] = cells;
      return { holding: fromHoldingCells([bucketId, storedKey, object, content, isReplica, revision]), revision, deletedAt, intents };
    } catch (error) {
      throw toLedgerError(error, "known");
    }
  }

  observe(holdings: readonly Holding[], closes: readonly string[] = []): Promise<boolean> {
    return this.#ask([OBSERVE, holdings.map(toHoldingCells), closes, null]);
  }

  announce(intent: Intent, revision: number, now: number): Promise<boolean> {
    return this.#ask([ANNOUNCE, toIntentCells(intent), revision, now]);
  }

  async withdraw(id: string): Promise<void> {
    await this.#ask([OBSERVE, [], [id], null]);
  }

  async abandon(id: string, now: number): Promise<void> {
    await this.#ask([NOTE, "abandonIntent", [id, now]]);
  }

  async noteDelete(bucket: string, key: string, at: number): Promise<void> {
    await this.#ask([NOTE_DELETE, bucket, key.toWellFormed(), at]);
  }

  async forgetBucket(bucket: string): Promise<void> {
    const notes = ["forgetHoldings", "forgetIntents"] as const;
    await this.#commits.submit(
      notes.map((name) => [NOTE, name, [bucket]] as const),
      () => undefined,
    );
  }

  #ask(op: Op): Promise<boolean> {
    return this.#commits.submit([op], (results) => !results.isRefused(0));
  }
}
