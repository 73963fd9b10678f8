import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { blankEntry, type LedgerEntry, type ReplicaRecord } from "../domain/status.ts";
import type { LeasedTask, Outcome, Route, State, Want } from "../ports/state.ts";

/** What a state under test comes with: time that only the test moves, and a way to end it. */
export interface StateHarness {
  readonly state: State;
  /** Milliseconds since the epoch. */
  now(): number;
  /** Moves the time on; on return whatever the state does by itself at that time has been done. */
  advance(ms: number): Promise<void>;
  /** Closes the state and opens it anew over the same rows; this harness is then used up. */
  reopen(): Promise<StateHarness>;
  close(): Promise<void>;
}

/** How an adapter binds one of the contract suites of the state. */
export interface StateContract {
  /** Of the adapter. */
  readonly name: string;
  /** Exact titles of the cases the adapter cannot hold, each with the reason. */
  readonly exempt: Readonly<Record<string, string>>;
  /** Opens an empty state of its own for every case. */
  readonly open: () => Promise<StateHarness>;
}

/** By title, which is the promise of the port. Reopening hands the new harness to who closes it. */
export type StateCases = Readonly<Record<string, (harness: StateHarness, reopened: (harness: StateHarness) => void) => Promise<void>>>;

/** Runs the cases of one port against one adapter. */
export function describeState(port: string, { name, exempt, open }: StateContract, cases: StateCases): void {
  describe(`${port}: ${name}`, () => {
    for (const [title, run] of Object.entries(cases)) {
      const reason = exempt[title];
      test(title, reason === undefined ? {} : { skip: reason }, () => runCase(open, run));
    }
    test("every exemption names a case of this suite", () => {
      const unknown = Object.keys(exempt).filter((title) => !(title in cases));
      assert.deepEqual(unknown, []);
    });
  });
}

async function runCase(open: StateContract["open"], run: StateCases[string]): Promise<void> {
  let last = await open();
  try {
    await run(last, (harness) => {
      last = harness;
    });
  } finally {
    await last.close();
  }
}

/** The route the cases use where one is enough. */
export const PHOTOS: Route = { rule: "photos", source: "s3://one.example/photos", destination: "s3://two.example/copy" };

export function wantOf(key: string, overrides: Partial<Want> = {}): Want {
  return { route: PHOTOS, key, lane: "live", eventTime: null, ...overrides };
}

export const REPLICA: ReplicaRecord = {
  etag: "d41d8cd98f00b204e9800998ecf8427e",
  versionId: null,
  lastModified: 1_700_000_000_000,
  attributeHash: null,
  bytes: 10,
  proof: "etag",
  destinationEtag: "d41d8cd98f00b204e9800998ecf8427e",
  destinationVersionId: null,
};

export function entryOf(route: Route, key: string, overrides: Partial<LedgerEntry> = {}): LedgerEntry {
  const blank = blankEntry({ rule: route.rule, destination: route.destination, key });
  return { ...blank, status: "COMPLETED", replica: REPLICA, attempts: 1, ...overrides };
}

export function completed(task: LeasedTask, overrides: Partial<LedgerEntry> = {}): Outcome {
  return { task, entry: entryOf(task.route, task.key, { attempts: task.attempts + 1, ...overrides }) };
}

export function failed(task: LeasedTask, overrides: Partial<LedgerEntry> = {}): Outcome {
  const error = { code: "AccessDenied", message: "no", hint: "grant it", operation: "PutObject" } as const;
  const entry = entryOf(task.route, task.key, { status: "FAILED", replica: null, attempts: task.attempts + 1, error, ...overrides });
  return { task, entry };
}

/** When tasks first failed in the cases that look at it. */
export const FIRST_FAILED_AT = 4_000;

export function postponed(task: LeasedTask, retryAt: number): Outcome {
  const firstFailedAt = task.firstFailedAt ?? FIRST_FAILED_AT;
  const { entry } = failed(task, { status: "PENDING", nextAttemptAt: retryAt, firstFailedAt });
  return { task, entry, retryAt };
}

/** Claims whatever is due at the harness's time. */
export function claimAll({ state, now }: StateHarness, max = 1_000): Promise<readonly LeasedTask[]> {
  return state.tasks.claim({ max, now: now(), leaseMs: 60_000 });
}

/** Claims the one task that is due, and fails where there is none or more. */
export async function claimOne(harness: StateHarness): Promise<LeasedTask> {
  const tasks = await claimAll(harness);
  assert.equal(tasks.length, 1, "exactly one task is due");
  return tasks[0] as LeasedTask;
}

export function keysOf(tasks: readonly { readonly key: string }[]): readonly string[] {
  return tasks.map((task) => task.key);
}
