import assert from "node:assert/strict";
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import type { LedgerEntry } from "../../../domain/status.ts";
import type { Lane, LeasedTask, Route, State } from "../../../ports/state.ts";
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
/** In memory where there is such a place: the disk's syncs are not what is tested here. */
const SCRATCH = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

interface WantStep {
  readonly route: number;
  readonly key: string;
  readonly lane: Lane;
}
/** Which of the tasks ever claimed is meant, and how it ended; a number is the pause before the next attempt. */
interface OutcomeStep {
  readonly task: number;
  readonly end: "completed" | "failed" | number;
}
type Step =
  | { readonly kind: "want"; readonly wants: readonly WantStep[] }
  | { readonly kind: "claim"; readonly max: number }
  | { readonly kind: "record"; readonly outcomes: readonly OutcomeStep[] }
  | { readonly kind: "overlap"; readonly wantFirst: boolean; readonly want: WantStep; readonly outcome: OutcomeStep }
  | { readonly kind: "release"; readonly task: number }
  | { readonly kind: "advance"; readonly ms: number }
  | { readonly kind: "crash" };

const want: fc.Arbitrary<WantStep> = fc.record({
  route: fc.nat(ROUTES.length - 1),
  key: fc.constantFrom(...KEYS),
  lane: fc.constantFrom<Lane>("live", "backfill"),
});
const outcome: fc.Arbitrary<OutcomeStep> = fc.record({
  task: fc.nat(20),
  end: fc.oneof(fc.constantFrom<"completed" | "failed">("completed", "failed"), fc.integer({ min: 0, max: 15 })),
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
  lease: string | undefined;
  leaseUntil: number;
  recorded: Pick<LedgerEntry, "status" | "replica"> | undefined;
}

class Oracle {
  now = 1_000;
  readonly rows = new Map<string, Row>();

  row(route: Route, key: string): Row {
    const id = `${route.rule} ${key}`;
    const fresh: Row = {
      waits: false,
      wantedAgain: false,
      lane: "backfill",
      notBefore: 0,
      attempts: 0,
      lease: undefined,
      leaseUntil: 0,
      recorded: undefined,
    };
    const row = this.rows.get(id) ?? fresh;
    this.rows.set(id, row);
    return row;
  }

  want({ route, key, lane }: WantStep): void {
    const row = this.row(ROUTES[route]!, key);
    if (!row.waits) Object.assign(row, { waits: true, lane, notBefore: 0, attempts: 0, lease: undefined });
    else {
      row.wantedAgain = row.lease !== undefined;
      if (lane === "live") Object.assign(row, { lane, ...(row.notBefore > 0 && { notBefore: 0, attempts: 0 }) });
    }
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

class Run {
  readonly #folder: string;
  readonly #oracle = new Oracle();
  readonly #claimed: LeasedTask[] = [];
  readonly #readyWindow: number;
  #files = 0;
  #state: State;

  constructor(folder: string, readyWindow: number) {
    this.#folder = folder;
    this.#readyWindow = readyWindow;
    this.#state = this.#open();
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

  #open(): State {
    const path = join(this.#folder, `${this.#files}.db`);
    const committer = new InlineCommitter(path);
    const clock = { now: () => this.#oracle.now, sleep: () => new Promise<void>(() => {}) };
    return assemble({ path, mode: "daemon", clock, readyWindow: this.#readyWindow }, { committer, release: () => {} });
  }

  async #want(steps: readonly WantStep[]): Promise<void> {
    for (const step of steps) this.#oracle.want(step);
    await this.#state.tasks.want(steps.map(({ route, key, lane }) => ({ route: ROUTES[route]!, key, lane, eventTime: null })));
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
      Object.assign(row, { lease: task.lease, leaseUntil: this.#oracle.now + LEASE_MS });
    }
    this.#claimed.push(...tasks);
    return tasks;
  }

  async #record(steps: readonly OutcomeStep[]): Promise<void> {
    const chosen = steps.flatMap(({ task, end }) => {
      const leased = this.#claimed.at(-1 - (task % Math.max(1, this.#claimed.length)));
      return leased === undefined ? [] : [{ leased, end }];
    });
    const now = this.#oracle.now;
    const expected = chosen.map(({ leased, end }) => this.#oracle.record(leased, end));
    const outcomes = chosen.map(({ leased, end }) => ({
      task: leased,
      entry: entryOf(leased.route, leased.key, { status: statusOf(end), replica: end === "completed" ? REPLICA : null }),
      ...(typeof end === "number" && { retryAt: now + end }),
    }));
    assert.deepEqual(await this.#state.tasks.record(outcomes), expected);
  }

  async #release(index: number): Promise<void> {
    const task = this.#claimed.at(-1 - (index % Math.max(1, this.#claimed.length)));
    if (task === undefined) return;
    this.#oracle.release(task);
    await this.#state.tasks.release([task]);
  }

  /** The files as the system would have them after a kill, opened as a new state. */
  async #crash(): Promise<void> {
    const from = join(this.#folder, `${this.#files}.db`);
    const to = join(this.#folder, `${++this.#files}.db`);
    for (const suffix of ["", "-wal"]) if (existsSync(from + suffix)) copyFileSync(from + suffix, to + suffix);
    await this.#state.close();
    this.#oracle.crash();
    this.#state = this.#open();
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
  }

  #expectedEntries(): Map<string, { status: string; replica: LedgerEntry["replica"] }> {
    const known = [...this.#oracle.rows].filter(([, row]) => row.waits || row.recorded !== undefined);
    const entries = known.map(([id, row]): [string, { status: string; replica: LedgerEntry["replica"] }] => {
      return [id, { status: row.waits ? "PENDING" : (row.recorded?.status ?? ""), replica: row.recorded?.replica ?? null }];
    });
    return new Map(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

const folders: string[] = [];
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

test("any sequence of wishes, claims, outcomes and crashes does what the promises say (invariants 1, 2, 10)", async () => {
  const steps = fc.array(step, { minLength: 5, maxLength: 40 });
  const property = fc.asyncProperty(steps, fc.constantFrom(1, 2, 3, 100), async (sequence, readyWindow) => {
    const folder = mkdtempSync(join(SCRATCH, "replicast-property-"));
    folders.push(folder);
    const run = new Run(folder, readyWindow);
    for (const one of sequence) await run.apply(one);
    await run.finish();
  });
  await fc.assert(property, { numRuns: 100 });
});
