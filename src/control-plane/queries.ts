import { type Bucket, canonicalBucketId } from "../domain/bucket.ts";
import { type BucketReference, parseBucketReference } from "../domain/bucket-reference.ts";
import { isReplicationError, ReplicationError } from "../domain/error.ts";
import { keyMatches, type Rule } from "../domain/rule.ts";
import { type LedgerEntry, STATUSES, type Status } from "../domain/status.ts";
import type { EntryFilter, State } from "../ports/state.ts";
import {
  type ConflictItem,
  type FailureItem,
  type HeldDeleteItem,
  type ListDocument,
  type ObjectDocument,
  type ObjectListItem,
  SCHEMA_VERSION,
  type StatusDocument,
  type Versioned,
} from "./contract.ts";
import type { NativeLook } from "./native.ts";
import { notFoundError } from "./problem.ts";
import { FAILURES, HELD_DELETES, isOfKind, type Row, type RowKind, Rows } from "./rows.ts";
import {
  COPY_ALONE,
  type EngineLookup,
  Names,
  type NativeRuleStatus,
  toConflict,
  toConflictList,
  toFailureList,
  toHeldDeleteList,
  toObjectDocument,
  toObjectList,
  toStatusDocument,
} from "./status.ts";

/** What the queries read. */
export interface QueryScope {
  readonly name: string;
  readonly rules: readonly Rule[];
  readonly state: State;
  /** @defaultValue copy for every rule */
  readonly engineOf?: EngineLookup | undefined;
  /** Asks S3 about the rules that it serves. Absent: only the state knows anything of them. */
  readonly native?: NativeLook | undefined;
}

/** The filters of lists as people write them: ids, not canonical ids. */
export interface ListQuery {
  readonly rule?: string | undefined;
  readonly destination?: string | undefined;
  readonly status?: string | undefined;
  /** Milliseconds since the epoch. */
  readonly since?: number | undefined;
  /** @defaultValue 100; at most 1000 */
  readonly limit?: number | undefined;
  readonly nextToken?: string | undefined;
}

/** The filters of `conflicts list`. */
export interface ConflictQuery extends Pick<ListQuery, "rule" | "limit" | "nextToken"> {
  /** @defaultValue open */
  readonly state?: string | undefined;
}

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1000;

/**
 * Reads the document of `status`, of all rules or of one.
 *
 * @throws ReplicationError `InvalidRequest` for a rule that is not in the config
 */
export async function queryStatus(scope: QueryScope, now: number, ruleId?: string): Promise<StatusDocument> {
  const rules = ruleId === undefined ? scope.rules : legsOf(scope.rules, ruleId);
  const { tasks, ledger, journal, safeguards } = scope.state;
  const synced = async (id: string) => [id, (await journal.syncProgress(id))?.finishedAt ?? null] as const;
  const [summaries, pending, intake, paused, epoch, lastSyncAt] = await Promise.all([
    ledger.summaries(now),
    tasks.pending(),
    journal.intake(),
    safeguards.pausedRules(),
    journal.epoch(),
    Promise.all([...new Set(rules.map(({ id }) => id))].map(synced)),
  ]);
  const { engineOf = COPY_ALONE } = scope;
  const distrust = epoch?.distrust ?? null;
  const native = await nativeStatuses(scope, rules);
  const facts = { summaries, pending, intake, lastSyncAt: new Map(lastSyncAt), paused: new Set(paused), engineOf, native, distrust };
  return toStatusDocument(scope.name, rules, facts);
}

/** What S3 tells of those of the rules that it serves. */
async function nativeStatuses(
  { native, engineOf = COPY_ALONE }: QueryScope,
  rules: readonly Rule[],
): Promise<ReadonlyMap<string, NativeRuleStatus>> {
  if (native === undefined) return new Map();
  const legs = rules.filter(({ id }) => engineOf(id) === "native");
  const ids = [...new Set(legs.map(({ id }) => id))];
  return new Map(await Promise.all(ids.map(async (id) => [id, await nativeStatus(native, legsOf(legs, id))] as const)));
}

/** Of several jobs one that is at work; else the latest. */
async function nativeStatus(native: NativeLook, legs: readonly Rule[]): Promise<NativeRuleStatus> {
  const pairs = legs.flatMap((rule) => rule.destinations.map((destination) => ({ rule, destination })));
  const [facts, jobs] = await Promise.all([
    Promise.all(
      pairs.map(async ({ rule, destination }) => ({ ...(await native.pair(rule, destination)), source: rule.source.name, destination })),
    ),
    Promise.all(legs.map((rule) => native.job(rule))),
  ]);
  const known = jobs.filter((job) => job !== undefined).toSorted((a, b) => b.createdAt - a.createdAt);
  return { pairs: facts, job: known.find(({ endedAt }) => endedAt === null) ?? known[0] };
}

/** Reads the document of one object of a source bucket. */
export async function queryObject(scope: QueryScope, named: Bucket, key: string): Promise<ObjectDocument> {
  const bucket = asInRules(scope.rules, named);
  const entries = await liveEntries(scope, { bucket, key }, await scope.state.ledger.entriesOf(bucket.id, key));
  return toObjectDocument(new Names(scope.rules, scope.engineOf), { bucket, key }, entries);
}

/** The rows of an object; those of rules that S3 serves as it shows the object now. */
async function liveEntries(
  { native, rules, engineOf = COPY_ALONE }: QueryScope,
  { bucket, key }: { readonly bucket: Bucket; readonly key: string },
  rows: readonly LedgerEntry[],
): Promise<readonly LedgerEntry[]> {
  if (native === undefined) return rows;
  const legs = rules.filter((rule) => rule.source.id === bucket.id && engineOf(rule.id) === "native" && keyMatches(rule.filter, key));
  const pairs = legs.flatMap((rule) => rule.destinations.map((destination) => ({ rule, destination })));
  const seen = await Promise.all(pairs.map(({ rule, destination }) => native.object(rule, destination, key)));
  const live = seen.flatMap((facts) => facts?.entry ?? []);
  const isLive = (row: LedgerEntry) => live.some(({ rule, destination }) => rule === row.rule && destination === row.destination);
  return [...rows.filter((row) => !isLive(row)), ...live];
}

/**
 * Reads one page of `objects list`.
 *
 * @throws ReplicationError `InvalidRequest` for a filter that nothing can match
 */
export async function queryObjects(scope: QueryScope, query: ListQuery): Promise<ListDocument<ObjectListItem>> {
  const { rows, nextToken } = await rowsOf(scope).page(toFilter(scope.rules, query));
  return toObjectList(new Names(scope.rules, scope.engineOf), rows, nextToken);
}

/**
 * Reads one page of `failures list`.
 *
 * @throws ReplicationError `InvalidRequest` for a filter that nothing can match
 */
export async function queryFailures(scope: QueryScope, query: ListQuery): Promise<ListDocument<FailureItem>> {
  const { rows, nextToken } = await rowsOf(scope).pageOfKind(toFilter(scope.rules, query), FAILURES);
  return toFailureList(scope.rules, rows, nextToken);
}

/** Reads one failed row. @throws ReplicationError not found */
export async function queryFailure(scope: QueryScope, id: string): Promise<FailureItem & Versioned> {
  const row = await findRow(scope, id, FAILURES);
  return one(toFailureList(scope.rules, [row], null));
}

/**
 * Reads one page of `deletes list`.
 *
 * @throws ReplicationError `InvalidRequest` for a filter that nothing can match
 */
export async function queryHeldDeletes(scope: QueryScope, query: ListQuery): Promise<ListDocument<HeldDeleteItem>> {
  const { rows, nextToken } = await rowsOf(scope).pageOfKind(toFilter(scope.rules, query), HELD_DELETES);
  return toHeldDeleteList(scope.rules, rows, nextToken);
}

/** Reads one held delete. @throws ReplicationError not found */
export async function queryHeldDelete(scope: QueryScope, id: string): Promise<HeldDeleteItem & Versioned> {
  const row = await findRow(scope, id, HELD_DELETES);
  return one(toHeldDeleteList(scope.rules, [row], null));
}

/**
 * Reads one page of `conflicts list`, the newest first.
 *
 * @throws ReplicationError `InvalidRequest` for a filter that nothing can match
 */
export async function queryConflicts(scope: QueryScope, query: ConflictQuery): Promise<ListDocument<ConflictItem>> {
  const { rule, nextToken } = query;
  if (rule !== undefined) legsOf(scope.rules, rule);
  const open = toOpen(query.state);
  const page = await scope.state.safeguards.conflicts({ rule, open, limit: toLimit(query.limit), nextToken });
  return toConflictList(scope.rules, page.conflicts, page.nextToken);
}

/** Reads one conflict. @throws ReplicationError not found */
export async function queryConflict(scope: QueryScope, id: string): Promise<ConflictItem & Versioned> {
  const conflict = await scope.state.safeguards.conflict(id);
  if (conflict === undefined) throw notFoundError(`no conflict has the id "${id}"`, "replicast conflicts list shows those that are open");
  return { schemaVersion: SCHEMA_VERSION, ...toConflict(conflict, new Names(scope.rules)) };
}

async function findRow(scope: QueryScope, id: string, kind: RowKind): Promise<Row> {
  const row = await rowsOf(scope).find(id);
  if (row !== undefined && isOfKind(row.entry, kind)) return row;
  const [what, list] = kind === FAILURES ? ["failure", "failures"] : ["held delete", "deletes"];
  throw notFoundError(`no ${what} has the id "${id}"`, `it may have been dealt with; replicast ${list} list shows what is there`);
}

function one<Item extends object>({ items, schemaVersion }: ListDocument<Item>): Item & Versioned {
  const [item] = items;
  if (item === undefined) throw new RangeError("a list of one row is empty");
  return { schemaVersion, ...item };
}

function rowsOf({ rules, state }: QueryScope): Rows {
  return new Rows(rules, state);
}

/** Finds a bucket that the rules name, by how it prints, by its canonical id, or in any other way a bucket can be spelled. */
export function findBucket(rules: readonly Rule[], reference: string): Bucket | undefined {
  const buckets = bucketsOf(rules);
  const bare = reference.replace(/^s3:\/\//i, "");
  return (
    buckets.find(({ name, id }) => name === reference || id === reference) ??
    buckets.find(({ store, bucket }) => store === "aws" && bucket === bare) ??
    buckets.find(({ name }) => name === bare) ??
    spelledBucket(buckets, reference)
  );
}

function spelledBucket(buckets: readonly Bucket[], text: string): Bucket | undefined {
  const reference = parsedReference(text);
  if (reference === undefined || reference.key !== undefined) return undefined;
  if (reference.kind === "named")
    return buckets.find(({ store, bucket }) => store === (reference.store ?? "aws") && bucket === reference.bucket);
  const id = canonicalBucketId(new URL(reference.origin).host, reference.bucket);
  return buckets.find((bucket) => anywhere(bucket.id) === anywhere(id));
}

function parsedReference(text: string): BucketReference | undefined {
  try {
    return parseBucketReference(text);
  } catch (error) {
    if (isReplicationError(error)) return undefined; // it names nothing, and so no bucket of the rules
    throw error;
  }
}

/** The bucket as the rules name it; one that they do not know is itself. A region says nothing about which AWS bucket is meant. */
export function asInRules(rules: readonly Rule[], named: Bucket): Bucket {
  const buckets = bucketsOf(rules);
  return buckets.find(({ id }) => id === named.id) ?? buckets.find(({ id }) => anywhere(id) === anywhere(named.id)) ?? named;
}

/** A canonical id without what says nothing about which bucket is meant. */
function anywhere(id: string): string {
  return id.replace(AWS_REGION, "$1/*/").replace(LOOPBACK, "s3://loopback");
}

/** Of canonical ids. */
const LOOPBACK = /^s3:\/\/(?:localhost|\[::1\]|127(?:\.\d+){3})(?=[:/])/;
const AWS_REGION = /^(s3:\/\/aws[a-z-]*)\/[^/]+\//;

function bucketsOf(rules: readonly Rule[]): readonly Bucket[] {
  return rules.flatMap((rule) => [rule.source, ...rule.destinations.map((destination) => destination.bucket)]);
}

function toFilter(rules: readonly Rule[], query: ListQuery): EntryFilter {
  if (query.rule !== undefined) legsOf(rules, query.rule);
  return {
    rule: query.rule,
    destination: query.destination === undefined ? undefined : canonicalOf(rules, query.destination, query.rule),
    status: toStatus(query.status),
    since: query.since,
    limit: toLimit(query.limit),
    nextToken: query.nextToken,
  };
}

/**
 * The rule of an id; of a mesh, every direction of it.
 *
 * @throws ReplicationError `InvalidRequest` for a rule that is not in the config
 */
export function legsOf(rules: readonly Rule[], id: string): readonly [Rule, ...Rule[]] {
  const [first, ...others] = rules.filter((one) => one.id === id);
  if (first !== undefined) return [first, ...others];
  throw invalid(`no rule has the id "${id}"`, `known rules: ${[...new Set(rules.map((rule) => rule.id))].join(", ")}`);
}

function canonicalOf(rules: readonly Rule[], destination: string, ruleId: string | undefined): string {
  const among = rules.filter((rule) => ruleId === undefined || rule.id === ruleId).flatMap((rule) => rule.destinations);
  const found = new Set(
    among.filter(({ id, canonicalId }) => id === destination || canonicalId === destination).map((one) => one.canonicalId),
  );
  const [first, ...others] = found;
  if (first === undefined) {
    const known = new Set(among.map((one) => one.id));
    throw invalid(`no destination has the id "${destination}"`, `known destinations: ${[...known].join(", ")}`);
  }
  if (others.length > 0) throw invalid(`"${destination}" names different destinations of several rules`, "name the rule too");
  return first;
}

function toStatus(text: string | undefined): Status | undefined {
  if (text === undefined) return undefined;
  const status = STATUSES.find((one) => one === text.toUpperCase());
  if (status === undefined) throw invalid(`"${text}" is no status`, `one of ${STATUSES.join(", ")}`);
  return status;
}

function toOpen(state: string | undefined): boolean | undefined {
  const known: Readonly<Record<string, boolean | undefined>> = { open: true, resolved: false, all: undefined };
  const name = (state ?? "open").toLowerCase();
  if (Object.hasOwn(known, name)) return known[name];
  throw invalid(`"${state}" is no state of a conflict`, `one of ${Object.keys(known).join(", ")}`);
}

function toLimit(limit: number | undefined): number {
  if (limit === undefined) return DEFAULT_LIMIT;
  if (!Number.isSafeInteger(limit) || limit < 1) throw invalid("limit is no whole number above 0", `1 to ${MAX_LIMIT}`);
  return Math.min(limit, MAX_LIMIT);
}

function invalid(message: string, hint: string): ReplicationError {
  return new ReplicationError("InvalidRequest", message, { hint });
}
