import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import { loadContenders } from "./contenders.ts";
import { type LagRow, measureFsync, measureLag } from "./lag.ts";
import type { LagQuantiles } from "./observer.ts";
import { type BenchOptions, parseOptions, usage } from "./options.ts";
import { describeRun, toMarkdown } from "./report.ts";
import { openStage, type Stage } from "./servers.ts";
import { contendersOf, type Run, WorkloadRunner } from "./workloads.ts";

/** The benchmark measures what users run: `dist/`, not the sources. */
function build(): void {
  const script = fileURLToPath(new URL("../scripts/build.ts", import.meta.url));
  const { status } = spawnSync(process.execPath, [script], { stdio: ["ignore", 2, 2] });
  if (status !== 0) throw new Error("dist/ could not be built");
}

/** One stage for the workloads over http, one for those over https. */
async function runWorkloads(options: BenchOptions): Promise<Run[]> {
  const runs: Run[] = [];
  for (const tls of [false, true]) {
    const workloads = options.workloads.filter((workload) => (workload.tls ?? false) === tls);
    if (workloads.length === 0) continue;
    await using stage = await openStage(tls);
    runs.push(...(await runRounds(stage, { ...options, workloads })));
  }
  return runs;
}

async function runRounds(stage: Stage, options: BenchOptions): Promise<Run[]> {
  const runner = new WorkloadRunner(stage, options.sizes);
  const contenders = await loadContenders(stage, options);
  const runs: Run[] = [];
  for (const workload of options.workloads) {
    const taking = contendersOf(workload, stage, contenders);
    for (let round = 1; round <= options.repeat; round++) {
      for (const contender of taking) {
        const run = await runner
          .run(workload, contender, round)
          .catch((error: unknown) => complain(`${workload.id} ${contender.name}`, error));
        if (!run) continue;
        console.error(describeRun(run));
        runs.push(run);
      }
    }
  }
  return runs;
}

/** What went wrong must not take the results of hours with it. */
function complain(what: string, error: unknown): undefined {
  console.error(`${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  process.exitCode = 1;
  return undefined;
}

interface Live {
  readonly lag: LagRow[];
  readonly fsyncMs: LagQuantiles | undefined;
}

async function runLag(options: BenchOptions): Promise<Live> {
  if (!options.lag) return { lag: [], fsyncMs: undefined };
  await using stage = await openStage(false);
  const fsyncMs = measureFsync(stage.scratch);
  const lag = await measureLag(stage, { seconds: options.lagSeconds, product: options.product }).catch((error: unknown) =>
    complain("LAG", error),
  );
  return { lag: lag ?? [], fsyncMs };
}

async function main(options: BenchOptions): Promise<void> {
  if (options.build) build();
  const runs = await runWorkloads(options);
  const machine = {
    cores: cpus().length,
    CPU: cpus()[0]?.model ?? "unknown",
    "memory GiB": Math.round(totalmem() / 2 ** 30),
    Node: process.version,
  };
  const results = { machine, runs, ...(await runLag(options)) };
  if (options.json) writeFileSync(options.json, `${JSON.stringify({ schemaVersion: 1, options, ...results }, null, 1)}\n`);
  console.log(toMarkdown(results, options.workloads));
}

// An interrupted benchmark leaves nothing behind: what it started ends by itself once this process is gone.
for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)
  process.once(signal, () => process.exit(code));
try {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) console.log(usage);
  else await main(options);
} catch (error) {
  complain("bench", error);
}
