import type { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import type { Clock } from "../../../ports/clock.ts";
import type { State } from "../../../ports/state.ts";
import { AdaptiveCommit } from "./adaptive-commit.ts";
import { Query } from "./cells.ts";
import { DaemonLock } from "./daemon-lock.ts";
import { openForReading, usablePath } from "./database.ts";
import { type Committer, GroupCommit } from "./group-commit.ts";
import { SqliteHoldings } from "./holdings.ts";
import { SqliteJournal } from "./journal.ts";
import { SqliteLedger } from "./ledger.ts";
import { shortenOrphanedIntents } from "./orphaned-intents.ts";
import { ReadOnlyCommitter, ReadOnlyTaskStore } from "./read-only.ts";
import { Reader } from "./reader.ts";
import { ReadyTasks } from "./ready-tasks.ts";
import { type RenamedRule, renameRules } from "./rename-rules.ts";
import { Routes } from "./routes.ts";
import { SqliteSafeguards } from "./safeguards.ts";
import { toLedgerError } from "./sqlite-error.ts";
import { TaskPages } from "./task-pages.ts";
import { type Generations, SqliteTaskStore } from "./task-store.ts";
import { SqliteUploads } from "./uploads.ts";
import type { RouteCells } from "./wire.ts";

export interface SqliteStateOptions {
  readonly path: string;
  /**
   * `daemon` works on the tasks and is the only one of its kind on a file; it makes the file where there is none. `reader` reads beside it
   * and writes nothing.
   */
  readonly mode: "daemon" | "reader";
  /** @defaultValue the system's */
  readonly clock?: Clock | undefined;
  /**
   * How many changes may wait to be written before wishes are refused as `Overloaded`.
   * @defaultValue 50000, which is about 10 MB and some seconds of a slow disk
   */
  readonly maxWaitingWrites?: number | undefined;
  /**
   * How many ready tasks of one lane of one route are kept in memory; the rest are read from the disk when their turn comes.
   * @defaultValue a share of 40000, but 256 at least and 8192 at most
   */
  readonly readyWindow?: number | undefined;
  /** Rules that have another id now: what is known of them goes on under it. */
  readonly renamed?: readonly RenamedRule[] | undefined;
}

/**
 * Opens a state in one SQLite file. Everything acknowledged survives the end of the process and of the power.
 *
 * @throws `LedgerLocked` where another daemon has it, `LedgerUnavailable` where the place cannot be used or was written by a newer version,
 * `LedgerCorrupt` where the file is damaged or not ours; nothing is written to it then
 */
export async function openSqliteState(given: SqliteStateOptions): Promise<State> {
  const options = { ...given, path: usablePath(given.path, given.mode) };
  if (options.mode === "reader") return assemble(options, { committer: new ReadOnlyCommitter(), release: () => {} });
  const now = (options.clock ?? systemClock).now();
  const lock = DaemonLock.acquire(options.path, now);
  let committer: Committer | undefined;
  try {
    renameRules(options.path, options.renamed ?? []);
    committer = AdaptiveCommit.open(options.path);
    shortenOrphanedIntents(options.path, now);
    return assemble(options, { committer, release: () => lock.release() });
  } catch (error) {
    await committer?.close();
    lock.release();
    throw error;
  }
}

/** What a state writes through, and what it lets go of at the end. */
export interface WritingSide {
  readonly committer: Committer;
  readonly release: () => void;
}

/** @internal Builds the faces over an open file. */
export function assemble(options: SqliteStateOptions, { committer, release }: WritingSide): State {
  const { path, mode, clock = systemClock, maxWaitingWrites: maxWaiting = 50_000 } = options;
  const db = openForReading(path);
  const routes = new Routes();
  routes.load(new Query<RouteCells>(db, "SELECT id, rule, source, destination FROM route").all());
  const generations: Generations = { last: new Query<readonly [number]>(db, "SELECT last FROM generation").one()[0] };
  const commits = new GroupCommit(committer, { routes, lastGeneration: () => generations.last, maxWaiting });
  const reader = new Reader(db, routes);
  const ready = new ReadyTasks(routes, new TaskPages(db));
  if (mode === "daemon") ready.load(options.readyWindow);
  const writing = new SqliteTaskStore({ clock, commits, generations, reader, ready, routes });
  const tasks = mode === "daemon" ? writing : new ReadOnlyTaskStore(writing);
  return {
    tasks,
    ledger: new SqliteLedger({ commits, reader, routes }),
    journal: new SqliteJournal({ db, clock, commits }),
    holdings: new SqliteHoldings({ db, commits }),
    safeguards: new SqliteSafeguards({ db, commits }),
    uploads: new SqliteUploads({ db, commits }),
    close: once(() => close({ db, commits, tasks: writing, release })),
  };
}

interface Open {
  readonly db: DatabaseSync;
  readonly commits: GroupCommit;
  readonly tasks: SqliteTaskStore;
  readonly release: () => void;
}

/** The reading connection goes first: the last one to close folds the log into the file. */
async function close({ db, commits, tasks, release }: Open): Promise<void> {
  tasks.stop();
  try {
    await commits.drain();
    db.close();
    await commits.close();
  } catch (error) {
    throw toLedgerError(error, "close");
  } finally {
    release();
  }
}

function once(action: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => {
    done ??= action();
    return done;
  };
}

const systemClock: Clock = {
  now: () => Date.now(),
  sleep: async (ms, signal) => {
    await delay(ms, undefined, { ref: false, signal }).catch(() => {});
  },
};
