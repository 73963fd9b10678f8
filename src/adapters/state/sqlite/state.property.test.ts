import assert from "node:assert/strict";
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import type { Content, Holding, Intent } from "../../../domain/holding.ts";
import type { LedgerEntry } from "../../../domain/status.ts";
import type { Clock } from "../../../ports/clock.ts";
import type { Changes, Lane, LeasedTask, Route, State } from "../../../ports/state.ts";
import { MemoryState } from "../../../testing/memory-state.ts";
import { entryOf, REPLICA } from "../../../testing/state-contract.ts";
import type { Committer } from "./group-commit.ts";
import { assemble } from "./open.ts";
import { Writer } from "./writer.ts";

/** Routes of one source object, so that siblings meet, and few keys, so that everything happens to each of them. */
const ROUTES: readonly Route[] = ["one", "two"].map((name) => ({
  rule: name,
  source: "s3://host/source",
  destination: `s3://host/${name}`,
}));
const KEYS = ["a", "b", "c", "d", "e"] as const;
const LEASE_MS = 10;
const CHANGES = ["deleted", "expired", "attributes", "written", "approved", "missed"] as const;
const BUCKET = "s3://host/one";
const CONTENT: Content = { origin: "s3://host/source", originTime: 0, originEtag: null, dot: 0, history: {} };
/** In memory where there is such a place: the disk's syncs are not what is tested here. */
const SCRATCH = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

const folders: string[] = [];
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

interface WantStep {
  readonly route: number;
  readonly key: string;
  readonly lane: Lane;
  readonly changes: readonly (keyof Changes)[];
  /** How much later it is wanted; 0: at once. */
  readonly delay: number;
}
/** A holding made from the newest revision, or from one that was changed since. */
interface HoldingStep {
  readonly key: string;
  readonly stale: boolean;
}
/** Which of the tasks ever claimed is meant, and how it ended; a number is the pause before the next attempt. */
interface OutcomeStep {
  readonly task: number;
  readonly end: "completed" | "failed" | number;
  readonly holdings: readonly HoldingStep[];
  /** Which of the intents ever announced it closes. */
  readonly closes: number;
}
type Step =
  | { readonly kind: "want"; readonly wants: readonly WantStep[] }
  | { readonly kind: "claim"; readonly max: number }
  | { readonly kind: "record"; readonly outcomes: readonly OutcomeStep[] }
  | { readonly kind: "overlap"; readonly wantFirst: boolean; readonly want: WantStep; readonly outcome: OutcomeStep }
  | { readonly kind: "release"; readonly task: number }
  | { readonly kind: "observe"; readonly holdings: readonly HoldingStep[]; readonly closes: number }
  | { readonly kind: "announce"; readonly holding: HoldingStep; readonly ms: number }
  | { readonly kind: "note delete"; readonly key: string; readonly ago: number }
  | { readonly kind: "end intent"; readonly intent: number; readonly abandoned: boolean }
  | { readonly kind: "advance"; readonly ms: number }
  | { readonly kind: "crash" };

const want: fc.Arbitrary<WantStep> = fc.record({
  route: fc.nat(ROUTES.length - 1),
  key: fc.constantFrom(...KEYS),
  lane: fc.constantFrom<Lane>("live", "backfill"),
  changes: fc.subarray([...CHANGES]),
  delay: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 15 })),
});
const holding: fc.Arbitrary<HoldingStep> = fc.record({ key: fc.constantFrom(...KEYS), stale: fc.nat(4).map((n) => n === 0) });
const holdings = fc.uniqueArray(holding, { maxLength: 2, selector: ({ key }) => key });
const outcome: fc.Arbitrary<OutcomeStep> = fc.record({
  task: fc.nat(20),
  end: fc.oneof(fc.constantFrom<"completed" | "failed">("completed", "failed"), fc.integer({ min: 0, max: 15 })),
  holdings,
  closes: fc.nat(5),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("want" as const), wants: fc.array(want, { minLength: 1, maxLength: 6 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("claim" as const), max: fc.integer({ min: 1, max: 12 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("record" as const), outcomes: fc.array(outcome, { minLength: 1, maxLength: 5 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("overlap" as const), wantFirst: fc.boolean(), want, outcome }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("release" as const), task: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("observe" as const), holdings, closes: fc.nat(5) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("announce" as const), holding, ms: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("note delete" as const), key: fc.constantFrom(...KEYS), ago: fc.nat(10) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("end intent" as const), intent: fc.nat(5), abandoned: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("crash" as const) }) },
);

/** What the oracle knows of one key of one route: the promises of the port, written as plainly as can be. */
interface Row {
  waits: boolean;
  wantedAgain: boolean;
  lane: Lane;
  notBefore: number;
  attempts: number;
  changes: ReadonlySet<keyof Changes>;
  lease: string | undefined;
  leaseUntil: number;
  recorded: Pick<LedgerEntry, "status" | "replica"> | undefined;
}

/** What the oracle knows of one key of the bucket, beside its intents. */
interface Held {
  readonly isHeld: boolean;
  readonly revision: number;
  readonly deletedAt: number | null;
}

class Oracle {
  now = 1_000;
  readonly rows = new Map<string, Row>();
  readonly known = new Map<string, Held>();
  readonly intents = new Map<string, { readonly key: string; expiresAt: number }>();

  row(route: Route, key: string): Row {
    const id = `${route.rule} ${key}`;
    const fresh: Row = {
      waits: false,
      wantedAgain: false,
      lane: "backfill",
      notBefore: 0,
      attempts: 0,
      changes: new Set(),
      lease: undefined,
      leaseUntil: 0,
      recorded: undefined,
    };
    const row = this.rows.get(id) ?? fresh;
    this.rows.set(id, row);
    return row;
  }

  want({ route, key, lane, changes, delay }: WantStep): void {
    const row = this.row(ROUTES[route]!, key);
    const notBefore = delay === 0 ? 0 : this.now + delay;
    const said = changes.length === 0 ? (["written"] as const) : changes;
    if (!row.waits) Object.assign(row, { waits: true, lane, notBefore, attempts: 0, changes: new Set(said), lease: undefined });
    else {
      row.wantedAgain = row.lease !== undefined;
      const told = [row.changes, new Set<keyof Changes>(said)];
      // Of two deletes that nobody dated either may be the later.
      const isExpired = told.every((one) => !one.has("deleted")) || told.every((one) => !one.has("deleted") || one.has("expired"));
      const isTwice = told.every((one) => one.has("deleted"));
      row.changes = new Set([...row.changes, ...said].filter((change) => change !== "expired" || !isTwice || isExpired));
      const dueAt = row.notBefore <= this.now ? 0 : Math.min(notBefore, row.notBefore);
      if (lane === "live") Object.assign(row, { lane, ...(dueAt < row.notBefore && { notBefore: dueAt, attempts: 0 }) });
    }
  }

  /** All of them or none, as by the revisions they were made from. */
  observe(steps: readonly HoldingStep[], closes: string | undefined): boolean {
    if (steps.some(({ stale }) => stale)) return false;
    for (const { key } of steps) this.#raise(key, { isHeld: true, deletedAt: null });
    if (closes !== undefined) this.intents.delete(closes);
    return true;
  }

  announce(id: string, { key, stale }: HoldingStep, expiresAt: number): boolean {
    const isExcluded = [...this.intents.values()].some((intent) => intent.key === key && intent.expiresAt > this.now);
    if (stale || isExcluded) return false;
    this.intents.set(id, { key, expiresAt });
    this.#raise(key, {});
    return true;
  }

  noteDelete(key: string, at: number): void {
    this.#raise(key, { deletedAt: Math.max(at, this.held(key).deletedAt ?? at) });
  }

  abandon(id: string): void {
    const intent = this.intents.get(id);
    if (intent !== undefined) intent.expiresAt = Math.min(intent.expiresAt, this.now);
  }

  held(key: string): Held {
    return this.known.get(key) ?? { isHeld: false, revision: 0, deletedAt: null };
  }

  /** Whatever changes what is known leaves nothing to those who read before it. */
  #raise(key: string, change: Partial<Held>): void {
    const before = this.held(key);
    this.known.set(key, { ...before, ...change, revision: before.revision + 1 });
  }

  record(task: LeasedTask, end: OutcomeStep["end"]): boolean {
    const row = this.row(task.route, task.key);
    if (row.lease !== task.lease || row.leaseUntil <= this.now) return false;
    row.lease = undefined;
    row.recorded = { status: statusOf(end), replica: end === "completed" ? REPLICA : (row.recorded?.replica ?? null) };
    if (row.wantedAgain) Object.assign(row, { wantedAgain: false, notBefore: 0, attempts: 0 });
    else if (typeof end === "number") Object.assign(row, { notBefore: Math.max(1, this.now + end), attempts: row.attempts + 1 });
    else row.waits = false;
    return true;
  }

  release(task: LeasedTask): void {
    const row = this.row(task.route, task.key);
    if (row.lease === task.lease) this.#free(row);
  }

  expire(): void {
    for (const row of this.rows.values()) if (row.lease !== undefined && row.leaseUntil <= this.now) this.#free(row);
  }

  crash(): void {
    for (const row of this.rows.values()) this.#free(row);
  }

  /** What was wanted again is one wish with what was given back. */
  #free(row: Row): void {
    row.lease = undefined;
    row.wantedAgain = false;
  }

  due(): readonly Row[] {
    return [...this.rows.values()].filter((row) => row.waits && row.lease === undefined && row.notBefore <= this.now);
  }

  nextDueAt(): number | undefined {
    const times = [...this.rows.values()]
      .filter((row) => row.waits && row.lease === undefined)
      .map((row) => Math.max(this.now, row.notBefore));
    return times.length === 0 ? undefined : Math.min(...times);
  }
}

function statusOf(end: OutcomeStep["end"]): "COMPLETED" | "FAILED" | "PENDING" {
  if (typeof end === "number") return "PENDING";
  return end === "completed" ? "COMPLETED" : "FAILED";
}

/** Commits on this thread: the same writer without the cost of a thread for every run. */
class InlineCommitter implements Committer {
  readonly #writer: Writer;

  constructor(path: string) {
    this.#writer = new Writer(path);
  }

  async commit(...[batch]: Parameters<Committer["commit"]>) {
    // Through JSON and a turn of the event loop, as with the thread.
    const reply = this.#writer.apply(JSON.parse(JSON.stringify(batch)));
    await new Promise((resolve) => setImmediate(resolve));
    return JSON.parse(JSON.stringify(reply));
  }

  async close(): Promise<void> {
    this.#writer.close();
  }
}

/** A state under test, and what a crash of all that use it leaves. */
interface Subject {
  open(clock: Clock): State;
  crash(state: State, clock: Clock): Promise<State>;
}

/** A file of its own, and after every crash the files as the system would have them after a kill. */
class SqliteSubject implements Subject {
  readonly #folder: string;
  readonly #readyWindow: number;
  #files = 0;

  constructor(readyWindow: number) {
    this.#folder = mkdtempSync(join(SCRATCH, "replicast-property-"));
    folders.push(this.#folder);
    this.#readyWindow = readyWindow;
  }

  open(clock: Clock): State {
    const path = join(this.#folder, `${this.#files}.db`);
    const committer = new InlineCommitter(path);
    return assemble({ path, mode: "daemon", clock, readyWindow: this.#readyWindow }, { committer, release: () => {} });
  }

  async crash(state: State, clock: Clock): Promise<State> {
    const from = join(this.#folder, `${this.#files}.db`);
    const to = join(this.#folder, `${++this.#files}.db`);
    for (const suffix of ["", "-wal"]) if (existsSync(from + suffix)) copyFileSync(from + suffix, to + suffix);
    await state.close();
    return this.open(clock);
  }
}

/** The model that simulations run on, held to the same promises. */
const memorySubject: Subject = {
  open: (clock) => new MemoryState({ clock }),
  crash: async (state) => {
    if (!(state instanceof MemoryState)) throw new TypeError("another state than was opened");
    state.restore(state.snapshot());
    return state;
  },
};

class Run {
  readonly #subject: Subject;
  readonly #oracle = new Oracle();
  readonly #claimed: LeasedTask[] = [];
  #announced = 0;
  readonly #clock: Clock;
  #state: State;

  constructor(subject: Subject) {
    this.#subject = subject;
    this.#clock = { now: () => this.#oracle.now, sleep: () => new Promise<void>(() => {}) };
    this.#state = subject.open(this.#clock);
  }

  async apply(step: Step): Promise<void> {
    switch (step.kind) {
      case "want":
        await this.#want(step.wants);
        break;
      case "claim":
        await this.#claim(step.max);
        break;
      case "record":
        await this.#record(step.outcomes);
        break;
      case "overlap":
        await (step.wantFirst
          ? Promise.all([this.#want([step.want]), this.#record([step.outcome])])
          : Promise.all([this.#record([step.outcome]), this.#want([step.want])]));
        break;
      case "release":
        await this.#release(step.task);
        break;
      case "observe":
        await this.#observe(step);
        break;
      case "announce":
        await this.#announce(step);
        break;
      case "note delete":
        await this.#noteDelete(step);
        break;
      case "end intent":
        await this.#endIntent(step);
        break;
      case "advance":
        this.#oracle.now += step.ms;
        break;
      case "crash":
        await this.#crash();
        break;
      default:
        step satisfies never;
    }
    await this.#compare();
  }

  /** Whatever waits in the end comes out, once. */
  async finish(): Promise<void> {
    await this.#crash();
    this.#oracle.now += 1_000;
    const left = this.#oracle.due().length;
    const { length } = await this.#claim(1_000);
    assert.equal(length, left);
    await this.#state.close();
  }

  async #want(steps: readonly WantStep[]): Promise<void> {
    for (const step of steps) this.#oracle.want(step);
    await this.#state.tasks.want(
      steps.map(({ route, key, lane, changes, delay }) => ({
        route: ROUTES[route]!,
        key,
        lane,
        eventTime: null,
        changes: Object.fromEntries(changes.map((name) => [name, true])),
        ...(delay > 0 && { notBefore: this.#oracle.now + delay }),
      })),
    );
  }

  async #claim(max: number): Promise<readonly LeasedTask[]> {
    this.#oracle.expire();
    const due = this.#oracle.due().length;
    const tasks = await this.#state.tasks.claim({ max, now: this.#oracle.now, leaseMs: LEASE_MS });
    assert.equal(tasks.length, Math.min(max, due), "as many as are due and fit");
    for (const task of tasks) {
      const row = this.#oracle.row(task.route, task.key);
      assert.ok(this.#oracle.due().includes(row), `${task.key} is due and in nobody's hands`);
      assert.deepEqual([task.lane, task.attempts], [row.lane, row.attempts]);
      assert.deepEqual(new Set(Object.keys(task.changes ?? {})), row.changes);
      Object.assign(row, { lease: task.lease, leaseUntil: this.#oracle.now + LEASE_MS });
    }
    this.#claimed.push(...tasks);
    return tasks;
  }

  async #record(steps: readonly OutcomeStep[]): Promise<void> {
    const chosen = steps.flatMap(({ task, end, holdings, closes }) => {
      const leased = this.#claimed.at(-1 - (task % Math.max(1, this.#claimed.length)));
      return leased === undefined ? [] : [{ leased, end, holdings, closes: this.#intentId(closes) }];
    });
    const now = this.#oracle.now;
    const made = chosen.map(({ holdings }) => holdings.map((step) => this.#holdingOf(step)));
    const expected = chosen.map(({ leased, end, holdings, closes }, index) => {
      const held = this.#oracle.record(leased, end);
      if (held) this.#settle(holdings, made[index] ?? [], closes);
      return held;
    });
    const outcomes = chosen.map(({ leased, end, closes }, index) => ({
      holdings: made[index],
      closes,
      task: leased,
      entry: entryOf(leased.route, leased.key, { status: statusOf(end), replica: end === "completed" ? REPLICA : null }),
      ...(typeof end === "number" && { retryAt: now + end }),
    }));
    assert.deepEqual(await this.#state.tasks.record(outcomes), expected);
  }

  /**
   * What an outcome carries is stored one by one: an earlier outcome may have changed what a later one was made from. An intent is closed
   * with the first of them or only abandoned.
   */
  #settle(steps: readonly HoldingStep[], made: readonly Holding[], closes: string | undefined): void {
    const refused = steps.filter(({ key }, index) => {
      const stale = made[index]?.revision !== this.#oracle.held(key).revision;
      return !this.#oracle.observe([{ key, stale }], undefined);
    });
    const [first] = steps;
    if (first === undefined || !refused.includes(first)) this.#oracle.observe([], closes);
    else if (closes !== undefined) this.#oracle.abandon(closes);
  }

  async #observe({ holdings, closes }: { readonly holdings: readonly HoldingStep[]; readonly closes: number }): Promise<void> {
    const id = this.#intentId(closes);
    const made = holdings.map((step) => this.#holdingOf(step));
    const expected = this.#oracle.observe(holdings, id);
    assert.equal(await this.#state.holdings.observe(made, id === undefined ? [] : [id]), expected);
  }

  async #announce({ holding, ms }: { readonly holding: HoldingStep; readonly ms: number }): Promise<void> {
    const id = `i${++this.#announced}`;
    const { revision } = this.#holdingOf(holding);
    const expiresAt = this.#oracle.now + ms;
    const intent: Intent = { id, bucket: BUCKET, key: holding.key, expected: null, content: CONTENT, expiresAt };
    const expected = this.#oracle.announce(id, holding, expiresAt);
    assert.equal(await this.#state.holdings.announce(intent, revision, this.#oracle.now), expected);
  }

  async #noteDelete({ key, ago }: { readonly key: string; readonly ago: number }): Promise<void> {
    const at = this.#oracle.now - ago;
    this.#oracle.noteDelete(key, at);
    await this.#state.holdings.noteDelete(BUCKET, key, at);
  }

  async #endIntent({ intent, abandoned }: { readonly intent: number; readonly abandoned: boolean }): Promise<void> {
    const id = this.#intentId(intent) ?? "unknown";
    if (abandoned) this.#oracle.abandon(id);
    else this.#oracle.intents.delete(id);
    const { holdings } = this.#state;
    await (abandoned ? holdings.abandon(id, this.#oracle.now) : holdings.withdraw(id));
  }

  #holdingOf({ key, stale }: HoldingStep): Holding {
    const revision = this.#oracle.held(key).revision - (stale ? 1 : 0);
    return { bucket: BUCKET, key, object: null, content: CONTENT, isReplica: true, revision };
  }

  /** Of the intents ever announced, closed or not, counted from the last; undefined where there are not so many. */
  #intentId(back: number): string | undefined {
    return back < this.#announced ? `i${this.#announced - back}` : undefined;
  }

  async #release(index: number): Promise<void> {
    const task = this.#claimed.at(-1 - (index % Math.max(1, this.#claimed.length)));
    if (task === undefined) return;
    this.#oracle.release(task);
    await this.#state.tasks.release([task]);
  }

  async #crash(): Promise<void> {
    this.#oracle.crash();
    this.#state = await this.#subject.crash(this.#state, this.#clock);
  }

  async #compare(): Promise<void> {
    this.#oracle.expire();
    const { tasks, ledger } = this.#state;
    assert.equal(await tasks.nextDueAt(), this.#oracle.nextDueAt());
    const waiting = [...this.#oracle.rows.values()].filter((row) => row.waits).length;
    const pending = await tasks.pending();
    assert.equal(
      pending.reduce((sum, { operations }) => sum + operations, 0),
      waiting,
    );
    const { entries } = await ledger.list({ limit: 100 });
    const seen = new Map(entries.map(({ rule, key, status, replica }) => [`${rule} ${key}`, { status, replica }]));
    assert.deepEqual(seen, this.#expectedEntries());
    const summaries = await ledger.summaries(this.#oracle.now);
    const count = (status: string) => [...this.#oracle.rows.values()].filter(({ recorded }) => recorded?.status === status).length;
    const sum = (of: (summary: (typeof summaries)[number]) => number) => summaries.reduce((total, summary) => total + of(summary), 0);
    assert.equal(
      sum(({ completed }) => completed.operations),
      count("COMPLETED"),
    );
    assert.equal(
      sum(({ completed }) => completed.bytes),
      count("COMPLETED") * REPLICA.bytes,
    );
    assert.equal(
      sum(({ failed }) => failed),
      count("FAILED"),
    );
    await this.#compareHoldings();
  }

  async #compareHoldings(): Promise<void> {
    for (const key of KEYS) {
      const known = await this.#state.holdings.known(BUCKET, key);
      const { isHeld, revision, deletedAt } = this.#oracle.held(key);
      assert.deepEqual([known.revision, known.deletedAt], [revision, deletedAt]);
      assert.equal(known.holding?.revision, isHeld ? revision : undefined);
      const intents = [...this.#oracle.intents].filter(([, intent]) => intent.key === key);
      assert.deepEqual(
        new Map(known.intents.map(({ id, expiresAt }) => [id, expiresAt])),
        new Map(intents.map(([id, { expiresAt }]) => [id, expiresAt])),
      );
    }
  }

  #expectedEntries(): Map<string, { status: string; replica: LedgerEntry["replica"] }> {
    const known = [...this.#oracle.rows].filter(([, row]) => row.waits || row.recorded !== undefined);
    const entries = known.map(([id, row]): [string, { status: string; replica: LedgerEntry["replica"] }] => {
      return [id, { status: row.waits ? "PENDING" : (row.recorded?.status ?? ""), replica: row.recorded?.replica ?? null }];
    });
    return new Map(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

const subjects: Readonly<Record<string, (readyWindow: number) => Subject>> = {
  sqlite: (readyWindow) => new SqliteSubject(readyWindow),
  memory: () => memorySubject,
};

for (const [name, subjectOf] of Object.entries(subjects)) {
  test(`${name}: any sequence of calls and crashes does what the promises say (invariants 1, 2, 3, 10)`, async () => {
    const steps = fc.array(step, { minLength: 5, maxLength: 40 });
    const property = fc.asyncProperty(steps, fc.constantFrom(1, 2, 3, 100), async (sequence, readyWindow) => {
      const run = new Run(subjectOf(readyWindow));
      for (const one of sequence) await run.apply(one);
      await run.finish();
    });
    await fc.assert(property, { numRuns: 200 });
  });
}
