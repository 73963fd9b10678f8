import type { Bucket } from "../domain/bucket.ts";
import { RESERVED_PREFIX } from "../domain/object.ts";
import { type Destination, destinationKey, type Filter, keyMatches, needsTags, type Rule } from "../domain/rule.ts";
import type { LedgerEntry } from "../domain/status.ts";
import type { Route } from "../ports/state.ts";
import {
  type ConflictItem,
  type ExplainDocument,
  type ExplainedDestination,
  type ExplainedEntry,
  type ExplainedNative,
  type ExplainedRule,
  type ExplainedWriter,
  SCHEMA_VERSION,
} from "./contract.ts";
import type { NativeObjectFacts } from "./native.ts";
import { asInRules, type QueryScope } from "./queries.ts";
import { Names, stateOf, toConflict, toEntry, toTime } from "./status.ts";

const CONFLICTS_AT_ONCE = 500;

/** Reads all that tells why an object of a bucket is, or is not, where the rules say. Asks stores about rules that S3 serves alone. */
export async function queryExplanation(scope: QueryScope, named: Bucket, key: string): Promise<ExplainDocument> {
  const bucket = asInRules(scope.rules, named);
  const explanation = new Explanation(scope, new Set(await scope.state.safeguards.pausedRules()));
  const rules: ExplainedRule[] = [];
  for (const rule of scope.rules) if (rule.source.id === bucket.id) rules.push(await explanation.ofRule(rule, key));
  const writtenBy: ExplainedWriter[] = [];
  for (const { rule, destination } of writersOf(scope.rules, bucket, key)) {
    const writer = await explanation.ofWriter(rule, destination, key.slice(destination.prefix.length));
    // What was copied before the rule changed is still there.
    if (writer.entry !== null || keyReasons(rule.filter, writer.key).length === 0) writtenBy.push(writer);
  }
  const conflicts = await explanation.conflicts(bucket.id, key);
  return { schemaVersion: SCHEMA_VERSION, bucket: bucket.name, key, rules, writtenBy, conflicts };
}

function writersOf(rules: readonly Rule[], bucket: Bucket, key: string) {
  return rules.flatMap((rule) =>
    rule.destinations
      .filter((destination) => destination.bucket.id === bucket.id && key.startsWith(destination.prefix))
      .map((destination) => ({ rule, destination })),
  );
}

class Explanation {
  readonly #scope: QueryScope;
  readonly #names: Names;
  readonly #paused: ReadonlySet<string>;
  /** Rules under which a row of the object is held for a conflict. */
  readonly #inConflict = new Set<string>();

  constructor(scope: QueryScope, paused: ReadonlySet<string>) {
    this.#scope = scope;
    this.#names = new Names(scope.rules, scope.engineOf);
    this.#paused = paused;
  }

  async ofRule(rule: Rule, key: string): Promise<ExplainedRule> {
    const rows = await Promise.all(rule.destinations.map((destination) => this.#row(rule, destination, key)));
    const destinations = await Promise.all(
      rule.destinations.map((destination, i) => this.#destination(rule, destination, { key, row: rows[i] })),
    );
    const state = stateOf(rule, this.#paused);
    return { rule: rule.id, state, ...applies(rule, key, rows), destinations };
  }

  async ofWriter(rule: Rule, destination: Destination, key: string): Promise<ExplainedWriter> {
    const row = await this.#row(rule, destination, key);
    return { rule: rule.id, bucket: rule.source.name, key, entry: this.#entry(row, toRoute(rule, destination)) };
  }

  /** Conflicts are kept by the key at their source; looked for only where a row says that there is one. */
  async conflicts(bucket: string, key: string): Promise<readonly ConflictItem[]> {
    const found: ConflictItem[] = [];
    for (const rule of this.#inConflict) {
      let nextToken: string | undefined;
      do {
        const page = await this.#scope.state.safeguards.conflicts({ rule, open: true, limit: CONFLICTS_AT_ONCE, nextToken });
        const of = page.conflicts.filter(({ sides }) => sides.some((side) => side.bucket === bucket && side.key === key));
        found.push(...of.map((conflict) => toConflict(conflict, this.#names)));
        nextToken = page.nextToken ?? undefined;
      } while (nextToken !== undefined);
    }
    return found;
  }

  async #row(rule: Rule, destination: Destination, key: string): Promise<LedgerEntry | undefined> {
    const row = await this.#scope.state.ledger.get(toRoute(rule, destination), key);
    if (row?.status === "HELD" && row.reason === "Conflict") this.#inConflict.add(rule.id);
    return row;
  }

  async #destination(
    rule: Rule,
    destination: Destination,
    { key, row }: { readonly key: string; readonly row: LedgerEntry | undefined },
  ): Promise<ExplainedDestination> {
    const route = toRoute(rule, destination);
    const place = { id: destination.id, bucket: destination.bucket.name, key: destinationKey(destination, key) };
    if (this.#names.engine(rule.id) === "native") {
      // S3 asks no gate.
      const seen = keyMatches(rule.filter, key) ? await this.#scope.native?.object(rule, destination, key) : undefined;
      return { ...place, entry: this.#entry(seen?.entry ?? row, route), gate: null, native: toNative(seen) };
    }
    const gate = rule.deletes === "none" ? null : await this.#gate(route);
    return { ...place, entry: this.#entry(row, route), gate };
  }

  async #gate(route: Route): Promise<ExplainedDestination["gate"]> {
    const { shutAt } = await this.#scope.state.safeguards.gate(route);
    return { state: shutAt === null ? "OPEN" : "SHUT", shutAt: toTime(shutAt) };
  }

  #entry(entry: LedgerEntry | undefined, route: Route): ExplainedEntry | null {
    return entry === undefined ? null : { ...toEntry({ entry, route }, this.#names), firstFailedAt: toTime(entry.firstFailedAt) };
  }
}

function toNative(seen: NativeObjectFacts | undefined): ExplainedNative | null {
  if (seen === undefined) return null;
  const { rule, replicationStatus, replicaStatus } = seen;
  return { ruleId: rule.id, ruleStatus: rule.status, replicationStatus, replicaStatus };
}

/** Whether a rule is about an object, by its key, and by what became of it; its size and tags are not asked for. */
function applies(
  { filter, enabled }: Rule,
  key: string,
  rows: readonly (LedgerEntry | undefined)[],
): Pick<ExplainedRule, "applies" | "reasons"> {
  const against = [...(enabled ? [] : ["the rule is disabled"]), ...keyReasons(filter, key)];
  if (rows.some((row) => row?.status === "SKIPPED" && row.reason === "FilteredOut")) against.push(FILTERED_OUT);
  if (against.length > 0) return { applies: "no", reasons: against };
  const open = openReasons(filter);
  if (open.length === 0 || rows.some((row) => row?.status === "COMPLETED")) return { applies: "yes", reasons: [] };
  return { applies: "depends", reasons: open };
}

const FILTERED_OUT = "when it was last read the filter left it out, by its size or its tags";

function keyReasons({ prefix = "", suffix = "" }: Filter, key: string): readonly string[] {
  const reasons: string[] = [];
  if (key.startsWith(RESERVED_PREFIX)) reasons.push(`keys under ${RESERVED_PREFIX} are replicast's own`);
  if (!key.startsWith(prefix)) reasons.push(`the key does not begin with "${prefix}"`);
  if (!key.endsWith(suffix)) reasons.push(`the key does not end with "${suffix}"`);
  return reasons;
}

function openReasons(filter: Filter): readonly string[] {
  const reasons: string[] = [];
  if (filter.minBytes !== undefined) reasons.push(`only objects of ${filter.minBytes} bytes or more`);
  if (filter.maxBytes !== undefined) reasons.push(`only objects of ${filter.maxBytes} bytes or less`);
  if (needsTags(filter)) {
    const tags = Object.entries(filter.tags ?? {}).map(([name, value]) => `${name}=${value}`);
    reasons.push(`only objects tagged ${tags.join(", ")}`);
  }
  return reasons;
}

function toRoute(rule: Rule, destination: Destination): Route {
  return { rule: rule.id, source: rule.source.id, destination: destination.canonicalId };
}
