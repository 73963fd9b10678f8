import { after, afterEach, beforeEach } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { runningProcesses, takeRecentProcesses } from "./process.ts";

/** What a test must have closed, as `process.getActiveResourcesInfo` calls it. Only what keeps the process alive is counted there. */
const guarded = [
  "TCPServerWrap",
  "TCPSocketWrap",
  "TLSWrap",
  "PipeServerWrap",
  "UDPWrap",
  "ProcessWrap",
  "FSEventWrap",
  "StatWatcher",
  "Worker",
];
/** Closing is not instant: a socket lingers for a few turns of the event loop after its server's `close` called back. */
const patienceMs = 2_000;
const forcedExitMs = 500;

type Count = ReadonlyMap<string, number>;

/** The part of node:test's context that its type does not show to hooks. */
interface FinishedTest {
  readonly passed: boolean;
  readonly error: unknown;
  diagnostic(message: string): void;
}

/**
 * Installs hooks, for all tests of the calling file or of the enclosing `describe`, that fail a test which leaves servers, sockets, child
 * processes or watchers open. What the launched servers printed is shown below a test that failed.
 *
 * Servers that a `before` hook started for the whole file are no leak.
 */
export function guardAgainstLeaks(): void {
  let before: Count = new Map();
  let leaked = false;
  let shared: ReadonlySet<number> = new Set();
  beforeEach(() => {
    before = countResources();
    shared = new Set(runningProcesses().map((process) => process.pid));
  });
  afterEach(async (context) => {
    printLogs(context as unknown as FinishedTest);
    const leaks = await waitForQuiet(() => [...leakedResources(before), ...leakedProcesses(shared)]);
    leaked ||= leaks.length > 0;
    if (leaks.length > 0) throw new Error(`left open after the test: ${leaks.join(", ")}`);
  });
  after(() => {
    // What leaked would keep the process from ending. A failed test has already set the exit code.
    if (leaked) setTimeout(() => process.exit(), forcedExitMs).unref();
  });
}

async function waitForQuiet(leaks: () => readonly string[]): Promise<readonly string[]> {
  const deadline = Date.now() + patienceMs;
  while (leaks().length > 0 && Date.now() < deadline) await sleep(10);
  return leaks();
}

function countResources(): Count {
  const count = new Map<string, number>();
  for (const name of process.getActiveResourcesInfo()) count.set(name, (count.get(name) ?? 0) + 1);
  return count;
}

function leakedResources(before: Count): string[] {
  const now = countResources();
  const surplus = (name: string): number => (now.get(name) ?? 0) - (before.get(name) ?? 0);
  return guarded.filter((name) => surplus(name) > 0).map((name) => `${surplus(name)} ${name}`);
}

function leakedProcesses(shared: ReadonlySet<number>): string[] {
  const left = runningProcesses().filter((process) => !shared.has(process.pid));
  return left.map((process) => `${process.name} (pid ${process.pid})`);
}

function printLogs(test: FinishedTest): void {
  const processes = takeRecentProcesses();
  if (test.passed || !test.error) return;
  for (const process of processes)
    test.diagnostic(`${process.name} (pid ${process.pid}) printed last:\n${process.log.tail() || "(nothing)"}`);
}
