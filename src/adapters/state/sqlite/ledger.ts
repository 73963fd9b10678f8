import { ReplicationError } from "../../../domain/error.ts";
import type { LedgerEntry } from "../../../domain/status.ts";
import type { Adoption, EntryFilter, Ledger, Route, RouteSummary } from "../../../ports/state.ts";
import { toAttemptCells, toReplicaCells } from "./cells.ts";
import type { GroupCommit } from "./group-commit.ts";
import type { NumberedRoute, Reader, RowPosition, RowRange } from "./reader.ts";
import type { Routes } from "./routes.ts";
import { toLedgerError } from "./sqlite-error.ts";
import { ADOPT, type AdoptOp } from "./wire.ts";

/** Rows read before the event loop gets its turn. */
const ROWS_PER_TURN = 1_000;

export interface SqliteLedgerParts {
  readonly commits: GroupCommit;
  readonly reader: Reader;
  readonly routes: Routes;
}

interface ListPosition extends RowPosition {
  readonly routeId: number;
}

/** Before all rows of a route. */
const START: RowPosition = { key: "", versionId: "" };

/** Reads go to a connection of their own on this thread and see what was committed; a task that waits shows as PENDING in all of them. */
export class SqliteLedger implements Ledger {
  readonly #commits: GroupCommit;
  readonly #reader: Reader;
  readonly #routes: Routes;

  constructor(parts: SqliteLedgerParts) {
    this.#commits = parts.commits;
    this.#reader = parts.reader;
    this.#routes = parts.routes;
  }

  async get(route: Route, key: string): Promise<LedgerEntry | undefined> {
    return reading("get", () => {
      const numbered = this.#reader.numbered(route);
      return numbered === undefined ? undefined : this.#reader.entry(numbered, key);
    });
  }

  async entriesOf(sourceBucketId: string, key: string): Promise<readonly LedgerEntry[]> {
    return reading("entriesOf", () => {
      const routes = this.#reader.routes().filter(({ route }) => route.source === sourceBucketId);
      return routes.flatMap((route) => this.#reader.entriesOf(route, key));
    });
  }

  async scan(route: Route, after: string | undefined, limit: number): Promise<readonly LedgerEntry[]> {
    return reading("scan", () => {
      const numbered = this.#reader.numbered(route);
      return numbered === undefined ? [] : this.#reader.entries(numbered, { after: after ?? "", limit });
    });
  }

  async list(filter: EntryFilter): Promise<{ readonly entries: readonly LedgerEntry[]; readonly nextToken: string | null }> {
    const from = parseToken(filter.nextToken);
    const found: Listed[] = [];
    for (const route of this.#routesOf(filter, from)) {
      const after = route.id === from.routeId ? from : START;
      for await (const entry of this.#matching(route, filter, after)) {
        found.push({ entry, routeId: route.id });
        // One more than asked for tells whether there is a next page.
        if (found.length > filter.limit) return page(found, filter.limit);
      }
    }
    return page(found, filter.limit);
  }

  async adopt(entries: readonly Adoption[]): Promise<void> {
    if (entries.length === 0) return;
    this.#commits.refuseIfFull();
    const ops = entries.map(({ route, entry, over }): AdoptOp => {
      const cells = [entry.key.toWellFormed(), entry.versionId, toAttemptCells(entry), toReplicaCells(entry)] as const;
      return [ADOPT, this.#routes.intern(route), ...cells, over === undefined ? null : [over.startedAt, over.finishedAt]];
    });
    await this.#commits.submit(ops, () => undefined);
  }

  async summaries(now: number): Promise<readonly RouteSummary[]> {
    const summaries: RouteSummary[] = [];
    for (const route of reading("summaries", () => this.#reader.routes())) {
      summaries.push(reading("summaries", () => this.#reader.summary(route, now)));
      await turn();
    }
    return summaries;
  }

  #routesOf({ rule, destination }: EntryFilter, from: ListPosition): readonly NumberedRoute[] {
    return reading("list", () => this.#reader.routes()).filter(({ id, route }) => {
      return id >= from.routeId && (rule ?? route.rule) === route.rule && (destination ?? route.destination) === route.destination;
    });
  }

  async *#matching(route: NumberedRoute, filter: EntryFilter, start: RowPosition): AsyncGenerator<LedgerEntry> {
    const limit = Math.min(ROWS_PER_TURN, Math.max(filter.limit + 1, 100));
    for (let after = start; ; ) {
      const entries = reading("list", () => this.#page(route, filter, { after, limit }));
      yield* entries.filter((entry) => matches(entry, filter));
      const last = entries.at(-1);
      if (last === undefined || entries.length < limit) return;
      after = last;
      await turn();
    }
  }

  /** Reads by the shortest way that leaves no match out. */
  #page(route: NumberedRoute, { status }: EntryFilter, range: RowRange): readonly LedgerEntry[] {
    if (status === "PENDING") return this.#reader.waitingEntries(route, range);
    if (status === undefined || status === "COMPLETED") return this.#reader.rows(route, range);
    return this.#reader.unfinishedEntries(route, status, range);
  }
}

function matches(entry: LedgerEntry, { status, since }: EntryFilter): boolean {
  if (status !== undefined && entry.status !== status) return false;
  return since === undefined || (entry.finishedAt !== null && entry.finishedAt >= since);
}

interface Listed {
  readonly entry: LedgerEntry;
  readonly routeId: number;
}

function page(found: readonly Listed[], limit: number) {
  const entries = found.slice(0, limit).map(({ entry }) => entry);
  const last = found.length > limit ? found[limit - 1] : undefined;
  return { entries, nextToken: last === undefined ? null : toToken(last) };
}

function toToken({ entry: { key, versionId }, routeId }: Listed): string {
  return Buffer.from(JSON.stringify([routeId, key, versionId])).toString("base64url");
}

/** @throws `InvalidRequest` for what no page ended with */
function parseToken(token: string | undefined): ListPosition {
  if (token === undefined) return { routeId: 0, ...START };
  try {
    const [routeId, key, versionId]: unknown[] = JSON.parse(Buffer.from(token, "base64url").toString());
    if (typeof routeId === "number" && typeof key === "string" && typeof versionId === "string") return { routeId, key, versionId };
  } catch {
    // Falls through to the one answer for every kind of nonsense.
  }
  throw new ReplicationError("InvalidRequest", "the token of the next page is not one that a list gave", {
    hint: "pass on nextToken as it came, or leave it out to start at the beginning",
  });
}

function reading<T>(operation: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw toLedgerError(error, operation);
  }
}

/** Gives the event loop its turn in the middle of a long read. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
