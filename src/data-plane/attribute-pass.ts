import { type ReplicationError, toReplicationError } from "../domain/error.ts";
import type { Rule } from "../domain/rule.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { State, Want } from "../ports/state.ts";
import { type DiffOptions, toRoute } from "./diff.ts";
import { type Difference, verifyRule } from "./verify.ts";

export interface AttributePassOptions extends DiffOptions {
  readonly state: State;
  readonly clock: Clock;
}

/** Of one rule at a time: it is nobody's hurry, and it asks both stores for every object. */
const CONCURRENCY = 4;
const BATCH = 200;
const ATTRIBUTES: ReadonlySet<string> = new Set(["headers", "metadata", "tags", "acl", "lock"]);
/** What can be changed at a replica without writing it anew. */
const CHANGEABLE: ReadonlySet<string> = new Set(["tags", "acl", "lock"]);
/**
 * What a note on an object's row says of its replica: it lacks that for good. A lock is no such thing: the source may have been given another
 * since, of which no event tells, and what a bucket cannot lock is no difference.
 */
const EXPLAINED_BY: Readonly<Record<string, string>> = {
  AclNotKept: "acl",
  ExpiresNotKept: "headers",
  TagsNotKept: "tags",
  WebsiteRedirectNotKept: "headers",
};

/** What a pass came to. */
export interface AttributesCompared {
  readonly compared: number;
  readonly wanted: number;
  /** Objects that were left out because a store does not let them be read, and what it said of the last; absent where there were none. */
  readonly unread?: number;
  readonly lastUnread?: string;
}

/** What a store says of one object rather than of itself: without that one the pass goes on (invariant 7). */
const OF_ONE_OBJECT: ReadonlySet<string> = new Set(["AccessDenied", "InvalidRequest", "SourceUnreadableTags"]);

/**
 * Finds what neither events nor listings tell: attributes that changed while the bytes stayed (invariant 1, by the slower of its two bounds).
 * On return, and where it is broken off, every such difference that was found is a durable task. What a destination is known not to hold is
 * not tried again.
 */
export async function attributePass(options: AttributePassOptions): Promise<AttributesCompared> {
  const { rule, state } = options;
  const wants: Want[] = [];
  let wanted = 0;
  let unread = 0;
  let lastUnread = "";
  const flush = async () => {
    const batch = wants.splice(0);
    if (batch.length > 0) await state.tasks.want(batch);
    wanted += batch.length;
  };
  const onDifference = async ({ kind, destination, key, differs }: Difference) => {
    if (kind !== "DIFFERENT" || !differs.every((what) => ATTRIBUTES.has(what))) return;
    const route = toRoute(rule, destination);
    const explained = new Set((await state.ledger.get(route, key))?.notes.map((note) => EXPLAINED_BY[note]));
    const unexplained = differs.filter((what) => !explained.has(what));
    if (unexplained.length === 0) return;
    const isChangeable = unexplained.every((what) => CHANGEABLE.has(what));
    wants.push({ route, key, lane: "backfill", eventTime: null, changes: isChangeable ? { attributes: true } : { written: true } });
    if (wants.length >= BATCH) await flush();
  };
  const mayLeaveOut = ({ code, message }: ReplicationError): boolean => {
    if (!OF_ONE_OBJECT.has(code)) return false;
    unread++;
    lastUnread = `${code}: ${message}`;
    return true;
  };
  const how = { concurrency: CONCURRENCY, attributes: true, checksum: false, extrasExpected: true, minAgeMs: 0 };
  const summaries = await verifyRule({ ...options, ...how, onDifference, mayLeaveOut, ledger: state.ledger }).finally(flush);
  const compared = summaries.reduce((sum, summary) => sum + summary.compared, 0);
  return { compared, wanted, ...(unread > 0 ? { unread, lastUnread } : {}) };
}

export interface AttributeScheduleOptions {
  readonly rules: readonly Rule[];
  readonly everyMs: number;
  readonly pass: (rule: Rule, signal: AbortSignal) => Promise<AttributesCompared>;
  readonly journal: State["journal"];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A timer knows at most 24.8 days. */
const LONGEST_SLEEP_MS = 2 ** 31 - 1;
/** After a pass that could not be made. */
const RETRY_MS = 60 * 60_000;

/** Runs the attribute pass of each rule at its period, one after the other; the first a period after the rule was first run. */
export class AttributeSchedule {
  readonly #options: AttributeScheduleOptions;
  readonly #abort = new AbortController();
  readonly #failedAt = new Map<Rule, number>();
  #running: Promise<void> = Promise.resolve();

  constructor(options: AttributeScheduleOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Breaks off a pass; what it found so far is durable. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, rules, logger } = this.#options;
    const { signal } = this.#abort;
    while (!signal.aborted && rules.length > 0) {
      let next: { readonly rule: Rule; readonly at: number } | undefined;
      try {
        const due = await Promise.all(rules.map(async (rule) => ({ rule, at: await this.#dueAt(rule) })));
        next = due.reduce((first, one) => (one.at < first.at ? one : first));
        await doze(clock, Math.min(LONGEST_SLEEP_MS, Math.max(0, next.at - clock.now())), signal);
        if (!signal.aborted && next.at <= clock.now()) await this.#pass(next.rule);
      } catch (error) {
        const { code, message, hint } = toReplicationError(error);
        logger.error("the attributes of a rule cannot be compared", { rule: next?.rule.id, code, error: message, hint });
        // That rule alone waits; the others have their turn (invariant 7).
        if (next !== undefined) this.#failedAt.set(next.rule, clock.now());
        else await doze(clock, RETRY_MS, signal);
      }
    }
  }

  async #dueAt(rule: Rule): Promise<number> {
    const { journal, clock, everyMs } = this.#options;
    const last = (await journal.syncProgress(nameOf(rule)))?.finishedAt ?? (await journal.ruleSince(rule.id, clock.now()));
    const failedAt = this.#failedAt.get(rule);
    return Math.max(last + everyMs, failedAt === undefined ? 0 : failedAt + Math.min(everyMs, RETRY_MS));
  }

  async #pass(rule: Rule): Promise<void> {
    const { pass, journal, clock, logger } = this.#options;
    const startedAt = clock.now();
    const found = await pass(rule, this.#abort.signal);
    this.#failedAt.delete(rule);
    if (this.#abort.signal.aborted) return;
    await journal.saveSyncProgress(nameOf(rule), { startedAt, after: null, finishedAt: clock.now() });
    if (found.unread === undefined) logger.info("compared attributes", { rule: rule.id, ...found });
    else logger.warn("compared attributes, but not of objects that cannot be read", { rule: rule.id, ...found });
  }
}

/** No rule's id has a blank in it. */
function nameOf(rule: Rule): string {
  return `${rule.id} attributes`;
}

function doze(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return clock.doze?.(ms, signal) ?? clock.sleep(ms, signal);
}
