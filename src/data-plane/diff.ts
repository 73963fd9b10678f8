import type { Bucket } from "../domain/bucket.ts";
import { compare, compareChecksums, type Finding } from "../domain/comparison.ts";
import { attributeText, compareKeys, type ListedObject } from "../domain/object.ts";
import { type Destination, destinationKey, keyMatches, needsTags, type Rule, sizeMatches, tagsMatch } from "../domain/rule.ts";
import { withoutStamp } from "../domain/stamp.ts";
import type { LedgerEntry } from "../domain/status.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import type { Ledger, Route } from "../ports/state.ts";
import { type MergeSide, mergeListings } from "./listing-merge.ts";

/** What was found for one key at one destination. */
export interface DiffRow {
  readonly key: string;
  /** Position of the destination in the diff's list. */
  readonly index: number;
  readonly finding: Finding;
  readonly source: ListedObject | undefined;
  readonly replica: ListedObject | undefined;
  readonly entry: LedgerEntry | undefined;
}

export interface DiffOptions {
  readonly rule: Rule;
  /** Those of the rule's destinations to compare. */
  readonly destinations: readonly Destination[];
  readonly storeOf: (bucket: Bucket) => ObjectStore;
  /** Absent where there is no state: then listings alone decide. */
  readonly ledger?: Ledger | undefined;
  /** Told of a destination that cannot be listed to its end: from there on no row is of it. Absent: the comparison ends with the error. */
  readonly onLost?: ((index: number, error: unknown) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface DiffVisitor {
  /** Told of each key that the rule is about, once per destination, in the order of the keys' bytes. The array is for this key alone. */
  visit(rows: readonly DiffRow[]): void | Promise<void>;
}

export function toRoute(rule: Rule, destination: Destination): Route {
  return { rule: rule.id, source: rule.source.id, destination: destination.canonicalId };
}

/** Walks a rule's source and destinations together and tells, for every key, what each destination lacks. Changes nothing. */
export function diffRule(options: DiffOptions, visitor: DiffVisitor): Promise<void> {
  const { rule, destinations, ledger, onLost } = options;
  const lost = new Set<number>();
  const lose = (index: number, error: unknown) => {
    lost.add(index);
    onLost?.(index, error);
  };
  const entries = destinations.map((destination) =>
    ledger === undefined ? undefined : new EntryCursor(ledger, toRoute(rule, destination)),
  );
  const visit = (merged: { key: string; source: ListedObject | undefined; replicas: readonly (ListedObject | undefined)[] }) => {
    const { key, source, replicas } = merged;
    if (!keyMatches(rule.filter, key)) return;
    const found = ledger === undefined ? entries : entriesAt(entries, key);
    const tell = (known: readonly (LedgerEntry | undefined)[]) => {
      const rows = toRows({ key, source, replicas, known });
      return visitor.visit(lost.size === 0 ? rows : rows.filter(({ index }) => !lost.has(index)));
    };
    return found instanceof Promise ? found.then(tell) : tell(found as readonly undefined[]);
  };
  return mergeListings(sidesOf({ ...options, onLost: onLost && lose }), visit, options.signal);
}

function sidesOf({ rule, destinations, storeOf, onLost }: DiffOptions): { source: MergeSide; destinations: readonly MergeSide[] } {
  const prefix = rule.filter.prefix ?? "";
  return {
    source: { store: storeOf(rule.source), prefix, stripPrefix: "" },
    destinations: destinations.map((destination, index) => ({
      store: storeOf(destination.bucket),
      prefix: destination.prefix + prefix,
      stripPrefix: destination.prefix,
      onLost: onLost && ((error) => onLost(index, error)),
    })),
  };
}

function toRows(merged: {
  readonly key: string;
  readonly source: ListedObject | undefined;
  readonly replicas: readonly (ListedObject | undefined)[];
  readonly known: readonly (LedgerEntry | undefined)[];
}): DiffRow[] {
  const { key, source, replicas, known } = merged;
  return replicas.map((replica, index) => {
    const entry = known[index];
    return {
      key,
      index,
      finding: source === undefined && replica === undefined ? "EXTRA" : compare({ source, replica, entry }),
      source,
      replica,
      entry,
    };
  });
}

function entriesAt(
  cursors: readonly (EntryCursor | undefined)[],
  key: string,
): Promise<(LedgerEntry | undefined)[]> | (LedgerEntry | undefined)[] {
  const found = cursors.map((cursor) => cursor?.seek(key));
  return found.some((entry) => entry instanceof Promise) ? Promise.all(found) : (found as (LedgerEntry | undefined)[]);
}

const SCAN_PAGE = 1000;

/** Walks a route's ledger rows beside the listings, in the same order. */
class EntryCursor {
  readonly #ledger: Ledger;
  readonly #route: Route;
  #page: readonly LedgerEntry[] = [];
  #at = 0;
  #more = true;

  constructor(ledger: Ledger, route: Route) {
    this.#ledger = ledger;
    this.#route = route;
  }

  /** The row of this key; keys must be asked for in ascending order. */
  seek(key: string): LedgerEntry | undefined | Promise<LedgerEntry | undefined> {
    for (;;) {
      const entry = this.#page[this.#at];
      if (entry === undefined) return this.#more ? this.#fill().then(() => this.seek(key)) : undefined;
      const order = compareKeys(entry.key, key);
      if (order > 0) return undefined;
      this.#at++;
      if (order === 0) return entry;
    }
  }

  async #fill(): Promise<void> {
    const after = this.#page.at(-1)?.key;
    this.#page = await this.#ledger.scan(this.#route, after, SCAN_PAGE);
    this.#at = 0;
    this.#more = this.#page.length === SCAN_PAGE;
  }
}

/** A finding after the stores have been asked for what listings do not tell. */
export type Verdict = "EQUAL" | "MISSING" | "DIFFERENT" | "EXTRA" | "HIDDEN" | "UNPROVEN" | "EXCLUDED";

export interface Resolved {
  readonly verdict: Verdict;
  readonly differs: readonly string[];
}

/** Settles what listings alone cannot: by HEAD, by checksums, by tags. Reads no bodies. */
export async function resolveRow(row: DiffRow, options: DiffOptions): Promise<Resolved> {
  const { rule, storeOf, signal } = options;
  const destination = options.destinations[row.index] as Destination;
  if (row.source !== undefined && !sizeMatches(rule.filter, row.source.sizeBytes)) return { verdict: "EXCLUDED", differs: [] };
  if (row.finding === "EQUAL" || row.finding === "EXTRA") return { verdict: row.finding, differs: [] };
  if (row.source !== undefined && needsTags(rule.filter) && row.replica === undefined) {
    const tags = await storeOf(rule.source).tags(row.key, { signal });
    if (!tagsMatch(rule.filter, tags)) return { verdict: "EXCLUDED", differs: [] };
  }
  if (row.finding === "DIFFERENT") return { verdict: "DIFFERENT", differs: differences(row) };
  if (row.finding === "MISSING" || row.finding === "ABSENT_BUT_RECORDED") return lookUpHidden(row, options);
  return compareHeads(
    row,
    { source: storeOf(rule.source), replica: storeOf(destination.bucket), key: destinationKey(destination, row.key) },
    signal,
  );
}

/** What listings show of two objects that differ. */
export function differences(row: DiffRow): string[] {
  return row.source?.sizeBytes === row.replica?.sizeBytes ? ["etag"] : ["size", "etag"];
}

/** A store may hide a key from its listings: one that answers a HEAD with the source's bytes is there. */
async function lookUpHidden(row: DiffRow, options: DiffOptions): Promise<Resolved> {
  const destination = options.destinations[row.index] as Destination;
  const state = await options.storeOf(destination.bucket).head(destinationKey(destination, row.key), { signal: options.signal });
  const known = row.entry?.replica?.destinationEtag;
  const there =
    state !== undefined && (state.etag === row.source?.etag || state.etag === known) && state.sizeBytes === row.source?.sizeBytes;
  return { verdict: there ? "HIDDEN" : "MISSING", differs: [] };
}

interface HeadPair {
  readonly source: ObjectStore;
  readonly replica: ObjectStore;
  readonly key: string;
}

async function compareHeads(row: DiffRow, pair: HeadPair, signal: AbortSignal | undefined): Promise<Resolved> {
  const [source, replica] = await Promise.all([
    pair.source.head(row.key, { checksums: true, signal }),
    pair.replica.head(pair.key, { checksums: true, signal }),
  ]);
  if (source === undefined) return { verdict: "EXTRA", differs: [] };
  if (replica === undefined) return { verdict: "MISSING", differs: [] };
  if (row.finding === "SUSPECT") {
    const same = attributeText(withoutStamp(source.attributes)) === attributeText(withoutStamp(replica.attributes));
    return same ? { verdict: "EQUAL", differs: [] } : { verdict: "DIFFERENT", differs: ["attributes"] };
  }
  const equal = compareChecksums(source.checksums, replica.checksums);
  if (equal === undefined) return { verdict: "UNPROVEN", differs: ["etag"] };
  return equal ? { verdict: "EQUAL", differs: [] } : { verdict: "DIFFERENT", differs: ["etag", "checksum"] };
}
