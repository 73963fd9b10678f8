import type { Rule } from "../domain/rule.ts";
import type { LedgerEntry } from "../domain/status.ts";
import type { EntryFilter, Route, State } from "../ports/state.ts";

/** A row of the ledger and the route that it is of; undefined where neither the config nor the state knows it any more. */
export interface Row {
  readonly entry: LedgerEntry;
  readonly route: Route | undefined;
}

/** Some rows that a person is shown, or that a person's word is about. */
export interface RowKind {
  readonly status: "FAILED" | "HELD";
  /** @defaultValue any */
  readonly reason?: string | undefined;
}

export const FAILURES: RowKind = { status: "FAILED" };
export const HELD_DELETES: RowKind = { status: "HELD", reason: "DeleteGate" };

export interface RowPage {
  readonly rows: readonly Row[];
  readonly nextToken: string | null;
}

/** Names a row in one word that a shell takes as it is, the same as long as the row is there. */
export function rowId({ entry, route }: Row): string {
  const parts = [entry.rule, route?.source ?? "", entry.destination, entry.key, entry.versionId];
  return Buffer.from(JSON.stringify(parts)).toString("base64url");
}

/** Is true for the rows of a kind. */
export function isOfKind(entry: LedgerEntry, { status, reason }: RowKind): boolean {
  return entry.status === status && (reason === undefined || entry.reason === reason);
}

/** Reads rows together with their routes. To be made anew for every question. */
export class Rows {
  readonly #rules: readonly Rule[];
  readonly #state: Pick<State, "ledger">;
  #stored: Promise<readonly Route[]> | undefined;

  constructor(rules: readonly Rule[], state: Pick<State, "ledger">) {
    this.#rules = rules;
    this.#state = state;
  }

  /** The row that an id names; undefined where there is none, and for what is no id. */
  async find(id: string): Promise<Row | undefined> {
    const place = parseId(id);
    if (place === undefined) return undefined;
    const { route, key, versionId } = place;
    const entry = versionId === "" ? await this.#state.ledger.get(route, key) : await this.#version(route, key, versionId);
    return entry === undefined ? undefined : { entry, route };
  }

  async #version({ rule, source, destination }: Route, key: string, versionId: string): Promise<LedgerEntry | undefined> {
    const entries = await this.#state.ledger.entriesOf(source, key);
    return entries.find((entry) => entry.rule === rule && entry.destination === destination && entry.versionId === versionId);
  }

  /** One page of the rows that the filter lets through. */
  async page(filter: EntryFilter): Promise<RowPage> {
    const { entries, nextToken } = await this.#state.ledger.list(filter);
    const rows: Row[] = [];
    const taken = new Set<string>();
    for (const entry of entries) rows.push({ entry, route: await this.#routeOf(entry, taken) });
    return { rows, nextToken };
  }

  /** As {@link page}, of rows of a kind: pages are filled up as long as there are such rows. */
  async pageOfKind(filter: Omit<EntryFilter, "status">, kind: RowKind): Promise<RowPage> {
    const rows: Row[] = [];
    let nextToken = filter.nextToken;
    do {
      // No more than there is room for, since a token only stands at the end of what was read.
      const page = await this.page({ ...filter, status: kind.status, limit: filter.limit - rows.length, nextToken });
      rows.push(...page.rows.filter(({ entry }) => isOfKind(entry, kind)));
      nextToken = page.nextToken ?? undefined;
    } while (rows.length < filter.limit && nextToken !== undefined);
    return { rows, nextToken: nextToken ?? null };
  }

  /** All rows of a kind, a batch at a time. Rows may change between two batches. */
  async *batches(filter: Pick<EntryFilter, "rule" | "destination" | "limit">, kind: RowKind): AsyncGenerator<readonly Row[]> {
    let nextToken: string | undefined;
    do {
      const page = await this.page({ ...filter, status: kind.status, nextToken });
      const rows = page.rows.filter(({ entry }) => isOfKind(entry, kind));
      if (rows.length > 0) yield rows;
      nextToken = page.nextToken ?? undefined;
    } while (nextToken !== undefined);
  }

  /** An entry does not say which source it is of; where a rule has several, the rows themselves tell. */
  async #routeOf(entry: LedgerEntry, taken: Set<string>): Promise<Route | undefined> {
    const routes = await this.#routesOf(entry);
    if (routes.length < 2) return routes[0];
    const rows: { readonly route: Route; readonly row: LedgerEntry }[] = [];
    for (const route of routes) {
      const row = await this.#state.ledger.get(route, entry.key);
      if (row !== undefined && !taken.has(placeKey(route, entry))) rows.push({ route, row });
    }
    // A row that was written meanwhile is no longer equal; then its status still tells what the person asked about.
    const found = rows.find(({ row }) => isSameAttempt(row, entry)) ?? rows.find(({ row }) => row.status === entry.status);
    if (found !== undefined) taken.add(placeKey(found.route, entry));
    return found?.route;
  }

  async #routesOf({ rule, destination }: LedgerEntry): Promise<readonly Route[]> {
    const routes = routesOf(this.#rules, rule).filter((route) => route.destination === destination);
    if (routes.length > 0) return routes;
    this.#stored ??= this.#state.ledger.summaries(0).then((summaries) => summaries.map(({ route }) => route));
    return (await this.#stored).filter((route) => route.rule === rule && route.destination === destination);
  }
}

/** Every direction of a rule. */
export function routesOf(rules: readonly Rule[], id: string): readonly Route[] {
  const legs = rules.filter((rule) => rule.id === id);
  return legs.flatMap(({ source, destinations }) =>
    destinations.map(({ canonicalId }) => ({ rule: id, source: source.id, destination: canonicalId })),
  );
}

/** Of two sources an attempt at one destination ends at different moments, or the rows are as good as one. */
function isSameAttempt(a: LedgerEntry, b: LedgerEntry): boolean {
  return a.status === b.status && a.attempts === b.attempts && a.startedAt === b.startedAt && a.finishedAt === b.finishedAt;
}

function placeKey({ source }: Route, { rule, destination, key, versionId }: LedgerEntry): string {
  return JSON.stringify([rule, source, destination, key, versionId]);
}

function parseId(id: string): { readonly route: Route; readonly key: string; readonly versionId: string } | undefined {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(id, "base64url").toString());
  } catch {
    return undefined;
  }
  if (!Array.isArray(parts) || parts.length !== 5 || !parts.every((part) => typeof part === "string")) return undefined;
  const [rule, source, destination, key, versionId] = parts as [string, string, string, string, string];
  return { route: { rule, source, destination }, key, versionId };
}
