import type { DatabaseSync } from "node:sqlite";
import type { Engine } from "../../../domain/rule.ts";
import type { Clock } from "../../../ports/clock.ts";
import type { Distrust, Epoch, IntakeCounts, Journal, SyncProgress } from "../../../ports/state.ts";
import { type Cell, Query } from "./cells.ts";
import type { GroupCommit } from "./group-commit.ts";
import type { NoteName } from "./notes.ts";
import { toLedgerError } from "./sqlite-error.ts";
import { NOTE } from "./wire.ts";

type IntakeRow = readonly [
  store: string,
  received: number,
  ignored: number,
  malformed: number,
  lastReason: string | null,
  lastAt: number | null,
];
type SyncRow = readonly [startedAt: number, after: string | null, finishedAt: number | null];

export interface SqliteJournalParts {
  readonly db: DatabaseSync;
  readonly clock: Clock;
  readonly commits: GroupCommit;
}

/** Writes with the commits of the tasks, reads on this thread. */
export class SqliteJournal implements Journal {
  readonly #clock: Clock;
  readonly #commits: GroupCommit;
  readonly #intake: Query<IntakeRow>;
  readonly #outages: Query<readonly [store: string]>;
  readonly #sync: Query<SyncRow>;
  readonly #since: Query<readonly [at: number]>;
  readonly #engine: Query<readonly [engine: Engine]>;
  readonly #epoch: Query<readonly [epoch: string, generation: number, distrust: Distrust | null]>;

  constructor({ db, clock, commits }: SqliteJournalParts) {
    this.#clock = clock;
    this.#commits = commits;
    this.#intake = new Query(db, "SELECT store, received, ignored, malformed, last_reason, last_at FROM intake ORDER BY store");
    this.#outages = new Query(db, "SELECT store FROM outage ORDER BY store");
    this.#sync = new Query(db, "SELECT started_at, after, finished_at FROM sync_progress WHERE rule = ?");
    this.#since = new Query(db, "SELECT at FROM rule_since WHERE rule = ?");
    this.#engine = new Query(db, "SELECT engine FROM rule_engine WHERE rule = ?");
    this.#epoch = new Query(db, "SELECT epoch, generation, distrust FROM epoch");
  }

  async countIntake(store: string, { received, ignored }: { readonly received: number; readonly ignored: number }): Promise<void> {
    await this.#write(["countIntake", store, received, ignored]);
  }

  async setAside(store: string, { reason, excerpt }: { readonly reason: string; readonly excerpt: string }): Promise<void> {
    this.#commits.refuseIfFull();
    const at = this.#clock.now();
    await this.#write(["countMalformed", store, reason, at], ["setAside", store, at, reason, excerpt], ["pruneSetAside"]);
  }

  async intake(): Promise<readonly IntakeCounts[]> {
    return reading(() => this.#intake.all()).map(([store, received, ignored, malformed, reason, at]) => {
      return { store, received, ignored, malformed, lastMalformed: reason === null || at === null ? null : { reason, at } };
    });
  }

  async markOutage(store: string): Promise<void> {
    await this.#write(["markOutage", store]);
  }

  async clearOutage(store: string): Promise<void> {
    await this.#write(["clearOutage", store]);
  }

  async outages(): Promise<readonly string[]> {
    return reading(() => this.#outages.all()).map(([store]) => store);
  }

  async syncProgress(rule: string): Promise<SyncProgress | undefined> {
    const row = reading(() => this.#sync.get(rule));
    return row === undefined ? undefined : { startedAt: row[0], after: row[1], finishedAt: row[2] };
  }

  async saveSyncProgress(rule: string, { startedAt, after, finishedAt }: SyncProgress): Promise<void> {
    await this.#write(["saveSyncProgress", rule, startedAt, after, finishedAt]);
  }

  async ruleSince(rule: string, now: number): Promise<number> {
    const known = reading(() => this.#since.get(rule))?.[0];
    if (known !== undefined) return known;
    await this.#write(["setRuleSince", rule, now]);
    return reading(() => this.#since.get(rule))?.[0] ?? now;
  }

  async engine(rule: string): Promise<Engine | undefined> {
    return reading(() => this.#engine.get(rule))?.[0];
  }

  async saveEngine(rule: string, engine: Engine): Promise<void> {
    await this.#write(["saveEngine", rule, engine]);
  }

  async epoch(): Promise<Epoch | undefined> {
    const row = reading(() => this.#epoch.get());
    return row === undefined ? undefined : { epoch: row[0], generation: row[1], distrust: row[2] };
  }

  async saveEpoch({ epoch, generation, distrust }: Epoch): Promise<void> {
    await this.#write(["saveEpoch", epoch, generation, distrust]);
  }

  #write(...notes: readonly (readonly [NoteName, ...Cell[]])[]): Promise<void> {
    return this.#commits.submit(
      notes.map(([name, ...parameters]) => [NOTE, name, parameters]),
      () => undefined,
    );
  }
}

function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw toLedgerError(error, "journal");
  }
}
