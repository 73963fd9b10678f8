import type { Bucket } from "../domain/bucket.ts";
import { ReplicationError } from "../domain/error.ts";
import type { Rule } from "../domain/rule.ts";
import { STATUSES, type Status } from "../domain/status.ts";
import type { EntryFilter, State } from "../ports/state.ts";
import type { FailureItem, ListDocument, ObjectDocument, ObjectListItem, StatusDocument } from "./contract.ts";
import { toFailureList, toObjectDocument, toObjectList, toStatusDocument } from "./status.ts";

/** What the queries read. */
export interface QueryScope {
  readonly name: string;
  readonly rules: readonly Rule[];
  readonly state: State;
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

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1000;

/**
 * Reads the document of `status`, of all rules or of one.
 *
 * @throws ReplicationError `InvalidRequest` for a rule that is not in the config
 */
export async function queryStatus(scope: QueryScope, now: number, ruleId?: string): Promise<StatusDocument> {
  const rules = ruleId === undefined ? scope.rules : [ruleOf(scope.rules, ruleId)];
  const { tasks, ledger, journal } = scope.state;
  const synced = async (rule: Rule) => [rule.id, (await journal.syncProgress(rule.id))?.finishedAt ?? null] as const;
  const [summaries, pending, intake, lastSyncAt] = await Promise.all([
    ledger.summaries(now),
    tasks.pending(),
    journal.intake(),
    Promise.all(rules.map(synced)),
  ]);
  return toStatusDocument(scope.name, rules, { summaries, pending, intake, lastSyncAt: new Map(lastSyncAt) });
}

/** Reads the document of one object of a source bucket. */
export async function queryObject(scope: QueryScope, bucket: Bucket, key: string): Promise<ObjectDocument> {
  const entries = await scope.state.ledger.entriesOf(bucket.id, key);
  return toObjectDocument(scope.rules, { bucket: bucket.name, key }, entries);
}

/**
 * Reads one page of `objects list`.
 *
 * @throws ReplicationError `InvalidRequest` for a filter that nothing can match
 */
export async function queryObjects(scope: QueryScope, query: ListQuery): Promise<ListDocument<ObjectListItem>> {
  const { entries, nextToken } = await scope.state.ledger.list(toFilter(scope.rules, query));
  return toObjectList(scope.rules, entries, nextToken);
}

/**
 * Reads one page of `failures list`.
 *
 * @throws ReplicationError `InvalidRequest` for a filter that nothing can match
 */
export async function queryFailures(scope: QueryScope, query: ListQuery): Promise<ListDocument<FailureItem>> {
  const { entries, nextToken } = await scope.state.ledger.list(toFilter(scope.rules, { ...query, status: "FAILED" }));
  return toFailureList(scope.rules, entries, nextToken);
}

/** Finds a bucket that the rules name by how it prints, by its canonical id, or as `s3://bucket` or plain `bucket` in the store `aws`. */
export function findBucket(rules: readonly Rule[], reference: string): Bucket | undefined {
  const buckets = bucketsOf(rules);
  const bare = reference.replace(/^s3:\/\//i, "");
  return (
    buckets.find(({ name, id }) => name === reference || id === reference) ??
    buckets.find(({ store, bucket }) => store === "aws" && bucket === bare) ??
    buckets.find(({ name }) => name === bare)
  );
}

function bucketsOf(rules: readonly Rule[]): readonly Bucket[] {
  return rules.flatMap((rule) => [rule.source, ...rule.destinations.map((destination) => destination.bucket)]);
}

function toFilter(rules: readonly Rule[], query: ListQuery): EntryFilter {
  if (query.rule !== undefined) ruleOf(rules, query.rule);
  return {
    rule: query.rule,
    destination: query.destination === undefined ? undefined : canonicalOf(rules, query.destination, query.rule),
    status: toStatus(query.status),
    since: query.since,
    limit: toLimit(query.limit),
    nextToken: query.nextToken,
  };
}

function ruleOf(rules: readonly Rule[], id: string): Rule {
  const rule = rules.find((one) => one.id === id);
  if (rule === undefined) throw invalid(`no rule has the id "${id}"`, `known rules: ${rules.map((one) => one.id).join(", ")}`);
  return rule;
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

function toLimit(limit: number | undefined): number {
  if (limit === undefined) return DEFAULT_LIMIT;
  if (!Number.isSafeInteger(limit) || limit < 1) throw invalid("limit is no whole number above 0", `1 to ${MAX_LIMIT}`);
  return Math.min(limit, MAX_LIMIT);
}

function invalid(message: string, hint: string): ReplicationError {
  return new ReplicationError("InvalidRequest", message, { hint });
}
