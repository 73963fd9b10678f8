import type { DatabaseSync } from "node:sqlite";
import { ReplicationError } from "../../../domain/error.ts";
import { Query } from "./cells.ts";

/** "rplc": marks the file as a state of replicast. https://sqlite.org/pragma.html#pragma_application_id */
const APPLICATION_ID = 0x72_70_6c_63;

/**
 * The schema as numbered steps; a step that has been released never changes again.
 *
 * Keys are TEXT under the BINARY collation: compared with memcmp as UTF-8, which is the order S3 lists in, and bound with their length, so
 * that NUL is a character like any other.
 *
 * `seq` is the generation that put a row where it stands in its lane's queue; `not_before` is 0 for a row that is due at once. A row is in
 * exactly one of `task_fresh` and `task_postponed`. `tally` counts rows by status, and the tasks, so that a status costs O(routes).
 *
 * `changes` holds the bits of change-bits.ts; tasks of the first form were all of objects written. `holding.revision` is what writers compare
 * with: one that is not there counts as 0.
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE generation (last INTEGER NOT NULL);
  INSERT INTO generation VALUES (0);

  CREATE TABLE route (
    id INTEGER PRIMARY KEY, rule TEXT NOT NULL, source TEXT NOT NULL, destination TEXT NOT NULL,
    UNIQUE (rule, source, destination)
  );

  CREATE TABLE task (
    route_id INTEGER NOT NULL, key TEXT NOT NULL,
    wanted INTEGER NOT NULL, lane INTEGER NOT NULL, seq INTEGER NOT NULL, attempts INTEGER NOT NULL, not_before INTEGER NOT NULL,
    event_time INTEGER, first_failed_at INTEGER, wanted_since INTEGER NOT NULL,
    size_bytes INTEGER, etag TEXT, last_modified INTEGER, storage_class TEXT,
    PRIMARY KEY (route_id, key)
  ) WITHOUT ROWID;
  CREATE INDEX task_fresh ON task (route_id, lane, seq) WHERE not_before = 0;
  CREATE INDEX task_postponed ON task (route_id, lane, not_before, key) WHERE not_before > 0;
  CREATE INDEX task_age ON task (route_id, wanted_since);

  CREATE TABLE ledger (
    route_id INTEGER NOT NULL, key TEXT NOT NULL, version_id TEXT NOT NULL DEFAULT '',
    status TEXT NOT NULL, operation TEXT NOT NULL, reason TEXT, notes TEXT, attempts INTEGER NOT NULL, event_time INTEGER,
    started_at INTEGER, finished_at INTEGER, next_attempt_at INTEGER, first_failed_at INTEGER, latency_ms INTEGER, error TEXT,
    replica_etag TEXT, replica_version_id TEXT, replica_last_modified INTEGER, attribute_hash TEXT, bytes INTEGER, proof TEXT,
    destination_etag TEXT, destination_version_id TEXT,
    PRIMARY KEY (route_id, key, version_id)
  ) WITHOUT ROWID;
  CREATE INDEX ledger_unfinished ON ledger (route_id, status, key) WHERE status <> 'COMPLETED';
  CREATE INDEX ledger_latency ON ledger (route_id, finished_at, latency_ms) WHERE latency_ms IS NOT NULL;

  CREATE TABLE tally (
    route_id INTEGER NOT NULL, name TEXT NOT NULL, operations INTEGER NOT NULL, bytes INTEGER NOT NULL,
    PRIMARY KEY (route_id, name)
  ) WITHOUT ROWID;

  CREATE TABLE intake (
    store TEXT PRIMARY KEY, received INTEGER NOT NULL DEFAULT 0, ignored INTEGER NOT NULL DEFAULT 0, malformed INTEGER NOT NULL DEFAULT 0,
    last_reason TEXT, last_at INTEGER
  ) WITHOUT ROWID;
  CREATE TABLE set_aside (id INTEGER PRIMARY KEY, store TEXT NOT NULL, at INTEGER NOT NULL, reason TEXT NOT NULL, excerpt TEXT NOT NULL);
  CREATE TABLE outage (store TEXT PRIMARY KEY) WITHOUT ROWID;
  CREATE TABLE sync_progress (rule TEXT PRIMARY KEY, started_at INTEGER NOT NULL, after TEXT, finished_at INTEGER) WITHOUT ROWID;
  CREATE TABLE rule_since (rule TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
  `,
  `
  ALTER TABLE task ADD COLUMN changes INTEGER NOT NULL DEFAULT 8;
  ALTER TABLE ledger ADD COLUMN origin TEXT;

  CREATE TABLE holding (
    bucket TEXT NOT NULL, key TEXT NOT NULL, object TEXT, content TEXT, is_replica INTEGER NOT NULL DEFAULT 0,
    revision INTEGER NOT NULL, deleted_at INTEGER,
    PRIMARY KEY (bucket, key)
  ) WITHOUT ROWID;
  CREATE TABLE intent (
    id TEXT PRIMARY KEY, bucket TEXT NOT NULL, key TEXT NOT NULL, expected TEXT, content TEXT NOT NULL, expires_at INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX intent_key ON intent (bucket, key, expires_at);
  CREATE INDEX intent_expiry ON intent (expires_at);

  CREATE TABLE gate (
    rule TEXT NOT NULL, source TEXT NOT NULL, destination TEXT NOT NULL, state TEXT NOT NULL,
    PRIMARY KEY (rule, source, destination)
  ) WITHOUT ROWID;
  CREATE TABLE conflict (
    id TEXT PRIMARY KEY, rule TEXT NOT NULL, open INTEGER NOT NULL, detected_at INTEGER NOT NULL, conflict TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX conflict_newest ON conflict (detected_at, id);
  CREATE INDEX conflict_open ON conflict (open, detected_at, id);
  CREATE TABLE paused_rule (rule TEXT PRIMARY KEY) WITHOUT ROWID;
  `,
  `
  CREATE TABLE fingerprint (bucket TEXT PRIMARY KEY, fingerprint TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE epoch (id INTEGER PRIMARY KEY CHECK (id = 1), epoch TEXT NOT NULL, generation INTEGER NOT NULL, distrust TEXT);
  `,
  `
  ALTER TABLE task ADD COLUMN deleted_at INTEGER;
  `,
  `
  CREATE TABLE upload (
    source TEXT NOT NULL, key TEXT NOT NULL, destination TEXT NOT NULL, destination_key TEXT NOT NULL,
    upload_id TEXT NOT NULL, pin TEXT NOT NULL, memo TEXT NOT NULL,
    PRIMARY KEY (source, key, destination, destination_key)
  ) WITHOUT ROWID;
  `,
  `
  CREATE TABLE rule_engine (rule TEXT PRIMARY KEY, engine TEXT NOT NULL) WITHOUT ROWID;
  `,
];

/** Number of the newest migration this build knows. */
export const NEWEST_MIGRATION: number = MIGRATIONS.length;

/**
 * Makes sure that the file is ours before anything is written to it.
 * @throws `LedgerCorrupt` for a database of something else, `LedgerUnavailable` for one of a newer replicast
 */
export function refuseForeign(db: DatabaseSync): void {
  const tables = count(db, "SELECT count(*) FROM sqlite_schema");
  if (tables > 0 && count(db, "PRAGMA application_id") !== APPLICATION_ID) {
    throw new ReplicationError("LedgerCorrupt", "the file is a database of another program", {
      hint: "name another file with `state:`; nothing was written to this one",
    });
  }
  if (appliedMigration(db) > NEWEST_MIGRATION) {
    throw new ReplicationError("LedgerUnavailable", "the state was written by a newer replicast than this one", {
      disposition: "permanent",
      hint: "run the newer version; a state is never taken back to an older form",
    });
  }
}

/**
 * A reader never changes the schema, so it can only read what is already as it knows it.
 * @throws `LedgerUnavailable`
 */
export function refuseUnmigrated(db: DatabaseSync): void {
  if (appliedMigration(db) === NEWEST_MIGRATION) return;
  throw new ReplicationError("LedgerUnavailable", "the state has not been brought to the form this replicast reads", {
    hint: "start `replicast run` with this version once",
  });
}

/** Applies what has not been applied, each step in a transaction of its own with its number. */
export function migrate(db: DatabaseSync, newest: number = NEWEST_MIGRATION): void {
  for (let number = appliedMigration(db) + 1; number <= newest; number++) {
    db.exec("BEGIN IMMEDIATE");
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
    db.exec("CREATE TABLE IF NOT EXISTS migration (number INTEGER PRIMARY KEY)");
    db.exec(MIGRATIONS[number - 1] ?? "");
    db.prepare("INSERT INTO migration VALUES (?)").run(number);
    db.exec("COMMIT");
  }
}

function appliedMigration(db: DatabaseSync): number {
  if (count(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'migration'") === 0) return 0;
  return count(db, "SELECT coalesce(max(number), 0) FROM migration");
}

function count(db: DatabaseSync, sql: string): number {
  return new Query<readonly [number]>(db, sql).one()[0];
}
