import { leanName } from "./contenders.ts";
import type { LagRow } from "./lag.ts";
import type { LagQuantiles } from "./observer.ts";
import type { Traffic } from "./servers.ts";
import type { Run, Workload } from "./workloads.ts";

export interface Results {
  readonly machine: Readonly<Record<string, string | number>>;
  readonly runs: readonly Run[];
  readonly lag: readonly LagRow[];
  /** Of the disk that the product's state lies on. */
  readonly fsyncMs: LagQuantiles | undefined;
}

const mebibyte = 1 << 20;
/** Runs with more are left out of the medians where there are others; the JSON has them all. */
const tolerableForeignShare = 0.1;

const runColumns = [
  "client",
  "runs",
  "objects/s",
  "MiB/s",
  "speed against lean",
  "wall s (min-max)",
  "client CPU µs/object",
  "server CPU µs/object (A+B)",
  "peak RSS MiB",
  "foreign CPU",
  "bytes read / replicated",
  "requests per object at A",
  "at B",
  "result",
];

/** One line as soon as a run has ended. */
export function describeRun(run: Run): string {
  const { wallSeconds, cpuSeconds, foreignShare, exitCode } = run.measurement;
  const cost = `${((cpuSeconds / run.objects) * 1e6).toFixed(0)} µs/object, foreign ${percent(foreignShare)}`;
  const failure = exitCode === 0 ? "" : `\n${run.measurement.output.slice(-500)}`;
  return `${run.workload} #${run.round} ${run.contender}: ${wallSeconds.toFixed(2)} s, ${(run.objects / wallSeconds).toFixed(run.objects < 100 ? 2 : 0)}/s, ${cost}, ${outcome([run])}${failure}`;
}

/** All results as Markdown tables. */
export function toMarkdown(results: Results, workloads: readonly Workload[]): string {
  const machine = Object.entries(results.machine).map(([name, value]) => `${name} ${value}`);
  const parts = [`Machine: ${machine.join(", ")}.`];
  for (const workload of workloads) {
    const runs = results.runs.filter((run) => run.workload === workload.id);
    if (runs.length > 0) parts.push(`### ${workload.id}: ${workload.title}`, runTable(runs));
  }
  if (results.lag.length > 0) parts.push("### Replication latency under steady writes", lagTable(results.lag));
  if (results.fsyncMs) parts.push(`fsync of 4 KiB on the disk of the state: ${milliseconds(results.fsyncMs)} ms (p50/p95/p99/max).`);
  return `${parts.join("\n\n")}\n`;
}

function runTable(runs: readonly Run[]): string {
  const contenders = new Set(runs.map((run) => run.contender));
  return table(
    runColumns,
    [...contenders].map((contender) => runRow(runs, contender)),
  );
}

function runRow(all: readonly Run[], contender: string): string[] {
  const every = all.filter((run) => run.contender === contender);
  const runs = undisturbed(every);
  const of = (pick: (run: Run) => number): number => median(runs.map(pick));
  const [first] = runs;
  if (!first) return [];
  const walls = runs.map((run) => run.measurement.wallSeconds);
  const micros = (pick: (run: Run) => number): string => ((of(pick) / first.objects) * 1e6).toFixed(0);
  const a = (run: Run): number => run.measurement.serverCpuSeconds.a;
  const b = (run: Run): number => run.measurement.serverCpuSeconds.b;
  return [
    contender,
    runs.length === every.length ? String(runs.length) : `${runs.length} of ${every.length}`,
    (first.objects / median(walls)).toFixed(first.objects < 100 ? 2 : 0),
    (first.bytes / mebibyte / median(walls)).toFixed(1),
    percent(median(undisturbed(every.filter((run) => leanOf(all, run))).map((run) => againstLean(all, run)))),
    `${median(walls).toFixed(2)} (${Math.min(...walls).toFixed(2)}-${Math.max(...walls).toFixed(2)})`,
    micros((run) => run.measurement.cpuSeconds),
    `${micros((run) => a(run) + b(run))} (${micros(a)}+${micros(b)})`,
    (Math.max(...runs.map((run) => run.measurement.peakRssBytes)) / mebibyte).toFixed(0),
    percent(of((run) => run.measurement.foreignShare)),
    of((run) => run.measurement.traffic.a.sentBytes / run.bytes).toFixed(2),
    requests(runs.at(-1)?.measurement.traffic.a, first.objects),
    requests(runs.at(-1)?.measurement.traffic.b, first.objects),
    outcome(every),
  ];
}

/** Leaves out what ran beside other users of the machine, unless all did. */
function undisturbed(runs: readonly Run[]): readonly Run[] {
  const clean = runs.filter((run) => run.measurement.foreignShare <= tolerableForeignShare);
  return clean.length > 0 ? clean : runs;
}

function leanOf(all: readonly Run[], run: Run): Run | undefined {
  return all.find((other) => other.round === run.round && other.contender === leanName);
}

/** Speed as a share of the lean client's in the same round, when the machine was in much the same state. */
function againstLean(all: readonly Run[], run: Run): number {
  return (leanOf(all, run)?.measurement.wallSeconds ?? Number.NaN) / run.measurement.wallSeconds;
}

function requests(traffic: Traffic | undefined, objects: number): string {
  const calls = Object.entries(traffic?.calls ?? {}).sort(([, one], [, other]) => other - one);
  const text = calls.map(([operation, count]) => `${operation} ${(count / objects).toFixed(count < objects / 100 ? 4 : 2)}`).join(", ");
  return `${text || "none"}${traffic?.errors ? ` (${traffic.errors} errors)` : ""}`;
}

function outcome(runs: readonly Run[]): string {
  const problems = new Set<string>();
  for (const { measurement, check } of runs) {
    if (measurement.exitCode !== 0) problems.add(`exit ${measurement.exitCode}`);
    for (const kind of ["missing", "extra", "wrongSize"] as const) if (check[kind] > 0) problems.add(`${kind} ${check[kind]}`);
    for (const [name, times] of Object.entries(check.lost)) problems.add(`${name}: ${times} of the sample`);
  }
  return [...problems].join(", ") || "ok";
}

function lagTable(rows: readonly LagRow[]): string {
  const quantiles = "ms p50/p95/p99/max";
  const micros = (seconds: number, row: LagRow): string => ((seconds / row.puts) * 1e6).toFixed(0);
  return table(
    [
      "replication",
      "PUTs/s",
      "PUTs",
      `lag ${quantiles}`,
      "lost",
      `PUT ${quantiles}`,
      `probe gap ${quantiles}`,
      "server CPU µs/object",
      "client CPU µs/object",
      "client RSS MiB",
    ],
    rows.map((row) => [
      row.replication,
      String(row.rate),
      String(row.puts),
      milliseconds(row.lagMs),
      String(row.lost),
      milliseconds(row.putMs),
      milliseconds(row.gapMs),
      micros(row.serverCpuSeconds, row),
      row.clientCpuSeconds ? micros(row.clientCpuSeconds, row) : "in the servers",
      row.clientRssBytes ? (row.clientRssBytes / mebibyte).toFixed(0) : "-",
    ]),
  );
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function milliseconds({ p50, p95, p99, max }: LagQuantiles): string {
  return [p50, p95, p99, max].map((value) => value.toFixed(1)).join("/");
}

function percent(share: number): string {
  return Number.isNaN(share) ? "-" : `${(share * 100).toFixed(0)}%`;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? (sorted[middle] ?? Number.NaN) : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}
