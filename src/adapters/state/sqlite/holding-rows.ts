import type { DatabaseSync, StatementSync } from "node:sqlite";
import { Query } from "./cells.ts";
import { HOLDING_COLUMNS, type HoldingCells, INTENT_COLUMNS } from "./holding-cells.ts";
import type { AnnounceOp, NoteDeleteOp, ObserveOp } from "./wire.ts";

/** How long an intent that nobody closed is kept after it expired: its write may have landed, and nobody looked yet. Milliseconds. */
const EXPIRED_KEPT_MS = 7 * 86_400_000;

/**
 * The writing side of the holdings and intents; every call runs within the transaction of a batch, so that what it compares with cannot
 * change before it writes. What compares returns whether it did write.
 */
export class HoldingRows {
  readonly #revision: Query<readonly [number]>;
  readonly #save: StatementSync;
  readonly #raise: StatementSync;
  readonly #noteDelete: StatementSync;
  readonly #abandon: StatementSync;
  readonly #isExcluded: Query<readonly [1]>;
  readonly #announce: StatementSync;
  readonly #close: StatementSync;
  readonly #prune: StatementSync;

  constructor(db: DatabaseSync) {
    this.#revision = new Query(db, "SELECT revision FROM holding WHERE bucket = ? AND key = ?");
    this.#save = db.prepare(`INSERT OR REPLACE INTO holding (${HOLDING_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)`);
    this.#raise = db.prepare(`INSERT INTO holding (bucket, key, revision) VALUES (?, ?, 1)
      ON CONFLICT DO UPDATE SET revision = revision + 1`);
    this.#noteDelete = db.prepare(`INSERT INTO holding (bucket, key, revision, deleted_at) VALUES (?, ?, 1, ?)
      ON CONFLICT DO UPDATE SET revision = revision + 1, deleted_at = max(excluded.deleted_at, coalesce(deleted_at, excluded.deleted_at))`);
    this.#abandon = db.prepare("UPDATE intent SET expires_at = min(expires_at, ?) WHERE id = ?");
    this.#isExcluded = new Query(db, "SELECT 1 FROM intent WHERE bucket = ? AND key = ? AND expires_at > ? AND id <> ? LIMIT 1");
    this.#announce = db.prepare(`INSERT OR REPLACE INTO intent (${INTENT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)`);
    this.#close = db.prepare("DELETE FROM intent WHERE id = ?");
    this.#prune = db.prepare("DELETE FROM intent WHERE expires_at <= ?");
  }

  observe([, holdings, closes, abandonedAt]: ObserveOp): boolean {
    if (!holdings.every(([bucket, key, , , , revision]) => this.#isOf(bucket, key, revision))) {
      if (abandonedAt !== null) for (const id of closes) this.#abandon.run(abandonedAt, id);
      return false;
    }
    for (const holding of holdings) this.#saveNext(holding);
    for (const id of closes) this.#close.run(id);
    return true;
  }

  announce([, intent, revision, now]: AnnounceOp): boolean {
    const [id, bucket, key] = intent;
    if (!this.#isOf(bucket, key, revision) || this.#isExcluded.get(bucket, key, now, id) !== undefined) return false;
    this.#prune.run(now - EXPIRED_KEPT_MS);
    this.#announce.run(...intent);
    this.#raise.run(bucket, key);
    return true;
  }

  /** Announcements come late and in any order: of several the latest stays. */
  noteDelete([, bucket, key, at]: NoteDeleteOp): undefined {
    this.#noteDelete.run(bucket, key, at);
  }

  /** What was never stored is of revision 0. */
  #isOf(bucket: string, key: string, revision: number): boolean {
    return (this.#revision.get(bucket, key)?.[0] ?? 0) === revision;
  }

  #saveNext([bucket, key, object, content, isReplica, revision]: HoldingCells): void {
    this.#save.run(bucket, key, object, content, isReplica, revision + 1);
  }
}
