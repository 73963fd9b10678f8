import { keyMatches, type Rule } from "../../domain/rule.ts";
import type { LedgerEntry } from "../../domain/status.ts";
import type { ListedVersion, ObjectStore, VersionPage } from "../../ports/object-store.ts";
import type { Route } from "../../ports/state.ts";

export interface HistoryOptions {
  readonly key: string;
  /** Ends the reading at the first version that it is true for, which is the last one returned. */
  readonly until?: ((version: ListedVersion) => boolean) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Few, since a page goes on with all keys that begin with this one; the next pages are as long as they can be. */
const FIRST_PAGE = 50;

/** Returns the versions and markers of exactly this key, the newest first. */
export async function readHistory(store: ObjectStore, { key, until, signal }: HistoryOptions): Promise<readonly ListedVersion[]> {
  const history: ListedVersion[] = [];
  let page: VersionPage | undefined;
  do {
    page = await store.listVersions({ prefix: key, ...page?.next, maxKeys: page === undefined ? FIRST_PAGE : undefined, signal });
    for (const version of page.versions) {
      if (version.key !== key) return history; // of the keys with this prefix it is the first
      history.push(version);
      if (until?.(version) === true) return history;
    }
  } while (page.next !== undefined);
  return history;
}

export interface KeyHistory {
  readonly key: string;
  readonly versions: readonly ListedVersion[];
}

/** Walks all histories of a source that a rule is about, in the order of their keys; holds one of them and a page at a time. */
export async function* histories({ filter }: Pick<Rule, "filter">, store: ObjectStore, signal?: AbortSignal): AsyncGenerator<KeyHistory> {
  let page: VersionPage | undefined;
  let open: { readonly key: string; readonly versions: ListedVersion[] } | undefined;
  do {
    page = await store.listVersions({ prefix: filter.prefix ?? "", ...page?.next, signal });
    for (const version of page.versions) {
      if (open?.key === version.key) open.versions.push(version);
      else {
        if (open !== undefined && keyMatches(filter, open.key)) yield open;
        open = { key: version.key, versions: [version] };
      }
    }
  } while (page.next !== undefined);
  if (open !== undefined && keyMatches(filter, open.key)) yield open;
}

/** What is recorded of a key on one route: of its current object, and of its versions by their ids. */
export interface KeyRows {
  readonly current: LedgerEntry | undefined;
  readonly versions: ReadonlyMap<string, LedgerEntry>;
}

export function rowsOfRoute(entries: readonly LedgerEntry[], { rule, destination }: Pick<Route, "rule" | "destination">): KeyRows {
  const ours = entries.filter((entry) => entry.rule === rule && entry.destination === destination);
  return {
    current: ours.find(({ versionId }) => versionId === ""),
    versions: new Map(ours.flatMap((entry) => (entry.versionId === "" ? [] : [[entry.versionId, entry] as const]))),
  };
}

/** Versions before the rule's first run are left alone at destinations that take no existing objects. Whole seconds, as S3 tells times. */
export function isInScope({ lastModified }: ListedVersion, since: number | undefined): boolean {
  return since === undefined || lastModified >= Math.floor(since / 1000) * 1000;
}
