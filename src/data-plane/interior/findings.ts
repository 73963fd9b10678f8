import { type History, writtenAt } from "../../domain/history.ts";
import type { Content, HeldObject, Holding } from "../../domain/holding.ts";
import type { ListedObject } from "../../domain/object.ts";
import type { Rule } from "../../domain/rule.ts";
import type { Route, Want } from "../../ports/state.ts";
import { type DiffRow, toRoute } from "../diff.ts";
import type { RuleIndex } from "../rule-index.ts";

export interface InteriorRowsOptions {
  readonly rule: Rule;
  readonly rules: RuleIndex;
  /** Whether the rule was compared as a whole before: then what is missing was there, and a delete of it may be on its way. */
  readonly wasCompared: boolean;
  /** Whether what interior buckets hold was forgotten: then a row does not tell that it is known. */
  readonly relearn: boolean;
  readonly now: () => number;
}

/** What a comparison found of one key at interior buckets. */
export interface InteriorFindings {
  readonly wants: readonly Want[];
  /** Of buckets found with the same bytes: what each is known to hold from now on. All or none. */
  readonly holdings: readonly Holding[];
}

/** What a bucket lost without a word is put back only after so long: the event of a delete may come yet. */
export const RESTORE_AFTER_MS = 15_000;

interface Member {
  readonly bucket: string;
  /** The rows' key of the bucket as a destination. */
  readonly destination: string;
  readonly listed: ListedObject | undefined;
}

/** Turns what listings say of one key at interior buckets into tasks, one for each direction in which something may have to go. */
export function interiorFindings(
  rows: readonly DiffRow[],
  destinations: Rule["destinations"],
  options: InteriorRowsOptions,
): InteriorFindings {
  const { rule } = options;
  const first = rows[0];
  if (first === undefined) return { wants: [], holdings: [] };
  const source: Member = { bucket: rule.source.id, destination: rule.source.id, listed: first.source };
  const members = rows.map((row): Member => {
    const destination = destinations[row.index] as Rule["destinations"][number];
    return { bucket: destination.bucket.id, destination: destination.canonicalId, listed: row.replica };
  });
  const isNews = (row: DiffRow) => row.finding === "EQUAL" && (options.relearn || row.entry?.replica == null);
  const equal = members.filter((_, i) => isNews(rows[i] as DiffRow));
  const all = [source, ...members];
  const alike = new Set([source, ...members.filter((_, i) => rows[i]?.finding === "EQUAL")]);
  const differences =
    rule.mesh === undefined ? oneWay(rows, { source, members }, options) : allWays(first.key, { members: all, alike }, options);
  // Who wrote it first matters where it may not travel on: then each is asked, for it may carry a stamp (invariant 6).
  const isAsked = equal.length > 0 && [source, ...equal].some(({ bucket }) => hasOtherWays(bucket, options));
  const again = members.filter((member, i) => isAnswered(rows[i] as DiffRow) || (isAsked && equal.includes(member)));
  const wants = [...differences, ...again.flatMap((member) => wantOf(first.key, [source, member], options))];
  return { wants, holdings: isAsked || equal.length === 0 ? [] : adoptedHoldings(first.key, [source, ...equal]) };
}

/** A person is still asked about sides that have become the same by way of a third member: decided again, there is nothing to ask. */
function isAnswered({ finding, entry }: DiffRow): boolean {
  return finding === "EQUAL" && entry?.status === "HELD" && entry.reason === "Conflict";
}

function hasOtherWays(bucket: string, { rule, rules }: InteriorRowsOptions): boolean {
  return rules.rules.some((other) => other.id !== rule.id && other.source.id === bucket && !other.transit);
}

function oneWay(
  rows: readonly DiffRow[],
  { source, members }: { readonly source: Member; readonly members: readonly Member[] },
  options: InteriorRowsOptions,
): readonly Want[] {
  return members.flatMap((member, i) => {
    const row = rows[i] as DiffRow;
    if (row.finding === "EQUAL") return [];
    const mayBeDelete =
      source.listed === undefined && member.listed !== undefined && options.rule.deletes !== "none" && row.entry?.replica != null;
    if (mayBeDelete) return wantOf(row.key, [source, member], options).map((want) => ({ ...want, ...openDelete(row.entry) }));
    return source.listed !== undefined ? wantOf(row.key, [source, member], options) : [];
  });
}

/** A delete that was decided on and not made has its evidence in its row. */
function openDelete(entry: DiffRow["entry"]): Pick<Want, "eventTime" | "changes"> | undefined {
  if (entry?.operation !== "delete" || entry.status !== "FAILED") return undefined;
  return { eventTime: entry.eventTime, changes: { missed: true, deleted: true } };
}

/** `alike`: members that are known to hold the same, also where their ETags differ for good. */
interface Compared {
  readonly members: readonly Member[];
  readonly alike: ReadonlySet<Member>;
}

function allWays(key: string, { members, alike }: Compared, options: InteriorRowsOptions): readonly Want[] {
  const { rule, wasCompared } = options;
  // Where nothing is, there is nothing to bring but the news of a delete.
  const mayBring = (from: Member) => from.listed !== undefined || (wasCompared && rule.deletes !== "none");
  const differ = (a: Member, b: Member) => a !== b && !isAlike(a, b) && !(alike.has(a) && alike.has(b));
  return members.filter(mayBring).flatMap((from) => members.flatMap((to) => (differ(from, to) ? wantOf(key, [from, to], options) : [])));
}

function isAlike(a: Member, b: Member): boolean {
  if (a.listed === undefined || b.listed === undefined) return a.listed === b.listed;
  return a.listed.etag === b.listed.etag && a.listed.sizeBytes === b.listed.sizeBytes;
}

function wantOf(
  key: string,
  [from, to]: readonly [Member, Member],
  { rule, rules, wasCompared, now }: InteriorRowsOptions,
): readonly Want[] {
  const leg = rules.aimOf({ rule: rule.id, source: from.bucket, destination: to.destination });
  if (leg === undefined || !leg.rule.enabled) return [];
  const route: Route = toRoute(leg.rule, leg.destination);
  const notBefore = wasCompared && to.listed === undefined ? now() + RESTORE_AFTER_MS : undefined;
  return [{ route, key, lane: "backfill", eventTime: null, changes: { written: true, missed: !wasCompared }, notBefore }];
}

/** Found equal without a row: whoever wrote it first, from here on it is one content that all of them hold. */
function adoptedHoldings(key: string, members: readonly Member[]): readonly Holding[] {
  const [first] = members;
  if (first?.listed === undefined) return [];
  const history = members.reduce((all, { bucket, listed }) => writtenAt(bucket, listed?.lastModified ?? 0, all), {} as History);
  const originTime = Math.floor(first.listed.lastModified / 1000) * 1000;
  const origin = first.bucket;
  const content: Content = { origin, originTime, originEtag: first.listed.etag, dot: history[origin] ?? 0, history };
  return members.map(({ bucket, listed }) => ({ bucket, key, object: toHeldObject(listed), content, isReplica: false, revision: 0 }));
}

function toHeldObject(listed: ListedObject | undefined): HeldObject | null {
  if (listed === undefined) return null;
  const { etag, sizeBytes, lastModified } = listed;
  return { etag, sizeBytes, lastModified, versionId: null, tagsHash: null, attributesHash: null };
}
