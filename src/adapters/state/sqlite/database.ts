import { realpathSync, type Stats, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ReplicationError } from "../../../domain/error.ts";
import { migrate, refuseForeign, refuseUnmigrated } from "./schema.ts";
import { toLedgerError } from "./sqlite-error.ts";

/** How long a connection waits for one of another process, such as a shell on the file; milliseconds. */
const BUSY_TIMEOUT_MS = 5_000;

/** Opens the one connection that writes, and brings the schema to the newest form. */
export function openForWriting(path: string): DatabaseSync {
  return opened(path, "write", (db) => {
    refuseForeign(db);
    db.exec("PRAGMA journal_mode = WAL");
    // FULL: an acknowledged event survives a power cut, not only the end of the process.
    db.exec("PRAGMA synchronous = FULL");
    // Pages between checkpoints, 16 MiB: a checkpoint costs syncs of its own, and the log is read back after a crash.
    db.exec("PRAGMA wal_autocheckpoint = 4096");
    db.exec("PRAGMA journal_size_limit = 67108864");
    // In KiB. Keys arrive in any order, so the upper levels of the trees should stay in memory.
    db.exec("PRAGMA cache_size = -32768");
    migrate(db);
  });
}

/** Opens a connection that only reads; writers are never in its way, nor it in theirs. */
export function openForReading(path: string): DatabaseSync {
  return opened(path, "read", (db) => {
    refuseForeign(db);
    refuseUnmigrated(db);
  });
}

function opened(path: string, mode: "read" | "write", prepare: (db: DatabaseSync) => void): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { readOnly: mode === "read", timeout: BUSY_TIMEOUT_MS });
    prepare(db);
    return db;
  } catch (error) {
    db?.close();
    throw toLedgerError(error, "open");
  }
}

/**
 * Returns the one name of the file, whatever links and relative ways lead to it: the lock goes by the name. Says plainly what is wrong with
 * the place of a state, where SQLite would only say "unable to open".
 *
 * Looks at the file from outside only: opening and closing it would drop the locks that SQLite holds on it for this process.
 */
export function usablePath(path: string, mode: "daemon" | "reader"): string {
  const file = statOf(path);
  if (file?.isDirectory()) throw unusable(`${path} is a folder`, "name a file in it with `state: sqlite:<file>`");
  const folder = dirname(resolve(path));
  if (file === undefined && statOf(folder)?.isDirectory() !== true) {
    throw unusable(`the folder ${folder} of the state does not exist`, "create it, or name another file with `state: sqlite:<file>`");
  }
  if (file === undefined && mode === "reader") {
    throw unusable(
      `there is no state at ${path} yet`,
      "start `replicast run` first, or name the state it uses with `state: sqlite:<file>`",
    );
  }
  return file === undefined ? join(realpathSync(folder), basename(path)) : realpathSync(path);
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw new ReplicationError("LedgerUnavailable", `the state at ${path} cannot be reached`, {
      disposition: "permanent",
      hint: "give this user the right to enter the folders on the way to it",
      cause: error,
    });
  }
}

function unusable(message: string, hint: string): ReplicationError {
  return new ReplicationError("LedgerUnavailable", message, { disposition: "permanent", hint, at: { operation: "open" } });
}
