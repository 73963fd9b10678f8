import type { Changes, ClaimOptions, Lane, LeasedTask, Outcome, PendingSummary, TaskStore, Want } from "../../ports/state.ts";
import { Bell } from "./bell.ts";
import { abandon, storeHoldings } from "./holdings.ts";
import { type Memory, meetRoute, routeText, type TaskRow, taskPlace, writeEntry } from "./rows.ts";

/** Of so many tasks handed out one is from the backfill lane, if one is due there. */
const BACKFILL_SHARE = 8;

/** Where the due tasks of a claim come from. */
interface Due {
  readonly lanes: Readonly<Record<Lane, readonly TaskRow[]>>;
  readonly byObject: ReadonlyMap<string, readonly TaskRow[]>;
  readonly next: Record<Lane, number>;
}

export class MemoryTaskStore implements TaskStore {
  readonly #memory: Memory;
  readonly #bell: Bell;
  #sinceBackfill = 0;

  constructor(memory: Memory) {
    this.#memory = memory;
    this.#bell = new Bell(memory.clock, () => this.#nextChangeAt());
  }

  async want(wants: readonly Want[]): Promise<void> {
    for (const want of wants) this.#want(want);
    if (wants.length > 0) this.ring();
  }

  async claim({ max, now, leaseMs, skip = [] }: ClaimOptions): Promise<readonly LeasedTask[]> {
    const due = this.#due(now, new Set(skip.map(routeText)));
    const taken: LeasedTask[] = [];
    const seen = new Set<TaskRow>();
    while (taken.length < max) {
      const group = this.#nextGroup(due, seen).slice(0, max - taken.length);
      if (group.length === 0) break;
      for (const row of group) {
        seen.add(row);
        taken.push(this.#lease(row, now + leaseMs));
      }
    }
    this.#bell.set();
    return taken;
  }

  async record(outcomes: readonly Outcome[]): Promise<readonly boolean[]> {
    const now = this.#memory.clock.now();
    const held = outcomes.map(({ task }) => this.#takeLease(task, now));
    const recorded = outcomes.filter((_, index) => held[index]);
    for (const outcome of recorded) this.#record(outcome, now);
    for (const outcome of recorded) this.#addConsequences(outcome);
    if (recorded.length > 0) this.ring();
    return held;
  }

  async release(tasks: readonly LeasedTask[]): Promise<void> {
    for (const { route, key, lease } of tasks) {
      const place = taskPlace(route, key);
      if (this.#memory.leases.get(place)?.token === lease) this.#memory.leases.delete(place);
    }
    if (tasks.length > 0) this.ring();
  }

  async nextDueAt(): Promise<number | undefined> {
    const now = this.#memory.clock.now();
    let first: number | undefined;
    for (const [place, { notBefore }] of this.#memory.rows.tasks) {
      if (!this.#isLeased(place, now)) first = Math.min(first ?? Number.POSITIVE_INFINITY, Math.max(now, notBefore));
    }
    return first;
  }

  async pending(): Promise<readonly PendingSummary[]> {
    const summaries = new Map<string, PendingSummary>();
    for (const { route, hint, wantedSince } of this.#memory.rows.tasks.values()) {
      const { operations, bytes, oldestAt } = summaries.get(routeText(route)) ?? { operations: 0, bytes: 0, oldestAt: wantedSince };
      summaries.set(routeText(route), {
        route,
        operations: operations + 1,
        bytes: bytes + (hint?.sizeBytes ?? 0),
        oldestAt: Math.min(oldestAt ?? wantedSince, wantedSince),
      });
    }
    return [...this.#memory.rows.routes.keys()].flatMap((text) => summaries.get(text) ?? []);
  }

  onDue(callback: () => void): () => void {
    return this.#bell.listen(callback);
  }

  /** Tells everybody who listens that something may have become due. */
  ring(): void {
    this.#bell.ring();
    this.#bell.set();
  }

  #want({ route, key, lane, eventTime, hint, changes, deletedAt, notBefore }: Want): void {
    const { rows, clock } = this.#memory;
    const now = clock.now();
    meetRoute(rows, route);
    const place = taskPlace(route, key);
    const generation = ++rows.lastGeneration;
    const fresh: TaskRow = {
      route,
      key,
      lane,
      seq: generation,
      wanted: generation,
      wantedSince: eventTime ?? now,
      attempts: 0,
      notBefore: notBefore === undefined || notBefore <= now ? 0 : Math.ceil(notBefore),
      eventTime,
      firstFailedAt: null,
      changes: union(changes, undefined),
      deletedAt,
      hint,
    };
    const row = rows.tasks.get(place);
    const inWork = this.#isLeased(place, now);
    rows.tasks.set(place, row === undefined ? fresh : coalesced(row, fresh, { inWork, now }));
  }

  #due(now: number, skip: ReadonlySet<string>): Due {
    const due: TaskRow[] = [];
    const skipped = skip.size > 0;
    for (const [place, row] of this.#memory.rows.tasks) {
      if (row.notBefore > now || this.#isLeased(place, now) || (skipped && skip.has(routeText(row.route)))) continue;
      due.push(row);
    }
    due.sort((a, b) => a.seq - b.seq);
    const lanes = { live: due.filter(({ lane }) => lane === "live"), backfill: due.filter(({ lane }) => lane === "backfill") };
    return { lanes, byObject: Map.groupBy(due, objectOf), next: { live: 0, backfill: 0 } };
  }

  /** The oldest task of the lane whose turn it is, with the due tasks of the same source object behind it. */
  #nextGroup({ lanes, byObject, next }: Due, seen: ReadonlySet<TaskRow>): readonly TaskRow[] {
    const head = (lane: Lane): TaskRow | undefined => {
      while (seen.has(lanes[lane][next[lane]] as TaskRow)) next[lane]++;
      return lanes[lane][next[lane]];
    };
    const isBackfillsTurn = this.#sinceBackfill >= BACKFILL_SHARE - 1;
    const first = isBackfillsTurn ? (head("backfill") ?? head("live")) : (head("live") ?? head("backfill"));
    if (first === undefined) return [];
    const siblings = (byObject.get(objectOf(first)) ?? []).filter((row) => row !== first && !seen.has(row));
    return [first, ...siblings];
  }

  #lease({ route, key, lane, eventTime, changes, deletedAt, hint, wanted, attempts, firstFailedAt }: TaskRow, until: number): LeasedTask {
    this.#sinceBackfill = lane === "backfill" ? 0 : this.#sinceBackfill + 1;
    const lease = this.#memory.nextLease();
    this.#memory.leases.set(taskPlace(route, key), { token: lease, until });
    return { route, key, lane, eventTime, changes, deletedAt, hint, wanted, attempts, firstFailedAt, lease };
  }

  #isLeased(place: string, now: number): boolean {
    const lease = this.#memory.leases.get(place);
    return lease !== undefined && lease.until > now;
  }

  /** Uses the lease up; false where it has passed on, has ended or was used up before. */
  #takeLease({ route, key, lease }: LeasedTask, now: number): boolean {
    const place = taskPlace(route, key);
    const held = this.#memory.leases.get(place)?.token === lease && this.#isLeased(place, now);
    if (held) this.#memory.leases.delete(place);
    return held;
  }

  #record({ task, entry, retryAt }: Outcome, now: number): void {
    const { rows } = this.#memory;
    const place = taskPlace(task.route, task.key);
    writeEntry(rows, task.route, { ...entry, key: task.key });
    const row = rows.tasks.get(place);
    if (row === undefined) return;
    const seq = ++rows.lastGeneration;
    if (row.wanted !== task.wanted) rows.tasks.set(place, { ...row, seq, attempts: 0, notBefore: 0, firstFailedAt: null });
    else if (retryAt === undefined) rows.tasks.delete(place);
    else {
      const firstFailedAt = entry.firstFailedAt ?? task.firstFailedAt ?? entry.finishedAt ?? now;
      rows.tasks.set(place, { ...row, seq, attempts: task.attempts + 1, notBefore: Math.max(1, Math.ceil(retryAt)), firstFailedAt });
    }
  }

  #addConsequences({ task, versions, holdings, closes, wants }: Outcome): void {
    const { rows } = this.#memory;
    for (const entry of versions ?? []) writeEntry(rows, task.route, { ...entry, key: task.key });
    const stored = (holdings ?? []).map((holding) => storeHoldings(rows, [holding]));
    if (closes !== undefined && stored[0] !== false) rows.intents.delete(closes);
    else if (closes !== undefined) abandon(rows, closes, this.#memory.clock.now());
    for (const want of wants ?? []) this.#want(want);
  }

  /** When something becomes due by itself. */
  #nextChangeAt(): number {
    const now = this.#memory.clock.now();
    let at = Number.POSITIVE_INFINITY;
    for (const [place, { notBefore }] of this.#memory.rows.tasks) {
      const lease = this.#memory.leases.get(place);
      const change = lease !== undefined && lease.until > now ? lease.until : notBefore;
      if (change > now) at = Math.min(at, change);
    }
    return at;
  }
}

function coalesced(row: TaskRow, wish: TaskRow, { inWork, now }: { readonly inWork: boolean; readonly now: number }): TaskRow {
  const lifted = wish.lane === "live" && row.lane === "backfill";
  // A live event may be the cure, so it does not wait out the pause of the failure before it, nor inherit its attempts.
  const dueAt = row.notBefore <= now ? 0 : Math.min(wish.notBefore, row.notBefore);
  const woken = wish.lane === "live" && dueAt < row.notBefore;
  return {
    ...row,
    wanted: wish.wanted,
    lane: lifted ? "live" : row.lane,
    seq: lifted || woken ? wish.seq : row.seq,
    wantedSince: inWork ? wish.wantedSince : Math.min(row.wantedSince, wish.wantedSince),
    attempts: woken ? 0 : row.attempts,
    notBefore: woken ? dueAt : row.notBefore,
    eventTime: inWork ? wish.eventTime : earlier(row.eventTime, wish.eventTime),
    firstFailedAt: woken ? null : row.firstFailedAt,
    ...latestDelete(wish, row),
    hint: wish.hint,
  };
}

const CHANGES = ["deleted", "expired", "attributes", "written", "approved", "missed"] as const satisfies readonly (keyof Changes)[];

/** Where nothing is said, an object was written. */
function union(a: Changes | undefined, b: Changes | undefined): Changes {
  const names = CHANGES.filter((name) => a?.[name] || b?.[name]);
  return names.length === 0 ? { written: true } : Object.fromEntries(names.map((name) => [name, true]));
}

/** Of two deletes the later is told of; where nobody knows which that is, it is a lifecycle's only if both were. */
function latestDelete(a: TaskRow, b: TaskRow): Pick<TaskRow, "changes" | "deletedAt"> {
  const changes = union(a.changes, b.changes);
  if (a.changes.deleted !== true || b.changes.deleted !== true) return { changes, deletedAt: (a.changes.deleted ? a : b).deletedAt };
  const [at, other] = [a.deletedAt, b.deletedAt];
  const isKnown = at !== undefined && other !== undefined;
  const later = !isKnown || at === other ? undefined : at > other ? a : b;
  const isExpired = later === undefined ? a.changes.expired && b.changes.expired : later.changes.expired;
  const { expired: _, ...rest } = changes;
  return { changes: isExpired ? changes : rest, deletedAt: isKnown ? Math.max(at, other) : undefined };
}

function earlier(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}

function objectOf({ route, key }: TaskRow): string {
  return `${route.source}\n${key}`;
}
