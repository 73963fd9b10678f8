import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Status } from "../../../domain/status.ts";
import { ATTEMPT_COLUMNS, type AttemptCells, Query, REPLICA_COLUMNS, type ReplicaCells } from "./cells.ts";
import type { Tally } from "./tally.ts";
import type { AttemptTimes } from "./wire.ts";

/** What one outcome or adoption writes. */
interface LedgerWrite {
  readonly route: number;
  readonly key: string;
  readonly versionId: string;
  readonly attempt: AttemptCells;
  /** Null leaves the replica columns as they are. */
  readonly replica: ReplicaCells | null;
}

/** The writing side of the ledger; every call runs within the transaction of a batch. */
export class LedgerRows {
  readonly #tally: Tally;
  readonly #select: Query<readonly [status: Status, bytes: number | null]>;
  readonly #times: Query<AttemptTimes>;
  readonly #upsertAttempt: StatementSync;
  readonly #upsertWhole: StatementSync;

  constructor(db: DatabaseSync, tally: Tally) {
    this.#tally = tally;
    this.#select = new Query(db, "SELECT status, bytes FROM ledger WHERE route_id = ? AND key = ? AND version_id = ?");
    this.#times = new Query(db, "SELECT started_at, finished_at FROM ledger WHERE route_id = ? AND key = ? AND version_id = ?");
    this.#upsertAttempt = db.prepare(upsert(ATTEMPT_COLUMNS));
    this.#upsertWhole = db.prepare(upsert(`${ATTEMPT_COLUMNS}, ${REPLICA_COLUMNS}`));
  }

  /** Whether the row is still the one that this attempt left. */
  isOf({ route, key, versionId }: Omit<LedgerWrite, "attempt" | "replica">, [startedAt, finishedAt]: AttemptTimes): boolean {
    const [started, finished] = this.#times.get(route, key, versionId) ?? [null, null];
    return started === startedAt && finished === finishedAt;
  }

  write({ route, key, versionId, attempt, replica }: LedgerWrite): void {
    const before = this.#select.get(route, key, versionId);
    if (before !== undefined) this.#tally.add(route, before[0], { operations: -1, bytes: -completedBytes(before) });
    if (replica === null) this.#upsertAttempt.run(route, key, versionId, ...attempt);
    else this.#upsertWhole.run(route, key, versionId, ...attempt, ...replica);
    const bytes = replica === null ? (before?.[1] ?? null) : replica[4];
    this.#tally.add(route, attempt[0], { operations: 1, bytes: completedBytes([attempt[0], bytes]) });
  }
}

function completedBytes([status, bytes]: readonly [Status, number | null]): number {
  return status === "COMPLETED" ? (bytes ?? 0) : 0;
}

function upsert(columns: string): string {
  const names = columns.split(", ");
  const marks = names.map(() => "?").join(", ");
  const values = names.map((name) => `excluded.${name}`).join(", ");
  return `INSERT INTO ledger (route_id, key, version_id, ${columns}) VALUES (?, ?, ?, ${marks}) ON CONFLICT DO UPDATE SET (${columns}) = (${values})`;
}
