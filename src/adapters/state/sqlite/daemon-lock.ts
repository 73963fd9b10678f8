import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { ReplicationError } from "../../../domain/error.ts";
import { isBusy, toLedgerError } from "./sqlite-error.ts";

interface Holder {
  readonly pid: number;
  readonly startedAt: string;
}

/**
 * Keeps a second daemon off a state, however the first one ends.
 *
 * The lock is `BEGIN EXCLUSIVE` held on a file of its own, so that the system frees it with the process and the state itself stays readable.
 * Nobody can read an exclusively locked database, so who holds it stands in a plain file beside it; that file only informs.
 */
export class DaemonLock {
  readonly #db: DatabaseSync;
  readonly #holderPath: string;

  /** @throws `LedgerLocked`, naming the holder */
  static acquire(statePath: string, now: number): DaemonLock {
    const holderPath = `${statePath}.lock-holder`;
    const db = lockedDatabase(`${statePath}.lock`, holderPath);
    try {
      writeHolder(holderPath, { pid: process.pid, startedAt: new Date(now).toISOString() });
    } catch (error) {
      db.close();
      throw toLedgerError(error, "lock");
    }
    return new DaemonLock(db, holderPath);
  }

  /** @internal */
  constructor(db: DatabaseSync, holderPath: string) {
    this.#db = db;
    this.#holderPath = holderPath;
  }

  /** The lock file stays: removing it would let two processes lock two files of the same name. */
  release(): void {
    rmSync(this.#holderPath, { force: true });
    this.#db.close();
  }
}

function lockedDatabase(path: string, holderPath: string): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { timeout: 0 });
    db.exec("BEGIN EXCLUSIVE");
    return db;
  } catch (error) {
    db?.close();
    throw isBusy(error) ? locked(holderPath, error) : toLedgerError(error, "lock");
  }
}

function locked(holderPath: string, cause: unknown): ReplicationError {
  const holder = readHolder(holderPath);
  const name = holder === undefined ? "another process" : `process ${holder.pid}, running since ${holder.startedAt}`;
  return new ReplicationError("LedgerLocked", `the state is in use by ${name}`, {
    at: { operation: "lock" },
    hint: "stop that process first, or ask it through its HTTP API with `--server`",
    cause,
  });
}

function writeHolder(path: string, holder: Holder): void {
  const draft = `${path}.new`;
  writeFileSync(draft, `${JSON.stringify(holder)}\n`);
  renameSync(draft, path);
}

/** Undefined where nothing readable is there, as in the moment between the lock and the note. */
function readHolder(path: string): Holder | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    return isHolder(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isHolder(value: unknown): value is Holder {
  return typeof value === "object" && value !== null && "pid" in value && "startedAt" in value;
}
