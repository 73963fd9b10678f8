import type { DatabaseSync } from "node:sqlite";
import type { Conflict } from "../../../domain/conflict.ts";
import { type GateState, OPEN_GATE } from "../../../domain/delete-gate.ts";
import { ReplicationError } from "../../../domain/error.ts";
import type { Fingerprint } from "../../../domain/fingerprint.ts";
import type { ConflictFilter, Route, Safeguards } from "../../../ports/state.ts";
import { type Cell, Query } from "./cells.ts";
import type { GroupCommit } from "./group-commit.ts";
import type { NoteName } from "./notes.ts";
import { toLedgerError } from "./sqlite-error.ts";
import { NOTE } from "./wire.ts";

/** Conflicts read before the event loop gets its turn. */
const ROWS_PER_TURN = 500;

export interface SqliteSafeguardsParts {
  readonly db: DatabaseSync;
  readonly commits: GroupCommit;
}

/** Where a conflict stands among all, the newest first. */
interface Position {
  readonly detectedAt: number;
  readonly id: string;
}

/** Before all conflicts: no time is later, and no text comes after this one. */
const START: Position = { detectedAt: Number.MAX_SAFE_INTEGER, id: "" };

type ConflictRow = readonly [conflict: string];

/** Writes with the commits of the tasks, reads on this thread. */
export class SqliteSafeguards implements Safeguards {
  readonly #commits: GroupCommit;
  readonly #gate: Query<readonly [state: string]>;
  readonly #gates: Query<readonly [rule: string, source: string, destination: string, state: string]>;
  readonly #conflict: Query<ConflictRow>;
  readonly #newest: Query<ConflictRow>;
  readonly #newestOf: Query<ConflictRow>;
  readonly #paused: Query<readonly [rule: string]>;
  readonly #fingerprint: Query<readonly [fingerprint: string]>;

  constructor({ db, commits }: SqliteSafeguardsParts) {
    this.#commits = commits;
    this.#gate = new Query(db, "SELECT state FROM gate WHERE rule = ? AND source = ? AND destination = ?");
    this.#gates = new Query(db, "SELECT rule, source, destination, state FROM gate ORDER BY rule, source, destination");
    this.#conflict = new Query(db, "SELECT conflict FROM conflict WHERE id = ?");
    const after = "(detected_at, id) < (?, ?) ORDER BY detected_at DESC, id DESC LIMIT ?";
    this.#newest = new Query(db, `SELECT conflict FROM conflict WHERE ${after}`);
    this.#newestOf = new Query(db, `SELECT conflict FROM conflict INDEXED BY conflict_open WHERE open = ? AND ${after}`);
    this.#paused = new Query(db, "SELECT rule FROM paused_rule ORDER BY rule");
    this.#fingerprint = new Query(db, "SELECT fingerprint FROM fingerprint WHERE bucket = ?");
  }

  async gate({ rule, source, destination }: Route): Promise<GateState> {
    const row = reading(() => this.#gate.get(rule, source, destination));
    return row === undefined ? OPEN_GATE : (JSON.parse(row[0]) as GateState);
  }

  async saveGate({ rule, source, destination }: Route, gate: GateState): Promise<void> {
    await this.#write("saveGate", rule, source, destination, JSON.stringify(gate));
  }

  async gates(): Promise<readonly { readonly route: Route; readonly gate: GateState }[]> {
    return reading(() => this.#gates.all()).map(([rule, source, destination, state]) => {
      return { route: { rule, source, destination }, gate: JSON.parse(state) as GateState };
    });
  }

  async saveConflict(conflict: Conflict): Promise<void> {
    const { id, rule, resolvedAt, detectedAt } = conflict;
    await this.#write("saveConflict", id, rule, resolvedAt === null ? 1 : 0, detectedAt, JSON.stringify(conflict));
  }

  async conflict(id: string): Promise<Conflict | undefined> {
    const row = reading(() => this.#conflict.get(id));
    return row === undefined ? undefined : fromRow(row);
  }

  async conflicts(filter: ConflictFilter): Promise<{ readonly conflicts: readonly Conflict[]; readonly nextToken: string | null }> {
    const found: Conflict[] = [];
    for (let after: Position | undefined = parseToken(filter.nextToken); after !== undefined; ) {
      const rows = this.#page(filter, after);
      found.push(...rows.filter(({ rule }) => (filter.rule ?? rule) === rule));
      // One more than asked for tells whether there is a next page.
      if (found.length > filter.limit) break;
      after = rows.length < ROWS_PER_TURN ? undefined : rows.at(-1);
      if (after !== undefined) await new Promise((resolve) => setImmediate(resolve));
    }
    const last = found.length > filter.limit ? found[filter.limit - 1] : undefined;
    return { conflicts: found.slice(0, filter.limit), nextToken: last === undefined ? null : toToken(last) };
  }

  async setPaused(rule: string, paused: boolean): Promise<void> {
    await this.#write(paused ? "pauseRule" : "resumeRule", rule);
  }

  async pausedRules(): Promise<readonly string[]> {
    return reading(() => this.#paused.all()).map(([rule]) => rule);
  }

  async fingerprint(bucket: string): Promise<Fingerprint | undefined> {
    const row = reading(() => this.#fingerprint.get(bucket));
    return row === undefined ? undefined : (JSON.parse(row[0]) as Fingerprint);
  }

  async saveFingerprint(bucket: string, fingerprint: Fingerprint): Promise<void> {
    await this.#write("saveFingerprint", bucket, JSON.stringify(fingerprint));
  }

  #page({ open }: ConflictFilter, { detectedAt, id }: Position): readonly Conflict[] {
    return reading(() => {
      if (open === undefined) return this.#newest.all(detectedAt, id, ROWS_PER_TURN);
      return this.#newestOf.all(open ? 1 : 0, detectedAt, id, ROWS_PER_TURN);
    }).map(fromRow);
  }

  #write(name: NoteName, ...parameters: readonly Cell[]): Promise<void> {
    return this.#commits.submit([[NOTE, name, parameters]], () => undefined);
  }
}

function fromRow([conflict]: ConflictRow): Conflict {
  return JSON.parse(conflict) as Conflict;
}

function toToken({ detectedAt, id }: Position): string {
  return Buffer.from(JSON.stringify([detectedAt, id])).toString("base64url");
}

/** @throws `InvalidRequest` for what no page ended with */
function parseToken(token: string | undefined): Position {
  if (token === undefined) return START;
  try {
    const [detectedAt, id]: unknown[] = JSON.parse(Buffer.from(token, "base64url").toString());
    if (typeof detectedAt === "number" && typeof id === "string") return { detectedAt, id };
  } catch {
    // Falls through to the one answer for every kind of nonsense.
  }
  throw new ReplicationError("InvalidRequest", "the token of the next page is not one that a list gave", {
    hint: "pass on nextToken as it came, or leave it out to start at the beginning",
  });
}

function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw toLedgerError(error, "safeguards");
  }
}
